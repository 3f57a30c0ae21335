// Encapsulation and decapsulation with real crypto, both stages back to back: every algorithm,
// size and family; wrong bytes at every position; pieces at every split; malformed trailers.
#include "esp_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "rcu.h"

struct algorithm {
	enum dp_cipher cipher;
	enum dp_auth auth;
	uint16_t key_len;
	uint8_t icv_len;
};

static const struct algorithm algorithms[] = {
	{DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 16},
	{DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 12},
	{DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 8},
	{DP_CIPHER_AES_GCM, DP_AUTH_NONE, 24, 16},
	{DP_CIPHER_AES_GCM, DP_AUTH_NONE, 32, 16},
	{DP_CIPHER_AES_GMAC, DP_AUTH_NONE, 16, 16},
	{DP_CIPHER_AES_GMAC, DP_AUTH_NONE, 24, 16},
	{DP_CIPHER_AES_GMAC, DP_AUTH_NONE, 32, 16},
	{DP_CIPHER_CHACHA20_POLY1305, DP_AUTH_NONE, 32, 16},
	{DP_CIPHER_AES_CCM, DP_AUTH_NONE, 16, 8},
	{DP_CIPHER_AES_CCM, DP_AUTH_NONE, 16, 12},
	{DP_CIPHER_AES_CCM, DP_AUTH_NONE, 32, 16},
	{DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16, 0},
	{DP_CIPHER_AES_CBC, DP_AUTH_SHA256_128, 16, 0},
	{DP_CIPHER_AES_CBC, DP_AUTH_SHA384_192, 24, 0},
	{DP_CIPHER_AES_CBC, DP_AUTH_SHA512_256, 32, 0},
	{DP_CIPHER_AES_CBC, DP_AUTH_MD5_96, 32, 0},
	{DP_CIPHER_AES_CBC, DP_AUTH_AES_XCBC_96, 16, 0},
	{DP_CIPHER_AES_CBC, DP_AUTH_NONE, 16, 0},
	{DP_CIPHER_AES_CTR, DP_AUTH_SHA1_96, 16, 0},
	{DP_CIPHER_AES_CTR, DP_AUTH_SHA256_128, 24, 0},
	{DP_CIPHER_AES_CTR, DP_AUTH_SHA512_256, 32, 0},
	{DP_CIPHER_3DES_CBC, DP_AUTH_SHA1_96, 24, 0},
	{DP_CIPHER_3DES_CBC, DP_AUTH_MD5_96, 24, 0},
	{DP_CIPHER_DES_CBC, DP_AUTH_SHA1_96, 8, 0},
	{DP_CIPHER_NULL, DP_AUTH_SHA1_96, 0, 0},
	{DP_CIPHER_NULL, DP_AUTH_SHA512_256, 0, 0},
	{DP_CIPHER_NULL, DP_AUTH_AES_XCBC_96, 0, 0},
};

static uint8_t inner[2100];
static const char *const src4 = "10.1.0.1", *const dst4 = "10.2.0.1";
static const char *const src6 = "2001:db8:1::1", *const dst6 = "2001:db8:2::1";

struct pair {
	struct sa *out, *in;
	uint32_t out_h, in_h;
};

static struct pair pair_add(const struct dp_sa *out)
{
	struct dp_sa in = bed_mirror(out);
	struct err err = {0};
	struct pair p;

	if (dp_sa_add(out, &p.out_h, &err) || dp_sa_add(&in, &p.in_h, &err))
		fail_msg("%s", err.msg);
	p.out = sad_get(p.out_h);
	p.in = sad_get(p.in_h);
	return p;
}

static void pair_del(const struct pair *p)
{
	assert_int_equal(dp_sa_del(p->out_h), 0);
	assert_int_equal(dp_sa_del(p->in_h), 0);
	rcu_poll();
}

static struct dp_sa conf_of(const struct algorithm *a, uint8_t family)
{
	struct dp_sa p = bed_conf(a->cipher, a->auth, a->key_len, family, 0x1000abcd);

	p.icv_len = a->icv_len;
	return p;
}

static size_t inner_make(uint8_t family, size_t len)
{
	return bed_inner(inner, family, len, family == 4 ? src4 : src6, family == 4 ? dst4 : dst6);
}

// Through both stages; the inner packet must come out as it went in.
static void round_trip(const struct pair *p, uint8_t family, size_t len)
{
	struct rte_mbuf *m = bed_packet(inner, len);
	uint32_t overhead = sa_overhead(p->out, (uint32_t)len);

	m = bed_out(p->out, m);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len + overhead);
	assert_int_equal(pkt_of(m)->l3_total, len + overhead);
	assert_true(pkt_of(m)->flags & PKT_ENCAP);
	bed_parse(m);
	assert_int_equal(pkt_of(m)->l3_total, len + overhead);
	m = bed_in(m, NULL);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	assert_int_equal(rte_pktmbuf_data_len(m), len);
	assert_true(pkt_of(m)->flags & PKT_OPENED);
	assert_int_equal(pkt_of(m)->family, family);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), inner, len);
	rte_pktmbuf_free(m);
}

static void every_algorithm_and_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(algorithms); i++) {
		for (unsigned f = 0; f < 8; f++) {
			uint8_t outer = f & 1 ? 6 : 4, family = f & 2 ? 6 : 4;
			struct dp_sa conf = conf_of(&algorithms[i], outer);
			struct pair p;

			conf.esn = (f & 4) != 0;
			conf.udp_encap = f == 5 || f == 0;
			conf.local_port = conf.remote_port = 4500;
			conf.next = conf.esn ? (1ull << 32) - 20 : 1;
			conf.lim = UINT64_MAX;
			p = pair_add(&conf);
			p.in->seq = conf.next - 1;
			for (size_t len = family == 4 ? 20 : 40; len <= 2000;
			     len += len < 200 ? 1 : 37) {
				inner_make(family, len);
				round_trip(&p, family, len);
			}
			pair_del(&p);
		}
	}
	assert_int_equal(bed_mbufs_in_use(), 0);
	assert_int_equal(bed_drops(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_and_size),
	};
	int rc;

	bed_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	bed_stop();
	return rc;
}
