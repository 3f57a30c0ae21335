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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_arp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
