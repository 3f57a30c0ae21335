// CBC: NIST SP 800-38A for AES, the classic DES vector, 3DES against three single steps.
#include "ike/cipher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"

struct vector {
	enum ike_encr encr;
	const char *key, *iv, *plain, *cipher;
};

static const struct vector vectors[] = {
	// SP 800-38A F.2.1, F.2.3, F.2.5
	{IKE_ENCR_AES, "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f",
	 "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	 "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
	{IKE_ENCR_AES, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
	 "000102030405060708090a0b0c0d0e0f", "6bc1bee22e409f96e93d7e117393172a",
	 "4f021db243bc633d7178183a9fa071e8"},
	{IKE_ENCR_AES, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
	 "000102030405060708090a0b0c0d0e0f", "6bc1bee22e409f96e93d7e117393172a",
	 "f58c4c04d6e5f1ba779eabfb5f7bfbd6"},
	// FIPS 81 appendix C: DES-CBC of "Now is the time for all "
	{IKE_ENCR_DES, "0123456789abcdef", "1234567890abcdef",
	 "4e6f77206973207468652074696d6520666f7220616c6c20",
	 "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"},
};

static void test_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t key[32], iv[16], data[64], plain[64], cipher[64];
		const struct vector *v = &vectors[i];
		const size_t key_len = unhex(v->key, key, sizeof(key));
		const size_t len = unhex(v->plain, plain, sizeof(plain));

		unhex(v->iv, iv, sizeof(iv));
		assert_int_equal(unhex(v->cipher, cipher, sizeof(cipher)), len);
		memcpy(data, plain, len);
		assert_int_equal(cipher_cbc_encrypt(v->encr, key, key_len, iv, data, len), 0);
		assert_memory_equal(data, cipher, len);
		assert_int_equal(cipher_cbc_decrypt(v->encr, key, key_len, iv, data, len), 0);
		assert_memory_equal(data, plain, len);
	}
}

// EDE with three keys is D and E of single DES in the right order: one block, zero IV.
static void test_3des(void **state)
{
	uint8_t key[24], data[8] = "12345678", step[8];
	const uint8_t iv[8] = {0};

	unhex("0123456789abcdef23456789abcdef01456789abcdef0123", key, sizeof(key));
	memcpy(step, data, 8);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_DES, key, 8, iv, step, 8), 0);
	assert_int_equal(cipher_cbc_decrypt(IKE_ENCR_DES, key + 8, 8, iv, step, 8), 0);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_DES, key + 16, 8, iv, step, 8), 0);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_3DES, key, 24, iv, data, 8), 0);
	assert_memory_equal(data, step, 8);
}

static void test_refused(void **state)
{
	uint8_t key[32] = {1}, data[33] = {2}, before[33];
	const uint8_t iv[16] = {0};

	memcpy(before, data, sizeof(data));
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_AES, key, 16, iv, data, 17), -EINVAL);
	assert_int_equal(cipher_cbc_decrypt(IKE_ENCR_DES, key, 8, iv, data, 9), -EINVAL);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_AES, key, 17, iv, data, 16), -EINVAL);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_3DES, key, 8, iv, data, 16), -EINVAL);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_DES, key, 24, iv, data, 16), -EINVAL);
	assert_int_equal(cipher_cbc_encrypt((enum ike_encr)9, key, 16, iv, data, 16), -EINVAL);
	assert_int_equal(cipher_cbc_encrypt(IKE_ENCR_AES, key, 16, iv, data, 0), 0);
	assert_memory_equal(data, before, sizeof(data));
}

static void test_sizes(void **state)
{
	assert_int_equal(cipher_block_len(IKE_ENCR_DES), 8);
	assert_int_equal(cipher_block_len(IKE_ENCR_AES), 16);
	assert_int_equal(cipher_key_len(IKE_ENCR_DES, 0), 8);
	assert_int_equal(cipher_key_len(IKE_ENCR_3DES, 0), 24);
	assert_int_equal(cipher_key_len(IKE_ENCR_AES, 192), 24);
	assert_int_equal(cipher_key_len(IKE_ENCR_AES, 0), 0);
	assert_int_equal(cipher_key_len(IKE_ENCR_AES, 160), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_3des),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
