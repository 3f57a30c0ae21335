// Digests by OpenSSL's EVP. Pieces are fed one after the other, nothing is concatenated.
#include "ike/hash.h"

#include <errno.h>
#include <openssl/evp.h>

static const struct {
	const char *name;
	uint8_t len;
} hashes[] = {
	[IKE_HASH_SHA] = {"sha", 20},       [IKE_HASH_MD5] = {"md5", 16},
	[IKE_HASH_SHA256] = {"sha256", 32}, [IKE_HASH_SHA384] = {"sha384", 48},
	[IKE_HASH_SHA512] = {"sha512", 64},
};

static bool hash_known(enum ike_hash h)
{
	return (unsigned)h < sizeof(hashes) / sizeof(hashes[0]);
}

size_t hash_len(enum ike_hash h)
{
	return hash_known(h) ? hashes[h].len : 0;
}

const char *hash_name(enum ike_hash h)
{
	return hash_known(h) ? hashes[h].name : "?";
}

static const EVP_MD *hash_md(enum ike_hash h)
{
	switch (h) {
	case IKE_HASH_SHA: return EVP_sha1();
	case IKE_HASH_MD5: return EVP_md5();
	case IKE_HASH_SHA256: return EVP_sha256();
	case IKE_HASH_SHA384: return EVP_sha384();
	case IKE_HASH_SHA512: return EVP_sha512();
	}
	return NULL;
}

int hash_compute(enum ike_hash h, const struct chunk *c, size_t n, uint8_t *out)
{
	const EVP_MD *md = hash_md(h);
	if (!md)
		return -EINVAL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx)
		return -ENOMEM;
	bool ok = EVP_DigestInit_ex(ctx, md, NULL) == 1;
	for (size_t i = 0; ok && i < n; i++)
		ok = c[i].len == 0 || EVP_DigestUpdate(ctx, c[i].data, c[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}
