// The ESP stages alone: sad_in + esp_in and esp_out over bursts of prepared packets in cache, every
// packet of another tunnel when there are several. What one direction makes is the other's input.
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "esp.h"
#include "pkt.h"
#include "rcu.h"
#include "sad.h"
#include "worker.h"

#define BURSTS_PER_ROUND 300

static struct worker worker;
static struct rte_mempool *pool;
static uint32_t *handle_out, *handle_in;

int bench_stage_open(const struct bench_options *o)
{
	struct err err = {0};

	pool = rte_pktmbuf_pool_create("bench", 2047, 0, 64, 2304, SOCKET_ID_ANY);
	handle_out = calloc(bench_tunnels_max(o), sizeof(*handle_out));
	handle_in = calloc(bench_tunnels_max(o), sizeof(*handle_in));
	if (!pool || !handle_out || !handle_in || rcu_init(1, &err) || sad_init(&err))
		return -ENOMEM;
	worker.crypto = crypto_ctx_create(SOCKET_ID_ANY, &err);
	worker.pool = pool;
	return worker.crypto ? 0 : -EIO;
}

static struct ip_addr v4(uint32_t a)
{
	return addr_from_v4(a);
}

static int tunnels_add(const struct bench_options *o, const struct bench_point *p)
{
	for (uint32_t i = 0; i < p->tunnels; i++) {
		struct err err = {0};
		struct dp_sa sa = {
			.dir = DP_IN,
			.cipher = p->algorithm->cipher,
			.auth = p->algorithm->auth,
			.key_len = p->algorithm->key_len,
			.salt_len = p->algorithm->salt_len,
			.auth_key_len = p->algorithm->auth_key_len,
			.icv_len = p->algorithm->icv_len,
			.replay_window = o->window,
			.next = 1,
			.lim = UINT32_MAX,
			.worker = 0,
			.sels = 1,
		};

		memset(sa.key, 0, sizeof(sa.key));
		memcpy(sa.key, &i, sizeof(i));
		sa.spi = dp_spi_alloc(0);
		sa.local = v4(0xc6336401);
		sa.remote = v4(0xc0000200 + (i & 0xff));
		sa.sel[0].src.addr = v4(0x0a020000);
		sa.sel[0].src.len = 16;
		sa.sel[0].dst.addr = v4(0x0a010000);
		sa.sel[0].dst.len = 16;
		sa.sel[0].sport.hi = sa.sel[0].dport.hi = 65535;
		if (dp_sa_add(&sa, &handle_in[i], &err))
			goto failed;
		sa.dir = DP_OUT;
		sa.local = sa.remote;
		sa.remote = v4(0xc6336401);
		if (dp_sa_add(&sa, &handle_out[i], &err))
			goto failed;
		continue;
	failed:
		fprintf(stderr, "tandem-bench: %s\n", err.msg);
		return -EIO;
	}
	return 0;
}

static void tunnels_del(const struct bench_point *p)
{
	for (uint32_t i = 0; i < p->tunnels; i++) {
		dp_sa_del(handle_in[i]);
		dp_sa_del(handle_out[i]);
	}
	rcu_poll();
}

static void packet_fill(struct rte_mbuf *m, uint32_t len)
{
	static const uint8_t head[20] = {0x45, 0, 0,  0, 0, 0, 0,  0, 63, 17,
					 0,    0, 10, 1, 0, 1, 10, 2, 0,  1};
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(p, head, sizeof(head));
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
}

// As the stages before leave it. The header comes out of decapsulation as it went in.
static void packet_reset(struct rte_mbuf *m, uint32_t len, struct sa *sa)
{
	struct pkt *p = pkt_of(m);

	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	*p = (struct pkt){
		.sa = sa, .l3_len = 20, .l3_total = (uint16_t)len, .family = 4, .proto = 17};
}

struct sums {
	uint64_t encap, decap;
	int64_t encap_ins, decap_ins;
};

static int burst_run(struct burst *b, unsigned burst, struct sums *s)
{
	struct burst unknown = {.n = 0};
	uint64_t start;
	int64_t ins;

	ins = bench_perf_read();
	start = rte_rdtsc_precise();
	esp_out(&worker, b);
	s->encap += rte_rdtsc_precise() - start;
	s->encap_ins += bench_perf_read() - ins;
	if (b->n != burst)
		return -EIO;
	ins = bench_perf_read();
	start = rte_rdtsc_precise();
	sad_in(&worker, b, &unknown);
	esp_in(&worker, b);
	s->decap += rte_rdtsc_precise() - start;
	s->decap_ins += bench_perf_read() - ins;
	return b->n == burst ? 0 : -EIO;
}

static int round_run(struct rte_mbuf **m, const uint32_t *len, const struct bench_options *o,
		     const struct bench_point *p, uint32_t *at, struct sums *s)
{
	struct burst b;

	for (unsigned i = 0; i < BURSTS_PER_ROUND; i++) {
		for (unsigned k = 0; k < o->burst; k++) {
			struct sa *sa = sad_get(handle_out[*at]);

			packet_reset(m[k], len[k], sa);
			esp_sa_prefetch(sa);  // as spd_out leaves it
			b.pkt[k] = m[k];
			// a stride that is prime to any round number: neighbours in a burst are not
			// neighbours in memory
			*at = (*at + 7919) % p->tunnels;
		}
		b.n = o->burst;
		if (burst_run(&b, o->burst, s))
			return -EIO;
	}
	return 0;
}

int bench_stage_run(const struct bench_options *o, const struct bench_point *p,
		    struct bench_row *encap, struct bench_row *decap)
{
	double e[1000], d[1000], hz = (double)rte_get_tsc_hz(), bytes = 0;
	double packets = (double)BURSTS_PER_ROUND * o->burst;
	struct rte_mbuf *m[64];
	struct sums total = {0};
	uint32_t len[64], at = 0;
	int rc = tunnels_add(o, p);

	if (rc || rte_pktmbuf_alloc_bulk(pool, m, o->burst))
		return -EIO;
	bench_sizes_fill(p->size, len, o->burst);
	for (unsigned i = 0; i < o->burst; i++) {
		packet_fill(m[i], len[i]);
		bytes += len[i];
	}
	for (unsigned r = 0; r < o->rounds + 1 && !rc; r++) {
		struct sums s = {0};

		rc = round_run(m, len, o, p, &at, &s);
		if (!r)
			continue;  // caches and counters warm up
		e[r - 1] = (double)s.encap * 1e9 / hz / packets;
		d[r - 1] = (double)s.decap * 1e9 / hz / packets;
		total.encap_ins += s.encap_ins;
		total.decap_ins += s.decap_ins;
	}
	rte_pktmbuf_free_bulk(m, o->burst);
	tunnels_del(p);
	bytes /= o->burst;
	packets *= o->rounds;
	bench_row_fill(encap, "stage", "encap", p, bench_median(e, o->rounds), bytes,
		       bench_perf_read() < 0 ? -1 : (double)total.encap_ins / packets);
	bench_row_fill(decap, "stage", "decap", p, bench_median(d, o->rounds), bytes,
		       bench_perf_read() < 0 ? -1 : (double)total.decap_ins / packets);
	return rc;
}
