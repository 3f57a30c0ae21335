// Everything that uses the library's job interface: a block cipher or AES-CTR with a separate MAC,
// and AES-CCM. A burst of packets is submitted as a whole and then flushed, so the library can work
// on several at a time, whoever they belong to.
#include "crypto.h"

#include <errno.h>
#include <string.h>

#include "secret.h"

// ---- keys (control thread) ---------------------------------------------------------------------
struct hmac {
	hash_one_block_t one_block;
	IMB_HASH_ALG hash;
	uint16_t block;
};

static bool hmac_of(const IMB_MGR *mgr, enum dp_auth auth, struct hmac *h)
{
	switch (auth) {
	case DP_AUTH_MD5_96: *h = (struct hmac){mgr->md5_one_block, IMB_AUTH_MD5, 64}; break;
	case DP_AUTH_SHA1_96:
		*h = (struct hmac){mgr->sha1_one_block, IMB_AUTH_HMAC_SHA_1, 64};
		break;
	case DP_AUTH_SHA256_128:
		*h = (struct hmac){mgr->sha256_one_block, IMB_AUTH_HMAC_SHA_256, 64};
		break;
	case DP_AUTH_SHA384_192:
		*h = (struct hmac){mgr->sha384_one_block, IMB_AUTH_HMAC_SHA_384, 128};
		break;
	case DP_AUTH_SHA512_256:
		*h = (struct hmac){mgr->sha512_one_block, IMB_AUTH_HMAC_SHA_512, 128};
		break;
	default: return false;
	}
	return true;
}

// RFC 2104: the states after the padded key's block, inside and outside.
static int hmac_expand(const struct hmac *h, const struct dp_sa *p, struct crypto_job_key *key)
{
	uint8_t block[128];

	if (p->auth_key_len > h->block)
		return -EINVAL;
	for (int pass = 0; pass < 2; pass++) {
		memset(block, 0, sizeof(block));
		memcpy(block, p->auth_key, p->auth_key_len);
		for (unsigned i = 0; i < h->block; i++)
			block[i] ^= pass ? 0x5c : 0x36;
		h->one_block(block, pass ? key->auth.hmac.opad : key->auth.hmac.ipad);
	}
	secret_wipe(block, sizeof(block));
	key->hash = h->hash;
	return 0;
}

static int auth_expand(IMB_MGR *mgr, const struct dp_sa *p, struct crypto_job_key *key)
{
	struct hmac h;

	if (hmac_of(mgr, p->auth, &h))
		return hmac_expand(&h, p, key);
	if (p->auth == DP_AUTH_AES_XCBC_96) {
		IMB_AES_XCBC_KEYEXP(mgr, p->auth_key, key->auth.xcbc.k1, key->auth.xcbc.k2,
				    key->auth.xcbc.k3);
		key->hash = IMB_AUTH_AES_XCBC;
		return 0;
	}
	key->hash = IMB_AUTH_NULL;
	return 0;
}

static void aes_expand(IMB_MGR *mgr, const struct dp_sa *p, struct crypto_job_key *key)
{
	switch (p->key_len) {
	case 16: IMB_AES_KEYEXP_128(mgr, p->key, key->sched[0], key->sched[1]); break;
	case 24: IMB_AES_KEYEXP_192(mgr, p->key, key->sched[0], key->sched[1]); break;
	default: IMB_AES_KEYEXP_256(mgr, p->key, key->sched[0], key->sched[1]); break;
	}
	key->enc = key->sched[0];
	key->dec = key->sched[1];
}

static void des_expand(IMB_MGR *mgr, const struct dp_sa *p, struct crypto_job_key *key)
{
	for (unsigned i = 0; i < p->key_len / 8u; i++) {
		IMB_DES_KEYSCHED(mgr, key->des_sched[i], p->key + 8 * i);
		key->des[i] = key->des_sched[i];
	}
	if (p->cipher == DP_CIPHER_3DES_CBC)
		key->enc = key->dec = key->des;
	else
		key->enc = key->dec = key->des_sched[0];
}

// CCM's MAC is of the plaintext, the others' of the ciphertext.
static inline IMB_CHAIN_ORDER chain_order(bool seal, bool ccm)
{
	return seal == !ccm ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
}

// What is looked up once per key instead of once per job: since 1.4 a burst is not accepted
// without. Managers of the same processor have the same numbers.
static int suites_find(IMB_MGR *mgr, struct crypto_job_key *key)
{
#if CRYPTO_JOB_SUITES
	for (int seal = 0; seal < 2; seal++) {
		IMB_JOB job = {
			.enc_keys = key->enc,
			.dec_keys = key->dec,
			.key_len_in_bytes = key->key_len,
			.cipher_mode = key->cipher,
			.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
			.hash_alg = key->hash,
			.chain_order = chain_order(seal, key->hash == IMB_AUTH_AES_CCM),
		};

		if (imb_set_session(mgr, &job) == 0 && imb_get_errno(mgr))
			return -ENOTSUP;
		memcpy(key->suite[seal], job.suite_id, sizeof(key->suite[seal]));
	}
#endif
	return 0;
}

static int keys_expand(IMB_MGR *mgr, const struct dp_sa *p, struct crypto_job_key *key)
{
	key->key_len = p->key_len;
	key->salt_len = p->salt_len;
	memcpy(key->salt, p->key + p->key_len, p->salt_len);
	switch (p->cipher) {
	case DP_CIPHER_NULL: key->cipher = IMB_CIPHER_NULL; break;
	case DP_CIPHER_DES_CBC:
		key->cipher = IMB_CIPHER_DES;
		des_expand(mgr, p, key);
		break;
	case DP_CIPHER_3DES_CBC:
		key->cipher = IMB_CIPHER_DES3;
		des_expand(mgr, p, key);
		break;
	case DP_CIPHER_AES_CBC:
		key->cipher = IMB_CIPHER_CBC;
		aes_expand(mgr, p, key);
		break;
	case DP_CIPHER_AES_CTR:
		key->cipher = IMB_CIPHER_CNTR;
		aes_expand(mgr, p, key);
		break;
	case DP_CIPHER_AES_CCM:
		key->cipher = IMB_CIPHER_CCM;
		aes_expand(mgr, p, key);
		key->hash = IMB_AUTH_AES_CCM;
		return 0;
	default: return -ENOTSUP;
	}
	return auth_expand(mgr, p, key);
}

int crypto_job_expand(IMB_MGR *mgr, const struct dp_sa *p, struct crypto_job_key *key)
{
	int rc;

	memset(key, 0, sizeof(*key));
	rc = keys_expand(mgr, p, key);
	return rc ? rc : suites_find(mgr, key);
}

// ---- bursts (worker) ---------------------------------------------------------------------------
static void job_cipher(struct crypto_ctx *ctx, const struct crypto_op *op, uint32_t slot,
		       IMB_JOB *job, bool seal)
{
	const struct crypto_job_key *key = op->key;

	job->enc_keys = key->enc;
	job->dec_keys = key->dec;
	job->key_len_in_bytes = key->key_len;
	job->cipher_mode = key->cipher;
	job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
#if CRYPTO_JOB_SUITES
	memcpy(job->suite_id, key->suite[seal], sizeof(job->suite_id));
#endif
	job->src = op->esp;
	job->dst = op->esp + 8 + op->iv_len;
	job->cipher_start_src_offset_in_bytes = 8u + op->iv_len;
	job->msg_len_to_cipher_in_bytes = op->len;
	job->iv = op->esp + 8;
	job->iv_len_in_bytes = op->iv_len;
	if (key->cipher == IMB_CIPHER_CNTR || key->cipher == IMB_CIPHER_CCM) {
		// RFC 3686 4: nonce | IV, the library adds the counter; RFC 4309 4: salt | IV
		memcpy(ctx->nonces[slot], key->salt, key->salt_len);
		memcpy(ctx->nonces[slot] + key->salt_len, op->esp + 8, 8);
		job->iv = ctx->nonces[slot];
		job->iv_len_in_bytes = key->salt_len + 8u;
	}
}

static void job_auth(const struct crypto_op *op, IMB_JOB *job)
{
	const struct crypto_job_key *key = op->key;

	job->hash_alg = key->hash;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = 8u + op->iv_len + op->len + (op->esn ? 4u : 0u);
	job->auth_tag_output_len_in_bytes = op->icv_len;
	if (key->hash == IMB_AUTH_AES_XCBC) {
		job->u.XCBC._k1_expanded = key->auth.xcbc.k1;
		job->u.XCBC._k2 = key->auth.xcbc.k2;
		job->u.XCBC._k3 = key->auth.xcbc.k3;
	} else {
		job->u.HMAC._hashed_auth_key_xor_ipad = key->auth.hmac.ipad;
		job->u.HMAC._hashed_auth_key_xor_opad = key->auth.hmac.opad;
	}
}

static void job_ccm(struct crypto_ctx *ctx, const struct crypto_op *op, uint32_t slot, IMB_JOB *job)
{
	uint8_t *aad = ctx->aads[slot];

	memcpy(aad, op->esp, 8);
	if (op->esn) {  // RFC 4309 5: SPI | upper | lower
		memcpy(aad + 4, &op->seq_hi_be, 4);
		memcpy(aad + 8, op->esp + 4, 4);
	}
	job->hash_alg = IMB_AUTH_AES_CCM;
	job->hash_start_src_offset_in_bytes = job->cipher_start_src_offset_in_bytes;
	job->msg_len_to_hash_in_bytes = op->len;
	job->auth_tag_output_len_in_bytes = op->icv_len;
	job->u.CCM.aad = aad;
	job->u.CCM.aad_len_in_bytes = op->esn ? 12 : 8;
}

static void jobs_done(IMB_JOB **jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = jobs[i]->user_data;

		op->ok = jobs[i]->status == IMB_STATUS_COMPLETED;
	}
}

// Computed ICVs go to ctx->tags[i]: with ESN the place behind the payload holds the upper half of
// the number while the library reads it.
static inline __attribute__((always_inline)) void jobs_run(struct crypto_ctx *ctx,
							   struct crypto_op *ops, uint32_t n,
							   bool seal, bool ccm)
{
	IMB_JOB *jobs[BURST_MAX];
	uint32_t done = 0, got;

	for (uint32_t at = 0; at < n;) {
		uint32_t room = IMB_GET_NEXT_BURST(ctx->mgr, n - at, jobs);

		for (uint32_t i = 0; i < room; i++) {
			struct crypto_op *op = &ops[at + i];

			op->ok = 0;
			job_cipher(ctx, op, at + i, jobs[i], seal);
			if (ccm)
				job_ccm(ctx, op, at + i, jobs[i]);
			else
				job_auth(op, jobs[i]);
			jobs[i]->chain_order = chain_order(seal, ccm);
			jobs[i]->auth_tag_output = ctx->tags[at + i];
			jobs[i]->user_data = op;
		}
		at += room;
		if (room) {
			got = IMB_SUBMIT_BURST_NOCHECK(ctx->mgr, room, jobs);
		} else {
			got = IMB_FLUSH_BURST(ctx->mgr, BURST_MAX, jobs);
			if (!got)
				break;
		}
		jobs_done(jobs, got);
		done += got;
	}
	while (done < n && (got = IMB_FLUSH_BURST(ctx->mgr, n - done, jobs)) > 0) {
		jobs_done(jobs, got);
		done += got;
	}
}

void crypto_job_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (ops[i].esn && ops[i].icv_len)
			memcpy(ops[i].esp + 8 + ops[i].iv_len + ops[i].len, &ops[i].seq_hi_be, 4);
	jobs_run(ctx, ops, n, true, false);
	for (uint32_t i = 0; i < n; i++)
		memcpy(ops[i].esp + 8 + ops[i].iv_len + ops[i].len, ctx->tags[i], ops[i].icv_len);
}

void crypto_job_open(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	uint8_t saved[BURST_MAX][4];

	for (uint32_t i = 0; i < n; i++) {
		uint8_t *icv = ops[i].esp + 8 + ops[i].iv_len + ops[i].len;

		if (ops[i].esn && ops[i].icv_len) {
			memcpy(saved[i], icv, 4);
			memcpy(icv, &ops[i].seq_hi_be, 4);
		}
	}
	jobs_run(ctx, ops, n, false, false);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *icv = ops[i].esp + 8 + ops[i].iv_len + ops[i].len;

		if (ops[i].esn && ops[i].icv_len)
			memcpy(icv, saved[i], 4);
		ops[i].ok &= crypto_icv_equal(ctx->tags[i], icv, ops[i].icv_len);
	}
}

void crypto_ccm_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	jobs_run(ctx, ops, n, true, true);
	for (uint32_t i = 0; i < n; i++)
		memcpy(ops[i].esp + 16 + ops[i].len, ctx->tags[i], ops[i].icv_len);
}

void crypto_ccm_open(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	jobs_run(ctx, ops, n, false, true);
	for (uint32_t i = 0; i < n; i++)
		ops[i].ok &= crypto_icv_equal(ctx->tags[i], ops[i].esp + 16 + ops[i].len,
					      ops[i].icv_len);
}

void crypto_null_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	(void)ctx;
	for (uint32_t i = 0; i < n; i++)
		ops[i].ok = 1;
}
