// HASH_R of real exchanges, recomputed from the pre-shared key and the messages' payloads.
#include <jansson.h>
#include <string.h>

#include "corpus_ike.h"
#include "corpus_io.h"
#include "ikev1/keys.h"

enum { G_XR, G_XI, CKY_R, CKY_I, SAI, IDIR, NI, NR, HASH_R, SKEYID, FIELDS };
static const char *const names[FIELDS] = {"g_xr",   "g_xi", "cky_r", "cky_i",  "sai_b",
					  "idir_b", "ni_b", "nr_b",  "hash_r", "skeyid"};

static struct chunk chunk(const struct blob *b)
{
	return (struct chunk){b->bytes, b->len};
}

static uint64_t cookie(const struct blob *b)
{
	uint64_t v = 0;

	for (size_t i = 0; i < b->len; i++)
		v = v << 8 | b->bytes[i];
	return v;
}

static bool equals(const struct blob *want, const uint8_t *got, size_t len)
{
	return want->len == len && memcmp(want->bytes, got, len) == 0;
}

void ike_hash_r(struct tally *t, const char *path, const char *name)
{
	json_error_t err;
	json_t *root = json_load_file(path, 0, &err);
	const char *psk = json_string_value(json_object_get(root, "psk"));
	const char *prf = json_string_value(json_object_get(root, "prf"));
	struct blob f[FIELDS] = {0};
	struct secret skeyid = {0};
	uint8_t out[PRF_LEN_MAX];

	if (!root || !psk || !prf) {
		tally_line(t, TALLY_FAILED, name, "no such fields");
		json_decref(root);
		return;
	}
	for (size_t i = 0; i < FIELDS; i++) {
		const char *text = json_string_value(json_object_get(root, names[i]));
		blob_from_hex(&f[i], text ? text : "");
	}
	const enum ike_hash h = strcmp(prf, "hmac-md5") == 0 ? IKE_HASH_MD5 : IKE_HASH_SHA;
	if (ikev1_skeyid_psk(h, psk, strlen(psk), chunk(&f[NI]), chunk(&f[NR]), &skeyid) != 0 ||
	    !equals(&f[SKEYID], skeyid.bytes, skeyid.len))
		tally_line(t, TALLY_FAILED, name, "another SKEYID");
	else if (ikev1_auth_hash(h, &skeyid, chunk(&f[G_XR]), chunk(&f[G_XI]), cookie(&f[CKY_R]),
				 cookie(&f[CKY_I]), chunk(&f[SAI]), chunk(&f[IDIR]), out) != 0 ||
		 !equals(&f[HASH_R], out, prf_len(h)))
		tally_line(t, TALLY_FAILED, name, "another HASH_R");
	else
		tally_line(t, TALLY_PASSED, name, "%s", "");
	for (size_t i = 0; i < FIELDS; i++)
		blob_free(&f[i]);
	secret_clear(&skeyid);
	json_decref(root);
}
