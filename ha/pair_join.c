// Getting the state of the other box, and giving it (rules 2, 3, 14, 16, 17).

#include <errno.h>
#include <string.h>

#include "pair_private.h"

// ---- who does what -----------------------------------------------------------------------------
static void join_send(struct pair *p)
{
	struct outgoing o;

	// from here on what we hold counts for nothing until the new state is complete, so the
	// other box need not wait for us
	word_set(p, MIRROR_FRESH_UNTIL, 0);
	word_set(p, MIRROR_HOT, 0);
	session_leave(p);
	p->ops.random(p->ops.ctx, p->join_nonce, sizeof(p->join_nonce));
	out_begin(p, &o, PAIR_JOIN, HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_MORE) | HAS(TLV_TERM));
	memcpy(o.m.nonce, p->join_nonce, sizeof(o.m.nonce));
	o.m.role = (uint8_t)role_of(p);
	o.m.term = term_us(p);
	pair_msg_begin(&o.b, &o.m);
	if (out_send(p, &o, 0)) {
		p->hello_owed = true;  // and again when the other box has said where it stands
		return;
	}
	claim_void(p);
	p->wait = true;
	p->join_at = p->now;
	p->join_term = o.m.term;
	p->count.joins++;
}

// `clear crypto ... standby`. The mirror keeps what it has until the new state is complete, so that
// a failure of the other box meanwhile costs no more than any take-over that is not fresh.
void resync_word(struct pair *p)
{
	if (role_of(p) != HA_ROLE_STANDBY)
		return;
	p->refetch = true;
	// not between an offer and its grant: the role is about to come here
	if (p->link && p->peer.known && p->peer.role == HA_ROLE_ACTIVE && !p->wait && !p->bulk &&
	    !p->sift && !p->claim && !p->offered && !p->left)
		join_send(p);
}

void peer_look(struct pair *p)
{
	enum ha_role_kind mine = role_of(p), theirs = p->peer.role;

	if (!p->link || !p->peer.known || p->wait || p->claim || p->left)
		return;
	if (p->yield && theirs != HA_ROLE_ACTIVE) {
		yield_off(p, p->yield > YIELD_STOPPING);
		return;
	}
	if (p->yield == YIELD_ASKED) {
		p->yield = YIELD_LISTING;  // it was busy: once more
		p->held_cursor = 0;
		return;
	}
	if (mine == HA_ROLE_NONE && theirs != HA_ROLE_NONE)
		join_send(p);
	else if (mine == HA_ROLE_STANDBY && theirs == HA_ROLE_ACTIVE && !p->in_session)
		join_send(p);
	else if (mine == HA_ROLE_ACTIVE && theirs == HA_ROLE_ACTIVE && !p->yield && peer_beats(p))
		yield_begin(p);
}

void hello_receive(struct pair *p, const struct pair_msg *m)
{
	struct pair_peer *q = &p->peer;

	if (!q->known && m->release != PAIR_RELEASE)
		event_say(p, "the other box speaks release %u of the protocol, this one release %u",
			  m->release, PAIR_RELEASE);
	q->known = true;
	q->role = m->role <= HA_ROLE_ACTIVE ? m->role : HA_ROLE_NONE;
	// sent before our STATE came; one that ends in order names the session that it was in
	if (q->role == HA_ROLE_NONE && q->served && m->session.number == 0)
		q->role = HA_ROLE_STANDBY;
	q->priority = m->priority;
	q->working = m->working;
	memcpy(q->address, m->address, sizeof(q->address));
	memcpy(q->digest, m->digest, sizeof(q->digest));
	q->session = m->session;
	q->boot = m->boot;
	q->release = m->release;
	session_seen(p, m->session.number);
	bool both = q->role == HA_ROLE_ACTIVE && role_of(p) == HA_ROLE_ACTIVE;
	if (both && !p->split) {
		p->count.splits++;
		event_say(p, "split brain: both boxes are active");
	}
	p->split = both;
	// it went on in another session than the one it was in with us. What it said before it came
	// into ours has an older number, and does not say that it is active.
	bool newer = q->session.number >> 1 > word_get(p, MIRROR_SESSION) >> 1;
	if (p->in_session && !p->wait && q->session.number && !session_is(p, &q->session) &&
	    (newer || q->role == HA_ROLE_ACTIVE)) {
		session_leave(p);
		// It may have said so right before it came into ours, when it gave way: then it is
		// in one that we have left, and has to hear of it.
		if (role_of(p) == HA_ROLE_ACTIVE) {
			session_new(p);
			p->hello_owed = true;
		}
	}
	peer_look(p);
}

// ---- giving ------------------------------------------------------------------------------------
static bool may_serve(const struct pair *p, const struct pair_msg *m)
{
	enum ha_role_kind mine = role_of(p);

	if (mine == HA_ROLE_NONE || p->wait || p->claim || p->yield || p->plan >= PLAN_STOPPING ||
	    p->grant_owed || p->bulk || p->left)
		return false;
	if (m->role == HA_ROLE_NONE)
		return true;
	if (mine != HA_ROLE_ACTIVE)
		return false;
	return m->role == HA_ROLE_STANDBY || !p->peer.known || !peer_beats(p);
}

int state_send(struct pair *p)
{
	struct outgoing o;
	uint64_t until = word_get(p, MIRROR_FRESH_UNTIL), slot = word_get(p, MIRROR_SLOT);
	uint64_t told = word_get(p, slot ? MIRROR_JOIN0 : MIRROR_JOIN1);

	out_begin(p, &o, PAIR_STATE,
		  HAS(TLV_NONCE) | HAS(TLV_SLOT) | HAS(TLV_JOINS) | HAS(TLV_ROLE) | HAS(TLV_FRESH) |
			  HAS(TLV_LSN) | HAS(TLV_TERM));
	memcpy(o.m.nonce, p->state_nonce, sizeof(o.m.nonce));
	o.m.slot = (uint8_t)!slot;
	o.m.join[0] = (uint32_t)word_get(p, MIRROR_JOIN0);
	o.m.join[1] = (uint32_t)word_get(p, MIRROR_JOIN1);
	if (o.m.join[!slot] != told || told == 0)
		invariant_broken(p, 3, "the join number is not in the mirror");
	o.m.role = (uint8_t)role_of(p);
	if (o.m.role == HA_ROLE_ACTIVE)
		o.m.fresh = lease_held(p) ? 0 : UINT64_MAX;
	else
		o.m.fresh = until > p->now ? until - p->now : 0;
	o.m.term = term_us(p);
	o.m.lsn = 1;
	pair_msg_begin(&o.b, &o.m);
	int rc = out_send(p, &o, 0);
	p->state_owed = rc == -EAGAIN;
	return rc;
}

static void serve(struct pair *p, const struct pair_msg *m)
{
	enum mirror_word theirs = word_get(p, MIRROR_SLOT) ? MIRROR_JOIN0 : MIRROR_JOIN1;
	enum ha_role_kind mine = role_of(p);

	plan_off(p, "the other box joins");
	term_take(p, m);
	session_leave(p);
	// rule 11: a dead gateway process whose place the newcomer may have taken and forgotten it
	if (mine == HA_ROLE_ACTIVE && !p->gw)
		pair_mute_look(p);
	if (mine == HA_ROLE_ACTIVE && !p->working && protected_now(p) && silent_too_long(p))
		taint_all(p, "the other box may have gone on meanwhile");
	session_seen(p, m->session.number);
	session_new(p);
	if (mine == HA_ROLE_ACTIVE)
		word_set(p, MIRROR_ALONE, 1);  // the joiner holds nothing that counts
	word_set(p, theirs, word_get(p, theirs) + 1);
	if (m->role == HA_ROLE_ACTIVE) {
		p->count.splits_healed++;
		event_say(p, "split brain is over, the other box gives way");
	}
	memcpy(p->state_nonce, m->nonce, sizeof(p->state_nonce));
	p->in_session = true;
	p->session_at = p->now;
	p->peer.role = HA_ROLE_STANDBY;
	p->peer.served = true;
	snapshot_begin(p);
	p->state_owed = true;
	p->claim_held = false;
	p->count.states++;
	gate_open_all(p);
	if (mine == HA_ROLE_ACTIVE)
		sweep_begin(p, 0);
	p->hello_owed = true;
	event_say(p, "the other box joins");
}

void join_receive(struct pair *p, const struct pair_msg *m)
{
	if (m->role > HA_ROLE_ACTIVE) {
		p->count.rx_refused++;
		return;
	}
	session_seen(p, m->session.number);
	// both give way, for what decides between them has changed meanwhile: it asks, so it has
	// not gone on from what we have told
	if (m->role == HA_ROLE_ACTIVE && role_of(p) == HA_ROLE_ACTIVE && p->yield && !peer_beats(p))
		yield_off(p, false);
	if (!may_serve(p, m)) {
		p->count.busies++;
		if (!(m->has & HAS(TLV_MORE)) || !m->more)
			(void)simple_send(p, PAIR_BUSY, m->nonce, 0);
		p->hello_owed = true;
		return;
	}
	if (m->role == HA_ROLE_ACTIVE) {
		word_set(p, MIRROR_MERGED, p->working || !p->gw);
		held_merge(p, m);
		word_set(p, MIRROR_NEXT_VOID, 1);
	}
	if (!(m->has & HAS(TLV_MORE)) || !m->more)
		serve(p, m);
}

// ---- getting -----------------------------------------------------------------------------------
static void forget(struct pair *p)
{
	uint64_t hold = hold_us(p), hello = hello_us(p), seen = word_get(p, MIRROR_SESSION_SEEN);
	uint64_t sent = word_get(p, MIRROR_LEASE_SENT), term = word_get(p, MIRROR_TERM_US);

	mirror_group_clear(p->m, p->group);
	record_sum(p);
	memset(p->gone, 0, sizeof(p->gone));
	word_set(p, MIRROR_HOLD_US, hold);
	word_set(p, MIRROR_HELLO_US, hello);
	word_set(p, MIRROR_SESSION_SEEN, seen);
	word_set(p, MIRROR_LEASE_SENT, sent);
	word_set(p, MIRROR_TERM_US, term);
	ids_clear(&p->dirty);
	word_owe(p, OWED_CLEAR);
}

static void life_take(struct pair *p, const struct pair_msg *m)
{
	uint64_t ours = word_get(p, m->slot ? MIRROR_JOIN1 : MIRROR_JOIN0);

	if (role_of(p) != HA_ROLE_NONE && m->join[m->slot] <= ours)
		invariant_broken(p, 2, "a join number came twice");
	word_set(p, MIRROR_SLOT, m->slot);
	word_set(p, MIRROR_JOIN0, m->join[0]);
	word_set(p, MIRROR_JOIN1, m->join[1]);
	// a new life by the join number; only now may restarts count from nothing again
	word_set(p, MIRROR_RESTART, 0);
	word_set(p, MIRROR_RESTART_SEEN, p->gw);
}

void state_receive(struct pair *p, const struct pair_msg *m)
{
	if (!p->wait || memcmp(m->nonce, p->join_nonce, sizeof(m->nonce)) != 0 || m->slot > 1 ||
	    m->session.lineage == 0) {
		p->count.rx_refused++;
		return;
	}
	bool same = role_of(p) != HA_ROLE_NONE &&
		    m->session.lineage == word_get(p, MIRROR_LINEAGE) &&
		    m->slot == word_get(p, MIRROR_SLOT);

	word_set(p, MIRROR_HOT, 0);
	word_set(p, MIRROR_FRESH_UNTIL, 0);
	if (!same)
		forget(p);
	session_take(p, &m->session);
	life_take(p, m);
	word_set(p, MIRROR_LSN, 0);
	word_set(p, MIRROR_ALONE, 0);
	term_learn(p, m);
	// a standby that serves may be fresh itself; it is not to be taken over from alone at once
	if (m->role != HA_ROLE_ACTIVE)
		lease_note(p);
	word_set(p, MIRROR_ROLE, HA_ROLE_STANDBY);
	word_set(p, MIRROR_YIELD, 0);
	word_set(p, MIRROR_RAISING, 0);
	if (p->yield)
		gate_open_all(p);
	p->yield = YIELD_NONE;
	p->wait = false;
	p->in_session = p->bulk = true;
	p->session_at = p->now;
	p->snap = SNAP_NONE;
	p->applied = p->applied_told = 0;
	p->was_hot = p->sweep = p->activate = p->working = p->above = false;
	p->peer.role = m->role;
	ids_clear(&p->seen);
	if (p->refetch && same) {
		word_owe(p, OWED_AGAIN);
		feed_begin(p);
	}
	p->refetch = false;
	memset(p->gone, 0, sizeof(p->gone));  // what it has counts
	p->sift = same;
	p->sift_cursor = 0;
	uint64_t term = p->join_term;
	p->fresh_to =
		term == 0 || m->fresh == 0 ? 0 : p->join_at + (m->fresh < term ? m->fresh : term);
	p->hello_owed = true;
	event_say(p, "joins");
}

static void hot(struct pair *p)
{
	p->bulk = p->sift = false;
	ids_clear(&p->seen);
	word_set(p, MIRROR_HOT, 1);
	if (p->fresh_to > p->now)
		word_set(p, MIRROR_FRESH_UNTIL, p->fresh_to);
	lease_shorten(p);
	p->was_hot = true;
	p->ping_at = 0;
	event_say(p, "holds everything");
}

void join_end(struct pair *p)
{
	if (!p->bulk)
		return;
	if (!p->sift) {
		hot(p);
		return;
	}
	p->bulk = false;  // sift remains: see join_pump
}

// What the snapshot did not bring has gone at the other box.
bool join_pump(struct pair *p)
{
	struct ha_sa sa;

	if (!p->sift || p->bulk || role_of(p) != HA_ROLE_STANDBY)
		return false;
	for (unsigned n = 0; n < 4 * SLICE; n++) {
		if (!mirror_next(p->m, p->group, &p->sift_cursor, &sa)) {
			hot(p);
			return false;
		}
		uint64_t id = sa.id;
		if (ids_has(&p->seen, id))
			continue;
		(void)record_del(p, id);
		feed_delete(p, id);
	}
	return true;
}

void busy_receive(struct pair *p, const struct pair_msg *m)
{
	if (p->wait && memcmp(m->nonce, p->join_nonce, sizeof(m->nonce)) == 0)
		p->wait = false;  // again at the next HELLO
}

void join_tick(struct pair *p)
{
	if (p->wait && p->now >= p->join_at + JOIN_TIMEOUT_US)
		p->wait = false;
}

void join_link_down(struct pair *p)
{
	p->wait = p->bulk = p->sift = p->state_owed = false;
	ids_clear(&p->seen);
	if (p->yield)
		yield_off(p, p->yield > YIELD_STOPPING);
}
