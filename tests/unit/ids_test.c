// Identities in the order they came.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ids.h"

static void order_and_values(void **state)
{
	struct ids s = {0};
	struct ids_item i;

	assert_false(ids_first(&s, &i));
	for (uint64_t id = 1; id <= 5000; id++)
		assert_int_equal(ids_add(&s, id * 1000003, id, 0), 0);
	assert_int_equal(ids_add(&s, 1000003, 77, 8), 0);
	assert_int_equal(ids_count(&s), 5000);
	assert_true(ids_first(&s, &i));
	assert_int_equal(i.id, 1000003);
	assert_int_equal(i.a, 77);
	assert_int_equal(i.b, 8);
	assert_true(ids_at(&s, 1, &i));
	assert_int_equal(i.a, 2);
	assert_false(ids_at(&s, 5000, &i));
	ids_clear(&s);
}

static void popped_is_gone(void **state)
{
	struct ids s = {0};
	struct ids_item i;

	// more than once around: what was popped must neither be found nor come back
	for (uint64_t id = 1; id <= 20000; id++) {
		assert_int_equal(ids_add(&s, id, 0, 0), 0);
		if (id % 3 == 0) {
			assert_true(ids_first(&s, &i));
			ids_pop(&s);
			assert_false(ids_has(&s, i.id));
		}
	}
	assert_int_equal(ids_count(&s), 20000 - 20000 / 3);
	assert_int_equal(ids_add(&s, 1, 5, 0), 0);  // again, at the end
	assert_int_equal(ids_get(&s, 1)->a, 5);
	while (ids_count(&s) > 1)
		ids_pop(&s);
	assert_true(ids_first(&s, &i));
	assert_int_equal(i.id, 1);
	ids_pop(&s);
	assert_false(ids_has(&s, 1));
	ids_pop(&s);
	assert_int_equal(ids_count(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_and_values),
		cmocka_unit_test(popped_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
