// Records on their way to the standby process: numbers, gates (rules 7, 18), limits, and what is
// remembered by identity while the ring is full or the standby process is away.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_private.h"

// ---- numbers -----------------------------------------------------------------------------------
// Every queued record gets one number when it is told, in their order, so that of the last one is
// known now. While nobody is attached it is that of the HA_FLUSH behind everything told anew.
uint64_t agent_seq(const struct agent *a)
{
	uint32_t queued = ids_count(&a->dirty);

	if (!a->attached)
		return a->boundary > a->seq ? a->boundary : a->seq + SEQ_JUMP;
	return a->resync ? a->boundary + (queued - a->resync) : a->seq + queued;
}

bool agent_open(const struct agent *a, uint64_t seq)
{
	if (seq == 0 || seq <= a->applied)
		return true;
	// a gateway process that never heard of a group state waits for nobody
	return !agent_busy(a) && a->stopping == STOPPING_NO;
}

void record_applied(struct agent *a, uint64_t seq)
{
	if (seq <= a->applied)
		return;
	a->applied = seq;
	while (a->limit_first < a->limits && a->limit[a->limit_first].seq <= seq) {
		const struct agent_limit *l = &a->limit[a->limit_first++];
		a->ops.limit(a->ops.ctx, l->id, l->lim);
	}
	if (a->limit_first == a->limits)
		a->limit_first = a->limits = 0;
	a->ops.release(a->ops.ctx, a->group, seq);
}

// A new SA has no limit before its record is acknowledged (rule 7).
static void limit_later(struct agent *a, const struct ha_sa *sa, uint64_t seq)
{
	if (sa->kind != HA_CHILD_SA || sa->ceiling == 0 || sa->taint)
		return;
	// its workers have that already: nothing to be released
	if (sa->granted >= sa->ceiling)
		return;
	if (a->limits == a->limits_max && a->limit_first > a->limits_max / 2) {
		a->limits -= a->limit_first;
		memmove(a->limit, a->limit + a->limit_first, a->limits * sizeof(*a->limit));
		a->limit_first = 0;
	}
	if (a->limits == a->limits_max) {
		uint32_t max = a->limits_max ? a->limits_max * 2 : 256;
		struct agent_limit *bigger = reallocarray(a->limit, max, sizeof(*bigger));
		if (!bigger)
			return;  // it asks for a raise then
		a->limit = bigger;
		a->limits_max = max;
	}
	a->limit[a->limits++] = (struct agent_limit){.seq = seq, .id = sa->id, .lim = sa->ceiling};
}

// ---- telling -----------------------------------------------------------------------------------
// 0, or -EAGAIN, -ENOTCONN: it stays queued.
static int item_tell(struct agent *a, const struct ids_item *item, uint64_t seq)
{
	struct ha_word w = {.type = HA_FLUSH, .seq = seq, .id = item->id, .b = a->tenure};

	if (item->id && (item->a || a->ops.encode(a->ops.ctx, item->id, &w.sa))) {
		w.type = HA_DELETE;
		w.sa = (struct ha_sa){0};
	} else if (item->id) {
		w.type = HA_UPSERT;
		w.id = 0;
	}
	int rc = agent_tell(a, &w);
	if (rc)
		return rc == -EMSGSIZE ? 0 : rc;
	if (w.type == HA_UPSERT)
		limit_later(a, &w.sa, seq);
	return 0;
}

static bool queue_pump(struct agent *a)
{
	struct ids_item item;

	for (unsigned n = 0; n < TELL_SLICE && ids_first(&a->dirty, &item); n++) {
		uint64_t seq = a->resync == 1 ? a->boundary : a->seq + 1;
		if (item_tell(a, &item, seq))
			return false;
		a->seq = seq;
		if (a->resync)
			a->resync--;
		ids_pop(&a->dirty);
	}
	return ids_count(&a->dirty) != 0;
}

static void edges_pump(struct agent *a)
{
	struct ids_item item;

	while (ids_first(&a->edges, &item)) {
		struct ha_word w = {.type = HA_CHECKPOINT, .id = item.id, .a = item.a};
		if (agent_tell(a, &w))
			return;
		ids_pop(&a->edges);
	}
}

bool record_pump(struct agent *a)
{
	if (ids_count(&a->dirty) && queue_pump(a))
		return true;
	if (ids_count(&a->dirty) == 0)
		edges_pump(a);
	return false;
}

static uint64_t life_now(const struct agent *a)
{
	return a->ops.mirror_life ? a->ops.mirror_life(a->ops.ctx, a->group) : 0;
}

static void removed_note(struct agent *a, uint64_t id)
{
	if (ids_count(&a->removed) >= REMOVED_MAX)
		ids_pop(&a->removed);
	(void)ids_add(&a->removed, id, life_now(a), 0);
}

static uint64_t change(struct agent *a, uint64_t id, bool gone)
{
	const struct ids_item item = {.id = id, .a = gone};

	if (gone)
		removed_note(a, id);
	if (!agent_busy(a))
		return 0;
	// not attached: everything is told anew, and what the mirror has too many is deleted
	if (a->attached && !a->owed && ids_count(&a->dirty) == 0 &&
	    item_tell(a, &item, a->seq + 1) == 0) {
		a->seq++;
		return a->seq;
	}
	if (a->attached || gone) {
		const struct ids_item *there = ids_get(&a->dirty, id);
		if (ids_add(&a->dirty, id, gone || (there && there->a), 0))
			a->lost = true;
	}
	return agent_seq(a);
}

uint64_t agent_upsert(struct agent *a, uint64_t id)
{
	return change(a, id, false);
}

uint64_t agent_delete(struct agent *a, uint64_t id)
{
	return change(a, id, true);
}

// Everything that is known, and behind it a HA_FLUSH whose number nobody has waited beyond.
void record_resync(struct agent *a)
{
	uint64_t cursor = 0, id;
	struct ids old = a->dirty;
	struct ids_item item;

	a->boundary = a->boundary > a->seq ? a->boundary : a->seq + SEQ_JUMP;
	a->lost = false;
	a->limit_first = a->limits = 0;
	a->dirty = (struct ids){0};
	ids_clear(&a->edges);
	// what was deleted is told whatever has become of us: the mirror would bring it back
	for (; ids_first(&old, &item); ids_pop(&old)) {
		if (item.id && item.a)
			a->lost |= ids_add(&a->dirty, item.id, 1, 0) != 0;
	}
	if (agent_busy(a)) {
		while (a->ops.each(a->ops.ctx, a->group, &cursor, &id))
			a->lost |= ids_add(&a->dirty, id, 0, 0) != 0;
	}
	a->lost |= ids_add(&a->dirty, 0, 0, 0) != 0;
	a->resync = ids_count(&a->dirty);
}

// While working: what the mirror has and we have not, was deleted when nobody listened.
void record_feed(struct agent *a, const struct ha_sa *sa)
{
	struct ha_sa ours;

	if (agent_busy(a)) {
		a->feed_known = true;
		if (!a->behind && a->ops.encode(a->ops.ctx, sa->id, &ours))
			(void)change(a, sa->id, true);
		// Nobody says again that it is tainted, or how far the other box has gone: one
		// that has stopped may begin with this.
		else if (sa->taint)
			a->ops.taint(a->ops.ctx, sa->id, true);
		if (!a->working)
			a->ops.sequence(a->ops.ctx, sa->id, sa->ceiling + 1, sa->edge);
		return;
	}
	if (a->feeding)
		(void)ids_add(&a->fed, sa->id, 0, 0);
	struct ha_sa copy = *sa;
	// its counter of IVs would begin anew in the same life: it is made anew instead (rules 6,
	// 12)
	copy.taint |= ids_has(&a->removed, sa->id);
	// what it knew of its numbers does not count: rule 10
	if (a->ops.install(a->ops.ctx, &copy))
		return;
	a->ops.sequence(a->ops.ctx, sa->id, sa->ceiling + 1, sa->edge);
	if (copy.taint)
		a->ops.taint(a->ops.ctx, sa->id, true);
}

void record_remove(struct agent *a, uint64_t id)
{
	removed_note(a, id);
	a->ops.remove(a->ops.ctx, id);
}

void record_life(struct agent *a)
{
	const struct ha_role *r = &a->role;
	uint64_t life[3] = {r->lineage, r->join[r->slot & 1], (uint64_t)r->slot << 8 | r->restart};

	if (memcmp(life, a->life, sizeof(life)) == 0)
		return;
	memcpy(a->life, life, sizeof(life));
	// The mirror had the new life before this word of it came: what was given up since then was
	// perhaps used in it. Without a mirror nobody knows.
	uint64_t now = life_now(a);
	struct ids old = a->removed;
	struct ids_item item;
	a->removed = (struct ids){0};
	for (; ids_first(&old, &item); ids_pop(&old)) {
		if (now && (item.a == now || item.a == 0))
			(void)ids_add(&a->removed, item.id, item.a, 0);
	}
	ids_clear(&old);
}

static void remove_but(struct agent *a, const struct ids *keep)
{
	uint64_t cursor = 0, id;

	while (a->ops.each(a->ops.ctx, a->group, &cursor, &id)) {
		if (!keep || !ids_has(keep, id))
			record_remove(a, id);
	}
}

// All go now, or at the end of the feed those that it did not name.
void record_feed_all(struct agent *a, bool keep_fed)
{
	ids_clear(&a->fed);
	a->feeding = keep_fed;
	// The answer to HA_ATTACH may be read when it has stopped. The mirror that was fed has not
	// what it told behind HA_ATTACH.
	a->feed_known = agent_busy(a) || (keep_fed && a->attach_busy);
	a->attach_busy &= !keep_fed;
	if (!keep_fed)
		remove_but(a, NULL);
}

// A process that worked when the feed began knew better than the mirror, and has told everything:
// should it have stopped meanwhile, `fed` names only the rest.
void record_feed_end(struct agent *a)
{
	if (a->feeding && !a->feed_known && !agent_busy(a)) {
		remove_but(a, &a->fed);
		a->behind = false;
	}
	a->feeding = false;
	ids_clear(&a->fed);
	a->ops.feed_done(a->ops.ctx, a->group);
}

// ---- limits, checkpoints -----------------------------------------------------------------------
void record_limit(struct agent *a, uint64_t id, uint64_t lim)
{
	struct ids_item *r = ids_get(&a->raises, id);

	if (r && lim >= r->a)
		r->a = 0;
	if (a->working)
		a->ops.limit(a->ops.ctx, id, lim);
}

static uint64_t alone_after(const struct agent *a)
{
	uint64_t hold = a->hello.hold_ms ? a->hello.hold_ms * 1000ull : HOLD_US;
	uint64_t hello = a->hello.hello_ms ? a->hello.hello_ms * 1000ull : HELLO_US;
	uint64_t ts = hold + hold / 5 + hello;
	return ts + ts / 4;
}

void agent_low(struct agent *a, uint64_t id, uint64_t sent, uint64_t per_second)
{
	const struct ids_item *r = ids_get(&a->raises, id);
	uint64_t ta_ms = alone_after(a) / 1000, step = 0;

	if (!a->working || (r && r->a > sent))
		return;
	if (per_second < UINT64_MAX / (4 * ta_ms))
		step = 4 * ta_ms * per_second / 1000;
	step = step < RAISE_STEP ? RAISE_STEP : step;
	struct ha_word w = {.type = HA_RAISE, .id = id, .a = sent + step};
	// Asked again until the limit comes. Right after a take-over every SA is at its limit, and
	// the standby process raises them all by itself.
	if (ids_count(&a->raises) < TELL_SLICE)
		(void)agent_tell(a, &w);
	(void)ids_add(&a->raises, id, w.a, a->now);
}

void agent_checkpoint(struct agent *a, uint64_t id, uint64_t edge)
{
	struct ha_word w = {.type = HA_CHECKPOINT, .id = id, .a = edge};

	if (!a->attached || !agent_busy(a))
		return;
	if (a->owed || ids_count(&a->dirty) || ids_count(&a->edges) || agent_tell(a, &w))
		(void)ids_add(&a->edges, id, edge, 0);
}

void record_tick(struct agent *a)
{
	struct ids_item r;

	if (a->lost && a->attached)
		record_resync(a);
	if (a->now < a->ask_at)
		return;
	a->ask_at = a->now + RAISE_PAUSE;
	for (unsigned n = 0; n < TELL_SLICE && ids_first(&a->raises, &r); n++) {
		if (r.a && a->working && a->now < r.b + RAISE_RETRY)
			return;
		ids_pop(&a->raises);
		if (r.a == 0 || !a->working)
			continue;
		struct ha_word w = {.type = HA_RAISE, .id = r.id, .a = r.a};
		struct ha_sa sa;
		if (a->ops.encode(a->ops.ctx, r.id, &sa))
			continue;
		(void)agent_tell(a, &w);
		(void)ids_add(&a->raises, r.id, r.a, a->now);
	}
}

uint64_t agent_record_due(const struct agent *a)
{
	struct ids_item r;

	if (a->lost && a->attached)
		return a->now;
	if (!ids_first(&a->raises, &r))
		return AGENT_NEVER;
	return r.b + RAISE_RETRY > a->ask_at ? r.b + RAISE_RETRY : a->ask_at;
}
