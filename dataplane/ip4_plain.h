// The IPv4 header that nearly every packet has: five words, in one piece, not a later fragment.
// Everything that must be true of it is asked here in one straight line, over three loads; what
// is not plain, or wrong, goes through ip_parse(), which says why.
#pragma once

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <string.h>

#include "pkt.h"

#define IP4_PLAIN_MIN 28  // bytes: so that the ports can be read unasked

struct ip4_plain {
	uint64_t upper;  // struct pkt from sport on
	uint32_t dst_be;
	uint32_t total;
	bool more;  // the first of several fragments
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are cut out by shifts");
_Static_assert(offsetof(struct pkt, dport) == offsetof(struct pkt, sport) + 2 &&
		       offsetof(struct pkt, proto) == offsetof(struct pkt, sport) + 4 &&
		       offsetof(struct pkt, family) == offsetof(struct pkt, sport) + 5,
	       "one store");

// The one's complement sum of a good header is 0xffff, so any sum of its words with the carries
// added at the bottom is a multiple of that (RFC 1071 2B). A multiple, multiplied by the inverse
// modulo 2^64, is its quotient; any other number becomes more than a quotient can be.
static inline bool ip4_plain_sum(uint64_t a, uint64_t b, uint32_t c)
{
	uint64_t sum;
	bool carry;

	carry = __builtin_add_overflow(a, b, &sum);
	sum += carry;
	carry = __builtin_add_overflow(sum, c, &sum);
	sum += carry;
	return sum * 0xfffefffefffeffff <= 0x0001000100010001;
}

// All bits where the ports stand in front of the upper-layer header, as in ip_parse().
static const int8_t ip4_ports[256] = {
	[IPPROTO_TCP] = -1,     [IPPROTO_UDP] = -1,  [IPPROTO_SCTP] = -1,
	[IPPROTO_UDPLITE] = -1, [IPPROTO_DCCP] = -1,
};

// h: `left` bytes in one piece. false: not plain, or not good.
static inline __attribute__((always_inline)) bool ip4_plain(const uint8_t *h, uint32_t left,
							    struct ip4_plain *q)
{
	uint64_t a, b;
	uint32_t c, ports, proto, src;

	if (unlikely(left < IP4_PLAIN_MIN))
		return false;
	memcpy(&a, h, 8), memcpy(&b, h + 8, 8), memcpy(&c, h + 16, 4), memcpy(&ports, h + 20, 4);
	q->total = rte_bswap16((uint16_t)(a >> 16));
	proto = (uint8_t)(b >> 8);
	src = (uint8_t)(b >> 32);  // first byte of the source
	// bytes 6 and 7 without the flags: the offset
	if (unlikely((uint8_t)a != 0x45 || q->total < IP4_PLAIN_MIN || q->total > left ||
		     a & 0xff1f000000000000))
		return false;
	if (unlikely(!ip4_plain_sum(a, b, c) || src - 1 >= 223 || src == 127))
		return false;
	q->more = a >> 53 & 1;
	ports = rte_bswap32(ports);
	ports = ports >> 16 | ports << 16;
	q->upper = (ports & (uint32_t)ip4_ports[proto]) | (uint64_t)(proto | 0x400) << 32;
	q->dst_be = c;
	return true;
}
