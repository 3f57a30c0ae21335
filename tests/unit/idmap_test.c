// Ids find their object and only theirs, also after many deletions; the table has a limit.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "idmap.h"

static int objs[4];

static void ids_find_their_object(void **state)
{
	struct idmap *m = idmap_create(3);
	uint32_t a = idmap_add(m, &objs[0]), b = idmap_add(m, &objs[1]), c = idmap_add(m, &objs[2]);

	assert_true(a && b && c && a != b && b != c && a != c);
	assert_ptr_equal(idmap_get(m, a), &objs[0]);
	assert_ptr_equal(idmap_get(m, b), &objs[1]);
	assert_ptr_equal(idmap_get(m, c), &objs[2]);
	assert_int_equal(idmap_count(m), 3);
	errno = 0;
	assert_int_equal(idmap_add(m, &objs[3]), 0);
	assert_int_equal(errno, ENOSPC);
	assert_null(idmap_get(m, 0));
	assert_null(idmap_get(m, UINT32_MAX));
	idmap_destroy(m);
}

static void old_ids_find_nothing(void **state)
{
	struct idmap *m = idmap_create(2);
	uint32_t old = idmap_add(m, &objs[0]);

	idmap_del(m, old);
	assert_null(idmap_get(m, old));
	idmap_del(m, old);  // again: nothing
	assert_int_equal(idmap_count(m), 0);
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t id = idmap_add(m, &objs[1]);

		assert_int_not_equal(id, 0);
		assert_int_not_equal(id, old);
		assert_null(idmap_get(m, old));
		assert_ptr_equal(idmap_get(m, id), &objs[1]);
		idmap_del(m, id);
	}
	idmap_destroy(m);
}

// The largest table has the fewest generations; they skip 0, so id 0 never appears.
static void generations_wrap_without_zero(void **state)
{
	struct idmap *m = idmap_create(1u << 24);
	uint32_t first = 0, keep;

	idmap_del(m, idmap_add(m, &objs[1]));  // slot 0 takes part: its id would be 0
	keep = idmap_add(m, &objs[0]);
	for (unsigned i = 0; i < 300 * 1000; i++) {
		uint32_t id = idmap_add(m, &objs[1]);

		assert_int_not_equal(id, 0);
		assert_int_not_equal(id, keep);
		if (i == 0)
			first = id;
		else if (i < 60000)
			assert_int_not_equal(id, first);  // 255 generations times 256 waiting slots
		idmap_del(m, id);
	}
	assert_ptr_equal(idmap_get(m, keep), &objs[0]);
	idmap_destroy(m);
}

static void iteration_survives_deletion(void **state)
{
	struct idmap *m = idmap_create(100);
	uint32_t ids[100], seen = 0;

	assert_int_equal(idmap_next(m, 0), 0);
	for (unsigned i = 0; i < 100; i++)
		ids[i] = idmap_add(m, &objs[i % 4]);
	idmap_del(m, ids[0]);
	idmap_del(m, ids[99]);
	for (uint32_t id = idmap_next(m, 0); id; id = idmap_next(m, id)) {
		assert_non_null(idmap_get(m, id));
		idmap_del(m, id);
		seen++;
	}
	assert_int_equal(seen, 98);
	assert_int_equal(idmap_count(m), 0);
	idmap_destroy(m);
}

static void sizes_have_limits(void **state)
{
	errno = 0;
	assert_null(idmap_create(0));
	assert_int_equal(errno, EINVAL);
	assert_null(idmap_create((1u << 24) + 1));
	idmap_destroy(NULL);

	struct idmap *m = idmap_create(1);
	uint32_t id = idmap_add(m, &objs[0]);

	assert_ptr_equal(idmap_get(m, id), &objs[0]);
	assert_int_equal(idmap_next(m, 0), id);
	assert_int_equal(idmap_next(m, id), 0);
	idmap_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_find_their_object),
		cmocka_unit_test(old_ids_find_nothing),
		cmocka_unit_test(generations_wrap_without_zero),
		cmocka_unit_test(iteration_survives_deletion),
		cmocka_unit_test(sizes_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
