// tandem-bench replication: traffic for a worker of the real data plane. Its two ports have null
// devices; a callback of the inside's (or outside's) receive queue makes the frames, one of the
// outside's transmit queue sees what was sealed. Making them is not counted as the worker's time.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp.h"
#include "pipeline.h"
#include "pkt.h"
#include "port.h"
#include "replication.h"
#include "sad.h"
#include "worker.h"

#define BURST    32
#define BROKEN   100000  // cycles; a burst that took longer was interrupted
#define INNER    92      // bytes of the inner packet: 64 of payload
#define ESP_AT   (14 + 20)
#define DST_AT   (14 + 16)
#define PROTO_AT (14 + 9)

static struct {
	uint32_t tunnels, port_in, port_out;
	uint8_t mac_in[6], mac_out[6];
	uint32_t *peer;  // handle of the other end's outbound SA
	uint32_t at;
	enum rep_mode mode;  // control: wo, worker: ro
	bool open;           // the worker: a burst of ours is in the pipeline
	uint64_t begun;      // worker: when
	uint16_t last;       // ... and how many
	struct rep_load load;
	double *sealed_at;  // by tunnel, 0 = not yet
} t;
static const uint8_t mac_peer[6] = {2, 0, 0, 0, 0, 9};

double rep_seconds(void)
{
	return (double)rte_rdtsc() / (double)rte_get_tsc_hz();
}

// ---- frames ------------------------------------------------------------------------------------
static void inner_put(struct rte_mbuf *m, uint32_t src, uint32_t dst)
{
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t sum;

	m->data_len = m->pkt_len = INNER;
	memset(ip, 0, INNER);
	ip[0] = 0x45;
	ip[3] = INNER;
	ip[8] = 64;
	ip[9] = 17;
	src = rte_cpu_to_be_32(src);
	dst = rte_cpu_to_be_32(dst);
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	sum = (uint16_t)~rte_raw_cksum(ip, 20);
	memcpy(ip + 10, &sum, 2);
	ip[21] = 7, ip[23] = 9, ip[25] = INNER - 20;
}

static void link_put(struct rte_mbuf *m, const uint8_t mac[6])
{
	uint8_t *f = (uint8_t *)rte_pktmbuf_prepend(m, 14);

	memcpy(f, mac, 6);
	memcpy(f + 6, mac_peer, 6);
	f[12] = 8, f[13] = 0;
}

static uint32_t next_tunnel(void)
{
	// Neighbours in memory are no neighbours in time; 7919 is prime, so all have their turn
	// (unless there are a multiple of it).
	return t.at = (uint32_t)((t.at + 7919ull) % t.tunnels);
}

static uint16_t clear_frames(struct rte_mbuf **pkts)
{
	for (unsigned k = 0; k < BURST; k++) {
		uint32_t i = next_tunnel();

		inner_put(pkts[k], REP_HOME + 1, REP_NET + (i << 8) + 1);
		link_put(pkts[k], t.mac_in);
	}
	return BURST;
}

// What the other ends seal.
static uint16_t esp_frames(struct rte_mbuf **pkts)
{
	struct burst b = {.n = BURST};

	for (unsigned k = 0; k < BURST; k++) {
		uint32_t i = next_tunnel();

		inner_put(pkts[k], REP_NET + (i << 8) + 1, REP_HOME + 1);
		*pkt_of(pkts[k]) = (struct pkt){
			.sa = sad_get(t.peer[i]), .l3_len = 20, .l3_total = INNER, .family = 4};
		b.pkt[k] = pkts[k];
	}
	esp_out(worker_table[0], &b);
	for (unsigned k = 0; k < b.n; k++) {
		pkts[k] = b.pkt[k];
		link_put(pkts[k], t.mac_out);
	}
	return (uint16_t)b.n;
}

static uint16_t on_receive(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n,
			   uint16_t max, void *param)
{
	enum rep_mode mine = (enum rep_mode)(uintptr_t)param;

	if (__atomic_load_n(&t.mode, __ATOMIC_RELAXED) != mine || max < BURST)
		return n;
	// the burst before went through between that call and this one
	uint64_t took = rte_rdtsc() - t.begun;
	if (t.open && took < BROKEN) {
		__atomic_store_n(&t.load.cycles, t.load.cycles + took, __ATOMIC_RELAXED);
		__atomic_store_n(&t.load.timed, t.load.timed + t.last, __ATOMIC_RELAXED);
	}
	t.open = false;
	if (rte_pktmbuf_alloc_bulk(worker_table[0]->pool, pkts, BURST))
		return n;
	n = mine == REP_MODE_DECAP ? esp_frames(pkts) : clear_frames(pkts);
	__atomic_store_n(&t.load.packets, t.load.packets + n, __ATOMIC_RELAXED);
	t.open = true;
	t.last = n;
	t.begun = rte_rdtsc();
	return n;
}

static uint16_t on_transmit(uint16_t port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n,
			    void *param)
{
	double now = rep_seconds();
	uint32_t dst;

	for (uint16_t k = 0; k < n; k++) {
		const uint8_t *f = rte_pktmbuf_mtod(pkts[k], const uint8_t *);

		if (f[PROTO_AT] != 50)
			continue;
		memcpy(&dst, f + DST_AT, 4);
		uint32_t i = rte_be_to_cpu_32(dst) - REP_PEER;
		if (i >= t.tunnels || t.sealed_at[i] != 0)
			continue;
		t.sealed_at[i] = now;
		__atomic_store_n(&t.load.sealed, t.load.sealed + 1, __ATOMIC_RELAXED);
	}
	return n;
}

// ---- the other ends ----------------------------------------------------------------------------
int rep_traffic_peers(uint32_t i, uint32_t spi, struct err *err)
{
	struct dp_sa sa = {
		.dir = DP_OUT,
		.spi = spi,
		.local = addr_from_v4(REP_PEER + i),
		.remote = addr_from_v4(REP_LOCAL),
		.cipher = DP_CIPHER_AES_GCM,
		.icv_len = 16,
		.key_len = 16,
		.salt_len = 4,
		.next = 1,
		.lim = UINT32_MAX,
	};

	rep_key(i, true, sa.key);
	return dp_sa_add(&sa, &t.peer[i], err);
}

// ---- topology ----------------------------------------------------------------------------------
static int port_open(const char *name, const char *device, const char *host_if, uint32_t *port,
		     uint8_t mac[6], struct err *err)
{
	const struct dp_port_params p = {
		.name = name, .device = device, .host_if = host_if, .mtu = 1500};
	struct dp_port_info info;
	int rc = dp_port_add(&p, port, err);

	if (rc || (rc = dp_port_admin(*port, true, err)))
		return rc;
	rc = dp_port_info(*port, &info);
	memcpy(mac, info.mac, 6);
	return rc;
}

static int route_add(const char *dst, enum dp_route_kind kind, uint32_t port, const char *via,
		     struct err *err)
{
	struct dp_route r = {.kind = kind, .port = port};

	if (prefix_parse(dst, &r.dst) || (via && addr_parse(via, &r.gateway)))
		return err_set(err, -EINVAL, "bad route");
	return dp_route_set(&r, err);
}

static int routes_add(struct err *err)
{
	struct ip_addr in = addr_from_v4(0x0a000102), out = addr_from_v4(0x0a0002fe);
	int rc = route_add("10.0.1.0/24", DP_ROUTE_FORWARD, t.port_in, NULL, err);

	if (!rc)
		rc = route_add("10.0.2.0/24", DP_ROUTE_FORWARD, t.port_out, NULL, err);
	if (!rc)
		rc = route_add("10.0.2.1/32", DP_ROUTE_LOCAL, t.port_out, NULL, err);
	if (!rc)
		rc = route_add("10.1.0.0/16", DP_ROUTE_FORWARD, t.port_in, "10.0.1.2", err);
	if (!rc)
		rc = route_add("0.0.0.0/0", DP_ROUTE_FORWARD, t.port_out, "10.0.2.254", err);
	if (!rc)
		rc = dp_neigh_set(t.port_in, &in, mac_peer, true);
	return rc ? rc : dp_neigh_set(t.port_out, &out, mac_peer, true);
}

int rep_traffic_start(uint32_t tunnels, struct err *err)
{
	t.tunnels = tunnels;
	t.peer = calloc(tunnels, sizeof(*t.peer));
	t.sealed_at = calloc(tunnels, sizeof(*t.sealed_at));
	if (!t.peer || !t.sealed_at)
		return err_set(err, -ENOMEM, "no memory for %u tunnels", tunnels);
	int rc =
		port_open(REP_INSIDE, "vdev net_null0,no-rx=1", "gi0-0", &t.port_in, t.mac_in, err);
	if (!rc)
		rc = port_open(REP_INTERFACE, "vdev net_null1,no-rx=1", "gi0-1", &t.port_out,
			       t.mac_out, err);
	if (!rc)
		rc = routes_add(err);
	if (rc)
		return rc;
	uint16_t in = port_find(t.port_in)->dpdk, out = port_find(t.port_out)->dpdk;
	if (!rte_eth_add_rx_callback(in, 0, on_receive, (void *)(uintptr_t)REP_MODE_ENCAP) ||
	    !rte_eth_add_rx_callback(out, 0, on_receive, (void *)(uintptr_t)REP_MODE_DECAP) ||
	    !rte_eth_add_tx_callback(out, 0, on_transmit, NULL))
		return err_set(err, -ENOTSUP, "this DPDK has no callbacks");
	return 0;
}

uint32_t rep_traffic_port_out(void)
{
	return t.port_out;
}

void rep_traffic_set(enum rep_mode mode)
{
	__atomic_store_n(&t.mode, mode, __ATOMIC_RELAXED);
}

void rep_traffic_load(struct rep_load *out)
{
	out->packets = __atomic_load_n(&t.load.packets, __ATOMIC_RELAXED);
	out->timed = __atomic_load_n(&t.load.timed, __ATOMIC_RELAXED);
	out->cycles = __atomic_load_n(&t.load.cycles, __ATOMIC_RELAXED);
	out->sealed = __atomic_load_n(&t.load.sealed, __ATOMIC_RELAXED);
}

// An SA whose flag stands is one whose edge nobody asks for.
void rep_traffic_notes(bool on)
{
	for (uint32_t h = 1; h <= 4 * REP_TUNNEL_MAX; h++) {
		struct sa *sa = sad_get(h);

		if (sa && sa->dir == DP_IN)
			__atomic_store_n(&sa->noted, !on, __ATOMIC_RELAXED);
	}
}

// ---- take-over ---------------------------------------------------------------------------------
static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

uint32_t rep_traffic_sealed(double *first, double *half, double *last)
{
	double *at = calloc(t.tunnels, sizeof(*at));
	uint32_t n = 0;

	for (uint32_t i = 0; at && i < t.tunnels; i++)
		if (t.sealed_at[i] != 0)
			at[n++] = t.sealed_at[i];
	if (n) {
		qsort(at, n, sizeof(*at), order);
		*first = at[0];
		*half = at[n / 2];
		*last = at[n - 1];
	}
	free(at);
	return n;
}
