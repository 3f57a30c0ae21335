// corpus-crypto DIR: published vectors through the very functions that IKE and ESP call.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "corpus_crypto.h"
#include "corpus_io.h"

static void kdf_each(void *ctx, const char *path, const char *name)
{
	if (name_ends(name, ".fax"))
		kdf_file(ctx, path, name);
}

// Which Wycheproof file goes where. ESP's ciphers are in corpus_crypto_esp.c.
static const struct {
	const char *prefix;
	void (*run)(struct tally *t, const char *path, const char *name);
	const char *why;  // skipped
} wycheproof[] = {
	{"hmac_", wycheproof_hmac, NULL},
	{"ecdh_", wycheproof_ecdh, NULL},
	{"aes_cbc_", wycheproof_cbc, NULL},
	{"ecdsa_", NULL, "IKEv1 with pre-shared keys has no signatures"},
	{"ed25519_", NULL, "IKEv1 with pre-shared keys has no signatures"},
	{"rsa_", NULL, "IKEv1 with pre-shared keys has no signatures"},
	{"mlkem_", NULL, "key encapsulation is an IKEv2 extension"},
	{"x25519_", NULL, "group 31 is an IKEv2 group"},
	{"x448_", NULL, "group 32 is an IKEv2 group"},
};

static void wycheproof_each(void *ctx, const char *path, const char *name)
{
	if (!name_ends(name, ".json"))
		return;
	for (size_t i = 0; i < sizeof(wycheproof) / sizeof(wycheproof[0]); i++) {
		if (strncmp(name, wycheproof[i].prefix, strlen(wycheproof[i].prefix)) != 0)
			continue;
		if (wycheproof[i].run)
			wycheproof[i].run(ctx, path, name);
		else
			tally_line(ctx, TALLY_SKIPPED, name, "%s", wycheproof[i].why);
	}
}

static void boringssl_each(void *ctx, const char *path, const char *name)
{
	if (strcmp(name, "hmac_tests.txt") == 0)
		boringssl_hmac(ctx, path, name);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *sub;
		void (*each)(void *ctx, const char *path, const char *name);
	} dirs[] = {
		{"vectors/cavp_ike", kdf_each},
		{"vectors/wycheproof", wycheproof_each},
		{"vectors/boringssl", boringssl_each},
	};
	struct tally t = {0};

	if (argc != 2) {
		fprintf(stderr, "usage: corpus-crypto DIR\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (dir_each(argv[1], dirs[i].sub, dirs[i].each, &t) != 0)
			tally_line(&t, TALLY_SKIPPED, dirs[i].sub, "not in this corpus");
	}
#ifdef CORPUS_WITH_ESP
	if (corpus_crypto_esp(argv[1], &t) != 0)
		tally_line(&t, TALLY_FAILED, "esp", "the packet crypto library does not start");
#else
	tally_line(&t, TALLY_SKIPPED, "esp", "built without the packet crypto");
#endif
	return tally_end(&t);
}
