// ESP with an SPI that nobody owns (RFC 4303 3.4.2): counted, and a few per second reported, so
// that IKE may send INVALID_SPI to peers it knows. A stranger's flood costs nothing more.
#include "pipeline.h"

#include <rte_byteorder.h>
#include <string.h>

#define PER_SECOND 10

static void report(struct worker *w, struct rte_mbuf *m, const struct pkt *p)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t n = p->family == 4 ? 4 : 16, at = p->family == 4 ? 12 : 8;
	struct dp_event ev = {.type = DP_EVENT_UNKNOWN_SPI, .remote_port = p->sport};
	uint32_t spi_be;

	if (rte_pktmbuf_data_len(m) < (uint32_t)p->l3_len + p->udp_len + 8)
		return;
	memcpy(&spi_be, h + p->l3_len + p->udp_len, 4);
	ev.spi = rte_be_to_cpu_32(spi_be);
	ev.remote.family = ev.local.family = p->family;
	memcpy(ev.remote.bytes, h + at, n);
	memcpy(ev.local.bytes, h + at + n, n);
	worker_event(w, &ev);
}

void esp_unknown(struct worker *w, struct burst *in)
{
	for (uint32_t i = 0; i < in->n; i++) {
		if (token_take(&w->event_rate, w->now_s, PER_SECOND))
			report(w, in->pkt[i], pkt_of(in->pkt[i]));
		pkt_drop(w, in->pkt[i], DROP_ESP_SPI);
	}
	in->n = 0;
}
