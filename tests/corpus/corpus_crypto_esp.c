// The ESP half of corpus-crypto: DIR/vectors through the functions that ESP calls. Where a vector
// has the shape of an ESP packet (8 or 12 bytes of AAD, nonce of salt and IV) it goes through the
// very function of the SA; where the shape is freer, through the same library call with the key as
// crypto_key_expand prepared it. What no ESP algorithm can express is skipped and counted.
#include <errno.h>
#include <stdalign.h>

#include "corpus_json.h"
#include "crypto.h"
#include "esp_bed.h"
#include "tally.h"

// One case of any file.
struct kat {
	struct blob key, iv, aad, msg, ct, tag;
	bool valid;
	size_t tag_len;
};

typedef enum tally_result (*kat_fn)(const struct kat *k, enum dp_auth auth);

static uint8_t packet[8 + 16 + 8192 + 64];
static alignas(64) uint8_t key_mem[8192];

// ---- the function of an SA ---------------------------------------------------------------------
static bool suite_of(struct dp_sa *p, struct crypto_suite *s)
{
	return crypto_suite_select(p, s, NULL) == 0 && s->key_size <= sizeof(key_mem) &&
	       crypto_key_expand(p, s, key_mem, NULL) == 0;
}

static struct crypto_op op_of(const struct crypto_suite *s, size_t len, bool esn)
{
	return (struct crypto_op){.key = key_mem,
				  .esp = packet + 8,
				  .len = (uint32_t)len,
				  .iv_len = s->iv_len,
				  .icv_len = s->icv_len,
				  .esn = esn};
}

// Both directions of a combined mode whose AAD is an ESP header. `iv`: salt and explicit IV.
static enum tally_result aead_esp(struct dp_sa *p, const struct kat *k, size_t salt)
{
	uint8_t *esp = packet + 8, *data = esp + 16;
	struct crypto_suite s;
	struct crypto_op op;
	uint32_t salt_word = 0;
	bool opened, same;

	p->salt_len = (uint16_t)salt;
	p->key_len = (uint16_t)k->key.len;
	p->icv_len = (uint8_t)k->tag_len;
	memcpy(p->key, k->key.bytes, k->key.len);
	memcpy(p->key + k->key.len, k->iv.bytes, salt);
	if (!suite_of(p, &s))
		return TALLY_SKIPPED;
	op = op_of(&s, k->msg.len, k->aad.len == 12);
	memcpy(esp, k->aad.bytes, 4);
	memcpy(esp + 4, k->aad.bytes + (op.esn ? 8 : 4), 4);
	memcpy(&op.seq_hi_be, k->aad.bytes + 4, 4);
	memcpy(esp + 8, k->iv.bytes + salt, 8);
	memcpy(&salt_word, k->iv.bytes, salt);
	crypto_op_nonce(&op, salt_word);
	memcpy(data, k->ct.bytes, k->ct.len);
	memcpy(data + k->ct.len, k->tag.bytes, k->tag_len);
	s.open(bed.w.crypto, &op, 1);
	opened = op.ok && !memcmp(data, k->msg.bytes, k->msg.len);
	memcpy(data, k->msg.bytes, k->msg.len);
	s.seal(bed.w.crypto, &op, 1);
	same = op.ok && !memcmp(data, k->ct.bytes, k->ct.len) &&
	       !memcmp(data + k->ct.len, k->tag.bytes, k->tag_len);
	return opened == k->valid && same == k->valid ? TALLY_PASSED : TALLY_FAILED;
}

static bool esp_shaped(const struct kat *k, size_t nonce)
{
	return k->iv.len == nonce && (k->aad.len == 8 || k->aad.len == 12) &&
	       k->key.len + 4 <= DP_KEY_MAX;
}

// ---- algorithms --------------------------------------------------------------------------------
static enum tally_result gcm(const struct kat *k, enum dp_auth auth)
{
	struct dp_sa p = {.cipher = DP_CIPHER_AES_GCM,
			  .key_len = (uint16_t)k->key.len,
			  .salt_len = 4,
			  .icv_len = 16};
	IMB_MGR *mgr = bed.w.crypto->mgr;
	aes_gcm_enc_dec_t enc, dec;
	struct crypto_suite s;
	uint8_t out[8192], tag[16];
	bool opened, same;

	(void)auth;
	if (esp_shaped(k, 12))
		return aead_esp(&p, k, 4);
	memcpy(p.key, k->key.bytes, k->key.len <= 32 ? k->key.len : 0);
	if (k->iv.len != 12 || k->tag_len > 16 || k->tag_len < 8 || !suite_of(&p, &s))
		return TALLY_SKIPPED;
	enc = p.key_len == 16   ? mgr->gcm128_enc
	      : p.key_len == 24 ? mgr->gcm192_enc
				: mgr->gcm256_enc;
	dec = p.key_len == 16   ? mgr->gcm128_dec
	      : p.key_len == 24 ? mgr->gcm192_dec
				: mgr->gcm256_dec;
	enc((void *)key_mem, &bed.w.crypto->gcm, out, k->msg.bytes, k->msg.len, k->iv.bytes,
	    k->aad.bytes, k->aad.len, tag, k->tag_len);
	same = !memcmp(out, k->ct.bytes, k->ct.len) && !memcmp(tag, k->tag.bytes, k->tag_len);
	dec((void *)key_mem, &bed.w.crypto->gcm, out, k->ct.bytes, k->ct.len, k->iv.bytes,
	    k->aad.bytes, k->aad.len, tag, k->tag_len);
	opened = !memcmp(out, k->msg.bytes, k->msg.len) &&
		 crypto_icv_equal(tag, k->tag.bytes, (uint32_t)k->tag_len);
	return opened == k->valid && same == k->valid ? TALLY_PASSED : TALLY_FAILED;
}

// RFC 4543: the message is AAD, nothing is encrypted.
static enum tally_result gmac(const struct kat *k, enum dp_auth auth)
{
	const struct kat as_gcm = (struct kat){.key = k->key,
					       .iv = k->iv,
					       .aad = k->msg,
					       .tag = k->tag,
					       .valid = k->valid,
					       .tag_len = k->tag_len};

	if (k->msg.len == 8 || k->msg.len == 12)
		return TALLY_SKIPPED;  // would be taken for a header
	return gcm(&as_gcm, auth);
}

static enum tally_result ccm(const struct kat *k, enum dp_auth auth)
{
	struct dp_sa p = {.cipher = DP_CIPHER_AES_CCM};

	(void)auth;
	return esp_shaped(k, 11) ? aead_esp(&p, k, 3) : TALLY_SKIPPED;
}

static enum tally_result chacha(const struct kat *k, enum dp_auth auth)
{
	struct dp_sa p = {.cipher = DP_CIPHER_CHACHA20_POLY1305};
	struct crypto_ctx *c = bed.w.crypto;
	uint8_t out[8192], tag[16];
	bool same;

	(void)auth;
	if (esp_shaped(k, 12))
		return aead_esp(&p, k, 4);
	if (k->iv.len != 12 || k->key.len != 32 || k->tag_len != 16)
		return TALLY_SKIPPED;
	IMB_CHACHA20_POLY1305_INIT(c->mgr, k->key.bytes, &c->chacha, k->iv.bytes, k->aad.bytes,
				   k->aad.len);
	IMB_CHACHA20_POLY1305_ENC_UPDATE(c->mgr, k->key.bytes, &c->chacha, out, k->msg.bytes,
					 k->msg.len);
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(c->mgr, &c->chacha, tag, 16);
	same = !memcmp(out, k->ct.bytes, k->ct.len) && !memcmp(tag, k->tag.bytes, 16);
	return same == k->valid ? TALLY_PASSED : TALLY_FAILED;
}

// CBC and CTR without authentication, both directions through the function of the SA.
static enum tally_result cipher(const struct kat *k, enum dp_cipher which, size_t salt,
				const uint8_t *plain, size_t len)
{
	struct dp_sa p = {
		.cipher = which, .key_len = (uint16_t)k->key.len, .salt_len = (uint16_t)salt};
	uint8_t *data;
	struct crypto_suite s;
	struct crypto_op op;
	bool same, opened;

	if (k->key.len + salt > DP_KEY_MAX || !len)
		return TALLY_SKIPPED;
	memcpy(p.key, k->key.bytes, k->key.len);
	memcpy(p.key + k->key.len, k->iv.bytes, salt);
	if (!suite_of(&p, &s) || k->iv.len != salt + s.iv_len || k->ct.len != len)
		return TALLY_SKIPPED;
	op = op_of(&s, len, false);
	memcpy(op.esp + 8, k->iv.bytes + salt, s.iv_len);
	data = op.esp + 8 + s.iv_len;
	memcpy(data, plain, len);
	s.seal(bed.w.crypto, &op, 1);
	same = op.ok && !memcmp(data, k->ct.bytes, len);
	memcpy(data, k->ct.bytes, len);
	s.open(bed.w.crypto, &op, 1);
	opened = op.ok && !memcmp(data, plain, len);
	return same == k->valid && opened == k->valid ? TALLY_PASSED : TALLY_FAILED;
}

static enum tally_result cbc(const struct kat *k, enum dp_auth auth)
{
	(void)auth;
	return cipher(k, DP_CIPHER_AES_CBC, 0, k->msg.bytes, k->msg.len);
}

// PKCS#5 padding is put on by hand; bad padding is another protocol's question.
static enum tally_result cbc_pkcs5(const struct kat *k, enum dp_auth auth)
{
	uint8_t plain[4112];
	size_t pad = 16 - k->msg.len % 16;

	(void)auth;
	if (!k->valid)
		return TALLY_SKIPPED;
	memcpy(plain, k->msg.bytes, k->msg.len);
	memset(plain + k->msg.len, (int)pad, pad);
	return cipher(k, DP_CIPHER_AES_CBC, 0, plain, k->msg.len + pad);
}

static enum tally_result ctr(const struct kat *k, enum dp_auth auth)
{
	(void)auth;
	return cipher(k, DP_CIPHER_AES_CTR, 4, k->msg.bytes, k->msg.len);
}

// A MAC over the message as if it began with an ESP header, cut to the length that ESP sends.
static enum tally_result mac(const struct kat *k, enum dp_auth auth)
{
	static const uint8_t icv[] = {0, 12, 12, 16, 24, 32, 12};
	struct dp_sa p = {
		.cipher = DP_CIPHER_NULL, .auth = auth, .auth_key_len = (uint16_t)k->key.len};
	struct crypto_job_key *key = (struct crypto_job_key *)key_mem;
	struct crypto_suite s = {.iv_len = 0, .icv_len = icv[auth]};
	struct crypto_op op;
	bool same, opened;

	if (k->msg.len < 8 || k->key.len > DP_KEY_MAX || k->tag_len < icv[auth] ||
	    (auth == DP_AUTH_AES_XCBC_96 && k->key.len != 16))
		return TALLY_SKIPPED;
	memcpy(p.auth_key, k->key.bytes, k->key.len);
	if (crypto_job_expand(bed.w.crypto->mgr, &p, key))
		return TALLY_SKIPPED;
	op = op_of(&s, k->msg.len - 8, false);
	memcpy(op.esp, k->msg.bytes, k->msg.len);
	memcpy(op.esp + k->msg.len, k->tag.bytes, icv[auth]);
	crypto_job_open(bed.w.crypto, &op, 1);
	opened = op.ok;
	crypto_job_seal(bed.w.crypto, &op, 1);
	same = op.ok && !memcmp(op.esp + k->msg.len, k->tag.bytes, icv[auth]);
	if (!k->valid && same)
		return TALLY_SKIPPED;  // wrong only behind what ESP sends
	return same == k->valid && opened == k->valid ? TALLY_PASSED : TALLY_FAILED;
}

// ---- files -------------------------------------------------------------------------------------
static bool kat_read(const json_t *o, size_t tag_bits, struct kat *k)
{
	memset(k, 0, sizeof(*k));
	if (jhex(o, "key", &k->key) || jhex(o, "iv", &k->iv) || jhex(o, "aad", &k->aad) ||
	    jhex(o, "msg", &k->msg) || jhex(o, "ct", &k->ct) || jhex(o, "tag", &k->tag))
		return false;
	if (!k->iv.len && jhex(o, "nonce", &k->iv))
		return false;
	k->tag_len = k->tag.len;
	// the library's own files put the tag behind the ciphertext
	if (!k->tag.len && tag_bits && k->ct.len >= tag_bits / 8) {
		k->tag_len = tag_bits / 8;
		memcpy(k->tag.bytes, k->ct.bytes + k->ct.len - k->tag_len, k->tag_len);
		k->ct.len -= k->tag_len;
	}
	k->valid = strcmp(jstr(o, "result"), "invalid") != 0;
	return k->key.len <= 256 && k->msg.len <= 4096;
}

static void result_line(struct tally *file, enum tally_result r, const char *name, long long id)
{
	char text[300];

	snprintf(text, sizeof(text), "%s #%lld", name, id);
	if (r == TALLY_FAILED)
		tally_line(file, r, text, "differs");
	else if (r == TALLY_PASSED)
		file->passed++;
	else
		file->skipped++;
}

static void file_json(const char *dir, const char *name, kat_fn fn, enum dp_auth auth,
		      struct tally *t)
{
	static struct kat k;
	struct tally file = {0};
	json_t *root = jload(dir, name), *group, *test;
	size_t g, i;

	if (!root) {
		tally_line(t, TALLY_SKIPPED, name, "not in this corpus");
		return;
	}
	json_array_foreach(json_object_get(root, "testGroups"), g, group)
	{
		size_t bits = (size_t)jnum(group, "tagSize", 0);

		json_array_foreach(json_object_get(group, "tests"), i, test)
		{
			result_line(&file, kat_read(test, bits, &k) ? fn(&k, auth) : TALLY_SKIPPED,
				    name, jnum(test, "tcId", (long long)i + 1));
		}
	}
	tally_file(t, &file, name);
	json_decref(root);
}

// KEY: value lines, an empty line ends a case.
static void file_text(const char *dir, const char *name, struct tally *t)
{
	static struct kat k;
	struct tally file = {0};
	char path[8192], line[16384];
	long long id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f) {
		tally_line(t, TALLY_SKIPPED, name, "not in this corpus");
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		const char *const names[] = {"KEY: ", "NONCE: ", "AD: ", "IN: ", "CT: ", "TAG: "};
		struct blob *const to[] = {&k.key, &k.iv, &k.aad, &k.msg, &k.ct, &k.tag};

		line[strcspn(line, "\r\n")] = 0;
		for (size_t i = 0; i < 6; i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				blob_parse(line + strlen(names[i]), to[i]);
		if (strncmp(line, "TAG: ", 5))
			continue;
		k.valid = true;
		k.tag_len = k.tag.len;
		result_line(&file, gcm(&k, DP_AUTH_NONE), name, ++id);
	}
	fclose(f);
	tally_file(t, &file, name);
}

int corpus_crypto_esp(const char *dir, struct tally *t)
{
	static const struct {
		const char *file;
		kat_fn fn;
		enum dp_auth auth;
	} rows[] = {
		{"wycheproof/aes_gcm_test.json", gcm, DP_AUTH_NONE},
		{"wycheproof/aes_gmac_test.json", gmac, DP_AUTH_NONE},
		{"wycheproof/aes_ccm_test.json", ccm, DP_AUTH_NONE},
		{"wycheproof/aes_cbc_pkcs5_test.json", cbc_pkcs5, DP_AUTH_NONE},
		{"wycheproof/chacha20_poly1305_test.json", chacha, DP_AUTH_NONE},
		{"wycheproof/hmac_sha1_test.json", mac, DP_AUTH_SHA1_96},
		{"wycheproof/hmac_sha256_test.json", mac, DP_AUTH_SHA256_128},
		{"wycheproof/hmac_sha384_test.json", mac, DP_AUTH_SHA384_192},
		{"wycheproof/hmac_sha512_test.json", mac, DP_AUTH_SHA512_256},
		{"ipsec_mb/gcm_test.json", gcm, DP_AUTH_NONE},
		{"ipsec_mb/ccm_256_test.json", ccm, DP_AUTH_NONE},
		{"ipsec_mb/cbc_test.json", cbc, DP_AUTH_NONE},
		{"ipsec_mb/ctr_test.json", ctr, DP_AUTH_NONE},
		{"ipsec_mb/hmac_sha1_test.json", mac, DP_AUTH_SHA1_96},
		{"ipsec_mb/hmac_sha256_test.json", mac, DP_AUTH_SHA256_128},
		{"ipsec_mb/hmac_sha512_test.json", mac, DP_AUTH_SHA512_256},
		{"ipsec_mb/xcbc_test.json", mac, DP_AUTH_AES_XCBC_96},
	};
	char vectors[2048];

	bed_start();
	snprintf(vectors, sizeof(vectors), "%s/vectors", dir);
	for (size_t i = 0; i < RTE_DIM(rows); i++)
		file_json(vectors, rows[i].file, rows[i].fn, rows[i].auth, t);
	file_text(vectors, "boringssl/aes_128_gcm_tests.txt", t);
	bed_stop();
	return 0;
}
