// What FRR is told of reverse routes.
//
// A route that other routers shall reach by an address of the inside network (`advertise`), and not
// by this box's own, goes to FRR with that address as next hop: OSPF makes a forwarding address of
// it, BGP a third party's next hop. FRR puts the route into the kernel with it, before ours in
// order; it stays out of the same interface (`onlink`), and the address gets a fixed neighbour
// there, so that what the host itself sends goes out as it does by our route. The data plane keeps
// to ours (kernel/route.c).
//
// Such a route leads to the box that works, whoever tells it. So a box that has lost the role tells
// it a while longer: were it withdrawn before the other box has told its own, inside routers would
// have none in between.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rri_private.h"

// How long routes are told after the role went: the other box may tell its own in that time. With
// thousands of routes FRR takes seconds.
#define LATE_MS       10000
#define LATE_SLICE_US 1000
#define LATE_PAUSE_MS 4

// In the order in which FRR prints it back.
static void line_make(const struct rri_spec *s, const struct rri_label *l, char *buf, size_t cap)
{
	bool told = addr_is_set(&l->via);
	const struct ip_addr *via = told ? &l->via : &s->gateway;
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX] = "", t[24] = "";

	// staticd takes no next hop of the other family; the kernel has it by our route
	if (via->family == s->dst.addr.family)
		addr_format(via, a, sizeof(a));
	if (l->tag)
		snprintf(t, sizeof(t), " tag %u", l->tag);
	snprintf(buf, cap, "%s %s%s%s%s %u%s", prefix_format(&s->dst, p, sizeof(p)), a,
		 a[0] ? " " : "", s->interface, t, RRI_FRR_DISTANCE, told ? " onlink" : "");
}

// ---- fixed neighbours ------------------------------------------------------------------------
static struct rri_via *via_find(struct rri *r, const struct rri_spec *s, const struct ip_addr *a)
{
	struct rri_via *v;
	LIST_FOREACH (v, &r->vias, next)
		if (addr_equal(&v->addr, a) && strcmp(v->interface, s->interface) == 0)
			return v;
	return NULL;
}

static void via_add(struct rri *r, const struct rri_spec *s, const struct ip_addr *a)
{
	struct rri_via *v = via_find(r, s, a);

	if (!v) {
		v = calloc(1, sizeof(*v));
		if (!v)
			return;
		v->addr = *a;
		memcpy(v->interface, s->interface, sizeof(v->interface));
		LIST_INSERT_HEAD(&r->vias, v, next);
		if (r->env.neighbour)
			r->env.neighbour(r->env.ctx, v->interface, &v->addr, true);
	}
	v->refs++;
}

static void via_del(struct rri *r, const struct rri_spec *s, const struct ip_addr *a)
{
	struct rri_via *v = via_find(r, s, a);

	if (!v || --v->refs)
		return;
	if (r->env.neighbour)
		r->env.neighbour(r->env.ctx, v->interface, &v->addr, false);
	LIST_REMOVE(v, next);
	free(v);
}

void rri_vias_again(struct rri *r, const char *kernel_if)
{
	const struct rri_via *v;
	LIST_FOREACH (v, &r->vias, next)
		if (r->env.neighbour && strcmp(v->interface, kernel_if) == 0)
			r->env.neighbour(r->env.ctx, v->interface, &v->addr, true);
}

// ---- lines -----------------------------------------------------------------------------------
static void tell(struct rri *r, const struct rri_spec *s, const struct rri_label *l, bool add)
{
	char line[160];

	if (addr_is_set(&l->via))
		(add ? via_add : via_del)(r, s, &l->via);
	if (!r->env.announce)
		return;
	line_make(s, l, line, sizeof(line));
	r->env.announce(r->env.ctx, line, add);
}

// ---- late ones -------------------------------------------------------------------------------
static uint32_t late_bucket(const struct ip_prefix *dst)
{
	return rri_dst_hash(dst) % RRI_LATE_BUCKETS;
}

static void late_free(struct rri *r, struct rri_late *e)
{
	TAILQ_REMOVE(&r->late, e, next);
	LIST_REMOVE(e, same);
	free(e);
}

// Back with the role before it was taken away: nothing to tell.
static bool late_back(struct rri *r, const struct rri_spec *s, const struct rri_label *l)
{
	struct rri_late *e;
	LIST_FOREACH (e, &r->late_by_dst[late_bucket(&s->dst)], same)
		if (rri_spec_equal(&e->spec, s) && rri_label_equal(&e->label, l)) {
			late_free(r, e);
			return true;
		}
	return false;
}

static bool late_put(struct rri *r, const struct rri_spec *s, const struct rri_label *l)
{
	struct rri_late *e = malloc(sizeof(*e));
	if (!e)
		return false;
	*e = (struct rri_late){.spec = *s, .label = *l};
	e->due_ms = loop_now_ms(r->env.loop) + LATE_MS;
	TAILQ_INSERT_TAIL(&r->late, e, next);
	LIST_INSERT_HEAD(&r->late_by_dst[late_bucket(&s->dst)], e, same);
	if (!r->late_timer.due_ms)
		loop_timer_start(&r->late_timer, LATE_MS);
	return true;
}

static void late_go(struct rri *r, uint64_t now_ms, uint64_t end_us)
{
	struct rri_late *e;
	while ((e = TAILQ_FIRST(&r->late)) && e->due_ms <= now_ms && loop_clock_us() < end_us) {
		tell(r, &e->spec, &e->label, false);
		late_free(r, e);
	}
}

static void late_due(void *ctx, uint64_t now_ms)
{
	struct rri *r = ctx;
	const struct rri_late *e;

	late_go(r, now_ms, loop_clock_us() + LATE_SLICE_US);
	if ((e = TAILQ_FIRST(&r->late)))
		loop_timer_start(&r->late_timer, e->due_ms > now_ms ? (uint32_t)(e->due_ms - now_ms)
								    : LATE_PAUSE_MS);
}

void rri_announce(struct rri *r, const struct rri_spec *s, const struct rri_label *l, bool add)
{
	if (addr_is_set(&l->via) &&
	    (add ? late_back(r, s, l) : r->role_changed && late_put(r, s, l)))
		return;
	tell(r, s, l, add);
}

void rri_announce_init(struct rri *r)
{
	TAILQ_INIT(&r->late);
	loop_timer_init(&r->late_timer, r->env.loop, "reverse routes, late", late_due, r);
}

void rri_announce_fini(struct rri *r)
{
	late_go(r, UINT64_MAX, UINT64_MAX);
	loop_timer_fini(&r->late_timer);
}

void rri_announce_again(struct rri *r, const struct rri_entry *e)
{
	char line[160];
	line_make(&e->spec, &e->sent, line, sizeof(line));
	if (r->env.announce)
		r->env.announce(r->env.ctx, line, true);
}

// FRR that comes back within that time gets the late ones too: a role that comes back then tells
// nothing.
void rri_announce_all(struct rri *r, void (*fn)(void *ctx, const char *line), void *ctx)
{
	const struct rri_late *late;
	struct rri_entry *e;
	char line[160];

	for (uint32_t at = 0; rri_table_bucket(&r->table, &at, &e);)
		for (; e; e = LIST_NEXT(e, next)) {
			if (!e->installed)
				continue;
			line_make(&e->spec, &e->sent, line, sizeof(line));
			fn(ctx, line);
		}
	TAILQ_FOREACH (late, &r->late, next) {
		line_make(&late->spec, &late->label, line, sizeof(line));
		fn(ctx, line);
	}
}

static bool line_is(const char *line, const struct rri_spec *s, const struct rri_label *l)
{
	char ours[160];

	line_make(s, l, ours, sizeof(ours));
	return strcmp(ours, line) == 0;
}

bool rri_announces(const struct rri *r, const struct ip_prefix *dst, const char *line)
{
	const struct rri_entry *e = rri_table_first(&r->table, dst);
	const struct rri_late *late;

	for (; e; e = LIST_NEXT(e, next))
		if (e->installed && prefix_equal(&e->spec.dst, dst) &&
		    line_is(line, &e->spec, &e->sent))
			return true;
	LIST_FOREACH (late, &r->late_by_dst[late_bucket(dst)], same)
		if (prefix_equal(&late->spec.dst, dst) && line_is(line, &late->spec, &late->label))
			return true;
	return false;
}
