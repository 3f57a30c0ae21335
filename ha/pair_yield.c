// Split brain (rules 15, 16): which box stays, how the other one stops, what it hands over, and
// what the one that stays makes of it.

#include <errno.h>
#include <string.h>

#include "pair_private.h"

bool peer_beats(const struct pair *p)
{
	uint64_t mine = word_get(p, MIRROR_SESSION) >> 1, theirs = p->peer.session.number >> 1;

	if (mine != theirs)
		return theirs > mine;
	if (p->hello.priority != p->peer.priority)
		return p->peer.priority > p->hello.priority;
	int c = memcmp(p->peer.address, p->hello.own, sizeof(p->peer.address));
	return c ? c > 0 : p->peer.boot > p->boot;
}

void yield_begin(struct pair *p)
{
	event_say(p, "split brain: gives way to the other box");
	plan_off(p, "the other box is active too");
	// no process of before is there that could still tell its edges
	if (!p->gw)
		pair_mute_look(p);
	p->yield = YIELD_STOPPING;
	p->activate = false;
	p->confirm_until = 0;
	if (p->working)
		word_owe(p, OWED_YIELD);
	else
		yield_stopped(p);
}

void yield_stopped(struct pair *p)
{
	// it may have stopped by itself: asked behind the role's end it would take nothing it is
	// fed
	p->owed &= ~(unsigned)OWED_YIELD;
	p->working = p->sweep = false;
	raising_end(p);
	p->yield = YIELD_LISTING;
	p->held_cursor = 0;
	// from the first part on the other box may go on from our counters
	word_set(p, MIRROR_YIELD, 1);
}

// The other box is not there, or not active any more: on with what we have. What it knows of our
// counters it may have used.
void yield_off(struct pair *p, bool taint)
{
	p->yield = YIELD_NONE;
	p->wait = false;
	if (role_of(p) != HA_ROLE_ACTIVE)
		return;
	event_say(p, "goes on, the other box is not active any more");
	if (taint)
		taint_all(p, "the other box has had our counters");
	word_set(p, MIRROR_YIELD, 0);
	if (!p->gw)
		return;
	if (p->working) {
		p->owed &= ~(unsigned)OWED_YIELD;
		word_owe(p, OWED_RESUME);
		return;
	}
	reactivate(p);
}

#define HELD_GONE (1ull << 63)  // cursor: past the records

// The next of what we have, then of what we have deleted lately: the other box may still have it,
// and not know what we sent on it.
static unsigned held_list(struct pair *p, uint64_t *cursor, struct pair_item items[SLICE])
{
	struct ha_sa sa;
	unsigned n = 0;

	while (n < SLICE && !(*cursor & HELD_GONE)) {
		if (mirror_next(p->m, p->group, cursor, &sa))
			items[n++] = (struct pair_item){.id = sa.id,
							.value = sa.ceiling,
							.edge = sa.edge,
							.taint = sa.taint};
		else
			*cursor = HELD_GONE;
	}
	while (n < SLICE && *cursor != (HELD_GONE | GONE_MAX)) {
		uint64_t id = p->gone[*cursor & (GONE_MAX - 1)];
		++*cursor;
		if (id)
			items[n++] = (struct pair_item){.id = id, .taint = true, .gone = true};
	}
	return n;
}

// JOIN in parts, each with some of our counters.
bool yield_pump(struct pair *p)
{
	uint64_t cursor = p->held_cursor;
	struct pair_item items[SLICE];
	struct outgoing o;
	unsigned n;

	if (p->yield != YIELD_LISTING || p->blocked || !p->link)
		return false;
	if (cursor == 0)
		p->ops.random(p->ops.ctx, p->join_nonce, sizeof(p->join_nonce));
	n = held_list(p, &cursor, items);
	out_begin(p, &o, PAIR_JOIN, HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_MORE) | HAS(TLV_TERM));
	memcpy(o.m.nonce, p->join_nonce, sizeof(o.m.nonce));
	o.m.role = HA_ROLE_ACTIVE;
	o.m.term = term_us(p);
	o.m.more = n == SLICE;
	pair_msg_begin(&o.b, &o.m);
	size_t mark = pair_msg_list_begin(&o.b, TLV_HELD);
	for (unsigned i = 0; i < n; i++)
		pair_msg_put_item(&o.b, TLV_HELD, &items[i]);
	pair_msg_list_end(&o.b, mark);
	if (out_send(p, &o, 0))
		return false;
	p->held_cursor = cursor;
	if (o.m.more)
		return true;
	session_leave(p);
	p->yield = YIELD_ASKED;
	p->wait = true;
	p->join_at = p->now;
	p->join_term = o.m.term;
	p->count.joins++;
	return false;
}

// Above everything that either may have sent. Nothing merges across lineages.
void held_merge(struct pair *p, const struct pair_msg *m)
{
	struct rbuf it = m->list;
	struct pair_item item;
	struct ha_sa sa;

	if (m->session.lineage != word_get(p, MIRROR_LINEAGE) || !(m->has & HAS(TLV_HELD)))
		return;
	while (pair_msg_item(m, &it, &item)) {
		if (!mirror_get(p->m, item.id, &sa) || sa.group != p->group)
			continue;
		// what one word has given the gateway process it may have used (rule 7)
		if (sa.kind == HA_CHILD_SA)
			record_ceiling(p, item.id, sa.ceiling + raising(p));
		if (item.gone) {
			mirror_set_taint(p->m, item.id, true);
			feed_record(p, item.id);
			continue;
		}
		record_ceiling(p, item.id, item.value);
		mirror_set_edge(p->m, item.id, item.edge);
		if (!item.taint && sa.taint)
			mirror_set_taint(p->m, item.id, false);
		feed_record(p, sa.id);
	}
}
