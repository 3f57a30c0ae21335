// Frames around HSRP: what is put together comes apart again, damage is seen, ARP as hosts send it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsrp.h"
#include "hsrp_frame.h"

static const uint8_t mac[6] = {0x00, 0x00, 0x0c, 0x07, 0xac, 0x02};
static const uint8_t host[6] = {0x02, 0, 0, 0, 0, 0x44};

static size_t hello(uint8_t *buf, size_t cap, size_t payload)
{
	uint8_t bytes[64];
	struct ip_addr src = addr_from_v4(0x06069c0a), dst = hsrp_multicast(1, 4);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	return hsrp_frame_hello(buf, cap, mac, &src, &dst, bytes, payload);
}

static void test_hello(void **state)
{
	uint8_t buf[HSRP_FRAME_MAX];
	struct hsrp_frame f;

	for (size_t payload = 0; payload <= 64; payload++) {
		size_t n = hello(buf, sizeof(buf), payload);
		assert_int_equal(n, 42 + payload);
		hsrp_frame_parse(buf, n, &f);
		assert_int_equal(f.kind, HSRP_FRAME_HELLO);
		assert_int_equal(f.len, payload);
		assert_int_equal(f.ttl, 1);
		assert_int_equal(addr_to_v4(&f.sender), 0x06069c0a);
		assert_ptr_equal(f.payload, buf + 42);
	}
	assert_memory_equal(buf, "\x01\x00\x5e\x00\x00\x02", 6);
	assert_int_equal(hello(buf, 61, 20), 0);
}

// Every single bit of the IP header, UDP header and payload is protected by length or checksum,
// or makes it somebody else's frame; no byte may be missing.
static void test_damage(void **state)
{
	uint8_t buf[HSRP_FRAME_MAX];
	struct hsrp_frame f;
	size_t n = hello(buf, sizeof(buf), 20);

	for (size_t bit = 14 * 8; bit < n * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		hsrp_frame_parse(buf, n, &f);
		assert_int_not_equal(f.kind, HSRP_FRAME_HELLO);
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t len = 0; len < n; len++) {
		hsrp_frame_parse(buf, len, &f);
		assert_int_not_equal(f.kind, HSRP_FRAME_HELLO);
	}
	// padding behind is nobody's
	memset(buf + n, 0xee, 10);
	hsrp_frame_parse(buf, n + 10, &f);
	assert_int_equal(f.kind, HSRP_FRAME_HELLO);
	assert_int_equal(f.len, 20);
	// no UDP checksum at all is allowed (RFC 768)
	buf[40] = buf[41] = 0;
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_HELLO);
}

static void test_arp(void **state)
{
	uint8_t buf[64];
	struct hsrp_frame f;
	struct ip_addr vip = addr_from_v4(0x06069c64), who = addr_from_v4(0x06069c01);

	assert_int_equal(hsrp_frame_arp(buf, sizeof(buf), true, mac, &vip, host, &who), 60);
	assert_memory_equal(buf, host, 6);
	hsrp_frame_parse(buf, 60, &f);
	assert_int_equal(f.kind, HSRP_FRAME_ARP_REPLY);
	assert_memory_equal(f.sender_mac, mac, 6);
	assert_true(addr_equal(&f.sender, &vip));
	assert_true(addr_equal(&f.target, &who));

	assert_int_equal(hsrp_frame_arp(buf, sizeof(buf), false, mac, &vip, NULL, NULL), 60);
	assert_memory_equal(buf, "\xff\xff\xff\xff\xff\xff", 6);
	hsrp_frame_parse(buf, 60, &f);
	assert_int_equal(f.kind, HSRP_FRAME_ARP_REQUEST);
	assert_true(addr_equal(&f.sender, &vip));
	assert_true(addr_equal(&f.target, &vip));
	for (size_t len = 0; len < 42; len++) {
		hsrp_frame_parse(buf, len, &f);
		assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	}
	buf[18] = 8;  // another length of link addresses
	hsrp_frame_parse(buf, 60, &f);
	assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	assert_int_equal(hsrp_frame_arp(buf, 59, false, mac, &vip, NULL, NULL), 0);
}

// ---- IPv6 ------------------------------------------------------------------------------------
static struct ip_addr six(const char *text)
{
	struct ip_addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void test_hello6(void **state)
{
	struct ip_addr src = six("fe80::1"), dst = hsrp_multicast(2, 6);
	uint8_t buf[HSRP_FRAME_MAX], payload[70] = {1, 2, 3};
	struct hsrp_frame f;

	size_t n = hsrp_frame_hello(buf, sizeof(buf), mac, &src, &dst, payload, sizeof(payload));
	assert_int_equal(n, 14 + 40 + 8 + 70);
	assert_memory_equal(buf, "\x33\x33\x00\x00\x00\x66", 6);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_HELLO);
	assert_int_equal(f.ttl, 255);
	assert_int_equal(f.len, 70);
	assert_true(addr_equal(&f.sender, &src));
	assert_ptr_equal(f.payload, buf + 62);
	// Only the traffic class, the flow label and the hop limit are unprotected.
	for (size_t bit = 0; bit < n * 8; bit++) {
		size_t at = bit / 8;
		if ((at >= 6 && at < 12) || (at >= 14 && at < 18) || at == 21)
			continue;
		buf[at] ^= (uint8_t)(1u << (bit % 8));
		hsrp_frame_parse(buf, n, &f);
		if (f.kind == HSRP_FRAME_HELLO)
			fail_msg("bit %zu", bit);
		buf[at] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t len = 0; len < n; len++) {
		hsrp_frame_parse(buf, len, &f);
		assert_int_not_equal(f.kind, HSRP_FRAME_HELLO);
	}
	buf[60] = buf[61] = 0;  // no checksum: not with IPv6
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_BAD);
	assert_int_equal(hsrp_frame_hello(buf, n - 1, mac, &src, &dst, payload, 70), 0);
}

// An advertisement turned into a solicitation: the same layout but for the option's type.
static size_t solicitation(uint8_t *buf, const char *from, const char *target, bool option)
{
	struct ip_addr t = six(target), src = six(from);
	size_t n = hsrp_frame_na(buf, HSRP_FRAME_MAX, host, &t, mac, &src);
	uint32_t s = 58 + 32;

	buf[54] = 135;
	memset(buf + 56, 0, 6);
	memcpy(buf + 22, src.bytes, 16);
	buf[78] = option ? 1 : 14;
	for (unsigned i = 22; i < n; i += 2)
		s += (uint32_t)(buf[i] << 8 | buf[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	buf[56] = (uint8_t)(~s >> 8);
	buf[57] = (uint8_t)~s;
	return n;
}

static void test_neighbours(void **state)
{
	uint8_t buf[HSRP_FRAME_MAX], copy[HSRP_FRAME_MAX];
	struct ip_addr vip = six("fe80::5:73ff:fea0:2"), who = six("fe80::44"), any = six("::");
	struct hsrp_frame f;

	size_t n = solicitation(buf, "fe80::44", "fe80::5:73ff:fea0:2", true);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_NS);
	assert_true(addr_equal(&f.target, &vip));
	assert_true(addr_equal(&f.sender, &who));
	assert_memory_equal(f.sender_mac, host, 6);
	// RFC 4861 7.1.1: hop limit, checksum, lengths; no option of a sender without an address.
	memcpy(copy, buf, n);
	copy[21] = 254;
	hsrp_frame_parse(copy, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	memcpy(copy, buf, n);
	copy[60] ^= 1;
	hsrp_frame_parse(copy, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	for (size_t len = 0; len < n; len++) {
		hsrp_frame_parse(buf, len, &f);
		assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	}
	n = solicitation(buf, "::", "fe80::5:73ff:fea0:2", true);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	n = solicitation(buf, "::", "fe80::5:73ff:fea0:2", false);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_NS);
	// The answer to that one goes to all, unsolicited (7.2.4).
	assert_int_equal(hsrp_frame_na(buf, sizeof(buf), mac, &vip, host, &any), 86);
	assert_memory_equal(buf, "\x33\x33\x00\x00\x00\x01", 6);
	assert_int_equal(buf[58], 0xa0);
	assert_int_equal(hsrp_frame_na(buf, sizeof(buf), mac, &vip, host, &who), 86);
	assert_memory_equal(buf, host, 6);
	assert_int_equal(buf[58], 0xe0);
}

// What the kernel says of a virtual address gets the virtual MAC; what it says of others does not.
static void test_mend(void **state)
{
	uint8_t buf[HSRP_FRAME_MAX], copy[HSRP_FRAME_MAX], want[HSRP_FRAME_MAX];
	struct ip_addr vip = six("fe80::5:73ff:fea0:2"), who = six("fe80::44");

	size_t n = hsrp_frame_na(buf, sizeof(buf), host, &vip, mac, &who);
	memcpy(copy, buf, n);
	assert_false(hsrp_frame_nd_mend(copy, n, &who, mac));
	assert_memory_equal(copy, buf, n);
	assert_true(hsrp_frame_nd_mend(copy, n, &vip, mac));
	assert_int_equal(hsrp_frame_na(want, sizeof(want), mac, &vip, mac, &who), n);
	assert_memory_equal(copy + 14, want + 14, n - 14);
	for (size_t len = 0; len < n; len++)
		assert_false(hsrp_frame_nd_mend(buf, len, &vip, mac));
	n = solicitation(buf, "fe80::5:73ff:fea0:2", "fe80::44", true);
	assert_true(hsrp_frame_nd_mend(buf, n, &vip, mac));
	assert_memory_equal(buf + 80, mac, 6);
	struct hsrp_frame f;
	hsrp_frame_parse(buf, n, &f);  // the checksum is right
	assert_int_equal(f.kind, HSRP_FRAME_NS);
}

// A hello to one station alone would not be heard by the one it quotes.
static void test_to_one_station(void **state)
{
	uint8_t buf[HSRP_FRAME_MAX];
	struct hsrp_frame f;
	size_t n = hello(buf, sizeof(buf), 20);

	memcpy(buf, host, 6);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_BAD);
}

// Questions and their answers: is this station heard?
static void test_ask(void **state)
{
	uint8_t buf[HSRP_FRAME_MAX];
	struct ip_addr own = addr_from_v4(0x0a000002), other = addr_from_v4(0x0a000009);
	struct ip_addr own6 = six("fe80::2"), other6 = six("fe80::1:2:9");
	struct hsrp_frame f;

	size_t n = hsrp_frame_ask(buf, sizeof(buf), host, &own, &other);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_ARP_REQUEST);
	assert_memory_equal(buf, "\xff\xff\xff\xff\xff\xff", 6);
	assert_true(addr_equal(&f.sender, &own) && addr_equal(&f.target, &other));
	assert_int_equal(hsrp_frame_ask(buf, 59, host, &own, &other), 0);
	assert_int_equal(hsrp_frame_ask(buf, sizeof(buf), host, &own, &other6), 0);
	n = hsrp_frame_ask(buf, sizeof(buf), host, &own6, &other6);
	assert_int_equal(n, 86);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_NS);
	assert_memory_equal(buf, "\x33\x33\xff\x02\x00\x09", 6);
	assert_memory_equal(f.sender_mac, host, 6);
	assert_true(addr_equal(&f.sender, &own6) && addr_equal(&f.target, &other6));
	for (size_t cap = 0; cap < n; cap++)
		assert_int_equal(hsrp_frame_ask(buf, cap, host, &own6, &other6), 0);
	// The answer; an announcement is none.
	n = hsrp_frame_na(buf, sizeof(buf), mac, &other6, host, &own6);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_NA);
	assert_true(addr_equal(&f.target, &own6) && addr_equal(&f.sender, &other6));
	for (size_t len = 0; len < n; len++) {
		hsrp_frame_parse(buf, len, &f);
		assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	}
	buf[40]++;  // the checksum
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_OTHER);
	n = hsrp_frame_na(buf, sizeof(buf), mac, &other6, NULL, NULL);
	hsrp_frame_parse(buf, n, &f);
	assert_int_equal(f.kind, HSRP_FRAME_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask),    cmocka_unit_test(test_hello),
		cmocka_unit_test(test_damage), cmocka_unit_test(test_arp),
		cmocka_unit_test(test_hello6), cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_mend),   cmocka_unit_test(test_to_one_station),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
