// Route look-up: destination to adjacency, a whole burst at once. The tables are asked run by run
// of one family (nearly always one run); then the packets are sorted. Only destinations that are
// not in the worker's cache come here, and IPv6.
#include "fib.h"
#include "pipeline.h"
#include "route_cache.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <string.h>

// Multicast, limited broadcast and link-local destinations are never forwarded: the host's.
static inline bool dst4_is_host(uint32_t dst)
{
	return dst >= 0xe0000000;
}

static inline bool dst6_is_host(const uint8_t dst[16])
{
	return dst[0] == 0xff || (dst[0] == 0xfe && (dst[1] & 0xc0) == 0x80);
}

static uint64_t host_unless_ours(uint64_t adj)
{
	return adj == ADJ_LOCAL ? ADJ_LOCAL : ADJ_HOST;
}

// Adjacencies of the IPv4 packets from i on, up to the first other one; returns that one.
static inline uint32_t run4(const struct burst *in, uint32_t i, uint64_t *adj)
{
	uint32_t ip[BURST_MAX], n = 0, any = 0;

	for (adj += i; i < in->n && pkt_of(in->pkt[i])->family == 4; i++) {
		uint32_t dst = rte_pktmbuf_mtod(in->pkt[i], const struct rte_ipv4_hdr *)->dst_addr;

		dst = rte_be_to_cpu_32(dst);
		any |= dst4_is_host(dst);
		ip[n++] = dst;
	}
	fib_lookup4(ip, adj, n);
	if (unlikely(any))
		for (uint32_t k = 0; k < n; k++)
			if (dst4_is_host(ip[k]))
				adj[k] = host_unless_ours(adj[k]);
	return i;
}

static uint32_t run6(const struct burst *in, uint32_t i, uint64_t *adj)
{
	uint8_t ip[BURST_MAX][16];
	uint32_t n = 0;

	for (adj += i; i < in->n && pkt_of(in->pkt[i])->family != 4; i++)
		memcpy(ip[n++], rte_pktmbuf_mtod_offset(in->pkt[i], const uint8_t *, 24), 16);
	fib_lookup6((const uint8_t(*)[16])ip, adj, n);
	for (uint32_t k = 0; k < n; k++)
		if (unlikely(dst6_is_host(ip[k])))
			adj[k] = host_unless_ours(adj[k]);
	return i;
}

static void off_path(struct worker *w, struct rte_mbuf *m, uint64_t adj, struct burst *local,
		     struct burst *host)
{
	if (adj == ADJ_LOCAL)
		burst_add(local, m);
	else if (adj == ADJ_HOST)
		burst_add(host, m);
	else
		pkt_drop(w, m, adj == ADJ_DROP ? DROP_IP_BLACKHOLE : DROP_IP_NO_ROUTE);
}

// Answers that the straight line may take from the cache next time.
static inline void remember(struct worker *w, struct rte_mbuf *m, uint64_t epoch, uint64_t adj)
{
	uint32_t dst_be;

	if (adj < ADJ_FIRST && adj != ADJ_LOCAL)
		return;
	memcpy(&dst_be, rte_pktmbuf_mtod_offset(m, const uint8_t *, 16), 4);
	if (route_cache_get(w->routes, epoch, dst_be) == ADJ_NONE)
		route_cache_put(w->routes, epoch, dst_be, (uint32_t)adj);
}

void route(struct worker *w, struct burst *in, struct burst *local, struct burst *host)
{
	uint64_t adj[BURST_MAX];
	uint32_t kept = 0, n = in->n;

	if (n == 0)
		return;
	uint64_t epoch = route_cache_epoch(w->routes);

	for (uint32_t i = 0; i < n;)
		i = pkt_of(in->pkt[i])->family == 4 ? run4(in, i, adj) : run6(in, i, adj);
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);

		if (p->family == 4)
			remember(w, m, epoch, adj[i]);
		p->adj = (uint32_t)adj[i];
		if (likely(adj[i] >= ADJ_FIRST)) {
			route_put(p, (uint32_t)adj[i]);
			in->pkt[kept++] = m;
		} else {
			off_path(w, m, adj[i], local, host);
		}
	}
	in->n = kept;
}
