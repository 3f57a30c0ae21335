// The SAs' real keys, as a peer's own log or kernel showed them: esp_audit opens what it saw with
// them, so that an IV counts for the key it was used with, and seals packets of its own at a rate
// that no peer reaches. AES-CBC with HMAC-SHA1-96 (RFC 3602, 2404) and AES-GCM with a tag of 16
// (RFC 4106), without extended sequence numbers.
#include <err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "esp_audit.h"

enum { KEYS_MAX = 1024, SALT = 4, ICV_GCM = 16, ICV_SHA1 = 12, BLOCK = 16, PACKET_MAX = 4096 };

static struct esp_key keys[KEYS_MAX];
static unsigned key_count;

// ---- the file -----------------------------------------------------------------------------------
static size_t hex_read(const char *text, uint8_t out[KEY_MAX])
{
	size_t len = 0;

	for (; text[0] && text[1] && len < KEY_MAX; text += 2) {
		char two[3] = {text[0], text[1]}, *end;
		out[len++] = (uint8_t)strtoul(two, &end, 16);
		if (*end)
			errx(2, "not hexadecimal: %s", text);
	}
	if (text[0])
		errx(2, "too long or odd: %s", text);
	return len;
}

void esp_keys_read(const char *file)
{
	char line[512], cipher[16], key[2 * KEY_MAX + 1], auth[2 * KEY_MAX + 1];
	FILE *f = fopen(file, "r");
	unsigned spi;

	if (!f)
		err(1, "%s", file);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%x %15s %128s %128s", &spi, cipher, key, auth) != 4)
			errx(2, "%s: not a key: %s", file, line);
		if (key_count == KEYS_MAX)
			errx(2, "%s: more than %d keys", file, KEYS_MAX);
		struct esp_key *k = &keys[key_count];
		*k = (struct esp_key){.spi = spi, .gcm = strcmp(cipher, "aes-gcm") == 0};
		k->key_len = hex_read(key, k->key);
		k->auth_len = k->gcm ? 0 : hex_read(auth, k->auth);
		if (k->key_len < BLOCK + (k->gcm ? SALT : 0))
			errx(2, "%s: short key of %08x", file, spi);
		if (!esp_key_of(spi))
			key_count++;
	}
	fclose(f);
}

struct esp_key *esp_key_of(uint32_t spi)
{
	for (unsigned i = 0; i < key_count; i++) {
		if (keys[i].spi == spi)
			return &keys[i];
	}
	return NULL;
}

struct esp_key *esp_key_at(unsigned n)
{
	return n < key_count ? &keys[n] : NULL;
}

unsigned esp_keys_shared(void)
{
	unsigned shared = 0;

	for (unsigned i = 0; i < key_count; i++) {
		for (unsigned j = 0; j < i; j++)
			shared += keys[i].key_len == keys[j].key_len &&
				  memcmp(keys[i].key, keys[j].key, keys[i].key_len) == 0;
	}
	return shared;
}

void esp_key_print(const struct esp_key *k, char print[17])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(k->key, k->key_len, digest, NULL, EVP_sha256(), NULL))
		errx(1, "SHA-256");
	for (int i = 0; i < 8; i++)
		snprintf(print + 2 * i, 3, "%02x", digest[i]);
}

// ---- packets ------------------------------------------------------------------------------------
static const EVP_CIPHER *cipher_of(const struct esp_key *k)
{
	switch (k->key_len - (k->gcm ? SALT : 0)) {
	case 16: return k->gcm ? EVP_aes_128_gcm() : EVP_aes_128_cbc();
	case 24: return k->gcm ? EVP_aes_192_gcm() : EVP_aes_192_cbc();
	case 32: return k->gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
	default: errx(2, "AES key of %zu octets", k->key_len);
	}
}

static EVP_CIPHER_CTX *context(void)
{
	static EVP_CIPHER_CTX *ctx;

	if (!ctx && !(ctx = EVP_CIPHER_CTX_new()))
		errx(1, "no memory");
	return ctx;
}

// RFC 4106, 4: the nonce is the salt, which the keying material has behind the key, and the IV
static void nonce_make(const struct esp_key *k, const uint8_t *iv, uint8_t nonce[12])
{
	memcpy(nonce, k->key + k->key_len - SALT, SALT);
	memcpy(nonce + SALT, iv, 8);
}

static void icv_sha1(const struct esp_key *k, const uint8_t *esp, size_t len, uint8_t *icv)
{
	uint8_t mac[EVP_MAX_MD_SIZE];

	if (!HMAC(EVP_sha1(), k->auth, (int)k->auth_len, esp, len, mac, NULL))
		errx(1, "HMAC");
	memcpy(icv, mac, ICV_SHA1);
}

// tunnel mode: padding 1, 2, 3 ..., its length, next header 4 (RFC 4303, 2.4)
static bool clear_is_tunnel(const uint8_t *clear, size_t len)
{
	return len >= 22 && clear[len - 1] == IPPROTO_IPIP && clear[0] >> 4 == 4 &&
	       (size_t)(clear[2] << 8 | clear[3]) + clear[len - 2] + 2 == len;
}

bool esp_open(const struct esp_key *k, const uint8_t *esp, size_t len)
{
	size_t iv_len = k->gcm ? 8 : BLOCK, icv_len = k->gcm ? ICV_GCM : ICV_SHA1;
	size_t head = ESP_HEADER + iv_len;
	uint8_t clear[PACKET_MAX], nonce[12], icv[ICV_SHA1];
	EVP_CIPHER_CTX *ctx = context();
	int n = 0;

	if (len < head + icv_len || len > sizeof(clear))
		return false;
	size_t sealed = len - head - icv_len;
	if (k->gcm) {
		nonce_make(k, esp + ESP_HEADER, nonce);
		return EVP_DecryptInit_ex(ctx, cipher_of(k), NULL, k->key, nonce) &&
		       EVP_DecryptUpdate(ctx, NULL, &n, esp, ESP_HEADER) &&
		       EVP_DecryptUpdate(ctx, clear, &n, esp + head, (int)sealed) &&
		       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, ICV_GCM,
					   (uint8_t *)esp + len - ICV_GCM) &&
		       EVP_DecryptFinal_ex(ctx, clear, &n) > 0 && clear_is_tunnel(clear, sealed);
	}
	icv_sha1(k, esp, len - ICV_SHA1, icv);
	return sealed % BLOCK == 0 && memcmp(icv, esp + len - ICV_SHA1, ICV_SHA1) == 0 &&
	       EVP_DecryptInit_ex(ctx, cipher_of(k), NULL, k->key, esp + ESP_HEADER) &&
	       EVP_CIPHER_CTX_set_padding(ctx, 0) &&
	       EVP_DecryptUpdate(ctx, clear, &n, esp + head, (int)sealed) &&
	       clear_is_tunnel(clear, sealed);
}

size_t esp_seal(const struct esp_key *k, uint32_t seq, const uint8_t *inner, size_t len,
		uint8_t *out)
{
	size_t iv_len = k->gcm ? 8 : BLOCK, align = k->gcm ? 4 : BLOCK;
	size_t pad = (align - (len + 2) % align) % align, sealed = len + pad + 2;
	uint8_t clear[PACKET_MAX], nonce[12], *body = out + ESP_HEADER + iv_len;
	EVP_CIPHER_CTX *ctx = context();
	int n = 0, ok;

	if (sealed > sizeof(clear))
		errx(1, "packet too long");
	memcpy(clear, inner, len);
	for (size_t i = 0; i < pad; i++)
		clear[len + i] = (uint8_t)(i + 1);
	clear[len + pad] = (uint8_t)pad;
	clear[len + pad + 1] = IPPROTO_IPIP;
	put32(out, k->spi);
	put32(out + 4, seq);
	if (RAND_bytes(out + ESP_HEADER, (int)iv_len) != 1)
		errx(1, "no random numbers");
	if (k->gcm) {
		nonce_make(k, out + ESP_HEADER, nonce);
		ok = EVP_EncryptInit_ex(ctx, cipher_of(k), NULL, k->key, nonce) &&
		     EVP_EncryptUpdate(ctx, NULL, &n, out, ESP_HEADER) &&
		     EVP_EncryptUpdate(ctx, body, &n, clear, (int)sealed) &&
		     EVP_EncryptFinal_ex(ctx, body + sealed, &n) &&
		     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, ICV_GCM, body + sealed);
	} else {
		ok = EVP_EncryptInit_ex(ctx, cipher_of(k), NULL, k->key, out + ESP_HEADER) &&
		     EVP_CIPHER_CTX_set_padding(ctx, 0) &&
		     EVP_EncryptUpdate(ctx, body, &n, clear, (int)sealed);
		icv_sha1(k, out, ESP_HEADER + iv_len + sealed, body + sealed);
	}
	if (!ok)
		errx(1, "sealing failed");
	return ESP_HEADER + iv_len + sealed + (k->gcm ? ICV_GCM : ICV_SHA1);
}
