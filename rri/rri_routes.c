// The work list of the route table, worked off into the kernel and FRR in slices.
//
// The kernel comes first: it forwards. FRR is told afterwards and learns the tag with it. A single
// SA's routes are in the kernel in the loop turn after the SA came up. A slice runs 1 ms at most,
// and the next one begins 3 ms later: the control thread is a real-time one, and thousands of
// system calls in a row would keep a worker on the same core from sending and hearing hellos.
#include <string.h>

#include "log.h"
#include "rri_private.h"

#define SLICE_US 1000
#define PAUSE_MS 3

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
			rri_announce(r, &e->spec, &e->sent, false);
	} else if (before && rri_label_equal(&e->sent, &e->label)) {
		rri_announce_again(r, e);
	} else {
		if (before)
			rri_announce(r, &e->spec, &e->sent, false);
		rri_announce(r, &e->spec, &e->label, true);
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
		rri_announce(r, &e->spec, &e->sent, false);
		break;
	case RRI_RETAG:
		rri_announce(r, &e->spec, &e->sent, false);
		rri_announce(r, &e->spec, &e->label, true);
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
	if (run_until(r, loop_clock_us() + SLICE_US)) {
		r->role_changed = false;
		return;
	}
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
