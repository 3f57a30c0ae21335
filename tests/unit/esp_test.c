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

// A wrong bit anywhere in header, IV, ciphertext or ICV must be refused, and nothing else.
static void wrong_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(algorithms); i++) {
		struct dp_sa conf = conf_of(&algorithms[i], 4);
		uint8_t wire[512];
		struct rte_mbuf *m;
		struct pair p;
		size_t len;

		if (conf.cipher == DP_CIPHER_AES_CBC && conf.auth == DP_AUTH_NONE)
			continue;  // nothing protects it
		conf.esn = i % 2;
		p = pair_add(&conf);
		m = bed_out(p.out, bed_packet(inner, inner_make(4, 61)));
		len = rte_pktmbuf_data_len(m);
		memcpy(wire, rte_pktmbuf_mtod(m, void *), len);
		rte_pktmbuf_free(m);
		for (size_t at = 20; at < len; at++) {
			wire[at] ^= 0x10;
			assert_null(bed_in(bed_packet(wire, len), NULL));
			wire[at] ^= 0x10;
			assert_int_equal(p.in->seq, 0);
		}
		m = bed_in(bed_packet(wire, len), NULL);
		assert_non_null(m);
		assert_memory_equal(rte_pktmbuf_mtod(m, void *), inner, 61);
		rte_pktmbuf_free(m);
		assert_true(p.in->drops[DP_SA_DROP_ICV] > len - 20 - 9);
		assert_null(bed_in(bed_packet(wire, len), NULL));
		assert_int_equal(p.in->drops[DP_SA_DROP_REPLAY] >= 1, 1);
		pair_del(&p);
	}
	assert_int_equal(bed_mbufs_in_use(), 0);
	bed_reset();
}

static void every_split(void **state)
{
	struct dp_sa conf = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x2000);
	struct pair p = pair_add(&conf);
	uint8_t wire[512];
	struct rte_mbuf *m;
	size_t len;

	(void)state;
	for (int tight = 0; tight < 2; tight++) {
		inner_make(4, 150);
		for (size_t at = 1; at < 150; at++) {  // outbound, the inner packet in pieces
			m = bed_out(p.out, bed_packet_split(inner, 150, at, tight));
			assert_non_null(m);
			len = rte_pktmbuf_data_len(m);
			assert_int_equal(m->nb_segs, 1);
			memcpy(wire, rte_pktmbuf_mtod(m, void *), len);
			rte_pktmbuf_free(m);
			// and inbound, what it became, in pieces as well
			m = bed_in(bed_packet_split(wire, len, at, tight), NULL);
			assert_non_null(m);
			assert_int_equal(rte_pktmbuf_pkt_len(m), 150);
			assert_memory_equal(rte_pktmbuf_mtod(m, void *), inner, 150);
			rte_pktmbuf_free(m);
		}
	}
	pair_del(&p);
	assert_int_equal(bed_mbufs_in_use(), 0);
	assert_int_equal(bed_drops(), 0);
}

// Seals `len` bytes with a trailer of our choice: pads, pad length and next header are the last
// bytes of `plain` itself. Goes around esp_out, which would never make such packets.
static struct rte_mbuf *forge(const struct pair *p, const uint8_t *plain, uint32_t len,
			      uint32_t seq)
{
	uint8_t wire[2048];
	struct crypto_op *op = &bed.w.crypto->ops[0];
	uint8_t *esp = wire + 20;
	uint32_t total = 20 + 8 + p->out->iv_len + len + p->out->icv_len;

	memset(wire, 0, sizeof(wire));
	wire[0] = 0x45;
	wire[2] = (uint8_t)(total >> 8);
	wire[3] = (uint8_t)total;
	wire[8] = 64;
	wire[9] = 50;
	memcpy(wire + 12, p->out->conf.local.bytes, 4);
	memcpy(wire + 16, p->out->conf.remote.bytes, 4);
	memcpy(esp, &p->out->spi_be, 4);
	esp[6] = (uint8_t)(seq >> 8);
	esp[7] = (uint8_t)seq;
	memset(esp + 8, (int)seq, p->out->iv_len);
	memcpy(esp + 8 + p->out->iv_len, plain, len);
	*op = (struct crypto_op){.key = p->out->key,
				 .esp = esp,
				 .len = len,
				 .iv_len = p->out->iv_len,
				 .icv_len = p->out->icv_len};
	crypto_op_nonce(op, p->out->salt);
	p->out->crypt(bed.w.crypto, op, 1);
	return bed_packet(wire, total);
}

struct trailer_row {
	uint32_t inner_len, pad, pad_field;
	int pad_wrong_at;  // -1 = none
	uint8_t nh;
	enum drop why;  // DROP_COUNT = accepted
};

static void trailers(void **state)
{
	static const struct trailer_row rows[] = {
		{40, 2, 2, -1, 4, DROP_COUNT},
		{40, 254, 254, -1, 4, DROP_COUNT},  // as much as the field can say
		{40, 2, 3, -1, 4, DROP_ESP_PAD},    // claims a byte of the packet
		{40, 2, 44, -1, 4, DROP_ESP_PAD},   // longer than the packet
		{40, 2, 255, -1, 4, DROP_ESP_PAD},
		{40, 6, 6, 0, 4, DROP_ESP_PAD},
		{40, 6, 6, 5, 4, DROP_ESP_PAD},
		{40, 2, 2, -1, 41, DROP_ESP_INNER},  // says IPv6, is IPv4
		{40, 2, 2, -1, 59, DROP_ESP_DUMMY},
		{40, 2, 2, -1, 6, DROP_ESP_NEXT_HEADER},
		{40, 2, 2, -1, 0, DROP_ESP_NEXT_HEADER},
		{0, 2, 2, -1, 4, DROP_ESP_INNER},
		{16, 2, 2, -1, 4, DROP_ESP_INNER},
	};
	struct dp_sa conf = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0x3000);
	struct pair p = pair_add(&conf);

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const struct trailer_row *r = &rows[i];
		uint8_t plain[512];
		struct rte_mbuf *m;

		bed_reset();
		inner_make(4, r->inner_len < 20 ? 20 : r->inner_len);
		memcpy(plain, inner, r->inner_len);
		for (uint32_t k = 0; k < r->pad; k++)
			plain[r->inner_len + k] =
				(uint8_t)(k + 1 + (k == (uint32_t)r->pad_wrong_at));
		plain[r->inner_len + r->pad] = (uint8_t)r->pad_field;
		plain[r->inner_len + r->pad + 1] = r->nh;
		m = bed_in(forge(&p, plain, r->inner_len + r->pad + 2, (uint32_t)i + 1), NULL);
		if (r->why == DROP_COUNT) {
			assert_non_null(m);
			assert_int_equal(rte_pktmbuf_data_len(m), r->inner_len);
			rte_pktmbuf_free(m);
		} else if (m || bed.w.drop[r->why] != 1) {
			fail_msg("row %zu", i);
		}
	}
	pair_del(&p);
	assert_int_equal(bed_mbufs_in_use(), 0);
	bed_reset();
}

// Inner length fields against what is there; traffic flow padding behind is cut off (RFC 4303 2.7).
static void inner_lengths(void **state)
{
	struct dp_sa conf = bed_conf(DP_CIPHER_NULL, DP_AUTH_SHA1_96, 0, 4, 0x3100);
	struct pair p = pair_add(&conf);
	uint8_t plain[104];
	struct rte_mbuf *m;

	(void)state;
	for (uint32_t said = 0; said < 120; said++) {
		inner_make(4, 100);
		memcpy(plain, inner, 100);
		plain[3] = (uint8_t)said;
		memcpy(plain + 100, (uint8_t[]){1, 2, 2, 4}, 4);
		m = bed_in(forge(&p, plain, 104, said + 1), NULL);
		if (said < 20 || said > 100) {
			assert_null(m);
		} else {
			assert_non_null(m);
			assert_int_equal(rte_pktmbuf_pkt_len(m), said);
			rte_pktmbuf_free(m);
		}
	}
	assert_int_equal(p.in->drops[DP_SA_DROP_INNER], 39);
	pair_del(&p);
	bed_reset();
}

static void runts(void **state)
{
	struct dp_sa conf = bed_conf(DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16, 4, 0x3200);
	struct pair p = pair_add(&conf);
	uint8_t wire[512];
	struct rte_mbuf *m = bed_out(p.out, bed_packet(inner, inner_make(4, 60)));
	size_t len = rte_pktmbuf_data_len(m);

	(void)state;
	memcpy(wire, rte_pktmbuf_mtod(m, void *), len);
	rte_pktmbuf_free(m);
	for (size_t n = 20; n < len; n++) {
		wire[2] = (uint8_t)(n >> 8);
		wire[3] = (uint8_t)n;
		assert_null(bed_in(bed_packet(wire, n), NULL));
		wire[3] = (uint8_t)len;  // and the header claims more than there is
		assert_null(bed_in(bed_packet(wire, n), NULL));
	}
	assert_int_equal(bed_mbufs_in_use(), 0);
	assert_int_equal(p.in->packets, 0);
	pair_del(&p);
	bed_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_and_size),
		cmocka_unit_test(wrong_bytes),
		cmocka_unit_test(every_split),
		cmocka_unit_test(trailers),
		cmocka_unit_test(inner_lengths),
		cmocka_unit_test(runts),
	};
	int rc;

	bed_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	bed_stop();
	return rc;
}
