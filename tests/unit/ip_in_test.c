// Input stages on hand-made frames: each malformed frame has one reason, and nothing leaks.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

static uint8_t f[PBED_FRAME_MAX];
static size_t len;

static int reset(void **state)
{
	(void)state;
	pbed_reset();
	len = pbed_frame(f, &(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.2.2", .payload = 32});
	return 0;
}

// The frame is dropped for this reason and no other.
static void expect_drop(enum drop why)
{
	pbed_reset();
	unsigned used = pbed_in_use();

	pbed_receive(f, len);
	assert_int_equal(pbed_drop(why), 1);
	assert_int_equal(pbed_drops(), 1);
	assert_int_equal(pbed_in_use(), used);
}

static void good_frame_passes(void **state)
{
	(void)state;
	pbed_receive(f, len);
	assert_int_equal(pbed_drops(), 0);
	assert_int_equal(pbed_sent_count(pbed.out), 1);
}

static void ethernet(void **state)
{
	(void)state;
	for (len = 0; len < 14; len++)
		expect_drop(DROP_ETH_RUNT);
	reset(NULL);
	f[5] ^= 1;
	expect_drop(DROP_ETH_DST);
	reset(NULL);
	f[12] = 0x88, f[13] = 0xcc;  // ours, but no IP: the host's
	pbed_receive(f, len);
	struct rte_mbuf *m = pbed_punted(PUNT_HOST);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), f, len);
	rte_pktmbuf_free(m);
	memset(f, 0xff, 6);  // ARP request
	f[12] = 0x08, f[13] = 0x06;
	pbed_receive(f, 42);
	m = pbed_punted(PUNT_HOST);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), 42);
	rte_pktmbuf_free(m);
}

static void runts(void **state)
{
	(void)state;
	for (len = 14; len < 34; len++)
		expect_drop(DROP_IP_RUNT);
	for (len = 34; len < 14 + 60; len++)
		expect_drop(DROP_IP_LENGTH);
}

static void header_fields(void **state)
{
	static const struct {
		uint8_t at, value;
		enum drop why;
	} row[] = {
		{14, 0x65, DROP_IP_VERSION}, {14, 0x05, DROP_IP_VERSION},
		{14, 0x44, DROP_IP_HEADER},  {14, 0x40, DROP_IP_HEADER},
		{17, 19, DROP_IP_LENGTH},    {17, 0, DROP_IP_LENGTH},
		{16, 0xff, DROP_IP_LENGTH},  {26, 224, DROP_IP_SOURCE},
		{26, 127, DROP_IP_SOURCE},   {26, 255, DROP_IP_SOURCE},
		{26, 0, DROP_IP_SOURCE},     {26, 240, DROP_IP_SOURCE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		reset(NULL);
		f[row[i].at] = row[i].value;
		if (row[i].why == DROP_IP_SOURCE)
			pbed_ip_sum(f + 14);
		expect_drop(row[i].why);
	}
	reset(NULL);
	f[14] = 0x4f;  // header of 60 bytes in a packet of 60: lengths agree, the sum does not
	expect_drop(DROP_IP_CHECKSUM);
}

static void every_bit_of_the_header_is_summed(void **state)
{
	(void)state;
	for (unsigned bit = 16; bit < 20 * 8; bit++) {
		reset(NULL);
		if (bit / 8 == 2 || bit / 8 == 3)
			continue;  // the length has its own reason
		f[14 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_drop(DROP_IP_CHECKSUM);
	}
}

static void padding_is_cut(void **state)
{
	(void)state;
	memset(f + len, 0xaa, 40);
	pbed_receive(f, len + 40);
	struct rte_mbuf *m = pbed_sent(pbed.out);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	rte_pktmbuf_free(m);
}

static void options_are_no_obstacle(void **state)
{
	(void)state;
	f[14] = 0x47;
	memmove(f + 42, f + 34, len - 34);
	memset(f + 34, 1, 8);
	f[17] = (uint8_t)(f[17] + 8);
	pbed_ip_sum(f + 14);
	pbed_receive(f, len + 8);
	assert_int_equal(pbed_drops(), 0);
	assert_int_equal(pbed_sent_count(pbed.out), 1);
}

static void ipv6_headers(void **state)
{
	(void)state;
	len = pbed_frame(f, &(struct pbed_ip){
				    .src = "2001:db8:1::2", .dst = "2001:db8:2::2", .payload = 64});
	pbed_receive(f, len);
	assert_int_equal(pbed_sent_count(pbed.out), 1);
	size_t full = len;
	for (len = 14; len < 54; len++)
		expect_drop(DROP_IP_RUNT);
	for (len = 54; len < full; len++)
		expect_drop(DROP_IP_LENGTH);
	f[14 + 8] = 0xff;
	expect_drop(DROP_IP_SOURCE);
	f[14 + 8] = 0x20;
	f[14 + 6] = 60;     // destination options ...
	f[14 + 41] = 0xff;  // ... that claim 2048 bytes
	expect_drop(DROP_IP_HEADER);
	for (unsigned i = 0; i < 9; i++)  // nine headers of eight bytes: more than any sane packet
		f[54 + i * 8] = 60, f[55 + i * 8] = 0;
	expect_drop(DROP_IP_HEADER);
}

static void routes_of_every_kind(void **state)
{
	static const struct {
		const char *dst;
		enum drop why;
	} row[] = {
		{"10.8.1.1", DROP_IP_BLACKHOLE},
		{"172.16.0.1", DROP_IP_NO_ROUTE},
		{"2001:db8:9::1", DROP_IP_NO_ROUTE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const char *src = strchr(row[i].dst, ':') ? "2001:db8:1::2" : "10.0.1.2";

		len = pbed_frame(f, &(struct pbed_ip){.src = src, .dst = row[i].dst});
		expect_drop(row[i].why);
	}
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.7.1.1"});
	struct rte_mbuf *m = pbed_punted(PUNT_HOST);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[22], 64);  // the kernel counts the hop
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_frame_passes, reset),
		cmocka_unit_test_setup(ethernet, reset),
		cmocka_unit_test_setup(runts, reset),
		cmocka_unit_test_setup(header_fields, reset),
		cmocka_unit_test_setup(every_bit_of_the_header_is_summed, reset),
		cmocka_unit_test_setup(padding_is_cut, reset),
		cmocka_unit_test_setup(options_are_no_obstacle, reset),
		cmocka_unit_test_setup(ipv6_headers, reset),
		cmocka_unit_test_setup(routes_of_every_kind, reset),
	};

	return cmocka_run_group_tests(tests, pbed_setup, pbed_teardown);
}
