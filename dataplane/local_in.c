// Packets for our own addresses: ESP (RFC 4303), UDP-encapsulated ESP and IKE (RFC 3948), and
// the rest, which is the host's. Fragments of ESP and UDP are put together first; other
// fragments the kernel puts together itself.
#define ALLOW_EXPERIMENTAL_API  // rte_ipv4_udptcp_cksum_mbuf_verify
#include "pipeline.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define PORT_IKE  500
#define PORT_NATT 4500

enum where { TO_ESP, TO_IKE, TO_HOST, TO_DROP };

// RFC 768: a zero checksum is none, but not under IPv6 (RFC 8200 8.1; RFC 6935 does not cover
// IKE). ESP in UDP is not checked: RFC 3948 2.1 sends zero, ESP has better, and it costs a pass.
static bool udp_checksum_ok(struct rte_mbuf *m, const struct pkt *p, const struct rte_udp_hdr *udp)
{
	const void *ip = rte_pktmbuf_mtod(m, const void *);

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (udp->dgram_cksum == 0)
		return p->family == 4;
	if (p->family == 4)
		return rte_ipv4_udptcp_cksum_mbuf_verify(m, ip, p->l3_len) == 0;
	return rte_ipv6_udptcp_cksum_mbuf_verify(m, ip, p->l3_len) == 0;
}

// RFC 3948 2.1-2.3: four zero bytes mark IKE, one byte 0xff is a keepalive, else ESP.
static enum where natt_sort(struct rte_mbuf *m, struct pkt *p, uint32_t len, enum drop *why)
{
	const uint8_t *payload = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l3_len + 8);

	*why = DROP_NATT_RUNT;
	if (len == 1 && rte_pktmbuf_data_len(m) > p->l3_len + 8u && payload[0] == 0xff) {
		*why = DROP_NATT_KEEPALIVE;
		return TO_DROP;
	}
	if (len < 4 || rte_pktmbuf_data_len(m) < p->l3_len + 12u)
		return TO_DROP;
	if ((payload[0] | payload[1] | payload[2] | payload[3]) == 0)
		return TO_IKE;
	p->udp_len = sizeof(struct rte_udp_hdr);
	return TO_ESP;
}

static enum where udp_sort(struct rte_mbuf *m, struct pkt *p, enum drop *why)
{
	enum where to = TO_IKE;

	if (p->dport != PORT_IKE && p->dport != PORT_NATT)
		return TO_HOST;
	*why = DROP_UDP_HEADER;
	if (p->l3_len + sizeof(struct rte_udp_hdr) > rte_pktmbuf_data_len(m))
		return TO_DROP;
	const struct rte_udp_hdr *udp =
		rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, p->l3_len);
	uint32_t len = rte_be_to_cpu_16(udp->dgram_len);

	// Bytes after the datagram are padding by someone on the way: cut, as IP's are.
	if (len < sizeof(*udp) || p->l3_len + len > p->l3_total)
		return TO_DROP;
	if (p->dport == PORT_NATT)
		to = natt_sort(m, p, len - sizeof(*udp), why);
	if (to == TO_ESP)
		return p->l3_len + len == p->l3_total ? TO_ESP : TO_DROP;
	if (to == TO_IKE && !udp_checksum_ok(m, p, udp)) {
		*why = DROP_UDP_HEADER;
		return TO_DROP;
	}
	return to;
}

static inline bool is_fragment(struct rte_mbuf *m, const struct pkt *p)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	if (likely(p->family == 4))
		return (h[6] & 0x3f) | h[7];
	return p->l3_len >= sizeof(struct rte_ipv6_hdr) + 8 && h[6] == IPPROTO_FRAGMENT;
}

void local_in(struct worker *w, struct burst *in, struct burst *ike, struct burst *host)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		enum drop why = DROP_UDP_HEADER;
		enum where to = TO_HOST;

		p->udp_len = 0;
		if ((p->proto == IPPROTO_ESP || p->proto == IPPROTO_UDP) &&
		    unlikely(is_fragment(m, p))) {
			m = frag_reassemble(w, m);
			if (!m)
				continue;
			p = pkt_of(m);
		}
		if (p->proto == IPPROTO_ESP)
			to = TO_ESP;
		else if (p->proto == IPPROTO_UDP)
			to = udp_sort(m, p, &why);
		if (to == TO_ESP)
			in->pkt[kept++] = m;
		else if (to == TO_DROP)
			pkt_drop(w, m, why);
		else
			burst_add(to == TO_IKE ? ike : host, m);
	}
	in->n = kept;
}
