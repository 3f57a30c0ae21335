// ESP algorithms on intel-ipsec-mb: prepared keys and functions that seal or open a burst.
//
// Which function serves an SA is decided once, when its key is prepared; the packet path calls a
// pointer. AES-GCM, GMAC and ChaCha20-Poly1305 are direct one-shot calls; everything else goes
// through the job interface, whole bursts at a time, also across SAs. Keys are prepared by the
// control thread; contexts belong to one worker each.
#pragma once

#include <intel-ipsec-mb.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "burst.h"
#include "dp.h"

#define CRYPTO_IV_MAX  16
#define CRYPTO_ICV_MAX 32
#define CRYPTO_IV_POOL 4096

// One packet in a crypto pass. esp points to the ESP header; it is followed by the IV, `len` bytes
// of payload (plain or ciphertext, in place) and icv_len bytes of ICV, all in one piece.
struct crypto_op {
	const void *key;  // struct sa's key
	uint8_t *esp;
	// Salt and IV of the counter modes. Written when the headers are made, long before the
	// library reads it in one piece: a load that spans stores still on their way costs as much
	// as a block.
	alignas(16) uint8_t nonce[16];
	uint32_t len;
	uint32_t seq_hi_be;  // with esn: authenticated, not sent
	uint8_t iv_len;      // bytes on the wire
	uint8_t icv_len;
	uint8_t esn;
	uint8_t ok;  // out: sealed, or opened and the ICV was right
	uint32_t spare;
	uint8_t tag[16];  // computed ICV of the direct calls
};
_Static_assert(sizeof(struct crypto_op) == 64, "one op, one line");

struct crypto_ctx;
// Works on ops[0..n), which share this function but not necessarily the key. n <= BURST_MAX.
typedef void (*crypto_fn)(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);

struct crypto_ctx {
	IMB_MGR *mgr;
	alignas(64) struct crypto_op ops[BURST_MAX];
	struct crypto_group {  // ops from `from` on, up to the next group, have this function
		crypto_fn fn;
		uint32_t from;
	} group[BURST_MAX];
	uint32_t groups;
	alignas(64) struct gcm_context_data gcm;  // one line, written several times a packet
	struct chacha20_poly1305_context_data chacha;
	uint8_t tags[BURST_MAX][64];  // computed ICVs of a job burst
	uint8_t nonces[BURST_MAX][16];
	uint8_t aads[BURST_MAX][16];
	// unpredictable IVs: keystream under a key that every refill replaces
	uint32_t iv_at;
	uint64_t iv_refills;
	struct gcm_key_data *iv_key;
	alignas(64) uint8_t iv_pool[CRYPTO_IV_POOL];
};
struct crypto_ctx *crypto_ctx_create(int socket, struct err *err);  // NULL and err on failure
void crypto_ctx_destroy(struct crypto_ctx *ctx);                    // wipes; NULL is allowed

// What a pair of algorithms means on the wire and which functions serve it.
struct crypto_suite {
	crypto_fn seal, open;
	uint8_t iv_len, icv_len;
	uint8_t block;    // alignment of the payload, at least 4 (RFC 4303 2.4)
	bool counter_iv;  // IV = prefix | counter; otherwise from the generator
	size_t key_size;  // bytes of prepared key, to be aligned to 64
};

int crypto_init(struct err *err);  // control thread, once; again is harmless
void crypto_fini(void);
// Fills *s for the algorithms of p. -ENOTSUP: no such combination here; -EINVAL: key, salt or ICV
// length does not fit. Looks at lengths only, not at key bytes.
int crypto_suite_select(const struct dp_sa *p, struct crypto_suite *s, struct err *err);
// Expands p's keys into `key` (s->key_size bytes, aligned to 64).
int crypto_key_expand(const struct dp_sa *p, const struct crypto_suite *s, void *key,
		      struct err *err);
// Can the engine do this pair at all (also what the API refuses: no protection at all)?
bool crypto_can(enum dp_cipher c, enum dp_auth a, uint16_t key_len);
const char *crypto_library_name(void);
const char *crypto_architecture(void);

// crypto_iv.c: the next len (<= 16) unpredictable bytes.
void crypto_iv_refill(struct crypto_ctx *ctx);
int crypto_iv_init(struct crypto_ctx *ctx);
static inline const uint8_t *crypto_iv_next(struct crypto_ctx *ctx, uint32_t len)
{
	const uint8_t *iv;

	if (ctx->iv_at + len > CRYPTO_IV_POOL)
		crypto_iv_refill(ctx);
	iv = ctx->iv_pool + ctx->iv_at;
	ctx->iv_at += len;
	return iv;
}

// ---- inside the crypto files -------------------------------------------------------------------
// crypto_gcm.c, crypto_chacha.c
size_t crypto_gcm_key_size(uint16_t key_len);  // what this processor's code really uses
int crypto_gcm_init(IMB_MGR *mgr);
void crypto_gcm_expand(IMB_MGR *mgr, const struct dp_sa *p, void *key);
crypto_fn crypto_gcm_fn(uint16_t key_len, bool seal);
crypto_fn crypto_gmac_fn(uint16_t key_len, bool seal);
void crypto_chacha_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);
void crypto_chacha_open(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);

// crypto_job.c: key of everything that uses jobs
#define CRYPTO_JOB_SUITES (IMB_VERSION_NUM >= IMB_VERSION(1, 4, 0))
struct crypto_job_key {
#if CRYPTO_JOB_SUITES
	uint32_t suite[2][2];  // open, seal: by what the library finds the code for a burst's job
#endif
	IMB_CIPHER_MODE cipher;
	IMB_HASH_ALG hash;
	uint16_t key_len, salt_len;
	uint8_t salt[4];
	const void *enc, *dec;  // into sched or the arrays of pointers
	const void *des[3];
	union {
		struct {
			alignas(16) uint8_t ipad[64], opad[64];
		} hmac;
		struct {
			alignas(16) uint32_t k1[44];
			uint8_t k2[16], k3[16];
		} xcbc;
	} auth;
	alignas(16) uint8_t sched[2][16 * 15];  // AES: encryption and decryption round keys
	uint64_t des_sched[3][16];
};
int crypto_job_expand(IMB_MGR *mgr, const struct dp_sa *p, struct crypto_job_key *key);
void crypto_job_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);
void crypto_job_open(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);
void crypto_ccm_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);
void crypto_ccm_open(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);
// Nothing to encrypt and nothing to authenticate: manual keys of test captures only.
void crypto_null_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n);

// Fills in what the packet's bytes say: IV behind the ESP header.
static inline void crypto_op_nonce(struct crypto_op *op, uint32_t salt)
{
	memcpy(op->nonce, &salt, 4);
	memcpy(op->nonce + 4, op->esp + 8, 8);
}

// Constant time in the contents. len <= CRYPTO_ICV_MAX.
static inline bool crypto_icv_equal(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	uint64_t x[2], y[2];
	uint32_t diff = 0;

	if (len == 16) {
		memcpy(x, a, 16);
		memcpy(y, b, 16);
		return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
	}
	for (uint32_t i = 0; i < len; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}
