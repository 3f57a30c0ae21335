// Control thread's end of the punt and event rings: IKE datagrams to the IKE engine, frames to
// the host interface, packets without SA or link address into the hold table.
#include "punt.h"
#include "fib.h"
#include "hold.h"
#include "late.h"
#include "pipeline.h"
#include "port.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <string.h>

#define DATAGRAM_MAX 65536
#define CHUNK        32u

struct punt_ctx punt_ctx;

static struct ip_addr header_addr(struct rte_mbuf *m, const struct pkt *p, bool dst)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	if (p->family == 4)
		return addr_from_bytes(4, h + (dst ? 16 : 12));
	return addr_from_bytes(6, h + (dst ? 24 : 8));
}

static void to_ike(struct rte_mbuf *m, const struct pkt *p)
{
	static uint8_t copy[DATAGRAM_MAX];
	uint32_t at = p->l3_len + (uint32_t)sizeof(struct rte_udp_hdr);
	const struct rte_udp_hdr *udp =
		rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, p->l3_len);
	uint32_t len = rte_be_to_cpu_16(udp->dgram_len) - (uint32_t)sizeof(*udp);
	struct dp_udp meta = {
		.local = header_addr(m, p, true),
		.remote = header_addr(m, p, false),
		.local_port = p->dport,
		.remote_port = p->sport,
		.port = p->in_port,
	};
	const uint8_t *payload = rte_pktmbuf_read(m, at, len, copy);

	if (payload && punt_ctx.ops->ike_rx)
		punt_ctx.ops->ike_rx(punt_ctx.ops->ctx, &meta, payload, len);
	rte_pktmbuf_free(m);
}

static void to_host(struct rte_mbuf *m, const struct pkt *p)
{
	struct port *port = port_find(p->in_port);

	// Stripped and restored frames are unicast IP: nobody but the host wants them.
	if (port && p->l3_total == 0 && m->nb_segs == 1 && punt_ctx.ops->frame &&
	    punt_ctx.ops->frame(punt_ctx.ops->ctx, p->in_port, rte_pktmbuf_mtod(m, uint8_t *),
				m->data_len))
		port = NULL;
	if (!port)
		rte_pktmbuf_free(m);
	else
		host_if_write(&port->host, m);
}

static struct ip_prefix host_prefix(struct ip_addr a)
{
	return (struct ip_prefix){.addr = a, .len = a.family == 4 ? 32 : 128};
}

static void to_acquire(struct rte_mbuf *m, const struct pkt *p, uint64_t now_ms)
{
	struct dp_event ev = {.type = DP_EVENT_ACQUIRE, .policy = p->policy};

	ev.packet.proto = p->proto;
	ev.packet.src = host_prefix(header_addr(m, p, false));
	ev.packet.dst = host_prefix(header_addr(m, p, true));
	ev.packet.sport = (struct port_range){p->sport, p->sport};
	ev.packet.dport = (struct port_range){p->dport, p->dport};
	if (p->sport == 0 && p->dport == 0)
		ev.packet.sport = ev.packet.dport = (struct port_range){0, 65535};
	if (hold_add(HOLD_POLICY, ev.policy, m, now_ms) && punt_ctx.ops->event)
		punt_ctx.ops->event(punt_ctx.ops->ctx, &ev);
}

static uint64_t neigh_key(uint32_t port, const struct ip_addr *a)
{
	uint64_t v[2];

	memcpy(v, a->bytes, 16);
	return (v[0] * 0x9e3779b97f4a7c15ull ^ v[1]) * 0xbf58476d1ce4e5b9ull + port;
}

static void to_neigh(struct rte_mbuf *m, const struct pkt *p, uint64_t now_ms)
{
	const struct adj *a = &adj_table[p->adj];
	struct ip_addr next = a->attached ? header_addr(m, p, true) : a->gateway;
	uint32_t port = p->out_port;

	if (a->attached && late_next_hop(m, &next))
		return;

	if (hold_add(HOLD_NEIGH, neigh_key(port, &next), m, now_ms) && punt_ctx.resolve)
		punt_ctx.resolve(punt_ctx.resolve_ctx, port, &next);
}

static void release(void *ctx, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);

	p->flags |= PKT_HELD;
	p->sa = NULL;
	inject(m, p->worker);
}

void punt_neigh_resolved(uint32_t port, const struct ip_addr *addr, bool valid)
{
	uint64_t key = neigh_key(port, addr);

	if (valid)
		hold_release(HOLD_NEIGH, key, release, NULL);
}

void punt_policy_bound(uint32_t policy)
{
	hold_release(HOLD_POLICY, policy, release, NULL);
}

static unsigned packets_drain(struct worker *w, unsigned budget, uint64_t now_ms)
{
	struct rte_mbuf *pkt[CHUNK];
	unsigned n = rte_ring_sc_dequeue_burst(w->punt, (void **)pkt, RTE_MIN(budget, CHUNK), NULL);

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = pkt_of(pkt[i]);

		switch ((enum punt_kind)p->punt) {
		case PUNT_IKE: to_ike(pkt[i], p); break;
		case PUNT_HOST: to_host(pkt[i], p); break;
		case PUNT_ACQUIRE: to_acquire(pkt[i], p, now_ms); break;
		case PUNT_NEIGH: to_neigh(pkt[i], p, now_ms); break;
		case PUNT_LATE: late_add(pkt[i]); break;
		case PUNT_COUNT: rte_pktmbuf_free(pkt[i]); break;
		}
	}
	return n;
}

static unsigned events_drain(struct worker *w, unsigned budget)
{
	struct dp_event ev;
	unsigned n = 0;

	for (; n < budget && rte_ring_sc_dequeue_elem(w->events, &ev, sizeof(ev)) == 0; n++)
		if (punt_ctx.ops->event)
			punt_ctx.ops->event(punt_ctx.ops->ctx, &ev);
	return n;
}

unsigned punt_drain(unsigned budget, uint64_t now_ms)
{
	unsigned done = 0, more;

	do {
		more = 0;
		for (unsigned i = 0; i < worker_count && done + more < budget; i++) {
			more += events_drain(worker_table[i], CHUNK);
			more += packets_drain(worker_table[i], CHUNK, now_ms);
		}
		done += more;
	} while (more && done < budget);
	return done;
}
