// Key derivation of IKEv1, formula by formula. Each function's comment in keys.h is the formula.
#include "ikev1/keys.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

#define KEYMAT_MAX 512

void ikev1_keys_clear(struct ikev1_keys *k)
{
	secret_clear(&k->skeyid);
	secret_clear(&k->skeyid_d);
	secret_clear(&k->skeyid_a);
	secret_clear(&k->skeyid_e);
	secret_clear(&k->key);
}

static struct chunk secret_chunk(const struct secret *s)
{
	return (struct chunk){s->bytes, s->len};
}

static void put_be(uint8_t *out, uint64_t v, size_t len)
{
	struct wbuf w;

	wbuf_init(&w, out, len);
	if (len == 8)
		wbuf_put_u64(&w, v);
	else
		wbuf_put_u32(&w, (uint32_t)v);
}

int ikev1_skeyid_psk(enum ike_hash h, const void *psk, size_t psk_len, struct chunk ni,
		     struct chunk nr, struct secret *skeyid)
{
	const struct chunk in[] = {ni, nr};
	uint8_t out[PRF_LEN_MAX];
	int rc = prf_compute(h, psk, psk_len, in, 2, out);

	if (rc == 0)
		rc = secret_set(skeyid, out, prf_len(h));
	secret_wipe(out, sizeof(out));
	return rc;
}

int ikev1_skeyid_sig(enum ike_hash h, struct chunk ni, struct chunk nr, struct chunk gxy,
		     struct secret *skeyid)
{
	uint8_t key[2 * 256], out[PRF_LEN_MAX];  // two nonces of the longest kind

	if (ni.len + nr.len > sizeof(key))
		return -EINVAL;
	memcpy(key, ni.data, ni.len);
	memcpy(key + ni.len, nr.data, nr.len);
	int rc = prf_compute(h, key, ni.len + nr.len, &gxy, 1, out);
	if (rc == 0)
		rc = secret_set(skeyid, out, prf_len(h));
	secret_wipe(out, sizeof(out));
	return rc;
}

int ikev1_keys_derive(struct ikev1_keys *k, struct chunk gxy, uint64_t cky_i, uint64_t cky_r)
{
	uint8_t cookies[16], number;

	put_be(cookies, cky_i, 8);
	put_be(cookies + 8, cky_r, 8);
	// SKEYID_x = prf(SKEYID, [SKEYID_before |] g^xy | CKY-I | CKY-R | n)
	struct secret *const steps[] = {&k->skeyid_d, &k->skeyid_a, &k->skeyid_e};
	struct chunk before = {0};
	for (number = 0; number < 3; number++) {
		const struct chunk in[] = {before, gxy, {cookies, 16}, {&number, 1}};
		int rc = prf_secret(k->hash, &k->skeyid, in, 4, steps[number]);
		if (rc != 0)
			return rc;
		before = secret_chunk(steps[number]);
	}
	const size_t len = cipher_key_len(k->encr, k->aes_bits);
	return len ? ikev1_encryption_key(k->hash, &k->skeyid_e, len, &k->key) : -EINVAL;
}

// K1 | K2 | ... with Kn = prf(key, Kn-1 | seed); K1 takes `first` in the place of Kn-1.
static int expand(enum ike_hash h, const struct secret *key, struct chunk first,
		  const struct chunk *seed, size_t n, size_t len, struct secret *out)
{
	const size_t step = prf_len(h);
	uint8_t all[KEYMAT_MAX + PRF_LEN_MAX];
	struct chunk in[HASH_CHUNKS_MAX];
	int rc = 0;

	if (step == 0 || len == 0 || len > KEYMAT_MAX || n > HASH_CHUNKS_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		in[1 + i] = seed[i];
	for (size_t done = 0; rc == 0 && done < len; done += step) {
		in[0] = done ? (struct chunk){all + done - step, step} : first;
		rc = prf_compute(h, key->bytes, key->len, in, 1 + n, all + done);
	}
	if (rc == 0)
		rc = secret_set(out, all, len);
	secret_wipe(all, sizeof(all));
	return rc;
}

int ikev1_encryption_key(enum ike_hash h, const struct secret *skeyid_e, size_t len,
			 struct secret *key)
{
	static const uint8_t zero[1];

	if (len <= skeyid_e->len)
		return secret_set(key, skeyid_e->bytes, len);
	return expand(h, skeyid_e, (struct chunk){zero, 1}, NULL, 0, len, key);
}

int ikev1_iv_phase1(enum ike_hash h, struct chunk gxi, struct chunk gxr, uint8_t *iv,
		    size_t block_len)
{
	const struct chunk in[] = {gxi, gxr};
	uint8_t out[HASH_LEN_MAX];

	if (block_len > hash_len(h))
		return -EINVAL;
	int rc = hash_compute(h, in, 2, out);
	if (rc == 0)
		memcpy(iv, out, block_len);
	return rc;
}

int ikev1_iv_phase2(enum ike_hash h, const uint8_t *last_block, size_t block_len,
		    uint32_t message_id, uint8_t *iv)
{
	uint8_t mid[4], out[HASH_LEN_MAX];
	const struct chunk in[] = {{last_block, block_len}, {mid, 4}};

	if (block_len > hash_len(h))
		return -EINVAL;
	put_be(mid, message_id, 4);
	int rc = hash_compute(h, in, 2, out);
	if (rc == 0)
		memcpy(iv, out, block_len);
	return rc;
}

int ikev1_auth_hash(enum ike_hash h, const struct secret *skeyid, struct chunk gx_own,
		    struct chunk gx_peer, uint64_t cky_own, uint64_t cky_peer, struct chunk sai_b,
		    struct chunk id_b, uint8_t *out)
{
	uint8_t cookies[16];
	const struct chunk in[] = {gx_own, gx_peer, {cookies, 16}, sai_b, id_b};

	put_be(cookies, cky_own, 8);
	put_be(cookies + 8, cky_peer, 8);
	return prf_compute(h, skeyid->bytes, skeyid->len, in, 5, out);
}

int ikev1_hash1(const struct ikev1_keys *k, uint32_t message_id, struct chunk rest, uint8_t *out)
{
	return ikev1_hash2(k, message_id, (struct chunk){0}, rest, out);
}

int ikev1_hash2(const struct ikev1_keys *k, uint32_t message_id, struct chunk ni, struct chunk rest,
		uint8_t *out)
{
	uint8_t mid[4];
	const struct chunk in[] = {{mid, 4}, ni, rest};

	put_be(mid, message_id, 4);
	return prf_compute(k->hash, k->skeyid_a.bytes, k->skeyid_a.len, in, 3, out);
}

int ikev1_hash3(const struct ikev1_keys *k, uint32_t message_id, struct chunk ni, struct chunk nr,
		uint8_t *out)
{
	uint8_t zero_mid[5] = {0};
	const struct chunk in[] = {{zero_mid, 5}, ni, nr};

	put_be(zero_mid + 1, message_id, 4);
	return prf_compute(k->hash, k->skeyid_a.bytes, k->skeyid_a.len, in, 3, out);
}

int ikev1_keymat(const struct ikev1_keys *k, uint8_t protocol, uint32_t spi, struct chunk gxy,
		 struct chunk ni, struct chunk nr, size_t len, struct secret *out)
{
	uint8_t proto_spi[5] = {protocol};
	const struct chunk seed[] = {gxy, {proto_spi, 5}, ni, nr};

	put_be(proto_spi + 1, spi, 4);
	return expand(k->hash, &k->skeyid_d, (struct chunk){0}, seed, 4, len, out);
}
