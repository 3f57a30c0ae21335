// Times as the active box: what a gateway process says counts for the time that it says, and not
// after a merge or after the role was away. One pair on plain memory.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

static bool has(struct bed *b, uint64_t id)
{
	struct ha_sa sa;

	return mirror_get(b->m, id, &sa);
}

// A planned switchover, in which the gateway process says that SA 5 goes on from 1000.
static void hand_over(struct bed *b)
{
	acknowledge(b);
	word(b, HA_SWITCH, 0, 0, 0);
	assert_int_equal(b->sent_of[PAIR_OFFER], 1);
	acknowledge(b);
	assert_int_equal(b->told_of[HA_PREPARE], 1);
	word_of(b, HA_NEXT, 5, 1000, 41);
	word_of(b, HA_STOPPED, 0, 0, b->told[HA_ACTIVATE].b);
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
}

static void exact_numbers_go_over(void **state)
{
	struct bed *b = *state;

	together(b, false);
	assert_int_equal(get(b, MIRROR_NEXT_VOID), 0);
	hand_over(b);
	assert_int_equal(b->sent_of[PAIR_GRANT], 2);  // numbers, then the role
}

// The lease runs out while its workers stop: it goes on alone, and gives the role to nobody.
static void goes_alone_meanwhile(void **state)
{
	struct bed *b = *state;

	together(b, false);
	acknowledge(b);
	word(b, HA_SWITCH, 0, 0, 0);
	acknowledge(b);
	assert_int_equal(b->told_of[HA_PREPARE], 1);
	b->now += 300 * MS;  // Ta is 288 ms
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ALONE), 1);
	assert_int_equal(b->told_of[HA_RESUME], 1);
	word_of(b, HA_STOPPED, 0, 0, b->told[HA_ACTIVATE].b);
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_GRANT], 0);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
}

// The gateway process may say where it stopped before it had heard of the merge: the other box had
// gone beyond that. What it has accepted counts.
static void numbers_of_before_a_merge(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	together(b, true);
	assert_true(mirror_get(b->m, 5, &sa));
	assert_int_equal(sa.ceiling, 200000);
	assert_int_equal(sa.edge, 40);
	assert_int_equal(get(b, MIRROR_NEXT_VOID), 1);
	hand_over(b);
	assert_int_equal(b->sent_of[PAIR_GRANT], 1);  // the role only
	assert_true(mirror_get(b->m, 5, &sa));
	assert_int_equal(sa.edge, 41);
}

// Both give way, and this box is asked to go on: its gateway process hears what the other one had
// used and accepted before it goes on.
static void merged_before_it_resumes(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .role = HA_ROLE_ACTIVE};

	found(b);
	upsert(b, 5, 1);
	pair_link(b->p, true, b->now);
	hi.session = (struct pair_session){get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION) + 10};
	message(b, &hi);
	assert_int_equal(b->told_of[HA_YIELD], 1);
	hi.session.number = 0;
	message(b, &hi);
	peer_joins(b, true);
	pair_tick(b->p, b->now);
	assert_int_equal(b->told_of[HA_RESUME], 1);
	assert_int_equal(b->told_of[HA_SET], 1);
	assert_int_equal(b->told[HA_SET].b, 40);
	assert_true(b->last[HA_SET] < b->last[HA_RESUME]);
}

// Until it begins anew: then it has been told them.
static void numbers_since_it_began_anew(void **state)
{
	struct bed *b = *state;

	together(b, true);
	acknowledge(b);
	mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now);
	word_of(b, HA_STOPPED, 0, 0, b->told[HA_ACTIVATE].b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 2);
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_NEXT_VOID), 0);
	hand_over(b);
	assert_int_equal(b->sent_of[PAIR_GRANT], 2);
}

// Its standby process was restarted, and nothing else has happened.
static void goes_on_in_the_same_time(void **state)
{
	struct bed *b = *state;

	found(b);
	upsert(b, 5, 1);
	uint64_t tenure = get(b, MIRROR_TENURE);
	assert_int_equal(b->told[HA_ACTIVATE].id, tenure);
	pair_destroy(b->p);
	pair_start(b);
	mirror_set_taint(b->m, 5, true);  // while it was not attached
	attach(b, HA_ROLE_ACTIVE, mirror_life(b->m, 1), tenure);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(b->told[HA_TAINT].id, 5);
	assert_int_equal(b->told[HA_TAINT].a, 1);
	word_of(b, HA_UPSERT, 6, 0, tenure);
	word_of(b, HA_DELETE, 5, 0, tenure);
	assert_true(has(b, 6));
	assert_false(has(b, 5));
}

// The role was away and came back while it slept, and the ring that said so is gone: it hears the
// name of the new time. What it has of SAs does not count; it is fed when it has stopped.
static void missed_two_changes(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	found(b);
	upsert(b, 5, 1);
	uint64_t tenure = get(b, MIRROR_TENURE), old = tenure + 2;
	pair_destroy(b->p);
	pair_start(b);
	attach(b, HA_ROLE_ACTIVE, mirror_life(b->m, 1), old);
	assert_int_equal(b->told_of[HA_ACTIVATE], 2);
	assert_int_equal(b->told[HA_ACTIVATE].id, tenure);
	word_of(b, HA_UPSERT, 6, 0, old);
	word_of(b, HA_UPSERT, 5, 30, old);
	word_of(b, HA_DELETE, 5, 0, old);
	assert_false(has(b, 6));
	assert_true(mirror_get(b->m, 5, &sa));
	assert_int_equal(sa.edge, 30);  // but what it has accepted, it has
	unsigned fed = b->told_of[HA_FEED], ends = b->told_of[HA_FEED_END];
	word_of(b, HA_STOPPED, 0, 1, b->told[HA_ACTIVATE].b);
	pair_tick(b->p, b->now);
	assert_int_equal(b->told[HA_FEED_DELETE].a, 1);
	assert_int_equal(b->told[HA_FEED_DELETE].b, tenure);
	assert_int_equal(b->told_of[HA_FEED], fed + 1);
	assert_int_equal(b->told_of[HA_FEED_END], ends + 1);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 3);
	word_of(b, HA_UPSERT, 6, 0, tenure);
	assert_true(has(b, 6));
}

// Each take-over is a new time.
static void another_time(void **state)
{
	struct bed *b = *state;

	standby(b, 100);
	mirror_word_set(b->m, 1, MIRROR_TENURE, 77);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	assert_int_not_equal(get(b, MIRROR_TENURE), 77);
	assert_int_equal(b->told[HA_ACTIVATE].id, get(b, MIRROR_TENURE));
}

// It had raised SA 7 in vain before it joined, and keeps the ceiling: when the role is handed over
// to it, the other box hears of that before it gets a lease.
static void ceilings_of_before(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .session = {99, 4},
			      .role = HA_ROLE_ACTIVE};
	struct pair_msg st = {.type = PAIR_STATE,
			      .has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_SLOT) |
				     HAS(TLV_JOINS) | HAS(TLV_ROLE) | HAS(TLV_FRESH) | HAS(TLV_LSN),
			      .slot = 1,
			      .role = HA_ROLE_ACTIVE,
			      .session = {99, 6},
			      .join = {1, 2},
			      .lsn = 1};
	struct pair_msg up = {.type = PAIR_UPSERT,
			      .group = 1,
			      .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			      .session = {99, 6},
			      .lsn = 1};
	struct pair_msg end = {.type = PAIR_SNAP_END,
			       .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			       .session = {99, 6},
			       .lsn = 2};
	struct pair_msg grant = {.type = PAIR_GRANT,
				 .has = HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) |
					HAS(TLV_MORE),
				 .kind = GRANT_PLANNED,
				 .ends = {99, 6},
				 .session = {99, 8}};
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.session = {99, 8},
				.stamp = 5,
				.term = 230 * MS};
	const struct ha_sa sa = {.id = 7, .group = 1, .kind = HA_CHILD_SA, .ceiling = 500};
	uint8_t bytes[512];
	struct wbuf w;

	standby(b, 1000);
	pair_link(b->p, true, b->now);
	message(b, &hi);
	memcpy(st.nonce, b->sent.nonce, sizeof(st.nonce));
	message(b, &st);
	wbuf_init(&w, bytes, sizeof(bytes));
	pair_msg_begin(&w, &up);
	pair_msg_put_record(&w, &sa);
	assert_int_equal(pair_msg_finish(&w), 0);
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
	message(b, &end);
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_HOT), 1);
	mirror_word_set(b->m, 1, MIRROR_FRESH_UNTIL, b->now + 100 * MS);
	b->full = true;
	message(b, &grant);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	message(b, &ping);
	assert_int_equal(b->sent_of[PAIR_LEASE], 0);
	b->full = false;
	(void)pair_writable(b->p, b->now);
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_RAISE], 1);
	assert_int_equal(b->sent_of[PAIR_LEASE], 1);
}

// What it accepted before it heard that the role is away, this box knows.
static void accepted_without_the_role(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	standby(b, 100);
	unsigned sets = b->told_of[HA_SETS];
	word(b, HA_CHECKPOINT, 7, 50, 0);
	assert_true(mirror_get(b->m, 7, &sa));
	assert_int_equal(sa.edge, 50);
	assert_int_equal(b->told_of[HA_SETS], sets + 1);
	word(b, HA_CHECKPOINT, 99, 50, 0);  // not of ours
	assert_int_equal(b->told_of[HA_SETS], sets + 1);
}

// The link is full: records wait, and words that have to stay behind them. What says nothing of
// records passes, for checkpoints come behind it. One that waits for long keeps the lease back.
static void words_behind_records(void **state)
{
	struct bed *b = *state;
	struct ha_word claim = {.type = HA_CLAIM, .group = 1};
	struct ha_sa sa;

	together(b, false);
	acknowledge(b);
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)},
				.stamp = 5,
				.term = 230 * MS};
	b->blocked = true;
	upsert(b, 6, 2);
	upsert(b, 7, 3);
	hello(b, true, false);
	word(b, HA_SWITCH, 0, 1, 0);
	word(b, HA_CHECKPOINT, 5, 60, 0);
	assert_true(mirror_get(b->m, 5, &sa));
	assert_int_equal(sa.edge, 60);
	assert_int_equal(pair_word(b->p, &claim, b->now), -EAGAIN);
	b->now += 21 * MS;
	b->blocked = false;
	(void)pair_writable(b->p, b->now);
	b->now += 11 * MS;
	message(b, &ping);
	assert_int_equal(b->sent_of[PAIR_LEASE], 0);
	assert_int_equal(pair_word(b->p, &claim, b->now), 0);
	b->now += 11 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_LEASE], 1);
}

static void broken_note(void *ctx, unsigned group, const char *text)
{
	*(bool *)ctx |= strncmp(text, "I2", 2) == 0;
}

// I2: the words of two processes that are gone are found together. Each says its own number; one
// that says a number again is found out.
static void attached_and_gone(void **state)
{
	struct bed *b = *state;
	bool broken = false;
	struct ha_sa sa;

	found(b);
	upsert(b, 5, 1);
	pair_observe(b->p, broken_note, &broken);
	pair_gateway_lost(b->p, b->now);
	mirror_restart_add(b->m);
	uint64_t first = mirror_life(b->m, 1);
	mirror_restart_add(b->m);
	uint64_t second = mirror_life(b->m, 1);
	attach(b, HA_ROLE_NONE, first, 0);
	pair_gateway_lost(b->p, b->now);
	attach(b, HA_ROLE_NONE, second, 0);
	pair_gateway_lost(b->p, b->now);
	assert_false(broken);
	assert_true(mirror_get(b->m, 5, &sa) && !sa.taint);
	attach(b, HA_ROLE_NONE, second, 0);
	assert_true(broken);
	assert_true(mirror_get(b->m, 5, &sa) && sa.taint);
}

// A wish for the role that has crossed the grant: it is not given back.
static void wished_for_and_come(void **state)
{
	struct bed *b = *state;

	together(b, false);
	acknowledge(b);
	word(b, HA_SWITCH, 0, HA_SWITCH_TAKE, 0);
	assert_int_equal(b->sent_of[PAIR_OFFER], 0);
	assert_int_equal(b->told_of[HA_REFUSED], 0);
	word(b, HA_SWITCH, 0, HA_SWITCH_EITHER, 0);
	assert_int_equal(b->sent_of[PAIR_OFFER], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exact_numbers_go_over, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_alone_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_before_a_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_since_it_began_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(merged_before_it_resumes, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_in_the_same_time, setup, teardown),
		cmocka_unit_test_setup_teardown(missed_two_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(another_time, setup, teardown),
		cmocka_unit_test_setup_teardown(ceilings_of_before, setup, teardown),
		cmocka_unit_test_setup_teardown(accepted_without_the_role, setup, teardown),
		cmocka_unit_test_setup_teardown(words_behind_records, setup, teardown),
		cmocka_unit_test_setup_teardown(attached_and_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(wished_for_and_come, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
