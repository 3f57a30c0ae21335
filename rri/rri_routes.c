// The work list of the route table, worked off into the kernel and FRR in slices.
//
// The kernel comes first: it forwards. FRR is told afterwards and learns the tag with it. A single
// SA's routes are in the kernel in the loop turn after the SA came up. A slice runs 1 ms at most,
// and the next one begins 3 ms later: the control thread is a real-time one, and thousands of
// system calls in a row would keep a worker on the same core from sending and hearing hellos.
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "rri_private.h"

#define SLICE_US 1000
#define PAUSE_MS 3

void rri_line(const struct rri_spec *s, uint32_t tag, char *buf, size_t cap)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX] = "", t[24] = "";

	if (addr_is_set(&s->gateway))
		addr_format(&s->gateway, a, sizeof(a));
	if (tag)
		snprintf(t, sizeof(t), " tag %u", tag);
	snprintf(buf, cap, "%s %s%s%s%s %u", prefix_format(&s->dst, p, sizeof(p)), a,
		 a[0] ? " " : "", s->interface, t, RRI_FRR_DISTANCE);
}

static void announce(struct rri *r, const struct rri_entry *e, uint32_t tag, bool add)
{
	char line[160];
	if (!r->env.announce)
		return;
	rri_line(&e->spec, tag, line, sizeof(line));
	r->env.announce(r->env.ctx, line, add);
}

static void entry_add(struct rri *r, struct rri_entry *e, const struct kernel_route_spec *spec)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct err err = {0};
	char text[PREFIX_STR_MAX];

	bool before = e->installed;
	int rc = r->env.route_add(r->env.ctx, spec, &err);
	if (rc) {
		log_event_limited(&rl, "RRI", LOG_L_NOTICE, "WAITING",
				  "Reverse route %s via %s waits: %s",
				  prefix_format(&spec->dst, text, sizeof(text)), spec->interface,
				  err.msg[0] ? err.msg : strerror(-rc));
		if (before)
			announce(r, e, e->sent_tag, false);
	} else {
		if (before && e->sent_tag != e->tag)
			announce(r, e, e->sent_tag, false);
		announce(r, e, e->tag, true);
	}
	rri_table_done(&r->table, e, RRI_ADD, rc == 0);
}

static void entry_run(struct rri *r, struct rri_entry *e, enum rri_op op)
{
	const struct kernel_route_spec spec = {
		.dst = e->spec.dst,
		.gateway = e->spec.gateway,
		.interface = e->spec.interface,
		.proto = KERNEL_PROTO_RRI,
		.metric = RRI_KERNEL_METRIC,
	};
	struct err err = {0};

	switch (op) {
	case RRI_ADD: entry_add(r, e, &spec); return;
	case RRI_DEL:
		if (r->env.route_del(r->env.ctx, &spec, &err))
			log_event("RRI", LOG_L_WARNING, "ROUTE", "%s", err.msg);
		announce(r, e, e->sent_tag, false);
		break;
	case RRI_RETAG:
		announce(r, e, e->sent_tag, false);
		announce(r, e, e->tag, true);
		break;
	case RRI_NONE: return;
	}
	rri_table_done(&r->table, e, op, true);
}

// Owners first: they make the entries.
static bool run_until(struct rri *r, uint64_t end)
{
	struct rri_owner *o;
	struct rri_entry *e;
	enum rri_op op;

	do {
		if ((o = TAILQ_FIRST(&r->stale)))
			rri_owner_refresh(r, o);
		else if ((e = rri_table_pop(&r->table, &op)))
			entry_run(r, e, op);
		else
			return true;
	} while (loop_clock_us() < end);
	return TAILQ_EMPTY(&r->stale) && rri_table_idle(&r->table);
}

static void run(void *ctx)
{
	struct rri *r = ctx;
	r->running = false;
	if (run_until(r, loop_clock_us() + SLICE_US))
		return;
	r->running = true;
	loop_timer_start(&r->slice, PAUSE_MS);
}

void rri_slice(void *ctx, uint64_t now_ms)
{
	run(ctx);
}

void rri_run_soon(struct rri *r)
{
	if (r->running)
		return;
	r->running = true;
	loop_timer_start(&r->slice, 0);
}

void rri_run_all(struct rri *r)
{
	(void)run_until(r, UINT64_MAX);
}
