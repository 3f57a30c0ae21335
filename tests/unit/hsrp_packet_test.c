// HSRP messages: octets of both versions as routers send them, the way back, each refusal, and
// authentication (security class 27: forged, truncated, wrong or two MD5 keys).
#include "hsrp_packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"

#define V1_HELLO "0000 10 03 0a 6e 01 00 636973636f000000 0a000064"
#define V2_GROUP "0128 02 00 06 04 0001 aabbcc000a00 00000064 00000bb8 00002710 "
#define V2_HELLO V2_GROUP "0a000064 000000000000000000000000"
#define V2_TEXT  "0308 636973636f000000"
// A version 2 hello of a router with key-string "password", from 10.0.0.10.
#define V2_MD5 V2_HELLO "041c 01 00 0000 0a00000a 00000000 642fedafe1f374bd2fdd8f1ba81d87a2"

static struct hsrp_key key_make(const char *text, uint32_t id)
{
	struct hsrp_key k = {.id = id, .len = (uint8_t)strlen(text)};

	memcpy(k.bytes, text, strlen(text));
	k.accept_until = k.send_until = HSRP_NEVER;
	return k;
}

static void test_v1(void **state)
{
	uint8_t b[64];
	struct hsrp_msg m;
	size_t n = unhex(V1_HELLO, b, sizeof(b));

	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	assert_int_equal(m.version, 1);
	assert_int_equal(m.content, HSRP_HAS_GROUP);
	assert_int_equal(m.op, HSRP_OP_HELLO);
	assert_int_equal(m.state, HSRP_STATE_ACTIVE);
	assert_int_equal(m.hello_ms, 3000);
	assert_int_equal(m.hold_ms, 10000);
	assert_int_equal(m.priority, 110);
	assert_int_equal(m.group, 1);
	assert_memory_equal(m.text, "cisco\0\0", 8);
	assert_int_equal(addr_to_v4(&m.virtual_ip), 0x0a000064);
	assert_false(m.has_md5);
}

static void test_v2(void **state)
{
	uint8_t b[128];
	struct hsrp_msg m;
	size_t n = unhex(V2_HELLO V2_TEXT, b, sizeof(b));

	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	assert_int_equal(m.version, 2);
	assert_int_equal(m.state, HSRP_STATE_ACTIVE);
	assert_int_equal(m.group, 1);
	assert_int_equal(m.identifier[5], 0);
	assert_int_equal(m.identifier[4], 0x0a);
	assert_int_equal(m.hold_ms, 10000);
	assert_true(m.has_text);
	assert_memory_equal(m.text, "cisco", 5);
	// An unknown TLV is skipped by its length.
	n += unhex("6303 010203", b + n, sizeof(b) - n);
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	// IPv6 group
	n = unhex(V2_GROUP "fe800000000000000000000000000001", b, sizeof(b));
	b[5] = 6;
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	assert_int_equal(m.family, 6);
	assert_int_equal(m.virtual_ip.family, 6);
	assert_int_equal(m.virtual_ip.bytes[0], 0xfe);
}

static void test_adverts(void **state)
{
	uint8_t b[64];
	struct hsrp_msg m;
	uint16_t group;
	uint8_t family;
	size_t n = unhex("0003 0001 000e 02 00 0000 0003 6f000000", b, sizeof(b));

	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	assert_int_equal(m.content, HSRP_HAS_INTERFACE);
	assert_int_equal(m.op, HSRP_OP_ADVERT);
	assert_int_equal(m.advert_state, 2);
	assert_int_equal(m.active_groups, 0);
	assert_int_equal(m.passive_groups, 3);
	assert_int_equal(hsrp_packet_group(b, n, &group, &family), HSRP_RX_IGNORED);
	assert_int_equal(hsrp_decode(b, n - 1, &m), HSRP_RX_TRUNCATED);
	n = unhex("0003 0009 0000", b, sizeof(b));
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	n = unhex("0204 0002 0001", b, sizeof(b));
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	assert_int_equal(m.content, HSRP_HAS_INTERFACE);
	assert_int_equal(m.active_groups, 2);
	assert_int_equal(m.passive_groups, 1);
}

// Any shorter message is refused, and none is read past its end (the copy is of exact size).
static void test_truncated(void **state)
{
	static const char *const texts[] = {V1_HELLO, V2_MD5, V2_HELLO V2_TEXT,
					    V1_HELLO "041c 01 00 0000 0a00000a 00000000"
						     "642fedafe1f374bd2fdd8f1ba81d87a2"};
	// Where a message may end: behind a whole TLV.
	static const size_t whole[] = {0, 42, 42, 20};
	uint8_t b[128];
	struct hsrp_msg m;

	for (unsigned t = 0; t < 4; t++) {
		size_t n = unhex(texts[t], b, sizeof(b));

		assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *copy = test_malloc(cut ? cut : 1);

			memcpy(copy, b, cut);
			enum hsrp_rx r = hsrp_decode(copy, cut, &m);
			if (cut == whole[t] && cut > 0)
				assert_int_equal(r, HSRP_RX_OK);
			else
				assert_int_equal(r, HSRP_RX_TRUNCATED);
			test_free(copy);
		}
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *base;
		unsigned at;
		uint8_t value;
		enum hsrp_rx want;
	} cases[] = {
		{V1_HELLO, 0, 4, HSRP_RX_BAD_VERSION},
		{V1_HELLO, 1, 4, HSRP_RX_BAD_OPCODE},
		{V1_HELLO, 2, 3, HSRP_RX_BAD_STATE},
		{V1_HELLO, 2, 32, HSRP_RX_BAD_STATE},
		{V1_HELLO, 3, 0, HSRP_RX_BAD_TIMERS},
		{V1_HELLO, 3, 10, HSRP_RX_BAD_TIMERS},
		{V1_HELLO, 4, 3, HSRP_RX_BAD_TIMERS},
		{V1_HELLO, 4, 0, HSRP_RX_BAD_TIMERS},
		{V1_HELLO, 16, 224, HSRP_RX_BAD_VIRTUAL},
		{V1_HELLO, 16, 127, HSRP_RX_BAD_VIRTUAL},
		{V2_HELLO, 1, 39, HSRP_RX_BAD_LENGTH},
		{V2_HELLO, 2, 1, HSRP_RX_BAD_VERSION},
		{V2_HELLO, 3, 3, HSRP_RX_BAD_OPCODE},
		{V2_HELLO, 4, 0, HSRP_RX_BAD_STATE},
		{V2_HELLO, 4, 7, HSRP_RX_BAD_STATE},
		{V2_HELLO, 5, 5, HSRP_RX_BAD_FAMILY},
		{V2_HELLO, 6, 0x10, HSRP_RX_WRONG_GROUP},
		{V2_HELLO, 16, 1, HSRP_RX_BAD_PRIORITY},
		{V2_HELLO, 22, 0x80, HSRP_RX_BAD_TIMERS},
		{V2_MD5, 43, 27, HSRP_RX_BAD_LENGTH},
		{V2_MD5, 44, 2, HSRP_RX_AUTH_TYPE},
		{V2_HELLO V2_TEXT, 43, 7, HSRP_RX_BAD_LENGTH},
	};
	uint8_t b[128];
	struct hsrp_msg m;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = unhex(cases[i].base, b, sizeof(b));

		b[cases[i].at] = cases[i].value;
		if (hsrp_decode(b, n, &m) != cases[i].want)
			fail_msg("case %u: %s", i, hsrp_rx_name(hsrp_decode(b, n, &m)));
	}
	size_t n = unhex(V2_HELLO V2_TEXT V2_TEXT, b, sizeof(b));
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_DUPLICATE_TLV);
	n = unhex(V2_HELLO V2_HELLO, b, sizeof(b));
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_DUPLICATE_TLV);
	// Hello time zero in version 2.
	n = unhex(V2_HELLO, b, sizeof(b));
	memset(b + 18, 0, 4);
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_BAD_TIMERS);
}

static struct hsrp_msg msg_make(uint8_t version)
{
	struct hsrp_msg m = {
		.version = version,
		.op = HSRP_OP_COUP,
		.state = HSRP_STATE_LISTEN,
		.group = 200,
		.family = 4,
		.priority = 201,
		.hello_ms = 3000,
		.hold_ms = 10000,
		.virtual_ip = addr_from_v4(0x0a000064),
		.identifier = {2, 0, 0, 0, 0, 7},
	};
	return m;
}

static void test_round_trip(void **state)
{
	struct ip_addr local = addr_from_v4(0x0a00000a);
	struct hsrp_auth auth = {.kind = HSRP_AUTH_TEXT, .text = "secret"};
	uint8_t b[HSRP_WIRE_MAX];
	struct hsrp_msg m, r;

	for (uint8_t version = 1; version <= 2; version++) {
		for (unsigned md5 = 0; md5 < 2; md5++) {
			auth.kind = md5 ? HSRP_AUTH_MD5 : HSRP_AUTH_TEXT;
			auth.keys = 1;
			auth.key[0] = key_make("k", 7);
			m = msg_make(version);
			int n = hsrp_encode(&m, &auth, &local, 5, b, sizeof(b));
			assert_int_equal(n, (version == 1 ? 20 : 42) + (md5            ? 30
									: version == 1 ? 0
										       : 10));
			assert_int_equal(hsrp_decode(b, (size_t)n, &r), HSRP_RX_OK);
			assert_int_equal(r.op, m.op);
			assert_int_equal(r.state, m.state);
			assert_int_equal(r.group, m.group);
			assert_int_equal(r.priority, m.priority);
			assert_int_equal(r.hello_ms, m.hello_ms);
			assert_int_equal(r.hold_ms, m.hold_ms);
			assert_true(addr_equal(&r.virtual_ip, &m.virtual_ip));
			assert_int_equal(r.has_md5, md5);
			struct hsrp_packet p = {
				.src = local, .ttl = 1, .data = b, .len = (size_t)n};
			assert_int_equal(hsrp_auth_check(&auth, &r, &p, 5), HSRP_RX_OK);
			for (size_t cap = 0; cap < (size_t)n; cap++)
				assert_int_equal(hsrp_encode(&m, &auth, &local, 5, b, cap),
						 -EMSGSIZE);
		}
	}
}

// Version 1 has whole seconds only: rounded up, and never a hold time that others must refuse.
static void test_v1_milliseconds(void **state)
{
	static const struct {
		uint32_t hello, hold;
		uint8_t want_hello, want_hold;
	} cases[] = {{50, 150, 1, 2},   {250, 1000, 1, 2},          {1000, 3000, 1, 3},
		     {900, 3000, 1, 3}, {254000, 255000, 254, 255}, {300000, 900000, 254, 255}};
	struct hsrp_auth auth = {.kind = HSRP_AUTH_TEXT, .text = "cisco"};
	struct ip_addr local = addr_from_v4(0x0a00000a);
	uint8_t b[HSRP_WIRE_MAX];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hsrp_msg m = msg_make(1), r;

		m.hello_ms = cases[i].hello;
		m.hold_ms = cases[i].hold;
		int n = hsrp_encode(&m, &auth, &local, 1, b, sizeof(b));
		assert_int_equal(n, 20);
		assert_int_equal(b[3], cases[i].want_hello);
		assert_int_equal(b[4], cases[i].want_hold);
		assert_int_equal(hsrp_decode(b, 20, &r), HSRP_RX_OK);
	}
}

// Digests of real routers, and every bit of the message is covered.
static void test_md5_known(void **state)
{
	struct hsrp_auth auth = {.kind = HSRP_AUTH_MD5, .keys = 1};
	uint8_t b[128];
	struct hsrp_msg m;
	size_t n = unhex(V2_MD5, b, sizeof(b));
	struct hsrp_packet p = {.src = addr_from_v4(0x0a00000a), .ttl = 1, .data = b, .len = n};

	auth.key[0] = key_make("password", 0);
	assert_int_equal(hsrp_decode(b, n, &m), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&auth, &m, &p, 1), HSRP_RX_OK);
	auth.key[0] = key_make("passwore", 0);
	assert_int_equal(hsrp_auth_check(&auth, &m, &p, 1), HSRP_RX_AUTH_DIGEST);
	auth.key[0] = key_make("password", 1);
	assert_int_equal(hsrp_auth_check(&auth, &m, &p, 1), HSRP_RX_AUTH_KEY_ID);
	auth.key[0] = key_make("password", 0);
	p.src = addr_from_v4(0x0a00000b);
	assert_int_equal(hsrp_auth_check(&auth, &m, &p, 1), HSRP_RX_AUTH_SOURCE);
	p.src = addr_from_v4(0x0a00000a);
	for (size_t bit = 0; bit < n * 8; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (hsrp_decode(b, n, &m) == HSRP_RX_OK)
			assert_int_not_equal(hsrp_auth_check(&auth, &m, &p, 1), HSRP_RX_OK);
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_kinds(void **state)
{
	struct hsrp_auth text = {.kind = HSRP_AUTH_TEXT, .text = "cisco"},
			 other = {.kind = HSRP_AUTH_TEXT, .text = "cisc"},
			 md5 = {.kind = HSRP_AUTH_MD5, .keys = 1};
	uint8_t b[128];
	struct hsrp_msg m;
	struct hsrp_packet p = {.src = addr_from_v4(0x0a00000a), .ttl = 1, .data = b};

	md5.key[0] = key_make("password", 0);
	p.len = unhex(V1_HELLO, b, sizeof(b));
	assert_int_equal(hsrp_decode(b, p.len, &m), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&text, &m, &p, 1), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&other, &m, &p, 1), HSRP_RX_AUTH_TEXT);
	assert_int_equal(hsrp_auth_check(&md5, &m, &p, 1), HSRP_RX_AUTH_TYPE);
	// The right text does not help a message that claims MD5.
	p.len += unhex("041c 01 00 0000 0a00000a 00000000 642fedafe1f374bd2fdd8f1ba81d87a2",
		       b + p.len, sizeof(b) - p.len);
	assert_int_equal(hsrp_decode(b, p.len, &m), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&text, &m, &p, 1), HSRP_RX_AUTH_TYPE);
	p.len = unhex(V2_MD5, b, sizeof(b));
	assert_int_equal(hsrp_decode(b, p.len, &m), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&text, &m, &p, 1), HSRP_RX_AUTH_TYPE);
	p.len = unhex(V2_HELLO, b, sizeof(b));
	assert_int_equal(hsrp_decode(b, p.len, &m), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&text, &m, &p, 1), HSRP_RX_AUTH_TYPE);
}

// Two keys of one chain: sent is the first whose time it is, accepted are all in their time.
static void test_chain(void **state)
{
	struct hsrp_auth auth = {.kind = HSRP_AUTH_MD5, .keys = 2};
	struct ip_addr local = addr_from_v4(0x0a00000a);
	uint8_t b[HSRP_WIRE_MAX];
	struct hsrp_msg m = msg_make(2), r;

	auth.key[0] = key_make("old", 1);
	auth.key[0].send_until = 100;
	auth.key[0].accept_until = 120;
	auth.key[1] = key_make("new", 2);
	auth.key[1].send_from = 100;
	auth.key[1].accept_from = 90;
	auth.key[1].send_until = 200;
	int n = hsrp_encode(&m, &auth, &local, 99, b, sizeof(b));
	struct hsrp_packet p = {.src = local, .ttl = 1, .data = b, .len = (size_t)n};
	assert_int_equal(hsrp_decode(b, p.len, &r), HSRP_RX_OK);
	assert_int_equal(r.md5_key_id, 1);
	assert_int_equal(hsrp_auth_check(&auth, &r, &p, 119), HSRP_RX_OK);
	assert_int_equal(hsrp_auth_check(&auth, &r, &p, 120), HSRP_RX_AUTH_KEY_ID);
	assert_true(hsrp_encode(&m, &auth, &local, 100, b, sizeof(b)) > 0);
	assert_int_equal(hsrp_decode(b, p.len, &r), HSRP_RX_OK);
	assert_int_equal(r.md5_key_id, 2);
	assert_int_equal(hsrp_auth_check(&auth, &r, &p, 89), HSRP_RX_AUTH_KEY_ID);
	assert_int_equal(hsrp_auth_check(&auth, &r, &p, 90), HSRP_RX_OK);
	assert_int_equal(hsrp_encode(&m, &auth, &local, 200, b, sizeof(b)), -ENOKEY);
}

// RFC 1828: a key of 55 octets fills one block with its padding, one of 56 two. Values computed
// independently (openssl dgst over the concatenation).
static void test_key_lengths(void **state)
{
	static const struct {
		unsigned len;
		const char *digest;
	} cases[] = {
		{55, "b8b6a780a3414ebfd0803b6a583c472b"},
		{56, "cdfe4c935c914f60f2546842a99e54af"},
		{64, "e3b5c1045a99afba57d304e06dbdacdf"},
	};
	uint8_t zero[46] = {0}, out[16], want[16];

	for (unsigned i = 0; i < 3; i++) {
		struct hsrp_key k = {.len = (uint8_t)cases[i].len};

		memset(k.bytes, 'k', k.len);
		assert_int_equal(hsrp_digest(&k, zero, sizeof(zero), 30, out), 0);
		unhex(cases[i].digest, want, sizeof(want));
		assert_memory_equal(out, want, 16);
	}
	struct hsrp_key k = {.len = 0};
	assert_int_equal(hsrp_digest(&k, zero, sizeof(zero), 30, out), -EINVAL);
	k.len = 1;
	assert_int_equal(hsrp_digest(&k, zero, sizeof(zero), 31, out), -EINVAL);
}

static void test_names(void **state)
{
	for (unsigned i = 0; i < HSRP_RX_REASONS; i++)
		assert_string_not_equal(hsrp_rx_name((enum hsrp_rx)i), "?");
	for (unsigned i = 0; i < HSRP_EVENTS; i++)
		assert_string_not_equal(hsrp_event_name((enum hsrp_event)i), "?");
	assert_string_equal(hsrp_state_name(HSRP_STATE_STANDBY), "Standby");
	assert_string_equal(hsrp_state_name(HSRP_STATES), "?");
	assert_string_equal(hsrp_op_name(HSRP_OP_RESIGN), "resign");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_adverts),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_v1_milliseconds),
		cmocka_unit_test(test_md5_known),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_key_lengths),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
