// What an SA does to headers: selectors against the inner one, congestion marks between both, the
// outer one with its room, the peer's address, and transport mode.
#include "sa_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "rcu.h"

struct selector_row {
	uint8_t proto;
	const char *src, *dst;  // inner, as it arrives
	uint16_t sport, dport;
	bool fragment, accepted;
};

static void selectors(void **state)
{
	// sel: tcp 10.2.0.0/16 port 80 to 10.1.0.0/24 (outbound); any 10.9.0.0/16 to 10.8.0.0/16
	static const struct selector_row rows[] = {
		{6, "10.1.0.1", "10.2.3.4", 5000, 80, false, true},
		{6, "10.1.0.1", "10.2.3.4", 5000, 81, false, false},
		{17, "10.1.0.1", "10.2.3.4", 5000, 80, false, false},
		{6, "10.1.1.1", "10.2.3.4", 5000, 80, false, false},
		{6, "10.1.0.1", "10.3.3.4", 5000, 80, false, false},
		{6, "10.1.0.1", "10.2.3.4", 5000, 80, true, false},  // ports cannot be seen
		{17, "10.8.0.1", "10.9.3.4", 1, 2, false, true},
		{17, "10.8.0.1", "10.9.3.4", 1, 2, true, true},
		{1, "10.9.0.1", "10.8.3.4", 1, 2, false, false},  // the outbound direction
	};
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4600), q;
	uint32_t ho, hi;
	struct sa *out = add(&p, &ho);

	(void)state;
	q = bed_mirror(&p);
	q.sels = 2;
	q.sel[0] = (struct selector){.proto = 6,
				     .src = {bed_addr("10.2.0.0"), 16},
				     .dst = {bed_addr("10.1.0.0"), 24},
				     .sport = {80, 80},
				     .dport = {0, 65535}};
	q.sel[1] = (struct selector){.src = {bed_addr("10.9.0.0"), 16},
				     .dst = {bed_addr("10.8.0.0"), 16},
				     .sport = {0, 65535},
				     .dport = {0, 65535}};
	add(&q, &hi);
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const struct selector_row *r = &rows[i];
		struct rte_mbuf *m;
		uint64_t before = bed.w.drop[DROP_ESP_SELECTOR];

		bed_inner(inner, 4, 60, r->src, r->dst);
		inner[9] = r->proto;
		if (r->fragment)
			inner[7] = 9;
		memcpy(inner + 20,
		       (uint8_t[]){r->sport >> 8, (uint8_t)r->sport, r->dport >> 8,
				   (uint8_t)r->dport},
		       4);
		m = bed_in(bed_out(out, bed_packet(inner, 60)), NULL);
		if ((m != NULL) != r->accepted)
			fail_msg("row %zu", i);
		assert_int_equal(bed.w.drop[DROP_ESP_SELECTOR], before + !r->accepted);
		rte_pktmbuf_free(m);
	}
	dp_sa_del(hi);
	dp_sa_del(ho);
	bed_reset();
}

// RFC 6040 figure 4: rows inner, columns outer (Not-ECT, ECT(1), ECT(0), CE); -1 = dropped.
static void congestion_marks(void **state)
{
	static const int8_t want[4][4] = {
		[0] = {0, 0, 0, -1}, [1] = {1, 1, 1, 3}, [2] = {2, 1, 2, 3}, [3] = {3, 3, 3, 3}};

	(void)state;
	for (unsigned f = 0; f < 4; f++) {
		uint8_t outer_family = f & 1 ? 6 : 4, family = f & 2 ? 6 : 4;
		struct dp_sa p =
			bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, outer_family, 0x4700);
		struct dp_sa q = bed_mirror(&p);
		uint32_t ho, hi;
		struct sa *out = add(&p, &ho);

		add(&q, &hi);
		for (unsigned k = 0; k < 16; k++) {
			uint8_t in_ecn = k / 4, out_ecn = k % 4, got;
			struct rte_mbuf *m;
			uint8_t *ip;
			uint16_t sum;

			bed_inner(inner, family, 80, family == 4 ? "10.1.0.1" : "2001:db8:1::1",
				  family == 4 ? "10.2.0.1" : "2001:db8:2::1");
			if (family == 4) {
				inner[1] = 0xb8 | in_ecn;
				inner[10] = inner[11] = 0;
				sum = (uint16_t)~rte_raw_cksum(inner, 20);
				memcpy(inner + 10, &sum, 2);
			} else {
				inner[0] = 0x6b;
				inner[1] = (uint8_t)(0x80 | in_ecn << 4);
			}
			m = bed_out(out, bed_packet(inner, 80));
			ip = rte_pktmbuf_mtod(m, uint8_t *);
			if (outer_family == 4) {  // RFC 6040 4.1: copied on the way in
				assert_int_equal(ip[1], 0xb8 | in_ecn);
				assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
				ip[1] = 0xb8 | out_ecn;
			} else {
				assert_int_equal((ip[0] << 4 | ip[1] >> 4) & 0xff, 0xb8 | in_ecn);
				ip[1] = (uint8_t)(0x80 | out_ecn << 4);
			}
			m = bed_in(m, NULL);
			if (want[in_ecn][out_ecn] < 0) {
				assert_null(m);
				continue;
			}
			assert_non_null(m);
			ip = rte_pktmbuf_mtod(m, uint8_t *);
			got = family == 4 ? ip[1] & 3 : (ip[1] >> 4) & 3;
			assert_int_equal(got, want[in_ecn][out_ecn]);
			if (family == 4)
				assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(bed.w.drop[DROP_ESP_ECN], 1);
		dp_sa_del(hi);
		dp_sa_del(ho);
		rcu_poll();
		bed_reset();
	}
}

static void outer_header(void **state)
{
	static const uint8_t df_want[3][2] = {{0, 0x40}, {0, 0}, {0x40, 0x40}};

	(void)state;
	for (unsigned df = 0; df < 3; df++) {
		struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4800);
		uint32_t h;
		struct sa *sa;

		p.df = (uint8_t)df;
		p.udp_encap = true;
		p.local_port = 4500;
		p.remote_port = 61234;
		sa = add(&p, &h);
		for (unsigned set = 0; set < 2; set++) {
			struct rte_mbuf *m;
			uint8_t *ip;

			bed_inner(inner, 4, 60, "10.1.0.1", "10.2.0.1");
			inner[6] = set ? 0x40 : 0;
			m = bed_out(sa, bed_packet(inner, 60));
			assert_non_null(m);
			ip = rte_pktmbuf_mtod(m, uint8_t *);
			assert_int_equal(ip[6], df_want[df][set]);
			assert_int_equal(ip[8], 64);
			assert_int_equal(ip[9], 17);
			assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
			assert_int_equal(ip[2] << 8 | ip[3], rte_pktmbuf_data_len(m));
			assert_memory_equal(ip + 12, p.local.bytes, 4);
			assert_memory_equal(ip + 16, p.remote.bytes, 4);
			assert_int_equal(ip[20] << 8 | ip[21], 4500);
			assert_int_equal(ip[22] << 8 | ip[23], 61234);
			assert_int_equal(ip[24] << 8 | ip[25], rte_pktmbuf_data_len(m) - 20);
			assert_int_equal(ip[26] | ip[27], 0);
			assert_int_equal(be32(ip + 28), 0x4800);
			rte_pktmbuf_free(m);
		}
		dp_sa_del(h);
	}
	bed_reset();
}

static void no_room(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4900);
	uint32_t h;
	struct sa *sa = add(&p, &h);

	(void)state;
	for (unsigned head = 0; head < 80; head++) {
		struct rte_mbuf *m =
			bed_packet(inner, bed_inner(inner, 4, 60, "10.1.0.1", "10.2.0.1"));
		uint8_t *base = m->buf_addr;
		struct rte_mbuf *got;

		memmove(base + head, rte_pktmbuf_mtod(m, void *), 60);
		m->data_off = (uint16_t)head;
		got = bed_out(sa, m);
		assert_int_equal(got != NULL, head >= 36);  // 20 IP, 8 ESP, 8 IV
		if (got)
			assert_int_equal(rte_raw_cksum(rte_pktmbuf_mtod(got, void *), 20), 0xffff);
		rte_pktmbuf_free(got);
	}
	assert_int_equal(bed.w.drop[DROP_ESP_ROOM], 36);
	assert_int_equal(sa->seq, 44);  // dropped packets use up no number
	for (unsigned tail = 0; tail < 70; tail++) {
		struct rte_mbuf *m =
			bed_packet(inner, bed_inner(inner, 4, 60, "10.1.0.1", "10.2.0.1"));
		struct rte_mbuf *got;

		memmove((uint8_t *)m->buf_addr + m->buf_len - 60 - tail, inner, 60);
		m->data_off = (uint16_t)(m->buf_len - 60 - tail);
		got = bed_out(sa, m);
		assert_int_equal(got != NULL, tail >= SA_TAILROOM);
		rte_pktmbuf_free(got);
	}
	dp_sa_del(h);
	assert_int_equal(bed_mbufs_in_use(), 0);
	bed_reset();
}

static void peer_moves(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4a00), q;
	uint32_t ho, hi;
	struct sa *out;
	struct rte_mbuf *m;
	uint8_t *ip;

	(void)state;
	p.udp_encap = true;
	p.local_port = p.remote_port = 4500;
	q = bed_mirror(&p);
	out = add(&p, &ho);
	add(&q, &hi);
	rte_pktmbuf_free(bed_in(send_one(out), NULL));
	assert_int_equal(bed.events, 0);
	m = send_one(out);
	ip = rte_pktmbuf_mtod(m, uint8_t *);
	ip[12 + 3] = 77;
	ip[20] = 0x30, ip[21] = 0x39;
	ip[rte_pktmbuf_data_len(m) - 1] ^= 1;
	assert_null(bed_in(m, NULL));  // not authenticated: nobody moves
	assert_int_equal(bed.events, 0);
	for (unsigned i = 0; i < 3; i++) {
		m = send_one(out);
		ip = rte_pktmbuf_mtod(m, uint8_t *);
		ip[12 + 3] = 77;
		ip[20] = 0x30, ip[21] = 0x39;
		m = bed_in(m, NULL);
		assert_non_null(m);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(bed_events_of(DP_EVENT_PEER_MOVED), 1);
	assert_int_equal(bed.event[0].sa, hi);
	assert_int_equal(bed.event[0].remote_port, 12345);
	assert_int_equal(bed.event[0].remote.bytes[3], 77);
	assert_int_equal(dp_sa_set_remote(hi, &bed.event[0].remote, 12345), 0);
	bed.w.now_s++;
	m = send_one(out);
	ip = rte_pktmbuf_mtod(m, uint8_t *);
	ip[12 + 3] = 77;
	ip[20] = 0x30, ip[21] = 0x39;
	rte_pktmbuf_free(bed_in(m, NULL));
	assert_int_equal(bed_events_of(DP_EVENT_PEER_MOVED), 1);
	// and the outbound SA follows
	assert_int_equal(dp_sa_set_remote(ho, &bed.event[0].remote, 12345), 0);
	m = send_one(out);
	ip = rte_pktmbuf_mtod(m, uint8_t *);
	assert_int_equal(ip[19], 77);
	assert_int_equal(ip[22] << 8 | ip[23], 12345);
	assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
	rte_pktmbuf_free(m);
	dp_sa_del(hi);
	dp_sa_del(ho);
	bed_reset();
}

static void transport_mode(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 4; f++) {
		uint8_t family = f & 1 ? 6 : 4;
		struct dp_sa p = bed_conf(DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16, family, 0x4b00);
		const char *src = family == 4 ? "192.0.2.1" : "2001:db8::1";
		const char *dst = family == 4 ? "192.0.2.2" : "2001:db8::2";
		struct dp_sa q;
		uint32_t ho, hi;
		struct sa *out;

		p.mode = DP_TRANSPORT;
		p.udp_encap = f >= 2;
		p.local_port = p.remote_port = 4500;
		q = bed_mirror(&p);
		out = add(&p, &ho);
		add(&q, &hi);
		for (size_t len = family == 4 ? 28 : 48; len < 300; len++) {
			struct rte_mbuf *m;

			bed_inner(inner, family, len, src, dst);
			m = bed_out(out, bed_packet(inner, len));
			assert_non_null(m);
			assert_int_equal(rte_pktmbuf_data_len(m),
					 len + sa_overhead(out, (uint32_t)len));
			bed_parse(m);
			assert_int_equal(pkt_of(m)->l3_total, rte_pktmbuf_data_len(m));
			assert_int_equal(pkt_of(m)->proto, p.udp_encap ? 17 : 50);
			m = bed_in(m, NULL);
			assert_non_null(m);
			assert_int_equal(rte_pktmbuf_data_len(m), len);
			if (!(p.udp_encap && family == 6))  // there UDP gets a fresh checksum
				assert_memory_equal(rte_pktmbuf_mtod(m, void *), inner, len);
			rte_pktmbuf_free(m);
		}
		dp_sa_del(hi);
		dp_sa_del(ho);
		rcu_poll();
	}
	assert_int_equal(bed_drops(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors),    cmocka_unit_test(congestion_marks),
		cmocka_unit_test(outer_header), cmocka_unit_test(no_room),
		cmocka_unit_test(peer_moves),   cmocka_unit_test(transport_mode),
	};
	int rc;

	bed_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	bed_stop();
	return rc;
}
