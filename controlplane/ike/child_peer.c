// Child SAs and the peer they are with: which IKE SA they belong to, what becomes of them when it
// goes or another one comes, when the peer forgets, fails or moves.

#include "ike/child_sa.h"
#include "ike/dynamic.h"
#include "ike/ike_sa.h"
#include "ike/peer_list.h"
#include "ike/replaced.h"

// FNV-1a of the identity; never 0.
static uint64_t peer_key(const struct ike_sa *sa)
{
	uint64_t h = 14695981039346656037ull;

	for (const char *s = sa->remote_id; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211ull;
	return h ? h : 1;
}

static bool is_between(const struct child_sa *c, const struct ip_addr *local,
		       const struct ip_addr *remote)
{
	return addr_equal(&c->local, local) && addr_equal(&c->remote, remote);
}

// Behind a NAT several peers have one address: there the identity has to be the same as well.
static bool is_of(const struct child_sa *c, const struct ike_sa *sa)
{
	return is_between(c, &sa->local, &sa->remote) &&
	       (!sa->nat_remote || !c->peer_key || c->peer_key == peer_key(sa));
}

void child_sa_attach(struct child_sa *c, struct ike_sa *sa)
{
	struct ike_sa *before = ike_sa_by_id(c->ike, c->ike_id);

	if (before)
		before->children--;
	c->ike_id = sa ? sa->id : 0;
	replica_touch(c->ike, &c->ha);
	if (!sa)
		return;
	c->ha_parent = sa->ha.group ? sa->ha.id : 0;
	sa->children++;
	if (sa->remote_id[0])
		c->peer_key = peer_key(sa);
}

struct ike_sa *child_sa_ike(const struct child_sa *c)
{
	struct ike_node *n = ike_table_first(&c->ike->sa_by_peer, ike_table_addr_key(&c->remote));
	struct ike_sa *best = ike_sa_by_id(c->ike, c->ike_id);

	if (best && best->established && !best->superseded && !best->ha.tainted)
		return best;
	for (best = NULL; n; n = ike_table_next(n)) {
		struct ike_sa *sa = n->owner;

		if (sa->established && !sa->superseded && !sa->ha.tainted && is_of(c, sa) &&
		    (!best || sa->established_ms >= best->established_ms))
			best = sa;
	}
	return best;
}

struct ike_sa *child_sa_renewal_ike(struct child_sa *c)
{
	struct ike_node *n = ike_table_first(&c->ike->sa_by_peer, ike_table_addr_key(&c->remote));
	struct ike_sa *serving = child_sa_ike(c), *best = serving;

	if (serving && serving->id == c->renewed_on)
		for (; n; n = ike_table_next(n)) {
			struct ike_sa *sa = n->owner;

			if (sa != serving && sa->established && !sa->ha.tainted && is_of(c, sa) &&
			    (best == serving || sa->established_ms >= best->established_ms))
				best = sa;
		}
	c->renewed_on = best ? best->id : 0;
	return best;
}

struct child_sa *child_sa_by_peer_spi(const struct ike_sa *sa, uint32_t spi)
{
	struct ike_node *n =
		ike_table_first(&sa->ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (c->spi_out == spi && c->up && is_of(c, sa))
			return c;
	}
	return NULL;
}

void child_sa_delete_orphans(const struct ike_sa *sa, const char *reason, uint64_t before_ms)
{
	struct ike_node *n =
		ike_table_first(&sa->ike->child_by_peer, ike_table_addr_key(&sa->remote));

	while (n) {
		struct child_sa *c = n->owner;

		n = ike_table_next(n);
		if (c->ike_id == 0 && c->up && c->up_ms <= before_ms && is_of(c, sa))
			child_sa_delete(c, reason, false);
	}
}

bool child_sa_any(const struct ike_sa *sa)
{
	return child_sa_any_until(sa, UINT64_MAX);
}

bool child_sa_any_until(const struct ike_sa *sa, uint64_t until_ms)
{
	struct ike_node *n =
		ike_table_first(&sa->ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		const struct child_sa *c = n->owner;

		if (c->up && c->up_ms <= until_ms && is_of(c, sa))
			return true;
	}
	return false;
}

void child_sa_adopt(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;
		struct ike_sa *now = ike_sa_by_id(ike, c->ike_id);

		if (!c->up || !is_of(c, sa) || (now && (now == sa || !now->superseded)))
			continue;
		if (now)  // the peer need not move it
			replaced_touch(now);
		child_sa_attach(c, sa);
	}
}

void child_sa_orphan(const struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (c->ike_id == sa->id)
			c->ike_id = 0;
	}
}

void child_sa_peer_failed(struct child_sa *c)
{
	const struct tunnel_flow *flow = tunnels_flow(c->ike->tunnels, c->policy);

	if (flow)
		peer_list_failed(c->ike, flow->tunnel, &c->remote);
}

void child_sa_moved(struct child_sa *c, const struct ip_addr *remote, uint16_t port)
{
	struct ike *ike = c->ike;

	if (c->sa_out)
		ike->env.sa_set_remote(ike->env.ctx, c->sa_out, remote, port);
	if (c->sa_in)
		ike->env.sa_set_remote(ike->env.ctx, c->sa_in, remote, port);
	c->remote = *remote;
	c->remote_port = port;
	ike_table_del(&c->peer_node);
	ike_table_add(&ike->child_by_peer, &c->peer_node, ike_table_addr_key(remote), c);
	dynamic_child_moved(c);
	replica_touch(ike, &c->ha);
}
