// The engine's hash table: room made in advance moves what is there, in its order, and only few.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ike/ike_table.h"

#define FEW  1000u
#define MANY 5000u

static void nodes_add(struct ike_table *t, struct ike_node *n, unsigned count, unsigned keys)
{
	for (unsigned i = 0; i < count; i++)
		ike_table_add(t, &n[i], i % keys, &n[i]);
}

// All of a key are found, the youngest first.
static void nodes_check(const struct ike_table *t, const struct ike_node *n, unsigned count,
			unsigned keys)
{
	for (unsigned k = 0; k < keys; k++) {
		unsigned i = (count - 1 - k) / keys * keys + k, found = 0;

		for (struct ike_node *at = ike_table_first(t, k); at; at = ike_table_next(at)) {
			assert_ptr_equal(at, &n[i]);
			assert_ptr_equal(at->owner, &n[i]);
			i -= keys;
			found++;
		}
		assert_int_equal(found, count / keys);
	}
	assert_null(ike_table_first(t, keys));
}

static void few_are_moved(void **state)
{
	struct ike_node *n = calloc(FEW, sizeof(*n));
	struct ike_table t;

	assert_int_equal(ike_table_init(&t), 0);
	unsigned bits = t.bits;
	nodes_add(&t, n, FEW, 100);
	ike_table_expect(&t, 1000);  // fits already
	assert_int_equal(t.bits, bits);
	ike_table_expect(&t, 200000);
	assert_true(1u << t.bits >= 2 * 200000);
	nodes_check(&t, n, FEW, 100);
	ike_table_expect(&t, 10);  // never smaller
	assert_true(1u << t.bits >= 2 * 200000);
	for (unsigned i = 0; i < FEW; i++)
		ike_table_del(&n[i]);
	assert_null(ike_table_first(&t, 5));
	ike_table_fini(&t);
	free(n);
}

static void many_stay(void **state)
{
	struct ike_node *n = calloc(MANY, sizeof(*n));
	struct ike_table t;

	assert_int_equal(ike_table_init(&t), 0);
	unsigned bits = t.bits;
	nodes_add(&t, n, MANY, 1000);
	ike_table_expect(&t, 200000);
	assert_int_equal(t.bits, bits);
	nodes_check(&t, n, MANY, 1000);
	ike_table_fini(&t);
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_are_moved),
		cmocka_unit_test(many_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
