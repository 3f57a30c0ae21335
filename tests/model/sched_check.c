// What must hold: no IV twice, no sequence number twice without a split brain (rules 1, 7, 10),
// what the peer holds is there after a take-over (rule 17, rec.pml's (c)), and in the end one box
// works and the other one is hot and fresh (I14).

#include <stdio.h>
#include <string.h>

#include "sched.h"

void check_reset(void)
{
	memset(world.spans, 0, sizeof(world.spans));
	world.split = false;
}

static bool live(const struct box *b)
{
	return b->up && b->gateway_up && b->working;
}

// What its mirror says, whether or not a standby process has it open.
static struct mirror *mirror_peek(struct box *b, bool *opened)
{
	struct err err;
	bool made;

	*opened = false;
	if (b->mirror || !b->up)
		return b->mirror;
	*opened = true;
	return mirror_attach(b->mem, box_mirror_bytes(), &b->id, &made, &err);
}

uint64_t check_mirror_word(struct box *b, enum mirror_word w)
{
	bool opened;
	struct mirror *m = mirror_peek(b, &opened);
	uint64_t v = m ? mirror_word_get(m, 1, w) : 0;

	if (m && opened)
		mirror_close(m);
	return v;
}

bool check_mirror_sa(struct box *b, unsigned sa, struct ha_sa *there)
{
	bool opened;
	struct mirror *m = mirror_peek(b, &opened);
	bool is = m && mirror_get(m, sa_id(sa), there);

	if (m && opened)
		mirror_close(m);
	return is;
}

static bool mirror_has(struct box *b, unsigned sa)
{
	struct ha_sa there;

	return check_mirror_sa(b, sa, &there);
}

static bool mirror_active(struct box *b, unsigned sa)
{
	struct ha_sa there;
	bool opened;
	struct mirror *m = mirror_peek(b, &opened);
	bool is = m && mirror_word_get(m, 1, MIRROR_ROLE) == HA_ROLE_ACTIVE &&
		  (sa == SAS || (mirror_get(m, sa_id(sa), &there) && !there.taint));

	if (m && opened)
		mirror_close(m);
	return is;
}

// The other box is active as well, with this SA: what it sends we cannot know before a merge.
static bool shared(const struct box *b, unsigned sa)
{
	struct box *o = &world.box[!b->n];

	return (live(o) && o->sa[sa].there && !o->sa[sa].taint) || mirror_active(o, sa);
}

// The same numbers again: may this be? Only in a split brain, as long as the gateway process that
// uses them again has not been told of the other one's; never its own, while its mirror lasts.
static bool excused(const struct span *s, const struct box *b)
{
	if (s->iv || (s->box == b->n && s->power == b->power))
		return false;
	return s->split && !(s->known >> b->n & 1);
}

static void span_clash(const struct span *s, const struct box *b, unsigned sa, uint64_t from,
		       uint64_t to)
{
	if (excused(s, b))
		world.stats[STAT_REUSE_IN_SPLIT]++;
	else if (s->iv)
		fail("I1: SA %u: IVs %jx %ju..%ju used again by box %u", sa + 1, (uintmax_t)s->life,
		     (uintmax_t)from, (uintmax_t)to, b->n);
	else
		fail("I7: SA %u: numbers %ju..%ju (box %u had ..%ju) used again by box %u", sa + 1,
		     (uintmax_t)from, (uintmax_t)to, s->box, (uintmax_t)s->to, b->n);
}

static void span_note(struct box *b, unsigned sa, bool iv, uint64_t life, uint64_t from,
		      uint64_t to)
{
	struct world *w = &world;
	bool split = !iv && shared(b, sa);
	struct span *mine = NULL;

	for (unsigned n = 0; n < w->spans[sa]; n++) {
		struct span *s = &w->span[sa][n];
		if (s->iv != iv || (iv && s->life != life))
			continue;
		if (s->box == b->n && s->activation == b->activation && s->split == split &&
		    !s->merged && s->to + 1 == from)
			mine = s;
		else if (to >= s->from && from <= s->to)
			span_clash(s, b, sa, from, to);
	}
	if (mine) {
		mine->to = to;
		return;
	}
	if (w->spans[sa] == SPANS) {
		fail("SA %u: numbers cannot be kept account of", sa + 1);
		return;
	}
	w->span[sa][w->spans[sa]++] = (struct span){.box = (uint8_t)b->n,
						    .iv = iv,
						    .split = split,
						    .activation = b->activation,
						    .power = b->power,
						    .life = iv ? life : 0,
						    .from = from,
						    .to = to};
}

static void split_look(void)
{
	struct world *w = &world;

	if (w->split || !live(&w->box[0]) || !live(&w->box[1]))
		return;
	for (unsigned i = 0; i < SAS; i++) {
		const struct fake_sa *a = &w->box[0].sa[i], *b = &w->box[1].sa[i];
		if (a->there && b->there && !a->taint && !b->taint) {
			trace("split brain");
			w->split = true;
			w->stats[STAT_SPLITS]++;
			return;
		}
	}
}

void check_send(struct box *b, unsigned sa, uint64_t from, uint64_t to)
{
	struct fake_sa *f = &b->sa[sa];

	if (f->taint)
		fail("I8: box %u sends on a tainted SA", b->n);
	split_look();
	world.stats[STAT_PACKETS] += to - from + 1;
	span_note(b, sa, false, 0, from, to);
	span_note(b, sa, true, f->life, f->ctr, f->ctr + (to - from));
}

void check_accept(struct box *b, unsigned sa, uint64_t seq)
{
	edges_accept(b, sa, seq, shared(b, sa));
}

// What was deleted is remembered by the standby process that did it, not by the next one.
void check_forgets(struct box *b)
{
	for (unsigned sa = 0; sa < SAS; sa++)
		b->forgot[sa] = !mirror_has(b, sa);
}

// A split brain has ended: the winner's mirror is above what either box has sent so far, or what
// the loser has deleted is tainted there, unless the loser has forgotten that it did.
void check_merged(const struct box *winner)
{
	struct box *loser = &world.box[!winner->n];

	for (unsigned sa = 0; sa < SAS; sa++) {
		for (unsigned n = 0; n < world.spans[sa]; n++) {
			struct span *s = &world.span[sa][n];
			if (s->power == world.box[s->box].power &&
			    (s->box == winner->n || !loser->forgot[sa]))
				s->merged = true;
		}
		world.unheard = (1 << BOXES) - 1;
	}
}

// The other box has all that this active one has: from here on there is one truth about what was
// made or deleted while both were active, this box's.
void check_served(struct box *b)
{
	for (unsigned sa = 0; sa < world.sas; sa++) {
		struct peer_sa *p = &world.peer[sa];

		if (mirror_has(b, sa) ? p->established && !p->gone : p->gone && !p->established)
			p->excused = false;
	}
}

// The gateway process has heard of the merge: it goes on from there, or has taken all words.
void check_known(struct box *b, unsigned sa, uint64_t next)
{
	for (unsigned n = 0; n < world.spans[sa]; n++) {
		if (world.span[sa][n].merged && next > world.span[sa][n].to)
			world.span[sa][n].known |= (uint8_t)(1 << b->n);
	}
}

void check_quiet(struct box *b)
{
	if (!b->attached || b->to_gateway.count || b->to_standby.count || b->full_gateway ||
	    b->full_standby)
		return;
	if (!(world.unheard >> b->n & 1))
		return;
	world.unheard &= (uint8_t) ~(1 << b->n);
	for (unsigned sa = 0; sa < world.sas; sa++)
		check_known(b, sa, UINT64_MAX);
}

// The other box is active too by what its mirror says: what one of them does the other cannot know.
bool diverged(const struct box *b)
{
	return mirror_active(&world.box[!b->n], SAS);
}

static void sa_check(struct box *b, unsigned i)
{
	struct peer_sa *p = &world.peer[i];
	const struct fake_sa *f = &b->sa[i];

	if (p->established && p->asked && !f->there) {
		p->established = false;  // it asks again and is answered
		p->gone = p->excused = true;
	} else if (p->established && !f->there) {
		// founded anew: whoever had it is gone
		bool ours = mirror_word_get(b->mirror, 1, MIRROR_LINEAGE) == p->lineage;
		if (!b->stale && !b->stale_copy && ours && !p->excused)
			fail("(c): box %u works without SA %u, which the peer holds", b->n, i + 1);
		p->established = false;
	}
	if (p->gone && f->there && !f->taint && !p->excused)
		fail("(c): box %u works with SA %u, which the peer was told is gone", b->n, i + 1);
}

// For a trace: what both mirrors have of an SA.
static void mirrors_trace(unsigned i)
{
	for (unsigned n = 0; n < BOXES; n++) {
		const struct box *b = &world.box[n];
		struct ha_sa sa = {0};
		bool there = b->mirror && mirror_get(b->mirror, sa_id(i), &sa);
		trace("  box %u: SA %u %s, ceiling %ju, edge %ju, taint %d; gateway %d next %ju "
		      "lim %ju",
		      n, i + 1, there ? "in the mirror" : "not there", (uintmax_t)sa.ceiling,
		      (uintmax_t)sa.edge, sa.taint, b->sa[i].there, (uintmax_t)b->sa[i].next,
		      (uintmax_t)b->sa[i].lim);
	}
}

void check_begin(struct box *b)
{
	b->activation++;
	world.stats[STAT_TAKEOVERS]++;
	world.stats[STAT_STALE] += b->stale;
	split_look();
	for (unsigned i = 0; i < world.sas; i++) {
		b->forgot[i] &= !mirror_has(b, i);
		if (world.trace && !world.failed)
			mirrors_trace(i);
		sa_check(b, i);
	}
	edges_begin(b);
	b->stale = false;
	world.box[0].stale_copy = world.box[1].stale_copy = false;
}

// I6, as both boxes see it: nobody goes on alone while the other one's lease runs.
static void alone_check(struct box *b, struct box *o)
{
	if (!b->mirror || !o->mirror || check_mirror_role(b) != HA_ROLE_ACTIVE ||
	    !check_mirror_word(b, MIRROR_ALONE) || check_mirror_role(o) != HA_ROLE_STANDBY)
		return;
	if (check_mirror_word(o, MIRROR_FRESH_UNTIL) > world.now &&
	    check_mirror_word(o, MIRROR_LINEAGE) == check_mirror_word(b, MIRROR_LINEAGE))
		fail("I6: box %u is alone, the lease of box %u runs", b->n, o->n);
}

void check_pairs(void)
{
	struct world *w = &world;

	for (unsigned n = 0; n < BOXES; n++) {
		struct pair_counters c;
		if (!w->box[n].pair)
			continue;
		pair_get_counters(w->box[n].pair, &c);
		if (c.states != w->box[n].states)
			w->split = false;
		w->box[n].states = c.states;
		alone_check(&w->box[n], &w->box[!n]);
	}
	split_look();
}

bool check_stable(void)
{
	struct ha_role r[BOXES];

	for (unsigned n = 0; n < BOXES; n++) {
		if (!world.box[n].pair || !world.box[n].gateway_up)
			return false;
		pair_role(world.box[n].pair, &r[n]);
	}
	for (unsigned n = 0; n < BOXES; n++) {
		if (r[n].mine == HA_ROLE_ACTIVE && r[!n].mine == HA_ROLE_STANDBY &&
		    world.box[n].working && !world.box[!n].working && world.box[n].active &&
		    r[n].hot && r[!n].hot && r[!n].fresh && !r[n].alone &&
		    r[n].session == r[!n].session)
			return true;
	}
	return false;
}
