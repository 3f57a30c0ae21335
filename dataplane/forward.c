// Forwarding: one hop less to live (RFC 1812 5.3.1). Packets of the host's own stack and of
// ours were never received, so they lose nothing; packets that waited lost it before they did.
#include "pipeline.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

// RFC 1624: the TTL is the high byte of its word, so 0x0100 less there is as much more in the
// complement sum, with the carry wrapped around.
static inline void ttl_less(struct rte_ipv4_hdr *ip)
{
	uint32_t sum = (uint32_t)ip->hdr_checksum + RTE_BE16(0x0100);

	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	ip->time_to_live--;
}

// false: this was the last hop.
static inline bool hop_less(uint8_t *h, uint8_t family)
{
	uint8_t *ttl = h + (family == 4 ? 8 : 7);

	if (unlikely(*ttl <= 1))
		return false;
	if (likely(family == 4))
		ttl_less((struct rte_ipv4_hdr *)h);
	else
		(*ttl)--;
	return true;
}

void forward(struct worker *w, struct burst *in)
{
	const uint8_t stays = PKT_FROM_HOST | PKT_OURS | PKT_HELD | PKT_ENCAP | PKT_BYPASS;
	uint32_t kept = 0, n = in->n;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		const struct pkt *p = pkt_of(m);
		uint8_t *h = rte_pktmbuf_mtod(m, uint8_t *);

		if (likely(!(p->flags & stays)) && unlikely(!hop_less(h, p->family))) {
			icmp_error(w, m, ICMP_TTL, 0);
			pkt_drop(w, m, DROP_IP_TTL);
			continue;
		}
		in->pkt[kept++] = m;
	}
	in->n = kept;
}
