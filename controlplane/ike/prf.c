// HMAC by OpenSSL's EVP_MAC. The algorithm object is fetched once: fetching is dearer than the
// HMAC of a short message.
#include "ike/prf.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

static pthread_once_t hmac_once = PTHREAD_ONCE_INIT;
static EVP_MAC *hmac;  // written once, then read by every thread

static void hmac_fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static const char *digest_name(enum ike_hash h)
{
	switch (h) {
	case IKE_HASH_SHA: return "SHA1";
	case IKE_HASH_MD5: return "MD5";
	case IKE_HASH_SHA256: return "SHA2-256";
	case IKE_HASH_SHA384: return "SHA2-384";
	case IKE_HASH_SHA512: return "SHA2-512";
	}
	return NULL;
}

int prf_compute(enum ike_hash h, const void *key, size_t key_len, const struct chunk *c, size_t n,
		uint8_t *out)
{
	const char *digest = digest_name(h);
	if (!digest)
		return -EINVAL;
	if (pthread_once(&hmac_once, hmac_fetch) != 0 || !hmac)
		return -EIO;
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
	if (!ctx)
		return -ENOMEM;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
		OSSL_PARAM_construct_end(),
	};
	static const uint8_t no_key[1];  // NULL would mean "keep the key of before"
	bool ok = EVP_MAC_init(ctx, key_len ? key : no_key, key_len, params) == 1;
	for (size_t i = 0; ok && i < n; i++)
		ok = c[i].len == 0 || EVP_MAC_update(ctx, c[i].data, c[i].len) == 1;
	size_t len = 0;
	ok = ok && EVP_MAC_final(ctx, out, &len, PRF_LEN_MAX) == 1 && len == prf_len(h);
	EVP_MAC_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int prf_secret(enum ike_hash h, const struct secret *key, const struct chunk *c, size_t n,
	       struct secret *out)
{
	uint8_t bytes[PRF_LEN_MAX];
	int rc = prf_compute(h, key->bytes, key->len, c, n, bytes);
	if (rc == 0)
		rc = secret_set(out, bytes, prf_len(h));
	secret_wipe(bytes, sizeof(bytes));
	return rc;
}

int prf_plus(enum ike_hash h, const void *key, size_t key_len, const struct chunk *seed, size_t n,
	     struct secret *out, size_t len)
{
	const size_t step = prf_len(h);
	if (step == 0 || len == 0 || len > PRF_PLUS_MAX || n > HASH_CHUNKS_MAX - 2)
		return -EINVAL;

	// Ti = prf(K, Ti-1 | S | i), the counter being one octet. PRF_PLUS_MAX is far below 255
	// steps.
	uint8_t all[PRF_PLUS_MAX + PRF_LEN_MAX], counter = 1;
	struct chunk in[HASH_CHUNKS_MAX];
	for (size_t i = 0; i < n; i++)
		in[1 + i] = seed[i];
	in[1 + n] = (struct chunk){&counter, 1};

	int rc = 0;
	for (size_t done = 0; rc == 0 && done < len; done += step, counter++) {
		in[0] = done ? (struct chunk){all + done - step, step} : (struct chunk){0};
		rc = prf_compute(h, key, key_len, in, n + 2, all + done);
	}
	if (rc == 0)
		rc = secret_set(out, all, len);
	secret_wipe(all, sizeof(all));
	return rc;
}
