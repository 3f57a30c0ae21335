// A new configuration against what is up: SAs that it no longer allows are deleted, with a Delete
// to the peer; everything else stays as it is.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/dynamic.h"
#include "ike/flow_index.h"
#include "ike/ike_engine.h"
#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "ike/key_index.h"
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

	if (c->ha.group != replica_group(ike, &c->local))
		return false;
	if (!f || !tunnel_has_peer(f->tunnel, &c->local, &c->remote) ||
	    !selector_covers(&f->sel, &c->sel))
		return false;
	if (!c->up)
		return true;
	return proposal_allowed(f->tunnel, &c->transform) &&
	       (!f->tunnel->pfs || c->pfs_group == f->tunnel->pfs_group);
}

bool child_sa_allowed(const struct child_sa *c)
{
	return child_allowed(c->ike, c);
}

// Who may talk to whom, sorted: ten thousand IKE SAs are looked up in ten thousand tunnels.
struct pair {
	struct ip_addr local, remote;
};

struct pairs {
	struct pair *all;
	size_t count;
};

static int pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int d = addr_compare(&x->remote, &y->remote);

	return d ? d : addr_compare(&x->local, &y->local);
}

static int pairs_collect(const struct tunnels *ts, struct pairs *out)
{
	size_t max = 1;

	for (unsigned i = 0; i < ts->count; i++)
		max += ts->all[i]->peer_count;
	out->count = 0;
	out->all = calloc(max, sizeof(*out->all));
	if (!out->all)
		return -ENOMEM;
	for (unsigned i = 0; i < ts->count; i++) {
		const struct tunnel *t = ts->all[i];

		if (t->role != TUNNEL_STATIC || t->kind != MAP_IPSEC_ISAKMP)
			continue;
		for (unsigned k = 0; k < t->peer_count; k++)
			out->all[out->count++] = (struct pair){t->local, t->peers[k]};
	}
	qsort(out->all, out->count, sizeof(*out->all), pair_order);
	return 0;
}

bool ike_sa_allowed(const struct ike_sa *sa)
{
	const struct isakmp_key *k = key_index_lookup(sa->ike, &sa->remote);

	return sa->ha.group == replica_group(sa->ike, &sa->local) && k && k->key &&
	       strlen(k->key) == sa->psk.len && secret_equal(k->key, sa->psk.bytes, sa->psk.len);
}

static bool sa_allowed(const struct ike *ike, const struct ike_sa *sa, const struct pairs *pairs)
{
	const struct pair want = {sa->local, sa->remote};

	return ike_sa_allowed(sa) &&
	       (bsearch(&want, pairs->all, pairs->count, sizeof(want), pair_order) != NULL ||
		dynamic_answers(ike, &sa->local, &sa->remote));
}

static void children_sweep(struct ike *ike)
{
	struct child_sa *c, *next;

	for (c = TAILQ_FIRST(&ike->children); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->ha.asleep && !child_allowed(ike, c))
			child_sa_delete(c, "configuration changed", true);
	}
}

// What lives on an IKE SA may not outlive its key.
static void sa_end(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	while (n) {
		struct child_sa *c = n->owner;

		n = ike_table_next(n);
		if (c->ike_id == sa->id)
			child_sa_delete(c, "configuration changed", true);
	}
	ike_sa_kill(sa, "configuration changed", true);
}

static void sas_sweep(struct ike *ike, const struct pairs *pairs)
{
	struct ike_sa *sa, *next;

	for (sa = TAILQ_FIRST(&ike->sas); sa; sa = next) {
		next = TAILQ_NEXT(sa, link);
		if (sa->ha.asleep)
			continue;
		if (sa_allowed(ike, sa, pairs)) {
			dpd_configure(sa);
			continue;
		}
		sa_end(sa);
		// Waiting flows may have begun a new one at the end of the list.
		if (next && next->dead)
			next = NULL;
	}
}

static int no_memory(const struct tunnels *t, struct err *err)
{
	return err_set(err, -ENOMEM, "Not enough memory for the peers of %u tunnels", t->count);
}

// What is up or waits, against ike->tunnels.
static void judge(struct ike *ike, const struct pairs *pairs)
{
	struct ike_want *w, *next;

	for (w = TAILQ_FIRST(&ike->wants); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->failed || !tunnels_flow(ike->tunnels, w->policy))
			ike_want_clear(ike, w->policy);  // a new configuration may succeed
	}
	peer_list_configure(ike);
	child_sa_refind(ike);
	children_sweep(ike);
	dynamic_sweep(ike);
	sas_sweep(ike, pairs);
}

// Room for an IKE SA, two handles and two replicas of each flow, before they are there.
static void tables_expect(struct ike *ike, const struct tunnels *t)
{
	uint32_t flows = 0;

	for (unsigned i = 0; i < t->count; i++)
		flows += t->all[i]->flow_count;
	ike_table_expect(&ike->sa_by_id, flows);
	ike_table_expect(&ike->sa_by_cookie, flows);
	ike_table_expect(&ike->sa_by_peer, flows);
	ike_table_expect(&ike->child_by_id, flows);
	ike_table_expect(&ike->child_by_sa, 2 * flows);
	ike_table_expect(&ike->child_by_policy, flows);
	ike_table_expect(&ike->child_by_peer, flows);
	ike_table_expect(&ike->ha.by_id, 2 * flows);
}

int ike_configure(struct ike *ike, const struct config *c, struct tunnels *t, struct err *err)
{
	struct pairs pairs;

	if (pairs_collect(t, &pairs) < 0)
		return no_memory(t, err);
	if (key_index_build(ike, c) < 0 || flow_index_build(ike, t) < 0) {
		free(pairs.all);
		return err_set(err, -ENOMEM, "Not enough memory for pre-shared keys and flows");
	}
	tables_expect(ike, t);
	ike_enter(ike);
	ike->config = c;
	ike->tunnels = t;
	judge(ike, &pairs);
	ike_leave(ike);
	free(pairs.all);
	return 0;
}

int ike_tunnels_changed(struct ike *ike, struct err *err)
{
	struct pairs pairs;

	if (!ike->tunnels)
		return 0;
	if (pairs_collect(ike->tunnels, &pairs) < 0)
		return no_memory(ike->tunnels, err);
	ike_enter(ike);
	judge(ike, &pairs);
	ike_leave(ike);
	free(pairs.all);
	return 0;
}
