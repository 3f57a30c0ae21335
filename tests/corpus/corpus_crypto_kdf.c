// NIST CAVS 17.3 vectors of the IKE key derivation functions (SP 800-135): a text file of sections
// ("[SHA-1]" chooses the hash) and cases of "name = hex" lines that begin with COUNT.
//
// IKEv1 goes through ikev1_skeyid_* and ikev1_keys_derive, IKEv2 through prf and prf+.
#include <stdlib.h>
#include <string.h>

#include "corpus_crypto.h"
#include "corpus_io.h"
#include "ike/prf.h"
#include "ikev1/keys.h"

#define FIELDS_MAX 20

struct field {
	char name[40];
	struct blob value;
};
struct kdf_case {
	enum ike_hash hash;
	bool hash_known;
	char hash_name[16];
	unsigned count;
	struct field fields[FIELDS_MAX];
	unsigned n;
};

static void case_clear(struct kdf_case *c)
{
	for (unsigned i = 0; i < c->n; i++)
		blob_free(&c->fields[i].value);
	c->n = 0;
}

static const struct blob *field(const struct kdf_case *c, const char *name)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (strcmp(c->fields[i].name, name) == 0)
			return &c->fields[i].value;
	}
	return NULL;
}

static struct chunk chunk(const struct kdf_case *c, const char *name)
{
	const struct blob *b = field(c, name);

	return b ? (struct chunk){b->bytes, b->len} : (struct chunk){0};
}

static bool equals(const struct kdf_case *c, const char *name, const struct secret *s)
{
	const struct blob *want = field(c, name);

	return want && want->len == s->len && memcmp(want->bytes, s->bytes, s->len) == 0;
}

static uint64_t cookie(const struct kdf_case *c, const char *name)
{
	const struct blob *b = field(c, name);
	uint64_t v = 0;

	for (size_t i = 0; b && i < b->len; i++)
		v = v << 8 | b->bytes[i];
	return v;
}

static bool ikev1_case(const struct kdf_case *c)
{
	struct ikev1_keys k = {.hash = c->hash, .encr = IKE_ENCR_AES, .aes_bits = 256};
	const struct chunk ni = chunk(c, "Ni"), nr = chunk(c, "Nr"), gxy = chunk(c, "g^xy");
	const struct blob *psk = field(c, "pre-shared-key");

	int rc = psk ? ikev1_skeyid_psk(c->hash, psk->bytes, psk->len, ni, nr, &k.skeyid)
		     : ikev1_skeyid_sig(c->hash, ni, nr, gxy, &k.skeyid);
	if (rc == 0)
		rc = ikev1_keys_derive(&k, gxy, cookie(c, "CKY_I"), cookie(c, "CKY_R"));
	const bool ok = rc == 0 && equals(c, "SKEYID", &k.skeyid) &&
			equals(c, "SKEYID_d", &k.skeyid_d) && equals(c, "SKEYID_a", &k.skeyid_a) &&
			equals(c, "SKEYID_e", &k.skeyid_e);
	ikev1_keys_clear(&k);
	return ok;
}

// prf+ of `key` over the seed, as long as the expected field.
static bool plus_equals(const struct kdf_case *c, const char *name, const void *key, size_t key_len,
			const struct chunk *seed, size_t n)
{
	const struct blob *want = field(c, name);
	struct secret out = {0};
	const bool ok = want && prf_plus(c->hash, key, key_len, seed, n, &out, want->len) == 0 &&
			equals(c, name, &out);

	secret_clear(&out);
	return ok;
}

static bool prf_equals(const struct kdf_case *c, const char *name, const void *key, size_t key_len,
		       const struct chunk *in, size_t n, uint8_t *out)
{
	const struct blob *want = field(c, name);

	return want && want->len == prf_len(c->hash) &&
	       prf_compute(c->hash, key, key_len, in, n, out) == 0 &&
	       memcmp(out, want->bytes, want->len) == 0;
}

// RFC 7296 2.14, 2.17, 2.18
static bool ikev2_case(const struct kdf_case *c)
{
	const struct chunk ni = chunk(c, "Ni"), nr = chunk(c, "Nr"), gir = chunk(c, "g^ir"),
			   gir_new = chunk(c, "g^ir (new)");
	const struct chunk spis[] = {ni, nr, chunk(c, "SPIi"), chunk(c, "SPIr")};
	const struct chunk nonces[] = {gir_new, ni, nr};
	const size_t len = prf_len(c->hash);
	uint8_t both[1024], skeyseed[PRF_LEN_MAX], rekeyed[PRF_LEN_MAX];
	const struct blob *dkm = field(c, "DKM");

	if (!dkm || dkm->len < len || !ni.data || !nr.data || ni.len + nr.len > sizeof(both))
		return false;
	memcpy(both, ni.data, ni.len);
	memcpy(both + ni.len, nr.data, nr.len);
	// SK_d is what DKM begins with.
	return prf_equals(c, "SKEYSEED", both, ni.len + nr.len, &gir, 1, skeyseed) &&
	       plus_equals(c, "DKM", skeyseed, len, spis, 4) &&
	       plus_equals(c, "DKM(Child SA)", dkm->bytes, len, nonces + 1, 2) &&
	       plus_equals(c, "DKM(Child SA D-H)", dkm->bytes, len, nonces, 3) &&
	       prf_equals(c, "SKEYSEED(Rekey)", dkm->bytes, len, nonces, 3, rekeyed);
}

static void case_run(struct tally *t, const struct kdf_case *c, const char *name)
{
	char label[120];

	if (c->n == 0)
		return;
	snprintf(label, sizeof(label), "%s %s COUNT %u", name, c->hash_name, c->count);
	if (!c->hash_known) {
		tally_line(t, TALLY_SKIPPED, label, "no such hash in IKE");
		return;
	}
	const bool v2 = field(c, "SPIi") != NULL;
	tally_line(t, (v2 ? ikev2_case(c) : ikev1_case(c)) ? TALLY_PASSED : TALLY_FAILED, label,
		   "%s", "");
}

static void section_line(struct kdf_case *c, const char *line)
{
	static const struct {
		const char *name;
		enum ike_hash hash;
	} hashes[] = {
		{"[SHA-1]", IKE_HASH_SHA},
		{"[SHA-256]", IKE_HASH_SHA256},
		{"[SHA-384]", IKE_HASH_SHA384},
		{"[SHA-512]", IKE_HASH_SHA512},
	};

	if (strncmp(line, "[SHA", 4) != 0)
		return;
	c->hash_known = false;
	snprintf(c->hash_name, sizeof(c->hash_name), "%s", line + 1);
	c->hash_name[strcspn(c->hash_name, "]")] = 0;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		if (strcmp(line, hashes[i].name) == 0) {
			c->hash = hashes[i].hash;
			c->hash_known = true;
		}
	}
}

void kdf_file(struct tally *t, const char *path, const char *name)
{
	struct tally file = {.quiet = true};
	struct kdf_case c = {0};
	struct blob text;
	char *save = NULL;

	if (blob_read(&text, path) != 0) {
		tally_line(t, TALLY_FAILED, name, "cannot be read");
		return;
	}
	for (char *line = strtok_r((char *)text.bytes, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		char *eq = strstr(line, " = ");
		if (line[0] == '#')
			continue;
		if (line[0] == '[' || strncmp(line, "COUNT", 5) == 0) {
			case_run(&file, &c, name);
			case_clear(&c);
			section_line(&c, line);
			if (line[0] == 'C' && eq)
				c.count = (unsigned)strtoul(eq + 3, NULL, 10);
		} else if (eq && c.n < FIELDS_MAX) {
			struct field *f = &c.fields[c.n++];
			snprintf(f->name, sizeof(f->name), "%.*s", (int)(eq - line), line);
			blob_from_hex(&f->value, eq + 3);
		}
	}
	case_run(&file, &c, name);
	case_clear(&c);
	blob_free(&text);
	tally_file(t, &file, name);
}
