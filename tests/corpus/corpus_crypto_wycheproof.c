// Wycheproof files through prf, dh and cipher. A file is {testGroups: [{..., tests: [...]}]}; each
// test says what the right answer is: valid, invalid, or acceptable.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "corpus_crypto.h"
#include "corpus_io.h"
#include "ike/cipher.h"
#include "ike/dh.h"
#include "ike/prf.h"

static const char *text(const json_t *test, const char *key)
{
	const char *s = json_string_value(json_object_get(test, key));

	return s ? s : "";
}

static struct blob hex(const json_t *test, const char *key)
{
	struct blob b;

	blob_from_hex(&b, text(test, key));
	return b;
}

// Calls fn for each test of a file and prints the file's line.
static void each_test(struct tally *t, const char *path, const char *name,
		      void (*fn)(struct tally *t, const char *label, const json_t *group,
				 const json_t *test))
{
	json_error_t err;
	json_t *root = json_load_file(path, 0, &err), *groups = json_object_get(root, "testGroups");
	struct tally file = {.quiet = true};
	size_t i, j;
	json_t *group, *test;

	if (!root) {
		tally_line(t, TALLY_FAILED, name, "%s", err.text);
		return;
	}
	json_array_foreach(groups, i, group)
	{
		json_array_foreach(json_object_get(group, "tests"), j, test)
		{
			char label[160];
			snprintf(label, sizeof(label), "%s tcId %lld", name,
				 (long long)json_integer_value(json_object_get(test, "tcId")));
			fn(&file, label, group, test);
		}
	}
	json_decref(root);
	tally_file(t, &file, name);
}

static void result(struct tally *t, const char *label, const json_t *test, bool accepted)
{
	const char *want = text(test, "result");

	if (strcmp(want, "acceptable") == 0 || accepted == (strcmp(want, "valid") == 0))
		tally_line(t, TALLY_PASSED, label, "%s", "");
	else
		tally_line(t, TALLY_FAILED, label, "%s is %s", text(test, "comment"), want);
}

// ---- HMAC ------------------------------------------------------------------------------------
static int hash_by_name(const char *label)
{
	static const struct {
		const char *part;
		enum ike_hash hash;
	} names[] = {
		{"sha1", IKE_HASH_SHA},
		{"sha256", IKE_HASH_SHA256},
		{"sha384", IKE_HASH_SHA384},
		{"sha512", IKE_HASH_SHA512},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strstr(label, names[i].part))
			return (int)names[i].hash;
	}
	return -1;
}

static void hmac_test(struct tally *t, const char *label, const json_t *group, const json_t *test)
{
	struct blob key = hex(test, "key"), msg = hex(test, "msg"), tag = hex(test, "tag");
	const int h = hash_by_name(label);
	const size_t len = (size_t)json_integer_value(json_object_get(group, "tagSize")) / 8;
	uint8_t out[PRF_LEN_MAX] = {0};

	if (h < 0) {
		tally_line(t, TALLY_SKIPPED, label, "no such hash in IKE");
	} else {
		const struct chunk in = {msg.bytes, msg.len};
		const bool same =
			prf_compute((enum ike_hash)h, key.bytes, key.len, &in, 1, out) == 0 &&
			len <= prf_len((enum ike_hash)h) && tag.len == len &&
			secret_equal(out, tag.bytes, len);
		result(t, label, test, same);
	}
	blob_free(&key);
	blob_free(&msg);
	blob_free(&tag);
}

void wycheproof_hmac(struct tally *t, const char *path, const char *name)
{
	each_test(t, path, name, hmac_test);
}

// ---- ECDH ------------------------------------------------------------------------------------
static const struct curve {
	const char *name;
	uint16_t group;
	const char *spki;  // SubjectPublicKeyInfo up to the point, named curve, uncompressed
} curves[] = {
	{"secp256r1", 19, "3059301306072a8648ce3d020106082a8648ce3d030107034200"},
	{"secp384r1", 20, "3076301006072a8648ce3d020106052b81040022036200"},
	{"secp521r1", 21, "30819b301006072a8648ce3d020106052b8104002303818600"},
};

// The KE payload's x | y out of a test's public key, or NULL when it holds no uncompressed point of
// this curve.
static const uint8_t *ke_of(const json_t *group, const struct curve *c, const struct blob *public,
			    size_t *len)
{
	struct blob prefix;
	size_t at = 0;

	if (strcmp(text(group, "encoding"), "asn") == 0) {
		blob_from_hex(&prefix, c->spki);
		at = public->len > prefix.len &&
				     memcmp(public->bytes, prefix.bytes, prefix.len) == 0
			     ? prefix.len
			     : public->len;
		blob_free(&prefix);
	}
	if (at >= public->len || public->bytes[at] != 4)
		return NULL;
	*len = public->len - at - 1;
	return public->bytes + at + 1;
}

static void ecdh_test(struct tally *t, const char *label, const json_t *group, const json_t *test)
{
	const struct curve *c = NULL;
	size_t len = 0;

	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		if (strcmp(text(group, "curve"), curves[i].name) == 0)
			c = &curves[i];
	}
	if (!c) {
		tally_line(t, TALLY_SKIPPED, label, "curve %s is no IKE group",
			   text(group, "curve"));
		return;
	}
	struct blob public = hex(test, "public"), private = hex(test, "private"),
		    shared = hex(test, "shared");
	const uint8_t *ke = ke_of(group, c, &public, &len);
	struct dh_keypair *kp = dh_import(c->group, private.bytes, private.len);
	struct secret z = {0};

	if (!ke) {
		// RFC 5903 7 has one format. What is in no such format never gets to dh_compute.
		tally_line(t, TALLY_SKIPPED, label, "no point that a KE payload can carry (%s)",
			   text(test, "comment"));
	} else if (!kp) {
		tally_line(t, TALLY_FAILED, label, "private key refused");
	} else {
		const int rc = dh_compute(kp, ke, len, &z);
		const bool same =
			rc == 0 && z.len == shared.len && memcmp(z.bytes, shared.bytes, z.len) == 0;
		// A value that must be refused is not saved by giving another secret than the
		// file's.
		if (rc == 0 && !same)
			tally_line(t, TALLY_FAILED, label, "another secret");
		else
			result(t, label, test, same);
	}
	secret_clear(&z);
	dh_destroy(kp);
	blob_free(&public);
	blob_free(&private);
	blob_free(&shared);
}

void wycheproof_ecdh(struct tally *t, const char *path, const char *name)
{
	each_test(t, path, name, ecdh_test);
}

// ---- AES-CBC ---------------------------------------------------------------------------------
// Length of the message under PKCS#5 padding, or -1: padding is the caller's business, IKE has its
// own.
static long unpadded(const uint8_t *p, size_t len)
{
	const uint8_t pad = len ? p[len - 1] : 0;

	if (pad == 0 || pad > 16 || pad > len)
		return -1;
	for (size_t i = len - pad; i < len; i++) {
		if (p[i] != pad)
			return -1;
	}
	return (long)(len - pad);
}

static void cbc_test(struct tally *t, const char *label, const json_t *group, const json_t *test)
{
	struct blob key = hex(test, "key"), iv = hex(test, "iv"), msg = hex(test, "msg"),
		    ct = hex(test, "ct");
	uint8_t *plain = calloc(1, ct.len + 1);
	bool ok = false;

	if (!plain)
		abort();
	memcpy(plain, ct.bytes, ct.len);
	if (iv.len == 16 &&
	    cipher_cbc_decrypt(IKE_ENCR_AES, key.bytes, key.len, iv.bytes, plain, ct.len) == 0) {
		const long n = unpadded(plain, ct.len);
		ok = n >= 0 && (size_t)n == msg.len && memcmp(plain, msg.bytes, msg.len) == 0;
		// And back again.
		ok = ok &&
		     cipher_cbc_encrypt(IKE_ENCR_AES, key.bytes, key.len, iv.bytes, plain,
					ct.len) == 0 &&
		     memcmp(plain, ct.bytes, ct.len) == 0;
	}
	result(t, label, test, ok);
	free(plain);
	blob_free(&key);
	blob_free(&iv);
	blob_free(&msg);
	blob_free(&ct);
}

void wycheproof_cbc(struct tally *t, const char *path, const char *name)
{
	each_test(t, path, name, cbc_test);
}
