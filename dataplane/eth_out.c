// Link output: what does not fit the link is sorted out (ip_out.c), the others get the neighbour's
// header in front and go into the port's transmit burst. Packets whose next hop is not resolved go
// to the control thread, which asks the kernel and keeps a few.
//
// esp_send() is the same for packets that esp_out made, straight from their SA: what the SA
// remembers of its way (esp_route.c) is read once for a run of its packets.
#include "fib.h"
#include "pipeline.h"
#include "port.h"
#include "sa.h"

#include <rte_ether.h>
#include <string.h>

// Of a link header: destination and the first bytes of the source, the rest and the type. The two
// words overlap.
struct link {
	uint64_t front, back;
};

static inline struct link link_of(const struct neigh *n, uint8_t family)
{
	uint16_t type = family == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);
	struct link l;

	memcpy(&l.front, n->l2, 8);
	memcpy(&l.back, n->l2 + 6, 8);
	l.back = (l.back & 0xffffffffffff) | (uint64_t)type << 48;
	return l;
}

static inline struct neigh *next_hop(const struct adj *a, uint32_t port, uint8_t family,
				     const uint8_t *ip)
{
	if (likely(!a->attached))
		return __atomic_load_n(&a->neigh, __ATOMIC_ACQUIRE);
	return neigh_lookup(port, family, ip + (family == 4 ? 16 : 24));
}

// The kernel has chosen link address and port of the host's own frames; policy let it pass.
static inline bool host_framed(const struct pkt *p)
{
	return (p->flags & (PKT_FROM_HOST | PKT_ENCAP)) == PKT_FROM_HOST;
}

// 14 bytes more in front. There is room: the caller asked.
static inline uint8_t *frame_open(struct rte_mbuf *m)
{
	uint32_t off = m->data_off - (uint32_t)RTE_ETHER_HDR_LEN;

	m->data_off = (uint16_t)off;
	m->data_len = (uint16_t)(m->data_len + RTE_ETHER_HDR_LEN);
	m->pkt_len += RTE_ETHER_HDR_LEN;
	return (uint8_t *)m->buf_addr + off;
}

static inline void frame_send(struct worker *w, struct rte_mbuf *m, struct link l, uint32_t port)
{
	uint8_t *frame = frame_open(m);

	memcpy(frame, &l.front, 8);
	memcpy(frame + 6, &l.back, 8);
	tx_add(w, m, port);
}

// false: next hop not resolved.
static bool packet_out(struct worker *w, struct rte_mbuf *m, const struct pkt *p)
{
	const struct neigh *n = NULL;

	if (likely(!host_framed(p))) {
		n = next_hop(&adj_table[p->adj], p->out_port, p->family,
			     rte_pktmbuf_mtod(m, const uint8_t *));
		if (unlikely(!n))
			return false;
	}
	if (unlikely(m->data_off < RTE_ETHER_HDR_LEN)) {
		pkt_drop(w, m, DROP_NO_MBUF);  // what came from a port or was made by us has room
	} else if (likely(n)) {
		frame_send(w, m, link_of(n, p->family), p->out_port);
	} else {
		frame_open(m);  // the header is there
		tx_add(w, m, p->out_port);
	}
	return true;
}

// The gateway of the packets before: `adj` 0 = none.
struct gateway {
	uint32_t adj;
	uint8_t family;
	struct link link;
};

// Remembers the packet's gateway if it has one that is resolved.
static inline void gateway_set(struct gateway *g, const struct pkt *p)
{
	const struct adj *a = &adj_table[p->adj];
	const struct neigh *n = a->attached ? NULL : __atomic_load_n(&a->neigh, __ATOMIC_ACQUIRE);

	g->adj = n ? p->adj : ADJ_NONE;
	if (!n)
		return;
	g->family = p->family;
	g->link = link_of(n, p->family);
}

void eth_out(struct worker *w, struct burst *in)
{
	struct gateway g = {.adj = ADJ_NONE};
	struct burst unknown;

	burst_reset(&unknown);
	for (uint32_t i = 0, n = in->n; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		const struct pkt *p = pkt_of(m);

		if (unlikely(rte_pktmbuf_pkt_len(m) > p->mtu)) {
			ip_out(w, m);
			continue;
		}
		if (p->adj != g.adj || p->family != g.family)
			gateway_set(&g, p);
		if (likely(g.adj && !host_framed(p) && m->data_off >= RTE_ETHER_HDR_LEN))
			frame_send(w, m, g.link, p->out_port);
		else if (unlikely(!packet_out(w, m, p)))
			burst_add(&unknown, m);
	}
	in->n = 0;
	if (unlikely(unknown.n))
		punt(w, &unknown, PUNT_NEIGH);
}

// The way of an SA's packets.
struct way {
	const struct sa *sa;  // NULL: none, or not straight
	struct link link;
	uint32_t port, mtu;
	uint16_t hop;
	uint8_t family;
	bool gateway;  // good for whatever goes by this hop
};

// Another SA with the same gateway.
static inline bool way_shared(const struct way *way, const struct pkt *p, uint32_t generation)
{
	const struct sa_outer *o = __atomic_load_n(&p->sa->outer, __ATOMIC_ACQUIRE);

	return way->sa && way->gateway && o->hop_generation == generation && o->hop == way->hop &&
	       p->family == way->family;
}

static inline struct way way_of(struct rte_mbuf *m, const struct pkt *p, uint32_t generation)
{
	const struct sa_outer *o = __atomic_load_n(&p->sa->outer, __ATOMIC_ACQUIRE);
	struct way way = {.sa = NULL};

	if (unlikely(o->hop_generation != generation))
		return way;
	const struct adj *a = &adj_table[o->hop];
	const struct port *port = port_get(a->port);
	const struct neigh *n =
		next_hop(a, a->port, p->family, rte_pktmbuf_mtod(m, const uint8_t *));
	if (unlikely(!n))
		return way;
	way.sa = p->sa;
	way.link = link_of(n, p->family);
	way.port = a->port;
	way.mtu = port->mtu;
	way.hop = o->hop;
	way.family = p->family;
	way.gateway = !a->attached;
	return way;
}

void esp_send(struct worker *w, struct burst *in, struct burst *rest)
{
	uint32_t generation = fib_generation();
	struct way way = {.sa = NULL};

	for (uint32_t i = 0, n = in->n; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		const struct pkt *p = pkt_of(m);

		if (p->sa != way.sa) {
			if (way_shared(&way, p, generation))
				way.sa = p->sa;
			else
				way = way_of(m, p, generation);
		}
		if (likely(way.sa && rte_pktmbuf_pkt_len(m) <= way.mtu &&
			   m->data_off >= RTE_ETHER_HDR_LEN))
			frame_send(w, m, way.link, way.port);
		else
			burst_add(rest, m);
	}
	in->n = 0;
}
