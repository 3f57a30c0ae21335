// IP input (RFC 1812 5.2.2, RFC 8200): version, header length, total length, header checksum,
// impossible source addresses. Link padding is cut off. For IPv6 the extension headers are
// walked, bounded, to the upper-layer protocol. Reads no byte beyond the first segment.
//
// As a stage it reads the headers of packets that came out of an SA or from the control thread,
// and asks for their way; frames from a port come here only if they are not plain (eth_in.c).
#include "ip4_plain.h"
#include "pipeline.h"
#include "route_cache.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <string.h>

#define EXT_HEADERS_MAX 8  // more than any sane packet has; a stranger chooses the number

// Transport ports of the first fragment of TCP, UDP, UDP-Lite, SCTP, DCCP; zero otherwise.
static inline void ports_parse(const uint8_t *l4, uint32_t left, struct pkt *p)
{
	uint32_t both = 0;

	if (likely(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) ||
	    p->proto == IPPROTO_SCTP || p->proto == IPPROTO_UDPLITE || p->proto == IPPROTO_DCCP)
		if (likely(left >= 4 && !(p->flags & PKT_FRAGMENT))) {
			memcpy(&both, l4, 4);
			both = rte_be_to_cpu_32(both);
		}
	p->sport = (uint16_t)(both >> 16);
	p->dport = (uint16_t)both;
}

static bool source4_bad(uint32_t src_be, uint32_t dst_be)
{
	uint32_t src = rte_be_to_cpu_32(src_be);

	// RFC 1812 5.3.7: multicast, class E with broadcast, loopback. Zero only when a host that
	// has no address yet asks all (RFC 1122 3.2.1.3).
	return src >= 0xe0000000 || src >> 24 == 127 ||
	       (src >> 24 == 0 && dst_be != RTE_BE32(0xffffffff));
}

// Nearly every packet has a header of five words. Its one's complement sum is 0xffff when the
// plain sum is a multiple of 0xffff, which the compiler tests by one multiplication.
static inline bool sum4_ok(const uint8_t *h, uint32_t hlen)
{
	uint64_t a, b;
	uint32_t c;

	if (unlikely(hlen != sizeof(struct rte_ipv4_hdr)))
		return rte_raw_cksum(h, hlen) == 0xffff;
	memcpy(&a, h, 8), memcpy(&b, h + 8, 8), memcpy(&c, h + 16, 4);
	return ((a >> 32) + (uint32_t)a + (b >> 32) + (uint32_t)b + c) % 0xffff == 0;
}

static enum drop parse4(struct rte_mbuf *m, struct pkt *p)
{
	uint32_t left = rte_pktmbuf_data_len(m);
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)h;

	if (unlikely(left < sizeof(*ip)))
		return DROP_IP_RUNT;
	if (unlikely(h[0] >> 4 != 4))
		return DROP_IP_VERSION;
	uint32_t hlen = (h[0] & 15) * 4u, total = rte_be_to_cpu_16(ip->total_length);
	if (unlikely(hlen < sizeof(*ip) || hlen > left))
		return DROP_IP_HEADER;
	if (unlikely(total < hlen || total > rte_pktmbuf_pkt_len(m)))
		return DROP_IP_LENGTH;
	if (unlikely(!sum4_ok(h, hlen)) &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return DROP_IP_CHECKSUM;
	// one range test for zero and all from 224 on; the rest of the rule only then
	if (unlikely(h[12] - 1u >= 223 || h[12] == 127) && source4_bad(ip->src_addr, ip->dst_addr))
		return DROP_IP_SOURCE;
	p->l3_len = (uint16_t)hlen;
	p->l3_total = (uint16_t)total;
	p->proto = ip->next_proto_id;
	p->flags &= (uint8_t)~PKT_FRAGMENT;
	if (unlikely(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)))
		p->flags |= PKT_FRAGMENT;
	ports_parse(h + hlen, RTE_MIN(left, total) - hlen, p);
	return DROP_COUNT;
}

// Steps over one extension header; false = h[0..] is no extension header we step over.
static inline bool ext_is(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_MH;
}

// RFC 8200 4: follows the chain; p->l3_len ends up at the upper-layer header.
static enum drop ext_walk(const uint8_t *h, uint32_t left, struct pkt *p)
{
	uint32_t at = sizeof(struct rte_ipv6_hdr);

	for (int n = 0; ext_is(p->proto); n++) {
		if (n == EXT_HEADERS_MAX || at + 8 > left)
			return DROP_IP_HEADER;
		uint32_t len = 8u + h[at + 1] * 8u;
		uint8_t next = h[at];

		if (p->proto == IPPROTO_FRAGMENT) {
			len = 8;
			if ((h[at + 2] << 8 | h[at + 3]) >> 3)
				p->flags |= PKT_FRAGMENT;
		}
		if (at + len > left)
			return DROP_IP_HEADER;
		p->proto = next;
		at += len;
		if (p->flags & PKT_FRAGMENT)
			break;  // what follows is payload, not headers
	}
	p->l3_len = (uint16_t)at;
	return DROP_COUNT;
}

static enum drop parse6(struct rte_mbuf *m, struct pkt *p)
{
	uint32_t left = rte_pktmbuf_data_len(m);
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)h;

	if (unlikely(left < sizeof(*ip)))
		return DROP_IP_RUNT;
	if (unlikely(h[0] >> 4 != 6))
		return DROP_IP_VERSION;
	uint32_t total = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (unlikely(total > rte_pktmbuf_pkt_len(m) || total > UINT16_MAX))
		return DROP_IP_LENGTH;
	static const uint8_t loopback[16] = {[15] = 1};
	if (unlikely(h[8] == 0xff || memcmp(&ip->src_addr, loopback, 16) == 0))
		return DROP_IP_SOURCE;
	left = RTE_MIN(left, total);
	p->l3_len = sizeof(*ip);
	p->l3_total = (uint16_t)total;
	p->proto = ip->proto;
	p->flags &= (uint8_t)~PKT_FRAGMENT;
	if (unlikely(ext_is(p->proto))) {
		enum drop bad = ext_walk(h, left, p);

		if (bad != DROP_COUNT)
			return bad;
	}
	ports_parse(h + p->l3_len, left - p->l3_len, p);
	return DROP_COUNT;
}

enum drop ip_parse(struct rte_mbuf *m, struct pkt *p)
{
	enum drop bad = likely(p->family == 4) ? parse4(m, p) : parse6(m, p);
	uint32_t len = rte_pktmbuf_pkt_len(m);

	if (likely(bad == DROP_COUNT) && unlikely(len > p->l3_total))
		rte_pktmbuf_trim(m, (uint16_t)(len - p->l3_total));
	return bad;
}

// false: a bad header, the packet is gone.
static __attribute__((noinline)) bool header_any(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	enum drop bad = ip_parse(m, p);

	if (unlikely(bad != DROP_COUNT))
		pkt_drop(w, m, p->flags & PKT_OPENED ? DROP_ESP_INNER : bad);
	return bad == DROP_COUNT;
}

void ip_check(struct worker *w, struct burst *in)
{
	uint32_t kept = 0, n = in->n;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];

		if (likely(header_any(w, m)))
			in->pkt[kept++] = m;
	}
	in->n = kept;
}

static inline bool header_plain(struct rte_mbuf *m, struct pkt *p, struct ip4_plain *q)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely(p->family != 4 || m->nb_segs != 1 ||
		     !ip4_plain(h, rte_pktmbuf_data_len(m), q)))
		return false;
	p->l3_len = 20;
	p->l3_total = (uint16_t)q->total;
	p->flags &= (uint8_t)~PKT_FRAGMENT;
	memcpy(&p->sport, &q->upper, sizeof(q->upper));
	m->data_len = (uint16_t)q->total;
	m->pkt_len = q->total;
	return true;
}

void ip_in(struct worker *w, struct burst *in, struct burst *unrouted)
{
	uint32_t kept = 0, n = in->n;
	struct route_last last = route_begin(w->routes);

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		struct ip4_plain q;
		uint32_t adj = ADJ_NONE;

		if (likely(header_plain(m, p, &q)))
			adj = route_give(&last, p, q.dst_be);
		else if (!header_any(w, m))
			continue;
		else if (p->family == 4)
			adj = route_give_ip(&last, m);
		if (likely(adj >= ADJ_FIRST))
			in->pkt[kept++] = m;
		else
			burst_add(unrouted, m);
	}
	in->n = kept;
}
