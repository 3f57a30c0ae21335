// What an SA allows and reports: sequence numbers, IVs, lifetimes, states, and the SPI table.
#include "sa_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "rcu.h"

static bool send_seq(struct sa *sa, uint32_t *seq, uint64_t *iv)
{
	struct rte_mbuf *m = send_one(sa);
	const uint8_t *esp;

	*seq = 0, *iv = 0;
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
	struct dp_sa_stats st;
	struct rte_mbuf *m;

	(void)state;
	q.hard_packets = 2;
	in = add(&q, &hi);
	assert_int_equal(dp_sa_get_stats(hi, &st), 0);
	assert_int_equal(st.state, DP_SA_ACTIVE);
	assert_int_equal(dp_sa_set_state(hi, DP_SA_STANDBY), 0);
	assert_int_equal(dp_sa_get_stats(hi, &st), 0);
	assert_int_equal(st.state, DP_SA_STANDBY);
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

		cmocka_unit_test(spi_table),         cmocka_unit_test(spi_exhaustion),
		cmocka_unit_test(refusals),          cmocka_unit_test(keys_wiped),
	};
	int rc;

	bed_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	bed_stop();
	return rc;
}
