// NAT detection hashes against values computed independently.
#include "ike/natd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"

#define CKY_I 0x0102030405060708u
#define CKY_R 0xa1a2a3a4a5a6a7a8u

static void test_known(void **state)
{
	struct ip_addr a;
	uint8_t want[32], got[HASH_LEN_MAX];

	assert_int_equal(addr_parse("192.0.2.1", &a), 0);
	unhex("7382fc0a797574a3274c755f37b3852b7394b414", want, sizeof(want));
	assert_int_equal(natd_hash(IKE_HASH_SHA, CKY_I, CKY_R, &a, 500, got), 0);
	assert_memory_equal(got, want, 20);
	assert_true(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &a, 500, want, 20));

	assert_int_equal(addr_parse("2001:db8::1", &a), 0);
	unhex("257ba9f13fb39941a0a240a0cc16341a609c1794c87a1cfec8afc73a4bb42f2d", want, 32);
	assert_int_equal(natd_hash(IKE_HASH_SHA256, CKY_I, CKY_R, &a, 4500, got), 0);
	assert_memory_equal(got, want, 32);
}

static void test_mismatch(void **state)
{
	struct ip_addr a = addr_from_v4(0xc0000201), b = addr_from_v4(0xc0000202);
	uint8_t h[HASH_LEN_MAX];

	assert_int_equal(natd_hash(IKE_HASH_SHA, CKY_I, CKY_R, &a, 500, h), 0);
	assert_false(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &b, 500, h, 20));
	assert_false(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &a, 501, h, 20));
	assert_false(natd_matches(IKE_HASH_SHA, CKY_R, CKY_I, &a, 500, h, 20));
	assert_false(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &a, 500, h, 19));
	assert_false(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &a, 500, h, 21));
	assert_false(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &a, 500, h, 0));
}

static void test_unset(void **state)
{
	struct ip_addr none = addr_none();
	uint8_t h[HASH_LEN_MAX];

	assert_int_equal(natd_hash(IKE_HASH_SHA, CKY_I, CKY_R, &none, 500, h), -EINVAL);
	assert_false(natd_matches(IKE_HASH_SHA, CKY_I, CKY_R, &none, 500, h, 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_unset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
