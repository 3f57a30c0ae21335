// Link output: neighbour's header in front, frame into the port's transmit burst. Packets whose
// next hop is not resolved go to the control thread, which asks the kernel and keeps a few.
#include "fib.h"
#include "pipeline.h"
#include "port.h"

#include <rte_ether.h>
#include <rte_prefetch.h>
#include <string.h>

static inline struct neigh *next_hop(struct rte_mbuf *m, const struct pkt *p)
{
	const struct adj *a = &adj_table[p->adj];

	if (!a->attached)
		return __atomic_load_n(&a->neigh, __ATOMIC_ACQUIRE);
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	return neigh_lookup(p->out_port, p->family, h + (p->family == 4 ? 16 : 24));
}

// The kernel has chosen link address and port of the host's own frames; policy let it pass.
static inline bool host_framed(const struct pkt *p)
{
	return (p->flags & (PKT_FROM_HOST | PKT_ENCAP)) == PKT_FROM_HOST;
}

void eth_out(struct worker *w, struct burst *in)
{
	struct burst unknown;

	burst_reset(&unknown);
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		bool framed = host_framed(p);
		const struct neigh *n = framed ? NULL : next_hop(m, p);

		if (unlikely(!framed && !n)) {
			burst_add(&unknown, m);
			continue;
		}
		uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, RTE_ETHER_HDR_LEN);
		if (unlikely(!frame)) {
			pkt_drop(w, m, DROP_NO_MBUF);
			continue;
		}
		if (!framed) {
			memcpy(frame, n->l2, 12);
			frame[12] = p->family == 4 ? 0x08 : 0x86;
			frame[13] = p->family == 4 ? 0x00 : 0xdd;
		}
		tx_add(w, m, p->out_port);
	}
	in->n = 0;
	punt(w, &unknown, PUNT_NEIGH);
}
