// What the crypto library alone costs on the payloads of the packets that are measured: one key,
// one burst of buffers in cache, nothing else in the loop. Direct calls for AES-GCM, its own burst
// interface for the rest.
#include <intel-ipsec-mb.h>
#include <rte_cycles.h>

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define SLOT 2304

static IMB_MGR *mgr;
static uint8_t *buffers;
// As the data plane has them: a key or context that straddles lines costs up to 14 ns.
static alignas(64) struct gcm_key_data gcm_key;
static alignas(64) struct gcm_context_data gcm_ctx;
static struct chacha20_poly1305_context_data chacha_ctx;
static alignas(16) uint32_t enc_keys[15 * 4], dec_keys[15 * 4];
static alignas(16) uint8_t ipad[64], opad[64];
static const uint8_t key_bytes[64] = {1, 2, 3, 4, 5, 6, 7, 8};

int bench_raw_open(void)
{
	mgr = alloc_mb_mgr(0);
	buffers = aligned_alloc(64, 64 * SLOT);
	if (!mgr || !buffers)
		return -ENOMEM;
	init_mb_mgr_auto(mgr, NULL);
	memset(buffers, 0x5a, 64 * SLOT);
	return imb_get_errno(mgr) ? -EIO : 0;
}

static uint32_t payload_of(const struct bench_algorithm *a, uint32_t inner)
{
	uint32_t block = a->cipher == DP_CIPHER_AES_CBC ? 16 : 4;

	return (inner + 2 + block - 1) / block * block;
}

static void key_prepare(const struct bench_algorithm *a)
{
	uint8_t block[64] = {0};

	if (a->key_len == 16)
		IMB_AES128_GCM_PRE(mgr, key_bytes, &gcm_key);
	else
		IMB_AES256_GCM_PRE(mgr, key_bytes, &gcm_key);
	IMB_AES_KEYEXP_128(mgr, key_bytes, enc_keys, dec_keys);
	for (int pass = 0; pass < 2; pass++) {
		memset(block, pass ? 0x5c : 0x36, sizeof(block));
		if (a->auth == DP_AUTH_SHA256_128)
			IMB_SHA256_ONE_BLOCK(mgr, block, pass ? opad : ipad);
		else
			IMB_SHA1_ONE_BLOCK(mgr, block, pass ? opad : ipad);
	}
}

static void gcm_pass(const struct bench_algorithm *a, const uint32_t *len, bool encrypt, unsigned n)
{
	aes_gcm_enc_dec_t fn = a->key_len == 16 ? (encrypt ? mgr->gcm128_enc : mgr->gcm128_dec)
						: (encrypt ? mgr->gcm256_enc : mgr->gcm256_dec);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = buffers + i * SLOT + 64;

		fn(&gcm_key, &gcm_ctx, p + 16, p + 16, len[i], p, p, 8, p + 16 + len[i], 16);
	}
}

static void chacha_pass(const uint32_t *len, bool encrypt, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = buffers + i * SLOT + 64;

		IMB_CHACHA20_POLY1305_INIT(mgr, key_bytes, &chacha_ctx, p, p, 8);
		if (encrypt)
			IMB_CHACHA20_POLY1305_ENC_UPDATE(mgr, key_bytes, &chacha_ctx, p + 16,
							 p + 16, len[i]);
		else
			IMB_CHACHA20_POLY1305_DEC_UPDATE(mgr, key_bytes, &chacha_ctx, p + 16,
							 p + 16, len[i]);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr, &chacha_ctx, p + 16 + len[i], 16);
	}
}

static void job_pass(const struct bench_algorithm *a, const uint32_t *len, bool encrypt, unsigned n)
{
	IMB_JOB *jobs[64];
	uint32_t done;

	IMB_GET_NEXT_BURST(mgr, n, jobs);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = buffers + i * SLOT + 64;

		*jobs[i] = (IMB_JOB){
			.enc_keys = enc_keys,
			.dec_keys = dec_keys,
			.key_len_in_bytes = 16,
			.src = p,
			.dst = p + 24,
			.cipher_start_src_offset_in_bytes = 24,
			.msg_len_to_cipher_in_bytes = len[i],
			.msg_len_to_hash_in_bytes = 24 + len[i],
			.iv = p + 8,
			.iv_len_in_bytes = 16,
			.auth_tag_output = p + 24 + len[i],
			.auth_tag_output_len_in_bytes = a->auth == DP_AUTH_SHA256_128 ? 16 : 12,
			.cipher_mode = IMB_CIPHER_CBC,
			.cipher_direction = encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
			.hash_alg = a->auth == DP_AUTH_SHA256_128 ? IMB_AUTH_HMAC_SHA_256
								  : IMB_AUTH_HMAC_SHA_1,
			.chain_order = encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER,
		};
		jobs[i]->u.HMAC._hashed_auth_key_xor_ipad = ipad;
		jobs[i]->u.HMAC._hashed_auth_key_xor_opad = opad;
	}
	done = IMB_SUBMIT_BURST_NOCHECK(mgr, n, jobs);
	while (done < n) {
		uint32_t got = IMB_FLUSH_BURST(mgr, n - done, jobs);

		if (!got)
			break;
		done += got;
	}
}

double bench_raw(const struct bench_algorithm *a, uint32_t size, bool encrypt, unsigned burst,
		 unsigned rounds)
{
	double v[1000], hz = (double)rte_get_tsc_hz();
	uint32_t len[64];

	key_prepare(a);
	bench_sizes_fill(size, len, burst);
	for (unsigned i = 0; i < burst; i++)
		len[i] = payload_of(a, len[i]);
	for (unsigned r = 0; r < rounds; r++) {
		uint64_t start = rte_rdtsc_precise();

		for (unsigned i = 0; i < 300; i++) {
			if (a->cipher == DP_CIPHER_AES_GCM)
				gcm_pass(a, len, encrypt, burst);
			else if (a->cipher == DP_CIPHER_CHACHA20_POLY1305)
				chacha_pass(len, encrypt, burst);
			else
				job_pass(a, len, encrypt, burst);
		}
		v[r] = (double)(rte_rdtsc_precise() - start) * 1e9 / hz / (300.0 * burst);
	}
	return bench_median(v, rounds);
}
