// Frames around HSRP: hellos out of and into Ethernet, ARP (IPv4) and neighbour discovery (IPv6)
// for virtual addresses. Pure; any thread. Nothing is read beyond `len`, nothing is written beyond
// `cap`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define HSRP_FRAME_MAX (14 + 40 + 8 + 128)

enum hsrp_frame_kind {
	HSRP_FRAME_OTHER,  // not ours to look at
	HSRP_FRAME_HELLO,  // to HSRP's port and one of its multicast addresses
	HSRP_FRAME_BAD,    // the same, but damaged: lengths, checksum, a fragment, sent to one
			   // station instead of the group
	HSRP_FRAME_ARP_REQUEST,  // somebody asks for `target`
	HSRP_FRAME_ARP_REPLY,    // somebody says that `sender` is at `sender_mac`
	HSRP_FRAME_NS,           // IPv6: somebody asks for `target`; sender :: = is it free?
	HSRP_FRAME_NA,           // IPv6: an answer to `target`, who had asked
};
struct hsrp_frame {
	enum hsrp_frame_kind kind;
	uint8_t sender_mac[6];          // as the message says, not the link header (NS: if it does)
	struct ip_addr sender, target;  // HELLO: source and destination
	uint8_t ttl;
	const uint8_t *payload;  // HELLO: points into the frame
	size_t len;
};
void hsrp_frame_parse(const uint8_t *frame, size_t len, struct hsrp_frame *out);

// Both return the length of the frame, 0 when it does not fit.
size_t hsrp_frame_hello(uint8_t *buf, size_t cap, const uint8_t src_mac[6],
			const struct ip_addr *src, const struct ip_addr *dst,
			const uint8_t *payload, size_t len);
// reply: to `to_mac`, `to`. Otherwise an announcement to all (RFC 5227 3) that `addr` is at `mac`.
size_t hsrp_frame_arp(uint8_t *buf, size_t cap, bool reply, const uint8_t mac[6],
		      const struct ip_addr *addr, const uint8_t to_mac[6],
		      const struct ip_addr *to);
// Neighbour advertisement (RFC 4861 4.4) of a router that `addr` is at `mac`, to override what is
// known. to NULL: to all nodes, unsolicited; else the answer to a solicitation of `to` at `to_mac`
// (to ::, to all nodes).
size_t hsrp_frame_na(uint8_t *buf, size_t cap, const uint8_t mac[6], const struct ip_addr *addr,
		     const uint8_t to_mac[6], const struct ip_addr *to);
// Where is `target`? An ARP request or a neighbour solicitation of `own` at `mac`.
size_t hsrp_frame_ask(uint8_t *buf, size_t cap, const uint8_t mac[6], const struct ip_addr *own,
		      const struct ip_addr *target);
// The host's own solicitations and advertisements: when the frame says that `addr` is at some MAC
// address, it says `mac` from now on. False: it is about something else.
bool hsrp_frame_nd_mend(uint8_t *frame, size_t len, const struct ip_addr *addr,
			const uint8_t mac[6]);
