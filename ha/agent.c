// The gateway process's end of the fail-over protocol (agent.h): life, words that come, time.
// Records are in agent_record.c, switchovers in agent_switch.c.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_private.h"

struct agent *agent_create(unsigned group, const struct agent_ops *ops, uint64_t now)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->group = group;
	a->ops = *ops;
	a->now = now;
	return a;
}

void agent_destroy(struct agent *a)
{
	if (!a)
		return;
	ids_clear(&a->dirty);
	ids_clear(&a->raises);
	ids_clear(&a->edges);
	ids_clear(&a->fed);
	ids_clear(&a->removed);
	ids_clear(&a->next_in);
	ids_clear(&a->next_out);
	free(a->limit);
	free(a);
}

int agent_tell(struct agent *a, struct ha_word *w)
{
	if (!a->attached)
		return -ENOTCONN;
	w->group = (uint16_t)a->group;
	int rc = a->ops.tell(a->ops.ctx, w);
	a->blocked |= rc == -EAGAIN;
	return rc;
}

// ---- words that must arrive, in the order of their bits -----------------------------------------
static int owed_tell(struct agent *a, unsigned what)
{
	struct ha_word w = {0};

	switch (what) {
	case AGENT_OWES_ATTACH:
		w.type = HA_ATTACH;
		w.a = a->first_life;
		w.id = a->tenure;
		w.b = !a->ever ? HA_ROLE_NONE : a->working ? HA_ROLE_ACTIVE : HA_ROLE_STANDBY;
		break;
	case AGENT_OWES_HELLO:
		w.type = HA_HELLO;
		w.len = sizeof(a->hello);
		w.payload = (const uint8_t *)&a->hello;
		break;
	case AGENT_OWES_CLAIM: w.type = HA_CLAIM; break;
	case AGENT_OWES_SWITCH:
		w.type = HA_SWITCH;
		w.a = a->stopping == STOPPING_LOST ? HA_SWITCH_LOST
		      : a->switch_take             ? HA_SWITCH_TAKE
						   : HA_SWITCH_EITHER;
		break;
	default:
		w.type = HA_STOPPED;
		w.a = a->behind;
		w.b = a->begun;
		break;
	}
	return agent_tell(a, &w);
}

// A claim may be answered at once, with the numbers of the mirror: those that have not been told go
// first.
static bool claim_waits(const struct agent *a)
{
	return ids_count(&a->dirty) || ids_count(&a->edges);
}

static bool owed_pump(struct agent *a)
{
	for (unsigned bit = 1; bit <= AGENT_OWES_SWITCH; bit <<= 1) {
		if (!(a->owed & bit))
			continue;
		if (bit == AGENT_OWES_CLAIM && claim_waits(a))
			break;
		if (owed_tell(a, bit))
			return false;
		a->owed &= ~bit;
		if (bit == AGENT_OWES_ATTACH) {
			a->ever = true;
			a->attach_busy = agent_busy(a);
		}
	}
	return true;
}

static bool pump_all(struct agent *a)
{
	if (!a->attached || !owed_pump(a))
		return false;
	if (record_pump(a))
		return true;
	if ((a->owed & AGENT_OWES_CLAIM) && !claim_waits(a) && !owed_pump(a))
		return false;
	if (ids_count(&a->dirty) || ids_count(&a->edges) || switch_pump(a))
		return true;
	if ((a->owed & AGENT_OWES_STOPPED) && owed_tell(a, AGENT_OWES_STOPPED) == 0)
		a->owed &= ~(unsigned)AGENT_OWES_STOPPED;
	return false;
}

// With a full ring there is nothing to do before agent_writable(): whoever spins for room may keep
// the one that makes it from running.
static bool pump(struct agent *a)
{
	a->blocked = false;
	return pump_all(a) && !a->blocked;
}

void agent_attach(struct agent *a, bool attached, uint64_t now)
{
	a->now = now;
	a->attached = attached;
	if (!attached) {
		switch_detached(a);
		return;
	}
	if (!a->ever && a->ops.mirror_life)
		a->first_life = a->ops.mirror_life(a->ops.ctx, a->group);
	a->owed |= AGENT_OWES_ATTACH;
	a->begun = 0;
	a->role.link = a->role.hot = 0;  // said by another process
	if (a->hello_known)
		a->owed |= AGENT_OWES_HELLO;
	// a switchover that was under way went down with the other process
	if (!a->working && a->stopping != STOPPING_NO && a->hello.self_active)
		a->claiming = true;
	if (a->claiming)
		a->owed |= AGENT_OWES_CLAIM;
	record_resync(a);
	(void)pump(a);
}

// ---- words of the standby process ---------------------------------------------------------------
static void taint(struct agent *a, uint64_t one, bool on)
{
	uint64_t cursor = 0, id;

	if (one) {
		// given up once in this life: it must not send again, whatever its counters are
		if (!on && ids_has(&a->removed, one))
			return;
		a->ops.taint(a->ops.ctx, one, on);
		return;
	}
	while (a->ops.each(a->ops.ctx, a->group, &cursor, &id))
		a->ops.taint(a->ops.ctx, id, on);
}

static void limits(struct agent *a, const struct ha_word *w)
{
	struct ha_limit l;

	// of a beginning that this process has not heard of yet, or of one that is over
	if (w->b != a->begun)
		return;
	for (uint32_t at = 0; at + sizeof(l) <= w->len; at += sizeof(l)) {
		memcpy(&l, w->payload + at, sizeof(l));
		record_limit(a, l.id, l.lim);
	}
}

static void sets(struct agent *a, const struct ha_word *w)
{
	struct ha_set s;

	// a working gateway process knows better than the mirror
	if (a->working)
		return;
	for (uint32_t at = 0; at + sizeof(s) <= w->len; at += sizeof(s)) {
		memcpy(&s, w->payload + at, sizeof(s));
		a->ops.sequence(a->ops.ctx, s.id, s.next, s.edge);
	}
}

static void role(struct agent *a, const struct ha_word *w)
{
	if (w->len != sizeof(a->role))
		return;
	memcpy(&a->role, w->payload, sizeof(a->role));
	record_life(a);
	switch_role(a);
	if (a->ops.role)
		a->ops.role(a->ops.ctx, a->group, &a->role);
}

void agent_word(struct agent *a, const struct ha_word *w, uint64_t now)
{
	a->now = now;
	switch (w->type) {
	case HA_ROLE: role(a, w); break;
	case HA_FEED: record_feed(a, &w->sa); break;
	case HA_FEED_DELETE:
		if (w->id == 0 && w->a == 1 && agent_busy(a) && w->b != a->tenure)
			switch_behind(a);
		// the role was away since: then the mirror knows better
		if (w->id == 0 && w->a == 1 && w->b != a->tenure)
			a->attach_busy = false;
		if (w->id == 0)
			record_feed_all(a, w->a == 1);
		else if (!a->working)
			record_remove(a, w->id);
		// none of them was used in the life that the mirror has by now
		if (w->id == 0 && w->a == 2)
			ids_clear(&a->removed);
		break;
	case HA_FEED_END: record_feed_end(a); break;
	case HA_APPLIED: record_applied(a, w->a); break;
	case HA_LIMIT:
		if (w->b == a->begun)
			record_limit(a, w->id, w->a);
		break;
	case HA_LIMITS: limits(a, w); break;
	case HA_SETS: sets(a, w); break;
	case HA_SET: a->ops.sequence(a->ops.ctx, w->id, w->a, w->b); break;
	case HA_TAINT: taint(a, w->id, w->a != 0); break;
	case HA_NEXT:
		if (w->id == 0)
			ids_clear(&a->next_in);
		else if (!a->working)
			(void)ids_add(&a->next_in, w->id, w->a, w->b);
		break;
	case HA_ACTIVATE: switch_activate(a, w); break;
	case HA_REFUSED: switch_refused(a, (enum ha_refusal)w->a); break;
	case HA_PREPARE: switch_stop(a, STOPPING_PLAN); break;
	case HA_YIELD: switch_stop(a, STOPPING_YIELD); break;
	case HA_RESUME: switch_resume(a, w); break;
	case HA_NEED_CONFIG:
		if (a->ops.need_config)
			a->ops.need_config(a->ops.ctx);
		break;
	default: break;
	}
	(void)pump(a);
}

// ---- HSRP --------------------------------------------------------------------------------------
void agent_hello(struct agent *a, const struct ha_hello *h, uint64_t now)
{
	a->now = now;
	a->hello = *h;
	a->hello_known = true;
	a->owed |= AGENT_OWES_HELLO;
	(void)pump(a);
}

void agent_claim(struct agent *a, uint64_t now)
{
	a->now = now;
	a->claiming = true;
	a->owed |= AGENT_OWES_CLAIM;
	(void)pump(a);
}

// ---- time, state -------------------------------------------------------------------------------
bool agent_writable(struct agent *a, uint64_t now)
{
	a->now = now;
	return pump(a);
}

void agent_tick(struct agent *a, uint64_t now)
{
	a->now = now;
	record_tick(a);
	switch_tick(a);
	(void)pump(a);
}

uint64_t agent_due(const struct agent *a)
{
	uint64_t r = agent_record_due(a), s = switch_due(a);
	return r < s ? r : s;
}

bool agent_active(const struct agent *a)
{
	return a->working;
}

void agent_role(const struct agent *a, struct ha_role *out)
{
	*out = a->role;
}
