// Algorithms of the configuration in the terms of the data plane, and as text for logs.
// Encoding and choosing among a peer's offers is the versions' (ikev1/proposal.c).

#include "ike/proposal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int cipher_of(const struct tunnel_proposal *t, struct esp_suite *s)
{
	s->key_len = t->key_bits / 8;
	switch (t->cipher) {
	case ESP_CIPHER_NULL: s->cipher = DP_CIPHER_NULL; return 0;
	case ESP_CIPHER_DES:
		s->cipher = DP_CIPHER_DES_CBC;
		s->key_len = 8;
		return 0;
	case ESP_CIPHER_3DES:
		s->cipher = DP_CIPHER_3DES_CBC;
		s->key_len = 24;
		return 0;
	case ESP_CIPHER_AES_CBC: s->cipher = DP_CIPHER_AES_CBC; break;
	case ESP_CIPHER_AES_GCM:
	case ESP_CIPHER_AES_GMAC:
		s->cipher =
			t->cipher == ESP_CIPHER_AES_GCM ? DP_CIPHER_AES_GCM : DP_CIPHER_AES_GMAC;
		s->salt_len = 4;  // RFC 4106 8.1, RFC 4543 5.4
		s->icv_len = t->gcm_icv ? t->gcm_icv : 16;
		break;
	case ESP_CIPHER_NONE: return -ENOTSUP;
	}
	return s->key_len ? 0 : -ENOTSUP;
}

static const struct {
	enum dp_auth auth;
	uint16_t key_len;
} integrity[] = {
	[ESP_AUTH_NONE] = {DP_AUTH_NONE, 0},          [ESP_AUTH_MD5] = {DP_AUTH_MD5_96, 16},
	[ESP_AUTH_SHA1] = {DP_AUTH_SHA1_96, 20},      [ESP_AUTH_SHA256] = {DP_AUTH_SHA256_128, 32},
	[ESP_AUTH_SHA384] = {DP_AUTH_SHA384_192, 48}, [ESP_AUTH_SHA512] = {DP_AUTH_SHA512_256, 64},
};

int esp_suite_of(const struct tunnel_proposal *t, struct esp_suite *out)
{
	*out = (struct esp_suite){0};
	if (cipher_of(t, out) < 0 || t->auth >= sizeof(integrity) / sizeof(integrity[0]))
		return -ENOTSUP;
	if (out->icv_len)
		return 0;  // combined mode: no integrity algorithm beside it
	out->auth = integrity[t->auth].auth;
	out->auth_key_len = integrity[t->auth].key_len;
	return 0;
}

bool tunnel_proposal_equal(const struct tunnel_proposal *a, const struct tunnel_proposal *b)
{
	return a->cipher == b->cipher && a->key_bits == b->key_bits && a->gcm_icv == b->gcm_icv &&
	       a->auth == b->auth && a->transport == b->transport;
}

const char *tunnel_proposal_format(const struct tunnel_proposal *t, char *buf, size_t cap)
{
	static const char *const ciphers[] = {
		[ESP_CIPHER_NONE] = "none",         [ESP_CIPHER_NULL] = "esp-null",
		[ESP_CIPHER_DES] = "esp-des",       [ESP_CIPHER_3DES] = "esp-3des",
		[ESP_CIPHER_AES_CBC] = "esp-aes",   [ESP_CIPHER_AES_GCM] = "esp-gcm",
		[ESP_CIPHER_AES_GMAC] = "esp-gmac",
	};
	static const char *const auths[] = {
		[ESP_AUTH_NONE] = "",
		[ESP_AUTH_MD5] = " esp-md5-hmac",
		[ESP_AUTH_SHA1] = " esp-sha-hmac",
		[ESP_AUTH_SHA256] = " esp-sha256-hmac",
		[ESP_AUTH_SHA384] = " esp-sha384-hmac",
		[ESP_AUTH_SHA512] = " esp-sha512-hmac",
	};
	char bits[16] = "";

	if (t->key_bits)
		snprintf(bits, sizeof(bits), " %u", t->key_bits);
	snprintf(buf, cap, "%s%s%s%s", ciphers[t->cipher], bits, auths[t->auth],
		 t->transport ? " transport" : "");
	return buf;
}

const char *ike_suite_format(const struct ike_suite *s, char *buf, size_t cap)
{
	static const char *const hashes[] = {
		[IKE_HASH_SHA] = "sha",       [IKE_HASH_MD5] = "md5",
		[IKE_HASH_SHA256] = "sha256", [IKE_HASH_SHA384] = "sha384",
		[IKE_HASH_SHA512] = "sha512",
	};
	char encr[16];

	if (s->encr == IKE_ENCR_AES)
		snprintf(encr, sizeof(encr), "aes %u", s->aes_bits);
	else
		snprintf(encr, sizeof(encr), "%s", s->encr == IKE_ENCR_DES ? "des" : "3des");
	snprintf(buf, cap, "%s, %s, %s, group %u", encr, hashes[s->hash],
		 s->auth == IKE_AUTH_PRE_SHARE ? "pre-share" : "rsa-sig", s->group);
	return buf;
}
