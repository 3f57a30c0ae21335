// Which of several IKE SAs with one peer serves (reauthentication, both ends at once), and what
// becomes of the others. Ours to delete is only what the peer can have nothing on: strongSwan moves
// its IPsec SAs to whatever IKE SA came up last, of one connection; with several connections to us,
// or when both ends began at once, that is not the one that we chose. RFC 2409 says nothing about
// it.

#include "ike/replaced.h"

#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "log.h"

#define LINGER_MS      15000  // at the end that made the new one
#define LINGER_PEER_MS 60000  // ... at the other end, should the peer forget to delete it
#define LOOK_MS        30000  // whether the peer may have something on it
#define SLACK_MS       1000   // what came up about then may be on either
#define KEPT_MAX       8      // replaced ones of one peer

static bool is_same_peer(const struct ike_sa *a, const struct ike_sa *b)
{
	return addr_equal(&a->local, &b->local) && addr_equal(&a->remote, &b->remote) &&
	       strcmp(a->remote_id, b->remote_id) == 0;
}

bool replaced_bears(const struct ike_sa *sa)
{
	return sa->children > 0 ||
	       (sa->replaced_ms && child_sa_any_until(sa, sa->replaced_ms + SLACK_MS));
}

static void linger_over(void *obj)
{
	struct ike_sa *sa = obj;
	struct ike *ike = sa->ike;

	if (replica_held(ike, &sa->ha, &sa->linger))
		return;
	if (sa->ops->busy(sa) && ike->now_ms < sa->expires_ms)
		ike_timer_set(&ike->timers, &sa->linger, ike->now_ms + 1000);
	else if (replaced_bears(sa))
		ike_timer_set(&ike->timers, &sa->linger, ike->now_ms + LOOK_MS);
	else
		ike_sa_kill(sa, "replaced", true);
}

void replaced_init(struct ike_sa *sa)
{
	ike_timer_init(&sa->linger, linger_over, sa);
}

void replaced_touch(struct ike_sa *sa)
{
	sa->replaced_ms = sa->ike->now_ms;
	replica_touch(sa->ike, &sa->ha);
}

// ---- which one serves --------------------------------------------------------------------------
// Two IKE SAs with one peer: does `a` stay? Both ends must say the same when both were begun at
// about the same time from both ends: then the lower initiator cookie stays. A tainted one serves
// nothing new.
static bool outlives(const struct ike_sa *a, const struct ike_sa *b)
{
	if (a->ha.tainted != b->ha.tainted)
		return b->ha.tainted;
	uint64_t apart = a->established_ms > b->established_ms
				 ? a->established_ms - b->established_ms
				 : b->established_ms - a->established_ms;

	if (a->initiator != b->initiator && apart < IKE_HALF_OPEN_MS)
		return a->icookie < b->icookie;
	return a->established_ms > b->established_ms ||
	       (a->established_ms == b->established_ms && a->id > b->id);
}

static void supersede(struct ike_sa *loser, const struct ike_sa *winner)
{
	loser->superseded = true;
	replaced_touch(loser);
	dpd_stop(loser);
	ike_timer_stop(&loser->ike->timers, &loser->rekey);
	ike_timer_set(&loser->ike->timers, &loser->linger,
		      loser->ike->now_ms + (winner->initiator ? LINGER_MS : LINGER_PEER_MS));
}

static struct ike_sa *worse(struct ike_sa *a, struct ike_sa *b)
{
	bool bears_a = replaced_bears(a), bears_b = replaced_bears(b);

	if (bears_a != bears_b)
		return bears_a ? b : a;
	return a->replaced_ms <= b->replaced_ms ? a : b;
}

// A peer that renews faster than lifetimes end leaves no trail of them.
static void kept_limit(const struct ike_sa *serving)
{
	struct ike_node *n =
		ike_table_first(&serving->ike->sa_by_peer, ike_table_addr_key(&serving->remote));
	struct ike_sa *victim = NULL;
	unsigned count = 0;

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *o = n->owner;

		if (o == serving || !o->superseded || !is_same_peer(o, serving))
			continue;
		count++;
		victim = victim ? worse(victim, o) : o;
	}
	if (count > KEPT_MAX)
		ike_sa_kill(victim, "replaced", !replaced_bears(victim));
}

struct ike_sa *replaced_settle(struct ike_sa *sa)
{
	struct ike_node *n = ike_table_first(&sa->ike->sa_by_peer, ike_table_addr_key(&sa->remote));
	struct ike_sa *serving = sa;

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *other = n->owner;

		if (other == sa || !other->established || other->superseded ||
		    !is_same_peer(other, sa))
			continue;
		if (outlives(serving, other)) {
			sa->ike->n.rekeys_ike++;
			supersede(other, serving);
		} else {
			supersede(serving, other);
			serving = other;
		}
	}
	return serving;
}

// A peer that knows its key may still set up one IKE SA after the other under changing names. Those
// that serve nothing go first, replaced ones before others; one that bears child SAs never does.
void replaced_limit(const struct ike_sa *serving)
{
	struct ike *ike = serving->ike;
	struct ike_node *n =
		ike_table_first(&ike->sa_by_peer, ike_table_addr_key(&serving->remote));
	struct ike_sa *victim = NULL;
	unsigned count = 0;

	kept_limit(serving);
	for (; n; n = ike_table_next(n)) {
		struct ike_sa *o = n->owner;

		if (!o->established || !addr_equal(&o->remote, &serving->remote))
			continue;
		count++;
		if (o == serving || (o->children && !o->superseded))
			continue;
		if (!victim || o->superseded > victim->superseded ||
		    (o->superseded == victim->superseded && o->id < victim->id))
			victim = o;
	}
	if (count <= IKE_SAS_PER_SOURCE || !victim)
		return;
	ike->n.rx_dropped_limit++;
	ike_sa_kill(victim, "too many IKE SAs of this peer", true);
}

// ---- serving again -----------------------------------------------------------------------------
static void revive(struct ike_sa *sa, const char *why)
{
	struct ike *ike = sa->ike;
	uint64_t left_ms = sa->expires_ms > ike->now_ms ? sa->expires_ms - ike->now_ms : 0;
	char label[IKE_LABEL_MAX];

	sa->superseded = false;
	replaced_touch(sa);
	ike_timer_stop(&ike->timers, &sa->linger);
	ike_timer_set(&ike->timers, &sa->rekey,
		      ike->now_ms + (sa->initiator ? ike_jittered(left_ms, 80, 10)
						   : ike_jittered(left_ms, 90, 5)));
	dpd_start(sa);
	log_debug(DEBUG_ISAKMP, "IKE SA %u with %s serves again: %s", sa->id,
		  ike_sa_label(sa, label, sizeof(label)), why);
}

static bool may_revive(const struct ike_sa *sa)
{
	return sa->superseded && sa->established && !sa->dead && !sa->ha.tainted &&
	       !sa->ha.asleep && sa->expires_ms > sa->ike->now_ms;
}

void replaced_used(struct ike_sa *sa)
{
	// Begun before the peer knew of the new one, it says nothing.
	if (may_revive(sa) && sa->ike->now_ms >= sa->replaced_ms + LINGER_MS)
		revive(sa, "the peer negotiates on it");
}

void replaced_asked(struct ike_sa *sa)
{
	if (may_revive(sa) && sa->ike->now_ms >= sa->replaced_ms + LINGER_MS && replaced_bears(sa))
		revive(sa, "the peer asks for it");
}

void replaced_heir(const struct ike_sa *gone)
{
	struct ike *ike = gone->ike;
	struct ike_node *n = ike_table_first(&ike->sa_by_peer, ike_table_addr_key(&gone->remote));
	struct ike_sa *best = NULL;

	if (gone->superseded)
		return;
	for (; n; n = ike_table_next(n)) {
		struct ike_sa *o = n->owner;

		if (o == gone || !o->established || !is_same_peer(o, gone))
			continue;
		if (!o->superseded && !o->ha.tainted)
			return;  // there is one that serves
		if (may_revive(o) && (!best || o->established_ms > best->established_ms))
			best = o;
	}
	// A peer that has nothing on it need not have it any more: its Delete may have been lost.
	if (best && (ike->now_ms < best->replaced_ms + LINGER_PEER_MS || replaced_bears(best)))
		revive(best, "the peer deleted what replaced it");
}

struct ike_sa *replaced_heard(const struct ike_sa *dead)
{
	struct ike_node *n =
		ike_table_first(&dead->ike->sa_by_peer, ike_table_addr_key(&dead->remote));

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *o = n->owner;

		if (o == dead || !o->established || o->ha.tainted || !is_same_peer(o, dead) ||
		    (o->dpd.heard_ms <= dead->dpd.heard_ms && !dpd_esp_came(o)))
			continue;
		if (may_revive(o))
			revive(o, "the one that replaced it is dead");
		return o;
	}
	return NULL;
}

struct ike_sa *replaced_by(const struct ike_sa *sa)
{
	struct ike_node *n = ike_table_first(&sa->ike->sa_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		struct ike_sa *o = n->owner;

		if (o != sa && o->superseded && is_same_peer(o, sa))
			return o;
	}
	return NULL;
}
