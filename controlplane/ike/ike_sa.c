// IKE SAs: creation within the half-open limits, look-up, coming up, going down. The exchanges that
// get an SA there are the version's; what replaces what is in replaced.c.

#include "ike/ike_sa.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/half_open.h"
#include "ike/ike_want.h"
#include "ike/replaced.h"
#include "log.h"
#include "rand.h"

#define REKEY_RETRY_MS 30000
#define KEEPALIVE_S    20  // RFC 3948 4

static void setup_expired(void *obj)
{
	struct ike_sa *sa = obj;

	if (replica_held(sa->ike, &sa->ha, &sa->setup))
		return;
	sa->ike->n.failed_timeout++;
	ike_sa_kill(sa, "set-up timed out", false);
}

static void rekey_due(void *obj)
{
	struct ike_sa *sa = obj;
	struct ike *ike = sa->ike;

	if (replica_held(ike, &sa->ha, &sa->rekey))
		return;
	if (sa->superseded || (!replaced_bears(sa) && !ike_want_on(ike, sa->id)))
		return;  // unused: it ends with its lifetime
	if (!ike_sa_pending(ike, &sa->local, &sa->remote))
		ike_sa_initiate(ike, &sa->local, &sa->remote, sa);
	if (!sa->dead)  // should this attempt fail, there is a next
		ike_timer_set(&ike->timers, &sa->rekey, ike->now_ms + REKEY_RETRY_MS);
}

static void hard_expired(void *obj)
{
	struct ike_sa *sa = obj;

	if (replica_held(sa->ike, &sa->ha, &sa->hard))
		return;
	// What the peer may still have on one that was replaced must not go with it. The peer
	// counts the same lifetime.
	ike_sa_kill(sa, "lifetime", sa->replaced_ms == 0 || !replaced_bears(sa));
}

// RFC 3948 4: one byte 0xff keeps the mapping of a NAT before us.
static void keepalive_due(void *obj)
{
	struct ike_sa *sa = obj;
	struct ike *ike = sa->ike;
	uint32_t s = ike->config ? ike->config->isakmp.nat_keepalive_s : 0;
	struct dp_udp meta = {.local = sa->local,
			      .remote = sa->remote,
			      .local_port = sa->local_port,
			      .remote_port = sa->remote_port,
			      .port = sa->port};

	if (replica_held(ike, &sa->ha, &sa->keepalive))
		return;
	ike->env.send(ike->env.ctx, &meta, (const uint8_t *)"\xff", 1);
	ike_timer_set(&ike->timers, &sa->keepalive, ike->now_ms + (s ? s : KEEPALIVE_S) * 1000ull);
}

struct ike_sa *ike_sa_passive(struct ike *ike, const struct ike_version *ops, bool initiator,
			      const struct dp_udp *meta)
{
	struct ike_sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	sa->ike = ike;
	sa->ops = ops;
	sa->id = ++ike->last_sa_id;
	sa->initiator = initiator;
	sa->local = meta->local;
	sa->remote = meta->remote;
	sa->local_port = meta->local_port;
	sa->remote_port = meta->remote_port;
	// Answers go by route, as everything later does: the port of arrival may be gone by then.
	sa->port = 0;
	sa->created_ms = ike->now_ms;
	ike_timer_init(&sa->setup, setup_expired, sa);
	ike_timer_init(&sa->rekey, rekey_due, sa);
	ike_timer_init(&sa->hard, hard_expired, sa);
	replaced_init(sa);
	ike_timer_init(&sa->keepalive, keepalive_due, sa);
	dpd_init(sa);
	TAILQ_INSERT_TAIL(&ike->sas, sa, link);
	ike_table_add(&ike->sa_by_id, &sa->id_node, sa->id, sa);
	ike_table_add(&ike->sa_by_peer, &sa->peer_node, ike_table_addr_key(&sa->remote), sa);
	return sa;
}

struct ike_sa *ike_sa_create(struct ike *ike, const struct ike_version *ops, bool initiator,
			     const struct dp_udp *meta)
{
	struct ike_sa *sa;

	// The limits are about strangers: an SA that we initiate is our own doing.
	if (!initiator && half_open_admit(ike, &meta->remote) < 0) {
		errno = EBUSY;
		return NULL;
	}
	sa = ike_sa_passive(ike, ops, initiator, meta);
	if (!sa)
		return NULL;
	replica_new(ike, &sa->ha, HA_IKE_SA, sa, replica_group(ike, &sa->local));
	if (!initiator)
		half_open_add(sa);
	// An initiator's retransmissions end it earlier; this is the bound for everything.
	ike_timer_set(&ike->timers, &sa->setup,
		      ike->now_ms + (initiator ? 2 : 1) * (uint64_t)IKE_HALF_OPEN_MS);
	return sa;
}

void ike_sa_cookie_set(struct ike_sa *sa, uint64_t icookie, uint64_t rcookie)
{
	struct ike *ike = sa->ike;
	uint64_t first = icookie ^ ike_table_addr_key(&sa->remote) ^ sa->remote_port;

	sa->icookie = icookie;
	sa->rcookie = rcookie;
	ike_table_del(&sa->cookie_node);
	ike_table_add(&ike->sa_by_cookie, &sa->cookie_node, sa->initiator ? icookie : rcookie, sa);
	ike_table_del(&sa->first_node);
	if (!sa->initiator)
		ike_table_add(&ike->sa_by_first, &sa->first_node, first, sa);
}

struct ike_sa *ike_sa_by_id(const struct ike *ike, uint32_t id)
{
	struct ike_node *n = ike_table_first(&ike->sa_by_id, id);

	return n ? n->owner : NULL;
}

struct ike_sa *ike_sa_by_cookie(const struct ike *ike, uint64_t own)
{
	struct ike_node *n = ike_table_first(&ike->sa_by_cookie, own);

	return n ? n->owner : NULL;
}

struct ike_sa *ike_sa_by_first(const struct ike *ike, uint64_t icookie,
			       const struct ip_addr *remote, uint16_t port)
{
	uint64_t key = icookie ^ ike_table_addr_key(remote) ^ port;
	struct ike_node *n = ike_table_first(&ike->sa_by_first, key);

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *sa = n->owner;

		if (sa->icookie == icookie && addr_equal(&sa->remote, remote))
			return sa;
	}
	return NULL;
}

static bool is_between(const struct ike_sa *sa, const struct ip_addr *local,
		       const struct ip_addr *remote)
{
	return addr_equal(&sa->local, local) && addr_equal(&sa->remote, remote);
}

struct ike_sa *ike_sa_usable(const struct ike *ike, const struct ip_addr *local,
			     const struct ip_addr *remote)
{
	struct ike_node *n = ike_table_first(&ike->sa_by_peer, ike_table_addr_key(remote));
	struct ike_sa *best = NULL;

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *sa = n->owner;

		if (sa->established && !sa->superseded && !sa->ha.tainted &&
		    is_between(sa, local, remote) &&
		    (!best || sa->established_ms >= best->established_ms))
			best = sa;
	}
	return best;
}

struct ike_sa *ike_sa_pending(const struct ike *ike, const struct ip_addr *local,
			      const struct ip_addr *remote)
{
	struct ike_node *n = ike_table_first(&ike->sa_by_peer, ike_table_addr_key(remote));

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *sa = n->owner;

		if (!sa->established && sa->initiator && is_between(sa, local, remote))
			return sa;
	}
	return NULL;
}

struct ike_sa *ike_sa_initiate(struct ike *ike, const struct ip_addr *local,
			       const struct ip_addr *remote, const struct ike_sa *like)
{
	struct dp_udp meta = {.local = *local,
			      .remote = *remote,
			      .local_port = like ? like->local_port : IKE_PORT,
			      .remote_port = like ? like->remote_port : IKE_PORT};
	struct ike_sa *sa = ike_sa_create(ike, &ikev1_version, true, &meta);
	int rc;

	if (!sa)
		return NULL;
	ike->n.initiated++;
	rc = sa->ops->start(sa);
	if (rc == 0)
		return sa;
	ike_sa_kill(sa, "cannot start", false);
	errno = -rc;
	return NULL;
}

const char *ike_sa_label(const struct ike_sa *sa, char *buf, size_t cap)
{
	char peer[ADDR_STR_MAX];

	snprintf(buf, cap, "peer %s:%u (SPIs %016llx, %016llx)",
		 addr_format(&sa->remote, peer, sizeof(peer)), sa->remote_port,
		 (unsigned long long)sa->icookie, (unsigned long long)sa->rcookie);
	return buf;
}

void ike_sa_notice(const struct ike_sa *sa, enum ike_notice_type type, const char *reason)
{
	struct ike_notice n = {.type = type,
			       .local = sa->local,
			       .remote = sa->remote,
			       .rekey = sa->superseded,
			       .reason = reason};

	ike_notice(sa->ike, &n);
}

void ike_sa_establish(struct ike_sa *sa)
{
	if (sa->established)
		return;
	half_open_end(sa);
	sa->established = true;
	sa->established_ms = sa->ike->now_ms;
	sa->expires_ms = sa->ike->now_ms + sa->suite.lifetime_s * 1000ull;
	replica_begin(sa->ike, &sa->ha);
}

void ike_sa_up(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	uint64_t life_ms = sa->suite.lifetime_s * 1000ull;
	char label[IKE_LABEL_MAX];

	ike_sa_establish(sa);
	replica_touch(ike, &sa->ha);
	ike->n.established++;
	ike_timer_stop(&ike->timers, &sa->setup);
	ike_timer_set(&ike->timers, &sa->hard, sa->expires_ms);
	// The initiator goes first, so that both ends rarely do it at once.
	ike_timer_set(&ike->timers, &sa->rekey,
		      ike->now_ms + (sa->initiator ? ike_jittered(life_ms, 90, 10)
						   : ike_jittered(life_ms, 97, 3)));
	if (sa->nat_local)
		ike_timer_set(&ike->timers, &sa->keepalive, ike->now_ms + KEEPALIVE_S * 1000);
	sa->dpd.heard_ms = ike->now_ms;
	log_event("CRYPTO", LOG_L_INFO, "IKMP_SA_UP", "IKE SA %u with %s is up, identity %s",
		  sa->id, ike_sa_label(sa, label, sizeof(label)), sa->remote_id);
	taint_sa_up(sa);  // before it is asked which one serves: those go
	struct ike_sa *serving = replaced_settle(sa);

	child_sa_adopt(serving);
	dpd_start(serving);
	ike_sa_notice(sa, IKE_SA_UP, NULL);
	ike_want_ike_up(serving);
	replaced_limit(serving);
}

static void grave_free(struct ike_dead *d)
{
	struct ike_sa *sa = (struct ike_sa *)((char *)d - offsetof(struct ike_sa, grave));

	sa->ops->fini(sa);
	secret_clear(&sa->psk);
	free(sa);
}

static void timers_stop(struct ike_sa *sa)
{
	struct ike_timers *h = &sa->ike->timers;

	ike_timer_stop(h, &sa->setup);
	ike_timer_stop(h, &sa->rekey);
	ike_timer_stop(h, &sa->hard);
	ike_timer_stop(h, &sa->linger);
	ike_timer_stop(h, &sa->keepalive);
	dpd_stop(sa);
	sa->ops->stop(sa);
}

// Behind a NAT another IKE SA with the address may be another peer's.
static struct ike_sa *heir_of(const struct ike_sa *sa)
{
	struct ike_node *n = ike_table_first(&sa->ike->sa_by_peer, ike_table_addr_key(&sa->remote));

	if (!sa->nat_remote)
		return ike_sa_usable(sa->ike, &sa->local, &sa->remote);
	for (; n; n = ike_table_next(n)) {
		struct ike_sa *o = n->owner;

		if (o->established && !o->superseded && is_between(o, &sa->local, &sa->remote) &&
		    strcmp(o->remote_id, sa->remote_id) == 0)
			return o;
	}
	return NULL;
}

void ike_sa_kill(struct ike_sa *sa, const char *reason, bool tell_peer)
{
	struct ike *ike = sa->ike;
	char label[IKE_LABEL_MAX];

	bool quiet = sa->ha.asleep;  // the other box's: not ours to speak of

	if (sa->dead)
		return;
	replica_gone(ike, &sa->ha);
	if (tell_peer && sa->established && !quiet)
		sa->ops->sa_delete(sa);
	sa->dead = true;
	half_open_end(sa);
	timers_stop(sa);
	TAILQ_REMOVE(&ike->sas, sa, link);
	ike_table_del(&sa->id_node);
	ike_table_del(&sa->cookie_node);
	ike_table_del(&sa->first_node);
	ike_table_del(&sa->peer_node);
	ike_bury(ike, &sa->grave, grave_free);
	// RFC 2409 leaves IPsec SAs alive without their ISAKMP SA.
	child_sa_orphan(sa);
	struct ike_sa *heir = heir_of(sa);

	if (heir)
		child_sa_adopt(heir);
	if (sa->established && !quiet)
		log_event("CRYPTO", LOG_L_INFO, "IKMP_SA_DOWN", "IKE SA %u with %s is down: %s",
			  sa->id, ike_sa_label(sa, label, sizeof(label)), reason);
	if (sa->established)
		ike_sa_notice(sa, IKE_SA_DOWN, reason);
	if (!quiet && (sa->initiator || sa->established))  // nobody waits for a stranger's
		ike_want_ike_failed(sa);
}
