// Route look-up: destination to adjacency, a whole burst at once. First loop collects the
// addresses per family, second asks the tables, third sorts the packets.
#include "fib.h"
#include "pipeline.h"
#include "port.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <string.h>

struct lookups {
	uint32_t n4, n6;
	uint32_t ip4[BURST_MAX];
	uint8_t ip6[BURST_MAX][16];
	uint8_t at4[BURST_MAX], at6[BURST_MAX];
	uint64_t found[BURST_MAX];
	uint32_t adj[BURST_MAX];
};

static void lookups_run(struct lookups *l)
{
	if (l->n4) {
		fib_lookup4(l->ip4, l->found, l->n4);
		for (uint32_t i = 0; i < l->n4; i++)
			l->adj[l->at4[i]] = (uint32_t)l->found[i];
	}
	if (l->n6) {
		fib_lookup6((const uint8_t(*)[16])l->ip6, l->found, l->n6);
		for (uint32_t i = 0; i < l->n6; i++)
			l->adj[l->at6[i]] = (uint32_t)l->found[i];
	}
}

static inline void lookups_add(struct lookups *l, uint32_t i, struct rte_mbuf *m)
{
	if (pkt_of(m)->family == 4) {
		const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);

		l->ip4[l->n4] = rte_be_to_cpu_32(ip->dst_addr);
		l->at4[l->n4++] = (uint8_t)i;
	} else {
		const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);

		memcpy(l->ip6[l->n6], ip->dst_addr, 16);
		l->at6[l->n6++] = (uint8_t)i;
	}
}

// Multicast, limited broadcast and link-local destinations are never forwarded: the host's.
static inline bool dst_is_host(struct rte_mbuf *m)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	if (likely(pkt_of(m)->family == 4))
		return h[16] >= 224;
	return h[24] == 0xff || (h[24] == 0xfe && (h[25] & 0xc0) == 0x80);
}

void route(struct worker *w, struct burst *in, struct burst *local, struct burst *host)
{
	struct lookups l;
	uint32_t kept = 0;

	l.n4 = l.n6 = 0;
	for (uint32_t i = 0; i < in->n; i++)
		lookups_add(&l, i, in->pkt[i]);
	lookups_run(&l);
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		const struct adj *a = &adj_table[l.adj[i]];

		p->adj = l.adj[i];
		if (likely(l.adj[i] >= ADJ_FIRST && !dst_is_host(m))) {
			p->out_port = a->port;
			p->mtu = port_get(a->port)->mtu;
			in->pkt[kept++] = m;
		} else if (l.adj[i] == ADJ_LOCAL) {
			burst_add(local, m);
		} else if (dst_is_host(m) || l.adj[i] == ADJ_HOST) {
			burst_add(host, m);
		} else {
			pkt_drop(w, m, l.adj[i] == ADJ_DROP ? DROP_IP_BLACKHOLE : DROP_IP_NO_ROUTE);
		}
	}
	in->n = kept;
}
