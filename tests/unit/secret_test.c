// Copies are deep, clearing wipes, all block sizes work, comparison sees every byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "secret.h"

static void set_copies_and_replaces(void **state)
{
	static const size_t sizes[] = {1, 16, 63, 64, 65, 511, 512, 513, 5000, 100000};
	static uint8_t big[100000];
	struct secret s = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(big, (int)i + 1, sizeof(big));
		assert_int_equal(secret_set(&s, big, sizes[i]), 0);
		assert_int_equal(s.len, sizes[i]);
		assert_memory_equal(s.bytes, big, sizes[i]);
		assert_true(secret_is_set(&s));
	}
	assert_int_equal(secret_set(&s, s.bytes + 1, 10), 0);  // from inside itself
	assert_memory_equal(s.bytes, big, 10);
	assert_int_equal(secret_set(&s, NULL, 0), 0);
	assert_false(secret_is_set(&s));
	secret_clear(&s);
	secret_clear(&s);
}

static void copies_are_independent(void **state)
{
	struct secret a = {0}, b = {0};

	assert_int_equal(secret_set(&a, "0123456789abcdef", 16), 0);
	assert_int_equal(secret_copy(&b, &a), 0);
	assert_ptr_not_equal(a.bytes, b.bytes);
	secret_clear(&a);
	assert_null(a.bytes);
	assert_int_equal(a.len, 0);
	assert_memory_equal(b.bytes, "0123456789abcdef", 16);
	secret_clear(&b);
}

static void many_secrets_do_not_overlap(void **state)
{
	static struct secret s[3000];
	uint8_t bytes[48];

	for (unsigned i = 0; i < 3000; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		assert_int_equal(secret_set(&s[i], bytes, sizeof(bytes)), 0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		assert_memory_equal(s[i].bytes, bytes, sizeof(bytes));
		secret_clear(&s[i]);
	}
}

static void equal_looks_at_every_byte(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	assert_true(secret_equal(a, b, 32));
	for (unsigned i = 0; i < 32 * 8; i++) {
		b[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(secret_equal(a, b, 32));
		b[i / 8] = 0;
	}
	assert_true(secret_equal(a, b, 0));
}

static void wipe_zeroes(void **state)
{
	uint8_t a[4] = {1, 2, 3, 4};

	secret_wipe(a, 3);
	assert_memory_equal(a, "\0\0\0\4", 4);
	secret_wipe(NULL, 0);
}

static void process_leaves_no_core(void **state)
{
	struct rlimit r;

	secret_process_init();
	assert_int_equal(getrlimit(RLIMIT_CORE, &r), 0);
	assert_int_equal(r.rlim_cur, 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_copies_and_replaces),
		cmocka_unit_test(copies_are_independent),
		cmocka_unit_test(many_secrets_do_not_overlap),
		cmocka_unit_test(equal_looks_at_every_byte),
		cmocka_unit_test(wipe_zeroes),
		cmocka_unit_test(process_leaves_no_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
