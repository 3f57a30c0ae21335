// Timers that change while leases run (rule 8): a lease never runs for longer than the box that
// gives it thinks, and what was long does not stay long.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

#define SHORT (230 * MS)   // Ts of 50 and 150 ms
#define LONG  (2800 * MS)  // of 400 and 2000 ms

static void timers(struct bed *b, unsigned hello_ms, unsigned hold_ms, bool active)
{
	struct ha_hello h = {.self_active = active,
			     .other_active = !active,
			     .priority = 100,
			     .hello_ms = hello_ms,
			     .hold_ms = hold_ms};
	struct ha_word w = {
		.type = HA_HELLO, .group = 1, .len = sizeof(h), .payload = (const uint8_t *)&h};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
}

static uint64_t lease_left(const struct bed *b)
{
	uint64_t until = get(b, MIRROR_FRESH_UNTIL);

	return until > b->now ? until - b->now : 0;
}

// ---- the standby -------------------------------------------------------------------------------
// Hot, in a session, with the timers given; no lease yet.
static void joined(struct bed *b, unsigned hello_ms, unsigned hold_ms)
{
	standby(b, 0);
	timers(b, hello_ms, hold_ms, false);
	join_asked(b);
	join_answered(b, 0);
	snap_end(b, 1);
}

static uint64_t ping(struct bed *b)
{
	unsigned before = b->sent_of[PAIR_PING];

	b->now += 200 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_PING], before + 1);
	return b->now;
}

static void lease(struct bed *b, uint64_t stamp)
{
	struct pair_msg m = {.type = PAIR_LEASE,
			     .has = HAS(TLV_SESSION) | HAS(TLV_LSN) | HAS(TLV_STAMP) | HAS(TLV_SUM),
			     .session = {99, 6},
			     .lsn = 1,
			     .stamp = stamp};

	message(b, &m);
}

// The other box goes alone by the Ts that it has been told.
static void lengthened(void **st)
{
	struct bed *b = *st;

	joined(b, 50, 150);
	uint64_t stamp = ping(b);
	lease(b, stamp);
	assert_int_equal(lease_left(b), SHORT);
	timers(b, 400, 2000, false);
	lease(b, stamp);
	assert_int_equal(lease_left(b), SHORT);
	// told at once
	unsigned pings = b->sent_of[PAIR_PING];
	b->now += MS;
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_PING], pings + 1);
	lease(b, stamp);  // that crossed it
	assert_int_equal(lease_left(b), SHORT - MS);
	lease(b, b->now);
	assert_int_equal(lease_left(b), LONG);
	// and back, and long once more before that was told
	timers(b, 50, 150, false);
	assert_int_equal(lease_left(b), SHORT);
	stamp = ping(b);
	timers(b, 400, 2000, false);
	lease(b, stamp);
	assert_int_equal(lease_left(b), SHORT - 200 * MS);
}

static void shortened(void **st)
{
	struct bed *b = *st;

	joined(b, 400, 2000);
	lease(b, ping(b));
	assert_int_equal(lease_left(b), LONG);
	b->now += 100 * MS;
	timers(b, 50, 150, false);
	assert_int_equal(lease_left(b), SHORT);
	b->now += SHORT;
	timers(b, 50, 150, false);
	assert_int_equal(lease_left(b), 0);
}

// SNAP_END is a lease as of the JOIN, by the Ts that JOIN said, or by less.
static void lengthened_in_a_join(void **st)
{
	struct bed *b = *st;

	standby(b, 0);
	timers(b, 50, 150, false);
	join_asked(b);
	timers(b, 400, 2000, false);
	join_answered(b, UINT64_MAX);
	snap_end(b, 1);
	assert_int_equal(lease_left(b), SHORT);
}

static void shortened_in_a_join(void **st)
{
	struct bed *b = *st;

	standby(b, 0);
	timers(b, 400, 2000, false);
	join_asked(b);
	join_answered(b, UINT64_MAX);
	timers(b, 50, 150, false);
	snap_end(b, 1);
	assert_int_equal(lease_left(b), SHORT);
}

// ---- the active box ----------------------------------------------------------------------------
static void serves(struct bed *b, uint64_t term)
{
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION) |
				       HAS(TLV_TERM),
				.nonce = {9},
				.term = term};

	pair_link(b->p, true, b->now);
	message(b, &join);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
}

static void pinged(struct bed *b, uint64_t term)
{
	struct pair_msg m = {
		.type = PAIR_PING,
		.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
		.session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)},
		.stamp = b->now,
		.term = term,
	};

	message(b, &m);
}

static bool alone_after(struct bed *b, uint64_t us)
{
	b->now += us;
	pair_tick(b->p, b->now);
	return get(b, MIRROR_ALONE) != 0;
}

static void longer_counts_at_once(void **st)
{
	struct bed *b = *st;

	found(b);
	serves(b, SHORT);
	pinged(b, LONG);
	pair_link(b->p, false, b->now);
	assert_false(alone_after(b, LONG));
	assert_true(alone_after(b, LONG / 4));
}

// All that runs, or is under way, is short from there on: counted from that moment.
static void shorter_counts_from_there(void **st)
{
	struct bed *b = *st;

	found(b);
	serves(b, LONG);
	b->blocked = true;  // no lease leaves: the last one was SNAP_END's
	b->now += 500 * MS;
	pinged(b, SHORT);
	pair_link(b->p, false, b->now);
	assert_false(alone_after(b, SHORT));
	assert_true(alone_after(b, SHORT / 4));
}

// A joiner has no lease of before.
static void joiner_says_it_anew(void **st)
{
	struct bed *b = *st;

	found(b);
	mirror_word_set(b->m, 1, MIRROR_TERM_US, LONG);
	mirror_word_set(b->m, 1, MIRROR_LEASE_SENT, b->now);
	serves(b, SHORT);
	pair_link(b->p, false, b->now);
	assert_false(alone_after(b, SHORT));
	assert_true(alone_after(b, SHORT / 4));
}

// A claim may cross a lease, which is counted by what a PING has said.
static void a_claim_makes_nothing_shorter(void **st)
{
	struct bed *b = *st;

	found(b);
	serves(b, LONG);
	struct pair_msg m = {
		.type = PAIR_CLAIM,
		.has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_FRESH) | HAS(TLV_LSN) |
		       HAS(TLV_SLOT) | HAS(TLV_BOOT) | HAS(TLV_TERM),
		.session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)},
		.term = SHORT,
	};
	message(b, &m);
	assert_int_equal(get(b, MIRROR_TERM_US), LONG);
}

// The offer said how long its sender may be fresh after it.
static void changed_in_a_switchover(void **st)
{
	struct bed *b = *st;

	found(b);
	serves(b, SHORT);
	struct pair_msg applied = {.type = PAIR_APPLIED,
				   .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
				   .session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)},
				   .lsn = 1};
	message(b, &applied);
	pinged(b, SHORT);
	word(b, HA_SWITCH, 0, 0, 0);
	assert_int_equal(b->sent.type, PAIR_OFFER);
	uint64_t offered = b->now;
	applied.lsn = b->sent.lsn;
	message(b, &applied);
	assert_int_equal(b->told_of[HA_PREPARE], 1);
	timers(b, 400, 2000, true);
	b->now += 10 * MS;
	struct ha_word w = {.type = HA_STOPPED, .group = 1, .b = 1};
	assert_int_equal(pair_word(b->p, &w, b->now), 0);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
	assert_int_equal(get(b, MIRROR_FRESH_UNTIL), offered + SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lengthened, setup, teardown),
		cmocka_unit_test_setup_teardown(shortened, setup, teardown),
		cmocka_unit_test_setup_teardown(lengthened_in_a_join, setup, teardown),
		cmocka_unit_test_setup_teardown(shortened_in_a_join, setup, teardown),
		cmocka_unit_test_setup_teardown(longer_counts_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(shorter_counts_from_there, setup, teardown),
		cmocka_unit_test_setup_teardown(joiner_says_it_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_claim_makes_nothing_shorter, setup, teardown),
		cmocka_unit_test_setup_teardown(changed_in_a_switchover, setup, teardown),
	};

	return cmocka_run_group_tests_name("pair_term", tests, NULL, NULL);
}
