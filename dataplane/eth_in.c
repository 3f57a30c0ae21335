// Ethernet input: is the frame for us, is it IP. Strips the link header of unicast IPv4 and
// IPv6; everything else that is not for another station (ARP, multicast, broadcast, unknown
// types) is the host's, header in front. Tagged frames are the host's too: a port is untagged.
#include "pipeline.h"
#include "port.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_prefetch.h>
#include <string.h>

// Whether the destination is the port's own unicast address.
static inline bool dst_is(const uint8_t *frame, const uint8_t mac[6])
{
	uint32_t a, b;
	uint16_t c, d;

	memcpy(&a, frame, 4), memcpy(&c, frame + 4, 2);
	memcpy(&b, mac, 4), memcpy(&d, mac + 4, 2);
	return ((a ^ b) | (uint32_t)(c ^ d)) == 0;
}

static inline bool dst_is_virtual(const uint8_t *frame, const struct port *p)
{
	uint32_t n = __atomic_load_n(&p->vmacs, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++)
		if (dst_is(frame, p->vmac[i]))
			return true;
	return false;
}

static inline uint8_t family_of(const uint8_t *frame)
{
	uint16_t type;

	memcpy(&type, frame + 12, 2);
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return 4;
	return type == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? 6 : 0;
}

// Everything that the stages read of a burst starts on its way at once: buffer headers and
// metadata first, then, as the headers arrive, what they point to.
static inline void frames_prefetch(const struct burst *in)
{
	for (uint32_t i = 0; i < in->n; i++) {
		rte_prefetch0(in->pkt[i]);
		rte_prefetch0(pkt_of(in->pkt[i]));
	}
	for (uint32_t i = 0; i < in->n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(in->pkt[i], const uint8_t *);

		rte_prefetch0(frame);
		rte_prefetch0(frame + 63);
	}
}

static void to_others(struct worker *w, struct rte_mbuf *m, const struct port *p,
		      struct burst *host)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (!(frame[0] & 1) && !dst_is(frame, p->mac) && !dst_is_virtual(frame, p))
		pkt_drop(w, m, DROP_ETH_DST);
	else
		burst_add(host, m);
}

void eth_in(struct worker *w, struct burst *in, uint32_t port, struct burst *host)
{
	const struct port *p = port_get(port);
	uint32_t kept = 0;

	frames_prefetch(in);
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];

		if (unlikely(rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN)) {
			pkt_drop(w, m, DROP_ETH_RUNT);
			continue;
		}
		const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
		uint8_t family = family_of(frame);

		*pkt_of(m) = (struct pkt){.in_port = port, .family = family};
		if (likely(family != 0 && (dst_is(frame, p->mac) || dst_is_virtual(frame, p)))) {
			m->data_off = (uint16_t)(m->data_off + RTE_ETHER_HDR_LEN);
			m->data_len = (uint16_t)(m->data_len - RTE_ETHER_HDR_LEN);
			m->pkt_len -= RTE_ETHER_HDR_LEN;
			in->pkt[kept++] = m;
		} else {
			to_others(w, m, p, host);
		}
	}
	in->n = kept;
}
