// The gate before the active role: a group that belongs to a stateful switchover asks before it
// takes the role from a router that is lost or weaker. The answer comes from outside (the other box
// over the replication link); without one the group goes on by itself.
#include "hsrp_group.h"

bool hsrp_claim(struct hsrp_group *g, bool preempt, uint64_t now, struct hsrp_actions *out)
{
	if (!g->gated)
		return false;
	if (g->claim != HSRP_CLAIM_NONE)
		return true;
	if (preempt && now < g->claim_after) {
		g->preempt_due = g->claim_after;
		return true;
	}
	g->claim = preempt ? HSRP_CLAIM_PREEMPT : HSRP_CLAIM_LOST;
	g->claim_due = now + g->hold_ms / 4;
	hsrp_action_add(out, HSRP_DO_CLAIM)->preempt = preempt;
	return true;
}

void hsrp_group_claimed(struct hsrp_group *g, bool granted, uint64_t now, struct hsrp_actions *out)
{
	bool lost = g->claim == HSRP_CLAIM_LOST;

	if (g->claim == HSRP_CLAIM_NONE) {
		// It was too early, and nobody has been heard since.
		if (granted && g->denied)
			hsrp_active_lost(g, now, out);
		return;
	}
	g->claim = HSRP_CLAIM_NONE;
	g->claim_due = HSRP_NEVER;
	if (granted && lost) {
		hsrp_active_lost(g, now, out);
	} else if (granted) {
		bool gated = g->gated;
		g->gated = false;  // if it is still to be preempted
		hsrp_preempt_check(g, now, out);
		g->gated = gated;
	} else if (lost) {
		g->denied = true;
		g->active_due = now + g->hold_ms;
		g->active.heard_at = now;
	} else {
		// The other box knows; it resigns when it is ready. Asked again when it does not.
		g->claim_after = g->preempt_due = now + g->hold_ms;
	}
}

void hsrp_claim_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	hsrp_group_claimed(g, true, now, out);
}

void hsrp_group_gate(struct hsrp_group *g, bool gated, uint64_t now, struct hsrp_actions *out)
{
	g->gated = gated;
	if (!gated)
		hsrp_group_claimed(g, true, now, out);
}
