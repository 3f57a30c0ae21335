// Packets for us: NAT-T and IKE sorting, and reassembly with hostile fragments (security.md rows
// 21 and 25): overlapping, tiny, endless, never completed.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

// Also lets every datagram under reassembly time out.
static int reset(void **state)
{
	(void)state;
	pbed.w[0]->now_tsc = rte_rdtsc() + 4 * rte_get_tsc_hz();
	frag_expire(pbed.w[0]);
	pbed.w[0]->now_tsc = rte_rdtsc();
	pbed_reset();
	return 0;
}

static void expect_punt(enum punt_kind kind, uint32_t len)
{
	struct rte_mbuf *m = pbed_punted(kind);

	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	rte_pktmbuf_free(m);
}

// A datagram to port 4500 with these payload bytes.
static void natt(const void *bytes, uint16_t n, bool sum)
{
	uint8_t f[PBED_FRAME_MAX];
	size_t len = pbed_frame(f, &(struct pbed_ip){.src = "10.0.1.2",
						     .dst = "10.0.1.1",
						     .sport = 4500,
						     .dport = 4500,
						     .payload = n});

	memcpy(f + 42, bytes, n);
	pbed_udp_sum(f + 14);
	if (!sum)
		f[40] = f[41] = 0;
	pbed_receive(f, len);
}

static void natt_of_0_to_3_bytes(void **state)
{
	(void)state;
	for (uint16_t n = 0; n < 4; n++)
		natt("\0\0\0", n, true);
	assert_int_equal(pbed_drop(DROP_NATT_RUNT), 4);
	natt("\xff", 1, true);
	natt("\xff", 1, false);
	assert_int_equal(pbed_drop(DROP_NATT_KEEPALIVE), 2);
	assert_int_equal(pbed_drops(), 6);
	assert_int_equal(pbed_in_use(), 0);
}

static void natt_marker_and_esp(void **state)
{
	(void)state;
	natt("\0\0\0\0IKE", 7, true);
	expect_punt(PUNT_IKE, 20 + 8 + 7);
	natt("\0\0\0\0IKE", 7, false);  // RFC 3948: zero checksum
	expect_punt(PUNT_IKE, 20 + 8 + 7);
	natt("\0\0\0\1ESPxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 40, false);
	assert_int_equal(pbed_drop(DROP_ESP_SPI), 1);
	assert_int_equal(pbed_drops(), 1);
}

static void ike_with_wrong_lengths_or_checksum(void **state)
{
	struct pbed_ip o = {
		.src = "10.0.1.2", .dst = "10.0.1.1", .sport = 500, .dport = 500, .payload = 28};
	uint8_t f[PBED_FRAME_MAX];
	size_t len = pbed_frame(f, &o);

	(void)state;
	pbed_receive(f, len);
	expect_punt(PUNT_IKE, 20 + 8 + 28);
	for (size_t i = 34; i < len; i++) {
		pbed_frame(f, &o);
		f[i] ^= 0x10;
		if (i == 36 || i == 37)
			continue;  // another port: not IKE
		pbed_receive(f, len);
		assert_null(pbed_punted(PUNT_IKE));
	}
	assert_int_equal(pbed_drop(DROP_UDP_HEADER), len - 34 - 2);
	for (unsigned v = 0; v < 8; v++) {
		pbed_frame(f, &o);
		f[39] = (uint8_t)v;
		pbed_receive(f, len);
	}
	pbed_frame(f, &o);
	f[38] = 0x7f;
	pbed_receive(f, len);
	assert_int_equal(pbed_drop(DROP_UDP_HEADER), len - 34 - 2 + 9);
}

static void others_are_the_hosts(void **state)
{
	uint8_t f[PBED_FRAME_MAX];
	size_t len = pbed_frame(f, &(struct pbed_ip){.src = "10.0.1.2",
						     .dst = "10.0.1.1",
						     .proto = IPPROTO_ICMP,
						     .payload = 64});

	(void)state;
	pbed_receive(f, len);
	struct rte_mbuf *m = pbed_punted(PUNT_HOST);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), f, len);  // as received, TTL too
	rte_pktmbuf_free(m);
	assert_int_equal(pbed_drops(), 0);
}

// A flood for the host leaves a quarter of the ring to IKE.
static void ike_gets_through_a_flood(void **state)
{
	struct pbed_ip o = {.src = "10.0.1.2", .dst = "10.0.1.1", .dport = 53};
	unsigned capacity = rte_ring_get_capacity(pbed.w[0]->punt);

	(void)state;
	for (unsigned i = 0; i < capacity + 100; i++)
		pbed_send(&o);
	assert_int_equal(pbed_drop(DROP_PUNT_FULL), 100 + capacity / 4);
	o.dport = 500;
	for (unsigned i = 0; i < capacity / 4; i++)
		pbed_send(&o);
	assert_int_equal(pbed_drop(DROP_PUNT_FULL), 100 + capacity / 4);
	expect_punt(PUNT_IKE, 28);
}

// ---- fragments ----------------------------------------------------------------------------------
// Pieces of one IKE datagram of 8 + total bytes; the first piece has the UDP header.
static void piece(const char *src, const char *dst, uint16_t id, uint16_t at, uint16_t len,
		  bool more)
{
	static uint8_t whole[PBED_FRAME_MAX * 2], f[PBED_FRAME_MAX];
	size_t head = strchr(src, ':') ? 40 : 20;
	struct pbed_ip o = {.src = src, .dst = dst, .sport = 500, .dport = 500, .payload = 1192};

	pbed_ip(whole, &o);  // 8 + 1192 bytes behind the IP header
	size_t n = pbed_frame(f, &(struct pbed_ip){.src = src,
						   .dst = dst,
						   .proto = IPPROTO_UDP,
						   .offset = at ? at : 8,
						   .more = more,
						   .payload = len,
						   .id = id});
	if (at == 0) {
		size_t off = 14 + (head == 20 ? 6 : 42);

		f[off] = head == 20 ? 0x20 : 0, f[off + 1] = head == 20 ? 0 : 1;
		if (!more)
			f[off] = f[off + 1] = 0;
		if (head == 20)
			pbed_ip_sum(f + 14);
	}
	memcpy(f + n - len, whole + head + at, len);
	pbed_receive(f, n);
}

static void in_any_order(const char *src, const char *dst, uint32_t total)
{
	static const uint16_t at[] = {0, 400, 800};
	static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	for (uint16_t i = 0; i < 6; i++) {
		for (int k = 0; k < 3; k++)
			piece(src, dst, (uint16_t)(100 + i), at[order[i][k]], 400,
			      order[i][k] != 2);
		expect_punt(PUNT_IKE, total);
	}
	assert_int_equal(pbed_drops(), 0);
	assert_int_equal(pbed_in_use(), 0);
}

static void fragments_come_together(void **state)
{
	(void)state;
	in_any_order("10.0.1.2", "10.0.1.1", 20 + 1200);
	in_any_order("2001:db8:1::2", "2001:db8:1::1", 40 + 1200);
}

// Larger than a buffer: a chain, but whole.
static void a_large_datagram_stays_a_chain(void **state)
{
	uint8_t whole[6000], f[PBED_FRAME_MAX];
	struct pbed_ip o = {.src = "10.0.1.2", .dst = "10.0.1.1", .sport = 500, .dport = 500};

	(void)state;
	o.payload = 4192;
	pbed_ip(whole, &o);
	for (uint16_t at = 0; at < 4200; at = (uint16_t)(at + 1400)) {
		size_t n = pbed_frame(f, &(struct pbed_ip){.src = o.src,
							   .dst = o.dst,
							   .proto = IPPROTO_UDP,
							   .offset = at ? at : 8,
							   .more = at < 2800,
							   .payload = 1400,
							   .id = 77});
		memcpy(f + 34, whole + 20 + at, 1400);
		if (at == 0)
			f[20] = 0x20, f[21] = 0, pbed_ip_sum(f + 14);
		pbed_receive(f, n);
	}
	assert_int_equal(pbed_drops(), 0);
	struct rte_mbuf *m = pbed_punted(PUNT_IKE);
	uint8_t copy[6000];
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), 4220);
	assert_true(m->nb_segs > 1);
	const uint8_t *got = rte_pktmbuf_read(m, 20, 4200, copy);
	assert_memory_equal(got, whole + 20, 4200);
	rte_pktmbuf_free(m);
}

static void overlaps_never_come_together(void **state)
{
	(void)state;
	piece("10.0.1.2", "10.0.1.1", 1, 0, 400, true);
	piece("10.0.1.2", "10.0.1.1", 1, 392, 408, true);
	piece("10.0.1.2", "10.0.1.1", 1, 800, 400, false);
	piece("10.0.1.2", "10.0.1.1", 2, 0, 800, true);
	piece("10.0.1.2", "10.0.1.1", 2, 400, 400, true);
	piece("10.0.1.2", "10.0.1.1", 2, 800, 400, false);
	piece("10.0.1.2", "10.0.1.1", 3, 0, 400, true);
	piece("10.0.1.2", "10.0.1.1", 3, 0, 400, true);
	piece("10.0.1.2", "10.0.1.1", 3, 800, 400, false);
	assert_null(pbed_punted(PUNT_IKE));
	assert_null(pbed_punted(PUNT_HOST));
}

static void tiny_and_odd_pieces(void **state)
{
	(void)state;
	piece("10.0.1.2", "10.0.1.1", 1, 0, 8, true);      // header split from its payload
	piece("10.0.1.2", "10.0.1.1", 1, 400, 0, false);   // nothing in it
	piece("10.0.1.2", "10.0.1.1", 1, 800, 100, true);  // no multiple of eight
	assert_int_equal(pbed_drop(DROP_IP_FRAGMENT), 3);
	piece("10.0.1.2", "10.0.1.1", 1, 65528, 80, false);  // beyond 64 KiB
	assert_int_equal(pbed_drop(DROP_IP_FRAGMENT), 4);
	assert_int_equal(pbed_in_use(), 0);
}

static void endless_fragments_are_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		piece("10.0.1.2", "10.0.1.1", (uint16_t)i, (uint16_t)(400 * (i % 3)), 400, true);
	assert_true(pbed_in_use() <= 64 * 8 + 64);
	assert_true(pbed_drop(DROP_FRAG_LIMIT) > 10000);
	// They time out, and all is as before.
	reset(NULL);
	assert_int_equal(pbed_in_use(), 0);
	in_any_order("10.0.1.2", "10.0.1.1", 20 + 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(natt_of_0_to_3_bytes, reset),
		cmocka_unit_test_setup(natt_marker_and_esp, reset),
		cmocka_unit_test_setup(ike_with_wrong_lengths_or_checksum, reset),
		cmocka_unit_test_setup(others_are_the_hosts, reset),
		cmocka_unit_test_setup(ike_gets_through_a_flood, reset),
		cmocka_unit_test_setup(fragments_come_together, reset),
		cmocka_unit_test_setup(a_large_datagram_stays_a_chain, reset),
		cmocka_unit_test_setup(overlaps_never_come_together, reset),
		cmocka_unit_test_setup(tiny_and_odd_pieces, reset),
		cmocka_unit_test_setup(endless_fragments_are_bounded, reset),
	};

	return cmocka_run_group_tests(tests, pbed_setup, pbed_teardown);
}
