// Groups that go to work and stop, and what that means for each of their SAs.
//
// A hundred thousand SAs have half a million timers: they are armed and stopped in slices. What
// arrives for an SA that has not had its turn wakes it; a timer of a group that stopped does
// nothing (replica_held). So both take effect at once.

#include <errno.h>

#include "ike/child_record.h"
#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/ike_sa.h"
#include "rand.h"

#define SLICE        128    // objects per turn
#define SLICE_MS     2      // between turns, for others on this processor
#define SPREAD_MS    30000  // what fell due meanwhile is done within that time
#define KEEPALIVE_MS 2000   // NAT mappings are refreshed within that time

static uint64_t spread(uint64_t ms)
{
	return ms ? rand_below((uint32_t)ms) : 0;
}

// A moment that may have passed: not before `now`, and then not all at once.
static uint64_t due_or_soon(const struct ike *ike, uint64_t due_ms)
{
	return due_ms > ike->now_ms + 1000 ? due_ms : ike->now_ms + spread(SPREAD_MS);
}

static void timer_restart(struct ike *ike, struct ike_timer *t, uint64_t saved_ms)
{
	if (saved_ms != RECORD_NEVER)
		ike_timer_set(&ike->timers, t, due_or_soon(ike, saved_ms));
}

static uint64_t timer_save(struct ike *ike, struct ike_timer *t)
{
	uint64_t due = t->pos ? t->due_ms : RECORD_NEVER;

	ike_timer_stop(&ike->timers, t);
	return due;
}

// ---- child SAs ---------------------------------------------------------------------------------
static void half_done_resume(struct child_sa *c)
{
	struct ike_sa *sa = ike_sa_by_id(c->ike, c->ike_id);
	struct chunk x = {c->half_done.bytes, c->half_done.len};

	if (sa && x.len)
		(void)sa->ops->child_take(sa, c, x);
	secret_clear(&c->half_done);
}

void child_sa_wake(struct child_sa *c)
{
	struct ike *ike = c->ike;

	if (!c->ha.asleep || c->dead)
		return;
	replica_asleep(ike, &c->ha, false);
	if (!ike_sa_by_id(ike, c->ike_id)) {
		struct replica *p = c->ha_parent ? replica_find(ike, c->ha_parent) : NULL;

		if (p && p->kind == HA_IKE_SA)
			child_sa_attach(c, p->owner);
	}
	half_done_resume(c);
	if (c->up) {
		ike_timer_set(&ike->timers, &c->hard, due_or_soon(ike, c->hard_ms));
		timer_restart(ike, &c->soft, c->wake_soft_ms);
		timer_restart(ike, &c->overlap, c->wake_overlap_ms);
		if (c->idle_time_s && !c->old)
			ike_timer_set(&ike->timers, &c->idle,
				      ike->now_ms + c->idle_time_s * 1000ull);
	} else if (!ike_sa_by_id(ike, c->ike_id)) {
		child_sa_delete(c, "negotiation lost", false);
		return;
	}
	taint_listed(ike, &c->ha);
	if (ike->tunnels && !child_sa_allowed(c))
		child_sa_delete(c, "configuration changed", true);
}

void child_sa_sleep(struct child_sa *c)
{
	struct ike *ike = c->ike;

	if (c->ha.asleep || c->dead)
		return;
	if (!c->ha.told) {  // the peer does not know of it either
		child_sa_delete(c, "group stopped", false);
		return;
	}
	c->wake_soft_ms = timer_save(ike, &c->soft);
	c->wake_overlap_ms = timer_save(ike, &c->overlap);
	ike_timer_stop(&ike->timers, &c->hard);
	ike_timer_stop(&ike->timers, &c->idle);
	if (c->settle.pos) {
		ike_timer_stop(&ike->timers, &c->settle);
		c->settling = false;
	}
	replica_asleep(ike, &c->ha, true);
}

// ---- IKE SAs -----------------------------------------------------------------------------------
static void children_wake(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	while (n) {
		struct child_sa *c = n->owner;

		n = ike_table_next(n);
		if (c->ike_id == sa->id || c->ha_parent == sa->ha.id)
			child_sa_wake(c);
	}
}

void ike_sa_wake(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;

	if (!sa->ha.asleep || sa->dead)
		return;
	replica_asleep(ike, &sa->ha, false);
	if (sa->established) {
		ike_timer_set(&ike->timers, &sa->hard, due_or_soon(ike, sa->expires_ms));
		timer_restart(ike, &sa->rekey, sa->wake_rekey_ms);
		timer_restart(ike, &sa->linger, sa->wake_linger_ms);
		if (sa->nat_local)
			ike_timer_set(&ike->timers, &sa->keepalive,
				      ike->now_ms + spread(KEEPALIVE_MS));
		sa->dpd.heard_ms = ike->now_ms;
		dpd_resume(sa);
	} else {
		ike_timer_set(&ike->timers, &sa->setup, ike->now_ms + 2ull * IKE_HALF_OPEN_MS);
	}
	sa->ops->wake(sa);
	children_wake(sa);
	taint_listed(ike, &sa->ha);
	if (ike->config && !ike_sa_allowed(sa))
		ike_sa_kill(sa, "configuration changed", true);
}

void ike_sa_sleep(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;

	if (sa->ha.asleep || sa->dead)
		return;
	if (!sa->ha.told) {  // half-open: lost
		ike_sa_kill(sa, "group stopped", false);
		return;
	}
	sa->wake_rekey_ms = timer_save(ike, &sa->rekey);
	sa->wake_linger_ms = timer_save(ike, &sa->linger);
	ike_timer_stop(&ike->timers, &sa->hard);
	ike_timer_stop(&ike->timers, &sa->setup);
	ike_timer_stop(&ike->timers, &sa->keepalive);
	dpd_stop(sa);
	sa->ops->sleep(sa);
	replica_asleep(ike, &sa->ha, true);
}

// ---- groups ------------------------------------------------------------------------------------
static void turn(struct replica *r, bool works)
{
	if (r->kind == HA_IKE_SA) {
		if (works)
			ike_sa_wake(r->owner);
		else
			ike_sa_sleep(r->owner);
	} else if (works) {
		child_sa_wake(r->owner);
	} else {
		child_sa_sleep(r->owner);
	}
}

void slice_due(void *obj)
{
	struct ike *ike = obj;
	unsigned budget = SLICE;

	for (uint16_t g = 1; g < REPLICA_GROUPS && budget; g++) {
		bool works = replica_works(ike, g);
		struct replica_list *l = works ? &ike->ha.asleep[g] : &ike->ha.awake[g];

		for (; budget && !TAILQ_EMPTY(l); budget--)
			turn(TAILQ_FIRST(l), works);
	}
	if (!budget)
		ike_timer_set(&ike->timers, &ike->ha.slice, ike->now_ms + SLICE_MS);
}

static void group_turn(struct ike *ike, uint16_t group, bool works)
{
	if (group == 0 || group >= REPLICA_GROUPS || replica_works(ike, group) == works)
		return;
	ike_enter(ike);
	if (works)
		ike->ha.works |= 1u << group;
	else
		ike->ha.works &= ~(1u << group);
	ike_timer_set(&ike->timers, &ike->ha.slice, ike->now_ms);
	ike_leave(ike);
}

void ike_group_activate(struct ike *ike, uint16_t group)
{
	group_turn(ike, group, true);
}

void ike_group_deactivate(struct ike *ike, uint16_t group)
{
	if (group < REPLICA_GROUPS && replica_works(ike, group))
		replica_flush(ike);  // the last word
	group_turn(ike, group, false);
}
