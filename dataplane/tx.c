// Transmit: per-port bursts of a worker, sent when full and at the end of each turn. A worker
// without a queue of its own on the port hands its frames to the one that has it.
#include "pipeline.h"
#include "port.h"

#include <rte_ethdev.h>

#define TX_TRIES 4  // a full queue gets this many chances within a turn; then frames are lost

static void tx_lost(struct worker *w, struct rte_mbuf **pkt, uint32_t n, enum drop why)
{
	for (uint32_t i = 0; i < n; i++)
		pkt_drop(w, pkt[i], why);
}

static void tx_device(struct worker *w, const struct port *p, struct burst *b)
{
	uint16_t sent = 0;

	for (int i = 0; i < TX_TRIES && sent < b->n; i++)
		sent += rte_eth_tx_burst(p->dpdk, p->tx_queue[w->id], b->pkt + sent,
					 (uint16_t)(b->n - sent));
	w->tx_packets += sent;
	tx_lost(w, b->pkt + sent, b->n - sent, DROP_TX_FULL);
}

void tx_port(struct worker *w, uint32_t port)
{
	const struct port *p = port_get(port);
	struct burst *b = &w->tx[port];

	stage_enter(w, STAGE_TX, b->n);
	if (unlikely(!p->up)) {
		tx_lost(w, b->pkt, b->n, DROP_PORT_DOWN);
	} else if (unlikely(p->dpdk == PORT_SINK)) {
		w->tx_packets += b->n;
		rte_pktmbuf_free_bulk(b->pkt, b->n);
	} else if (p->tx_queue[w->id] != PORT_VIA_RING) {
		tx_device(w, p, b);
	} else {
		unsigned sent = 0;

		for (uint32_t i = 0; i < b->n; i++)
			pkt_of(b->pkt[i])->out_port = port;
		if (worker_table[p->tx_owner])
			sent = rte_ring_sp_enqueue_burst(worker_table[p->tx_owner]->tx_in[w->id],
							 (void **)b->pkt, b->n, NULL);
		tx_lost(w, b->pkt + sent, b->n - sent, DROP_TX_FULL);
	}
	b->n = 0;
	w->tx_pending &= ~(1ull << port);
}

void tx_flush(struct worker *w)
{
	while (w->tx_pending)
		tx_port(w, (uint32_t)__builtin_ctzll(w->tx_pending));
}
