// ChaCha20-Poly1305 (RFC 7634) by direct calls of the library. The prepared key is the 32 bytes.
#include "crypto.h"

#include <string.h>

static const uint8_t *chacha_start(struct crypto_ctx *ctx, const struct crypto_op *op,
				   uint8_t aad[12])
{
	uint64_t aad_len = 8;

	memcpy(aad, op->esp, 8);
	if (op->esn) {
		memcpy(aad + 4, &op->seq_hi_be, 4);
		memcpy(aad + 8, op->esp + 4, 4);
		aad_len = 12;
	}
	IMB_CHACHA20_POLY1305_INIT(ctx->mgr, op->key, &ctx->chacha, op->nonce, aad, aad_len);
	return op->key;
}

void crypto_chacha_seal(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	uint8_t aad[12], tag[16];

	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = &ops[i];
		uint8_t *data = op->esp + 16;
		const uint8_t *key = chacha_start(ctx, op, aad);

		IMB_CHACHA20_POLY1305_ENC_UPDATE(ctx->mgr, key, &ctx->chacha, data, data, op->len);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(ctx->mgr, &ctx->chacha, tag, 16);
		memcpy(data + op->len, tag, 16);
		op->ok = 1;
	}
}

void crypto_chacha_open(struct crypto_ctx *ctx, struct crypto_op *ops, uint32_t n)
{
	uint8_t aad[12], tag[16];

	for (uint32_t i = 0; i < n; i++) {
		struct crypto_op *op = &ops[i];
		uint8_t *data = op->esp + 16;
		const uint8_t *key = chacha_start(ctx, op, aad);

		IMB_CHACHA20_POLY1305_DEC_UPDATE(ctx->mgr, key, &ctx->chacha, data, data, op->len);
		IMB_CHACHA20_POLY1305_DEC_FINALIZE(ctx->mgr, &ctx->chacha, tag, 16);
		op->ok = crypto_icv_equal(tag, data + op->len, 16);
	}
}
