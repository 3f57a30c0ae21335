// Claims and take-overs (rules 2, 10, 11, 13, 14): HSRP wants the active role; while the link is up
// the other box is asked first, and what it answers decides with which counters to go on.

#include <errno.h>
#include <string.h>

#include "pair_private.h"

static void refuse(struct pair *p, enum ha_refusal why)
{
	p->refusal = why;
	word_owe(p, OWED_REFUSED);
}

void claim_void(struct pair *p)
{
	p->claim = false;
	memset(p->claim_nonce, 0, sizeof(p->claim_nonce));
}

static void taint_send(struct pair *p)
{
	struct outgoing o;

	if (!p->in_session || p->snap == SNAP_NONE)
		return;
	out_begin(p, &o, PAIR_TAINT, HAS(TLV_LSN) | HAS(TLV_KIND));
	o.m.kind = 1;
	pair_msg_begin(&o.b, &o.m);
	// a standby that does not hear of it must not become fresh again
	if (out_send(p, &o, 1))
		session_leave(p);
}

// Rule 12 for all. The word first: a process that dies here finishes it when it is back.
void taint_all(struct pair *p, const char *why)
{
	uint64_t cursor = 0;
	struct ha_sa sa;

	if (p->records == 0)
		return;
	word_set(p, MIRROR_TAINT_ALL, 1);
	while (mirror_next(p->m, p->group, &cursor, &sa))
		mirror_set_taint(p->m, sa.id, true);
	word_set(p, MIRROR_TAINT_ALL, 0);
	p->count.tainted++;
	event_say(p, "all SAs are to be renewed: %s", why);
	word_owe(p, OWED_TAINT);
	taint_send(p);
}

// A gateway process that slept through two changes of the role must not take this time for its own:
// the words that would have told it may be lost with a ring.
static void tenure_begin(struct pair *p)
{
	uint64_t tenure;

	p->ops.random(p->ops.ctx, &tenure, sizeof(tenure));
	word_set(p, MIRROR_TENURE, tenure | 1);
}

// ---- becoming active ----------------------------------------------------------------------------
static void found(struct pair *p)
{
	uint64_t lineage;
	uint64_t hold = hold_us(p), hello = hello_us(p), seen = word_get(p, MIRROR_SESSION_SEEN);

	mirror_group_clear(p->m, p->group);
	record_sum(p);
	p->ops.random(p->ops.ctx, &lineage, sizeof(lineage));
	word_set(p, MIRROR_HOLD_US, hold);
	word_set(p, MIRROR_HELLO_US, hello);
	word_set(p, MIRROR_SESSION_SEEN, seen);
	word_set(p, MIRROR_LINEAGE, lineage | 1);
	word_set(p, MIRROR_JOIN0, 1);
	word_set(p, MIRROR_RESTART_SEEN, 1);
	session_new(p);
	word_set(p, MIRROR_ALONE, 1);
	tenure_begin(p);
	word_set(p, MIRROR_ROLE, HA_ROLE_ACTIVE);
	event_say(p, "begins, active");
	p->hello_owed = p->link;
	activate_begin(p);
}

// grant: NULL, or what the other box answered.
void take_over(struct pair *p, const struct pair_msg *grant)
{
	bool was_fresh = fresh(p), planned = grant && grant->kind == GRANT_PLANNED;
	bool authority = grant && grant->kind >= GRANT_AUTHORITATIVE;

	claim_void(p);
	p->offered = false;
	if (!was_fresh && !authority) {
		taint_all(p, "taken over from a copy that may be old");
		p->count.stale_takeovers++;
	}
	session_leave(p);
	if (grant && grant->session.number)
		session_take(p, &grant->session);
	else
		session_new(p);
	// the granter may be fresh by what it knows of us
	if (grant && grant->kind != GRANT_AUTHORITATIVE)
		lease_note(p);
	bool partner = grant && grant->session.number && p->link;
	// Nobody can be fresh by a lease of ours: the mirror is enough, for all at once (rule 7).
	bool at_once = !planned && (was_fresh || authority) && lease_over(p);
	word_set(p, MIRROR_FRESH_UNTIL, 0);
	word_set(p, MIRROR_ALONE, !partner && lease_over(p));
	tenure_begin(p);
	word_set(p, MIRROR_RAISING, at_once ? RAISE_STEP : 0);
	word_set(p, MIRROR_ROLE, HA_ROLE_ACTIVE);
	if (partner) {
		p->in_session = p->peer_hot = true;
		p->peer.role = HA_ROLE_STANDBY;  // that is what it granted
		p->session_at = p->now;
		p->snap = SNAP_SENT;
		p->made = p->acked = p->snap_end = 0;
		word_set(p, MIRROR_LSN, 0);
		// in the new session, before its first lease (rule 12)
		if (!was_fresh && !authority)
			taint_send(p);
	}
	p->count.takeovers++;
	event_say(p, "takes over%s",
		  planned     ? ", handed over by the other box"
		  : authority ? ", the other box has given way"
		  : was_fresh ? ""
			      : " with a copy that may be old");
	activate_begin(p);
	p->activate_planned = planned;
	if (!planned || p->above)
		sweep_begin(p, planned ? 0 : RAISE_STEP);
	// the other box gets no lease before it has been told those that it does not know
	p->sweep_late = p->sweep_again = p->above;
	p->above = false;
	p->hello_owed = p->link;
	gate_note(p, 0);
}

static void claim_send(struct pair *p)
{
	struct outgoing o;

	p->ops.random(p->ops.ctx, p->claim_nonce, sizeof(p->claim_nonce));
	out_begin(p, &o, PAIR_CLAIM,
		  HAS(TLV_NONCE) | HAS(TLV_FRESH) | HAS(TLV_LSN) | HAS(TLV_SLOT) | HAS(TLV_BOOT) |
			  HAS(TLV_TERM));
	memcpy(o.m.nonce, p->claim_nonce, sizeof(o.m.nonce));
	o.m.fresh = fresh(p);
	o.m.lsn = p->applied;
	o.m.slot = (uint8_t)word_get(p, MIRROR_SLOT);
	o.m.boot = p->boot;
	o.m.term = term_us(p);
	pair_msg_begin(&o.b, &o.m);
	(void)out_send(p, &o, 0);
	p->claim = true;
	p->claim_until = p->now + claim_us(p);
	p->count.claims++;
}

static void claim_standby(struct pair *p)
{
	if (p->hello.other_active || p->now < p->handed_until) {
		refuse(p, HA_REFUSED_ACTIVE);
	} else if (!p->link) {
		take_over(p, NULL);
	} else if (!p->peer.known || p->wait || p->bulk ||
		   (p->peer.role == HA_ROLE_ACTIVE && !p->in_session)) {
		// it is about to have, or to get, what the other box holds
		refuse(p, HA_REFUSED_JOINING);
	} else if (p->peer.role == HA_ROLE_NONE) {
		take_over(p, NULL);
	} else {
		claim_send(p);
	}
}

void claim_word(struct pair *p)
{
	// without a gateway process it is the last word of one that has died
	if (p->claim || !p->gw)
		return;
	switch (role_of(p)) {
	case HA_ROLE_ACTIVE:
		if (p->yield || p->plan >= PLAN_STOPPING)
			refuse(p, HA_REFUSED_ACTIVE);
		else if (p->working)
			activate_again(p);
		else if (!p->activate && !p->confirm_until)
			reactivate(p);
		break;
	case HA_ROLE_NONE:
		if (p->wait || (p->link && !p->peer.known))
			refuse(p, HA_REFUSED_JOINING);
		else if (p->link && p->peer.role != HA_ROLE_NONE)
			refuse(p, HA_REFUSED_STATELESS);
		else if (p->hello.other_active)
			refuse(p, HA_REFUSED_ACTIVE);
		else
			found(p);
		break;
	case HA_ROLE_STANDBY: claim_standby(p); break;
	}
}

// No answer: the nonce is void, rule 11 decides.
void claim_tick(struct pair *p)
{
	if (!p->claim || p->now < p->claim_until)
		return;
	claim_void(p);
	if (role_of(p) != HA_ROLE_STANDBY)
		return;
	event_say(p, "the other box does not answer");
	take_over(p, NULL);
}

// ---- answering ----------------------------------------------------------------------------------
static void grant_send(struct pair *p)
{
	struct outgoing o;

	out_begin(p, &o, PAIR_GRANT, 0);
	o.m = p->grant;
	pair_msg_begin(&o.b, &o.m);
	p->grant_owed = out_send(p, &o, 0) == -EAGAIN;
}

bool grant_pump(struct pair *p)
{
	if (p->grant_owed && !p->blocked)
		grant_send(p);
	return false;
}

static void grant_prepare(struct pair *p, const uint8_t nonce[16], enum pair_grant kind)
{
	p->grant = (struct pair_msg){
		.type = PAIR_GRANT,
		.group = (uint16_t)p->group,
		.has = HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) | HAS(TLV_MORE) |
		       HAS(TLV_NONCE) | HAS(TLV_TERM),
		.kind = kind,
		.ends = session_of(p),
		.session = {.lineage = word_get(p, MIRROR_LINEAGE)},
		.term = term_us(p),
	};
	memcpy(p->grant.nonce, nonce, sizeof(p->grant.nonce));
	p->count.grants++;
}

// Standby process of a dead active: everything is acknowledged, the claimant has what we have.
static void grant_dead(struct pair *p, const struct pair_msg *m)
{
	pair_mute_look(p);
	if (p->acked != p->made)
		return;  // a taint is under way
	p->claim_held = false;
	grant_prepare(p, m->nonce, GRANT_AUTHORITATIVE);
	session_new(p);
	word_set(p, MIRROR_FRESH_UNTIL, 0);  // the claim may be old: fresh with the next lease
	word_set(p, MIRROR_HOT, 1);
	word_set(p, MIRROR_ROLE, HA_ROLE_STANDBY);
	p->grant.session = session_of(p);
	p->snap = SNAP_NONE;
	p->made = p->acked = p->applied = p->applied_told = 0;
	if (p->working)
		event_say(p, "the gateway process hangs");
	p->plan = PLAN_NONE;
	p->working = p->activate = p->sweep = false;
	p->owed &= ~(unsigned)OWED_ACTIVATE;
	p->confirm_until = 0;
	p->handed_until = p->now + claim_us(p);
	reset_begin(p);
	gate_open_all(p);
	event_say(p, "the other box takes over from the gateway process that is gone");
	grant_send(p);
}

// A gateway process that hangs says no hellos either, and would answer no HA_PREPARE. When it wakes
// up, what it still sends is below the ceiling that the other box begins above.
static bool gateway_hangs(const struct pair *p)
{
	uint64_t sent = word_get(p, MIRROR_HELLO_SENT);
	// a stamp of before it was given the role says nothing
	return p->self_seen && p->now > p->working_at + hold_us(p) && sent != 0 &&
	       p->now > sent + hello_us(p) && silent_too_long(p);
}

void claim_acked(struct pair *p)
{
	if (p->claim_held)
		edges_pump(p);
	if (p->claim_held && ids_count(&p->edges) == 0 && p->acked == p->made && !p->late &&
	    !p->sweep_late && !p->parked && role_of(p) == HA_ROLE_ACTIVE &&
	    (!p->working || gateway_hangs(p)) && p->in_session && !raising(p))
		grant_dead(p, &p->held);
}

static void claim_active(struct pair *p, const struct pair_msg *m)
{
	if (p->yield || p->plan >= PLAN_STOPPING)
		return;  // GRANT, or nothing, follows
	if (p->working && !gateway_hangs(p)) {
		uint64_t patience = hold_us(p) ? hold_us(p) : HOLD_DEFAULT_US;
		bool lost = !p->hello.self_active &&
			    (p->self_seen || p->now > p->working_at + patience);
		if (lost && p->in_session && p->peer_hot)
			plan_prepare(p);
		else
			(void)simple_send(p, PAIR_DENY, m->nonce, DENY_ACTIVE);
		p->count.denies++;
		return;
	}
	if (!p->in_session || !session_is(p, &m->session) || p->snap != SNAP_SENT) {
		(void)simple_send(p, PAIR_DENY, m->nonce, DENY_JOINING);
		p->count.denies++;
		return;
	}
	p->held = *m;
	p->claim_held = true;
	claim_acked(p);
}

// Rule 13: fresh beats stale, then the lower slot; slots of two lineages may be the same.
static bool claims_before(const struct pair *p, const struct pair_msg *m)
{
	bool mine = fresh(p), theirs = m->fresh != 0;
	uint64_t slot = word_get(p, MIRROR_SLOT);

	if (mine != theirs)
		return mine;
	if (!p->claim)
		return false;
	return slot != m->slot ? slot < m->slot : p->boot < m->boot;
}

static void claim_standby_receive(struct pair *p, const struct pair_msg *m)
{
	bool same = session_is(p, &m->session) && p->in_session;

	if (p->wait || p->bulk || claims_before(p, m)) {
		(void)simple_send(p, PAIR_DENY, m->nonce, p->claim ? DENY_CLAIMING : DENY_JOINING);
		p->count.denies++;
		return;
	}
	claim_void(p);
	grant_prepare(p, m->nonce, fresh(p) ? GRANT_FRESH : GRANT_STALE);
	if (same) {
		session_new(p);
		p->grant.session = session_of(p);
		p->snap = SNAP_NONE;
		p->made = p->acked = p->applied = p->applied_told = 0;
	} else {
		session_leave(p);
	}
	refuse(p, HA_REFUSED_ACTIVE);
	grant_send(p);
}

void claim_receive(struct pair *p, const struct pair_msg *m)
{
	session_seen(p, m->session.number);
	term_learn(p, m);
	switch (role_of(p)) {
	case HA_ROLE_ACTIVE: claim_active(p, m); break;
	case HA_ROLE_STANDBY: claim_standby_receive(p, m); break;
	case HA_ROLE_NONE:
		(void)simple_send(p, PAIR_DENY, m->nonce, p->wait ? DENY_JOINING : DENY_STATELESS);
		break;
	}
}

// ---- the answer ---------------------------------------------------------------------------------
static bool grant_valid(const struct pair *p, const struct pair_msg *m)
{
	uint64_t counter = m->session.number >> 1;

	if (role_of(p) != HA_ROLE_STANDBY || p->wait || !p->gw)
		return false;
	if (m->session.number && counter <= word_get(p, MIRROR_SESSION) >> 1)
		return false;
	// one that was under way for longer than the lease: the sender may have gone on
	if (m->kind == GRANT_PLANNED)
		return fresh(p) && p->in_session && session_is(p, &m->ends) &&
		       m->session.lineage == m->ends.lineage && m->session.number;
	// a nonce is void when its time is over, also for a process that slept through that moment
	if (!p->claim || p->now >= p->claim_until || !(m->has & HAS(TLV_NONCE)) ||
	    memcmp(m->nonce, p->claim_nonce, sizeof(m->nonce)) != 0)
		return false;
	if (m->session.number && m->session.lineage != word_get(p, MIRROR_LINEAGE))
		return false;
	// only in one session are both copies the same
	return m->kind != GRANT_AUTHORITATIVE || (p->in_session && session_is(p, &m->ends));
}

static void grant_part(struct pair *p, const struct pair_msg *m)
{
	struct rbuf it = m->list;
	struct pair_item item;
	struct ha_sa sa;

	while (pair_msg_item(m, &it, &item)) {
		if (!mirror_get(p->m, item.id, &sa) || sa.group != p->group)
			continue;
		if (item.value > sa.ceiling + 1) {
			invariant_broken(p, 4, "the next number is above the ceiling");
			continue;
		}
		struct ha_word w = {
			.type = HA_NEXT, .id = item.id, .a = item.value, .b = item.edge};
		mirror_set_edge(p->m, item.id, item.edge);
		// lost: it goes on above the ceiling then
		if (!p->owed && !p->told_late)
			(void)word_tell(p, &w);
	}
}

void grant_receive(struct pair *p, const struct pair_msg *m)
{
	if (m->kind == GRANT_PLANNED && m->more) {
		if (p->in_session && session_is(p, &m->ends) && role_of(p) == HA_ROLE_STANDBY &&
		    (m->has & HAS(TLV_NEXTS)))
			grant_part(p, m);
		return;
	}
	session_seen(p, m->session.number);
	if (!grant_valid(p, m)) {
		p->count.rx_refused++;
		p->hello_owed = true;
		return;
	}
	term_learn(p, m);
	take_over(p, m);
}

void deny_receive(struct pair *p, const struct pair_msg *m)
{
	if (m->kind == DENY_SWITCH) {
		refuse(p, HA_REFUSED_ACTIVE);
		return;
	}
	if (!p->claim || memcmp(m->nonce, p->claim_nonce, sizeof(m->nonce)) != 0)
		return;
	claim_void(p);
	p->count.denies++;
	if (m->kind == DENY_STATELESS && role_of(p) == HA_ROLE_STANDBY)
		take_over(p, NULL);
	else
		refuse(p, m->kind == DENY_ACTIVE ? HA_REFUSED_ACTIVE : HA_REFUSED_JOINING);
}
