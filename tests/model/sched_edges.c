// Edges (I12, rules 10, 16, 20): what was accepted, who can know of it, and who must. Truth is kept
// in three lists of each SA: what the one active box accepted, and what either box accepted while
// the other could not hear of it, because that one was active too or had the role by then. Each
// entry says which box accepted it. At a take-over the mirror must hold what is older than a lease;
// what is newer and not in it only the box that accepted it knows from then on, if that one still
// has its power. When a gateway process dies, what it had not yet told is lost.

#include <stdio.h>
#include <string.h>

#include "sched.h"

// A lease (Ts), a nap that a standby process may take unpunished, and the tick of this simulation.
#define LEASE_US ((HOLD_MS + HOLD_MS / 5 + HELLO_MS) * 1000 + 20000 + 2 * TICK_US)
#define COMMON   BOXES

static void edges_add(struct edges *e, uint64_t seq, uint64_t at, uint8_t by)
{
	if (seq == 0)
		return;
	if (seq > e->hi) {
		e->hi = seq;
		e->last = at;
		e->last_by = by;
	}
	for (unsigned i = 0; i < EDGES && i < e->n; i++) {
		// one entry for each 10 ms of a box: of its first number
		if (e->by[i] == by && at >= e->at[i] && at < e->at[i] + 10000) {
			if (seq < e->then[i])
				e->then[i] = seq;
			return;
		}
	}
	e->by[e->n % EDGES] = by;
	e->at[e->n % EDGES] = at;
	e->then[e->n++ % EDGES] = seq;
}

// One entry, `i`; the highest number comes last, EDGES.
static bool edges_entry(const struct edges *e, unsigned i, uint64_t *seq, uint64_t *at, uint8_t *by)
{
	bool is = i < EDGES ? i < e->n : e->hi != 0;

	*seq = i < EDGES ? e->then[i] : e->hi;
	*at = i < EDGES ? e->at[i] : e->last;
	*by = i < EDGES ? e->by[i] : e->last_by;
	return is;
}

// The highest that was accepted up to then.
static uint64_t edges_until(const struct edges *e, uint64_t when)
{
	uint64_t best = e->hi && e->last <= when ? e->hi : 0;

	for (unsigned i = 0; i < EDGES && i < e->n; i++) {
		if (e->at[i] <= when && e->then[i] > best)
			best = e->then[i];
	}
	return best;
}

// What is held in common above `known`, which a take-over found in the mirror: only the box that
// accepted it can know of it, or nobody, if it has been switched off since.
static void edges_above(struct edges e[BOXES + 1], uint64_t known)
{
	struct edges old = e[COMMON];
	uint64_t seq, at;
	uint8_t by;

	e[COMMON] = (struct edges){0};
	for (unsigned i = 0; i <= EDGES; i++) {
		if (!edges_entry(&old, i, &seq, &at, &by))
			continue;
		const struct box *a = &world.box[by];
		if (seq <= known)
			edges_add(&e[COMMON], seq, at, by);
		else if (a->up && at >= a->boot_at)
			edges_add(&e[by], seq, at, by);
	}
}

// What this box accepted after `when` is forgotten, but up to `known`.
static void edges_after(struct edges *e, const struct box *b, uint64_t when, uint64_t known)
{
	struct edges old = *e;
	uint64_t seq, at;
	uint8_t by;

	*e = (struct edges){0};
	for (unsigned i = 0; i <= EDGES; i++) {
		if (edges_entry(&old, i, &seq, &at, &by) &&
		    (by != b->n || at <= when || seq <= known))
			edges_add(e, seq, at, by);
	}
}

static uint64_t mirror_edge(struct box *b, unsigned sa, bool *counts)
{
	struct ha_sa there;

	*counts = check_mirror_sa(b, sa, &there) && !there.taint;
	return *counts ? there.edge : 0;
}

void edges_accept(struct box *b, unsigned sa, uint64_t seq, bool shared)
{
	// one whose role was granted away while it hung, until it hears of it: nobody else can know
	bool own = shared || check_mirror_role(b) != HA_ROLE_ACTIVE;

	trace("box %u: SA %u accepts %ju%s", b->n, sa + 1, (uintmax_t)seq, own ? ", own" : "");
	edges_add(&world.peer[sa].edges[own ? b->n : COMMON], seq, world.now, (uint8_t)b->n);
}

// Its gateway process had stopped, and all that it knew is told: the role goes over.
void edges_handed(struct box *b)
{
	b->handed_at = world.now;
}

// The mirror's role has become active. `handed`: by the other gateway process, which had stopped,
// and may have taken the role back since, for want of an answer; `given`: by the other standby
// process, for one that is gone or hangs, and may not have told what it accepted in a lease's time
// before it worked last.
void edges_taken(struct box *b, bool handed, bool given)
{
	const struct box *o = &world.box[!b->n];
	uint64_t last = given ? o->worked_at : world.now;
	uint64_t then = last > LEASE_US ? last - LEASE_US : 0;

	for (unsigned sa = 0; sa < world.sas; sa++) {
		struct edges *e = world.peer[sa].edges;
		uint64_t due = edges_until(&e[COMMON],
					   handed && o->handed_at > then ? o->handed_at : then);
		uint64_t own = edges_until(&e[b->n], then);
		bool counts;
		uint64_t has = mirror_edge(b, sa, &counts);

		b->due[sa] = has;
		if (counts && (has < due || has < own))
			fail("I12: box %u takes over, edge %ju of SA %u is older than a lease: %ju",
			     b->n, (uintmax_t)has, sa + 1, (uintmax_t)(due > own ? due : own));
		if (counts)
			edges_above(e, has);
	}
}

// Its gateway process has stopped: should it go on, it knows what it knew.
void edges_stopped(struct box *b)
{
	for (unsigned sa = 0; sa < world.sas; sa++)
		b->due[sa] = b->sa[sa].there ? b->sa[sa].edge : 0;
}

// Its gateway process has died, with what it had not told: at most of the time of a lease, before
// it worked last. That it ran after it had stopped its standby process cannot know, if that hung.
void edges_died(struct box *b)
{
	uint64_t then = b->worked_at > LEASE_US ? b->worked_at - LEASE_US : 0;

	if (b->told_at > then + 2 * TICK_US)
		then = b->told_at - 2 * TICK_US;
	bool active = check_mirror_role(b) == HA_ROLE_ACTIVE;
	for (unsigned sa = 0; sa < world.sas; sa++) {
		struct edges *e = world.peer[sa].edges;

		edges_after(&e[b->n], b, then, 0);
		if (!active)
			continue;
		edges_after(&e[COMMON], b, then, 0);
		b->due[sa] = e[COMMON].hi > e[b->n].hi ? e[COMMON].hi : e[b->n].hi;
	}
}

// The gateway process begins: it has been told what the mirror had.
void edges_begin(struct box *b)
{
	for (unsigned sa = 0; sa < world.sas; sa++) {
		const struct fake_sa *f = &b->sa[sa];

		if (f->there && !f->taint && f->edge < b->due[sa])
			fail("I12: box %u works, edge %ju of SA %u is below %ju", b->n,
			     (uintmax_t)f->edge, sa + 1, (uintmax_t)b->due[sa]);
	}
}

// A word to begin with is on its way, or may be: what is told now is behind it.
static bool begins(const struct box *b)
{
	bool is = b->working || b->full_gateway;

	for (const struct queued *q = b->to_gateway.first; q && !is; q = q->next)
		is = q->w.type == HA_ACTIVATE || q->w.type == HA_RESUME;
	return is;
}

// It serves the other box, which holds nothing that counts, or has given way (`merge`).
void edges_served(struct box *b, bool merge)
{
	struct box *o = &world.box[!b->n];

	for (unsigned sa = 0; sa < world.sas; sa++) {
		struct edges *e = world.peer[sa].edges;
		bool counts;
		uint64_t has = mirror_edge(b, sa, &counts), seq, at;
		uint8_t by;

		for (unsigned i = 0; i <= EDGES; i++) {
			if (edges_entry(&e[b->n], i, &seq, &at, &by))
				edges_add(&e[COMMON], seq, at, by);
		}
		e[b->n] = (struct edges){0};
		if (!merge || !counts)
			continue;
		if (has < o->listed[sa])
			fail("I12: box %u: edge %ju of SA %u, the other one had told %ju", b->n,
			     (uintmax_t)has, sa + 1, (uintmax_t)o->listed[sa]);
		if (!begins(b))
			b->due[sa] = has;
		edges_add(&e[COMMON], has, world.now, (uint8_t)b->n);
	}
}

// What only this box knew of an SA is gone, and what it accepted within a lease's time and the
// other one's mirror has not got.
static void edges_forget(struct box *b, unsigned sa)
{
	struct edges *e = world.peer[sa].edges;
	uint64_t then = world.now > LEASE_US ? world.now - LEASE_US : 0;
	bool counts;

	e[b->n] = (struct edges){0};
	edges_after(&e[COMMON], b, then, mirror_edge(&world.box[!b->n], sa, &counts));
	b->due[sa] = 0;
}

// It is deleted here: the other box may not hear of it.
void edges_deleted(struct box *b, unsigned sa)
{
	edges_forget(b, sa);
	b->listed[sa] = 0;
}

// It gives way, and tells the other one what is in its mirror.
void edges_listed(struct box *b)
{
	bool counts;

	for (unsigned sa = 0; sa < SAS; sa++)
		b->listed[sa] = mirror_edge(b, sa, &counts);
}

// Its power is gone.
void edges_lost(struct box *b)
{
	for (unsigned sa = 0; sa < SAS; sa++)
		edges_forget(b, sa);
}
