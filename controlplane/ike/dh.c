// Diffie-Hellman key pairs over OpenSSL's EVP.
//
// Named groups where OpenSSL has the name; groups 1 and 2 by the primes of RFC 2409. What a peer
// sends is checked here, in one place for each kind of group (RFC 6989 section 2), before OpenSSL
// computes with it. This file holds no state; a key pair holds everything it needs.
#include "ike/dh.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

struct group {
	uint16_t id;
	uint16_t public_len, secret_len;
	bool ecp;
	bool subgroup;     // the order of g is no (p-1)/2: check membership (RFC 6989 2.2)
	const char *name;  // OpenSSL's group name, or NULL: prime() and generator 2
	BIGNUM *(*prime)(BIGNUM *);
};

static const struct group groups[] = {
	{.id = 1, .public_len = 96, .secret_len = 96, .prime = BN_get_rfc2409_prime_768},
	{.id = 2, .public_len = 128, .secret_len = 128, .prime = BN_get_rfc2409_prime_1024},
	{.id = 5, .public_len = 192, .secret_len = 192, .name = "modp_1536"},
	{.id = 14, .public_len = 256, .secret_len = 256, .name = "modp_2048"},
	{.id = 15, .public_len = 384, .secret_len = 384, .name = "modp_3072"},
	{.id = 16, .public_len = 512, .secret_len = 512, .name = "modp_4096"},
	{.id = 19, .public_len = 64, .secret_len = 32, .ecp = true, .name = "P-256"},
	{.id = 20, .public_len = 96, .secret_len = 48, .ecp = true, .name = "P-384"},
	{.id = 21, .public_len = 132, .secret_len = 66, .ecp = true, .name = "P-521"},
	{.id = 24, .public_len = 256, .secret_len = 256, .subgroup = true, .name = "dh_2048_256"},
};

struct dh_keypair {
	const struct group *group;
	EVP_PKEY *pkey;
	uint8_t public[DH_PUBLIC_MAX];
};

static const struct group *group_lookup(uint16_t id)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (groups[i].id == id)
			return &groups[i];
	}
	return NULL;
}

bool dh_group_supported(uint16_t group)
{
	return group_lookup(group) != NULL;
}

size_t dh_public_len(uint16_t group)
{
	const struct group *g = group_lookup(group);
	return g ? g->public_len : 0;
}

size_t dh_secret_len(uint16_t group)
{
	const struct group *g = group_lookup(group);
	return g ? g->secret_len : 0;
}

uint16_t dh_group(const struct dh_keypair *kp)
{
	return kp->group->id;
}

const uint8_t *dh_public(const struct dh_keypair *kp)
{
	return kp->public;
}

static const char *group_type(const struct group *g)
{
	return g->ecp ? "EC" : g->subgroup ? "DHX" : "DH";
}

// An EVP_PKEY of the group with the given values. pub: octets for EC, see pub_bn for MODP.
// Either may be absent; with neither it is the group's parameters alone.
static EVP_PKEY *pkey_make(const struct group *g, const uint8_t *pub, size_t pub_len,
			   const BIGNUM *pub_bn, const BIGNUM *priv)
{
	const int selection = priv            ? EVP_PKEY_KEYPAIR
			      : pub || pub_bn ? EVP_PKEY_PUBLIC_KEY
					      : EVP_PKEY_KEY_PARAMETERS;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, group_type(g), NULL);
	BIGNUM *p = g->prime ? g->prime(NULL) : NULL, *two = BN_new();
	EVP_PKEY *pkey = NULL;

	bool ok = bld && ctx && two && BN_set_word(two, 2);
	if (g->name)
		ok = ok &&
		     OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, g->name, 0);
	else
		// Exponents of twice the group's strength and more (RFC 3526 section 8).
		ok = ok && p && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_FFC_P, p) &&
		     OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_FFC_G, two) &&
		     OSSL_PARAM_BLD_push_int(bld, OSSL_PKEY_PARAM_DH_PRIV_LEN, 256);
	if (pub)
		ok = ok &&
		     OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, pub, pub_len);
	if (pub_bn)
		ok = ok && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PUB_KEY, pub_bn);
	if (priv)
		ok = ok && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, priv);
	if (ok)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1) {
		pkey = NULL;
		ERR_clear_error();  // a stranger's bad point must not surface in somebody's TLS
	}

	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(p);
	BN_free(two);
	return pkey;
}

// Fills kp->public from kp->pkey.
static int public_export(struct dh_keypair *kp)
{
	const size_t len = kp->group->public_len;

	if (kp->group->ecp) {
		uint8_t point[1 + DH_PUBLIC_MAX];
		size_t n = 0;
		if (EVP_PKEY_get_octet_string_param(kp->pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
						    sizeof(point), &n) != 1 ||
		    n != 1 + len || point[0] != POINT_CONVERSION_UNCOMPRESSED)
			return -EIO;
		memcpy(kp->public, point + 1, len);  // RFC 5903 section 7: x | y, no first octet
		return 0;
	}
	BIGNUM *y = NULL;
	int rc = -EIO;
	if (EVP_PKEY_get_bn_param(kp->pkey, OSSL_PKEY_PARAM_PUB_KEY, &y) == 1 &&
	    BN_bn2binpad(y, kp->public, (int)len) == (int)len)
		rc = 0;
	BN_free(y);
	return rc;
}

int dh_private(const struct dh_keypair *kp, struct secret *out)
{
	uint8_t mem[DH_PUBLIC_MAX];
	BIGNUM *priv = NULL;
	int n = 0, rc = -EIO;

	if (EVP_PKEY_get_bn_param(kp->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &priv) == 1)
		n = BN_num_bytes(priv);
	if (n > 0 && n <= (int)sizeof(mem) && BN_bn2bin(priv, mem) == n)
		rc = secret_set(out, mem, (size_t)n);
	secret_wipe(mem, sizeof(mem));
	BN_clear_free(priv);
	return rc;
}

static struct dh_keypair *keypair_create(uint16_t group)
{
	const struct group *g = group_lookup(group);
	if (!g) {
		errno = EINVAL;
		return NULL;
	}
	struct dh_keypair *kp = calloc(1, sizeof(*kp));
	if (kp)
		kp->group = g;
	return kp;
}

struct dh_keypair *dh_generate(uint16_t group)
{
	struct dh_keypair *kp = keypair_create(group);
	if (!kp)
		return NULL;

	EVP_PKEY *params = pkey_make(kp->group, NULL, 0, NULL, NULL);
	EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL) : NULL;
	bool ok = ctx && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_generate(ctx, &kp->pkey) == 1 &&
		  public_export(kp) == 0;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(params);
	if (!ok) {
		dh_destroy(kp);
		errno = EIO;
		return NULL;
	}
	return kp;
}

// g^priv for a private value that came without its public one.
static EVP_PKEY *pkey_from_private(const struct group *g, const BIGNUM *priv)
{
	EVP_PKEY *pkey = NULL, *params = pkey_make(g, NULL, 0, NULL, NULL);
	BN_CTX *bn = BN_CTX_secure_new();
	BIGNUM *p = NULL, *gen = NULL, *y = BN_new();

	if (!params || !bn || !y)
		goto out;
	if (g->ecp) {
		const int nid = g->id == 19   ? NID_X9_62_prime256v1
				: g->id == 20 ? NID_secp384r1
					      : NID_secp521r1;
		uint8_t point[1 + DH_PUBLIC_MAX];
		EC_GROUP *curve = EC_GROUP_new_by_curve_name(nid);
		EC_POINT *q = curve ? EC_POINT_new(curve) : NULL;
		size_t n = 0;
		if (q && EC_POINT_mul(curve, q, priv, NULL, NULL, bn) == 1)
			n = EC_POINT_point2oct(curve, q, POINT_CONVERSION_UNCOMPRESSED, point,
					       sizeof(point), bn);
		if (n == 1u + g->public_len)
			pkey = pkey_make(g, point, n, NULL, priv);
		EC_POINT_free(q);
		EC_GROUP_free(curve);
	} else if (EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_P, &p) == 1 &&
		   EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_G, &gen) == 1 &&
		   BN_mod_exp_mont_consttime(y, gen, priv, p, bn, NULL) == 1) {
		pkey = pkey_make(g, NULL, 0, y, priv);
	}
out:
	BN_free(p);
	BN_free(gen);
	BN_free(y);
	BN_CTX_free(bn);
	EVP_PKEY_free(params);
	return pkey;
}

struct dh_keypair *dh_import(uint16_t group, const uint8_t *private_be, size_t len)
{
	if (len == 0 || len > DH_PUBLIC_MAX) {
		errno = EINVAL;
		return NULL;
	}
	struct dh_keypair *kp = keypair_create(group);
	if (!kp)
		return NULL;
	BIGNUM *priv = BN_secure_new();
	if (priv && BN_bin2bn(private_be, (int)len, priv)) {
		BN_set_flags(priv, BN_FLG_CONSTTIME);
		kp->pkey = pkey_from_private(kp->group, priv);
	}
	BN_clear_free(priv);
	if (!kp->pkey || public_export(kp) != 0) {
		dh_destroy(kp);
		errno = EIO;
		return NULL;
	}
	return kp;
}

void dh_destroy(struct dh_keypair *kp)
{
	if (!kp)
		return;
	EVP_PKEY_free(kp->pkey);  // clears the private value
	secret_wipe(kp, sizeof(*kp));
	free(kp);
}

// RFC 6989 2.1: 1 < y < p-1 is all a safe-prime group needs; 2.2: in group 24, whose p-1 has small
// factors, y must lie in the subgroup of order q, else the peer learns our exponent modulo those.
static int modp_check(const struct group *g, const BIGNUM *y)
{
	EVP_PKEY *params = pkey_make(g, NULL, 0, NULL, NULL);
	BIGNUM *p = NULL, *q = NULL, *t = BN_new();
	BN_CTX *bn = BN_CTX_new();
	int rc = -EIO;

	if (!params || !t || !bn || EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_P, &p) != 1 ||
	    !BN_copy(t, p) || !BN_sub_word(t, 1))
		goto out;
	rc = -EBADMSG;
	if (BN_is_zero(y) || BN_is_one(y) || BN_cmp(y, t) >= 0)
		goto out;
	rc = 0;
	if (g->subgroup) {
		rc = -EIO;
		if (EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_Q, &q) == 1 &&
		    BN_mod_exp(t, y, q, p, bn) == 1)
			rc = BN_is_one(t) ? 0 : -EBADMSG;
	}
out:
	BN_free(p);
	BN_free(q);
	BN_free(t);
	BN_CTX_free(bn);
	EVP_PKEY_free(params);
	return rc;
}

// The peer's value as a key, fully checked. *out is the caller's.
static int peer_import(const struct group *g, const uint8_t *peer, size_t len, EVP_PKEY **out)
{
	*out = NULL;
	if (len != g->public_len)
		return -EBADMSG;
	if (g->ecp) {
		// Decoding the point refuses coordinates >= p and points off the curve; these
		// curves have cofactor 1 and the encoding cannot say "infinity", so nothing else is
		// left.
		uint8_t point[1 + DH_PUBLIC_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
		memcpy(point + 1, peer, len);
		*out = pkey_make(g, point, 1 + len, NULL, NULL);
		return *out ? 0 : -EBADMSG;
	}
	BIGNUM *y = BN_bin2bn(peer, (int)len, NULL);
	int rc = y ? modp_check(g, y) : -EIO;
	if (rc == 0) {
		*out = pkey_make(g, NULL, 0, y, NULL);
		rc = *out ? 0 : -EIO;
	}
	BN_free(y);
	return rc;
}

int dh_check_public(uint16_t group, const uint8_t *peer, size_t len)
{
	const struct group *g = group_lookup(group);
	if (!g)
		return -EINVAL;
	EVP_PKEY *pkey;
	int rc = peer_import(g, peer, len, &pkey);
	EVP_PKEY_free(pkey);
	return rc;
}

int dh_compute(const struct dh_keypair *kp, const uint8_t *peer, size_t len, struct secret *out)
{
	const struct group *g = kp->group;
	uint8_t z[DH_PUBLIC_MAX];
	size_t n = sizeof(z);
	EVP_PKEY *theirs;
	int rc = peer_import(g, peer, len, &theirs);
	if (rc != 0)
		return rc;

	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, kp->pkey, NULL);
	rc = -EIO;
	// The value is checked already, hence no second validation (it would cost an
	// exponentiation). The secret keeps its leading zeros: RFC 2409 hashes g^xy as long as the
	// prime.
	if (ctx && EVP_PKEY_derive_init(ctx) == 1 &&
	    (g->ecp || EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1) &&
	    EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) == 1 && EVP_PKEY_derive(ctx, z, &n) == 1 &&
	    n == g->secret_len)
		rc = secret_set(out, z, n);
	secret_wipe(z, sizeof(z));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	return rc;
}
