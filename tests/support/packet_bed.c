// See packet_bed.h.
#include "packet_bed.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fib.h"
#include "hold.h"
#include "port.h"
#include "punt.h"
#include "rcu.h"
#include "sad.h"
#include "spd.h"

struct packet_bed pbed;
const uint8_t pbed_mac_in[6] = {0x02, 0xaa, 0, 0, 0, 1};
const uint8_t pbed_mac_out[6] = {0x02, 0xaa, 0, 0, 0, 2};
const uint8_t pbed_mac_peer[6] = {0x02, 0xbb, 0, 0, 0, 9};
static const struct dp_ops no_ops;

static void die(const char *what)
{
	fprintf(stderr, "packet bed: %s\n", what);
	exit(1);
}

static void route_add(const char *dst, enum dp_route_kind kind, uint32_t port, const char *via)
{
	struct dp_route r = {.kind = kind, .port = port};
	struct err err = {0};

	if (prefix_parse(dst, &r.dst) || (via && addr_parse(via, &r.gateway)))
		die(dst);
	if (fib_set(&r, &err))
		die(err.msg);
	if (kind == DP_ROUTE_LOCAL)
		port_set_addr(port, &r.dst.addr, true);
}

static void neigh_add(uint32_t port, const char *addr)
{
	struct ip_addr a;

	if (addr_parse(addr, &a) || neigh_set(port, &a, pbed_mac_peer, true))
		die(addr);
}

static void eal_up(void)
{
	static const char *const args[] = {
		"bed", "--no-huge",   "--no-shconf", "--no-pci",       "-m", "768", "--lcores",
		"0@0", "--log-level", "3",           "--no-telemetry",
	};
	static bool up;
	char *argv[RTE_DIM(args) + 1] = {NULL};

	for (unsigned i = 0; i < RTE_DIM(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	if (!up && rte_eal_init(RTE_DIM(args), argv) < 0)
		die("EAL does not start");
	up = true;
}

static void topology(void)
{
	pbed.in = port_add_sink(pbed_mac_in, 1500);
	pbed.out = port_add_sink(pbed_mac_out, 1500);
	route_add("10.0.1.0/24", DP_ROUTE_FORWARD, pbed.in, NULL);
	route_add("10.0.2.0/24", DP_ROUTE_FORWARD, pbed.out, NULL);
	route_add("10.0.1.1/32", DP_ROUTE_LOCAL, pbed.in, NULL);
	route_add("10.0.2.1/32", DP_ROUTE_LOCAL, pbed.out, NULL);
	route_add("10.9.0.0/16", DP_ROUTE_FORWARD, pbed.out, "10.0.2.2");
	route_add("10.8.0.0/16", DP_ROUTE_DROP, 0, NULL);
	route_add("10.7.0.0/16", DP_ROUTE_HOST, 0, NULL);
	route_add("2001:db8:1::/64", DP_ROUTE_FORWARD, pbed.in, NULL);
	route_add("2001:db8:2::/64", DP_ROUTE_FORWARD, pbed.out, NULL);
	route_add("2001:db8:1::1/128", DP_ROUTE_LOCAL, pbed.in, NULL);
	route_add("2001:db8:2::1/128", DP_ROUTE_LOCAL, pbed.out, NULL);
	neigh_add(pbed.in, "10.0.1.2");
	neigh_add(pbed.out, "10.0.2.2");
	neigh_add(pbed.in, "2001:db8:1::2");
	neigh_add(pbed.out, "2001:db8:2::2");
}

void pbed_start(unsigned workers)
{
	struct fib_params fib = {.routes_max = 4096};
	struct err err = {0};

	eal_up();
	pbed.pool = rte_pktmbuf_pool_create("pbed", 6143, 0, 64, 2176 + 64, SOCKET_ID_ANY);
	if (!pbed.pool || rcu_init(workers, &err) || neigh_init() || spd_init() || hold_init() ||
	    fib_init(&fib, &err) || sad_init(&err))
		die(err.msg[0] ? err.msg : "no memory");
	port_set_pool(pbed.pool);
	punt_ctx.ops = &no_ops;
	for (unsigned i = 0; i < workers; i++)
		if (!(pbed.w[i] = worker_create_for_test(i, pbed.pool)))
			die("no worker");
	pbed.workers = workers;
	if (worker_connect(pbed.w, workers, &err))
		die(err.msg);
	sad_workers(workers, (unsigned[WORKER_MAX]){0});
	topology();
}

void pbed_reset(void)
{
	struct err err;
	struct rte_mbuf *m;

	for (enum punt_kind k = 0; k < PUNT_COUNT; k++)
		while ((m = pbed_punted(k)))
			rte_pktmbuf_free(m);
	for (unsigned i = 0; i < pbed.workers; i++) {
		worker_flush(pbed.w[i]);
		memset(pbed.w[i]->drop, 0, sizeof(pbed.w[i]->drop));
		memset(&pbed.w[i]->icmp_rate, 0, sizeof(pbed.w[i]->icmp_rate));
	}
	port_get(pbed.in)->policy_group = port_get(pbed.out)->policy_group = 0;
	if (spd_set(NULL, 0, &err))
		die(err.msg);
	rcu_poll();
}

void pbed_stop(void)
{
	pbed_reset();
	worker_count = 0;
	for (unsigned i = 0; i < pbed.workers; i++)
		worker_destroy(pbed.w[i]);
	port_del_sink(pbed.in), port_del_sink(pbed.out);
	hold_fini();
	sad_fini(), rcu_fini(), fib_fini(), spd_fini(), neigh_fini();
	rte_mempool_free(pbed.pool);
	pbed = (struct packet_bed){0};
}

int pbed_setup(void **state)
{
	pbed_start(1);
	return 0;
}

int pbed_teardown(void **state)
{
	pbed_stop();
	return 0;
}

unsigned pbed_in_use(void)
{
	return rte_mempool_in_use_count(pbed.pool);
}

uint64_t pbed_drop(enum drop why)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < pbed.workers; i++)
		n += pbed.w[i]->drop[why];
	return n;
}

uint64_t pbed_drops(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		n += pbed_drop(i);
	return n;
}

// ---- packets -----------------------------------------------------------------------------------
void pbed_ip_sum(uint8_t *ip)
{
	struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)ip;

	h->hdr_checksum = 0;
	h->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, rte_ipv4_hdr_len(h));
}

void pbed_udp_sum(uint8_t *ip)
{
	bool v4 = ip[0] >> 4 == 4;
	struct rte_udp_hdr *u = (struct rte_udp_hdr *)(ip + (v4 ? 20 : 40));

	u->dgram_cksum = 0;
	u->dgram_cksum =
		v4 ? rte_ipv4_udptcp_cksum((void *)ip, u) : rte_ipv6_udptcp_cksum((void *)ip, u);
}

static size_t header4(uint8_t *p, const struct pbed_ip *o, const struct ip_addr *src,
		      const struct ip_addr *dst, size_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)p;
	uint16_t frag = (uint16_t)(o->offset / 8 | (o->df ? 0x4000 : 0) | (o->more ? 0x2000 : 0));

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(20 + len)),
		.packet_id = rte_cpu_to_be_16(o->id),
		.fragment_offset = rte_cpu_to_be_16(frag),
		.time_to_live = o->ttl ? o->ttl : 64,
		.next_proto_id = o->proto ? o->proto : IPPROTO_UDP,
	};
	memcpy(&ip->src_addr, src->bytes, 4);
	memcpy(&ip->dst_addr, dst->bytes, 4);
	pbed_ip_sum(p);
	return 20;
}

static size_t header6(uint8_t *p, const struct pbed_ip *o, const struct ip_addr *src,
		      const struct ip_addr *dst, size_t len)
{
	bool frag = o->offset || o->more;
	size_t ext = frag ? 8 : 0;
	uint8_t proto = o->proto ? o->proto : IPPROTO_UDP;

	memset(p, 0, 48);
	p[0] = 0x60;
	p[4] = (uint8_t)((len + ext) >> 8), p[5] = (uint8_t)(len + ext);
	p[6] = frag ? IPPROTO_FRAGMENT : proto;
	p[7] = o->ttl ? o->ttl : 64;
	memcpy(p + 8, src->bytes, 16);
	memcpy(p + 24, dst->bytes, 16);
	if (frag) {
		uint16_t v = (uint16_t)(o->offset | o->more);

		p[40] = proto, p[42] = (uint8_t)(v >> 8), p[43] = (uint8_t)v;
		p[46] = (uint8_t)(o->id >> 8), p[47] = (uint8_t)o->id;
	}
	return 40 + ext;
}

size_t pbed_ip(uint8_t *p, const struct pbed_ip *o)
{
	uint8_t proto = o->proto ? o->proto : IPPROTO_UDP;
	size_t l4 = o->offset ? 0 : proto == IPPROTO_UDP ? 8 : proto == IPPROTO_TCP ? 20 : 0;
	struct ip_addr src, dst;

	if (addr_parse(o->src, &src) || addr_parse(o->dst, &dst))
		die(o->dst);
	size_t len = l4 + o->payload;
	size_t at =
		src.family == 4 ? header4(p, o, &src, &dst, len) : header6(p, o, &src, &dst, len);
	memset(p + at, 0, l4);
	if (l4) {
		p[at] = (uint8_t)(o->sport >> 8), p[at + 1] = (uint8_t)o->sport;
		p[at + 2] = (uint8_t)(o->dport >> 8), p[at + 3] = (uint8_t)o->dport;
	}
	if (l4 == 8)
		p[at + 4] = (uint8_t)(len >> 8), p[at + 5] = (uint8_t)len;
	for (size_t i = 0; i < o->payload; i++)
		p[at + l4 + i] = (uint8_t)(o->offset + i + 1);
	if (l4 == 8 && !o->more)
		pbed_udp_sum(p);
	return at + len;
}

size_t pbed_frame(uint8_t *f, const struct pbed_ip *o)
{
	size_t len = pbed_ip(f + 14, o);

	memcpy(f, pbed_mac_in, 6);
	memcpy(f + 6, pbed_mac_peer, 6);
	f[12] = f[14] >> 4 == 4 ? 0x08 : 0x86;
	f[13] = f[14] >> 4 == 4 ? 0x00 : 0xdd;
	return len + 14;
}

struct rte_mbuf *pbed_mbuf(const void *bytes, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pbed.pool);

	if (!m)
		die("no buffer");
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	memset(pkt_of(m), 0xee, sizeof(struct pkt));  // whatever was there before
	return m;
}

void pbed_receive_on(struct worker *w, uint32_t port, const void *frame, size_t len)
{
	struct burst b = {.n = 1, .pkt = {pbed_mbuf(frame, len)}};

	pipeline_run(w, &b, port);
}

void pbed_receive(const void *frame, size_t len)
{
	pbed_receive_on(pbed.w[0], pbed.in, frame, len);
}

void pbed_send(const struct pbed_ip *o)
{
	uint8_t f[PBED_FRAME_MAX];

	pbed_receive(f, pbed_frame(f, o));
}

struct rte_mbuf *pbed_sent(uint32_t port)
{
	for (unsigned i = 0; i < pbed.workers; i++) {
		struct burst *b = &pbed.w[i]->tx[port];

		if (b->n == 0)
			continue;
		struct rte_mbuf *m = b->pkt[0];
		memmove(b->pkt, b->pkt + 1, --b->n * sizeof(b->pkt[0]));
		return m;
	}
	return NULL;
}

unsigned pbed_sent_count(uint32_t port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pbed.workers; i++)
		n += pbed.w[i]->tx[port].n;
	return n;
}

struct rte_mbuf *pbed_punted(enum punt_kind kind)
{
	struct rte_mbuf *found = NULL, *m;

	for (unsigned i = 0; i < pbed.workers; i++)
		for (unsigned n = rte_ring_count(pbed.w[i]->punt); n > 0; n--) {
			if (rte_ring_sc_dequeue(pbed.w[i]->punt, (void **)&m))
				break;
			if (!found && pkt_of(m)->punt == kind)
				found = m;
			else
				rte_ring_sp_enqueue(pbed.w[i]->punt, m);
		}
	return found;
}

struct dp_policy pbed_policy(uint32_t id, uint32_t order, enum dp_policy_action action,
			     const char *src, const char *dst)
{
	struct dp_policy p = {.id = id, .group = 1, .order = order, .action = action};

	if (prefix_parse(src, &p.sel.src) || prefix_parse(dst, &p.sel.dst))
		die(src);
	p.sel.sport = p.sel.dport = (struct port_range){0, 65535};
	return p;
}

struct flow_key pbed_key(const char *src, const char *dst, uint8_t proto, uint16_t sport,
			 uint16_t dport)
{
	struct flow_key k = {.sport = sport, .dport = dport, .proto = proto, .group = 1};
	struct ip_addr a;

	if (addr_parse(src, &a))
		die(src);
	k.family = a.family;
	memcpy(k.src, a.bytes, 16);
	if (addr_parse(dst, &a))
		die(dst);
	memcpy(k.dst, a.bytes, 16);
	return k;
}

void pbed_policies(const struct dp_policy *p, size_t n)
{
	struct err err = {0};

	if (spd_set(p, n, &err))
		die(err.msg);
}
