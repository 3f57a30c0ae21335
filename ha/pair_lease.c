// Leases (rules 8 and 9): a standby is fresh while its lease runs; an active that has sent one goes
// on alone only when that has run out for certain, or the other box holds no copy.

#include <errno.h>

#include "pair_private.h"

#define RAISING_US 5000000  // a link that takes longer for all ceilings is as good as down

uint64_t hold_us(const struct pair *p)
{
	return word_get(p, MIRROR_HOLD_US);
}

uint64_t hello_us(const struct pair *p)
{
	return word_get(p, MIRROR_HELLO_US);
}

// How long a CLAIM waits for its answer: below hold / 4 (rule 13).
uint64_t claim_us(const struct pair *p)
{
	uint64_t hold = hold_us(p) ? hold_us(p) : HOLD_DEFAULT_US;
	return hold / 5;
}

uint64_t term_us(const struct pair *p)
{
	uint64_t hold = hold_us(p);
	return hold ? hold + hold / 5 + hello_us(p) : 0;
}

uint64_t alone_us(const struct pair *p)
{
	uint64_t ts = term_us(p), theirs = word_get(p, MIRROR_TERM_US);

	if (ts == 0)
		ts = HOLD_DEFAULT_US + HOLD_DEFAULT_US / 5 + HELLO_DEFAULT_US;
	if (theirs > ts)
		ts = theirs;
	return ts + ts / 4;
}

// The other box's Ts: a lease that runs was counted by the longest it has told.
void term_learn(struct pair *p, const struct pair_msg *m)
{
	uint64_t old = word_get(p, MIRROR_TERM_US);

	if ((m->has & HAS(TLV_TERM)) && (m->term > old || lease_over(p)))
		word_set(p, MIRROR_TERM_US, m->term);
}

// A PING, or a JOIN that is served: what its sender has of a lease ends within the Ts that it says,
// and so does all that is under way to it (rule 8, a and b).
void term_take(struct pair *p, const struct pair_msg *m)
{
	if (!(m->has & HAS(TLV_TERM)))
		return;
	if (m->term < word_get(p, MIRROR_TERM_US))
		lease_note(p);
	word_set(p, MIRROR_TERM_US, m->term);
}

void lease_shorten(struct pair *p)
{
	uint64_t until = p->now + term_us(p);

	if (word_get(p, MIRROR_FRESH_UNTIL) > until)
		word_set(p, MIRROR_FRESH_UNTIL, until);
}

// Checkpoints of the own gateway process may be on their way to the mirror, or not come at all.
bool lease_held(const struct pair *p)
{
	return p->now < p->lease_hold || p->mute_from || p->unattached || p->untold ||
	       pair_stuck(p);
}

bool lease_over(const struct pair *p)
{
	uint64_t sent = word_get(p, MIRROR_LEASE_SENT);
	return sent == 0 || p->now >= sent + alone_us(p);
}

void lease_note(struct pair *p)
{
	word_set(p, MIRROR_LEASE_SENT, p->now);
}

// Could the other box have taken over meanwhile without asking? It waits a hold time after the last
// hello that it heard; two hellos of it are our margin.
bool silent_too_long(const struct pair *p)
{
	uint64_t sent = word_get(p, MIRROR_HELLO_SENT), hold = hold_us(p), two = 2 * hello_us(p);
	return sent == 0 || hold <= two || p->now >= sent + hold - two;
}

static void ping_send(struct pair *p)
{
	struct outgoing o;

	out_begin(p, &o, PAIR_PING, HAS(TLV_STAMP) | HAS(TLV_TERM));
	o.m.stamp = p->now;
	o.m.term = term_us(p);
	pair_msg_begin(&o.b, &o.m);
	int rc = out_send(p, &o, 0);
	p->ping_owed = rc == -EAGAIN;
	if (rc == 0 && p->term_told != o.m.term) {
		p->term_told = o.m.term;
		p->term_since = p->now;
	}
}

static uint64_t ping_every(const struct pair *p)
{
	uint64_t every = hello_us(p) ? hello_us(p) / 3 : 100000;
	return every < 5000 ? 5000 : every > 1000000 ? 1000000 : every;
}

// It comes behind every record; one that is in the mirror and could not be sent holds it up.
static void lease_send(struct pair *p)
{
	struct outgoing o;

	edges_pump(p);
	if (p->late || p->sweep_late || p->blocked || raising(p) || ids_count(&p->edges))
		return;
	lease_note(p);
	out_begin(p, &o, PAIR_LEASE, HAS(TLV_LSN) | HAS(TLV_STAMP) | HAS(TLV_SUM) | HAS(TLV_LOAD));
	o.m.lsn = p->made;
	o.m.load = p->hello.load;
	o.m.stamp = p->lease_stamp;
	o.m.sum[0] = p->records;
	o.m.sum[1] = p->ceilings;
	pair_msg_begin(&o.b, &o.m);
	int rc = out_send(p, &o, 0);
	p->lease_owed = rc == -EAGAIN;
	p->count.leases += rc == 0;
}

void ping_receive(struct pair *p, const struct pair_msg *m)
{
	if (!p->in_session || role_of(p) != HA_ROLE_ACTIVE)
		return;
	// it was standby in our session when it sent this: nobody took over (rule 11)
	p->confirmed = true;
	term_take(p, m);
	p->lease_owed = true;
	p->lease_stamp = m->stamp;
}

// Before anything else that wants to be sent: a busy link must not cost the standby its lease.
void lease_pump(struct pair *p)
{
	if (p->now >= p->edges_at)
		edges_pump(p);
	if (p->ping_owed && p->in_session && !p->blocked && role_of(p) == HA_ROLE_STANDBY)
		ping_send(p);
	if (p->lease_owed && p->in_session && p->snap == SNAP_SENT && protected_now(p) &&
	    !lease_held(p))
		lease_send(p);
}

void lease_receive(struct pair *p, const struct pair_msg *m)
{
	uint64_t until = m->stamp + term_us(p);

	if (role_of(p) != HA_ROLE_STANDBY || !word_get(p, MIRROR_HOT) || term_us(p) == 0)
		return;
	if (m->lsn != p->applied || m->stamp > p->now) {
		invariant_broken(p, 9, "a lease stands for records that did not come");
		return;
	}
	if (m->sum[0] != p->records || m->sum[1] > p->ceilings) {
		invariant_broken(p, 5, "ceilings are not those of the active box");
		return;
	}
	p->count.leases++;
	p->peer_load = m->has & HAS(TLV_LOAD) ? m->load : HA_LOAD_UNKNOWN;
	// its sender counts it by the Ts that it knows
	if (term_us(p) != p->term_told || m->stamp < p->term_since)
		return;
	if (until > word_get(p, MIRROR_FRESH_UNTIL))
		word_set(p, MIRROR_FRESH_UNTIL, until);
}

void go_alone(struct pair *p)
{
	bool empty = p->link && p->peer.known && p->peer.role == HA_ROLE_NONE;

	if (!lease_over(p) && !empty)
		invariant_broken(p, 6, "going on alone while a lease may run");
	plan_off(p, "the other box does not answer");
	session_leave(p);
	session_new(p);
	word_set(p, MIRROR_ALONE, 1);
	p->count.alone++;
	event_say(p, "goes on alone%s", empty ? ": the other box holds no copy" : "");
	gate_open_all(p);
	sweep_begin(p, 0);
	p->hello_owed = p->link;
}

static uint64_t alone_at(const struct pair *p)
{
	if (!protected_now(p) || p->plan >= PLAN_STOPPED || p->yield || !p->working)
		return PAIR_NEVER;  // one that does not work may have been replaced
	if (p->link && p->peer.known && p->peer.role == HA_ROLE_NONE && !p->in_session)
		return p->now;
	uint64_t sent = word_get(p, MIRROR_LEASE_SENT), at = sent ? sent + alone_us(p) : 0;
	// a session that has just begun has not had time to ask for its first lease
	if (p->in_session && p->session_at + alone_us(p) > at)
		at = p->session_at + alone_us(p);
	// nor could it have one while the ceilings are told
	if (p->in_session && raising(p))
		at += RAISING_US;
	return at;
}

void lease_tick(struct pair *p)
{
	if (p->in_session && role_of(p) == HA_ROLE_STANDBY && word_get(p, MIRROR_HOT) &&
	    p->now >= p->ping_at) {
		ping_send(p);
		p->ping_at = p->now + ping_every(p);
	}
	if (p->now >= alone_at(p))
		go_alone(p);
}

uint64_t lease_due(const struct pair *p)
{
	uint64_t due = alone_at(p);

	if (p->lease_owed && p->lease_hold > p->now && p->lease_hold < due)
		due = p->lease_hold;
	if (role_of(p) == HA_ROLE_STANDBY) {
		uint64_t until = word_get(p, MIRROR_FRESH_UNTIL);
		if (p->in_session && word_get(p, MIRROR_HOT))
			due = p->ping_at;
		if (until > p->now && until < due)
			due = until;
	}
	return due;
}
