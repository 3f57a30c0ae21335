// One record per tunnel with several peers: the index of the peer to try. A record appears with
// the first failure or success and goes when its tunnel goes.

#include "ike/peer_list.h"

#include <stdlib.h>
#include <string.h>

struct peer_list {
	struct ike_node node;
	LIST_ENTRY(peer_list) link;
	char map[CONFIG_NAME_MAX], interface[CONFIG_NAME_MAX];
	uint32_t seq;
	bool seen;  // at the last look through the configuration
	struct ip_addr current;
};

// FNV-1a over what names the tunnel.
static uint64_t text_hash(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211ull;
	return h;
}

static uint64_t key_of(const struct tunnel *t)
{
	return text_hash(text_hash(t->seq, t->map), t->interface);
}

static bool is_of(const struct peer_list *l, const struct tunnel *t)
{
	return l->seq == t->seq && strcmp(l->map, t->map) == 0 &&
	       strcmp(l->interface, t->interface) == 0;
}

static struct peer_list *lookup(const struct ike *ike, const struct tunnel *t)
{
	struct ike_node *n = ike_table_first(&ike->peer_lists, key_of(t));

	for (; n; n = ike_table_next(n))
		if (is_of(n->owner, t))
			return n->owner;
	return NULL;
}

static int index_of(const struct tunnel *t, const struct ip_addr *peer)
{
	for (unsigned i = 0; i < t->peer_count; i++)
		if (addr_equal(&t->peers[i], peer))
			return (int)i;
	return -1;
}

bool tunnel_has_peer(const struct tunnel *t, const struct ip_addr *local,
		     const struct ip_addr *remote)
{
	return t->role != TUNNEL_TEMPLATE && t->kind == MAP_IPSEC_ISAKMP &&
	       addr_equal(&t->local, local) && index_of(t, remote) >= 0;
}

struct ip_addr peer_list_current(struct ike *ike, const struct tunnel *t)
{
	const struct peer_list *l = lookup(ike, t);

	return l && index_of(t, &l->current) >= 0 ? l->current : t->peers[0];
}

static void point_at(struct ike *ike, const struct tunnel *t, const struct ip_addr *peer)
{
	struct peer_list *l = lookup(ike, t);

	if (t->peer_count < 2)
		return;
	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			return;  // the next attempt starts with the first peer
		memcpy(l->map, t->map, sizeof(l->map));
		memcpy(l->interface, t->interface, sizeof(l->interface));
		l->seq = t->seq;
		ike_table_add(&ike->peer_lists, &l->node, key_of(t), l);
		LIST_INSERT_HEAD(&ike->peer_list_all, l, link);
	}
	l->current = *peer;
}

void peer_list_worked(struct ike *ike, const struct tunnel *t, const struct ip_addr *peer)
{
	if (index_of(t, peer) >= 0)
		point_at(ike, t, peer);
}

void peer_list_failed(struct ike *ike, const struct tunnel *t, const struct ip_addr *peer)
{
	struct ip_addr now = peer_list_current(ike, t);
	int at = index_of(t, peer);

	if (at >= 0 && addr_equal(&now, peer))
		point_at(ike, t, &t->peers[((unsigned)at + 1) % t->peer_count]);
}

static void forget(struct peer_list *l)
{
	ike_table_del(&l->node);
	LIST_REMOVE(l, link);
	free(l);
}

void peer_list_fini(struct ike *ike)
{
	while (!LIST_EMPTY(&ike->peer_list_all))
		forget(LIST_FIRST(&ike->peer_list_all));
}

void peer_list_configure(struct ike *ike)
{
	struct peer_list *l, *next;

	if (LIST_EMPTY(&ike->peer_list_all))
		return;
	LIST_FOREACH (l, &ike->peer_list_all, link)
		l->seen = false;
	for (unsigned i = 0; i < ike->tunnels->count; i++)
		if ((l = lookup(ike, ike->tunnels->all[i])))
			l->seen = true;
	for (l = LIST_FIRST(&ike->peer_list_all); l; l = next) {
		next = LIST_NEXT(l, link);
		if (!l->seen)
			forget(l);
	}
}
