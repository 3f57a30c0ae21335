// Instances of templates, while the tunnels stand: what an access list of a template allows, adding
// and removing an instance with its policy.

#include "tunnel_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- what a template allows ------------------------------------------------------------------
bool prefixes_overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
	if (!addr_is_set(&a->addr) || !addr_is_set(&b->addr))
		return true;
	return prefix_covers(a, b) || prefix_covers(b, a);
}

static bool ports_overlap(const struct port_range *a, const struct port_range *b)
{
	return a->lo <= b->hi && b->lo <= a->hi;
}

bool selectors_overlap(const struct selector *a, const struct selector *b)
{
	return (!a->proto || !b->proto || a->proto == b->proto) &&
	       prefixes_overlap(&a->src, &b->src) && prefixes_overlap(&a->dst, &b->dst) &&
	       ports_overlap(&a->sport, &b->sport) && ports_overlap(&a->dport, &b->dport);
}

// All of it has to be permitted: a deny line that takes a part of it away refuses it.
static bool aces_permit(const struct tunnel *t, const struct selector *sel)
{
	for (unsigned i = 0; i < t->ace_count; i++) {
		const struct tunnel_ace *a = &t->aces[i];

		if (a->permit && selector_covers(&a->sel, sel))
			return true;
		if (!a->permit && selectors_overlap(&a->sel, sel))
			return false;
	}
	return false;
}

static bool lists_peer(const struct tunnel *t, const struct ip_addr *peer)
{
	for (unsigned i = 0; i < t->peer_count; i++)
		if (addr_equal(&t->peers[i], peer))
			return true;
	return false;
}

bool tunnel_template_accepts(const struct tunnel *t, const struct ip_addr *peer,
			     const struct selector *sel)
{
	if (t->role != TUNNEL_TEMPLATE || !t->complete || !selector_families_agree(sel) ||
	    peer->family != t->local.family || (t->peer_count && !lists_peer(t, peer)))
		return false;
	// Without an access list a peer may name its networks, but not call itself the whole world.
	return t->has_acl ? aces_permit(t, sel) : sel->dst.len > 0;
}

const struct tunnel *tunnels_template(const struct tunnels *t, const char *interface,
				      const char *map, uint32_t seq, const char *dynamic_map,
				      uint32_t dynamic_seq)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct tunnel *x = t->all[i];

		if (x->role == TUNNEL_TEMPLATE && x->seq == seq && x->dynamic_seq == dynamic_seq &&
		    strcmp(x->dynamic_map, dynamic_map) == 0 && strcmp(x->map, map) == 0 &&
		    strcmp(x->interface, interface) == 0)
			return x;
	}
	return NULL;
}

// ---- where they stand ------------------------------------------------------------------------
static struct tunnel *instance_of(const struct tunnels *t, uint32_t policy)
{
	const struct tunnel_flow *f = tunnels_flow(t, policy);

	return f && f->tunnel->role == TUNNEL_INSTANCE ? f->tunnel : NULL;
}

// Ids go round: one that was given back is not soon seen again.
static uint32_t id_take(struct tunnels *t)
{
	for (uint32_t n = 0; n <= DP_POLICY_MAX && t->ids; n++) {
		uint32_t id = t->id_hint++;

		if (id == 0 || id > DP_POLICY_MAX) {
			t->id_hint = 1;
			continue;
		}
		if (t->ids[id / 8] & (1u << (id % 8)))
			continue;
		t->ids[id / 8] |= (uint8_t)(1u << (id % 8));
		return id;
	}
	return 0;
}

static int room_make(struct tunnels *t, uint32_t policy)
{
	if (t->instance_count == t->instance_cap) {
		unsigned cap = t->instance_cap ? t->instance_cap * 2 : 16;
		struct tunnel **all = realloc(t->instances, cap * sizeof(*all));
		if (!all)
			return -ENOMEM;
		t->instances = all;
		struct tunnel_seat *seats = realloc(t->seats, cap * sizeof(*seats));
		if (!seats)
			return -ENOMEM;
		t->seats = seats;
		t->instance_cap = cap;
	}
	if (policy >= t->by_policy_size) {
		uint32_t size = policy + policy / 2 + 16;
		const struct tunnel_flow **by = realloc(t->by_policy, size * sizeof(*by));
		if (!by)
			return -ENOMEM;
		memset(by + t->by_policy_size, 0, (size - t->by_policy_size) * sizeof(*by));
		t->by_policy = by;
		t->by_policy_size = size;
	}
	return 0;
}

static uint32_t name_hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

static void seat_fill(struct tunnels *t, const struct tunnel *i)
{
	const struct ip_prefix *dst = &i->flows[0].sel.dst;

	t->seats[i->at] = (struct tunnel_seat){.dst = dst->addr,
					       .dst_len = dst->len,
					       .peer = i->peers[0],
					       .id_hash = name_hash(i->peer_id)};
}

const struct tunnel *tunnels_instance_near(const struct tunnels *t, unsigned *cursor,
					   const struct ip_prefix *dst, const struct ip_addr *peer,
					   const char *peer_id)
{
	uint32_t hash = peer ? name_hash(peer_id) : 0;

	if (*cursor > t->instance_count)
		*cursor = t->instance_count;
	while (*cursor) {
		const struct tunnel_seat *s = &t->seats[--*cursor];
		struct ip_prefix net = {s->dst, s->dst_len};

		if ((peer && (s->id_hash == hash || addr_equal(&s->peer, peer))) ||
		    prefixes_overlap(&net, dst))
			return t->instances[*cursor];
	}
	return NULL;
}

static struct tunnel *instance_new(const struct tunnel *template, const struct ip_addr *peer,
				   const struct selector *sel, uint32_t policy)
{
	struct tunnel *i = malloc(sizeof(*i));

	if (!i)
		return NULL;
	*i = *template;
	i->flows = calloc(1, sizeof(*i->flows));
	if (!i->flows) {
		free(i);
		return NULL;
	}
	i->role = TUNNEL_INSTANCE;
	i->rests = false;
	i->template = template;
	i->aces = NULL;
	i->ace_count = 0;
	i->peers[0] = *peer;
	i->peer_count = 1;
	i->flow_count = 1;
	i->flows[0] = (struct tunnel_flow){.policy = policy, .sel = *sel, .tunnel = i};
	return i;
}

int tunnel_instance_put(struct tunnels *t, const struct tunnel *template,
			const struct ip_addr *peer, const struct selector *sel, uint32_t policy)
{
	int rc = room_make(t, policy);
	struct tunnel *i = rc ? NULL : instance_new(template, peer, sel, policy);

	if (!i)
		return -ENOMEM;
	i->at = t->instance_count;
	i->in_set = false;
	t->instances[t->instance_count++] = i;
	seat_fill(t, i);
	t->by_policy[policy] = &i->flows[0];
	return 0;
}

struct dp_policy tunnel_instance_policy(const struct tunnel *i)
{
	return (struct dp_policy){.id = i->flows[0].policy,
				  .group = i->group,
				  .order = i->order,
				  .action = DP_POLICY_PROTECT,
				  .sel = i->flows[0].sel};
}

// ---- what the data plane is to hear ------------------------------------------------------------
static void changed_add(struct tunnels *t, uint32_t policy)
{
	if (t->changed_count == t->changed_cap && t->changed_cap < 4 * TUNNEL_INSTANCES_MAX) {
		size_t cap = t->changed_cap ? t->changed_cap * 2 : 16;
		uint32_t *all = realloc(t->changed, cap * sizeof(*all));

		if (all) {
			t->changed = all;
			t->changed_cap = cap;
		}
	}
	t->changed_all |= t->changed_count == t->changed_cap;
	if (t->changed_count < t->changed_cap)
		t->changed[t->changed_count++] = policy;
}

uint32_t tunnels_changed_next(struct tunnels *t)
{
	if (t->changed_at < t->changed_count)
		return t->changed[t->changed_at++];
	t->changed_at = t->changed_count = 0;
	bool all = t->changed_all;
	t->changed_all = false;
	return all ? TUNNELS_CHANGED_ALL : 0;
}

int tunnels_instance_in_set(struct tunnels *t, uint32_t policy)
{
	struct tunnel *i = instance_of(t, policy);

	if (!i || i->in_set)
		return 0;
	if (t->policy_count == t->policy_cap) {
		size_t cap = t->policy_cap ? t->policy_cap * 2 : 64;
		struct dp_policy *p = realloc(t->policies, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		t->policies = p;
		t->policy_cap = cap;
	}
	i->in_set = true;
	i->policy_at = t->policy_count;
	t->policies[t->policy_count++] = tunnel_instance_policy(i);
	return 0;
}

// Policies of instances stand behind all others, so the last one is an instance's.
static void set_leave(struct tunnels *t, const struct tunnel *i)
{
	struct dp_policy *p = &t->policies[--t->policy_count];
	struct tunnel *moved = t->by_policy[p->id]->tunnel;

	t->policies[i->policy_at] = *p;
	moved->policy_at = i->policy_at;
}

// ---- coming and going ------------------------------------------------------------------------
int tunnels_instance_add(struct tunnels *t, const struct tunnel *template,
			 const struct ip_addr *peer, const struct selector *sel,
			 const struct tunnel_flow **out)
{
	if (!tunnel_template_accepts(template, peer, sel))
		return -EACCES;
	uint32_t id = t->instance_count < t->instance_max ? id_take(t) : 0;
	if (!id)
		return -ENOSPC;
	int rc = tunnel_instance_put(t, template, peer, sel, id);
	if (rc) {
		t->ids[id / 8] &= (uint8_t) ~(1u << (id % 8));
		return rc;
	}
	*out = t->by_policy[id];
	changed_add(t, id);
	return 0;
}

void tunnels_instance_del(struct tunnels *t, uint32_t policy)
{
	struct tunnel *i = instance_of(t, policy);

	if (!i)
		return;
	struct tunnel *last = t->instances[--t->instance_count];
	t->instances[i->at] = last;
	t->seats[i->at] = t->seats[t->instance_count];
	last->at = i->at;
	if (i->in_set)
		set_leave(t, i);
	changed_add(t, policy);
	t->by_policy[policy] = NULL;
	t->ids[policy / 8] &= (uint8_t) ~(1u << (policy % 8));
	tunnel_free(i);
}

void tunnels_instance_moved(struct tunnels *t, uint32_t policy, const struct ip_addr *peer)
{
	struct tunnel *i = instance_of(t, policy);

	if (!i)
		return;
	i->peers[0] = *peer;
	t->seats[i->at].peer = *peer;
}

void tunnels_instance_named(struct tunnels *t, uint32_t policy, const char *id, bool is_name)
{
	struct tunnel *i = instance_of(t, policy);

	if (!i)
		return;
	snprintf(i->peer_id, sizeof(i->peer_id), "%s", id);
	i->peer_named = is_name;
	t->seats[i->at].id_hash = name_hash(i->peer_id);
}

const struct tunnel *tunnels_instance_next(const struct tunnels *t, uint32_t after)
{
	for (uint32_t id = after + 1; id < t->by_policy_size; id++)
		if (instance_of(t, id))
			return t->by_policy[id]->tunnel;
	return NULL;
}
