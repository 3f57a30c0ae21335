// Unpredictable IVs for CBC (RFC 3602 3, NIST SP 800-38A appendix C): a pool of AES-256 keystream.
// The first 32 bytes of every refill become the next key, so what was handed out cannot be computed
// from what is in memory later. Seeded once from the kernel; a worker makes no system call.
#include "crypto.h"

#include <rte_malloc.h>

#include <errno.h>
#include <string.h>

#include "rand.h"
#include "secret.h"

#define IV_KEY_LEN 32

static void iv_keystream(struct crypto_ctx *ctx)
{
	uint8_t nonce[12] = {0}, tag[16];

	// A key serves one refill only, so the nonce may stand still; the counter is kept as a
	// guard.
	memcpy(nonce, &ctx->iv_refills, sizeof(ctx->iv_refills));
	memset(ctx->iv_pool, 0, sizeof(ctx->iv_pool));
	IMB_AES256_GCM_ENC(ctx->mgr, ctx->iv_key, &ctx->gcm, ctx->iv_pool, ctx->iv_pool,
			   sizeof(ctx->iv_pool), nonce, NULL, 0, tag, sizeof(tag));
	ctx->iv_refills++;
}

void crypto_iv_refill(struct crypto_ctx *ctx)
{
	iv_keystream(ctx);
	IMB_AES256_GCM_PRE(ctx->mgr, ctx->iv_pool, ctx->iv_key);
	secret_wipe(ctx->iv_pool, IV_KEY_LEN);
	ctx->iv_at = IV_KEY_LEN;
}

int crypto_iv_init(struct crypto_ctx *ctx)
{
	uint8_t seed[IV_KEY_LEN];

	ctx->iv_key = rte_zmalloc(NULL, sizeof(*ctx->iv_key), 64);
	if (!ctx->iv_key)
		return -ENOMEM;
	rand_bytes(seed, sizeof(seed));
	IMB_AES256_GCM_PRE(ctx->mgr, seed, ctx->iv_key);
	secret_wipe(seed, sizeof(seed));
	crypto_iv_refill(ctx);
	return 0;
}
