// Who wants reverse routes: SAs as they come and go, and access lists of `static` entries.
//
// Every owner is computed again (rri_owner_refresh) when its tunnel, the role of the box or the
// kernel's routes change; what it wants then is held in the table before what it wanted is
// released, so that a route that stays never leaves the kernel.
#include "rri_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define PATHS_DELAY_MS 20  // changes of routes come in bursts

// ---- owners ----------------------------------------------------------------------------------
static void owner_stale(struct rri *r, struct rri_owner *o)
{
	if (!o->queued)
		TAILQ_INSERT_TAIL(&r->stale, o, stale);
	o->queued = true;
	rri_run_soon(r);
}

static void all_stale(struct rri *r)
{
	struct rri_owner *o;
	TAILQ_FOREACH (o, &r->all, link)
		owner_stale(r, o);
}

static struct rri_owner_bucket *bucket(struct rri *r, uint32_t sa_in)
{
	return &r->by_sa[(sa_in * 2654435761u) >> 20];
}

static struct rri_owner *owner_by_sa(struct rri *r, uint32_t sa_in)
{
	struct rri_owner *o;
	LIST_FOREACH (o, bucket(r, sa_in), next)
		if (o->sa_in == sa_in)
			return o;
	return NULL;
}

static struct rri_owner *owner_new(struct rri *r, const struct tunnel_flow *flow, uint32_t sa_in,
				   const struct ip_prefix *dst, const struct ip_addr *peer)
{
	struct rri_owner *o = calloc(1, sizeof(*o));
	if (!o) {
		log_event("RRI", LOG_L_ERR, "MEMORY", "Not enough memory for a reverse route");
		return NULL;
	}
	o->sa_in = sa_in;
	o->policy = flow->policy;
	o->seq = flow->tunnel->seq;
	o->wanted = true;
	o->dst = prefix_mask(dst);
	o->peer = *peer;
	snprintf(o->map, sizeof(o->map), "%s", flow->tunnel->map);
	snprintf(o->interface, sizeof(o->interface), "%s", flow->tunnel->interface);
	TAILQ_INSERT_TAIL(&r->all, o, link);
	if (sa_in)
		LIST_INSERT_HEAD(bucket(r, sa_in), o, next);
	r->owners++;
	owner_stale(r, o);
	return o;
}

static void side_release(struct rri *r, struct rri_want *wants, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		rri_table_release(&r->table, &wants[i]);
}

static void owner_free(struct rri *r, struct rri_owner *o)
{
	side_release(r, o->want[o->side], o->count);
	if (o->queued)
		TAILQ_REMOVE(&r->stale, o, stale);
	if (o->sa_in)
		LIST_REMOVE(o, next);
	TAILQ_REMOVE(&r->all, o, link);
	r->owners--;
	free(o);
	rri_run_soon(r);
}

// The tunnel an owner belongs to as the configuration now stands; NULL when it asks for no routes.
static const struct tunnel *owner_tunnel(const struct rri *r, const struct rri_owner *o)
{
	const struct tunnel_flow *f = r->tunnels ? tunnels_flow(r->tunnels, o->policy) : NULL;
	if (!f || f->tunnel->seq != o->seq || strcmp(f->tunnel->map, o->map) != 0 ||
	    strcmp(f->tunnel->interface, o->interface) != 0)
		return NULL;
	if (r->env.active && !r->env.active(r->env.ctx, o->interface))
		return NULL;
	return f->tunnel->reverse_route.kind == RR_NONE || !f->tunnel->complete ? NULL : f->tunnel;
}

static struct rri_label label_of(const struct reverse_route *rr, const struct ip_prefix *dst)
{
	struct rri_label l = {.tag = rr->tag};
	if (rr->advertise.family == dst->addr.family)
		l.via = rr->advertise;
	return l;
}

void rri_owner_refresh(struct rri *r, struct rri_owner *o)
{
	struct rri_spec specs[RRI_OWNER_ROUTES];
	unsigned had = o->count, count = 0, held = 0;
	struct rri_label labels[RRI_OWNER_ROUTES];
	struct rri_want *old = o->want[o->side], *now = o->want[!o->side];
	const struct tunnel *t = owner_tunnel(r, o);

	TAILQ_REMOVE(&r->stale, o, stale);
	o->queued = false;
	if (t) {
		count = rri_specs(&r->env, t, &o->dst, &o->peer, specs);
		for (unsigned i = 0; i < count; i++)
			labels[i] = label_of(&t->reverse_route, &specs[i].dst);
	}
	bool same = count == had;
	for (unsigned i = 0; i < count && same; i++)
		same = rri_spec_equal(&old[i].entry->spec, &specs[i]) &&
		       rri_label_equal(&old[i].label, &labels[i]);
	if (same)
		return;
	while (held < count &&
	       rri_table_hold(&r->table, &now[held], &specs[held], &labels[held]) == 0)
		held++;
	for (unsigned i = 0; i < held; i++)
		now[i].by_acl = !o->sa_in;
	side_release(r, old, had);
	o->side = !o->side;
	o->count = held;
}

// ---- SAs -------------------------------------------------------------------------------------
void rri_notice(void *rri, const struct ike_notice *n)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct rri *r = rri;
	char text[ADDR_STR_MAX];

	if (n->type == IKE_CHILD_DOWN) {
		struct rri_owner *o = owner_by_sa(r, n->sa_in);
		if (o)
			owner_free(r, o);
		return;
	}
	if (n->type != IKE_CHILD_UP || !n->flow || !n->sa_in)
		return;
	if (n->sel.dst.len == 0) {
		if (n->flow->tunnel->reverse_route.kind != RR_NONE)
			log_event_limited(
				&rl, "RRI", LOG_L_WARNING, "ANY",
				"Peer %s protects every address: no reverse route is made",
				addr_format(&n->remote, text, sizeof(text)));
		return;
	}
	if (!owner_by_sa(r, n->sa_in))
		(void)owner_new(r, n->flow, n->sa_in, &n->sel.dst, &n->remote);
}

// ---- access lists of static entries ----------------------------------------------------------
static int owner_order(const void *a, const void *b)
{
	const struct rri_owner *x = *(struct rri_owner *const *)a;
	const struct rri_owner *y = *(struct rri_owner *const *)b;
	return x->policy < y->policy ? -1 : x->policy > y->policy;
}

static struct rri_owner **statics_sorted(const struct rri *r, size_t *count)
{
	struct rri_owner *o, **all = calloc(r->owners ? r->owners : 1, sizeof(struct rri_owner *));
	*count = 0;
	if (!all)
		return NULL;
	TAILQ_FOREACH (o, &r->all, link)
		if (!o->sa_in)
			all[(*count)++] = o;
	if (*count)
		qsort(all, *count, sizeof(*all), owner_order);
	return all;
}

static void static_keep(struct rri *r, struct rri_owner **have, size_t count,
			const struct tunnel_flow *f)
{
	const struct ip_addr none = addr_none(), *peer = &none;
	struct rri_owner like = {.policy = f->policy}, *key = &like;

	if (f->tunnel->rests ? f->tunnel->awake_peers : f->tunnel->peer_count)
		peer = &f->tunnel->peers[0];
	struct rri_owner **at =
		count ? bsearch(&key, have, count, sizeof(*have), owner_order) : NULL;
	struct ip_prefix dst = prefix_mask(&f->sel.dst);
	if (at && prefix_equal(&(*at)->dst, &dst) && addr_equal(&(*at)->peer, peer)) {
		(*at)->wanted = true;
		return;
	}
	if (f->sel.dst.len)
		(void)owner_new(r, f, 0, &f->sel.dst, peer);
}

static void statics_configure(struct rri *r, const struct tunnels *t)
{
	size_t count;
	struct rri_owner *o, *next, **have = statics_sorted(r, &count);

	if (!have)
		return;
	for (size_t i = 0; i < count; i++)
		have[i]->wanted = false;
	for (unsigned i = 0; t && i < t->count; i++)
		for (unsigned f = 0; f < t->all[i]->flow_count; f++)
			if (tunnel_is_whole(t->all[i]) &&
			    t->all[i]->reverse_route.kind != RR_NONE &&
			    t->all[i]->reverse_route.is_static)
				static_keep(r, have, count, &t->all[i]->flows[f]);
	free(have);
	for (o = TAILQ_FIRST(&r->all); o; o = next) {
		next = TAILQ_NEXT(o, link);
		if (!o->sa_in && !o->wanted)
			owner_free(r, o);
	}
}

void rri_configure(struct rri *r, const struct tunnels *t)
{
	r->tunnels = t;
	statics_configure(r, t);
	all_stale(r);
}

static int validate_any(const struct config *c, const struct crypto_map *m,
			const struct crypto_map_entry *e, struct err *err)
{
	const struct acl *acl = e->acl[0] ? config_acl(c, e->acl) : NULL;
	const struct acl_entry *a;

	if (!acl)
		return 0;
	TAILQ_FOREACH (a, &acl->entries, link)
		if (!a->is_remark && a->permit && (a->sel.src.len == 0 || a->sel.dst.len == 0))
			return err_set(err, -EINVAL,
				       "crypto %smap %s %u: reverse-route cannot be used "
				       "with \"any\" (access list %s, line %u)",
				       m->is_dynamic_template ? "dynamic-" : "", m->name, e->seq,
				       e->acl, a->seq);
	return 0;
}

static int validate_advertise(const struct config *c, const struct crypto_map *m,
			      const struct crypto_map_entry *e, struct err *err)
{
	const struct ip_addr *a = &e->reverse_route.advertise;
	const struct interface_config *i;
	char text[ADDR_STR_MAX];

	if (!addr_is_set(a))
		return 0;
	TAILQ_FOREACH (i, &c->interfaces, link)
		if (addr_equal(&i->addr.addr, a))
			return err_set(
				err, -EINVAL,
				"crypto %smap %s %u: reverse-route cannot advertise %s, %s's "
				"own address; it takes a virtual one (standby G ip A "
				"secondary)",
				m->is_dynamic_template ? "dynamic-" : "", m->name, e->seq,
				addr_format(a, text, sizeof(text)), i->name);
	return 0;
}

int rri_validate(const struct config *c, struct err *err)
{
	const struct crypto_map *m;
	const struct crypto_map_entry *e;

	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		TAILQ_FOREACH (e, &m->entries, link) {
			if (e->reverse_route.kind == RR_NONE)
				continue;
			int rc = validate_any(c, m, e, err);
			if (!rc)
				rc = validate_advertise(c, m, e, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}

bool rri_advertised(const struct config *c, const struct ip_addr *addr)
{
	const struct crypto_map *m;
	const struct crypto_map_entry *e;

	if (!c)
		return false;
	TAILQ_FOREACH (m, &c->crypto_maps, link)
		TAILQ_FOREACH (e, &m->entries, link)
			if (addr_is_set(&e->reverse_route.advertise) &&
			    addr_equal(&e->reverse_route.advertise, addr))
				return true;
	return false;
}

// ---- what happens around ---------------------------------------------------------------------
static void paths(void *ctx, uint64_t now_ms)
{
	struct rri *r = ctx;
	all_stale(r);
	rri_table_retry(&r->table);
	rri_run_soon(r);
}

// Routes of ours, and zebra's copies of them, are no news.
void rri_paths_changed(struct rri *r, const struct ip_prefix *dst)
{
	const struct rri_entry *e = dst ? rri_table_first(&r->table, dst) : NULL;
	for (; e; e = LIST_NEXT(e, next))
		if (prefix_equal(&e->spec.dst, dst))
			return;
	if (r->owners && !r->paths.due_ms)
		loop_timer_start(&r->paths, PATHS_DELAY_MS);
}

void rri_link_changed(struct rri *r, const char *kernel_if)
{
	struct rri_entry *e;
	for (uint32_t at = 0; r->table.installed && rri_table_bucket(&r->table, &at, &e);)
		for (; e; e = LIST_NEXT(e, next))
			if (strcmp(e->spec.interface, kernel_if) == 0)
				rri_table_lost(&r->table, e);
	rri_vias_again(r, kernel_if);
	rri_run_soon(r);
	rri_paths_changed(r, NULL);
}

void rri_role_changed(struct rri *r)
{
	r->role_changed = true;
	all_stale(r);
	// the first slice at once: packets follow the role within a millisecond
	loop_timer_stop(&r->slice);
	rri_slice(r, loop_now_ms(r->env.loop));
}

void rri_get_stats(const struct rri *r, struct rri_stats *out)
{
	*out = (struct rri_stats){
		.owners = r->owners,
		.routes = r->table.installed,
		.waiting = r->table.waits,
		.adds = r->table.adds,
		.dels = r->table.dels,
		.idle = TAILQ_EMPTY(&r->stale) && rri_table_idle(&r->table),
	};
}

struct rri *rri_create(const struct rri_env *env, struct err *err)
{
	struct rri *r = calloc(1, sizeof(*r));
	if (!r || rri_table_init(&r->table)) {
		free(r);
		err_set(err, -ENOMEM, "Not enough memory for reverse routes");
		return NULL;
	}
	r->env = *env;
	TAILQ_INIT(&r->all);
	TAILQ_INIT(&r->stale);
	loop_timer_init(&r->slice, env->loop, "reverse routes", rri_slice, r);
	rri_announce_init(r);
	loop_timer_init(&r->paths, env->loop, "reverse route paths", paths, r);
	return r;
}

void rri_destroy(struct rri *r)
{
	struct rri_owner *o;
	if (!r)
		return;
	while ((o = TAILQ_FIRST(&r->all)))
		owner_free(r, o);
	rri_run_all(r);
	rri_announce_fini(r);
	loop_timer_fini(&r->slice);
	loop_timer_fini(&r->paths);
	rri_table_fini(&r->table);
	free(r);
}
