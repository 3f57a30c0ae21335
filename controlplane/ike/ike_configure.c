// A new configuration against what is up: SAs that it no longer allows are deleted, with a Delete
// to the peer; everything else stays as it is.

#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/ike_engine.h"
#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "ike/peer_list.h"
#include "ike/proposal.h"

static bool proposal_allowed(const struct tunnel *t, const struct tunnel_proposal *p)
{
	for (unsigned i = 0; i < t->proposal_count; i++)
		if (tunnel_proposal_equal(&t->proposals[i], p))
			return true;
	return false;
}

// A pair that is still being negotiated is judged by its flow alone: the exchange looks the
// tunnel up again when it goes on.
static bool child_allowed(const struct ike *ike, const struct child_sa *c)
{
	const struct tunnel_flow *f = tunnels_flow(ike->tunnels, c->policy);

	if (!f || !tunnel_has_peer(f->tunnel, &c->local, &c->remote) ||
	    !selector_covers(&f->sel, &c->sel))
		return false;
	if (!c->up)
		return true;
	return proposal_allowed(f->tunnel, &c->transform) &&
	       (!f->tunnel->pfs || c->pfs_group == f->tunnel->pfs_group);
}

static bool sa_allowed(const struct ike *ike, const struct ike_sa *sa)
{
	const struct isakmp_key *k = config_isakmp_key(ike->config, &sa->remote);

	if (!k || !k->key || strlen(k->key) != sa->psk.len ||
	    !secret_equal(k->key, sa->psk.bytes, sa->psk.len))
		return false;
	for (unsigned i = 0; i < ike->tunnels->count; i++)
		if (tunnel_has_peer(ike->tunnels->all[i], &sa->local, &sa->remote))
			return true;
	return false;
}

static void children_sweep(struct ike *ike)
{
	struct child_sa *c, *next;

	for (c = TAILQ_FIRST(&ike->children); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!child_allowed(ike, c))
			child_sa_delete(c, "configuration changed", true);
	}
}

static void sas_sweep(struct ike *ike)
{
	struct ike_sa *sa, *next;

	for (sa = TAILQ_FIRST(&ike->sas); sa; sa = next) {
		next = TAILQ_NEXT(sa, link);
		if (sa_allowed(ike, sa)) {
			dpd_start(sa);  // the keepalive may have changed
			continue;
		}
		// What lives on it may not outlive its key.
		struct child_sa *c, *c_next;

		for (c = TAILQ_FIRST(&ike->children); c; c = c_next) {
			c_next = TAILQ_NEXT(c, link);
			if (c->ike_id == sa->id)
				child_sa_delete(c, "configuration changed", true);
		}
		ike_sa_kill(sa, "configuration changed", true);
		// Waiting flows may have begun a new one at the end of the list.
		if (next && next->dead)
			next = NULL;
	}
}

int ike_configure(struct ike *ike, const struct config *c, const struct tunnels *t, struct err *err)
{
	struct ike_want *w, *next;

	ike_enter(ike);
	ike->config = c;
	ike->tunnels = t;
	for (w = TAILQ_FIRST(&ike->wants); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->failed || !tunnels_flow(t, w->policy))
			ike_want_clear(ike, w->policy);  // a new configuration may succeed
	}
	peer_list_configure(ike);
	children_sweep(ike);
	sas_sweep(ike);
	ike_leave(ike);
	return 0;
}
