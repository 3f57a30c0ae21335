// Per-packet metadata: ONE struct, in the mbuf's dynamic area (mbuf private area).
// A stage documents which fields it reads and writes. Worker thread only.
#pragma once

#include <rte_mbuf.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

struct sa;

enum pkt_flags {
	PKT_FROM_HOST = 1u << 0,  // came from the tap: already routed by the kernel to `port`
	PKT_OPENED = 1u << 1,     // came out of an inbound SA (policy check already done)
	PKT_BYPASS = 1u << 2,     // from the control thread, past the policies (IKE)
	PKT_ENCAP = 1u << 3,      // ESP made by us: route the outer header, no policy
	PKT_HELD = 1u << 4,       // released from a hold queue
	PKT_FRAGMENT = 1u << 5,   // a fragment other than the first: no ports
	PKT_OURS = 1u << 6,       // made by us (ICMP error): TTL stays as it is
	PKT_NO_L2 = 1u << 7,      // no received link header in the headroom (decapsulated, ours)
};

struct pkt {
	struct sa *sa;      // set by look-ups (sad, spd), read by esp_in / esp_out
	uint32_t in_port;   // data-plane port id it came by (0 = control thread)
	uint32_t out_port;  // set by route look-up
	uint32_t adj;       // adjacency index, set by route look-up
	uint32_t policy;    // policy id that matched (0 = none); of a late packet: its group
	uint16_t l3_len;    // length of the (outer) IP header incl. options/extension headers
	uint16_t l3_total;  // total IP packet length from the header
	uint8_t flags;      // enum pkt_flags
	uint8_t udp_len;    // 8 if UDP-encapsulated ESP, else 0
	uint16_t mtu;       // of the route's port, set by route look-up
	// one word of the look-up key (spd_key.h)
	alignas(8) uint16_t sport;  // transport ports, host order (0 if none)
	uint16_t dport;
	uint8_t proto;    // upper-layer protocol
	uint8_t family;   // 4 or 6: family of the packet now at the mbuf's data pointer
	uint16_t worker;  // worker to hand over to
	uint8_t punt;     // enum punt_kind: why the control thread gets it
	uint8_t hand_in;  // on a hand-over ring: 1 = for esp_in, 0 = for esp_out
};
_Static_assert(sizeof(struct pkt) <= 64, "packet metadata must stay in one cache line");

// The mempool is created with priv_size = 64; metadata sits right behind the mbuf header.
// The data pointer of an mbuf inside the pipeline points to the IP header (L2 stripped on input,
// added by eth_out), from eth_in on.
static inline struct pkt *pkt_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}
