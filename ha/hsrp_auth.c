// Authentication of HSRP messages: plain text (RFC 2281 5.1) and keyed MD5 in the manner of RFC
// 1828.
//
// Several keys may be valid at a time (a key chain, or the old key-string for its time-out); a
// message is believed if one of those with its key number fits. The protocol has no counter and no
// clock, so a copy of a genuine message is genuine: see docs/hsrp.md for what that leaves open.
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "hsrp_packet.h"
#include "secret.h"

#define MD5_BLOCK 64

// The key with MD5's own padding (0x80, zeros, length in bits, low word first) to whole blocks.
static size_t key_padded(const struct hsrp_key *key, uint8_t out[2 * MD5_BLOCK])
{
	size_t len = key->len + 9u <= MD5_BLOCK ? MD5_BLOCK : 2 * MD5_BLOCK;
	uint32_t bits = key->len * 8u;

	memset(out, 0, 2 * MD5_BLOCK);
	memcpy(out, key->bytes, key->len);
	out[key->len] = 0x80;
	out[len - 8] = (uint8_t)bits;
	out[len - 7] = (uint8_t)(bits >> 8);
	return len;
}

int hsrp_digest(const struct hsrp_key *key, const uint8_t *data, size_t len, size_t digest_at,
		uint8_t out[HSRP_DIGEST_LEN])
{
	static const uint8_t zero[HSRP_DIGEST_LEN];
	size_t behind = digest_at + HSRP_DIGEST_LEN;
	uint8_t padded[2 * MD5_BLOCK];
	int rc = -EINVAL;

	if (key->len == 0 || key->len > HSRP_KEY_LEN || behind > len)
		return rc;
	size_t n = key_padded(key, padded);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	rc = -EIO;
	if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, padded, n) == 1 && EVP_DigestUpdate(ctx, data, digest_at) == 1 &&
	    EVP_DigestUpdate(ctx, zero, sizeof(zero)) == 1 &&
	    EVP_DigestUpdate(ctx, data + behind, len - behind) == 1 &&
	    EVP_DigestUpdate(ctx, key->bytes, key->len) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1)
		rc = 0;
	EVP_MD_CTX_free(ctx);
	secret_wipe(padded, sizeof(padded));
	return rc;
}

static enum hsrp_rx md5_check(const struct hsrp_auth *auth, const struct hsrp_msg *m,
			      const struct hsrp_packet *p, uint64_t now)
{
	enum hsrp_rx r = HSRP_RX_AUTH_KEY_ID;
	uint8_t digest[HSRP_DIGEST_LEN];

	if (p->src.family == 4 && memcmp(p->src.bytes, m->md5_source, 4) != 0)
		return HSRP_RX_AUTH_SOURCE;
	for (unsigned i = 0; i < auth->keys; i++) {
		const struct hsrp_key *key = &auth->key[i];

		if (key->id != m->md5_key_id || now < key->accept_from || now >= key->accept_until)
			continue;
		if (hsrp_digest(key, p->data, p->len, m->digest_at, digest) == 0 &&
		    secret_equal(digest, m->digest, sizeof(digest)))
			return HSRP_RX_OK;
		r = HSRP_RX_AUTH_DIGEST;
	}
	return r;
}

enum hsrp_rx hsrp_auth_check(const struct hsrp_auth *auth, const struct hsrp_msg *m,
			     const struct hsrp_packet *p, uint64_t now)
{
	if (auth->kind == HSRP_AUTH_MD5)
		return m->has_md5 ? md5_check(auth, m, p, now) : HSRP_RX_AUTH_TYPE;
	if (m->has_md5 || !m->has_text)
		return HSRP_RX_AUTH_TYPE;
	return secret_equal(auth->text, m->text, sizeof(m->text)) ? HSRP_RX_OK : HSRP_RX_AUTH_TEXT;
}
