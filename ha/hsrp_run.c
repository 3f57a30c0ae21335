// A HSRP group at work: events through the state table, the actions they ask for, and the timers.
//
// What RFC 2281 leaves open is decided here and explained in docs/hsrp.md: hellos at every change
// of state, the settle time of a standby router that knows no active one, preemption delays, and
// what happens after the process itself slept.
#include "hsrp_group.h"

#include <string.h>

#define SETTLE_MAX_MS 500
#define ARP_REPEATS   2

#define PUT_OFF_ACTIVE  1
#define PUT_OFF_STANDBY 2
#define PUT_OFF_HELLO   4

struct hsrp_action *hsrp_action_add(struct hsrp_actions *out, enum hsrp_action_kind kind)
{
	static struct hsrp_action spill;
	struct hsrp_action *a = out->count < HSRP_ACTIONS_MAX ? &out->list[out->count++] : &spill;

	*a = (struct hsrp_action){.kind = kind};
	return a;
}

static void message_send(struct hsrp_group *g, enum hsrp_op op, uint64_t now,
			 struct hsrp_actions *out)
{
	struct hsrp_msg m = {
		.version = g->conf.version,
		.content = HSRP_HAS_GROUP,
		.op = op,
		.state = g->state,
		.group = g->conf.number,
		.family = g->conf.family,
		.priority = hsrp_priority(g),
		.hello_ms = g->hello_ms,
		.hold_ms = g->hold_ms,
		.virtual_ip = g->virtual_ip,
	};
	uint8_t bytes[HSRP_WIRE_MAX];

	memcpy(m.identifier, g->conf.bia, sizeof(m.identifier));
	if (hsrp_stamps(g)) {
		uint64_t stamp = g->conf.stamp_base + now;

		g->stamp_sent = stamp > g->stamp_sent ? stamp : g->stamp_sent + 1;
		m.has_stamp = true;
		m.stamp = g->stamp_sent;
	}
	int len = hsrp_encode(&m, &g->auth, &g->conf.local, now, bytes, sizeof(bytes));
	if (len < 0)
		return;  // no key may be sent now: silence, as the key chain says
	struct hsrp_action *a = hsrp_action_add(out, HSRP_DO_SEND);
	a->op = op;
	a->len = (uint8_t)len;
	memcpy(a->bytes, bytes, (size_t)len);
	if (g->state == HSRP_STATE_ACTIVE)
		hsrp_virtual_mac(g, a->mac);
	else
		memcpy(a->mac, g->conf.bia, sizeof(a->mac));
	g->sent[op]++;
}

static void arp_send(struct hsrp_group *g, struct hsrp_actions *out)
{
	struct hsrp_action *a = hsrp_action_add(out, HSRP_DO_ARP);

	a->virtual_ip = g->virtual_ip;
	hsrp_virtual_mac(g, a->mac);
}

void hsrp_hello_now(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if (g->state < HSRP_STATE_SPEAK)
		return;
	message_send(g, HSRP_OP_HELLO, now, out);
	g->hello_due = now + g->hello_ms;
	g->put_off &= (uint8_t)~PUT_OFF_HELLO;
}

// Version 1 cannot carry milliseconds: who is configured with such timers uses its own.
static bool timers_own(const struct hsrp_group *g)
{
	return g->conf.version == 1 && g->conf.timers_set &&
	       (g->hello_ms % 1000 != 0 || g->hold_ms % 1000 != 0);
}

uint32_t hsrp_hold_of(const struct hsrp_group *g, const struct hsrp_msg *m)
{
	return timers_own(g) ? g->hold_ms : m->hold_ms;
}

uint32_t hsrp_hello_of(const struct hsrp_group *g, const struct hsrp_msg *m)
{
	return timers_own(g) ? g->hello_ms : m->hello_ms;
}

// Action E: only called for messages of the active router that passed authentication.
static void parameters_learn(struct hsrp_group *g, const struct hsrp_msg *m,
			     struct hsrp_actions *out)
{
	bool news = false;

	if (!addr_is_set(&g->conf.virtual_ip) && !addr_is_zero(&m->virtual_ip) &&
	    !addr_equal(&g->virtual_ip, &m->virtual_ip)) {
		g->virtual_ip = m->virtual_ip;
		g->virtual_learnt = news = true;
	}
	if (!g->conf.timers_set && (g->hello_ms != m->hello_ms || g->hold_ms != m->hold_ms)) {
		g->hello_ms = m->hello_ms;
		g->hold_ms = m->hold_ms;
		g->timers_learnt = news = true;
	}
	if (news)
		hsrp_action_add(out, HSRP_DO_LEARNT)->virtual_ip = g->virtual_ip;
}

static void preempt_stop(struct hsrp_group *g)
{
	g->weaker_since = 0;
	g->preempt_due = HSRP_NEVER;
}

static uint64_t settle_ms(const struct hsrp_group *g)
{
	return g->hello_ms / 4 < SETTLE_MAX_MS ? g->hello_ms / 4 : SETTLE_MAX_MS;
}

static void state_forget(struct hsrp_group *g)
{
	g->active = g->standby = (struct hsrp_peer){0};
	g->active_due = g->standby_due = HSRP_NEVER;
	g->virtual_ip = g->conf.virtual_ip;
	g->hello_ms = g->conf.hello_ms;
	g->hold_ms = g->conf.hold_ms;
	g->virtual_learnt = g->timers_learnt = false;
}

static void state_enter(struct hsrp_group *g, enum hsrp_state next, enum hsrp_event e, uint64_t now,
			struct hsrp_actions *out)
{
	struct hsrp_action *a = hsrp_action_add(out, HSRP_DO_STATE);

	a->old_state = g->state;
	a->new_state = next;
	a->event = e;
	a->virtual_ip = g->virtual_ip;
	g->state = next;
	g->since = now;
	g->state_changes++;
	g->arp_left = 0;
	g->doubt = (struct hsrp_doubt){.due = HSRP_NEVER};
	if (next != HSRP_STATE_ACTIVE)
		hsrp_rival_gone(g, NULL);
	g->claim = HSRP_CLAIM_NONE;
	g->claim_due = HSRP_NEVER;
	g->denied = false;
	if (next < HSRP_STATE_SPEAK)
		g->hello_due = HSRP_NEVER;
	if (next == HSRP_STATE_ACTIVE) {
		g->active = (struct hsrp_peer){0};
		g->active_due = HSRP_NEVER;
		g->resigned = false;
		g->arp_left = ARP_REPEATS;
	}
	if (next == HSRP_STATE_STANDBY) {
		g->standby = (struct hsrp_peer){0};
		// Nobody is active. RFC 2281's timer may already have run out while it had no
		// effect (Speak); a short time is left to a stronger router whose hellos were lost.
		if (!addr_is_set(&g->active.addr))
			g->active_due = now + settle_ms(g) > g->gave_up_until ? now + settle_ms(g)
									      : g->gave_up_until;
	}
	if (next == HSRP_STATE_INITIAL || next == HSRP_STATE_ACTIVE)
		preempt_stop(g);
	if (next == HSRP_STATE_INITIAL)
		g->resigned = false;
}

static void timers_act(struct hsrp_group *g, uint16_t act, enum hsrp_event e,
		       const struct hsrp_msg *m, uint64_t now)
{
	bool of_standby = e == HSRP_EVENT_STANDBY_HIGHER || e == HSRP_EVENT_STANDBY_LOWER;
	bool of_active = e == HSRP_EVENT_ACTIVE_HIGHER || e == HSRP_EVENT_ACTIVE_LOWER ||
			 e == HSRP_EVENT_COUP;

	// RFC 2281 5.6: the hold time of the message that says so, else our own.
	if (act & HSRP_ACT_START_ACTIVE) {
		g->denied = false;
		if (g->claim == HSRP_CLAIM_LOST) {  // it is back
			g->claim = HSRP_CLAIM_NONE;
			g->claim_due = HSRP_NEVER;
		}
		g->put_off &= (uint8_t)~PUT_OFF_ACTIVE;
		g->active_due = now + (m != NULL && of_active ? hsrp_hold_of(g, m) : g->hold_ms);
	}
	if (act & HSRP_ACT_START_STANDBY) {
		g->put_off &= (uint8_t)~PUT_OFF_STANDBY;
		g->standby_due = now + (m != NULL && of_standby ? hsrp_hold_of(g, m) : g->hold_ms);
	}
	if (act & HSRP_ACT_STOP_ACTIVE)
		g->active_due = HSRP_NEVER;
	if (act & HSRP_ACT_STOP_STANDBY)
		g->standby_due = HSRP_NEVER;
}

void hsrp_event(struct hsrp_group *g, enum hsrp_event e, const struct hsrp_msg *m, bool preempt,
		uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_step step = hsrp_fsm_step(g->state, e, addr_is_set(&g->virtual_ip), preempt);
	bool changed = step.next != g->state;

	if ((step.actions & HSRP_ACT_LEARN) && m != NULL)
		parameters_learn(g, m, out);
	timers_act(g, step.actions, e, m, now);
	if (step.actions & HSRP_ACT_COUP)
		message_send(g, HSRP_OP_COUP, now, out);
	if (changed)
		state_enter(g, step.next, e, now, out);
	if (step.actions & HSRP_ACT_RESIGN)
		message_send(g, HSRP_OP_RESIGN, now, out);
	// Also where the table has no F: others should not wait a hello time to see a new role.
	if ((step.actions & HSRP_ACT_HELLO) || changed)
		hsrp_hello_now(g, now, out);
	if (step.actions & HSRP_ACT_ARP)
		arp_send(g, out);
	if (g->state == HSRP_STATE_INITIAL)
		state_forget(g);
}

bool hsrp_preempt_now(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	const struct hsrp_conf *c = &g->conf;

	g->preempt_due = HSRP_NEVER;
	// It lost something that it tracks: not what the role was given away for.
	if (addr_is_set(&g->active.addr) && g->active.priority < g->resigned_to)
		g->resigned = false;
	if (!c->preempt || g->resigned || g->heard.unheard || g->state < HSRP_STATE_LISTEN ||
	    g->state == HSRP_STATE_ACTIVE || !addr_is_set(&g->active.addr) ||
	    hsrp_stronger(g, g->active.priority, &g->active.addr)) {
		g->weaker_since = 0;
		return false;
	}
	if (g->weaker_since == 0)
		g->weaker_since = now;
	uint64_t due = g->weaker_since + c->preempt_min_s * 1000ull;
	uint64_t reload = g->created_at + c->preempt_reload_s * 1000ull;
	uint64_t sync = g->weaker_since + c->preempt_sync_s * 1000ull;

	if (g->reload && reload > due)
		due = reload;
	if (g->ready == HSRP_READY_HELD || (g->ready == HSRP_READY_SYNCING && !c->preempt_sync_s))
		return false;
	if (g->ready == HSRP_READY_SYNCING && sync > due)
		due = sync;
	if (now >= due)
		return !hsrp_claim(g, true, now, out);
	g->preempt_due = due;
	return false;
}

void hsrp_preempt_check(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if (hsrp_preempt_now(g, now, out))
		hsrp_event(g, HSRP_EVENT_ACTIVE_LOWER, NULL, true, now, out);
}

// A timer that is late by more than a hello: this process slept, and the hellos it missed may be
// waiting behind this call. True once; the timer then runs a little longer.
static bool overslept(struct hsrp_group *g, uint8_t bit, uint64_t *due, uint64_t now)
{
	if (now - *due < g->hello_ms || (g->put_off & bit)) {
		g->put_off &= (uint8_t)~bit;
		return false;
	}
	g->put_off |= bit;
	*due = now + settle_ms(g) + 1;
	return true;
}

static void active_expire(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if (overslept(g, PUT_OFF_ACTIVE, &g->active_due, now))
		return;
	g->active_due = HSRP_NEVER;
	if (g->state != HSRP_STATE_STANDBY || !hsrp_claim(g, false, now, out))
		hsrp_active_lost(g, now, out);
}

void hsrp_active_lost(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	g->active_due = HSRP_NEVER;
	g->lost = g->active.addr;
	g->active = (struct hsrp_peer){0};
	g->resigned = false;  // the router that was to take over is lost
	preempt_stop(g);
	hsrp_event(g, HSRP_EVENT_ACTIVE_TIMER, NULL, false, now, out);
}

void hsrp_group_resume(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if ((g->state != HSRP_STATE_LISTEN && g->state != HSRP_STATE_SPEAK) ||
	    addr_is_set(&g->active.addr) || !addr_is_set(&g->virtual_ip))
		return;
	g->standby_due = now + g->hold_ms;
	state_enter(g, HSRP_STATE_ACTIVE, HSRP_EVENT_RESUME, now, out);
	hsrp_hello_now(g, now, out);
	arp_send(g, out);
}

static void standby_expire(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if (overslept(g, PUT_OFF_STANDBY, &g->standby_due, now))
		return;
	g->standby_due = HSRP_NEVER;
	g->standby = (struct hsrp_peer){0};
	hsrp_event(g, HSRP_EVENT_STANDBY_TIMER, NULL, false, now, out);
}

bool hsrp_slept(struct hsrp_group *g, uint64_t now)
{
	if (g->put_off & PUT_OFF_HELLO)
		return now < g->hello_due;
	if (g->state != HSRP_STATE_ACTIVE || now < g->hello_due ||
	    now - g->hello_due < g->hold_ms - g->hello_ms)
		return false;
	g->put_off |= PUT_OFF_HELLO;
	g->hello_due = now + settle_ms(g) + 1;
	return true;
}

static void hello_expire(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if (hsrp_slept(g, now))
		return;
	uint64_t next = g->hello_due + g->hello_ms;

	hsrp_event(g, HSRP_EVENT_HELLO_TIMER, NULL, false, now, out);
	if (next > now)
		g->hello_due = next;  // no drift by late calls
	if (g->state == HSRP_STATE_ACTIVE && g->arp_left > 0) {
		g->arp_left--;
		arp_send(g, out);
	}
}

void hsrp_group_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	// Own hellos first: the others' timers depend on them.
	if (g->hello_due <= now)
		hello_expire(g, now, out);
	if (g->start_due <= now) {
		g->start_due = HSRP_NEVER;
		g->ever_up = true;
		hsrp_event(g, HSRP_EVENT_ENABLED, NULL, false, now, out);
	}
	// When both roles fall free at once, Standby is reached first and Active from there.
	if (g->standby_due <= now)
		standby_expire(g, now, out);
	if (g->active_due <= now)
		active_expire(g, now, out);
	if (g->preempt_due <= now)
		hsrp_preempt_check(g, now, out);
	if (g->doubt.due <= now)
		hsrp_doubt_tick(g, now, out);
	if (g->truth_due <= now)
		hsrp_truth_tick(g, now, out);
	if (g->claim_due <= now)
		hsrp_claim_tick(g, now, out);
	if (g->heard.verdict_due <= now || g->heard.ask_due <= now)
		hsrp_heard_tick(g, now, out);
}

uint64_t hsrp_group_due(const struct hsrp_group *g)
{
	const uint64_t due[] = {g->start_due,     g->active_due,       g->standby_due, g->hello_due,
				g->preempt_due,   g->doubt.due,        g->truth_due,   g->claim_due,
				g->heard.ask_due, g->heard.verdict_due};
	uint64_t first = HSRP_NEVER;

	for (unsigned i = 0; i < sizeof(due) / sizeof(due[0]); i++)
		if (due[i] < first)
			first = due[i];
	return first;
}
