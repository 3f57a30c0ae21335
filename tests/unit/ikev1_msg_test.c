// IKEv1 messages: what is built decodes to the same, and each rule of RFC 2408 section 5 refuses
// what breaks it (security table, rows 1, 3, 5, 6, 10).
#include "ikev1/msg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"
#include "ike/cipher.h"

static const struct ikev1_hdr main_mode = {
	.icookie = 0x0102030405060708u,
	.rcookie = 0xa1a2a3a4a5a6a7a8u,
	.exchange = ISAKMP_XCHG_IDENTITY_PROTECTION,
};
static const struct ikev1_hdr quick_mode = {
	.icookie = 0x0102030405060708u,
	.rcookie = 0xa1a2a3a4a5a6a7a8u,
	.exchange = ISAKMP_XCHG_QUICK_MODE,
	.message_id = 0xdeadbeef,
};

// Main Mode 3: KE, nonce, vendor ids, two NAT-D.
static size_t build_ke(uint8_t *mem, size_t cap)
{
	struct ikev1_build b;
	uint8_t ke[128], nonce[32], natd[20];
	size_t len = 0;

	memset(ke, 1, sizeof(ke));
	memset(nonce, 2, sizeof(nonce));
	memset(natd, 3, sizeof(natd));
	ikev1_build_init(&b, mem, cap, &main_mode);
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_KE, ke, sizeof(ke));
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_NONCE, nonce, sizeof(nonce));
	ikev1_build_vendor(&b, IKEV1_VENDOR_DPD);
	ikev1_build_vendor(&b, IKEV1_VENDOR_NATT_RFC);
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_NAT_D, natd, sizeof(natd));
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_NAT_D, natd, sizeof(natd));
	return ikev1_build_finish(&b, &len) == 0 ? len : 0;
}

static void test_round_trip(void **state)
{
	uint8_t mem[1024];
	const size_t len = build_ke(mem, sizeof(mem));
	struct ikev1_hdr h;
	struct ikev1_msg m;

	assert_int_equal(len, 28 + 132 + 36 + 20 + 20 + 24 + 24);
	assert_int_equal(ikev1_hdr_decode(mem, len, &h), 0);
	assert_int_equal(h.icookie, main_mode.icookie);
	assert_int_equal(h.rcookie, main_mode.rcookie);
	assert_int_equal(h.exchange, ISAKMP_XCHG_IDENTITY_PROTECTION);
	assert_int_equal(h.length, len);
	assert_int_equal(h.next_payload, ISAKMP_PAYLOAD_KE);
	assert_int_equal(ikev1_msg_decode(mem, &h, false, &m), 0);
	assert_int_equal(m.count, 6);
	assert_int_equal(ikev1_msg_count(&m, ISAKMP_PAYLOAD_NAT_D), 2);
	assert_null(ikev1_msg_find(&m, ISAKMP_PAYLOAD_NAT_D, 2));
	const struct ikev1_payload *n = ikev1_msg_find(&m, ISAKMP_PAYLOAD_NONCE, 0);
	assert_non_null(n);
	assert_int_equal(n->len, 32);
	assert_int_equal(n->body[31], 2);
	assert_int_equal(ikev1_nonce_check(n), 0);
	assert_int_equal(ikev1_msg_vendors(&m), IKEV1_VENDOR_DPD | IKEV1_VENDOR_NATT_RFC);
	assert_ptr_equal(m.end, mem + len);
}

static void test_header(void **state)
{
	uint8_t mem[1024], bad[1024];
	const size_t len = build_ke(mem, sizeof(mem));
	struct ikev1_hdr h;

	for (size_t n = 0; n < len; n++)  // every truncation
		assert_int_equal(ikev1_hdr_decode(mem, n, &h), -EBADMSG);
	assert_int_equal(ikev1_hdr_decode(mem, len + 1, &h), -EBADMSG);  // bytes behind

	static const struct {
		size_t at;
		uint8_t value;
		int rc;
	} cases[] = {
		{17, 0x20, -EPROTONOSUPPORT},  // IKEv2
		{17, 0x11, -EPROTONOSUPPORT}, {17, 0x00, -EPROTONOSUPPORT},
		{19, 0x08, -EBADMSG},  // a flag of IKEv2
		{19, 0x80, -EBADMSG},         {24, 0x01, -EBADMSG},
		{27, 0x00, -EBADMSG},         {27, 0x1b, -EBADMSG},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(bad, mem, len);
		bad[cases[i].at] = cases[i].value;
		assert_int_equal(ikev1_hdr_decode(bad, len, &h), cases[i].rc);
	}
	memcpy(bad, mem, len);
	memset(bad, 0, 8);  // no initiator cookie
	assert_int_equal(ikev1_hdr_decode(bad, len, &h), -EBADMSG);
}

static int decode(const uint8_t *mem, size_t len, bool padded)
{
	struct ikev1_hdr h;
	struct ikev1_msg m;
	int rc = ikev1_hdr_decode(mem, len, &h);

	return rc ? rc : ikev1_msg_decode(mem, &h, padded, &m);
}

// Offsets: KE header at 28, nonce header at 160.
static void test_chain(void **state)
{
	uint8_t mem[1024], bad[1024];
	const size_t len = build_ke(mem, sizeof(mem));
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{16, ISAKMP_PAYLOAD_NONE},  // no payload at all, bytes trail
		{16, ISAKMP_PAYLOAD_P},     // proposals live inside SA
		{16, 33},                   // a payload of IKEv2
		{29, 1},                    // reserved field
		{31, 3},                    // shorter than its own header
		{31, 0},
		{30, 0x40},                 // beyond the message
		{28, ISAKMP_PAYLOAD_NONE},  // chain ends early, bytes trail
		{163, 0},                   // zero length in the middle
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(bad, mem, len);
		bad[cases[i].at] = cases[i].value;
		assert_int_equal(decode(bad, len, false), -EBADMSG);
	}
	// An encrypted message may end in padding; it may not have a chain beyond its end.
	memcpy(bad, mem, len);
	bad[28] = ISAKMP_PAYLOAD_NONE;
	assert_int_equal(decode(bad, len, true), 0);
	bad[30] = 0x40;
	assert_int_equal(decode(bad, len, true), -EBADMSG);
}

static void test_too_many(void **state)
{
	uint8_t mem[1024];

	for (unsigned n = IKEV1_PAYLOADS_MAX; n <= IKEV1_PAYLOADS_MAX + 1; n++) {
		struct ikev1_build b;
		size_t len;
		ikev1_build_init(&b, mem, sizeof(mem), &main_mode);
		for (unsigned i = 0; i < n; i++)
			ikev1_build_payload(&b, ISAKMP_PAYLOAD_VID, "x", 1);
		assert_int_equal(ikev1_build_finish(&b, &len), 0);
		assert_int_equal(decode(mem, len, false), n == IKEV1_PAYLOADS_MAX ? 0 : -E2BIG);
	}
}

static void test_encrypt(void **state)
{
	uint8_t mem[256], iv[16], next[16], seen[16];
	struct secret key = {0};
	struct ikev1_build b;
	struct ikev1_hdr h;
	struct ikev1_msg m;
	size_t len, covered;
	const uint8_t *from;

	memset(iv, 7, sizeof(iv));
	assert_int_equal(secret_set(&key, "0123456789abcdef", 16), 0);
	ikev1_build_init(&b, mem, sizeof(mem), &quick_mode);
	const size_t hash_at = ikev1_build_hash(&b, 20);
	const size_t nonce_at =
		ikev1_build_payload(&b, ISAKMP_PAYLOAD_NONCE, "nonce-nonce-nonce", 17);
	assert_int_equal(ikev1_build_after_hash(&b, &from, &covered), 0);
	assert_ptr_equal(from, mem + 28 + 24);
	assert_int_equal(covered, 4 + 17);
	assert_int_equal(nonce_at, 28 + 24 + 4);
	ikev1_build_set(&b, hash_at, "ABCDEFGHIJKLMNOPQRST", 20);
	assert_int_equal(ikev1_build_encrypt(&b, IKE_ENCR_AES, &key, iv, next, &len), 0);
	assert_int_equal(len, 28 + 48);
	assert_memory_equal(next, mem + len - 16, 16);
	assert_memory_not_equal(mem + 28 + 4, "ABCDEFGHIJKLMNOPQRST", 20);

	assert_int_equal(ikev1_hdr_decode(mem, len, &h), 0);
	assert_int_equal(h.flags, ISAKMP_FLAG_ENCRYPTION);
	assert_int_equal(h.next_payload, ISAKMP_PAYLOAD_HASH);
	assert_int_equal(h.message_id, 0xdeadbeef);
	assert_int_equal(ikev1_msg_decrypt(mem, &h, IKE_ENCR_AES, &key, iv, seen), 0);
	assert_memory_equal(seen, next, 16);
	assert_int_equal(ikev1_msg_decode(mem, &h, true, &m), 0);
	assert_int_equal(m.count, 2);
	assert_memory_equal(m.payloads[0].body, "ABCDEFGHIJKLMNOPQRST", 20);
	assert_int_equal(ikev1_msg_after_hash(&m, &from, &covered), 0);
	assert_int_equal(covered, 4 + 17);
	assert_memory_equal(from + 4, "nonce-nonce-nonce", 17);
	secret_clear(&key);
}

// iv and next_iv may be the same memory: the chain of one exchange.
static void test_iv_in_place(void **state)
{
	uint8_t mem[128], copy[128], iv[8] = "ivivivi", chain[8] = "ivivivi";
	struct secret key = {0};
	struct ikev1_build b;
	struct ikev1_hdr h;
	size_t len;

	assert_int_equal(secret_set(&key, "01234567", 8), 0);
	ikev1_build_init(&b, mem, sizeof(mem), &quick_mode);
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_VID, "vendor", 6);
	assert_int_equal(ikev1_build_encrypt(&b, IKE_ENCR_DES, &key, chain, chain, &len), 0);
	assert_memory_equal(chain, mem + len - 8, 8);
	assert_int_equal(ikev1_hdr_decode(mem, len, &h), 0);
	memcpy(copy, mem, len);
	assert_int_equal(ikev1_msg_decrypt(mem, &h, IKE_ENCR_DES, &key, iv, iv), 0);
	assert_memory_equal(iv, chain, 8);
	assert_memory_equal(mem + 32, "vendor", 6);
	// A body that is no multiple of the block, or none.
	h.length = (uint32_t)len - 1;
	assert_int_equal(ikev1_msg_decrypt(copy, &h, IKE_ENCR_DES, &key, iv, NULL), -EBADMSG);
	h.length = 28;
	assert_int_equal(ikev1_msg_decrypt(copy, &h, IKE_ENCR_DES, &key, iv, NULL), -EBADMSG);
	secret_clear(&key);
}

static struct ikev1_payload payload(uint8_t type, const uint8_t *body, size_t len)
{
	return (struct ikev1_payload){.type = type, .len = (uint16_t)len, .body = body};
}

static int id_prefix(const char *hex_body, struct ip_prefix *out)
{
	static uint8_t body[64];
	const size_t len = unhex(hex_body, body, sizeof(body));
	const struct ikev1_payload p = payload(ISAKMP_PAYLOAD_ID, body, len);
	struct ikev1_id id;
	int rc = ikev1_id_decode(&p, &id);

	return rc ? rc : ikev1_id_to_prefix(&id, out);
}

static void test_id(void **state)
{
	static const struct {
		const char *body, *prefix;
		int rc;
	} cases[] = {
		{"01000000 c0000201", "192.0.2.1/32", 0},
		{"04000000 0a010200 ffffff00", "10.1.2.0/24", 0},
		{"04000000 00000000 00000000", "0.0.0.0/0", 0},
		{"07000000 0a000000 0affffff", "10.0.0.0/8", 0},
		{"07000000 0a000001 0a000001", "10.0.0.1/32", 0},
		{"05000000 20010db8000000000000000000000001", "2001:db8::1/128", 0},
		{"06000000 20010db8000000000000000000000000 ffffffff000000000000000000000000",
		 "2001:db8::/32", 0},
		{"04000000 0a010200 ff00ff00", NULL, -EBADMSG},  // mask with a hole
		{"07000000 0a000001 0a0000ff", NULL, -EBADMSG},  // no prefix
		{"07000000 0a0000ff 0a000000", NULL, -EBADMSG},  // upside down
		{"01000000 c00002", NULL, -EBADMSG},
		{"04000000 c0000201", NULL, -EBADMSG},
		{"02000000 7669", NULL, -ENOTSUP},
		{"02000000", NULL, -EBADMSG},  // empty name
		{"010000", NULL, -EBADMSG},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_prefix p;
		char text[PREFIX_STR_MAX];
		assert_int_equal(id_prefix(cases[i].body, &p), cases[i].rc);
		if (cases[i].rc == 0)
			assert_string_equal(prefix_format(&p, text, sizeof(text)), cases[i].prefix);
	}
	uint8_t big[4 + IKEV1_ID_DATA_MAX + 1] = {ID_KEY_ID};
	struct ikev1_id id;
	struct ikev1_payload p = payload(ISAKMP_PAYLOAD_ID, big, sizeof(big));
	assert_int_equal(ikev1_id_decode(&p, &id), -E2BIG);
	p.len--;
	assert_int_equal(ikev1_id_decode(&p, &id), 0);
}

static void test_id_build(void **state)
{
	static const char *const prefixes[] = {"10.1.2.0/24", "192.0.2.1/32", "0.0.0.0/0",
					       "2001:db8::/33", "2001:db8::7/128"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		uint8_t mem[128];
		struct ip_prefix in, out;
		struct ikev1_build b;
		struct ikev1_hdr h;
		struct ikev1_msg m;
		struct ikev1_id id;
		size_t len;

		assert_int_equal(prefix_parse(prefixes[i], &in), 0);
		ikev1_build_init(&b, mem, sizeof(mem), &main_mode);
		ikev1_build_id_prefix(&b, &in, 17, 500);
		assert_int_equal(ikev1_build_finish(&b, &len), 0);
		assert_int_equal(ikev1_hdr_decode(mem, len, &h), 0);
		assert_int_equal(ikev1_msg_decode(mem, &h, false, &m), 0);
		assert_int_equal(ikev1_id_decode(&m.payloads[0], &id), 0);
		assert_int_equal(id.protocol, 17);
		assert_int_equal(id.port, 500);
		assert_int_equal(ikev1_id_to_prefix(&id, &out), 0);
		assert_true(prefix_equal(&in, &out));
	}
}

static void test_notify_delete(void **state)
{
	uint8_t mem[256];
	const uint32_t spis[] = {0x11223344, 0x55667788};
	struct ikev1_build b;
	struct ikev1_hdr h;
	struct ikev1_msg m;
	struct ikev1_notify n;
	struct ikev1_delete d;
	size_t len;

	ikev1_build_init(&b, mem, sizeof(mem), &quick_mode);
	ikev1_build_notify(&b, PROTO_ISAKMP, ISAKMP_N_R_U_THERE, mem, 16, "\0\0\0\1", 4);
	ikev1_build_delete_esp(&b, spis, 2);
	ikev1_build_delete_isakmp(&b, 1, 2);
	assert_int_equal(ikev1_build_finish(&b, &len), 0);
	assert_int_equal(ikev1_hdr_decode(mem, len, &h), 0);
	assert_int_equal(ikev1_msg_decode(mem, &h, false, &m), 0);
	assert_int_equal(ikev1_notify_decode(&m.payloads[0], &n), 0);
	assert_int_equal(n.type, ISAKMP_N_R_U_THERE);
	assert_int_equal(n.protocol, PROTO_ISAKMP);
	assert_int_equal(n.spi_len, 16);
	assert_int_equal(n.len, 4);
	assert_int_equal(n.data[3], 1);
	assert_int_equal(ikev1_delete_decode(&m.payloads[1], &d), 0);
	assert_int_equal(d.count, 2);
	assert_int_equal(ikev1_delete_spi(&d, 0), 0x11223344);
	assert_int_equal(ikev1_delete_spi(&d, 1), 0x55667788);
	assert_int_equal(ikev1_delete_spi(&d, 2), 0);
	assert_int_equal(ikev1_delete_decode(&m.payloads[2], &d), 0);
	assert_int_equal(d.spi_len, 16);
	assert_int_equal(d.spis[7], 1);
	assert_int_equal(ikev1_delete_spi(&d, 0), 0);

	static const char *const bad[] = {
		"00000001 03 04 0000",             // none
		"00000001 03 04 0002 11223344",    // fewer than it says
		"00000001 03 04 0001 1122334455",  // more
		"00000001 03 10 0001 11223344",    // ESP with cookies
		"00000001 01 04 0001 11223344",    // ISAKMP with an SPI
		"00000001 03 04 ffff 11223344",
		"00000001 03 04",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t body[32];
		const struct ikev1_payload p =
			payload(ISAKMP_PAYLOAD_D, body, unhex(bad[i], body, sizeof(body)));
		assert_int_equal(ikev1_delete_decode(&p, &d), -EBADMSG);
	}
	uint8_t body[32];
	const struct ikev1_payload spi_long =
		payload(ISAKMP_PAYLOAD_N, body, unhex("00000001 03 05 000e 11223344", body, 32));
	assert_int_equal(ikev1_notify_decode(&spi_long, &n), -EBADMSG);
}

static void test_small_payloads(void **state)
{
	static const struct {
		const char *body;
		int rc;
	} oa[] = {{"01000000 c0000201", 0},
		  {"05000000 20010db8000000000000000000000001", 0},
		  {"01000000 c00002", -EBADMSG},
		  {"04000000 c0000201", -EBADMSG},
		  {"010000", -EBADMSG}},
	  fragment[] = {{"0001 01 01 aa", 0},
			{"0001 00 01 aa", -EBADMSG},  // numbers begin at 1
			{"0001 01 01", -EBADMSG},     // nothing in it
			{"0001 01", -EBADMSG}};
	uint8_t body[300] = {0};
	struct ip_addr addr;
	struct ikev1_fragment f;

	for (size_t i = 0; i < sizeof(oa) / sizeof(oa[0]); i++) {
		const struct ikev1_payload p =
			payload(ISAKMP_PAYLOAD_NAT_OA, body, unhex(oa[i].body, body, sizeof(body)));
		assert_int_equal(ikev1_natoa_decode(&p, &addr), oa[i].rc);
	}
	for (size_t i = 0; i < sizeof(fragment) / sizeof(fragment[0]); i++) {
		const struct ikev1_payload p = payload(ISAKMP_PAYLOAD_FRAGMENT, body,
						       unhex(fragment[i].body, body, sizeof(body)));
		assert_int_equal(ikev1_fragment_decode(&p, &f), fragment[i].rc);
	}
	for (size_t len = 0; len <= 258; len++) {
		const struct ikev1_payload p = payload(ISAKMP_PAYLOAD_NONCE, body, len);
		assert_int_equal(ikev1_nonce_check(&p), len >= 8 && len <= 256 ? 0 : -EBADMSG);
	}
}

static void test_vendors(void **state)
{
	static const enum ikev1_vendor all[] = {
		IKEV1_VENDOR_NATT_RFC,      IKEV1_VENDOR_NATT_DRAFT_02N,
		IKEV1_VENDOR_NATT_DRAFT_02, IKEV1_VENDOR_NATT_DRAFT_03,
		IKEV1_VENDOR_DPD,           IKEV1_VENDOR_XAUTH,
		IKEV1_VENDOR_FRAGMENTATION, IKEV1_VENDOR_UNITY,
	};
	uint8_t body[32];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint8_t mem[64];
		struct ikev1_build b;
		ikev1_build_init(&b, mem, sizeof(mem), &main_mode);
		ikev1_build_vendor(&b, all[i]);
		assert_int_equal(ikev1_vendor_lookup(mem + 32, b.w.len - 32), all[i]);
		assert_string_not_equal(ikev1_vendor_name(all[i]), "?");
	}
	size_t len = unhex("4048b7d56ebce88525e7de7f00d6c2d380000000", body, sizeof(body));
	assert_int_equal(ikev1_vendor_lookup(body, len), IKEV1_VENDOR_FRAGMENTATION);
	assert_int_equal(ikev1_vendor_lookup(body, 15), 0);
	assert_int_equal(ikev1_vendor_lookup(body, 0), 0);
	len = unhex("12f5f28c457168a9702d9fe274cc02d4", body, sizeof(body));
	assert_int_equal(ikev1_vendor_lookup(body, len), IKEV1_VENDOR_UNITY);
}

static void test_overflow(void **state)
{
	uint8_t mem[1024];
	size_t len;
	const size_t need = build_ke(mem, sizeof(mem));

	for (size_t cap = 0; cap < need; cap++) {
		uint8_t *small = malloc(cap ? cap : 1);
		assert_non_null(small);
		assert_int_equal(build_ke(small, cap), 0);
		free(small);
	}
	struct ikev1_build b;
	struct secret key = {0};
	const uint8_t iv[8] = {0};
	assert_int_equal(secret_set(&key, "01234567", 8), 0);
	ikev1_build_init(&b, mem, 28 + 5, &main_mode);
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_VID, "x", 1);
	assert_int_equal(ikev1_build_encrypt(&b, IKE_ENCR_DES, &key, iv, NULL, &len), -EMSGSIZE);
	ikev1_build_init(&b, mem, sizeof(mem), &main_mode);
	assert_int_equal(ikev1_build_encrypt(&b, IKE_ENCR_DES, &key, iv, NULL, &len), -EINVAL);
	ikev1_build_set(&b, 27, "xx", 2);  // behind what was written
	assert_int_equal(ikev1_build_finish(&b, &len), -EMSGSIZE);
	secret_clear(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_encrypt),
		cmocka_unit_test(test_iv_in_place),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_id_build),
		cmocka_unit_test(test_notify_delete),
		cmocka_unit_test(test_small_payloads),
		cmocka_unit_test(test_vendors),
		cmocka_unit_test(test_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
