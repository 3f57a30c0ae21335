// AES-GCM (RFC 4106) and AES-GMAC (RFC 4543) by direct calls of the library: one call per packet,
// no queue. One function per key size and direction, so the loop knows its target; the key is the
// library's expanded key and nothing else, cut to the bytes that this processor's code fills.
#include "crypto.h"

#include <rte_common.h>

#include <errno.h>
#include <string.h>

#include "secret.h"

#define PREFETCH_AHEAD 4

static size_t key_bytes[3];  // prepared key of 128, 192, 256 bits

static unsigned key_index(uint16_t key_len)
{
	return (key_len - 16) / 8;
}

static void expand_raw(IMB_MGR *mgr, const uint8_t *bytes, uint16_t key_len, void *key)
{
	switch (key_len) {
	case 16: IMB_AES128_GCM_PRE(mgr, bytes, key); break;
	case 24: IMB_AES192_GCM_PRE(mgr, bytes, key); break;
	default: IMB_AES256_GCM_PRE(mgr, bytes, key); break;
	}
}

// How much of gcm_key_data is in use depends on the processor (how many powers of H the code
// keeps) and may change with the library. Measured instead of assumed: expand over two different
// backgrounds; behind the last byte that is the same in both nothing was written.
int crypto_gcm_init(IMB_MGR *mgr)
{
	static const uint8_t bytes[32] = {0x5a, 1, 2, 3};
	static struct gcm_key_data a, b;

	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *pa = (const uint8_t *)&a, *pb = (const uint8_t *)&b;
		size_t used = sizeof(a);

		memset(&a, 0x00, sizeof(a));
		memset(&b, 0xff, sizeof(b));
		expand_raw(mgr, bytes, (uint16_t)(16 + 8 * i), &a);
		expand_raw(mgr, bytes, (uint16_t)(16 + 8 * i), &b);
		while (used && pa[used - 1] != pb[used - 1])
			used--;
		if (used < 16 * 11 + 16)
			return -EIO;
		key_bytes[i] = RTE_ALIGN_CEIL(used, 64);
	}
	return 0;
}

size_t crypto_gcm_key_size(uint16_t key_len)
{
	return key_bytes[key_index(key_len)];
}

void crypto_gcm_expand(IMB_MGR *mgr, const struct dp_sa *p, void *key)
{
	struct gcm_key_data full;  // the library may write all of it

	memset(&full, 0, sizeof(full));
	expand_raw(mgr, p->key, p->key_len, &full);
	memcpy(key, &full, RTE_MIN(crypto_gcm_key_size(p->key_len), sizeof(full)));
	secret_wipe(&full, sizeof(full));
}

// AAD: the ESP header as it stands, or with the upper half of the number inside (RFC 4106 5).
static inline const uint8_t *make_aad(const struct crypto_op *op, uint8_t aad[16], uint64_t *len)
{
	if (likely(!op->esn)) {
		*len = 8;
		return op->esp;
	}
	memcpy(aad, op->esp, 4);
	memcpy(aad + 4, &op->seq_hi_be, 4);
	memcpy(aad + 8, op->esp + 4, 4);
	*len = 12;
	return aad;
}

// The lines that the library is about to read of a key four packets ahead: the round keys at the
// front and, of the powers of H behind them, as many from the back as the packet has blocks (the
// code keeps the highest power first).
static inline void key_prefetch(const struct crypto_op *ops, uint32_t i, uint32_t n, size_t size)
{
	const uint8_t *key;
	size_t powers, from;

	if (i + PREFETCH_AHEAD >= n || ops[i + PREFETCH_AHEAD].key == ops[i].key)
		return;
	key = ops[i + PREFETCH_AHEAD].key;
	powers = ops[i + PREFETCH_AHEAD].len + 48;
	from = size > powers + 192 ? size - powers : 192;
	__builtin_prefetch(key);
	__builtin_prefetch(key + 64);
	__builtin_prefetch(key + 128);
	for (from &= ~(size_t)63; from < size; from += 64)
		__builtin_prefetch(key + from);
}

static inline __attribute__((always_inline)) void gcm_seal(struct crypto_ctx *ctx,
							   struct crypto_op *ops, uint32_t n,
							   aes_gcm_enc_dec_t enc, size_t key_size)
{
	bool keys = ops[0].key != ops[n - 1].key;  // many, or so it looks
	uint8_t aad[16];
	uint64_t aad_len;

	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = &ops[i];
		uint8_t *data = op->esp + 16;
		const uint8_t *a = make_aad(op, aad, &aad_len);

		if (keys)
			key_prefetch(ops, i, n, key_size);
		enc(op->key, &ctx->gcm, data, data, op->len, op->nonce, a, aad_len, data + op->len,
		    op->icv_len);
		op->ok = 1;
	}
}

static inline __attribute__((always_inline)) void gcm_open(struct crypto_ctx *ctx,
							   struct crypto_op *ops, uint32_t n,
							   aes_gcm_enc_dec_t dec, size_t key_size)
{
	bool keys = ops[0].key != ops[n - 1].key;
	uint8_t aad[16];
	uint64_t aad_len;

	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = &ops[i];
		uint8_t *data = op->esp + 16;
		const uint8_t *a = make_aad(op, aad, &aad_len);

		if (keys)
			key_prefetch(ops, i, n, key_size);
		dec(op->key, &ctx->gcm, data, data, op->len, op->nonce, a, aad_len, op->tag,
		    op->icv_len);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = &ops[i];

		op->ok = crypto_icv_equal(op->tag, op->esp + 16 + op->len, op->icv_len);
	}
}

// GMAC authenticates SPI | number | IV | payload and encrypts nothing (RFC 4543 3.3): one AAD. With
// ESN the upper half has to stand inside: SPI and upper half are put 4 bytes ahead, over the end of
// the outer header, for the time of the call.
static inline __attribute__((always_inline)) void gmac(struct crypto_ctx *ctx, struct crypto_op *op,
						       aes_gcm_enc_dec_t enc, uint8_t *tag)
{
	uint8_t saved[8];

	if (likely(!op->esn)) {
		enc(op->key, &ctx->gcm, tag, tag, 0, op->nonce, op->esp, 16 + op->len, tag,
		    op->icv_len);
		return;
	}
	memcpy(saved, op->esp - 4, 8);
	memcpy(op->esp - 4, saved + 4, 4);
	memcpy(op->esp, &op->seq_hi_be, 4);
	enc(op->key, &ctx->gcm, tag, tag, 0, op->nonce, op->esp - 4, 20 + op->len, tag,
	    op->icv_len);
	memcpy(op->esp - 4, saved, 8);
}

static inline __attribute__((always_inline)) void gmac_seal(struct crypto_ctx *ctx,
							    struct crypto_op *ops, uint32_t n,
							    aes_gcm_enc_dec_t enc)
{
	for (uint32_t i = 0; i < n; i++) {
		gmac(ctx, &ops[i], enc, ops[i].esp + 16 + ops[i].len);
		ops[i].ok = 1;
	}
}

static inline __attribute__((always_inline)) void gmac_open(struct crypto_ctx *ctx,
							    struct crypto_op *ops, uint32_t n,
							    aes_gcm_enc_dec_t enc)
{
	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = &ops[i];

		gmac(ctx, op, enc, op->tag);
		op->ok = crypto_icv_equal(op->tag, op->esp + 16 + op->len, op->icv_len);
	}
}

// clang-format off
static void gcm128_seal(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gcm_seal(c, o, n, c->mgr->gcm128_enc, key_bytes[0]); }
static void gcm192_seal(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gcm_seal(c, o, n, c->mgr->gcm192_enc, key_bytes[1]); }
static void gcm256_seal(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gcm_seal(c, o, n, c->mgr->gcm256_enc, key_bytes[2]); }
static void gcm128_open(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gcm_open(c, o, n, c->mgr->gcm128_dec, key_bytes[0]); }
static void gcm192_open(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gcm_open(c, o, n, c->mgr->gcm192_dec, key_bytes[1]); }
static void gcm256_open(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gcm_open(c, o, n, c->mgr->gcm256_dec, key_bytes[2]); }
static void gmac128_seal(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gmac_seal(c, o, n, c->mgr->gcm128_enc); }
static void gmac192_seal(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gmac_seal(c, o, n, c->mgr->gcm192_enc); }
static void gmac256_seal(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gmac_seal(c, o, n, c->mgr->gcm256_enc); }
static void gmac128_open(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gmac_open(c, o, n, c->mgr->gcm128_enc); }
static void gmac192_open(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gmac_open(c, o, n, c->mgr->gcm192_enc); }
static void gmac256_open(struct crypto_ctx *c, struct crypto_op *o, uint32_t n) { gmac_open(c, o, n, c->mgr->gcm256_enc); }
// clang-format on

crypto_fn crypto_gcm_fn(uint16_t key_len, bool seal)
{
	static const crypto_fn fns[3][2] = {
		{gcm128_open, gcm128_seal}, {gcm192_open, gcm192_seal}, {gcm256_open, gcm256_seal}};

	return fns[key_index(key_len)][seal];
}

crypto_fn crypto_gmac_fn(uint16_t key_len, bool seal)
{
	static const crypto_fn fns[3][2] = {{gmac128_open, gmac128_seal},
					    {gmac192_open, gmac192_seal},
					    {gmac256_open, gmac256_seal}};

	return fns[key_index(key_len)][seal];
}
