// The heap of timers and the hash table of the IKE engine.

#include "ike/ike_timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ike/ike_table.h"

#define N 500

static struct obj {
	struct ike_timer t;
	uint64_t fired_at;
	unsigned fired;
} objs[N];
static uint64_t now, last_due;
static struct ike_timers heap;

static void fire(void *obj)
{
	struct obj *o = obj;

	assert_true(o->t.due_ms <= now);
	assert_true(o->t.due_ms >= last_due);  // in order
	last_due = o->t.due_ms;
	o->fired++;
	o->fired_at = now;
}

// Random times, some moved, some stopped: each fires once, in order, none too early.
static void test_order(void **state)
{
	srand(1);
	for (int i = 0; i < N; i++) {
		ike_timer_init(&objs[i].t, fire, &objs[i]);
		assert_int_equal(ike_timer_set(&heap, &objs[i].t, (uint64_t)(rand() % 10000)), 0);
	}
	for (int i = 0; i < N; i += 3)
		assert_int_equal(ike_timer_set(&heap, &objs[i].t, (uint64_t)(rand() % 10000)), 0);
	for (int i = 0; i < N; i += 5)
		ike_timer_stop(&heap, &objs[i].t);
	for (now = 0; now < 10000; now += 7) {
		last_due = 0;
		ike_timers_run(&heap, now, N);
		assert_true(ike_timers_next(&heap) > now);
	}
	now = 20000;
	last_due = 0;
	ike_timers_run(&heap, now, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(objs[i].fired, i % 5 != 0);
	assert_int_equal(ike_timers_next(&heap), UINT64_MAX);
	ike_timers_fini(&heap);
}

// A turn never does more than its budget.
static void test_budget(void **state)
{
	for (int i = 0; i < 100; i++) {
		ike_timer_init(&objs[i].t, fire, &objs[i]);
		assert_int_equal(ike_timer_set(&heap, &objs[i].t, 1), 0);
	}
	now = 5;
	last_due = 0;
	assert_int_equal(ike_timers_run(&heap, now, 64), 64);
	assert_int_equal(ike_timers_run(&heap, now, 64), 36);
	ike_timers_fini(&heap);
}

static void test_table(void **state)
{
	static struct ike_node nodes[N];
	struct ike_table t;
	struct ike_node *n;
	unsigned seen = 0;

	assert_int_equal(ike_table_init(&t), 0);
	for (uintptr_t i = 0; i < N; i++)
		ike_table_add(&t, &nodes[i], i % 10, &nodes[i]);
	ike_table_del(&nodes[13]);
	ike_table_del(&nodes[13]);  // harmless
	for (n = ike_table_first(&t, 3); n; n = ike_table_next(n)) {
		assert_int_equal(n->key, 3);
		assert_ptr_equal(n->owner, n);
		assert_ptr_not_equal(n, &nodes[13]);
		seen++;
	}
	assert_int_equal(seen, N / 10 - 1);
	assert_null(ike_table_first(&t, 11));
	ike_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
