// The seam, the bounds, and a coarse look at uniformity.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rand.h"

// Hands out the given 32-bit values in order, then zeros.
struct script {
	const uint32_t *values;
	size_t n, at;
};

static void script_source(void *ctx, void *dst, size_t len)
{
	struct script *s = ctx;
	uint32_t v = s->at < s->n ? s->values[s->at] : 0;

	s->at++;
	assert_int_equal(len, 4);
	memcpy(dst, &v, 4);
}

static void source_can_be_replaced(void **state)
{
	const uint32_t values[] = {1, 2};
	struct script s = {values, 2, 0};

	rand_set_source(script_source, &s);
	assert_int_equal(rand_u32(), 1);
	assert_int_equal(rand_u32(), 2);
	rand_set_source(NULL, NULL);
	assert_int_equal(s.at, 2);
	assert_true(rand_u64() != rand_u64());
}

// 2^32 mod 3 = 1: value 0 would make result 0 likelier and must be thrown away.
static void below_rejects_the_biased_values(void **state)
{
	const uint32_t values[] = {0, 1, UINT32_MAX};
	struct script s = {values, 3, 0};

	rand_set_source(script_source, &s);
	assert_int_equal(rand_below(3), 1);
	assert_int_equal(s.at, 2);
	assert_int_equal(rand_below(3), UINT32_MAX % 3);
	assert_int_equal(rand_below(0), 0);
	assert_int_equal(rand_below(1), 0);
	assert_int_equal(s.at, 3);
	rand_set_source(NULL, NULL);
}

static void below_covers_its_range(void **state)
{
	unsigned hits[7] = {0};

	for (unsigned i = 0; i < 7000; i++)
		hits[rand_below(7)]++;
	for (unsigned i = 0; i < 7; i++)
		assert_in_range(hits[i], 700, 1300);  // ten standard deviations
}

static void long_requests_are_filled(void **state)
{
	static uint8_t big[4096];
	unsigned zeros = 0;

	rand_bytes(big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		zeros += big[i] == 0;
	assert_in_range(zeros, 0, 100);
	rand_bytes(big, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_can_be_replaced),
		cmocka_unit_test(below_rejects_the_biased_values),
		cmocka_unit_test(below_covers_its_range),
		cmocka_unit_test(long_requests_are_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
