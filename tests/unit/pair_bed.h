// One pair on plain memory: what it sends and tells is counted. For tests of the rules that one box
// keeps by itself.
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mirror.h"
#include "pair.h"
#include "pair_msg.h"

#define MS 1000ull

struct bed {
	uint8_t *mem;
	struct mirror *m;
	struct pair *p;
	uint64_t now;
	bool full, blocked;    // the ring to the gateway process; the link
	uint16_t refused;      // a word that finds no room
	unsigned sweep;        // ceilings at a time, 0 = as usual
	struct pair_msg sent;  // last of each kind would be too many: the last one
	uint8_t bytes[PAIR_MESSAGE_MAX];
	unsigned sent_of[PAIR_TYPES], told_of[128];
	struct ha_word told[128];
	unsigned words, last[128];  // which word of all was the last of its type
	struct ha_role role;        // as last told
	uint64_t activate_raised;   // what HA_ACTIVATE said of all ceilings
	uint64_t fed, set;          // lowest ceiling that was fed, lowest number set at work
};

static inline int op_send(void *ctx, unsigned group, const uint8_t *bytes, size_t len)
{
	struct bed *b = ctx;

	if (b->blocked)
		return -EAGAIN;
	memcpy(b->bytes, bytes, len);
	assert_int_equal(pair_msg_decode(b->bytes, len, &b->sent), 0);
	b->sent_of[b->sent.type]++;
	return 0;
}

static inline int op_tell(void *ctx, const struct ha_word *w)
{
	struct bed *b = ctx;

	if (b->full || w->type == b->refused)
		return -EAGAIN;
	b->told[w->type] = *w;
	b->told_of[w->type]++;
	if (w->type == HA_ROLE)
		memcpy(&b->role, w->payload, sizeof(b->role));
	b->last[w->type] = ++b->words;
	if (w->type == HA_ACTIVATE) {
		b->activate_raised = 0;
		if (w->len == sizeof(b->activate_raised))
			memcpy(&b->activate_raised, w->payload, w->len);
	}
	if (w->type == HA_FEED && w->sa.ceiling < b->fed)
		b->fed = w->sa.ceiling;
	if (w->type == HA_SET && w->a < b->set)
		b->set = w->a;
	return 0;
}

static inline void op_random(void *ctx, void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)rand();
}

static inline void word(struct bed *b, uint16_t type, uint64_t id, uint64_t a, uint64_t seq)
{
	struct ha_word w = {.type = type, .group = 1, .id = id, .a = a, .seq = seq};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
}

static inline void hello(struct bed *b, bool self_active, bool other_active)
{
	struct ha_hello h = {.self_active = self_active,
			     .other_active = other_active,
			     .priority = 100,
			     .hello_ms = 50,
			     .hold_ms = 150};
	struct ha_word w = {
		.type = HA_HELLO, .group = 1, .len = sizeof(h), .payload = (const uint8_t *)&h};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
}

static inline void upsert(struct bed *b, uint64_t id, uint64_t seq)
{
	struct ha_word w = {.type = HA_UPSERT,
			    .group = 1,
			    .seq = seq,
			    .b = mirror_word_get(b->m, 1, MIRROR_TENURE),
			    .sa = {.id = id, .group = 1, .kind = HA_CHILD_SA, .ceiling = 65536}};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
	pair_tick(b->p, b->now);
}

static inline void pair_start(struct bed *b)
{
	struct pair_ops ops = {
		.ctx = b, .send = op_send, .tell = op_tell, .random = op_random, .sweep = b->sweep};

	b->p = pair_create(1, b->m, &ops, b->now);
	assert_non_null(b->p);
}

static inline int setup(void **state)
{
	const struct mirror_id id = {.boot = {1}};
	size_t bytes = mirror_min_size();
	struct bed *b = calloc(1, sizeof(*b));
	struct err err;
	bool made;

	b->mem = calloc(1, bytes);
	b->m = mirror_attach(b->mem, bytes, &id, &made, &err);
	b->now = 1000000 * MS;
	pair_start(b);
	*state = b;
	return 0;
}

static inline int teardown(void **state)
{
	struct bed *b = *state;

	pair_destroy(b->p);
	mirror_close(b->m);
	free(b->mem);
	free(b);
	return 0;
}

static inline uint64_t get(const struct bed *b, enum mirror_word w)
{
	return mirror_word_get(b->m, 1, w);
}

// A founder at work: slot 0, join numbers 1 and 0 (rule 2), alone.
static inline void found(struct bed *b)
{
	word(b, HA_ATTACH, 0, 0, 0);
	hello(b, false, false);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	hello(b, true, false);
}

// A standby of session 4 that the other box (slot 0) has made: hot, lease for `fresh_ms`.
static inline void standby(struct bed *b, uint64_t fresh_ms)
{
	struct ha_sa sa = {.id = 7, .group = 1, .kind = HA_CHILD_SA, .ceiling = 1000, .edge = 10};

	mirror_put(b->m, &sa);
	mirror_word_set(b->m, 1, MIRROR_LINEAGE, 99);
	mirror_word_set(b->m, 1, MIRROR_SLOT, 1);
	mirror_word_set(b->m, 1, MIRROR_JOIN0, 1);
	mirror_word_set(b->m, 1, MIRROR_JOIN1, 1);
	mirror_word_set(b->m, 1, MIRROR_SESSION, 4);
	mirror_word_set(b->m, 1, MIRROR_HOT, 1);
	mirror_word_set(b->m, 1, MIRROR_FRESH_UNTIL, b->now + fresh_ms * MS);
	mirror_word_set(b->m, 1, MIRROR_ROLE, HA_ROLE_STANDBY);
	pair_destroy(b->p);
	pair_start(b);
	word(b, HA_ATTACH, 0, 0, 0);
	hello(b, false, false);
}

static inline void message(struct bed *b, struct pair_msg *m)
{
	uint8_t bytes[512];
	struct wbuf w;

	m->group = 1;
	wbuf_init(&w, bytes, sizeof(bytes));
	pair_msg_begin(&w, m);
	assert_int_equal(pair_msg_finish(&w), 0);
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
}

// The standby joins the other box, active, in session 6: it has asked, then has its answer.
static inline void join_asked(struct bed *b)
{
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_SESSION) | HAS(TLV_ROLE) | HAS(TLV_BOOT),
			      .role = HA_ROLE_ACTIVE,
			      .session = {99, 4}};

	pair_link(b->p, true, b->now);
	message(b, &hi);
	assert_int_equal(b->sent.type, PAIR_JOIN);
}

static inline void join_answered(struct bed *b, uint64_t fresh)
{
	struct pair_msg st = {.type = PAIR_STATE,
			      .has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_SLOT) |
				     HAS(TLV_JOINS) | HAS(TLV_ROLE) | HAS(TLV_FRESH) | HAS(TLV_LSN),
			      .session = {99, 6},
			      .slot = 1,
			      .join = {1, 2},
			      .role = HA_ROLE_ACTIVE,
			      .fresh = fresh,
			      .lsn = 1};

	memcpy(st.nonce, b->sent.nonce, sizeof(st.nonce));
	message(b, &st);
}

// A record of session 6.
static inline void record(struct bed *b, uint64_t id, uint64_t ceiling, uint64_t lsn)
{
	const struct ha_sa sa = {.id = id, .group = 1, .kind = HA_CHILD_SA, .ceiling = ceiling};
	struct pair_msg m = {.type = PAIR_UPSERT,
			     .group = 1,
			     .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			     .session = {99, 6},
			     .lsn = lsn};
	uint8_t bytes[512];
	struct wbuf w;

	wbuf_init(&w, bytes, sizeof(bytes));
	pair_msg_begin(&w, &m);
	pair_msg_put_record(&w, &sa);
	assert_int_equal(pair_msg_finish(&w), 0);
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
}

static inline void snap_end(struct bed *b, uint64_t lsn)
{
	struct pair_msg end = {.type = PAIR_SNAP_END,
			       .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			       .session = {99, 6},
			       .lsn = lsn};

	message(b, &end);
	assert_int_equal(get(b, MIRROR_HOT), 1);
}

// A word of a gateway process that works by the HA_ACTIVATE `tenure`.
static inline void word_of(struct bed *b, uint16_t type, uint64_t id, uint64_t a, uint64_t tenure)
{
	struct ha_word w = {.type = type, .group = 1, .id = id, .a = a, .b = tenure, .seq = 50};

	if (type == HA_UPSERT)
		w.sa = (struct ha_sa){.id = id, .group = 1, .kind = HA_CHILD_SA, .edge = a};
	assert_int_equal(pair_word(b->p, &w, b->now), 0);
}

static inline void attach(struct bed *b, enum ha_role_kind working, uint64_t life, uint64_t tenure)
{
	struct ha_word w = {.type = HA_ATTACH, .group = 1, .id = tenure, .a = life, .b = working};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
	hello(b, working == HA_ROLE_ACTIVE, false);
}

// The other box asks for our state: it holds nothing, or gives way with its numbers of SA 5.
static inline void peer_joins(struct bed *b, bool gives_way)
{
	struct pair_msg m = {.type = PAIR_JOIN,
			     .group = 1,
			     .has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION) |
				    HAS(TLV_MORE) | HAS(TLV_TERM),
			     .role = gives_way ? HA_ROLE_ACTIVE : HA_ROLE_NONE,
			     .session = {get(b, MIRROR_LINEAGE), 0},
			     .term = 230 * MS,
			     .nonce = {9}};
	struct pair_item item = {.id = 5, .value = 200000, .edge = 40};
	uint8_t bytes[512];
	struct wbuf w;

	wbuf_init(&w, bytes, sizeof(bytes));
	pair_msg_begin(&w, &m);
	if (gives_way) {
		size_t mark = pair_msg_list_begin(&w, TLV_HELD);
		pair_msg_put_item(&w, TLV_HELD, &item);
		pair_msg_list_end(&w, mark);
	}
	assert_int_equal(pair_msg_finish(&w), 0);
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
	pair_tick(b->p, b->now);
}

// The other box has everything that was sent.
static inline void acknowledge(struct bed *b)
{
	struct pair_msg m = {.type = PAIR_APPLIED,
			     .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			     .session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)},
			     .lsn = get(b, MIRROR_LSN)};

	message(b, &m);
}

// Active with SA 5, and the other box has joined; gives_way: it was active too.
static inline void together(struct bed *b, bool gives_way)
{
	found(b);
	upsert(b, 5, 1);
	pair_link(b->p, true, b->now);
	peer_joins(b, gives_way);
}
