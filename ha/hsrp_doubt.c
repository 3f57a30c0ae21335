// Replayed messages. Keyed MD5 has no freshness: a stored message is genuine for ever. But HSRP is
// multicast, so whoever is quoted hears the quotation too, and is alive:
//
//  - a router that hears an authentic message in its own name that says what it does not say now
//    answers with a hello at once;
//  - a router that hears a message which would change its own role, from a router that said
//    otherwise with its last one, waits a moment for that answer before it believes it.
//
// No octet on the wire is new. A router that does not answer so is believed after the moment: RFC
// 2281's behaviour, that much later. With stamps there is nothing to doubt.
#include "hsrp_group.h"

#define MOMENT_MIN_MS 20  // an answer may have to wait for a turn of the other's event loop
#define MOMENT_MAX_MS 100
#define HANDED_MS     250  // for a resign that is sent when the work has been handed over
#define TRUTH_GAP_MS  5    // between two answers, whatever is sent at us
#define RESIGN_MS     20   // until the resign of a box that has handed over counts as lost

static uint64_t moment_ms(const struct hsrp_group *g)
{
	uint32_t half = g->hello_ms / 2;

	return half < MOMENT_MIN_MS ? MOMENT_MIN_MS : half > MOMENT_MAX_MS ? MOMENT_MAX_MS : half;
}

// Does the message speak of a router that has the active role?
static bool says_active(const struct hsrp_msg *m)
{
	return m->op == HSRP_OP_COUP || (m->op == HSRP_OP_HELLO && m->state == HSRP_STATE_ACTIVE);
}

static int doubt_kind(const struct hsrp_group *g, const struct hsrp_msg *m,
		      const struct ip_addr *src)
{
	bool stronger = hsrp_stronger(g, m->priority, src);

	if (m->op > HSRP_OP_RESIGN)
		return HSRP_DOUBT_NONE;
	// The standby router takes over, or the one that was found dead slept and has yet to learn
	// that it is replaced: a stateful switchover tells it at once, and it denies.
	if (g->state == HSRP_STATE_ACTIVE)
		return says_active(m) && stronger &&
				       (hsrp_peer_is(&g->standby, src) ||
					(addr_is_set(&g->lost) && addr_equal(&g->lost, src)))
			       ? HSRP_DOUBT_TAKES
			       : HSRP_DOUBT_NONE;
	if (!hsrp_peer_is(&g->active, src))
		return HSRP_DOUBT_NONE;
	// The active router is it no more: this one would take over.
	if (g->state == HSRP_STATE_STANDBY && !says_active(m))
		return HSRP_DOUBT_LEAVES;
	// The active router has become weaker: this one would preempt.
	if (g->state >= HSRP_STATE_LISTEN && says_active(m) && !stronger && g->conf.preempt &&
	    hsrp_stronger(g, g->active.priority, src))
		return HSRP_DOUBT_WEAKER;
	return HSRP_DOUBT_NONE;
}

// The sender of what is doubted says the opposite.
static bool is_denial(const struct hsrp_group *g, const struct hsrp_msg *m)
{
	switch (g->doubt.kind) {
	case HSRP_DOUBT_TAKES: return !says_active(m);
	case HSRP_DOUBT_LEAVES: return says_active(m);
	case HSRP_DOUBT_WEAKER:
		return says_active(m) && hsrp_stronger(g, m->priority, &g->doubt.from);
	default: return false;
	}
}

bool hsrp_doubt(struct hsrp_group *g, const struct hsrp_msg *m, const struct ip_addr *src,
		uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_doubt *d = &g->doubt;
	bool same = d->kind != HSRP_DOUBT_NONE && addr_equal(&d->from, src);

	if (hsrp_stamps(g))
		return false;
	if (same && is_denial(g, m)) {
		g->reasons[HSRP_RX_REPLAYED]++;
		// Its frame came from the virtual MAC address: switches send there until they see
		// another one.
		if (d->kind == HSRP_DOUBT_TAKES)
			hsrp_hello_now(g, now, out);
		*d = (struct hsrp_doubt){.due = HSRP_NEVER};
		same = false;
	}
	int kind = doubt_kind(g, m, src);
	if (kind == HSRP_DOUBT_NONE || (kind == HSRP_DOUBT_LEAVES && now < g->handed_until))
		return false;
	// The first of several counts: a stream of them must not postpone the decision.
	uint64_t due = same ? d->due : now + moment_ms(g);
	if (!same || d->kind == HSRP_DOUBT_WEAKER) {
		d->kind = (typeof(d->kind))kind;
		d->from = *src;
		d->m = *m;
	}
	d->due = due;
	return true;
}

void hsrp_doubt_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	const struct hsrp_doubt d = g->doubt;

	g->doubt = (struct hsrp_doubt){.due = HSRP_NEVER};
	g->reasons[hsrp_message_act(g, &d.m, &d.from, now, out)]++;
}

void hsrp_group_handed(struct hsrp_group *g, bool planned, uint64_t now, struct hsrp_actions *out)
{
	g->handed_until = now + HANDED_MS;
	// What it has lost may be the line by which its resign would come.
	if (planned && g->state == HSRP_STATE_STANDBY && addr_is_set(&g->active.addr) &&
	    g->active_due > now + RESIGN_MS)
		g->active_due = now + RESIGN_MS;
	if (g->doubt.kind == HSRP_DOUBT_LEAVES)
		hsrp_doubt_tick(g, now, out);
}

void hsrp_misquoted(struct hsrp_group *g, const struct hsrp_msg *m, const struct hsrp_packet *p,
		    uint64_t now, struct hsrp_actions *out)
{
	bool active = g->state == HSRP_STATE_ACTIVE;

	// Below Speak a router has nothing to say (RFC 2281 5.3).
	if (g->state < HSRP_STATE_SPEAK ||
	    (m->op == HSRP_OP_HELLO ? m->state == g->state && m->priority == hsrp_priority(g)
				    : active == (m->op == HSRP_OP_COUP)))
		return;
	// Nobody believes a forged one, so there is nothing to deny.
	if (hsrp_auth_check(&g->auth, m, p, now) != HSRP_RX_OK)
		return;
	g->truth_due = g->truth_at + TRUTH_GAP_MS;
	if (g->truth_due <= now)
		hsrp_truth_tick(g, now, out);
}

void hsrp_truth_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	g->truth_due = HSRP_NEVER;
	g->truth_at = now;
	hsrp_hello_now(g, now, out);
}
