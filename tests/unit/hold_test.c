// Waiting packets are bounded per key, in total and in time, and leave in order.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "hold.h"

static unsigned released;
static uint8_t order[HOLD_POLICY_MAX];

static void on_release(void *ctx, struct rte_mbuf *m)
{
	(void)ctx;
	order[released++] = *rte_pktmbuf_mtod(m, uint8_t *);
	rte_pktmbuf_free(m);
}

static bool add(enum hold_kind kind, uint64_t key, uint8_t mark, uint64_t now)
{
	return hold_add(kind, key, pbed_mbuf(&mark, 1), now);
}

static void asks_once_a_second(void **state)
{
	(void)state;
	assert_true(add(HOLD_POLICY, 1, 0, 1000));
	assert_false(add(HOLD_POLICY, 1, 0, 1001));
	assert_true(add(HOLD_POLICY, 2, 0, 1001));
	assert_true(add(HOLD_NEIGH, 1, 0, 1001));  // same number, another kind
	assert_false(add(HOLD_POLICY, 1, 0, 1999));
	assert_true(add(HOLD_POLICY, 1, 0, 2000));
	assert_int_equal(hold_count(), 6);
	assert_int_equal(hold_flush(HOLD_POLICY, 1), 4);
	assert_int_equal(hold_flush(HOLD_POLICY, 2), 1);
	assert_int_equal(hold_flush(HOLD_NEIGH, 1), 1);
	assert_int_equal(hold_count(), 0);
	assert_int_equal(pbed_in_use(), 0);
}

static void bounded_per_key_and_in_order(void **state)
{
	uint64_t before = hold_dropped(HOLD_POLICY);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add(HOLD_POLICY, 9, (uint8_t)i, 1000);
	assert_int_equal(hold_count(), HOLD_POLICY_MAX);
	assert_int_equal(hold_dropped(HOLD_POLICY) - before, 100 - HOLD_POLICY_MAX);
	released = 0;
	assert_int_equal(hold_release(HOLD_POLICY, 9, on_release, NULL), HOLD_POLICY_MAX);
	for (unsigned i = 0; i < HOLD_POLICY_MAX; i++)
		assert_int_equal(order[i], i);
	for (unsigned i = 0; i < 100; i++)
		add(HOLD_NEIGH, 9, (uint8_t)i, 1000);
	assert_int_equal(hold_count(), HOLD_NEIGH_MAX);
	assert_int_equal(hold_flush(HOLD_NEIGH, 9), HOLD_NEIGH_MAX);
	assert_int_equal(pbed_in_use(), 0);
}

// A scan over many destinations without SA: total bound, and old ones make room.
static void bounded_in_total_and_in_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		add(HOLD_POLICY, 100 + i, 0, 1000);
	for (unsigned i = 0; i < 3000; i++)
		add(HOLD_POLICY, 100 + i, 0, 2000);
	assert_int_equal(hold_count(), HOLD_TOTAL);
	assert_int_equal(pbed_in_use(), HOLD_TOTAL);
	hold_expire(1000 + HOLD_AGE_MS - 1);
	assert_int_equal(hold_count(), HOLD_TOTAL);
	hold_expire(1000 + HOLD_AGE_MS);
	assert_int_equal(hold_count(), HOLD_TOTAL - 3000);
	hold_expire(2000 + HOLD_AGE_MS);
	assert_int_equal(hold_count(), 0);
	assert_int_equal(pbed_in_use(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_once_a_second),
		cmocka_unit_test(bounded_per_key_and_in_order),
		cmocka_unit_test(bounded_in_total_and_in_time),
	};

	return cmocka_run_group_tests(tests, pbed_setup, pbed_teardown);
}
