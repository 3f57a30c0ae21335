// The way of an encapsulated packet to the peer. It is the same for every packet of an SA until
// routes or the peer's address change, so the SA's outer template keeps the adjacency beside the
// route tables' generation: no look-up, no second reading of a header we have just written.
#include "fib.h"
#include "pipeline.h"
#include "port.h"
#include "sa.h"

#include <rte_ip.h>
#include <string.h>

_Static_assert(ADJ_MAX <= UINT16_MAX + 1, "an adjacency fits beside the template");

static inline struct sa_outer *outer_of(const struct pkt *p)
{
	return __atomic_load_n(&p->sa->outer, __ATOMIC_ACQUIRE);
}

// Whether every packet's SA knows its way; the packets get it.
static inline bool known(const struct burst *in, uint32_t generation)
{
	for (uint32_t i = 0; i < in->n; i++) {
		struct pkt *p = pkt_of(in->pkt[i]);
		const struct sa_outer *o = outer_of(p);

		if (unlikely(o->hop_generation != generation))
			return false;
		p->adj = o->hop;
		p->out_port = adj_table[o->hop].port;
		p->mtu = port_get(p->out_port)->mtu;
	}
	return true;
}

// The template may be another one than the packet was made of (the peer moved meanwhile): only
// what was looked up for the template's own address is kept. Transport mode has no address there.
static void remember(const struct burst *in, uint32_t generation)
{
	for (uint32_t i = 0; i < in->n; i++) {
		const struct pkt *p = pkt_of(in->pkt[i]);
		const uint8_t *ip = rte_pktmbuf_mtod(in->pkt[i], const uint8_t *);
		struct sa_outer *o = outer_of(p);
		const uint8_t *tmpl = o->tmpl + sizeof(o->tmpl) - p->sa->tmpl_len;

		if (p->sa->mode != DP_TUNNEL ||
		    memcmp(ip + (p->family == 4 ? 16 : 24), tmpl + (p->family == 4 ? 16 : 24),
			   p->family == 4 ? 4 : 16) != 0)
			continue;
		o->hop = (uint16_t)p->adj;
		o->hop_generation = generation;
	}
}

void esp_route(struct worker *w, struct burst *in, struct burst *host)
{
	uint32_t generation = fib_generation();  // before the look-up: what changes later shows

	if (likely(known(in, generation)))
		return;
	route(w, in, host, host);
	remember(in, generation);
}
