// Checkpoints that nobody took: the standby process hung, was gone, or had begun anew and did not
// have its gateway process yet (rules 8, 11). What it may vouch for then, and what it taints.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

#define TERM (230 * MS)  // Ts, of 50 and 150 ms

static bool tainted(const struct bed *b)
{
	struct ha_sa sa;

	assert_true(mirror_get(b->m, 5, &sa));
	return sa.taint;
}

// At work with one SA; its last hello has just gone out.
static void works(struct bed *b)
{
	found(b);
	upsert(b, 5, 1);
	mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now);
}

static void standby_process_again(struct bed *b)
{
	pair_destroy(b->p);
	b->now += 20 * MS;
	pair_start(b);
}

static void gateway_process_again(struct bed *b)
{
	(void)mirror_restart_add(b->m);
	word(b, HA_ATTACH, 0, 0, 0);
	hello(b, true, false);
}

// It is back, and had worked all the while.
static void gateway_process_lived(struct bed *b)
{
	struct ha_word w = {
		.type = HA_ATTACH, .group = 1, .id = get(b, MIRROR_TENURE), .b = HA_ROLE_ACTIVE};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
	hello(b, true, false);
}

// Hung, with the gateway process attached, which stamps its hellos: it has worked for too long when
// it dies, or had stopped long before.
static void hangs(void **state)
{
	struct bed *b = *state;

	works(b);
	b->now += TERM + 10 * MS;
	mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now - TERM / 2);
	pair_gateway_lost(b->p, b->now);
	gateway_process_again(b);
	assert_false(tainted(b));
	b->now += TERM + 10 * MS;
	mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now - 10 * MS);
	pair_gateway_lost(b->p, b->now);
	assert_true(tainted(b));
}

// Begun anew in no time, but it has not had the gateway process since its predecessor died, however
// often it ran itself: that one has stamped nothing.
static void not_attached(void **state)
{
	struct bed *b = *state;

	works(b);
	standby_process_again(b);
	for (unsigned i = 0; i < 10; i++)
		pair_tick(b->p, b->now += TERM / 8);
	gateway_process_again(b);
	assert_true(tainted(b));
	assert_int_equal(b->told_of[HA_TAINT], 1);
	// that is over now
	b->now += 10 * MS;
	pair_gateway_lost(b->p, b->now);
	gateway_process_again(b);
	assert_int_equal(b->told_of[HA_TAINT], 1);
}

// What the other box is given meanwhile is tainted, once.
static void not_attached_serves(void **state)
{
	struct bed *b = *state;
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION)};
	struct pair_counters c;

	works(b);
	standby_process_again(b);
	pair_link(b->p, true, b->now);
	b->now += TERM;
	for (unsigned i = 0; i < 3; i++) {
		mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now);
		message(b, &join);
		pair_tick(b->p, b->now += 10 * MS);
	}
	assert_true(tainted(b));
	pair_get_counters(b->p, &c);
	assert_int_equal(c.states, 3);
	assert_int_equal(c.tainted, 1);
}

// It gives way before it has the gateway process: what that one knew is the other box's business
// then, and no lease waits for it when the role comes back.
static void gives_way_without(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .role = HA_ROLE_ACTIVE};
	struct pair_msg st = {.type = PAIR_STATE,
			      .has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_SLOT) |
				     HAS(TLV_JOINS) | HAS(TLV_ROLE) | HAS(TLV_FRESH) | HAS(TLV_LSN),
			      .slot = 0,
			      .join = {2, 1},
			      .role = HA_ROLE_ACTIVE,
			      .fresh = UINT64_MAX,
			      .lsn = 1};
	struct pair_msg end = {
		.type = PAIR_SNAP_END, .has = HAS(TLV_SESSION) | HAS(TLV_LSN), .lsn = 1};
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.nonce = {9}};
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.term = TERM};

	works(b);
	standby_process_again(b);
	pair_link(b->p, true, b->now);
	hi.session = (struct pair_session){get(b, MIRROR_LINEAGE), 40};
	message(b, &hi);
	assert_int_equal(b->sent.type, PAIR_JOIN);
	memcpy(st.nonce, b->sent.nonce, sizeof(st.nonce));
	b->now += TERM;
	pair_tick(b->p, b->now);
	st.session = end.session = (struct pair_session){get(b, MIRROR_LINEAGE), 42};
	message(b, &st);
	message(b, &end);
	assert_int_equal(get(b, MIRROR_HOT), 1);
	gateway_process_lived(b);
	word(b, HA_FLUSH, 0, 0, 2);
	hello(b, false, false);
	pair_link(b->p, false, b->now);
	mirror_word_set(b->m, 1, MIRROR_FRESH_UNTIL, b->now + 1);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	b->now += 20 * MS;
	pair_tick(b->p, b->now);
	pair_link(b->p, true, b->now);
	message(b, &join);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
	ping.session = (struct pair_session){get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)};
	ping.stamp = b->now;
	message(b, &ping);
	assert_int_equal(b->sent_of[PAIR_LEASE], 1);
}

// The same, and it hangs at once.
static void begun_and_hung(void **state)
{
	struct bed *b = *state;

	works(b);
	standby_process_again(b);
	b->now += TERM;
	gateway_process_again(b);
	assert_true(tainted(b));
}

static void back_soon(void **state)
{
	struct bed *b = *state;

	works(b);
	standby_process_again(b);
	b->now += TERM / 2;
	(void)mirror_restart_add(b->m);
	word(b, HA_ATTACH, 0, 0, 0);
	assert_false(tainted(b));
	// from here on its ring is read
	b->now += TERM / 2 + 20 * MS;
	mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now);
	pair_tick(b->p, b->now);
	pair_gateway_lost(b->p, b->now);
	gateway_process_again(b);
	assert_false(tainted(b));
}

// It lived, and tells what it knows. No lease stands for edges that are on their way.
static void tells_everything(void **state)
{
	struct bed *b = *state;
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.nonce = {9}};
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.term = TERM};

	works(b);
	standby_process_again(b);
	gateway_process_lived(b);
	b->now += 15 * MS;
	pair_link(b->p, true, b->now);
	message(b, &join);
	assert_int_equal(b->sent_of[PAIR_STATE], 1);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
	ping.session = (struct pair_session){get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)};
	ping.stamp = b->now;
	message(b, &ping);
	assert_int_equal(b->sent_of[PAIR_LEASE], 0);
	word(b, HA_CHECKPOINT, 5, 1000, 0);
	word(b, HA_FLUSH, 0, 0, 2);
	b->now += 2 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_LEASE], 1);
	assert_false(tainted(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(not_attached, setup, teardown),
		cmocka_unit_test_setup_teardown(not_attached_serves, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_way_without, setup, teardown),
		cmocka_unit_test_setup_teardown(begun_and_hung, setup, teardown),
		cmocka_unit_test_setup_teardown(back_soon, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_everything, setup, teardown),
	};

	return cmocka_run_group_tests_name("pair_mute", tests, NULL, NULL);
}
