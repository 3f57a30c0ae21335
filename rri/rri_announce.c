// What FRR is told of reverse routes.
//
// A route that other routers shall reach by an address of the inside network (`advertise`), and not
// by this box's own, goes to FRR with that address as next hop: OSPF makes a forwarding address of
// it, BGP a third party's next hop. FRR puts the route into the kernel with it, before ours in
// order; it stays out of the same interface (`onlink`), and the address gets a fixed neighbour
// there, so that what the host itself sends goes out as it does by our route. The data plane keeps
// to ours (kernel/route.c).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rri_private.h"

// In the order in which FRR prints it back.
static void line_make(const struct rri_spec *s, const struct rri_label *l, char *buf, size_t cap)
{
	bool told = addr_is_set(&l->via);
	const struct ip_addr *via = told ? &l->via : &s->gateway;
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX] = "", t[24] = "";

	if (addr_is_set(via))
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
void rri_announce(struct rri *r, const struct rri_spec *s, const struct rri_label *l, bool add)
{
	char line[160];

	if (addr_is_set(&l->via))
		(add ? via_add : via_del)(r, s, &l->via);
	if (!r->env.announce)
		return;
	line_make(s, l, line, sizeof(line));
	r->env.announce(r->env.ctx, line, add);
}

void rri_announce_again(struct rri *r, const struct rri_entry *e)
{
	char line[160];
	line_make(&e->spec, &e->sent, line, sizeof(line));
	if (r->env.announce)
		r->env.announce(r->env.ctx, line, true);
}

void rri_announce_all(struct rri *r, void (*fn)(void *ctx, const char *line), void *ctx)
{
	struct rri_entry *e;
	char line[160];
	for (uint32_t at = 0; rri_table_bucket(&r->table, &at, &e);)
		for (; e; e = LIST_NEXT(e, next)) {
			if (!e->installed)
				continue;
			line_make(&e->spec, &e->sent, line, sizeof(line));
			fn(ctx, line);
		}
}

bool rri_announces(const struct rri *r, const struct ip_prefix *dst, const char *line)
{
	const struct rri_entry *e = rri_table_first(&r->table, dst);
	char ours[160];
	for (; e; e = LIST_NEXT(e, next)) {
		if (!e->installed || !prefix_equal(&e->spec.dst, dst))
			continue;
		line_make(&e->spec, &e->sent, ours, sizeof(ours));
		if (strcmp(ours, line) == 0)
			return true;
	}
	return false;
}
