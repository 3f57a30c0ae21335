// Words that ask a gateway process to stop, or to go on, and wait in a full ring until something
// else has done that. One pair on plain memory.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

// What asks a gateway process to stop waits in a full ring, and it has stopped by itself meanwhile.
// Told behind the role's end it would keep that process from taking what it is fed.
static void stopped_before_it_is_asked(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .role = HA_ROLE_ACTIVE};

	found(b);
	upsert(b, 5, 1);
	pair_link(b->p, true, b->now);
	b->refused = HA_YIELD;
	hi.session = (struct pair_session){get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION) + 10};
	message(b, &hi);
	word_of(b, HA_STOPPED, 0, 0, b->told[HA_ACTIVATE].b);
	assert_int_equal(b->sent_of[PAIR_JOIN], 1);
	b->refused = 0;
	pair_writable(b->p, b->now);
	pair_writable(b->p, b->now);
	assert_int_equal(b->told_of[HA_YIELD], 0);
}

static void stopped_before_it_is_prepared(void **state)
{
	struct bed *b = *state;

	together(b, false);
	acknowledge(b);
	b->refused = HA_PREPARE;
	word(b, HA_SWITCH, 0, 0, 0);
	acknowledge(b);
	word_of(b, HA_STOPPED, 0, 0, b->told[HA_ACTIVATE].b);
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_GRANT], 1);
	b->refused = 0;
	pair_writable(b->p, b->now);
	pair_writable(b->p, b->now);
	assert_int_equal(b->told_of[HA_PREPARE], 0);
}

// It attaches when this box has given way without it: HA_ROLE says so, and nothing behind that.
static void given_away_without_it(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .role = HA_ROLE_ACTIVE};

	found(b);
	pair_link(b->p, true, b->now);
	pair_gateway_lost(b->p, b->now);
	hi.session = (struct pair_session){get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION) + 10};
	message(b, &hi);
	assert_int_equal(b->sent.type, PAIR_JOIN);
	b->refused = HA_YIELD;
	attach(b, HA_ROLE_ACTIVE, get(b, MIRROR_TENURE), 0);
	join_answered(b, 0);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
	b->refused = 0;
	pair_writable(b->p, b->now);
	pair_writable(b->p, b->now);
	assert_int_equal(b->told_of[HA_YIELD], 0);
}

// It is to go on, and is answered a claim that it had told: one word, with one count.
static void begins_once(void **state)
{
	struct bed *b = *state;

	together(b, false);
	acknowledge(b);
	word(b, HA_SWITCH, 0, 0, 0);
	acknowledge(b);
	assert_int_equal(b->told_of[HA_PREPARE], 1);
	b->refused = HA_RESUME;
	b->now += 300 * MS;  // Ta is 288 ms
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ALONE), 1);
	word(b, HA_CLAIM, 0, 0, 0);
	b->refused = 0;
	pair_writable(b->p, b->now);
	pair_writable(b->p, b->now);
	assert_int_equal(b->told_of[HA_RESUME], 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 2);
}

// It missed that the role was away: what it had told of an earlier stop, and came late, is void.
static void numbers_of_an_earlier_stop(void **state)
{
	struct bed *b = *state;
	struct ha_word w = {.type = HA_STOPPED, .group = 1, .a = 1};

	together(b, false);
	acknowledge(b);
	word(b, HA_SWITCH, 0, 0, 0);
	acknowledge(b);
	assert_int_equal(b->told_of[HA_PREPARE], 1);
	word_of(b, HA_NEXT, 5, 1000, 41);
	w.b = b->told[HA_ACTIVATE].b;
	assert_int_equal(pair_word(b->p, &w, b->now), 0);
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
	assert_int_equal(b->sent_of[PAIR_GRANT], 1);  // without a part that has numbers
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stopped_before_it_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(stopped_before_it_is_prepared, setup, teardown),
		cmocka_unit_test_setup_teardown(given_away_without_it, setup, teardown),
		cmocka_unit_test_setup_teardown(begins_once, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_an_earlier_stop, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
