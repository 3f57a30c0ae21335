// Start of the crypto engine, the table of algorithms, and the workers' contexts.
//
// One library manager serves key expansion on the control thread; every worker has its own for the
// packets. All of them pick the same code for this processor, so expanded keys fit everywhere.
#include "crypto.h"

#include <rte_malloc.h>

#include <errno.h>
#include <string.h>

#include "rand.h"
#include "secret.h"

static IMB_MGR *control_mgr;

enum family { FAMILY_GCM, FAMILY_GMAC, FAMILY_CCM, FAMILY_CHACHA, FAMILY_JOB };

struct cipher_row {
	const char *name;
	enum family family;
	uint8_t key_lens[4];  // bytes, 0 ends (a first 0 = no key)
	uint8_t salt_len, iv_len, block;
	uint8_t icv_lens[4];  // combined modes
};

// RFC 4106, 4543, 4309, 7634, 3602, 2451, 2405, 3686, 2410
static const struct cipher_row cipher_rows[] = {
	[DP_CIPHER_NULL] = {"null", FAMILY_JOB, {0}, 0, 0, 4, {0}},
	[DP_CIPHER_DES_CBC] = {"des-cbc", FAMILY_JOB, {8}, 0, 8, 8, {0}},
	[DP_CIPHER_3DES_CBC] = {"3des-cbc", FAMILY_JOB, {24}, 0, 8, 8, {0}},
	[DP_CIPHER_AES_CBC] = {"aes-cbc", FAMILY_JOB, {16, 24, 32}, 0, 16, 16, {0}},
	[DP_CIPHER_AES_CTR] = {"aes-ctr", FAMILY_JOB, {16, 24, 32}, 4, 8, 4, {0}},
	[DP_CIPHER_AES_GCM] = {"aes-gcm", FAMILY_GCM, {16, 24, 32}, 4, 8, 4, {8, 12, 16}},
	[DP_CIPHER_AES_GMAC] = {"aes-gmac", FAMILY_GMAC, {16, 24, 32}, 4, 8, 4, {16}},
	// the library has CCM for 128 and 256 bits only
	[DP_CIPHER_AES_CCM] = {"aes-ccm", FAMILY_CCM, {16, 32}, 3, 8, 4, {8, 12, 16}},
	[DP_CIPHER_CHACHA20_POLY1305] = {"chacha20-poly1305", FAMILY_CHACHA, {32}, 4, 8, 4, {16}},
};

struct auth_row {
	const char *name;
	uint8_t key_len, icv_len;
};
static const struct auth_row auth_rows[] = {
	[DP_AUTH_NONE] = {"none", 0, 0},
	[DP_AUTH_MD5_96] = {"hmac-md5-96", 16, 12},
	[DP_AUTH_SHA1_96] = {"hmac-sha1-96", 20, 12},
	[DP_AUTH_SHA256_128] = {"hmac-sha2-256-128", 32, 16},
	[DP_AUTH_SHA384_192] = {"hmac-sha2-384-192", 48, 24},
	[DP_AUTH_SHA512_256] = {"hmac-sha2-512-256", 64, 32},
	[DP_AUTH_AES_XCBC_96] = {"aes-xcbc-96", 16, 12},
};

static IMB_MGR *mgr_create(void)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);

	if (mgr)
		init_mb_mgr_auto(mgr, NULL);
	return mgr;
}

int crypto_init(struct err *err)
{
	int rc;

	if (control_mgr)
		return 0;
	control_mgr = mgr_create();
	if (!control_mgr)
		return err_set(err, -ENOMEM, "crypto library: no memory");
	if (imb_get_errno(control_mgr)) {
		rc = err_set(err, -ENOTSUP, "crypto library cannot start on this processor: %s",
			     imb_get_strerror(imb_get_errno(control_mgr)));
		crypto_fini();
		return rc;
	}
	if (crypto_gcm_init(control_mgr)) {
		crypto_fini();
		return err_set(err, -EIO, "crypto library: unexpected AES-GCM key layout");
	}
	return 0;
}

void crypto_fini(void)
{
	if (control_mgr)
		free_mb_mgr(control_mgr);
	control_mgr = NULL;
}

const char *crypto_library_name(void)
{
	static char name[48];

	if (!name[0])
		snprintf(name, sizeof(name), "intel-ipsec-mb %s", imb_get_version_str());
	return name;
}

const char *crypto_architecture(void)
{
	static const char *const name[] = {"none", "no AES-NI", "SSE", "AVX", "AVX2", "AVX512"};
	uint32_t arch = control_mgr ? control_mgr->used_arch : 0;

	if (arch == IMB_ARCH_AVX512 && (control_mgr->features & IMB_FEATURE_VAES))
		return "AVX512 (VAES)";
	return arch < RTE_DIM(name) ? name[arch] : "unknown";
}

struct crypto_ctx *crypto_ctx_create(int socket, struct err *err)
{
	struct crypto_ctx *ctx = rte_zmalloc_socket("crypto", sizeof(*ctx), 64, socket);

	if (!ctx) {
		err_set(err, -ENOMEM, "no memory for a worker's crypto context");
		return NULL;
	}
	ctx->mgr = mgr_create();
	if (!ctx->mgr || imb_get_errno(ctx->mgr) || crypto_iv_init(ctx)) {
		err_set(err, -EIO, "crypto library cannot start for a worker");
		crypto_ctx_destroy(ctx);
		return NULL;
	}
	return ctx;
}

void crypto_ctx_destroy(struct crypto_ctx *ctx)
{
	if (!ctx)
		return;
	if (ctx->mgr)
		free_mb_mgr(ctx->mgr);
	if (ctx->iv_key) {
		secret_wipe(ctx->iv_key, sizeof(*ctx->iv_key));
		rte_free(ctx->iv_key);
	}
	secret_wipe(ctx, sizeof(*ctx));
	rte_free(ctx);
}

static bool listed(const uint8_t list[4], uint16_t v)
{
	for (unsigned i = 0; i < 4; i++)
		if (list[i] == v && (v || i == 0))
			return true;
	return false;
}

bool crypto_can(enum dp_cipher c, enum dp_auth a, uint16_t key_len)
{
	if (c >= RTE_DIM(cipher_rows) || a >= RTE_DIM(auth_rows))
		return false;
	if (cipher_rows[c].family != FAMILY_JOB && a != DP_AUTH_NONE)
		return false;
	return listed(cipher_rows[c].key_lens, key_len);
}

static int lengths_check(const struct dp_sa *p, const struct cipher_row *c,
			 const struct auth_row *a, struct err *err)
{
	if (!listed(c->key_lens, p->key_len))
		return err_set(err, -EINVAL, "%s: a key of %u bytes does not fit", c->name,
			       p->key_len);
	if (p->salt_len != c->salt_len)
		return err_set(err, -EINVAL, "%s: a salt of %u bytes does not fit", c->name,
			       p->salt_len);
	if (c->family == FAMILY_JOB) {
		if (p->auth_key_len != a->key_len)
			return err_set(err, -EINVAL, "%s: a key of %u bytes does not fit", a->name,
				       p->auth_key_len);
		if (p->icv_len && p->icv_len != a->icv_len)
			return err_set(err, -EINVAL, "%s: an ICV of %u bytes does not fit", a->name,
				       p->icv_len);
	} else if (!p->icv_len || !listed(c->icv_lens, p->icv_len)) {
		return err_set(err, -EINVAL, "%s: an ICV of %u bytes does not fit", c->name,
			       p->icv_len);
	}
	return 0;
}

int crypto_suite_select(const struct dp_sa *p, struct crypto_suite *s, struct err *err)
{
	const struct cipher_row *c;
	int rc;

	if (p->cipher >= RTE_DIM(cipher_rows) || p->auth >= RTE_DIM(auth_rows))
		return err_set(err, -ENOTSUP, "unknown ESP algorithm");
	c = &cipher_rows[p->cipher];
	if (c->family != FAMILY_JOB && p->auth != DP_AUTH_NONE)
		return err_set(err, -EINVAL, "%s takes no separate authentication", c->name);
	rc = lengths_check(p, c, &auth_rows[p->auth], err);
	if (rc)
		return rc;
	*s = (struct crypto_suite){.iv_len = c->iv_len,
				   .icv_len = c->family == FAMILY_JOB ? auth_rows[p->auth].icv_len
								      : p->icv_len,
				   .block = c->block,
				   .counter_iv = c->iv_len == 8 && c->salt_len};
	switch (c->family) {
	case FAMILY_GCM:
		s->seal = crypto_gcm_fn(p->key_len, true);
		s->open = crypto_gcm_fn(p->key_len, false);
		s->key_size = crypto_gcm_key_size(p->key_len);
		break;
	case FAMILY_GMAC:
		s->seal = crypto_gmac_fn(p->key_len, true);
		s->open = crypto_gmac_fn(p->key_len, false);
		s->key_size = crypto_gcm_key_size(p->key_len);
		break;
	case FAMILY_CHACHA:
		s->seal = crypto_chacha_seal;
		s->open = crypto_chacha_open;
		s->key_size = 32;
		break;
	case FAMILY_CCM:
		s->seal = crypto_ccm_seal;
		s->open = crypto_ccm_open;
		s->key_size = sizeof(struct crypto_job_key);
		break;
	case FAMILY_JOB:
		s->seal = crypto_job_seal;
		s->open = crypto_job_open;
		s->key_size = sizeof(struct crypto_job_key);
		if (p->cipher == DP_CIPHER_NULL && p->auth == DP_AUTH_NONE)
			s->seal = s->open = crypto_null_seal;
		break;
	}
	return 0;
}

int crypto_key_expand(const struct dp_sa *p, const struct crypto_suite *s, void *key,
		      struct err *err)
{
	int rc;

	(void)s;
	if (!control_mgr)
		return err_set(err, -EINVAL, "crypto library is not started");
	switch (cipher_rows[p->cipher].family) {
	case FAMILY_GCM:
	case FAMILY_GMAC: crypto_gcm_expand(control_mgr, p, key); break;
	case FAMILY_CHACHA: memcpy(key, p->key, 32); break;
	default:
		rc = crypto_job_expand(control_mgr, p, key);
		if (rc)
			return err_set(err, rc, "%s with %s: keys cannot be prepared",
				       cipher_rows[p->cipher].name, auth_rows[p->auth].name);
	}
	return 0;
}
