// Crypto maps of a configuration, resolved into tunnels, flows and data-plane policies.
//
// Every interface that bears a map gets its own copy of the map's complete entries: a policy
// group, and for each permit line of the ACL a flow with a policy id. Ids are taken over from the
// previous build where (interface, map, sequence, selector) is the same. A deny line means "not
// this entry": it becomes a SKIP policy to the first rule of the next entry.

#include "tunnel_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tunnel_warn(struct build *b, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	if (!b->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	b->warn(b->warn_ctx, text);
}

// ---- entries ---------------------------------------------------------------------------------
struct dp_policy *tunnel_policy_add(struct build *b)
{
	if (b->out->policy_count == b->out->policy_cap) {
		size_t cap = b->out->policy_cap ? b->out->policy_cap * 2 : 64;
		struct dp_policy *p = realloc(b->out->policies, cap * sizeof(*p));
		if (!p) {
			b->failed = -ENOMEM;
			return NULL;
		}
		b->out->policies = p;
		b->out->policy_cap = cap;
	}
	struct dp_policy *p = &b->out->policies[b->out->policy_count++];
	*p = (struct dp_policy){.order = b->order++};
	return p;
}

static void resolve_peers(struct tunnel *t, const struct crypto_map_entry *e)
{
	const struct map_peer *p;
	TAILQ_FOREACH (p, &e->peers, link) {
		if (!addr_is_set(&p->addr) || p->addr.family != t->local.family)
			continue;
		if (t->peer_count == sizeof(t->peers) / sizeof(t->peers[0]))
			break;
		// the default peer is tried first
		if (p->is_default && t->peer_count) {
			memmove(&t->peers[1], &t->peers[0], t->peer_count * sizeof(t->peers[0]));
			t->peers[0] = p->addr;
			t->peer_count++;
		} else {
			t->peers[t->peer_count++] = p->addr;
		}
	}
}

static void resolve_proposals(struct build *b, struct tunnel *t, const struct crypto_map_entry *e)
{
	for (unsigned i = 0; i < e->transform_set_count; i++) {
		const struct transform_set *s = config_transform_set(b->c, e->transform_sets[i]);
		if (!s) {
			tunnel_warn(b, "Crypto map %s %u: transform set %s does not exist", t->map,
				    t->seq, e->transform_sets[i]);
			continue;
		}
		struct tunnel_proposal *p = &t->proposals[t->proposal_count++];
		*p = (struct tunnel_proposal){.cipher = s->cipher,
					      .key_bits = s->key_bits,
					      .gcm_icv = s->gcm_icv,
					      .auth = s->auth,
					      .transport = s->transport};
		snprintf(p->name, sizeof(p->name), "%s", s->name);
	}
}

struct tunnel *tunnel_new(struct build *b, const struct interface_config *ifc,
			  const struct crypto_map *m, const struct crypto_map_entry *e,
			  const struct crypto_map_entry *dynamic)
{
	const struct ipsec_config *g = &b->c->ipsec;
	struct tunnel *t = calloc(1, sizeof(*t));
	if (!t) {
		b->failed = -ENOMEM;
		return NULL;
	}
	snprintf(t->map, sizeof(t->map), "%s", m->name);
	snprintf(t->interface, sizeof(t->interface), "%s", ifc->name);
	t->seq = e->seq;
	if (dynamic) {
		t->role = TUNNEL_TEMPLATE;
		snprintf(t->dynamic_map, sizeof(t->dynamic_map), "%s", e->dynamic_map);
		t->dynamic_seq = dynamic->seq;
		e = dynamic;
	}
	t->kind = e->kind;
	t->local = tunnel_local_address(b->c, m, ifc);
	t->port = b->port_of ? b->port_of(b->port_ctx, ifc->name) : 0;
	t->pfs = e->pfs;
	t->pfs_group = e->pfs ? e->pfs_group : 0;
	t->lifetime_s = e->lifetime_s ? e->lifetime_s : g->lifetime_s;
	t->lifetime_kb = e->lifetime_kb ? e->lifetime_kb : g->lifetime_kb;
	t->replay_window = e->replay_set ? e->replay_window : g->replay_window;
	t->idle_time_s = e->idle_time_s ? e->idle_time_s : g->idle_time_s;
	t->df = g->df_bit == DF_BIT_CLEAR ? 1 : g->df_bit == DF_BIT_SET ? 2 : 0;
	t->fragment_after = g->fragment_after;
	t->key_in = e->key_in;
	t->key_out = e->key_out;
	t->reverse_route = e->reverse_route;
	resolve_peers(t, e);
	resolve_proposals(b, t, e);
	return t;
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	free(t->flows);
	free(t->aces);
	explicit_bzero(t, sizeof(*t));  // manual keys
	free(t);
}

// Says what is missing, once, in the order in which one would configure it. Returns whether the
// entry selects traffic at all: without an access list it is left out. An entry that only cannot
// negotiate keeps its policies: what they select is dropped, or `no set peer A` followed by `set
// peer B` would let it leave in clear in between.
static bool tunnel_judge(struct build *b, struct tunnel *t, const struct crypto_map_entry *e,
			 const struct acl *acl)
{
	const char *why = NULL;
	bool selects = acl != NULL;
	if (!addr_is_set(&t->local))
		why = "has no local address: the interface has none";
	else if (TAILQ_EMPTY(&e->peers))
		why = "has no peer";
	else if (!t->peer_count)
		why = "has no peer address that fits the local address";
	else if (!e->acl[0])
		why = "has no access list (match address)";
	else if (!acl)
		why = "refers to an access list that does not exist";
	else if (!t->proposal_count)
		why = "has no transform set";
	else if (t->kind == MAP_IPSEC_MANUAL && (!e->key_in.set || !e->key_out.set))
		why = "lacks a session key (set session-key inbound and outbound)";
	t->complete = !why;
	if (why)
		tunnel_warn(b, "Crypto map %s %u on %s %s: it %s", t->map, t->seq, t->interface,
			    selects ? "drops the traffic it selects" : "is left out", why);
	return selects;
}

bool selector_families_agree(const struct selector *s)
{
	return s->src.addr.family == s->dst.addr.family && s->src.addr.family;
}

int tunnel_flows(struct build *b, struct tunnel *t, const struct acl *acl)
{
	const struct acl_entry *a;
	unsigned permits = 0;

	TAILQ_FOREACH (a, &acl->entries, link)
		permits += !a->is_remark && a->permit;
	t->flows = calloc(permits ? permits : 1, sizeof(*t->flows));
	if (!t->flows)
		return -ENOMEM;
	TAILQ_FOREACH (a, &acl->entries, link) {
		if (a->is_remark || !selector_families_agree(&a->sel))
			continue;
		uint32_t id = a->permit ? tunnel_id_for(b, t, &a->sel) : tunnel_id_new(b);
		if (!id)
			return -ENOSPC;
		struct dp_policy *p = tunnel_policy_add(b);
		if (!p)
			return -ENOMEM;
		p->id = id;
		p->group = t->group;
		p->action = a->permit ? DP_POLICY_PROTECT : DP_POLICY_SKIP;
		p->sel = a->sel;
		if (a->permit)
			t->flows[t->flow_count++] = (struct tunnel_flow){
				.policy = id, .ace_seq = a->seq, .sel = a->sel, .tunnel = t};
	}
	return 0;
}

int tunnel_keep(struct build *b, struct tunnel *t)
{
	if (b->out->count == b->tunnel_cap) {
		size_t cap = b->tunnel_cap ? b->tunnel_cap * 2 : 16;
		struct tunnel **all = realloc(b->out->all, cap * sizeof(*all));
		if (!all)
			return -ENOMEM;
		b->out->all = all;
		b->tunnel_cap = cap;
	}
	b->out->all[b->out->count++] = t;
	return 0;
}

static int acl_order(const void *a, const void *b)
{
	return strcmp((*(const struct acl *const *)a)->name, (*(const struct acl *const *)b)->name);
}

static int acl_name_order(const void *name, const void *elem)
{
	return strcmp(name, (*(const struct acl *const *)elem)->name);
}

static int acls_sort(struct build *b)
{
	const struct acl *a;
	TAILQ_FOREACH (a, &b->c->acls, link)
		b->acl_count++;
	b->acls = calloc(b->acl_count ? b->acl_count : 1, sizeof(struct acl *));
	if (!b->acls)
		return -ENOMEM;
	size_t n = 0;
	TAILQ_FOREACH (a, &b->c->acls, link)
		b->acls[n++] = a;
	qsort(b->acls, n, sizeof(struct acl *), acl_order);
	return 0;
}

const struct acl *tunnel_acl_find(const struct build *b, const char *name)
{
	void **a = bsearch(name, b->acls, b->acl_count, sizeof(struct acl *), acl_name_order);
	return a ? *a : NULL;
}

static void entry_build(struct build *b, const struct interface_config *ifc,
			const struct crypto_map *m, const struct crypto_map_entry *e,
			uint32_t group)
{
	if (e->dynamic_map[0]) {
		tunnel_templates_build(b, ifc, m, e, group);
		return;
	}
	struct tunnel *t = tunnel_new(b, ifc, m, e, NULL);
	if (!t)
		return;
	const struct acl *acl = e->acl[0] ? tunnel_acl_find(b, e->acl) : NULL;
	t->group = group;
	if (!tunnel_judge(b, t, e, acl)) {
		tunnel_free(t);
		return;
	}
	size_t first = b->out->policy_count;
	int rc = tunnel_flows(b, t, acl);
	if (!rc)
		rc = tunnel_keep(b, t);
	if (rc) {
		b->failed = rc;
		b->out->policy_count = first;
		tunnel_free(t);
		return;
	}
	for (size_t i = first; i < b->out->policy_count; i++)
		if (b->out->policies[i].action == DP_POLICY_SKIP)
			b->out->policies[i].next_order = b->order;
}

static void interface_build(struct build *b, const struct interface_config *ifc)
{
	const struct crypto_map *m = config_crypto_map(b->c, ifc->crypto_map, false);
	if (!m) {
		tunnel_warn(b, "Interface %s refers to crypto map %s, which does not exist",
			    ifc->name, ifc->crypto_map);
		return;
	}
	uint32_t group = tunnel_group_for(b, ifc->name, m->name);
	const struct crypto_map_entry *e;
	b->order = 1;
	TAILQ_FOREACH (e, &m->entries, link)
		if (!b->failed)
			entry_build(b, ifc, m, e, group);
}

// Flows by policy id: IKE asks for every packet that raises it.
static int flows_index(struct tunnels *out)
{
	for (size_t i = 0; i < out->policy_count; i++)
		if (out->policies[i].id >= out->by_policy_size)
			out->by_policy_size = out->policies[i].id + 1;
	out->by_policy =
		calloc(out->by_policy_size ? out->by_policy_size : 1, sizeof(*out->by_policy));
	if (!out->by_policy)
		return -ENOMEM;
	for (unsigned i = 0; i < out->count; i++)
		for (unsigned f = 0; f < out->all[i]->flow_count; f++)
			out->by_policy[out->all[i]->flows[f].policy] = &out->all[i]->flows[f];
	return 0;
}

struct tunnels *tunnels_build(const struct config *c, const struct tunnels *previous,
			      uint32_t (*port_of)(void *ctx, const char *interface), void *ctx,
			      void (*warn_fn)(void *ctx, const char *text), void *warn_ctx)
{
	struct build b = {.c = c,
			  .previous = previous,
			  .port_of = port_of,
			  .port_ctx = ctx,
			  .warn = warn_fn,
			  .warn_ctx = warn_ctx,
			  .out = calloc(1, sizeof(struct tunnels))};
	if (!b.out)
		return NULL;
	b.failed = tunnel_ids_init(&b) || acls_sort(&b) ? -ENOMEM : 0;
	const struct interface_config *ifc;
	TAILQ_FOREACH (ifc, &c->interfaces, link)
		if (!b.failed && ifc->crypto_map[0])
			interface_build(&b, ifc);
	free(b.old);
	free(b.acls);
	b.out->instance_max = TUNNEL_INSTANCES_MAX;
	b.out->ids = b.used;
	b.out->id_hint = b.next_id;
	if (!b.failed)
		b.failed = flows_index(b.out);
	if (!b.failed)
		b.failed = tunnel_instances_carry(&b);
	if (b.failed) {
		tunnels_destroy(b.out);
		errno = -b.failed;
		return NULL;
	}
	return b.out;
}

void tunnels_destroy(struct tunnels *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->count; i++)
		tunnel_free(t->all[i]);
	for (unsigned i = 0; i < t->instance_count; i++)
		tunnel_free(t->instances[i]);
	free(t->all);
	free(t->instances);
	free(t->seats);
	free(t->changed);
	free(t->ids);
	free(t->policies);
	free(t->by_policy);
	free(t);
}

const struct tunnel_flow *tunnels_flow(const struct tunnels *t, uint32_t policy)
{
	return policy < t->by_policy_size ? t->by_policy[policy] : NULL;
}
