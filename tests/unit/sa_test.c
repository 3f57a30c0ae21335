// What an SA allows and reports: sequence numbers, IVs, lifetimes, states, selectors, congestion
// marks, endpoints, transport mode, and the SPI table.
#include "esp_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "rcu.h"

static uint8_t inner[2048];

static struct sa *add(const struct dp_sa *p, uint32_t *handle)
{
	struct err err = {0};

	if (dp_sa_add(p, handle, &err))
		fail_msg("%s", err.msg);
	return sad_get(*handle);
}

static struct rte_mbuf *send_one(struct sa *sa)
{
	return bed_out(sa, bed_packet(inner, bed_inner(inner, 4, 60, "10.1.0.1", "10.2.0.1")));
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool send_seq(struct sa *sa, uint32_t *seq, uint64_t *iv)
{
	struct rte_mbuf *m = send_one(sa);
	const uint8_t *esp;

	if (!m)
		return false;
	esp = rte_pktmbuf_mtod_offset(m, const uint8_t *, sa->tmpl_len - 8);
	*seq = be32(esp + 4);
	*iv = (uint64_t)be32(esp + 8) << 32 | be32(esp + 12);
	rte_pktmbuf_free(m);
	return true;
}

static void numbers_and_limit(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4000);
	struct dp_sa_stats st;
	uint32_t h, seq;
	uint64_t iv;
	struct sa *sa;

	(void)state;
	p.next = 100;
	p.lim = 104;
	p.lim_low_margin = 2;
	sa = add(&p, &h);
	for (uint32_t i = 0; i < 5; i++) {
		assert_true(send_seq(sa, &seq, &iv));
		assert_int_equal(seq, 100 + i);
		assert_true(iv == (p.iv_prefix | i));  // the counter begins at 0, not at the number
	}
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 1);
	for (unsigned i = 0; i < 3; i++)
		assert_false(send_seq(sa, &seq, &iv));
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 1);
	assert_int_equal(bed_events_of(DP_EVENT_LIM_REACHED), 1);
	assert_int_equal(bed.w.drop[DROP_ESP_LIM], 3);
	assert_int_equal(dp_sa_set_lim(h, 105), 0);
	assert_true(send_seq(sa, &seq, &iv));
	assert_int_equal(seq, 105);
	assert_true(iv == (p.iv_prefix | 5));
	assert_false(send_seq(sa, &seq, &iv));
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 2);
	assert_int_equal(bed_events_of(DP_EVENT_LIM_REACHED), 2);
	assert_int_equal(dp_sa_get_stats(h, &st), 0);
	assert_int_equal(st.packets, 6);
	assert_int_equal(st.bytes, 360);
	assert_int_equal(st.seq, 105);
	assert_int_equal(st.iv_counter, 6);
	assert_int_equal(st.drops[DP_SA_DROP_LIM], 4);
	assert_int_equal(st.last_used_us, 1000 * 1000000ull);
	dp_sa_del(h);
	assert_int_equal(dp_sa_get_stats(h, &st), -ENOENT);
	bed_reset();
}

// Neither 32 bits of numbers nor 40 bits of IV counter ever wrap.
static void nothing_wraps(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4100);
	uint32_t h, seq;
	uint64_t iv;
	struct sa *sa;

	(void)state;
	p.next = UINT32_MAX;
	p.lim = UINT64_MAX;
	sa = add(&p, &h);
	assert_true(send_seq(sa, &seq, &iv));
	assert_int_equal(seq, UINT32_MAX);
	assert_false(send_seq(sa, &seq, &iv));
	assert_int_equal(dp_sa_set_lim(h, UINT64_MAX), 0);
	assert_false(send_seq(sa, &seq, &iv));
	assert_int_equal(bed_events_of(DP_EVENT_LIM_REACHED), 1);
	dp_sa_del(h);
	p.esn = true;
	sa = add(&p, &h);
	assert_true(send_seq(sa, &seq, &iv));
	assert_true(send_seq(sa, &seq, &iv));
	assert_int_equal(seq, 0);
	sa->iv_counter = SA_IV_COUNTER_MAX - 1;
	assert_true(send_seq(sa, &seq, &iv));
	assert_true(iv == (p.iv_prefix | (SA_IV_COUNTER_MAX - 1)));
	assert_false(send_seq(sa, &seq, &iv));
	assert_false(send_seq(sa, &seq, &iv));
	dp_sa_del(h);
	bed_reset();
}

// A burst longer than what may be sent: the front goes, the rest is dropped, order is kept; an
// event that did not fit into the ring is raised again.
static void burst_over_limit(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_CBC, DP_AUTH_SHA256_128, 16, 4, 0x4200);
	struct burst b = {.n = 0};
	uint32_t h;
	struct sa *sa;

	(void)state;
	p.lim = 40;
	sa = add(&p, &h);
	for (unsigned i = 0; i < 64; i++) {
		struct rte_mbuf *m =
			bed_packet(inner, bed_inner(inner, 4, 60 + i, "10.1.0.1", "10.2.0.1"));

		pkt_of(m)->sa = sa;
		burst_add(&b, m);
	}
	bed.events_full = true;
	esp_out(&bed.w, &b);
	assert_int_equal(b.n, 40);
	assert_int_equal(bed.w.drop[DROP_ESP_LIM], 24);
	for (unsigned i = 0; i < b.n; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod(b.pkt[i], const uint8_t *);

		assert_int_equal(be32(ip + 24), i + 1);
		assert_int_equal(rte_pktmbuf_data_len(b.pkt[i]), 60 + i + sa_overhead(sa, 60 + i));
		rte_pktmbuf_free(b.pkt[i]);
	}
	bed.events_full = false;
	assert_null(send_one(sa));
	assert_int_equal(bed_events_of(DP_EVENT_LIM_REACHED), 1);
	dp_sa_del(h);
	bed_reset();
}

// CBC IVs: 20,000 of them, no two alike, also over refills of the pool.
static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static void unpredictable_ivs(void **state)
{
	enum { COUNT = 20000 };
	struct dp_sa p = bed_conf(DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16, 4, 0x4300);
	uint8_t(*iv)[16] = calloc(COUNT, 16);
	unsigned ones = 0;
	uint32_t h;
	struct sa *sa = add(&p, &h);

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		struct rte_mbuf *m = send_one(sa);

		assert_non_null(m);
		memcpy(iv[i], rte_pktmbuf_mtod_offset(m, uint8_t *, 28), 16);
		rte_pktmbuf_free(m);
		for (unsigned k = 0; k < 16; k++)
			ones += (unsigned)__builtin_popcount(iv[i][k]);
	}
	qsort(iv, COUNT, 16, by_value);
	for (unsigned i = 1; i < COUNT; i++)
		assert_memory_not_equal(iv[i - 1], iv[i], 16);
	assert_in_range(ones, COUNT * 64 - 12000, COUNT * 64 + 12000);  // 15 sigma
	free(iv);
	dp_sa_del(h);
	bed_reset();
}

static void lifetimes(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4400);
	struct burst b = {.n = 0};
	uint32_t h;
	struct sa *sa;

	(void)state;
	p.soft_packets = 3;
	p.hard_packets = 5;
	sa = add(&p, &h);
	for (unsigned i = 0; i < 10; i++) {
		struct rte_mbuf *m =
			bed_packet(inner, bed_inner(inner, 4, 60, "10.1.0.1", "10.2.0.1"));

		pkt_of(m)->sa = sa;
		burst_add(&b, m);
	}
	esp_out(&bed.w, &b);
	assert_int_equal(b.n, 5);
	for (unsigned i = 0; i < b.n; i++)
		rte_pktmbuf_free(b.pkt[i]);
	assert_int_equal(bed_events_of(DP_EVENT_SOFT_EXPIRE), 1);
	assert_int_equal(bed_events_of(DP_EVENT_HARD_EXPIRE), 1);
	assert_int_equal(bed.w.drop[DROP_ESP_EXPIRED], 5);
	assert_null(send_one(sa));
	assert_int_equal(bed.events, 2);
	dp_sa_del(h);
	bed_reset();
	p.soft_packets = p.hard_packets = 0;
	p.soft_bytes = 100;
	p.hard_bytes = 180;
	sa = add(&p, &h);
	for (unsigned i = 0; i < 3; i++)
		rte_pktmbuf_free(send_one(sa));
	assert_int_equal(bed.events, 2);
	assert_int_equal(bed.event[0].type, DP_EVENT_SOFT_EXPIRE);
	assert_int_equal(bed.event[0].sa, h);
	assert_null(send_one(sa));
	dp_sa_del(h);
	bed_reset();
}

static void inbound_lifetime_and_standby(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4500);
	struct dp_sa q = bed_mirror(&p);
	uint32_t ho, hi;
	struct sa *out = add(&p, &ho), *in;
	struct rte_mbuf *m;

	(void)state;
	q.hard_packets = 2;
	in = add(&q, &hi);
	assert_int_equal(dp_sa_set_state(hi, DP_SA_STANDBY), 0);
	assert_null(bed_in(send_one(out), NULL));
	assert_int_equal(bed.w.drop[DROP_ESP_STANDBY], 1);
	assert_int_equal(in->seq, 0);  // a standby SA is not touched
	assert_int_equal(dp_sa_set_state(hi, DP_SA_ACTIVE), 0);
	for (unsigned i = 0; i < 2; i++) {
		m = bed_in(send_one(out), NULL);
		assert_non_null(m);
		rte_pktmbuf_free(m);
	}
	assert_null(bed_in(send_one(out), NULL));
	assert_int_equal(bed.w.drop[DROP_ESP_EXPIRED], 1);
	assert_int_equal(bed_events_of(DP_EVENT_HARD_EXPIRE), 1);
	assert_int_equal(dp_sa_set_state(ho, DP_SA_STANDBY), 0);
	assert_null(send_one(out));
	assert_int_equal(bed.w.drop[DROP_ESP_STANDBY], 2);
	dp_sa_del(hi);
	dp_sa_del(ho);
	bed_reset();
}

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

static void spi_table(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0), q, r;
	uint32_t a = dp_spi_alloc(0), b = dp_spi_alloc(1), h1, h2, h3, h4;
	struct err err;
	bool unknown;

	(void)state;
	assert_true(a >= 256 && a < 1u << 31);
	assert_true(b >= 1u << 31);
	assert_int_not_equal(a & SA_INDEX_MASK, dp_spi_alloc(0) & SA_INDEX_MASK);
	dp_spi_free(b);
	p.spi = a;
	q = bed_mirror(&p);
	add(&p, &h1);
	add(&q, &h2);
	assert_int_equal(dp_sa_add(&q, &h3, &err), -EEXIST);
	// the same SPI at another of our addresses, and another SPI on the same index
	r = q;
	r.local = bed_addr("192.0.2.200");
	assert_int_equal(dp_sa_add(&r, &h3, &err), 0);
	assert_int_equal(dp_sa_add(&r, &h4, &err), -EEXIST);
	r.spi = a ^ (1u << 20);
	assert_int_equal(dp_sa_add(&r, &h4, &err), 0);
	rte_pktmbuf_free(bed_in(send_one(sad_get(h1)), &unknown));
	assert_false(unknown);
	assert_int_equal(sad_get(h2)->packets, 1);
	p.spi = r.spi;
	p.remote = r.local;
	{
		uint32_t h5;
		struct sa *out = add(&p, &h5);
		struct rte_mbuf *m = bed_in(send_one(out), &unknown);

		assert_non_null(m);
		assert_ptr_equal(pkt_of(m)->sa, sad_get(h4));
		rte_pktmbuf_free(m);
		assert_int_equal(dp_sa_del(h4), 0);
		assert_null(bed_in(send_one(out), &unknown));
		assert_true(unknown);
		dp_sa_del(h5);
	}
	// right SPI, wrong destination or encapsulation
	bed_reset();
	{
		struct rte_mbuf *m = send_one(sad_get(h1));

		rte_pktmbuf_mtod(m, uint8_t *)[19] ^= 0x40;
		assert_null(bed_in(m, &unknown));
		assert_false(unknown);
		m = send_one(sad_get(h1));
		pkt_of(m)->udp_len = 8;
		pkt_of(m)->l3_len = 12;
		assert_null(bed_in(m, &unknown));
		assert_int_equal(bed.w.drop[DROP_ESP_ENDPOINT], 2);
	}
	assert_int_equal(dp_sa_del(h2), 0);
	assert_int_equal(dp_sa_del(h2), -ENOENT);
	dp_sa_del(h1);
	dp_sa_del(h3);
	rcu_poll();
	assert_int_equal(rcu_pending(), 0);
	bed_reset();
}

// All indices can be reserved; an index comes back with another SPI.
static void spi_exhaustion(void **state)
{
	uint32_t *spi = calloc(SA_MAX, sizeof(*spi)), n = 0, again;

	(void)state;
	while (n < SA_MAX && (spi[n] = dp_spi_alloc(1)))
		n++;
	assert_in_range(n, SA_MAX - 16, SA_MAX);
	assert_int_equal(dp_spi_alloc(1), 0);
	dp_spi_free(spi[1000]);
	dp_spi_free(spi[1000]);  // twice is harmless
	again = dp_spi_alloc(1);
	assert_int_equal(again & SA_INDEX_MASK, spi[1000] & SA_INDEX_MASK);
	assert_int_not_equal(again, spi[1000]);
	assert_int_equal(dp_spi_alloc(1), 0);
	dp_spi_free(again);
	for (uint32_t i = 0; i < n; i++)
		dp_spi_free(spi[i]);
	free(spi);
}

static void refusals(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4c00), q;
	struct err err = {0};
	uint32_t h;

	(void)state;
	assert_true(dp_sa_algorithm_supported(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16));
	assert_false(dp_sa_algorithm_supported(DP_CIPHER_AES_GCM, DP_AUTH_SHA1_96, 16));
	assert_false(dp_sa_algorithm_supported(DP_CIPHER_NULL, DP_AUTH_NONE, 0));
	assert_false(dp_sa_algorithm_supported(DP_CIPHER_AES_CTR, DP_AUTH_NONE, 16));
	assert_false(dp_sa_algorithm_supported(DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 17));
	q = p, q.key_len = 20;
	assert_int_equal(dp_sa_add(&q, &h, &err), -ENOTSUP);
	q = p, q.salt_len = 0;
	assert_int_equal(dp_sa_add(&q, &h, &err), -EINVAL);
	q = p, q.icv_len = 4;
	assert_int_equal(dp_sa_add(&q, &h, &err), -EINVAL);
	q = p, q.spi = 255;
	assert_int_equal(dp_sa_add(&q, &h, &err), -EINVAL);
	q = p, q.iv_prefix = 1;
	assert_int_equal(dp_sa_add(&q, &h, &err), -EINVAL);
	q = p, q.remote = bed_addr("2001:db8::2");
	assert_int_equal(dp_sa_add(&q, &h, &err), -EINVAL);
	assert_true(err.msg[0]);
	assert_string_equal(dp_sa_drop_name(DP_SA_DROP_REPLAY), "replay");
	assert_string_equal(dp_sa_drop_name(DP_SA_DROP_ENCAP), "encap");
}

// Keys are gone from what an SA shows; a deletion tells the policies.
static void keys_wiped(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x4d00);
	static const uint8_t zero[DP_KEY_MAX];
	uint32_t h, gone = bed.gone;
	struct sa *sa = add(&p, &h);

	(void)state;
	assert_memory_equal(sa->conf.key, zero, DP_KEY_MAX);
	assert_memory_equal(sa->conf.auth_key, zero, DP_KEY_MAX);
	dp_sa_del(h);
	assert_int_equal(bed.gone, gone + 1);
	rcu_poll();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_limit), cmocka_unit_test(nothing_wraps),
		cmocka_unit_test(burst_over_limit),  cmocka_unit_test(unpredictable_ivs),
		cmocka_unit_test(lifetimes),         cmocka_unit_test(inbound_lifetime_and_standby),
		cmocka_unit_test(selectors),         cmocka_unit_test(congestion_marks),
		cmocka_unit_test(outer_header),      cmocka_unit_test(no_room),
		cmocka_unit_test(peer_moves),        cmocka_unit_test(transport_mode),
		cmocka_unit_test(spi_table),         cmocka_unit_test(spi_exhaustion),
		cmocka_unit_test(refusals),          cmocka_unit_test(keys_wiped),
	};
	int rc;

	bed_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	bed_stop();
	return rc;
}
