// What an IKE SA learns of its peer after it is up: that it restarted, died, moved.

#include <string.h>

#include "ike/child_sa.h"
#include "ike/ike_sa.h"
#include "ike/replaced.h"
#include "log.h"

static bool is_between(const struct ike_sa *sa, const struct ip_addr *local,
		       const struct ip_addr *remote)
{
	return addr_equal(&sa->local, local) && addr_equal(&sa->remote, remote);
}

bool ike_sa_other(const struct ike_sa *sa)
{
	struct ike_node *n = ike_table_first(&sa->ike->sa_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		const struct ike_sa *other = n->owner;

		// One under way counts, if the peer has shown that it takes part in it.
		if (other != sa && !other->stranger && is_between(other, &sa->local, &sa->remote))
			return true;
	}
	return false;
}

// Child SAs on this IKE SA; before_ms: only those that were up then.
static void children_delete(const struct ike_sa *sa, const char *reason, uint64_t before_ms,
			    bool peer_failed)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	while (n) {
		struct child_sa *c = n->owner;

		n = ike_table_next(n);
		if (c->ike_id != sa->id || !c->up || c->up_ms > before_ms)
			continue;
		if (peer_failed)
			child_sa_peer_failed(c);
		child_sa_delete(c, reason, false);
	}
}

// One that was up before the peer began to set up `sa`. At that time the peer knew of nothing; an
// SA that both made meanwhile (simultaneous set-up) is known to it and stays.
static struct ike_sa *forgotten_by_peer(const struct ike_sa *sa)
{
	struct ike_node *n = ike_table_first(&sa->ike->sa_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *other = n->owner;

		if (other != sa && other->established && other->established_ms <= sa->created_ms &&
		    is_between(other, &sa->local, &sa->remote) &&
		    strcmp(other->remote_id, sa->remote_id) == 0)
			return other;
	}
	return NULL;
}

void ike_sa_initial_contact(struct ike_sa *sa)
{
	struct ike_sa *other;

	while ((other = forgotten_by_peer(sa))) {
		children_delete(other, "peer restarted", sa->created_ms, false);
		ike_sa_kill(other, "peer restarted", false);
	}
	child_sa_delete_orphans(sa, "peer restarted", sa->created_ms);
}

void ike_sa_peer_deleted(struct ike_sa *sa)
{
	replaced_heir(sa);
	ike_sa_kill(sa, "peer deleted", false);
}

void ike_sa_peer_dead(struct ike_sa *sa, const char *reason)
{
	struct ike_sa *other = replaced_heard(sa);

	if (other) {
		ike_sa_kill(sa, reason, false);
		return;
	}
	while ((other = replaced_by(sa))) {
		children_delete(other, reason, UINT64_MAX, true);
		ike_sa_kill(other, reason, false);
	}
	children_delete(sa, reason, UINT64_MAX, true);
	ike_sa_kill(sa, reason, false);
}

void ike_sa_heard(struct ike_sa *sa)
{
	sa->dpd.heard_ms = sa->ike->now_ms;
}

void ike_sa_moved(struct ike_sa *sa, const struct dp_udp *meta)
{
	struct ike *ike = sa->ike;
	struct child_sa *c;
	char label[IKE_LABEL_MAX], to[ADDR_STR_MAX];

	// Only a peer behind a NAT moves; everybody else keeps the address its key is bound to.
	if (!sa->nat_remote ||
	    (addr_equal(&sa->remote, &meta->remote) && sa->remote_port == meta->remote_port))
		return;
	static struct log_ratelimit rl = LOG_RATELIMIT(5);

	log_event_limited(&rl, "CRYPTO", LOG_L_INFO, "IKMP_PEER_MOVED", "%s is now at %s:%u",
			  ike_sa_label(sa, label, sizeof(label)),
			  addr_format(&meta->remote, to, sizeof(to)), meta->remote_port);
	// The list, not the table by address: that one changes under way.
	TAILQ_FOREACH (c, &ike->children, link)
		if (c->ike_id == sa->id && c->udp_encap)
			child_sa_moved(c, &meta->remote, meta->remote_port);
	sa->remote = meta->remote;
	sa->remote_port = meta->remote_port;
	replica_touch(ike, &sa->ha);
	ike_table_del(&sa->peer_node);
	ike_table_add(&ike->sa_by_peer, &sa->peer_node, ike_table_addr_key(&sa->remote), sa);
}
