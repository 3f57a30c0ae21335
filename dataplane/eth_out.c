// Link output: neighbour's header in front, frame into the port's transmit burst. Packets whose
// next hop is not resolved go to the control thread, which asks the kernel and keeps a few.
#include "fib.h"
#include "pipeline.h"
#include "port.h"

#include <rte_ether.h>
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

// The link header in front of the packet: 14 bytes. false: no room (what came from a port, was
// opened or made by us always has it).
static inline bool frame_open(struct rte_mbuf *m)
{
	if (unlikely(m->data_off < RTE_ETHER_HDR_LEN))
		return false;
	m->data_off = (uint16_t)(m->data_off - RTE_ETHER_HDR_LEN);
	m->data_len = (uint16_t)(m->data_len + RTE_ETHER_HDR_LEN);
	m->pkt_len += RTE_ETHER_HDR_LEN;
	return true;
}

static inline void frame_write(uint8_t *frame, const uint8_t l2[12], uint8_t family)
{
	uint16_t type = family == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);

	memcpy(frame, l2, 12);
	memcpy(frame + 12, &type, 2);
}

void eth_out(struct worker *w, struct burst *in)
{
	struct burst unknown;

	burst_reset(&unknown);
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		bool framed = unlikely(host_framed(p));
		const struct neigh *n = framed ? NULL : next_hop(m, p);

		if (unlikely(!framed && !n)) {
			burst_add(&unknown, m);
			continue;
		}
		if (unlikely(!frame_open(m))) {
			pkt_drop(w, m, DROP_NO_MBUF);
			continue;
		}
		if (likely(!framed))
			frame_write(rte_pktmbuf_mtod(m, uint8_t *), n->l2, p->family);
		tx_add(w, m, p->out_port);
	}
	in->n = 0;
	if (unlikely(unknown.n))
		punt(w, &unknown, PUNT_NEIGH);
}
