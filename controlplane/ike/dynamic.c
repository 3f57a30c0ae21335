// Whom templates answer, and with what. See dynamic.h.
//
// Strangers that know the wildcard key choose their selectors themselves, so nobody may be moved
// out of the way by them: selectors that overlap those of a static entry for another peer, or of
// another peer's instance, are refused, and the peer that stands in the way is asked whether it
// still lives (an address may have been given to somebody else). Only a peer that is known to be
// the same one takes over what it had: by its address, or, from a new address, by the same name
// under the same key.

#include "ike/dynamic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "ike/key_index.h"
#include "log.h"

static void changed(struct ike *ike)
{
	if (ike->env.policies_changed)
		ike->env.policies_changed(ike->env.ctx);
}

// ---- who is who ------------------------------------------------------------------------------
// Behind a NAT an address is shared, and an address that a peer calls itself by is a private one.
static bool is_same_peer(const struct tunnel *i, const struct ike_sa *sa)
{
	bool same_id = i->peer_id[0] && strcmp(i->peer_id, sa->remote_id) == 0;

	if (addr_equal(&i->peers[0], &sa->remote))
		return same_id || !sa->nat_remote;
	return same_id && i->peer_named && sa->id_named &&
	       key_index_lookup(sa->ike, &i->peers[0]) == key_index_lookup(sa->ike, &sa->remote);
}

static bool lists_peer(const struct tunnel *t, const struct ip_addr *peer)
{
	for (unsigned i = 0; i < t->peer_count; i++)
		if (addr_equal(&t->peers[i], peer))
			return true;
	return false;
}

const struct tunnel_flow *dynamic_find(const struct ike_sa *sa, const struct selector *sel)
{
	const struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		const struct child_sa *c = n->owner;
		const struct tunnel_flow *f = tunnels_flow(ike->tunnels, c->policy);

		if (f && f->tunnel->role == TUNNEL_INSTANCE && f->tunnel->complete &&
		    addr_equal(&f->tunnel->local, &sa->local) && selector_equal(&f->sel, sel) &&
		    is_same_peer(f->tunnel, sa))
			return f;
	}
	return NULL;
}

static bool may_answer(const struct tunnel *t, const struct ip_addr *local,
		       const struct ip_addr *remote)
{
	return t->role == TUNNEL_TEMPLATE && t->complete && addr_equal(&t->local, local) &&
	       (t->peer_count == 0 || lists_peer(t, remote));
}

const struct tunnel *dynamic_template(const struct ike_sa *sa, const struct selector *sel,
				      const struct tunnel *after)
{
	const struct tunnels *ts = sa->ike->tunnels;

	for (unsigned i = 0; i < ts->count; i++) {
		const struct tunnel *t = ts->all[i];

		if (after) {
			if (t == after)
				after = NULL;
			continue;
		}
		if (may_answer(t, &sa->local, &sa->remote) &&
		    tunnel_template_accepts(t, &sa->remote, sel))
			return t;
	}
	return NULL;
}

bool dynamic_answers(const struct ike *ike, const struct ip_addr *local,
		     const struct ip_addr *remote)
{
	for (unsigned i = 0; ike->tunnels && i < ike->tunnels->count; i++)
		if (may_answer(ike->tunnels->all[i], local, remote))
			return true;
	return false;
}

// ---- whose traffic is it ---------------------------------------------------------------------
// With reverse routes the remote network counts alone: the route would draw all that goes there.
static bool touches(const struct tunnel *template, const struct selector *a,
		    const struct selector *b)
{
	struct selector x = *a, y = *b;

	if (template->reverse_route.kind != RR_NONE)
		x.src = y.src = (struct ip_prefix){0};
	return selectors_overlap(&x, &y);
}

static const struct tunnel *static_owner(const struct ike_sa *sa, const struct tunnel *template,
					 const struct selector *sel)
{
	const struct tunnels *ts = sa->ike->tunnels;

	for (unsigned i = 0; i < ts->count; i++) {
		const struct tunnel *t = ts->all[i];

		if (t->role != TUNNEL_STATIC || lists_peer(t, &sa->remote))
			continue;
		for (unsigned k = 0; k < t->flow_count; k++)
			if (touches(template, &t->flows[k].sel, sel))
				return t;
	}
	return NULL;
}

static const struct tunnel *instance_owner(const struct ike_sa *sa, const struct tunnel *template,
					   const struct selector *sel, unsigned *own)
{
	const struct tunnels *ts = sa->ike->tunnels;
	const struct tunnel *t, *found = NULL;
	unsigned at = ts->instance_count;

	*own = 0;
	while ((t = tunnels_instance_near(ts, &at, &sel->dst, &sa->remote, sa->remote_id))) {
		if (is_same_peer(t, sa))
			(*own)++;
		else if (!found && touches(template, &t->flows[0].sel, sel))
			found = t;
	}
	return found;
}

// The one in the way may have gone without a word.
static void owner_probe(struct ike *ike, uint32_t policy)
{
	struct ike_node *n = ike_table_first(&ike->child_by_policy, policy);

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *sa = child_sa_ike(n->owner);

		if (!sa)
			continue;
		dpd_ask_now(sa);
		return;
	}
}

static void refusal_log(const struct ike_sa *sa, const struct tunnel *template,
			const struct selector *sel, const char *why)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(5);
	char label[IKE_LABEL_MAX], text[SELECTOR_STR_MAX];

	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IPSEC_DYNAMIC_REFUSED",
			  "%s gets no tunnel for %s by dynamic map %s %u: %s",
			  ike_sa_label(sa, label, sizeof(label)),
			  selector_format(sel, text, sizeof(text)), template->dynamic_map,
			  template->dynamic_seq, why);
}

static int overlap_check(struct ike_sa *sa, const struct tunnel *template,
			 const struct selector *sel)
{
	const struct tunnel *t = static_owner(sa, template, sel);
	char why[128], peer[ADDR_STR_MAX];
	unsigned own;

	if (t) {
		snprintf(why, sizeof(why), "it overlaps what map %s %u protects for another peer",
			 t->map, t->seq);
		refusal_log(sa, template, sel, why);
		return -EEXIST;
	}
	t = instance_owner(sa, template, sel, &own);
	if (t) {
		snprintf(why, sizeof(why), "it overlaps what peer %s has",
			 addr_format(&t->peers[0], peer, sizeof(peer)));
		refusal_log(sa, template, sel, why);
		owner_probe(sa->ike, t->flows[0].policy);
		return -EEXIST;
	}
	if (own < DYNAMIC_PER_PEER)
		return 0;
	sa->ike->n.dynamic_limit++;
	refusal_log(sa, template, sel, "the peer has too many");
	return -ENOSPC;
}

const struct tunnel_flow *dynamic_instance(struct ike_sa *sa, const struct tunnel *template,
					   const struct selector *sel)
{
	struct ike *ike = sa->ike;
	const struct tunnel_flow *f = NULL;
	int rc = overlap_check(sa, template, sel);

	if (rc < 0) {
		ike->n.dynamic_refused++;
		return NULL;
	}
	rc = tunnels_instance_add(ike->tunnels, template, &sa->remote, sel, &f);
	if (rc < 0) {
		ike->n.dynamic_limit += rc == -ENOSPC;
		ike->n.dynamic_refused++;
		refusal_log(sa, template, sel,
			    rc == -ENOSPC ? "there are too many" : "not enough memory");
		return NULL;
	}
	tunnels_instance_named(ike->tunnels, f->policy, sa->remote_id, sa->id_named);
	changed(ike);
	return f;
}

// ---- the end of one --------------------------------------------------------------------------
static void instance_remove(struct ike *ike, uint32_t policy)
{
	ike_want_clear(ike, policy);
	ike->env.policy_flush_held(ike->env.ctx, policy);
	tunnels_instance_del(ike->tunnels, policy);
	changed(ike);
}

void dynamic_child_gone(struct ike *ike, uint32_t policy)
{
	const struct tunnel_flow *f = ike->tunnels ? tunnels_flow(ike->tunnels, policy) : NULL;

	if (f && f->tunnel->role == TUNNEL_INSTANCE &&
	    !ike_table_first(&ike->child_by_policy, policy))
		instance_remove(ike, policy);
}

void dynamic_sweep(struct ike *ike)
{
	// Removing one puts the last one in its place.
	for (unsigned i = ike->tunnels->instance_count; i-- > 0;) {
		uint32_t policy = ike->tunnels->instances[i]->flows[0].policy;

		if (!ike_table_first(&ike->child_by_policy, policy))
			instance_remove(ike, policy);
	}
}

static void children_remove(struct ike *ike, uint32_t policy, const char *reason)
{
	struct ike_node *n;

	while ((n = ike_table_first(&ike->child_by_policy, policy)))
		child_sa_delete(n->owner, reason, true);
}

// The same peer, by name, from another address. Its old place is gone: two instances for one
// network would send half of the traffic there.
void dynamic_child_up(const struct child_sa *c)
{
	struct ike *ike = c->ike;
	const struct tunnel_flow *f = tunnels_flow(ike->tunnels, c->policy);
	const struct ike_sa *sa = ike_sa_by_id(ike, c->ike_id);
	char now[ADDR_STR_MAX], was[ADDR_STR_MAX], text[SELECTOR_STR_MAX];
	static struct log_ratelimit rl = LOG_RATELIMIT(5);

	if (!f || f->tunnel->role != TUNNEL_INSTANCE || !sa)
		return;
	// Removing one puts the last one in its place; several may go.
	unsigned at = ike->tunnels->instance_count;
	const struct tunnel *t;
	while ((t = tunnels_instance_near(ike->tunnels, &at, &c->sel.dst, NULL, NULL))) {
		if (t == f->tunnel || addr_equal(&t->peers[0], &c->remote) ||
		    !touches(f->tunnel, &t->flows[0].sel, &c->sel) || !is_same_peer(t, sa))
			continue;
		log_event_limited(
			&rl, "CRYPTO", LOG_L_WARNING, "IPSEC_PEER_REPLACED",
			"Peer %s (%s) takes over %s from %s, which called itself the same",
			addr_format(&c->remote, now, sizeof(now)), sa->remote_id,
			selector_format(&t->flows[0].sel, text, sizeof(text)),
			addr_format(&t->peers[0], was, sizeof(was)));
		children_remove(ike, t->flows[0].policy, "the peer came from elsewhere");
	}
}

void dynamic_child_moved(struct child_sa *c)
{
	tunnels_instance_moved(c->ike->tunnels, c->policy, &c->remote);
}
