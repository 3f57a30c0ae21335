// The stages of the packet path, grouped by file, and the three ways through them.
// All run on a worker. `in` keeps, compacted and in order, what goes straight on; every other
// edge is a parameter. A packet leaves a stage exactly once.
#pragma once

#include "burst.h"
#include "drop.h"
#include "pkt.h"
#include "worker.h"

// pipeline.c
void pipeline_run(struct worker *w, struct burst *rx, uint32_t port);  // frames from a port
void pipeline_handoff(struct worker *w, struct burst *b);      // from another worker, by SA owner
void pipeline_inject(struct worker *w, struct burst *b);       // IP packets of the control thread
void pipeline_encapsulate(struct worker *w, struct burst *b);  // pkt->sa set, size checked
unsigned pipeline_stages(const enum stage **order);            // for the drawing's test

// eth_in.c: link and IP header checked, link header stripped, trimmed to the IP length. Writes all
// of struct pkt (zeroed), in_port and what ip_in and route write. Kept: to be forwarded.
struct eth_in {
	struct burst esp;       // for one of our own addresses, whole and plain
	struct burst local;     // for one of our own addresses, the rest
	struct burst unrouted;  // the way is not known yet
	struct burst host;      // ARP, multicast, broadcast, not IP: link header still in front
};
void eth_in(struct worker *w, struct burst *in, uint32_t port, struct eth_in *to);
// ip_in.c: header checked, trimmed to the IP length. Reads family; writes family, l3_len,
// l3_total, proto, sport, dport, PKT_FRAGMENT. Kept: with a way, as route writes it.
void ip_in(struct worker *w, struct burst *in, struct burst *unrouted);
void ip_check(struct worker *w, struct burst *in);  // header only
// route.c: reads family; writes adj, out_port, mtu. local: for one of our own addresses.
// host: routed to a kernel interface that is no port.
void route(struct worker *w, struct burst *in, struct burst *local, struct burst *host);
// local_in.c: packets for our own addresses. Kept: ESP and UDP-encapsulated ESP (udp_len).
// ike: IKE datagrams, checked. host: the rest. Fragments of these are put together here.
void local_in(struct worker *w, struct burst *in, struct burst *ike, struct burst *host);
// spd_in.c: clear packets of a port with a crypto map that policy wants encrypted are dropped.
// port: by which all clear ones came, or 0: pieces that were put together may have come by several.
void spd_in(struct worker *w, struct burst *in, uint32_t port);
// spd_out.c: TTL (for those that do not live an ICMP error is queued in w->icmp), outbound policy,
// size. Kept: leaves in clear. Writes policy, sa.
struct spd_out {
	struct burst protect;  // sa set, fits the path
	struct burst big;      // sa set, does not fit
	struct burst acquire;  // no SA yet
};
void spd_out(struct worker *w, struct burst *in, struct spd_out *to);
// protect.c: packets that do not fit are cut and go on at once, or their sender gets an ICMP error.
void protect(struct worker *w, struct burst *in);
bool protect_fits(const struct rte_mbuf *m, const struct pkt *p);  // exact
// esp_route.c: reads sa of packets that esp_out made; as route.
void esp_route(struct worker *w, struct burst *in, struct burst *host);
// handoff.c: kept: packets whose pkt->sa is ours. The others go to their owner's ring.
void handoff(struct worker *w, struct burst *in, bool inbound);
void handoff_flush(struct worker *w);
// Packets back from the ring: pkt->sa looked up again (an SA may be gone meanwhile).
void handoff_take(struct worker *w, struct burst *in, struct burst *inbound, struct burst *acquire);
// ip_out.c: a packet that is larger than its port's MTU: fragments or an ICMP error.
void ip_out(struct worker *w, struct rte_mbuf *m);
// eth_out.c: size, link header, w->tx. Unresolved neighbours go to the control thread to wait.
void eth_out(struct worker *w, struct burst *in);
// The same for packets that esp_out made; reads sa. rest: those that need esp_route or ip_out.
void esp_send(struct worker *w, struct burst *in, struct burst *rest);
void tx_port(struct worker *w, uint32_t port);  // sends what waits for the port
static inline void tx_add(struct worker *w, struct rte_mbuf *m, uint32_t port)
{
	struct burst *b = &w->tx[port & (WORKER_PORT_MAX - 1)];

	w->tx_pending |= 1ull << port;
	burst_add(b, m);
	if (unlikely(b->n == BURST_MAX))
		tx_port(w, port);
}
void tx_flush(struct worker *w);

// punt.c: to the control thread. Puts the received link header back for the host.
enum punt_kind { PUNT_HOST, PUNT_IKE, PUNT_ACQUIRE, PUNT_NEIGH, PUNT_LATE, PUNT_COUNT };
void punt(struct worker *w, struct burst *in, enum punt_kind kind);

// inject_in.c: kept: to be routed. framed: the host's packets, out_port and link header are the
// kernel's. Frames that are not unicast IP leave at once.
void inject_in(struct worker *w, struct burst *in, struct burst *framed);
// esp_unknown.c: drops ESP with an SPI nobody owns; a few per second are reported.
void esp_unknown(struct worker *w, struct burst *in);

// icmp_out.c: queues an ICMP or ICMPv6 error about m in w->icmp; m stays the caller's.
enum icmp_what { ICMP_TTL, ICMP_TOO_BIG };
void icmp_error(struct worker *w, struct rte_mbuf *m, enum icmp_what what, uint32_t mtu);
// An ICMP error that quotes a packet which the policies of `group` protect.
bool icmp_quotes_protected(struct rte_mbuf *m, const struct pkt *p, uint32_t group);

// fragment.c: cuts m (data pointer at the IP header) into packets of at most mtu bytes, frees
// m, appends to out. false when there is no buffer or no room (m is then freed and counted).
bool fragment(struct worker *w, struct rte_mbuf *m, uint32_t mtu, struct burst *out);

// frag.c: puts a fragment for us into the worker's table. NULL: kept or dropped (counted), else
// the whole datagram, header fields of struct pkt renewed.
struct frag_ctx *frag_create(uint32_t entries, unsigned socket);
void frag_destroy(struct frag_ctx *f);
struct rte_mbuf *frag_reassemble(struct worker *w, struct rte_mbuf *m);
void frag_expire(struct worker *w);  // housekeeping

// ip_in.c, for packets that changed: reads the header at the data pointer again. false: bad.
enum drop ip_parse(struct rte_mbuf *m, struct pkt *p);  // DROP_COUNT = good
