// Alignment, zeroing, big objects between small ones, and that nothing overlaps.
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

static void objects_are_aligned_zeroed_and_apart(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4096, 20000, 65536, 200000, 8};
	uint8_t *p[200];

	(void)mallopt(M_PERTURB, 0xaa);  // fresh heap memory is not zero by luck
	struct arena *a = arena_create();

	assert_non_null(a);
	for (size_t i = 0; i < 200; i++) {
		size_t len = sizes[i % 11];

		p[i] = arena_alloc(a, len);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		for (size_t j = 0; j < len; j++)
			assert_int_equal(p[i][j], 0);
		if (len > 0)
			memset(p[i], (int)i + 1, len);
	}
	for (size_t i = 0; i < 200; i++) {
		for (size_t j = 0; j < sizes[i % 11]; j++)
			assert_int_equal(p[i][j], (uint8_t)(i + 1));
	}
	arena_destroy(a);
}

static void strdup_copies(void **state)
{
	struct arena *a = arena_create();
	char text[] = "abc";
	char *copy = arena_strdup(a, text);

	text[0] = 'x';
	assert_string_equal(copy, "abc");
	assert_string_equal(arena_strdup(a, ""), "");
	arena_destroy(a);
}

static void absurd_sizes_fail(void **state)
{
	struct arena *a = arena_create();

	errno = 0;
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_int_equal(errno, ENOMEM);
	assert_null(arena_alloc(a, SIZE_MAX / 2 + 1));
	assert_non_null(arena_alloc(a, 16));
	arena_destroy(a);
	arena_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_aligned_zeroed_and_apart),
		cmocka_unit_test(strdup_copies),
		cmocka_unit_test(absurd_sizes_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
