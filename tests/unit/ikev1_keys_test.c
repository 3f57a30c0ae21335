// IKEv1 key derivation: a NIST CAVS case per authentication method, and a whole set of keys
// computed independently (MD5, where SKEYID_e is shorter than the key, and SHA2-256, where it is
// longer).
#include "ikev1/keys.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hex.h"
#include "ikev1/wire.h"

struct bytes {
	uint8_t b[512];
	size_t len;
};

static struct bytes hex(const char *text)
{
	struct bytes out;

	out.len = unhex(text, out.b, sizeof(out.b));
	return out;
}

static struct chunk chunk(const struct bytes *b)
{
	return (struct chunk){b->b, b->len};
}

static void equals(const struct secret *s, const char *want_hex)
{
	const struct bytes want = hex(want_hex);

	assert_int_equal(s->len, want.len);
	assert_memory_equal(s->bytes, want.b, want.len);
}

// NIST CAVS 17.3, IKEv1, SHA-1, COUNT 0 of the first set of either file.
static void test_cavs_psk(void **state)
{
	const struct bytes
		ni = hex("b9a2d0e922dc66dd"),
		nr = hex("2130166863b5ddef"),
		gxy = hex("739003ba2c11c982946c65e26acf661fbf8ebb78011a9fead79efa12fe3e71cc"),
		psk = hex("75");
	struct ikev1_keys k = {.hash = IKE_HASH_SHA, .encr = IKE_ENCR_3DES};

	assert_int_equal(
		ikev1_skeyid_psk(k.hash, psk.b, psk.len, chunk(&ni), chunk(&nr), &k.skeyid), 0);
	assert_int_equal(
		ikev1_keys_derive(&k, chunk(&gxy), 0x83d374c30b3b5082u, 0x5afc0da06c728029u), 0);
	equals(&k.skeyid, "62b04d112877e442fc3282fc37c076997718a0b9");
	equals(&k.skeyid_d, "369e5aad1bdb5faf6a3d929d500cdc236710a9ab");
	equals(&k.skeyid_a, "588e957d8d790d093b3a39f121473473af78e9bb");
	equals(&k.skeyid_e, "cd74b0c048219db81384d3fda8f6cda51e398a2b");
	assert_int_equal(k.key.len, 24);  // longer than SKEYID_e: expanded
	assert_memory_not_equal(k.key.bytes, k.skeyid_e.bytes, 20);
	ikev1_keys_clear(&k);
	assert_false(secret_is_set(&k.key));
}

static void test_cavs_sig(void **state)
{
	const struct bytes
		ni = hex("69a62284195f1680"),
		nr = hex("80c94ba25c8abda5"),
		gxy = hex("8ba4cbc73c0187301dc19a975823854dbd641c597f637f8d053a83b9514673eb");
	struct ikev1_keys k = {.hash = IKE_HASH_SHA, .encr = IKE_ENCR_DES};

	assert_int_equal(ikev1_skeyid_sig(k.hash, chunk(&ni), chunk(&nr), chunk(&gxy), &k.skeyid),
			 0);
	assert_int_equal(
		ikev1_keys_derive(&k, chunk(&gxy), 0x8c3bcd3a69831d7fu, 0xd2d9a7ff4fbe95a7u), 0);
	equals(&k.skeyid, "707197817fb2d90cf54d1842606bdea59b9f4823");
	equals(&k.skeyid_d, "384be709a8a5e63c3ed160cfe3921c4b37d5b32d");
	equals(&k.skeyid_a, "48b327575abe3adba0f279849e289022a13e2b47");
	equals(&k.skeyid_e, "a4a415c8e0c38c0da847c356cc61c24df8025560");
	equals(&k.key, "a4a415c8e0c38c0d");
	ikev1_keys_clear(&k);
}

static const struct whole {
	enum ike_hash hash;
	const char *skeyid, *d, *a, *e, *key, *iv1, *iv2, *hash_i, *hash_r, *h1, *h2, *h3, *keymat,
		*keymat_pfs;
} sets[] = {
	{IKE_HASH_MD5, "78b257b985ff1b8f6dd47e14ea9f0961", "7e14622de4a66469750dab9a5688ca8b",
	 "5d750d673288d066b87a487ee820b1c8", "2f24af734775e6a352a319697bef34ca",
	 "4a99d55f419d5654244938ccea464b588ef6470164dfcfd5f92a46c1d8e28178",
	 "bab0e1ffbd4e4697759d77954ba58bd5", "6545d082f7c822e0bd80e5f78f3103da",
	 "940e4f6e389ab8e5ea13cb3e78ebc5c0", "a45e694baeb1a4a5ae625994fe53865f",
	 "d24d755f7d216eb2b447e57248713394", "092f8d2440080141828c4177e6da1c45",
	 "8cabf53b2daae2bd7f90811946b27ab4",
	 "7afaa8842257eeabef8f15dcc8bc5aefac35938fca5c1f8bc35374e3c2432522edeff5a76c1a30e52df0a8bf"
	 "d061de302a9072bc",
	 "8438dcb9062f11063b4feef7869bdf4b182d404805eef9ef7919ae0c58096a88f9fb74e55bc5bfc5d04b297d"
	 "15abf8b2e35cf5f9"},
	{IKE_HASH_SHA256, "929c9ae5139f72aeb535547d349bb948bf44ab746368fbd5b2130b1072ac52e4",
	 "0b76f831d6510f8ad5feb64ba9c801072cb36caa180b9dfaa1ea55eca3d45dec",
	 "9df762720ce46a2a1f831340d2213c1a5447bcbfb31b6f4c76891a3b8bafd675",
	 "65c08073a8d104c58c2453a633b5e5f3f810b254ccacf5ae54fe8b72ef4d294f",
	 "65c08073a8d104c58c2453a633b5e5f3f810b254ccacf5ae54fe8b72ef4d294f",
	 "8759177b6e8fc901106d7264cbbe88d5", "3ca0885dffdc884cddfcc262bb56a9cc",
	 "7d658aed6f87444f4e210e66c8756f9bbda4737ef964f6b722590ad89f794175",
	 "f003a3cb7a04ca8de698d60f12db224ec711469763f8fa8d6554a4ffaf7fb6ca",
	 "64f9b9969e836991862cfa44f046d34efae897c29ccb0e3f5fba06deda484e03",
	 "1f51903c2697ddfbc7c3075a0d644fb96edfd774ad708a3654560b56a3abebca",
	 "c1ec822b27de1fd891984a7f6702f4fa3e83f4d6f79e8f4216b390dba6b76728",
	 "820bd223d2911fff8addf1a4b26babe65bb4a89ed54eb450945e958624beb31fdd8c48c9e2fc0426b374e8ca"
	 "a40b03d4c525453b",
	 "99704f1e736a723b6ccfe3a2aa382df2e4870254d35ffd9017a694629489657f677efce4f0fcea8619345c3a"
	 "24d1fc5d468368c8"},
};

static void memory_is(const uint8_t *got, const char *want_hex)
{
	const struct bytes want = hex(want_hex);

	assert_memory_equal(got, want.b, want.len);
}

static void whole_set(const struct whole *w)
{
	const uint64_t ci = 0x0102030405060708u, cr = 0xa1a2a3a4a5a6a7a8u;
	const uint32_t mid = 0xdeadbeef;
	uint8_t ni_b[16], nr_b[20], gxy_b[128], gxi_b[128], gxr_b[128], sai_b[40], id_b[8];
	uint8_t out[PRF_LEN_MAX], iv[16], iv2[16];
	struct ikev1_keys k = {.hash = w->hash, .encr = IKE_ENCR_AES, .aes_bits = 256};
	struct secret km = {0};

	for (unsigned i = 0; i < 128; i++) {
		gxy_b[i] = (uint8_t)(i * 7 + 3);
		if (i < 16)
			ni_b[i] = (uint8_t)i;
		if (i < 20)
			nr_b[i] = (uint8_t)(0x80 + i);
	}
	memset(gxi_b, 0x11, 128);
	memset(gxr_b, 0x22, 128);
	memset(sai_b, 0x33, 40);
	unhex("011101f4c0000201", id_b, 8);
	const struct chunk ni = {ni_b, 16}, nr = {nr_b, 20}, gxy = {gxy_b, 128}, gxi = {gxi_b, 128},
			   gxr = {gxr_b, 128}, sai = {sai_b, 40}, id = {id_b, 8},
			   rest = {"the rest of the message", 23};

	assert_int_equal(ikev1_skeyid_psk(w->hash, "first tunnel", 12, ni, nr, &k.skeyid), 0);
	assert_int_equal(ikev1_keys_derive(&k, gxy, ci, cr), 0);
	equals(&k.skeyid, w->skeyid);
	equals(&k.skeyid_d, w->d);
	equals(&k.skeyid_a, w->a);
	equals(&k.skeyid_e, w->e);
	equals(&k.key, w->key);

	assert_int_equal(ikev1_iv_phase1(w->hash, gxi, gxr, iv, 16), 0);
	memory_is(iv, w->iv1);
	assert_int_equal(ikev1_iv_phase2(w->hash, iv, 16, mid, iv2), 0);
	memory_is(iv2, w->iv2);
	assert_int_equal(ikev1_auth_hash(w->hash, &k.skeyid, gxi, gxr, ci, cr, sai, id, out), 0);
	memory_is(out, w->hash_i);
	assert_int_equal(ikev1_auth_hash(w->hash, &k.skeyid, gxr, gxi, cr, ci, sai, id, out), 0);
	memory_is(out, w->hash_r);
	assert_int_equal(ikev1_hash1(&k, mid, rest, out), 0);
	memory_is(out, w->h1);
	assert_int_equal(ikev1_hash2(&k, mid, ni, rest, out), 0);
	memory_is(out, w->h2);
	assert_int_equal(ikev1_hash3(&k, mid, ni, nr, out), 0);
	memory_is(out, w->h3);

	assert_int_equal(
		ikev1_keymat(&k, PROTO_IPSEC_ESP, 0x11223344, (struct chunk){0}, ni, nr, 52, &km),
		0);
	equals(&km, w->keymat);
	assert_int_equal(ikev1_keymat(&k, PROTO_IPSEC_ESP, 0x11223344, gxy, ni, nr, 52, &km), 0);
	equals(&km, w->keymat_pfs);
	assert_int_equal(ikev1_keymat(&k, PROTO_IPSEC_ESP, 0x11223344, gxy, ni, nr, 0, &km),
			 -EINVAL);
	assert_int_equal(ikev1_keymat(&k, PROTO_IPSEC_ESP, 0x11223344, gxy, ni, nr, 513, &km),
			 -EINVAL);
	secret_clear(&km);
	ikev1_keys_clear(&k);
}

static void test_whole_md5(void **state)
{
	whole_set(&sets[0]);
}

static void test_whole_sha256(void **state)
{
	whole_set(&sets[1]);
}

static void test_refused(void **state)
{
	uint8_t big[512] = {0}, iv[16];
	struct secret s = {0};
	struct ikev1_keys k = {.hash = IKE_HASH_SHA, .encr = IKE_ENCR_AES, .aes_bits = 100};
	const struct chunk half = {big, 256}, over = {big, 257};

	assert_int_equal(ikev1_skeyid_sig(IKE_HASH_SHA, half, over, half, &s), -EINVAL);
	assert_int_equal(ikev1_iv_phase1(IKE_HASH_MD5, half, half, iv, 17), -EINVAL);
	assert_int_equal(ikev1_skeyid_psk(k.hash, "x", 1, half, half, &k.skeyid), 0);
	assert_int_equal(ikev1_keys_derive(&k, half, 1, 2), -EINVAL);  // no such key length
	ikev1_keys_clear(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cavs_psk),  cmocka_unit_test(test_cavs_sig),
		cmocka_unit_test(test_whole_md5), cmocka_unit_test(test_whole_sha256),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
