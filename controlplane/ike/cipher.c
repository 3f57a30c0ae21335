// CBC by OpenSSL's EVP, in place and without padding.
//
// Single DES has left OpenSSL's default provider; 3DES with three equal keys is the same function,
// so nothing needs the legacy provider.
#include "ike/cipher.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "secret.h"

#define DES_KEY_LEN 8

size_t cipher_block_len(enum ike_encr e)
{
	switch (e) {
	case IKE_ENCR_DES:
	case IKE_ENCR_3DES: return 8;
	case IKE_ENCR_AES: return 16;
	}
	return 0;
}

size_t cipher_key_len(enum ike_encr e, uint16_t bits)
{
	switch (e) {
	case IKE_ENCR_DES: return DES_KEY_LEN;
	case IKE_ENCR_3DES: return 3 * DES_KEY_LEN;
	case IKE_ENCR_AES: return bits == 128 || bits == 192 || bits == 256 ? bits / 8 : 0;
	}
	return 0;
}

static const EVP_CIPHER *cipher_evp(enum ike_encr e, size_t key_len)
{
	switch (e) {
	case IKE_ENCR_DES: return key_len == DES_KEY_LEN ? EVP_des_ede3_cbc() : NULL;
	case IKE_ENCR_3DES: return key_len == 3 * DES_KEY_LEN ? EVP_des_ede3_cbc() : NULL;
	case IKE_ENCR_AES:
		return key_len == 16   ? EVP_aes_128_cbc()
		       : key_len == 24 ? EVP_aes_192_cbc()
		       : key_len == 32 ? EVP_aes_256_cbc()
				       : NULL;
	}
	return NULL;
}

static int cbc(enum ike_encr e, bool encrypt, const uint8_t *key, size_t key_len, const uint8_t *iv,
	       uint8_t *data, size_t len)
{
	const EVP_CIPHER *cipher = cipher_evp(e, key_len);
	if (!cipher || len > INT_MAX || len % cipher_block_len(e) != 0)
		return -EINVAL;
	if (len == 0)
		return 0;

	uint8_t des3[3 * DES_KEY_LEN];
	if (e == IKE_ENCR_DES) {
		for (size_t i = 0; i < 3; i++)
			memcpy(des3 + i * DES_KEY_LEN, key, DES_KEY_LEN);
		key = des3;
	}
	int rc = -EIO, n = 0, tail = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx && EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, encrypt) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	    EVP_CipherUpdate(ctx, data, &n, data, (int)len) == 1 &&
	    EVP_CipherFinal_ex(ctx, data + n, &tail) == 1 && (size_t)n + (size_t)tail == len)
		rc = 0;
	EVP_CIPHER_CTX_free(ctx);
	secret_wipe(des3, sizeof(des3));
	return rc;
}

int cipher_cbc_encrypt(enum ike_encr e, const uint8_t *key, size_t key_len, const uint8_t *iv,
		       uint8_t *data, size_t len)
{
	return cbc(e, true, key, key_len, iv, data, len);
}

int cipher_cbc_decrypt(enum ike_encr e, const uint8_t *key, size_t key_len, const uint8_t *iv,
		       uint8_t *data, size_t len)
{
	return cbc(e, false, key, key_len, iv, data, len);
}
