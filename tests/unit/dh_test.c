// Diffie-Hellman: agreement in every group, known values, and everything a hostile peer may send
// instead of a public value (security table, row 7).
#include "ike/dh.h"

#include <errno.h>
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"
#include "ike/hash.h"

static const uint16_t groups[] = {1, 2, 5, 14, 15, 16, 19, 20, 21, 24};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static void test_agreement(void **state)
{
	for (size_t i = 0; i < GROUPS; i++) {
		struct dh_keypair *a = dh_generate(groups[i]), *b = dh_generate(groups[i]);
		const size_t len = dh_public_len(groups[i]);
		struct secret za = {0}, zb = {0};

		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal(dh_group(a), groups[i]);
		assert_memory_not_equal(dh_public(a), dh_public(b), len);
		assert_int_equal(dh_check_public(groups[i], dh_public(a), len), 0);
		assert_int_equal(dh_compute(a, dh_public(b), len, &za), 0);
		assert_int_equal(dh_compute(b, dh_public(a), len, &zb), 0);
		assert_int_equal(za.len, dh_secret_len(groups[i]));
		assert_int_equal(zb.len, za.len);
		assert_memory_equal(za.bytes, zb.bytes, za.len);
		secret_clear(&za);
		secret_clear(&zb);
		dh_destroy(a);
		dh_destroy(b);
	}
}

// SHA-256 of g^x and g^xy for fixed x and y, computed independently from the primes' formula
// 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + c) of RFC 2409 section 6 and RFC 3526.
static const struct {
	uint16_t group;
	const char *public, *secret;
} modp[] = {
	{1, "c0b7b2660929494ef4e93e7e4173219959b58f87702f87a2939ba97109d4a49f",
	 "e0bf7bc99bd9cb4ff4d86fb509def2991835bb10dbb33054d2d96e3fbff47aea"},
	{2, "85144c1958d484b07e491dbc4bcd506647b8df70043b030db6258ba7708d28dd",
	 "8dd84fc78cc5679bc4615a0df85d51a0db5840baaac2d0345e1a3e0784380219"},
	{5, "9726a323288543ad3ac4f1b0fcad306d8e2ce2e63a292c1e08d5be2a19cfd043",
	 "ce8c7ae5c70778bce79b42a4b7c8677ca4477765c1c893916d4a0fa820efecfc"},
	{14, "98b109e98bdf33ffe128c7c87f5b18bf9e4164e66282966c6bb1f453afffa805",
	 "e19055690f318f084bbc69647a5c5802b2dfa39ef43c1b543621eb0de5965e8c"},
	{15, "1e928dcda638f98d57e9b91bf789c9e61475ae1c6917d5299693b287726bfe0b",
	 "107e8982fc9520394a3f81e3b54fc684e8d35e1f49915f82eb197f6eeaa4d134"},
	{16, "2894063b4739badcb7b9ea5f188dcc8f12678ec5720741df2b5176a335041aea",
	 "9ca56eb8816cd737b3d0ce5ac34367c5f2617d387eab6410e0250b8c11cbf190"},
};

static void hash_equals(const void *data, size_t len, const char *want_hex)
{
	uint8_t want[32], got[HASH_LEN_MAX];

	unhex(want_hex, want, sizeof(want));
	assert_int_equal(hash_compute(IKE_HASH_SHA256, &(struct chunk){data, len}, 1, got), 0);
	assert_memory_equal(got, want, 32);
}

static void test_modp_known(void **state)
{
	uint8_t x[32], y[32];

	unhex("d69400fe16a79d0decb9d427b84bac2f0fef77c7ab47ceb537a3771c885f131a", x, 32);
	unhex("7091e1c660fcb2207cdb371639cb2ca09343771044bee34dbcb236efd948c80b", y, 32);
	for (size_t i = 0; i < sizeof(modp) / sizeof(modp[0]); i++) {
		struct dh_keypair *a = dh_import(modp[i].group, x, 32);
		struct dh_keypair *b = dh_import(modp[i].group, y, 32);
		const size_t len = dh_public_len(modp[i].group);
		struct secret z = {0};

		assert_non_null(a);
		assert_non_null(b);
		hash_equals(dh_public(a), len, modp[i].public);
		assert_int_equal(dh_compute(a, dh_public(b), len, &z), 0);
		hash_equals(z.bytes, z.len, modp[i].secret);
		secret_clear(&z);
		dh_destroy(a);
		dh_destroy(b);
	}
}

// A secret that begins with a zero byte keeps its length (RFC 2409: g^xy is as long as the prime).
static void test_leading_zero(void **state)
{
	uint8_t x[32], peer[128] = {[127] = 134};
	struct secret z = {0};

	unhex("d69400fe16a79d0decb9d427b84bac2f0fef77c7ab47ceb537a3771c885f131a", x, 32);
	struct dh_keypair *kp = dh_import(2, x, 32);
	assert_non_null(kp);
	assert_int_equal(dh_compute(kp, peer, 128, &z), 0);
	assert_int_equal(z.len, 128);
	assert_int_equal(z.bytes[0], 0);
	hash_equals(z.bytes, z.len,
		    "c285a55f99abe883885962eb20e6db4a0ade3b778f666a665ad79b001b7b53dc");
	secret_clear(&z);
	dh_destroy(kp);
}

// RFC 5903 8.1
static void test_ecp_known(void **state)
{
	uint8_t i[32], r[32], pub[64], z_want[32];
	struct secret z = {0};

	unhex("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433", i, 32);
	unhex("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53", r, 32);
	unhex("DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"
	      "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
	      pub, 64);
	unhex("D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE", z_want, 32);
	struct dh_keypair *a = dh_import(19, i, 32), *b = dh_import(19, r, 32);
	assert_non_null(a);
	assert_non_null(b);
	assert_memory_equal(dh_public(a), pub, 64);
	assert_int_equal(dh_compute(b, dh_public(a), 64, &z), 0);
	assert_int_equal(z.len, 32);
	assert_memory_equal(z.bytes, z_want, 32);
	secret_clear(&z);
	dh_destroy(a);
	dh_destroy(b);
}

static void refused(const struct dh_keypair *kp, const uint8_t *value, size_t len)
{
	struct secret z = {0};

	assert_int_equal(dh_check_public(dh_group(kp), value, len), -EBADMSG);
	assert_int_equal(dh_compute(kp, value, len, &z), -EBADMSG);
	assert_false(secret_is_set(&z));
}

static BIGNUM *prime(uint16_t group)
{
	switch (group) {
	case 1: return BN_get_rfc2409_prime_768(NULL);
	case 2: return BN_get_rfc2409_prime_1024(NULL);
	case 5: return BN_get_rfc3526_prime_1536(NULL);
	case 14: return BN_get_rfc3526_prime_2048(NULL);
	case 15: return BN_get_rfc3526_prime_3072(NULL);
	case 16: return BN_get_rfc3526_prime_4096(NULL);
	default: return NULL;
	}
}

static void test_hostile_modp(void **state)
{
	for (size_t i = 0; i < 6; i++) {
		const uint16_t g = groups[i];
		const size_t len = dh_public_len(g);
		struct dh_keypair *kp = dh_generate(g);
		BIGNUM *p = prime(g);
		uint8_t v[DH_PUBLIC_MAX + 1] = {0};

		assert_non_null(kp);
		assert_non_null(p);
		refused(kp, v, len);  // 0
		v[len - 1] = 1;
		refused(kp, v, len);  // 1
		v[len - 1] = 2;       // the smallest value there is
		assert_int_equal(dh_check_public(g, v, len), 0);
		memset(v, 0xff, sizeof(v));
		refused(kp, v, len);  // >= p
		BN_bn2binpad(p, v, (int)len);
		refused(kp, v, len);  // p
		BN_sub_word(p, 1);
		BN_bn2binpad(p, v, (int)len);
		refused(kp, v, len);  // p - 1
		BN_sub_word(p, 1);
		BN_bn2binpad(p, v, (int)len);
		assert_int_equal(dh_check_public(g, v, len), 0);  // p - 2

		memcpy(v, dh_public(kp), len);
		refused(kp, v, len - 1);
		refused(kp, v, len + 1);
		refused(kp, v, 0);
		BN_free(p);
		dh_destroy(kp);
	}
}

static void test_hostile_subgroup(void **state)
{
	struct dh_keypair *kp = dh_generate(24);
	uint8_t v[256] = {0};

	assert_non_null(kp);
	refused(kp, v, 256);
	v[255] = 1;
	refused(kp, v, 256);
	v[255] = 2;  // not in the subgroup of order q (RFC 6989 2.2)
	refused(kp, v, 256);
	refused(kp, dh_public(kp), 255);
	dh_destroy(kp);
}

static void test_hostile_ecp(void **state)
{
	for (size_t i = 6; i < 9; i++) {
		const size_t len = dh_public_len(groups[i]);
		struct dh_keypair *kp = dh_generate(groups[i]);
		uint8_t v[DH_PUBLIC_MAX] = {0};

		assert_non_null(kp);
		refused(kp, v, len);  // (0, 0) is on none of the curves
		memcpy(v, dh_public(kp), len);
		v[len - 1] ^= 1;  // off the curve
		refused(kp, v, len);
		memset(v, 0xff, len);  // coordinates >= p
		refused(kp, v, len);
		refused(kp, dh_public(kp), len - 1);
		refused(kp, dh_public(kp), len / 2);
		dh_destroy(kp);
	}
}

static void test_unknown_group(void **state)
{
	const uint16_t bad[] = {0, 3, 4, 17, 22, 23, 25, 31, 65535};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(dh_group_supported(bad[i]));
		assert_int_equal(dh_public_len(bad[i]), 0);
		assert_null(dh_generate(bad[i]));
		assert_int_equal(dh_check_public(bad[i], (const uint8_t *)"x", 1), -EINVAL);
	}
	assert_null(dh_import(19, (const uint8_t *)"", 0));
	dh_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreement),    cmocka_unit_test(test_modp_known),
		cmocka_unit_test(test_leading_zero), cmocka_unit_test(test_ecp_known),
		cmocka_unit_test(test_hostile_modp), cmocka_unit_test(test_hostile_subgroup),
		cmocka_unit_test(test_hostile_ecp),  cmocka_unit_test(test_unknown_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
