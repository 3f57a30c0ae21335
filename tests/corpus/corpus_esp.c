// corpus-esp DIR: the captures and packets of DIR/esp through the real inbound and outbound ESP
// stages. This file: the directory, algorithm names, SAs. Vectors and captures have their own.
#include "corpus_esp.h"

#include <dirent.h>
#include <strings.h>

#include "rcu.h"

struct cipher_name {
	const char *name;
	enum dp_cipher cipher;
	uint8_t salt;
};
static const struct cipher_name cipher_names[] = {
	{"null", DP_CIPHER_NULL, 0},
	{"none", DP_CIPHER_NULL, 0},
	{"des-cbc", DP_CIPHER_DES_CBC, 0},
	{"3des-cbc", DP_CIPHER_3DES_CBC, 0},
	{"aes-cbc", DP_CIPHER_AES_CBC, 0},
	{"aes-ctr", DP_CIPHER_AES_CTR, 4},
	{"aes-gcm", DP_CIPHER_AES_GCM, 4},
	{"aes-gmac", DP_CIPHER_AES_GMAC, 4},
	{"aes-ccm", DP_CIPHER_AES_CCM, 3},
	{"chacha20poly1305", DP_CIPHER_CHACHA20_POLY1305, 4},
	{"chacha20-poly1305", DP_CIPHER_CHACHA20_POLY1305, 4},
};

struct auth_name {
	const char *name;
	enum dp_auth auth;
	uint8_t icv;
};
static const struct auth_name auth_names[] = {
	{"", DP_AUTH_NONE, 0},
	{"null", DP_AUTH_NONE, 0},
	{"none", DP_AUTH_NONE, 0},
	{"combined", DP_AUTH_NONE, 0},
	{"md5", DP_AUTH_MD5_96, 12},
	{"sha1", DP_AUTH_SHA1_96, 12},
	{"sha256", DP_AUTH_SHA256_128, 16},
	{"sha384", DP_AUTH_SHA384_192, 24},
	{"sha512", DP_AUTH_SHA512_256, 32},
	{"aes-xcbc", DP_AUTH_AES_XCBC_96, 12},
	{"aes-xcbc-96", DP_AUTH_AES_XCBC_96, 12},
};

bool esp_algorithm(struct dp_sa *p, const char *enc, const struct blob *key, const char *auth,
		   const struct blob *auth_key, unsigned icv_len)
{
	const struct cipher_name *c = NULL;
	const struct auth_name *a = NULL;

	for (size_t i = 0; i < RTE_DIM(cipher_names); i++)
		if (!strcasecmp(cipher_names[i].name, enc))
			c = &cipher_names[i];
	if (!strncasecmp(auth, "hmac-", 5))
		auth += 5;
	for (size_t i = 0; i < RTE_DIM(auth_names); i++)
		if (!strcasecmp(auth_names[i].name, auth))
			a = &auth_names[i];
	if (!c || !a || key->len < c->salt || key->len > DP_KEY_MAX || auth_key->len > DP_KEY_MAX)
		return false;
	p->cipher = c->cipher;
	p->auth = a->auth;
	p->salt_len = c->salt;
	p->key_len = (uint16_t)(key->len - c->salt);
	memcpy(p->key, key->bytes, key->len);
	p->auth_key_len = (uint16_t)auth_key->len;
	memcpy(p->auth_key, auth_key->bytes, auth_key->len);
	p->icv_len = c->cipher >= DP_CIPHER_AES_GCM ? (uint8_t)icv_len : 0;
	return c->cipher >= DP_CIPHER_AES_GCM || icv_len == a->icv;
}

void esp_force_iv(struct sa *sa, const uint8_t *iv, size_t len)
{
	struct crypto_ctx *ctx = bed.w.crypto;
	uint64_t v = 0;

	if (sa->counter_iv && len == 8) {
		for (size_t i = 0; i < 8; i++)
			v = v << 8 | iv[i];
		sa->iv_prefix = v & ~SA_IV_COUNTER_MAX;
		sa->iv_counter = v & SA_IV_COUNTER_MAX;
		// a test's counter may stand at its very end
		if (sa->iv_counter == SA_IV_COUNTER_MAX)
			sa->iv_prefix = v, sa->iv_counter = 0;
	} else if (len == sa->iv_len) {
		if (ctx->iv_at + len > CRYPTO_IV_POOL)
			crypto_iv_refill(ctx);
		memcpy(ctx->iv_pool + ctx->iv_at, iv, len);
	}
}

struct sa *esp_install(const struct dp_sa *p, char *why, size_t cap)
{
	struct err err = {0};
	uint32_t handle;

	if (sad_add(p, &handle, &err)) {
		snprintf(why, cap, "%s", err.msg);
		return NULL;
	}
	return sad_get(handle);
}

void esp_remove(struct sa *sa)
{
	if (sa)
		dp_sa_del(sa->handle);
	rcu_poll();
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && !strcmp(s + n - m, tail);
}

int main(int argc, char **argv)
{
	struct tally t = {0};
	struct dirent **names;
	char dir[3000];
	json_t *sas;
	int n;

	if (argc != 2) {
		fprintf(stderr, "usage: corpus-esp DIR\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/esp", argv[1]);
	n = scandir(dir, &names, NULL, by_name);
	if (n < 0) {
		fprintf(stderr, "corpus-esp: cannot read %s\n", dir);
		return 2;
	}
	bed_start();
	sas = jload(dir, "esp_sa.json");
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (ends_with(name, ".pcap"))
			corpus_esp_capture(dir, name, json_object_get(sas, name), &t);
		else if (!strncmp(name, "vectors_", 8) && ends_with(name, ".json"))
			corpus_esp_vectors(dir, name, &t);
		free(names[i]);
	}
	free(names);
	json_decref(sas);
	if (bed_mbufs_in_use())
		tally_line(&t, TALLY_FAILED, "packet buffers", "%u were lost", bed_mbufs_in_use());
	bed_stop();
	return tally_end(&t);
}
