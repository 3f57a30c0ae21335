// IP input (RFC 1812 5.2.2, RFC 8200): version, header length, total length, header checksum,
// impossible source addresses. Link padding is cut off. For IPv6 the extension headers are
// walked, bounded, to the upper-layer protocol. Reads no byte beyond the first segment.
#include "pipeline.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <string.h>

#define EXT_HEADERS_MAX 8  // more than any sane packet has; a stranger chooses the number

// Transport ports of the first fragment of TCP, UDP, UDP-Lite, SCTP, DCCP; zero otherwise.
static inline void ports_parse(const uint8_t *l4, uint32_t left, struct pkt *p)
{
	p->sport = p->dport = 0;
	if (p->flags & PKT_FRAGMENT || left < 4)
		return;
	if (likely(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) ||
	    p->proto == IPPROTO_SCTP || p->proto == IPPROTO_UDPLITE || p->proto == IPPROTO_DCCP) {
		p->sport = (uint16_t)(l4[0] << 8 | l4[1]);
		p->dport = (uint16_t)(l4[2] << 8 | l4[3]);
	}
}

static inline bool source4_bad(uint32_t src_be, uint32_t dst_be)
{
	uint32_t src = rte_be_to_cpu_32(src_be);

	// RFC 1812 5.3.7: multicast, class E with broadcast, loopback. Zero only when a host that
	// has no address yet asks all (RFC 1122 3.2.1.3).
	return src >= 0xe0000000 || src >> 24 == 127 ||
	       (src >> 24 == 0 && dst_be != RTE_BE32(0xffffffff));
}

// The sum of a header of five words is unrolled: nearly every packet has that.
static inline bool sum4_ok(const uint8_t *h, uint32_t hlen)
{
	uint32_t v[5];
	uint64_t sum;

	if (unlikely(hlen != sizeof(v)))
		return rte_raw_cksum(h, hlen) == 0xffff;
	memcpy(v, h, sizeof(v));
	sum = (uint64_t)v[0] + v[1] + v[2] + v[3] + v[4];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

static inline enum drop parse4(struct rte_mbuf *m, struct pkt *p)
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
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
	    unlikely(!sum4_ok(h, hlen)))
		return DROP_IP_CHECKSUM;
	if (unlikely(source4_bad(ip->src_addr, ip->dst_addr)))
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
	if (unlikely(ip->src_addr[0] == 0xff || memcmp(ip->src_addr, loopback, 16) == 0))
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
	enum drop bad = p->family == 4 ? parse4(m, p) : parse6(m, p);
	uint32_t len = rte_pktmbuf_pkt_len(m);

	if (likely(bad == DROP_COUNT) && len > p->l3_total)
		rte_pktmbuf_trim(m, (uint16_t)(len - p->l3_total));
	return bad;
}

void ip_in(struct worker *w, struct burst *in)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);

		// What came out of a tunnel says itself what it is; frames say it by type.
		if (p->flags & PKT_OPENED && rte_pktmbuf_data_len(m) > 0)
			p->family = *rte_pktmbuf_mtod(m, uint8_t *) >> 4 == 6 ? 6 : 4;
		enum drop bad = ip_parse(m, p);
		if (unlikely(bad != DROP_COUNT))
			pkt_drop(w, m, p->flags & PKT_OPENED ? DROP_ESP_INNER : bad);
		else
			in->pkt[kept++] = m;
	}
	in->n = kept;
}
