// Flows that wait for a child SA. They wait for an IKE SA with the peer, then for the child's
// exchange; when the peer fails they go on with the next of the tunnel's list, each peer once.
// When all failed, held packets are given up and the flow rests for a moment, so that traffic
// towards a dead peer costs one set-up at a time.

#include "ike/ike_want.h"

#include <errno.h>
#include <stdlib.h>

#include "ike/child_sa.h"
#include "ike/ike_sa.h"
#include "ike/peer_list.h"
#include "log.h"

#define REST_MS        2000
#define REST_NARROW_MS 10000  // the peer gave us less than we need

static void grave_free(struct ike_dead *d)
{
	free((char *)d - offsetof(struct ike_want, grave));
}

static void drop(struct ike_want *w)
{
	struct ike *ike = w->ike;

	if (w->dead)
		return;
	w->dead = true;
	ike_timer_stop(&ike->timers, &w->rest);
	TAILQ_REMOVE(&ike->wants, w, link);
	ike_table_del(&w->node);
	ike_table_del(&w->ike_node);
	ike_bury(ike, &w->grave, grave_free);
}

static void wait_on(struct ike_want *w, uint32_t ike_id)
{
	w->ike_id = ike_id;
	ike_table_del(&w->ike_node);
	if (ike_id && !w->dead)
		ike_table_add(&w->ike->want_by_ike, &w->ike_node, ike_id, w);
}

static void rest_over(void *obj)
{
	drop(obj);
}

static void give_up_for(struct ike_want *w, const char *reason, uint64_t rest_ms)
{
	struct ike *ike = w->ike;
	const struct tunnel_flow *f = tunnels_flow(ike->tunnels, w->policy);
	char sel[SELECTOR_STR_MAX];
	static struct log_ratelimit rl = LOG_RATELIMIT(20);

	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IPSEC_NEGOTIATION_FAILED",
			  "No IPsec SA for %s (map %s %u): %s",
			  f ? selector_format(&f->sel, sel, sizeof(sel)) : "a flow that is gone",
			  f ? f->tunnel->map : "?", f ? f->tunnel->seq : 0, reason);
	if (w->rekey_of) {
		drop(w);  // the child SA's own timer tries again
		return;
	}
	ike->env.policy_flush_held(ike->env.ctx, w->policy);
	w->failed = true;
	w->running = false;
	wait_on(w, 0);
	if (ike_timer_set(&ike->timers, &w->rest, ike->now_ms + rest_ms) < 0)
		drop(w);
}

static void give_up(struct ike_want *w, const char *reason)
{
	give_up_for(w, reason, REST_MS);
}

static void run(struct ike_want *w, struct ike_sa *sa)
{
	int rc;

	wait_on(w, sa->id);
	w->running = true;
	rc = sa->ops->child_start(sa, w);
	if (rc < 0 && !w->dead)
		give_up(w, rc == -ENOSPC ? "no free SPI" : "the exchange could not be started");
}

static bool remote_of(const struct ike_want *w, struct ip_addr *local, struct ip_addr *remote)
{
	struct ike *ike = w->ike;
	const struct tunnel_flow *f = tunnels_flow(ike->tunnels, w->policy);
	const struct child_sa *c = w->rekey_of ? child_sa_by_id(ike, w->rekey_of) : NULL;

	if (!f || f->tunnel->kind != MAP_IPSEC_ISAKMP || !f->tunnel->complete)
		return false;
	*local = f->tunnel->local;
	*remote = c ? c->remote : peer_list_current(ike, f->tunnel);
	return true;
}

// An instance is renewed on the IKE SA that its peer has made, or on what replaced that.
static struct ike_sa *ike_sa_to_wait_for(const struct ike_want *w, const struct ip_addr *local,
					 const struct ip_addr *remote)
{
	const struct tunnel_flow *f = tunnels_flow(w->ike->tunnels, w->policy);
	struct ike_sa *sa;

	if (f->tunnel->role == TUNNEL_INSTANCE) {
		errno = EHOSTUNREACH;
		return NULL;
	}
	sa = ike_sa_pending(w->ike, local, remote);
	return sa ? sa : ike_sa_initiate(w->ike, local, remote, NULL);
}

static void connect_peer(struct ike_want *w)
{
	struct ike *ike = w->ike;
	struct child_sa *c = w->rekey_of ? child_sa_by_id(ike, w->rekey_of) : NULL;
	struct ip_addr local, remote;
	struct ike_sa *sa;

	w->running = false;
	if (!remote_of(w, &local, &remote)) {
		drop(w);
		return;
	}
	sa = c ? child_sa_renewal_ike(c) : ike_sa_usable(ike, &local, &remote);
	if (sa) {
		run(w, sa);
		return;
	}
	sa = ike_sa_to_wait_for(w, &local, &remote);
	if (sa)
		wait_on(w, sa->id);
	else
		give_up(w, errno == ENOKEY         ? "no pre-shared key for the peer"
			   : errno == ENOPROTOOPT  ? "no usable isakmp policy is configured"
			   : errno == EHOSTUNREACH ? "a dynamic map waits for its peer to come"
						   : "the IKE SA could not be started");
}

struct ike_want *ike_want_by_policy(const struct ike *ike, uint32_t policy)
{
	struct ike_node *n = ike_table_first(&ike->want_by_policy, policy);

	return n ? n->owner : NULL;
}

// A peer may have accepted a part of the flow only: pairs that are up need not serve the packet.
static struct child_sa *serving(const struct ike *ike, uint32_t policy,
				const struct selector *packet)
{
	if (packet && addr_is_set(&packet->src.addr))
		return child_sa_covering(ike, policy, packet);
	return child_sa_current(ike, policy);
}

int ike_want_add(struct ike *ike, uint32_t policy, uint32_t rekey_of, const struct selector *packet)
{
	struct ike_want *w = ike_want_by_policy(ike, policy);
	const struct tunnel_flow *f = ike->tunnels ? tunnels_flow(ike->tunnels, policy) : NULL;

	if (w && w->failed) {
		ike->env.policy_flush_held(ike->env.ctx, policy);
		return -EAGAIN;
	}
	if (w)
		return 0;
	// A dynamic map never begins. What waits for an instance waits for the peer, and is given
	// up with the instance.
	if (f && f->tunnel->role == TUNNEL_INSTANCE && !rekey_of)
		return -ENOENT;
	if (!f || f->tunnel->role == TUNNEL_TEMPLATE || f->tunnel->kind != MAP_IPSEC_ISAKMP ||
	    !f->tunnel->complete || ike->stopping ||
	    !replica_works(ike, replica_group(ike, &f->tunnel->local))) {
		ike->env.policy_flush_held(ike->env.ctx, policy);
		return -ENOENT;
	}
	const struct child_sa *c = rekey_of ? NULL : serving(ike, policy, packet);

	if (c) {  // the event crossed the SA's coming up
		child_sa_rebind(ike, policy, &c->sel);
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->ike = ike;
	w->policy = policy;
	w->rekey_of = rekey_of;
	if (packet)
		w->packet = *packet;
	ike_timer_init(&w->rest, rest_over, w);
	TAILQ_INSERT_TAIL(&ike->wants, w, link);
	ike_table_add(&ike->want_by_policy, &w->node, policy, w);
	connect_peer(w);
	return 0;
}

// What is done with a want may kill SAs and so change other wants: they are gathered by policy, a
// few at a time, and each one that was dealt with no longer fits.
#define GATHER 64

// May it go on with this IKE SA? Another peer may have the address, too, behind a NAT.
static bool is_for(const struct ike_want *w, const struct ike_sa *sa)
{
	const struct child_sa *c = w->rekey_of ? child_sa_by_id(w->ike, w->rekey_of) : NULL;

	return !w->running && !w->failed && (!sa->nat_remote || !c || child_sa_ike(c) == sa);
}

static unsigned waiting_for(const struct ike *ike, uint32_t ike_id, const struct ike_sa *now,
			    uint32_t policies[], unsigned count)
{
	struct ike_node *n = ike_table_first(&ike->want_by_ike, ike_id);

	for (; n && count < GATHER; n = ike_table_next(n)) {
		const struct ike_want *w = n->owner;

		if (now ? is_for(w, now) : !w->failed)
			policies[count++] = w->policy;
	}
	return count;
}

// On whichever IKE SA between these addresses they wait.
static unsigned waiting_for_peer(const struct ike_sa *sa, uint32_t policies[])
{
	struct ike_node *n = ike_table_first(&sa->ike->sa_by_peer, ike_table_addr_key(&sa->remote));
	unsigned count = 0;

	for (; n; n = ike_table_next(n)) {
		const struct ike_sa *o = n->owner;

		if (addr_equal(&o->remote, &sa->remote) && addr_equal(&o->local, &sa->local))
			count = waiting_for(sa->ike, o->id, sa, policies, count);
	}
	return count;
}

void ike_want_ike_up(struct ike_sa *sa)
{
	uint32_t policies[GATHER];
	unsigned n;

	while (!sa->dead && (n = waiting_for_peer(sa, policies)))
		for (unsigned i = 0; i < n && !sa->dead; i++) {
			struct ike_want *w = ike_want_by_policy(sa->ike, policies[i]);

			if (w && is_for(w, sa))
				run(w, sa);
		}
}

static void next_peer(struct ike_want *w, const struct ike_sa *failed)
{
	struct ike *ike = w->ike;
	const struct tunnel_flow *f = tunnels_flow(ike->tunnels, w->policy);

	if (!f) {
		drop(w);
		return;
	}
	// An SA that was up says nothing against its peer: that one gets another chance.
	unsigned limit = f->tunnel->peer_count + (failed->established ? 1 : 0);

	if (!failed->established && !w->rekey_of)
		peer_list_failed(ike, f->tunnel, &failed->remote);
	if (++w->tried < limit)
		connect_peer(w);
	else
		give_up(w, "no peer answered or none accepted our IKE policies");
}

void ike_want_ike_failed(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	uint32_t policies[GATHER];
	unsigned n;

	while (!ike->stopping && (n = waiting_for(ike, sa->id, NULL, policies, 0)))
		for (unsigned i = 0; i < n; i++) {
			struct ike_want *w = ike_want_by_policy(ike, policies[i]);

			if (w && w->ike_id == sa->id && !w->failed)
				next_peer(w, sa);
		}
}

void ike_want_child_up(const struct child_sa *c)
{
	struct ike_want *w = ike_want_by_policy(c->ike, c->policy);

	if (!w)
		return;
	if (!addr_is_set(&w->packet.src.addr) || selector_covers(&c->sel, &w->packet))
		drop(w);
	else if (c->initiator && w->running)  // the answer to it: asking again would not help
		give_up_for(w, "the peer accepts only a part of the flow", REST_NARROW_MS);
}

void ike_want_child_failed(struct ike *ike, uint32_t policy, const char *reason)
{
	struct ike_want *w = ike_want_by_policy(ike, policy);

	if (w && !w->failed)
		give_up(w, reason);
}

void ike_want_clear(struct ike *ike, uint32_t policy)
{
	struct ike_want *w = policy ? ike_want_by_policy(ike, policy) : NULL;

	if (w)
		drop(w);
	while (policy == 0 && (w = TAILQ_FIRST(&ike->wants)))
		drop(w);
}

bool ike_want_on(const struct ike *ike, uint32_t ike_id)
{
	return ike_table_first(&ike->want_by_ike, ike_id) != NULL;
}
