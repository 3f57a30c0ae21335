// SAs whose counters may be old (ha-protocol rule 12): held in the data plane at once, and replaced
// a few at a time while their group works. A tainted IKE SA serves nothing new; the next one with
// that peer replaces it, and what is tainted goes when it is up. Where we may not call the
// peer (dynamic maps), a Delete asks it to.

#include "ike/child_sa.h"
#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "log.h"

#define TURN_MS  20
#define PER_TURN 4  // replacements begun: 200 a second

static void held_set(struct ike *ike, const struct replica *r)
{
	const struct child_sa *c = r->owner;
	enum dp_sa_state state = r->tainted ? DP_SA_STANDBY : DP_SA_ACTIVE;

	if (r->kind != HA_CHILD_SA || !ike->env.sa_set_state)
		return;
	if (c->sa_in)
		ike->env.sa_set_state(ike->env.ctx, c->sa_in, state);
	if (c->sa_out)
		ike->env.sa_set_state(ike->env.ctx, c->sa_out, state);
}

// ha-protocol I8. The first look comes when the workers have long seen that it is held.
void taint_check(struct ike *ike, struct replica *r)
{
	const struct child_sa *c = r->owner;
	uint64_t packets = 0;
	struct dp_sa_stats s;

	if (r->kind != HA_CHILD_SA || !r->tainted || !ike->env.sa_stats)
		return;
	if (c->sa_in && ike->env.sa_stats(ike->env.ctx, c->sa_in, &s) == 0)
		packets += s.packets;
	if (c->sa_out && ike->env.sa_stats(ike->env.ctx, c->sa_out, &s) == 0)
		packets += s.packets;
	if (r->looked && packets > r->held_packets)
		ike->ha.counts[r->group].broken_i8++;
	r->looked = true;
	r->held_packets = packets;
}

void replica_taint(struct ike *ike, struct replica *r, bool on)
{
	if (r->tainted == on || r->group == 0)
		return;
	if (r->looked)
		taint_check(ike, r);
	r->looked = false;
	r->tainted = on;
	held_set(ike, r);
	if (!r->listed)
		return;
	if (on) {
		ike->ha.counts[r->group].tainted++;
		TAILQ_INSERT_TAIL(&ike->ha.tainted, r, taint_link);
	} else {
		ike->ha.counts[r->group].tainted--;
		TAILQ_REMOVE(&ike->ha.tainted, r, taint_link);
	}
	taint_listed(ike, r);
}

void taint_listed(struct ike *ike, struct replica *r)
{
	if (r->tainted && !r->asleep && ike->ha.replace.pos == 0)
		ike_timer_set(&ike->timers, &ike->ha.replace, ike->now_ms + TURN_MS);
}

static bool may_call(const struct child_sa *c)
{
	const struct tunnel_flow *f = tunnels_flow(c->ike->tunnels, c->policy);

	if (!f || f->tunnel->kind != MAP_IPSEC_ISAKMP || !f->tunnel->complete)
		return false;
	return f->tunnel->role == TUNNEL_STATIC ||
	       (f->tunnel->role == TUNNEL_INSTANCE && child_sa_ike(c));
}

static void child_replace(struct child_sa *c)
{
	// Replaced already, or only half made: nothing to renew.
	if (!c->up || c->old || !may_call(c))
		child_sa_delete(c, "counters not known after a take-over", true);
	else
		(void)ike_want_add(c->ike, c->policy, c->id, NULL);
}

static bool serves(const struct ike_sa *sa)
{
	struct ike_node *n =
		ike_table_first(&sa->ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n))
		if (((const struct child_sa *)n->owner)->ike_id == sa->id)
			return true;
	return false;
}

// The front of the list goes to its end, so every one gets its turn. An IKE SA goes when nothing
// tainted needs it for a Delete any more.
void taint_due(void *obj)
{
	struct ike *ike = obj;
	struct replica *r, *last = TAILQ_LAST(&ike->ha.tainted, replica_list);
	unsigned begun = 0;
	bool more = false;

	while (last && begun < PER_TURN && (r = TAILQ_FIRST(&ike->ha.tainted))) {
		bool end = r == last;

		taint_check(ike, r);
		TAILQ_REMOVE(&ike->ha.tainted, r, taint_link);
		TAILQ_INSERT_TAIL(&ike->ha.tainted, r, taint_link);
		if (!r->asleep && replica_works(ike, r->group)) {
			more = true;
			begun++;
			if (r->kind == HA_CHILD_SA)
				child_replace(r->owner);
			else if (!serves(r->owner))
				ike_sa_kill(r->owner, "counters not known after a take-over", true);
		}
		if (end)
			break;
	}
	if (more || !TAILQ_EMPTY(&ike->ha.tainted))
		ike_timer_set(&ike->timers, &ike->ha.replace,
			      ike->now_ms + (more ? TURN_MS : 1000));
}

void taint_sa_up(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->sa_by_peer, ike_table_addr_key(&sa->remote));

	while (n) {
		struct ike_sa *o = n->owner;

		n = ike_table_next(n);
		if (o != sa && o->ha.tainted && !o->ha.asleep &&
		    addr_equal(&o->local, &sa->local) && addr_equal(&o->remote, &sa->remote))
			ike_sa_kill(o, "counters not known after a take-over", false);
	}
}

void ike_taint(struct ike *ike, uint16_t group, uint64_t id, bool on)
{
	struct replica *r;

	ike_enter(ike);
	if (id) {
		r = replica_find(ike, id);
		if (r)
			replica_taint(ike, r, on);
	} else if (group && group < REPLICA_GROUPS) {
		TAILQ_FOREACH (r, &ike->ha.awake[group], link)
			replica_taint(ike, r, on);
		TAILQ_FOREACH (r, &ike->ha.asleep[group], link)
			replica_taint(ike, r, on);
	}
	ike_leave(ike);
}
