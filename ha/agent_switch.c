// The steps of a switchover in the gateway process, in order (rules 10, 12, 13, 15): beginning to
// work, stopping, telling where each SA stands, giving the role up in HSRP.

#include <errno.h>
#include <string.h>

#include "agent_private.h"

static void stop(struct agent *a)
{
	if (!a->working)
		return;
	a->working = false;
	a->drained = false;
	ids_clear(&a->next_out);
	a->ops.deactivate(a->ops.ctx, a->group);
}

// ---- beginning ----------------------------------------------------------------------------------
static bool begin(struct agent *a, bool planned)
{
	if (a->behind) {  // first it is fed
		if (a->stopping == STOPPING_NO || a->stopping == STOPPING_TOLD)
			a->owed |= AGENT_OWES_STOPPED;
		return false;
	}
	if (!a->working && a->ops.mirror_role &&
	    a->ops.mirror_role(a->ops.ctx, a->group) != HA_ROLE_ACTIVE)
		return false;  // HA_ROLE, which says so, is behind this word
	if (!a->working && a->ops.mirror_tenure &&
	    a->ops.mirror_tenure(a->ops.ctx, a->group) != a->tenure) {
		if (agent_busy(a))
			switch_behind(a);
		return false;  // HA_ACTIVATE of the newer time is
	}
	a->stopping = STOPPING_NO;
	a->drained = a->resign_owed = false;
	a->owed &= ~(unsigned)(AGENT_OWES_STOPPED | AGENT_OWES_SWITCH);
	ids_clear(&a->next_out);
	a->claiming = false;
	if (a->working)
		return true;
	a->working = true;
	a->ops.activate(a->ops.ctx, a->group, planned);
	return true;
}

static void raised(struct agent *a, const struct ha_word *w)
{
	uint64_t step = 0;

	if (a->working || a->behind || !a->ops.raised)
		return;
	if (w->len == sizeof(step))
		memcpy(&step, w->payload, sizeof(step));
	a->ops.raised(a->ops.ctx, a->group, step);
}

void switch_activate(struct agent *a, const struct ha_word *w)
{
	struct ids_item next;

	bool same = w->id == a->tenure;

	a->begun = w->b;
	// The role was away, and what said so, with the numbers since, did not come: this process
	// had stopped running, or the ring was full. As after a crash, and it is asked for again.
	if (!same && agent_busy(a)) {
		ids_clear(&a->next_in);
		switch_behind(a);
		return;
	}
	if (!a->behind)
		a->tenure = w->id;
	// limits of before mean nothing now; neither do numbers of another switchover
	ids_clear(&a->raises);
	while (w->a && ids_first(&a->next_in, &next)) {
		a->ops.sequence(a->ops.ctx, next.id, next.a, next.b);
		ids_pop(&a->next_in);
	}
	ids_clear(&a->next_in);
	raised(a, w);
	bool claiming = a->claiming;
	bool begun = begin(a, w->a);
	if (!begun)
		a->claiming = false;
	if (claiming)
		a->ops.claimed(a->ops.ctx, a->group, begun, begun ? 0 : HA_REFUSED_ACTIVE);
}

void switch_resume(struct agent *a, const struct ha_word *w)
{
	a->begun = w->b;
	if (a->stopping == STOPPING_PLAN || a->stopping == STOPPING_YIELD ||
	    a->stopping == STOPPING_TOLD)
		(void)begin(a, false);
}

void switch_refused(struct agent *a, enum ha_refusal why)
{
	a->claiming = false;
	if (a->stopping == STOPPING_LOST)
		a->switch_until = a->now;  // nobody takes it over in order
	a->ops.claimed(a->ops.ctx, a->group, false, why);
}

// ---- stopping ----------------------------------------------------------------------------------

// Drained, and the standby process wants to hear of it: numbers, then HA_STOPPED.
static void stopped_look(struct agent *a)
{
	if (!a->drained)
		return;
	if (a->stopping == STOPPING_LOST && a->now < a->switch_until)
		return;
	if (a->stopping == STOPPING_LOST)
		ids_clear(&a->next_out);  // unasked: as after a crash
	if (a->behind)
		ids_clear(&a->next_out);  // the other box has gone on from there
	if (a->stopping == STOPPING_YIELD)
		a->ops.resign(a->ops.ctx, a->group);
	if (a->stopping == STOPPING_PLAN)
		a->resign_owed = true;
	if (a->stopping == STOPPING_NO || a->stopping == STOPPING_TOLD)
		return;
	a->stopping = STOPPING_TOLD;
	a->owed |= AGENT_OWES_STOPPED;
}

// What it knows of its SAs counts no more. As after a crash, but it has to be fed before it can
// begin again, and says so with HA_STOPPED.
void switch_behind(struct agent *a)
{
	a->behind = true;
	if (a->working) {
		a->stopping = STOPPING_LOST;
		a->switch_until = a->now;
		stop(a);
	} else if (a->stopping == STOPPING_TOLD) {
		a->owed |= AGENT_OWES_STOPPED;
	} else if (a->stopping == STOPPING_LOST) {
		a->switch_until = a->now;  // nobody takes it over in order
	}
}

// Nobody will say what the ring held when the standby process went: should the role have been given
// away while this process slept, the mirror knows.
void switch_detached(struct agent *a)
{
	if (!a->working || !a->ops.mirror_role || !a->ops.mirror_tenure)
		return;
	enum ha_role_kind role = a->ops.mirror_role(a->ops.ctx, a->group);
	bool same = a->ops.mirror_tenure(a->ops.ctx, a->group) == a->tenure;
	if (role == HA_ROLE_NONE || (role == HA_ROLE_ACTIVE && same))
		return;
	switch_behind(a);
	if (role == HA_ROLE_STANDBY)
		a->ops.resign(a->ops.ctx, a->group);
}

void switch_stop(struct agent *a, enum stopping why)
{
	if (a->stopping == STOPPING_TOLD)
		a->owed |= AGENT_OWES_STOPPED;
	else
		a->stopping = why;
	a->owed &= ~(unsigned)AGENT_OWES_SWITCH;
	stop(a);
	if (!a->working && a->stopping == why)
		stopped_look(a);
}

void agent_lost(struct agent *a, uint64_t now)
{
	a->now = now;
	if (!a->working)
		return;
	a->stopping = STOPPING_LOST;
	a->switch_until = a->now;
	if (a->attached && a->role.link && a->role.hot) {
		a->switch_until = a->now + SWITCH_WAIT;
		a->owed |= AGENT_OWES_SWITCH;
	}
	stop(a);
	(void)agent_writable(a, now);
}

void agent_stopped(struct agent *a, uint64_t now)
{
	a->now = now;
	if (a->working || a->drained)
		return;
	a->drained = true;
	stopped_look(a);
	(void)agent_writable(a, now);
}

void agent_next(struct agent *a, uint64_t id, uint64_t next, uint64_t edge)
{
	if (!a->working)
		(void)ids_add(&a->next_out, id, next, edge);
}

// The state is told by the standby process: it may say that another box works.
void switch_role(struct agent *a)
{
	if (a->role.mine == HA_ROLE_ACTIVE)
		return;
	// nobody waits for what it is about to tell; from here on the mirror knows better
	bool was = a->working || a->stopping == STOPPING_PLAN || a->stopping == STOPPING_YIELD;
	if (a->stopping == STOPPING_LOST)
		a->owed &= ~(unsigned)AGENT_OWES_SWITCH;
	if (a->behind)
		a->owed |= AGENT_OWES_STOPPED;  // what it has is not what the mirror has
	else
		a->owed &= ~(unsigned)AGENT_OWES_STOPPED;
	a->stopping = STOPPING_NO;
	stop(a);
	if (was || a->resign_owed) {
		a->resign_owed = false;
		a->ops.resign(a->ops.ctx, a->group);
	}
}

int agent_switch(struct agent *a, uint64_t now)
{
	a->now = now;
	if (!a->attached || !a->role.link)
		return -ENOTCONN;
	if (a->stopping != STOPPING_NO || (a->owed & AGENT_OWES_SWITCH))
		return -EBUSY;
	if (!a->role.hot || (a->role.mine == HA_ROLE_STANDBY && !a->role.fresh) ||
	    a->role.mine == HA_ROLE_NONE)
		return -EAGAIN;
	// the role may have come before the word is read: then nothing is to be given back
	a->switch_take = a->role.mine != HA_ROLE_ACTIVE;
	if (a->switch_take)
		a->claiming = true;  // HA_REFUSED is an answer to it too
	a->owed |= AGENT_OWES_SWITCH;
	(void)agent_writable(a, now);
	return 0;
}

int agent_resync(struct agent *a, uint64_t now)
{
	struct ha_word w = {.type = HA_RESYNC};

	a->now = now;
	if (!a->attached)
		return -ENOTCONN;
	if (a->working || a->role.mine != HA_ROLE_STANDBY)
		return -EPERM;
	if (!a->role.link)
		return -ENOTCONN;
	if (!a->role.hot)
		return -EBUSY;
	return agent_tell(a, &w) ? -EBUSY : 0;
}

// ---- telling -----------------------------------------------------------------------------------
// true: there are numbers that have yet to be told, before HA_STOPPED.
bool switch_pump(struct agent *a)
{
	struct ids_item next;

	if (a->stopping != STOPPING_TOLD || !(a->owed & AGENT_OWES_STOPPED))
		return false;
	for (unsigned n = 0; n < 16 * TELL_SLICE && ids_first(&a->next_out, &next); n++) {
		struct ha_word w = {.type = HA_NEXT, .id = next.id, .a = next.a, .b = next.b};
		if (agent_tell(a, &w))
			return true;
		ids_pop(&a->next_out);
	}
	return ids_count(&a->next_out) != 0;
}

void switch_tick(struct agent *a)
{
	if (a->stopping == STOPPING_LOST && a->now >= a->switch_until)
		stopped_look(a);
}

uint64_t switch_due(const struct agent *a)
{
	if (a->owed & AGENT_OWES_STOPPED)
		return a->attached && !a->blocked ? a->now : AGENT_NEVER;
	return a->stopping == STOPPING_LOST && a->drained ? a->switch_until : AGENT_NEVER;
}
