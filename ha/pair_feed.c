// What the own gateway process is told: the mirror's records when it attaches, changes as they
// come, and words that must not get lost. What finds its ring full is remembered by identity only.

#include <errno.h>
#include <string.h>

#include "pair_private.h"

#define DIRTY_MAX (1u << 20)  // more: everything is fed anew

int word_tell(struct pair *p, struct ha_word *w)
{
	if (!p->gw)
		return -ENOTCONN;
	w->group = (uint16_t)p->group;
	int rc = p->ops.tell(p->ops.ctx, w);
	p->blocked_gw |= rc == -EAGAIN;
	return rc;
}

void word_owe(struct pair *p, enum owed what)
{
	if (!p->gw)
		return;
	p->owed |= what;
	// it begins once, by the word that has the count; this one begins whatever has stopped it
	if (p->owed & OWED_ACTIVATE)
		p->owed &= ~(unsigned)OWED_RESUME;
	// from now on it works; an HA_STOPPED of before is about an end that did not last
	if (what == OWED_ACTIVATE || what == OWED_RESUME)
		p->begun++;
}

// ---- records ------------------------------------------------------------------------------------
static void dirty(struct pair *p, uint64_t id)
{
	if (ids_count(&p->dirty) < DIRTY_MAX && ids_add(&p->dirty, id, 0, 0) == 0)
		return;
	ids_clear(&p->dirty);
	feed_begin(p);
}

// What changed under an active gateway process: merged counters (rule 16).
static int merged_tell(struct pair *p, uint64_t id)
{
	struct ha_sa sa;

	if (!mirror_get(p->m, id, &sa))
		return 0;
	struct ha_word set = {.type = HA_SET, .id = id, .a = sa.ceiling + 1, .b = sa.edge};
	struct ha_word taint = {.type = HA_TAINT, .id = id, .a = sa.taint};
	return word_tell(p, &set) == -EAGAIN || word_tell(p, &taint) == -EAGAIN ? -EAGAIN : 0;
}

// To one that works, of what it does not take from a feed: SAs may have been tainted while it was
// not attached.
static int working_tell(struct pair *p, const struct ha_sa *sa)
{
	struct ha_word taint = {.type = HA_TAINT, .id = sa->id, .a = 1};

	if (p->retell)
		return merged_tell(p, sa->id);
	return p->working && sa->taint ? word_tell(p, &taint) : 0;
}

// 0, -EAGAIN.
static int record_tell(struct pair *p, uint64_t id)
{
	struct ha_word w = {.type = HA_FEED_DELETE, .id = id};

	if (p->working)
		return merged_tell(p, id);
	if (mirror_get(p->m, id, &w.sa) && w.sa.group == p->group) {
		w.type = HA_FEED;
		w.id = 0;
	}
	return word_tell(p, &w);
}

void feed_record(struct pair *p, uint64_t id)
{
	if (p->gw &&
	    (p->told_late || ids_count(&p->dirty) || p->owed || record_tell(p, id) == -EAGAIN))
		dirty(p, id);
}

void feed_delete(struct pair *p, uint64_t id)
{
	feed_record(p, id);
}

void feed_sets(struct pair *p, const struct ha_set *sets, unsigned n)
{
	struct ha_word w = {.type = HA_SETS,
			    .len = (uint32_t)(n * sizeof(*sets)),
			    .payload = (const uint8_t *)sets};

	if (!p->gw || n == 0)
		return;
	if (!p->told_late && ids_count(&p->dirty) == 0 && !p->owed && word_tell(p, &w) != -EAGAIN)
		return;
	for (unsigned i = 0; i < n; i++)
		dirty(p, sets[i].id);
}

void feed_begin(struct pair *p)
{
	p->feeding = p->gw;
	p->feed_cursor = 0;
	p->feed_end_owed = p->gw;
	word_owe(p, OWED_BEGIN);
}

// Its workers have stopped for good: for a take-over only what the mirror says counts (rule 10).
void reset_begin(struct pair *p)
{
	p->resetting = p->gw;
	p->reset_cursor = 0;
}

static int reset_slice(struct pair *p)
{
	uint64_t cursor = p->reset_cursor;
	struct ha_set sets[HA_BATCH];
	struct ha_sa sa;
	unsigned n = 0;

	while (n < HA_BATCH && mirror_next(p->m, p->group, &cursor, &sa))
		sets[n++] = (struct ha_set){.id = sa.id, .next = sa.ceiling + 1, .edge = sa.edge};
	struct ha_word w = {.type = HA_SETS,
			    .len = (uint32_t)(n * sizeof(sets[0])),
			    .payload = (const uint8_t *)sets};
	if (n && word_tell(p, &w) == -EAGAIN)
		return -EAGAIN;
	p->reset_cursor = cursor;
	return n == HA_BATCH;
}

static int feed_slice(struct pair *p)
{
	uint64_t cursor = p->feed_cursor;
	struct ha_word w = {.type = HA_FEED};

	for (unsigned n = 0; n < SLICE; n++) {
		if (!mirror_next(p->m, p->group, &cursor, &w.sa))
			return 0;
		if (word_tell(p, &w) == -EAGAIN || working_tell(p, &w.sa) == -EAGAIN)
			return -EAGAIN;
		p->feed_cursor = cursor;
	}
	return 1;
}

// ---- words that must arrive ---------------------------------------------------------------------
static int owed_tell(struct pair *p, enum owed what)
{
	struct ha_word w = {.b = p->begun};

	switch (what) {
	case OWED_CLEAR: w.type = HA_FEED_DELETE; break;
	case OWED_AGAIN:
		w.type = HA_FEED_DELETE;
		w.a = 2;
		break;
	case OWED_BEGIN:
		w.type = HA_FEED_DELETE;
		w.a = 1;
		w.b = role_of(p) == HA_ROLE_ACTIVE ? word_get(p, MIRROR_TENURE) : 0;
		break;
	case OWED_TAINT:
		w.type = HA_TAINT;
		w.a = 1;
		break;
	case OWED_RESUME: w.type = HA_RESUME; break;
	case OWED_FORGET: w.type = HA_NEXT; break;
	case OWED_ACTIVATE:
		w.type = HA_ACTIVATE;
		w.id = word_get(p, MIRROR_TENURE);
		w.a = p->activate_planned;
		w.len = p->raised ? sizeof(p->raised) : 0;
		w.payload = (const uint8_t *)&p->raised;
		break;
	case OWED_REFUSED:
		w.type = HA_REFUSED;
		w.a = p->refusal;
		break;
	case OWED_PREPARE: w.type = HA_PREPARE; break;
	case OWED_YIELD: w.type = HA_YIELD; break;
	}
	return word_tell(p, &w);
}

static bool owed_pump(struct pair *p)
{
	for (unsigned bit = 1; bit <= OWED_YIELD; bit <<= 1) {
		if (bit == OWED_ACTIVATE && !p->working)
			p->owed &= ~bit;  // it came to nothing meanwhile
		// behind HA_ROLE, which has stopped it, it would keep it from what it is fed
		if ((bit == OWED_PREPARE || bit == OWED_YIELD) && role_of(p) != HA_ROLE_ACTIVE)
			p->owed &= ~bit;
		if (!(p->owed & bit))
			continue;
		// it begins with what a merge has told, not before
		if ((bit == OWED_RESUME || bit == OWED_ACTIVATE) && ids_count(&p->dirty))
			break;
		if (owed_tell(p, (enum owed)bit) == -EAGAIN)
			return false;
		p->owed &= ~bit;
	}
	return true;
}

static bool dirty_pump(struct pair *p)
{
	struct ids_item item;

	for (unsigned n = 0; n < SLICE && ids_first(&p->dirty, &item); n++) {
		if (record_tell(p, item.id) == -EAGAIN)
			return false;
		ids_pop(&p->dirty);
		p->raised = 0;  // should HA_ACTIVATE be owed: this is a ceiling of now
	}
	return true;
}

static void applied_tell(struct pair *p)
{
	struct ha_word w = {.type = HA_APPLIED, .a = p->applied_seq};

	if (p->applied_seq == p->applied_seq_told)
		return;
	if (p->applied_seq > p->seq)
		invariant_broken(p, 11, "more is released than was told");
	if (word_tell(p, &w) != -EAGAIN)
		p->applied_seq_told = p->applied_seq;
}

void activate_begin(struct pair *p)
{
	p->activate = true;
	p->activate_planned = p->working = false;
}

// What it was given before it may have used, or not know of.
void activate_again(struct pair *p)
{
	p->raised = 0;
	word_owe(p, OWED_ACTIVATE);
}

static void activate_look(struct pair *p)
{
	if (!p->activate || p->feeding || p->resetting || p->feed_end_owed ||
	    ids_count(&p->dirty) || p->owed)
		return;
	// feeding took its time: rule 11 holds at this moment, not when it began
	if (p->recheck && !p->confirmed && protected_now(p) && silent_too_long(p)) {
		p->recheck = false;
		taint_all(p, "the other box may have gone on meanwhile");
		if (!owed_pump(p))
			return;
	}
	p->activate = p->recheck = false;
	if (role_of(p) != HA_ROLE_ACTIVE || p->yield)
		return;
	p->working = true;
	p->self_seen = false;
	p->working_at = p->now;
	word_set(p, MIRROR_NEXT_VOID, 0);
	// it was fed ceilings that the sweep has not touched
	p->raised = p->sweep && p->sweep_cursor == 0 ? raising(p) : 0;
	word_owe(p, OWED_ACTIVATE);
	(void)owed_pump(p);
	p->hello_owed = p->link;
}

bool feed_pump(struct pair *p)
{
	int more = 0;

	// nothing passes a late HA_ROLE: one that still works does not take numbers
	if (!p->gw || p->told_late || !owed_pump(p) || !dirty_pump(p))
		return false;
	if (p->owed)
		return true;
	if (p->feeding) {
		more = feed_slice(p);
		if (more < 0)
			return false;
		p->feeding = more > 0;
	}
	if (!p->feeding && p->feed_end_owed) {
		struct ha_word w = {.type = HA_FEED_END};
		if (word_tell(p, &w) == -EAGAIN)
			return false;
		p->feed_end_owed = p->retell = false;
	}
	if (p->resetting && !p->feeding) {
		int rc = reset_slice(p);
		if (rc < 0)
			return false;
		p->resetting = rc > 0;
		more |= rc > 0;
	}
	activate_look(p);
	applied_tell(p);
	return more > 0 || ids_count(&p->dirty);
}

// ---- the state ----------------------------------------------------------------------------------
void role_fill(const struct pair *p, struct ha_role *out)
{
	enum ha_role_kind role = role_of(p);
	struct mirror_counts c;

	mirror_count(p->m, p->group, &c);
	*out = (struct ha_role){
		.mine = (uint8_t)role,
		.peers = p->link && p->peer.known ? p->peer.role : HA_ROLE_NONE,
		.link = p->link && p->peer.known,
		.hot = role == HA_ROLE_ACTIVE ? p->peer_hot && p->in_session
					      : p->in_session && word_get(p, MIRROR_HOT) != 0,
		.bulk = p->snap == SNAP_RUN || p->bulk,
		.alone = role == HA_ROLE_ACTIVE && word_get(p, MIRROR_ALONE),
		.fresh = fresh(p),
		.peer_load = role == HA_ROLE_STANDBY && fresh(p) ? p->peer_load : HA_LOAD_UNKNOWN,
		.slot = (uint8_t)word_get(p, MIRROR_SLOT),
		.restart = (uint8_t)word_get(p, MIRROR_RESTART),
		.peer_release_differs =
			p->peer.version != 0 || (p->peer.known && p->peer.release != PAIR_RELEASE),
		.claiming = p->claim,
		.join = {(uint32_t)word_get(p, MIRROR_JOIN0), (uint32_t)word_get(p, MIRROR_JOIN1)},
		.lineage = word_get(p, MIRROR_LINEAGE),
		.session = word_get(p, MIRROR_SESSION),
		.ike = c.ike,
		.child = c.child,
		.tainted = c.tainted,
		.peer_applied_lag = (uint32_t)(p->in_session && p->snap ? p->made - p->acked : 0),
	};
	for (unsigned i = 0; i < 8; i++) {
		if (p->peer.known && memcmp(p->peer.digest + 4ul * i, p->digest + 4ul * i, 4) != 0)
			out->digest_differs |= (uint8_t)(1u << i);
	}
}

static void report_begin(struct pair *p, uint64_t lag)
{
	p->lag_least = lag;
	p->report_at = p->now + REPORT_US;
}

void role_tell(struct pair *p)
{
	struct ha_role r, same;

	role_fill(p, &r);
	// A record that is on its way at the moment of a report is not one that lags: only what was
	// missing all the time since the last report.
	uint64_t lag = r.peer_applied_lag;
	p->lag_least = lag < p->lag_least ? lag : p->lag_least;
	r.peer_applied_lag = (uint32_t)p->lag_least;
	// counts change with every record: they are told each second
	same = r;
	same.ike = p->told.ike;
	same.child = p->told.child;
	same.tainted = p->told.tainted;
	same.peer_applied_lag = p->told.peer_applied_lag;
	bool changed = memcmp(&same, &p->told, sizeof(same)) != 0;
	bool over = p->now >= p->report_at;
	if (p->told_ever && !changed && !(over && memcmp(&r, &p->told, sizeof(r)) != 0)) {
		p->told_late = false;  // it is again as was told
		if (over)
			report_begin(p, lag);
		return;
	}
	struct ha_word w = {.type = HA_ROLE, .len = sizeof(r), .payload = (const uint8_t *)&r};
	p->told_late = word_tell(p, &w) == -EAGAIN;
	if (p->told_late || !p->gw)
		return;
	p->told = r;
	p->told_ever = true;
	report_begin(p, over ? lag : p->lag_least);
}
