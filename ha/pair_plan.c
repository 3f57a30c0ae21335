// Planned switchover (rule 10): the active offers, its gateway process stops and drains, each SA's
// next number goes over, then the grant.
//
// The offer is a numbered record: once it is acknowledged the other box knows that we may be fresh
// from the moment it was sent, and will not go on alone before that has run out (rule 9).

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pair_private.h"

static void offer(struct pair *p)
{
	struct outgoing o;

	out_begin(p, &o, PAIR_OFFER, HAS(TLV_LSN) | HAS(TLV_TERM));
	o.m.term = term_us(p);
	pair_msg_begin(&o.b, &o.m);
	if (out_send(p, &o, 1))
		return;
	p->plan = PLAN_OFFERED;
	p->plan_lsn = p->made;
	p->plan_stamp = p->now;
	p->plan_term = o.m.term;
	p->plan_until = p->now + PLAN_TIMEOUT_US;
	p->nexts = p->nexts_sent = 0;
}

static bool possible(const struct pair *p)
{
	return role_of(p) == HA_ROLE_ACTIVE && p->working && p->in_session && p->peer_hot &&
	       protected_now(p) && !p->yield && !p->sweep && p->plan == PLAN_NONE &&
	       p->now < word_get(p, MIRROR_LEASE_SENT) + term_us(p);
}

void plan_prepare(struct pair *p)
{
	if (!possible(p))
		return;
	event_say(p, "hands over to the other box");
	offer(p);
}

// HA_SWITCH of the own gateway process.
void switch_word(struct pair *p, const struct ha_word *w)
{
	uint8_t nonce[16] = {0};

	if (role_of(p) == HA_ROLE_ACTIVE) {
		// it wanted the role, which has come meanwhile: HA_ACTIVATE says so
		if (p->plan != PLAN_NONE || w->a == HA_SWITCH_TAKE)
			return;
		plan_prepare(p);
		if (p->plan != PLAN_NONE)
			return;
	} else if (w->a == HA_SWITCH_LOST) {
		return;  // the role has gone already
	} else if (role_of(p) == HA_ROLE_STANDBY && p->in_session && word_get(p, MIRROR_HOT) &&
		   simple_send(p, PAIR_SWITCH, nonce, 0) == 0) {
		return;
	}
	p->refusal = role_of(p) == HA_ROLE_ACTIVE ? HA_REFUSED_ACTIVE : HA_REFUSED_JOINING;
	word_owe(p, OWED_REFUSED);
}

void switch_receive(struct pair *p, const struct pair_msg *m)
{
	if (p->plan != PLAN_NONE)
		return;
	if (p->in_session)
		plan_prepare(p);
	if (p->plan == PLAN_NONE)
		(void)simple_send(p, PAIR_DENY, m->nonce, DENY_SWITCH);
}

void offer_receive(struct pair *p, const struct pair_msg *m)
{
	term_learn(p, m);
	lease_note(p);
	p->offered = true;
	word_owe(p, OWED_FORGET);
}

void plan_acked(struct pair *p)
{
	if (p->plan != PLAN_OFFERED || p->acked < p->plan_lsn)
		return;
	p->plan = PLAN_STOPPING;
	word_owe(p, OWED_PREPARE);
}

int plan_next(struct pair *p, const struct ha_word *w)
{
	if (p->plan != PLAN_STOPPING)
		return 0;
	mirror_set_edge(p->m, w->id, w->b);
	// it may have stopped before a merge, and not know how far the other box had gone
	if (word_get(p, MIRROR_NEXT_VOID))
		return 0;
	if (p->nexts == p->nexts_max) {
		uint32_t max = p->nexts_max ? p->nexts_max * 2 : 1024;
		struct pair_item *bigger = reallocarray(p->next, max, sizeof(*bigger));
		if (!bigger)
			return 0;  // that SA goes on above its ceiling
		p->next = bigger;
		p->nexts_max = max;
	}
	p->next[p->nexts++] = (struct pair_item){.id = w->id, .value = w->a, .edge = w->b};
	return 0;
}

static void nexts_free(struct pair *p)
{
	free(p->next);
	p->next = NULL;
	p->nexts = p->nexts_max = p->nexts_sent = 0;
}

void plan_stopped(struct pair *p)
{
	// as in yield_stopped()
	p->owed &= ~(unsigned)OWED_PREPARE;
	p->working = p->sweep = false;
	p->plan = PLAN_STOPPED;
}

static int part_send(struct pair *p)
{
	struct outgoing o;
	uint32_t n = p->nexts - p->nexts_sent;

	if (n > SLICE)
		n = SLICE;
	out_begin(p, &o, PAIR_GRANT, HAS(TLV_ENDS) | HAS(TLV_KIND) | HAS(TLV_MORE));
	o.m.ends = session_of(p);
	o.m.kind = GRANT_PLANNED;
	o.m.more = 1;
	pair_msg_begin(&o.b, &o.m);
	size_t mark = pair_msg_list_begin(&o.b, TLV_NEXTS);
	for (uint32_t i = 0; i < n; i++)
		pair_msg_put_item(&o.b, TLV_NEXTS, &p->next[p->nexts_sent + i]);
	pair_msg_list_end(&o.b, mark);
	int rc = out_send(p, &o, 0);
	if (rc == 0)
		p->nexts_sent += n;
	return rc;
}

// Everything is over there: the role follows. The mirror first, so that whatever happens to the
// message this box does not go on with numbers that it has given away.
static void grant(struct pair *p)
{
	uint64_t term = term_us(p) < p->plan_term ? term_us(p) : p->plan_term;
	uint64_t until = p->plan_stamp + term;

	p->grant = (struct pair_msg){
		.type = PAIR_GRANT,
		.group = (uint16_t)p->group,
		.has = HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) | HAS(TLV_MORE) |
		       HAS(TLV_TERM),
		.kind = GRANT_PLANNED,
		.ends = session_of(p),
		.term = term_us(p),
	};
	session_new(p);
	p->grant.session = session_of(p);
	word_set(p, MIRROR_HOT, 1);
	word_set(p, MIRROR_FRESH_UNTIL, until);
	word_set(p, MIRROR_ROLE, HA_ROLE_STANDBY);
	p->snap = SNAP_NONE;
	p->made = p->acked = p->applied = p->applied_told = 0;
	p->was_hot = true;
	p->session_at = p->now;
	// a claim that its gateway process told meanwhile does not ask for it back at once
	p->handed_until = p->now + hold_us(p);
	p->ping_at = 0;
	p->plan = PLAN_NONE;
	nexts_free(p);
	reset_begin(p);
	gate_open_all(p);
	p->count.grants++;
	p->grant_owed = true;
	event_say(p, "handed over, standby");
	(void)grant_pump(p);
}

bool plan_pump(struct pair *p)
{
	if (p->plan != PLAN_STOPPED || role_of(p) != HA_ROLE_ACTIVE)
		return false;
	for (int i = 0; i < 16; i++) {
		if (p->blocked)
			return false;
		edges_pump(p);
		if (ids_count(&p->edges))
			return false;
		if (p->nexts_sent == p->nexts) {
			grant(p);
			return true;
		}
		if (part_send(p))
			return false;
	}
	return true;
}

void plan_off(struct pair *p, const char *why)
{
	enum plan was = p->plan;

	if (was == PLAN_NONE)
		return;
	p->plan = PLAN_NONE;
	nexts_free(p);
	event_say(p, "the switchover is off: %s", why);
	if (role_of(p) != HA_ROLE_ACTIVE || was == PLAN_OFFERED || !p->gw)
		return;
	p->owed &= ~(unsigned)OWED_PREPARE;
	if (was == PLAN_STOPPED)
		p->working = true;
	word_owe(p, OWED_RESUME);
}

void plan_tick(struct pair *p)
{
	if (p->plan != PLAN_NONE && p->now >= p->plan_until)
		plan_off(p, "it takes too long");
}
