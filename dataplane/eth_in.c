// Ethernet input: is the frame for us, is it IP, and is that a good header. Strips the link header
// of unicast IPv4 and IPv6; everything else that is not for another station (ARP, multicast,
// broadcast, unknown types) is the host's, header in front. Tagged frames are the host's too: a
// port is untagged.
//
// Plain IPv4 frames (ip4_plain.h) for our port are done in one straight line, the way of those
// whose destination was asked before included: they need neither ip_in nor route.
#include "ip4_plain.h"
#include "pipeline.h"
#include "port.h"
#include "route_cache.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_prefetch.h>
#include <string.h>

#define MAC_BITS 0xffffffffffffull

// What the straight line compares with, read once for a burst.
struct eth {
	struct worker *w;
	const struct port *port;
	uint64_t mac, vmac;  // the port's addresses, its first virtual one
	struct route_last route;
	uint32_t id;
	struct eth_in *to;
};

// Whether the destination is the port's own unicast address.
static inline bool dst_is(const uint8_t *frame, const uint8_t mac[6])
{
	return memcmp(frame, mac, 6) == 0;
}

static bool dst_is_virtual(const uint8_t *frame, const struct port *p)
{
	uint32_t n = __atomic_load_n(&p->vmacs, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++)
		if (dst_is(frame, p->vmac[i]))
			return true;
	return false;
}

static uint8_t family_of(const uint8_t *frame)
{
	uint16_t type;

	memcpy(&type, frame + 12, 2);
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return 4;
	return type == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? 6 : 0;
}

static uint64_t mac_word(const uint8_t mac[6])
{
	uint64_t v = 0;

	memcpy(&v, mac, 6);
	return v;
}

static inline void frame_strip(struct rte_mbuf *m, uint32_t left)
{
	m->data_off = (uint16_t)(m->data_off + RTE_ETHER_HDR_LEN);
	m->data_len = (uint16_t)left;
	m->pkt_len = left;
}

// A frame in its generality. true: good IP, its header fields are in struct pkt.
static __attribute__((noinline)) bool frame_any(const struct eth *e, struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct pkt *p = pkt_of(m);

	*p = (struct pkt){.in_port = e->id};
	if (rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN) {
		pkt_drop(e->w, m, DROP_ETH_RUNT);
		return false;
	}
	bool ours = dst_is(frame, e->port->mac) || dst_is_virtual(frame, e->port);
	p->family = family_of(frame);
	if (!p->family || !ours) {
		if (!(frame[0] & 1) && !ours)
			pkt_drop(e->w, m, DROP_ETH_DST);
		else
			burst_add(&e->to->host, m);
		return false;
	}
	rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	enum drop bad = ip_parse(m, p);
	if (bad == DROP_COUNT)
		return true;
	pkt_drop(e->w, m, bad);
	return false;
}

// The frame is for us, and plain.
static inline bool frame_plain(const struct eth *e, const struct rte_mbuf *m, const uint8_t *frame,
			       struct ip4_plain *q)
{
	uint64_t dst, type;
	uint32_t len = rte_pktmbuf_data_len(m);

	if (unlikely(len < RTE_ETHER_HDR_LEN + IP4_PLAIN_MIN || m->nb_segs != 1))
		return false;
	memcpy(&dst, frame, 8);
	memcpy(&type, frame + 8, 8);
	dst &= MAC_BITS;
	if (unlikely((dst != e->mac && dst != e->vmac) ||
		     (uint16_t)(type >> 32) != RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		return false;
	return ip4_plain(frame + RTE_ETHER_HDR_LEN, len - RTE_ETHER_HDR_LEN, q);
}

// Header checked: where the frame goes on by its way, ADJ_NONE if that is not known. true: it is
// forwarded.
static inline bool frame_sort(const struct eth *e, struct rte_mbuf *m, uint32_t adj, bool esp)
{
	if (likely(adj >= ADJ_FIRST))
		return true;
	if (likely(adj == ADJ_LOCAL))
		burst_add(likely(esp) ? &e->to->esp : &e->to->local, m);
	else
		burst_add(&e->to->unrouted, m);
	return false;
}

static inline bool frame_in(struct eth *e, struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	struct pkt *p = pkt_of(m);
	struct ip4_plain q;

	if (likely(frame_plain(e, m, frame, &q))) {
		*p = (struct pkt){.in_port = e->id, .l3_len = 20, .l3_total = (uint16_t)q.total};
		memcpy(&p->sport, &q.upper, sizeof(q.upper));
		frame_strip(m, q.total);
		return frame_sort(e, m, route_give(&e->route, p, q.dst_be),
				  p->proto == IPPROTO_ESP && !q.more);
	}
	if (!frame_any(e, m))
		return false;
	return frame_sort(e, m, p->family == 4 ? route_give_ip(&e->route, m) : ADJ_NONE, false);
}

// All headers of a burst start on their way at once. The buffers' own lines were just written by
// the driver.
static inline void frames_prefetch(const struct burst *in)
{
	for (uint32_t i = 0; i < in->n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(in->pkt[i], const uint8_t *));
}

void eth_in(struct worker *w, struct burst *in, uint32_t port, struct eth_in *to)
{
	const struct port *p = port_get(port);
	bool virtual = __atomic_load_n(&p->vmacs, __ATOMIC_ACQUIRE) > 0;
	struct eth e = {
		.w = w,
		.port = p,
		.mac = mac_word(p->mac),
		.vmac = mac_word(virtual ? p->vmac[0] : p->mac),
		.route = route_begin(w->routes),
		.id = port,
		.to = to,
	};
	uint32_t kept = 0;

	frames_prefetch(in);
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];

		if (likely(frame_in(&e, m)))
			in->pkt[kept++] = m;
	}
	in->n = kept;
}
