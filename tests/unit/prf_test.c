// Digests and prf: RFC 2202 and RFC 4231 test cases, pieces against one piece, prf+.
#include "ike/prf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"

struct vector {
	enum ike_hash hash;
	const char *key, *data, *out;
};

static const struct vector hmacs[] = {
	// RFC 2202 2 (1), 3 (2)
	{IKE_HASH_MD5, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	 "9294727a3638bb1c13f48ef8158bfc9d"},
	{IKE_HASH_SHA, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	// RFC 4231 4.3
	{IKE_HASH_SHA256, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{IKE_HASH_SHA384, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
	 "8e2240ca5e69e2c78b3239ecfab21649"},
	{IKE_HASH_SHA512, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
	 "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
};

static void test_hmac(void **state)
{
	for (size_t i = 0; i < sizeof(hmacs) / sizeof(hmacs[0]); i++) {
		uint8_t key[64], data[64], want[64], got[PRF_LEN_MAX];
		const size_t key_len = unhex(hmacs[i].key, key, sizeof(key));
		const size_t len = unhex(hmacs[i].data, data, sizeof(data));
		const size_t out_len = unhex(hmacs[i].out, want, sizeof(want));

		assert_int_equal(prf_len(hmacs[i].hash), out_len);
		const struct chunk whole = {data, len};
		assert_int_equal(prf_compute(hmacs[i].hash, key, key_len, &whole, 1, got), 0);
		assert_memory_equal(got, want, out_len);
		// The same in pieces, an empty one among them.
		const struct chunk parts[] = {{data, 3}, {NULL, 0}, {data + 3, len - 3}};
		memset(got, 0, sizeof(got));
		assert_int_equal(prf_compute(hmacs[i].hash, key, key_len, parts, 3, got), 0);
		assert_memory_equal(got, want, out_len);
	}
}

static void test_empty_key(void **state)
{
	// HMAC-SHA1("", "") is well known.
	uint8_t want[20], got[PRF_LEN_MAX];

	unhex("fbdb1d1b18aa6c08324b7d64b71fb76370690e1d", want, sizeof(want));
	assert_int_equal(prf_compute(IKE_HASH_SHA, NULL, 0, NULL, 0, got), 0);
	assert_memory_equal(got, want, 20);
}

static void test_hash(void **state)
{
	uint8_t want[32], got[HASH_LEN_MAX];
	const struct chunk abc[] = {{"a", 1}, {"bc", 2}};

	unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want, 32);
	assert_int_equal(hash_compute(IKE_HASH_SHA256, abc, 2, got), 0);
	assert_memory_equal(got, want, 32);
	unhex("900150983cd24fb0d6963f7d28e17f72", want, 32);
	assert_int_equal(hash_compute(IKE_HASH_MD5, abc, 2, got), 0);
	assert_memory_equal(got, want, 16);
	assert_string_equal(hash_name(IKE_HASH_SHA384), "sha384");
}

static void test_unknown(void **state)
{
	uint8_t out[HASH_LEN_MAX];
	const enum ike_hash bad = (enum ike_hash)77;

	assert_int_equal(hash_len(bad), 0);
	assert_string_equal(hash_name(bad), "?");
	assert_int_equal(hash_compute(bad, NULL, 0, out), -EINVAL);
	assert_int_equal(prf_compute(bad, "k", 1, NULL, 0, out), -EINVAL);
}

// T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2), computed by hand against prf_plus.
static void test_prf_plus(void **state)
{
	const struct chunk seed[] = {{"se", 2}, {"ed", 2}};
	uint8_t t1[PRF_LEN_MAX], t2[PRF_LEN_MAX];
	struct secret out = {0};

	assert_int_equal(prf_compute(IKE_HASH_SHA, "key", 3, &(struct chunk){"seed\x01", 5}, 1, t1),
			 0);
	const struct chunk second[] = {{t1, 20}, {"seed\x02", 5}};
	assert_int_equal(prf_compute(IKE_HASH_SHA, "key", 3, second, 2, t2), 0);
	assert_int_equal(prf_plus(IKE_HASH_SHA, "key", 3, seed, 2, &out, 33), 0);
	assert_int_equal(out.len, 33);
	assert_memory_equal(out.bytes, t1, 20);
	assert_memory_equal(out.bytes + 20, t2, 13);
	assert_int_equal(prf_plus(IKE_HASH_SHA, "key", 3, seed, 2, &out, PRF_PLUS_MAX), 0);
	assert_int_equal(prf_plus(IKE_HASH_SHA, "key", 3, seed, 2, &out, PRF_PLUS_MAX + 1),
			 -EINVAL);
	assert_int_equal(prf_plus(IKE_HASH_SHA, "key", 3, seed, 2, &out, 0), -EINVAL);
	secret_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac),     cmocka_unit_test(test_empty_key),
		cmocka_unit_test(test_hash),     cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_prf_plus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
