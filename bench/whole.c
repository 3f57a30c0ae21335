// The whole path, from a received burst of frames to the transmit burst: pipeline_run on one worker
// with two ports that have no device (what is sent is freed, as a driver would). Packets are in
// cache; every packet belongs to another tunnel when there are several; policies, routes and
// neighbours are as in the daemon.
#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "counters.h"
#include "fib.h"
#include "hold.h"
#include "pipeline.h"
#include "pkt.h"
#include "port.h"
#include "punt.h"
#include "rcu.h"
#include "sad.h"
#include "spd.h"

#define BURSTS_PER_ROUND 200
#define NET_BASE         0x14000000u  // tunnel i protects 20.0.0.0 + i * 256

struct tunnel {
	uint32_t out, in, peer;  // handles; peer: the other end's outbound SA, makes our input
};

static struct worker *w;
static struct rte_mempool *pool;
static struct tunnel *tunnels;
static uint32_t port_in, port_out;
static const uint8_t mac_in[6] = {2, 0, 0, 0, 0, 1}, mac_out[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t mac_peer[6] = {2, 0, 0, 0, 0, 9};
static const struct dp_ops no_ops;
static uint8_t payload[2048];

static int route_add(const char *dst, enum dp_route_kind kind, uint32_t port, const char *via)
{
	struct dp_route r = {.kind = kind, .port = port};
	struct err err = {0};

	if (prefix_parse(dst, &r.dst) || (via && addr_parse(via, &r.gateway)) || fib_set(&r, &err))
		return -EINVAL;
	return 0;
}

static int topology(void)
{
	struct ip_addr a, b;

	port_in = port_add_sink(mac_in, 1500);
	port_out = port_add_sink(mac_out, 2000);
	if (addr_parse("10.0.1.2", &a) || addr_parse("10.0.2.2", &b) ||
	    neigh_set(port_in, &a, mac_peer, true) || neigh_set(port_out, &b, mac_peer, true))
		return -EIO;
	return route_add("10.0.1.0/24", DP_ROUTE_FORWARD, port_in, NULL) ||
			       route_add("10.0.2.0/24", DP_ROUTE_FORWARD, port_out, NULL) ||
			       route_add("10.0.2.1/32", DP_ROUTE_LOCAL, port_out, NULL) ||
			       route_add("10.1.0.0/16", DP_ROUTE_FORWARD, port_in, "10.0.1.2") ||
			       route_add("0.0.0.0/0", DP_ROUTE_FORWARD, port_out, "10.0.2.2")
		       ? -EIO
		       : 0;
}

int bench_whole_open(const struct bench_options *o)
{
	struct fib_params fib = {.routes_max = 1024};
	struct err err = {0};
	struct worker *list[WORKER_MAX] = {NULL};

	pool = rte_pktmbuf_pool_create("whole", 2047, 256, 64, 2304, SOCKET_ID_ANY);
	tunnels = calloc(bench_tunnels_max(o), sizeof(*tunnels));
	if (!pool || !tunnels || neigh_init() || spd_init() || hold_init() || fib_init(&fib, &err))
		return -ENOMEM;
	port_set_pool(pool);
	punt_ctx.ops = &no_ops;
	w = list[0] = worker_create_for_test(0, pool);
	if (!w || worker_connect(list, 1, &err))
		return -EIO;
	for (unsigned i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	return topology();
}

// ---- tunnels -----------------------------------------------------------------------------------
static struct selector net_of(uint32_t i)
{
	struct selector s = {.src = {addr_from_v4(0x0a010000), 16},
			     .dst = {addr_from_v4(NET_BASE + (i << 8)), 24},
			     .sport = {0, 65535},
			     .dport = {0, 65535}};

	return s;
}

static int tunnel_add(const struct bench_options *o, const struct bench_point *p, uint32_t i)
{
	struct tunnel *t = &tunnels[i];
	struct err err = {0};
	struct dp_sa sa = {
		.dir = DP_OUT,
		.cipher = p->algorithm->cipher,
		.auth = p->algorithm->auth,
		.key_len = p->algorithm->key_len,
		.salt_len = p->algorithm->salt_len,
		.auth_key_len = p->algorithm->auth_key_len,
		.icv_len = p->algorithm->icv_len,
		.replay_window = o->window,
		.next = 1,
		.lim = UINT32_MAX,
		.sels = 1,
	};

	memcpy(sa.key, &i, sizeof(i));
	sa.spi = dp_spi_alloc(0);
	sa.sel[0] = net_of(i);
	sa.local = addr_from_v4(0x0a000201);
	sa.remote = addr_from_v4(0xc0000200 + (i & 0xff));
	if (dp_sa_add(&sa, &t->out, &err))
		goto failed;
	sa.dir = DP_IN;
	if (dp_sa_add(&sa, &t->in, &err))
		goto failed;
	sa.dir = DP_OUT;
	sa.local = sa.remote;
	sa.remote = addr_from_v4(0x0a000201);
	if (dp_sa_add(&sa, &t->peer, &err))
		goto failed;
	return 0;
failed:
	fprintf(stderr, "tandem-bench: %s\n", err.msg);
	return -EIO;
}

static int tunnels_add(const struct bench_options *o, const struct bench_point *p)
{
	struct dp_policy *policies = calloc(p->tunnels, sizeof(*policies));
	struct err err = {0};
	int rc = policies ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < p->tunnels && !rc; i++) {
		policies[i] = (struct dp_policy){.id = i + 1,
						 .group = 1,
						 .order = i,
						 .action = DP_POLICY_PROTECT,
						 .sel = net_of(i)};
		rc = tunnel_add(o, p, i);
	}
	if (!rc && (rc = spd_set(policies, p->tunnels, &err)))
		fprintf(stderr, "tandem-bench: %s\n", err.msg);
	while (!rc && spd_pending()) {  // many policies are built by another thread
		spd_poll();
		usleep(200);
	}
	for (uint32_t i = 0; i < p->tunnels && !rc; i++)
		rc = spd_bind(i + 1, sad_get(tunnels[i].out));
	free(policies);
	port_get(port_out)->policy_group = 1;
	return rc;
}

static void tunnels_del(const struct bench_point *p)
{
	struct err err;

	spd_set(NULL, 0, &err);
	for (uint32_t i = 0; i < p->tunnels; i++) {
		dp_sa_del(tunnels[i].out);
		dp_sa_del(tunnels[i].in);
		dp_sa_del(tunnels[i].peer);
	}
	rcu_poll();
}

// ---- packets -----------------------------------------------------------------------------------
static void addresses_put(uint8_t *ip, uint32_t src, uint32_t dst)
{
	uint16_t sum;

	src = rte_cpu_to_be_32(src);
	dst = rte_cpu_to_be_32(dst);
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	ip[10] = ip[11] = 0;
	sum = (uint16_t)~rte_raw_cksum(ip, 20);
	memcpy(ip + 10, &sum, 2);
}

// An inner packet of tunnel i; our side sends it, or the peer's.
static uint8_t *inner_put(struct rte_mbuf *m, uint32_t len, uint32_t i, bool ours)
{
	uint8_t *ip = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM;
	uint32_t here = 0x0a010001, there = NET_BASE + (i << 8) + 1;

	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	memcpy(ip, payload, len);
	memset(ip, 0, 28);
	ip[0] = 0x45;
	ip[2] = (uint8_t)(len >> 8);
	ip[3] = (uint8_t)len;
	ip[8] = 64;
	ip[9] = 17;
	addresses_put(ip, ours ? here : there, ours ? there : here);
	ip[21] = 7, ip[23] = 9;
	ip[24] = (uint8_t)((len - 20) >> 8);
	ip[25] = (uint8_t)(len - 20);
	return ip;
}

static void frame_put(struct rte_mbuf *m, const uint8_t *mac)
{
	uint8_t *f = (uint8_t *)rte_pktmbuf_prepend(m, 14);

	memcpy(f, mac, 6);
	memcpy(f + 6, mac_peer, 6);
	f[12] = 8;
	f[13] = 0;
}

struct sums {
	uint64_t cycles[2];
	uint64_t stage[2][STAGE_COUNT];  // cycles, when the stages' clocks are on
	int64_t ins[2];
};

// One burst through the path in direction d.
static int burst_run(struct burst *b, unsigned burst, int d, struct sums *s)
{
	uint64_t sent = w->tx_packets, start;
	int64_t before = bench_perf_read();

	if (w->cycles_on) {
		memset(w->stage, 0, sizeof(w->stage));
		w->stage_now = STAGE_RX, w->stage_tsc = rte_rdtsc();
	}
	start = rte_rdtsc_precise();
	pipeline_run(w, b, d ? port_out : port_in);
	tx_flush(w);
	s->cycles[d] += rte_rdtsc_precise() - start;
	s->ins[d] += bench_perf_read() - before;
	if (w->cycles_on) {
		stage_cycles(w, STAGE_RX);
		for (unsigned i = 0; i < STAGE_COUNT; i++)
			s->stage[d][i] += w->stage[i].cycles;
	}
	return w->tx_packets - sent == burst ? 0 : -EIO;
}

static int round_run(const uint32_t *len, const struct bench_options *o,
		     const struct bench_point *p, uint32_t *at, struct sums *s)
{
	struct rte_mbuf *m[64];  // the port frees what it sends
	struct burst b;

	for (unsigned n = 0; n < BURSTS_PER_ROUND; n++) {
		uint32_t first = *at;

		if (rte_pktmbuf_alloc_bulk(pool, m, o->burst))
			return -ENOMEM;
		b.n = o->burst;
		for (unsigned k = 0; k < o->burst; k++) {
			inner_put(m[k], len[k], *at, true);
			frame_put(m[k], mac_in);
			b.pkt[k] = m[k];
			*at = (*at + 7919) % p->tunnels;
		}
		if (burst_run(&b, o->burst, 0, s))
			return -EIO;
		*at = first;
		if (rte_pktmbuf_alloc_bulk(pool, m, o->burst))
			return -ENOMEM;
		b.n = o->burst;
		for (unsigned k = 0; k < o->burst; k++) {
			inner_put(m[k], len[k], *at, false);
			*pkt_of(m[k]) = (struct pkt){.sa = sad_get(tunnels[*at].peer),
						     .l3_len = 20,
						     .l3_total = (uint16_t)len[k],
						     .family = 4};
			b.pkt[k] = m[k];
			*at = (*at + 7919) % p->tunnels;
		}
		esp_out(w, &b);
		for (unsigned k = 0; k < b.n; k++)
			frame_put(b.pkt[k], mac_out);
		if (burst_run(&b, o->burst, 1, s))
			return -EIO;
	}
	return 0;
}

// Where the time of a point went (--profile): rounds with the stages' own clocks on, the fastest of
// each stage and direction.
static int profile_show(const uint32_t *len, const struct bench_options *o,
			const struct bench_point *p, uint32_t *at, double packets)
{
	uint64_t best[2][STAGE_COUNT];
	const enum stage *order;
	unsigned n = pipeline_stages(&order);
	double hz = (double)rte_get_tsc_hz();
	int rc = 0;

	memset(best, 0xff, sizeof(best));
	w->cycles_on = true;
	for (unsigned r = 0; r < o->rounds && !rc; r++) {
		struct sums s = {0};

		rc = round_run(len, o, p, at, &s);
		for (int d = 0; d < 2; d++)
			for (unsigned i = 0; i < STAGE_COUNT; i++)
				best[d][i] = RTE_MIN(best[d][i], s.stage[d][i]);
	}
	w->cycles_on = false;
	for (int d = 0; d < 2; d++) {
		printf("  %s, ns per packet:", d ? "decap" : "encap");
		for (unsigned i = 0; i < n; i++)
			if (order[i] != STAGE_RX && best[d][order[i]])
				printf(" %s %.1f", stage_name(order[i]),
				       (double)best[d][order[i]] * 1e9 / hz / packets);
		printf("\n");
	}
	return rc;
}

static void drops_show(void)
{
	for (unsigned i = 0; i < DROP_COUNT; i++)
		if (w->drop[i])
			fprintf(stderr, "tandem-bench: %llu packets dropped, reason %u\n",
				(unsigned long long)w->drop[i], i);
}

int bench_whole_run(const struct bench_options *o, const struct bench_point *p,
		    struct bench_row *encap, struct bench_row *decap)
{
	double v[2][1000], hz = (double)rte_get_tsc_hz(), bytes = 0;
	double packets = (double)BURSTS_PER_ROUND * o->burst;
	struct bench_row *rows[2] = {encap, decap};
	struct sums total = {0};
	uint32_t len[64], at = 0;
	int rc = tunnels_add(o, p);

	if (rc)
		return -EIO;
	bench_sizes_fill(p->size, len, o->burst);
	for (unsigned i = 0; i < o->burst; i++)
		bytes += (double)len[i] / o->burst;
	for (unsigned r = 0; r < o->rounds + 1 && !rc; r++) {
		struct sums s = {0};

		rc = round_run(len, o, p, &at, &s);
		for (int d = 0; d < 2 && r; d++) {
			v[d][r - 1] = (double)s.cycles[d] * 1e9 / hz / packets;
			total.ins[d] += s.ins[d];
		}
	}
	if (rc)
		drops_show();
	if (o->profile && !rc)
		rc = profile_show(len, o, p, &at, packets);
	tunnels_del(p);
	for (int d = 0; d < 2; d++)
		bench_row_fill(rows[d], "whole", d ? "decap" : "encap", p,
			       bench_median(v[d], o->rounds), bytes,
			       bench_perf_read() < 0 ? -1
						     : (double)total.ins[d] / packets / o->rounds);
	return rc;
}
