// ICMP errors made by a worker: time exceeded and too big (RFC 792, RFC 1191, RFC 4443). Few per
// second, never about an ICMP error, a later fragment, or a source that is no single host (RFC
// 1812 4.3.2.7). They wait in w->icmp for the end of the turn and then take the way of any
// packet: route, policy, tunnel.
#include "pipeline.h"
#include "port.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <string.h>

#define PER_SECOND 200
#define QUOTE4     548   // RFC 1812 4.3.2.3: at most 576 bytes in all
#define QUOTE6     1232  // RFC 4443 2.4: at most 1280 bytes in all
#define HOPS       64

// Type and code start the body; the quoted packet follows after eight bytes.
static bool quotable(struct rte_mbuf *m, const struct pkt *p)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	bool has_type = rte_pktmbuf_data_len(m) > p->l3_len;

	if (p->flags & (PKT_FRAGMENT | PKT_OURS))
		return false;
	if (p->family == 4)
		return (h[12] != 0 && h[12] < 224 && h[12] != 127) && h[16] < 224 &&
		       (p->proto != IPPROTO_ICMP ||
			(has_type && (h[p->l3_len] == 8 || h[p->l3_len] == 0)));
	return h[8] != 0xff && h[24] != 0xff &&
	       (p->proto != IPPROTO_ICMPV6 || (has_type && h[p->l3_len] >= 128));
}

static void header4(uint8_t *o, const uint8_t *h, uint32_t src_be, uint32_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)o;

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.type_of_service = 0xc0,  // RFC 1812 4.3.2.5
		.total_length = rte_cpu_to_be_16((uint16_t)len),
		.time_to_live = HOPS,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = src_be,
	};
	memcpy(&ip->dst_addr, h + 12, 4);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void header6(uint8_t *o, const uint8_t *h, const uint8_t src[16], uint32_t len)
{
	memset(o, 0, 40);
	o[0] = 0x60;
	o[4] = (uint8_t)((len - 40) >> 8), o[5] = (uint8_t)(len - 40);
	o[6] = IPPROTO_ICMPV6;
	o[7] = HOPS;
	memcpy(o + 8, src, 16);
	memcpy(o + 24, h + 8, 16);
}

static void body(uint8_t *o, const struct pkt *p, enum icmp_what what, uint32_t mtu)
{
	uint32_t mtu_be = rte_cpu_to_be_32(p->family == 4 ? mtu & 0xffff : mtu);

	memset(o, 0, 8);
	if (p->family == 4) {
		o[0] = what == ICMP_TTL ? 11 : 3;
		o[1] = what == ICMP_TTL ? 0 : 4;
	} else {
		o[0] = what == ICMP_TTL ? 3 : 2;
	}
	memcpy(o + 4, &mtu_be, 4);  // zero for time exceeded
}

static bool port_speaks(const struct port *port, uint8_t family)
{
	static const uint8_t none[16];

	return family == 4 ? port->addr4_be != 0 : memcmp(port->addr6, none, 16) != 0;
}

// Who speaks: the port that the packet came by. For one out of a tunnel that is the outer side,
// which its sender need not know and no tunnel protects: the port that it was to leave by.
static const struct port *speaker(const struct pkt *p)
{
	bool inner = (p->flags & PKT_OPENED) && p->out_port != 0 &&
		     port_policy_group(p->out_port) == 0 &&
		     port_speaks(port_get(p->out_port), p->family);

	return port_get(inner ? p->out_port : p->in_port);
}

static struct rte_mbuf *build(struct worker *w, struct rte_mbuf *m, const struct pkt *p,
			      const struct port *in, enum icmp_what what, uint32_t mtu)
{
	uint32_t head = p->family == 4 ? 20 : 40, max = p->family == 4 ? QUOTE4 : QUOTE6;
	uint32_t quote = RTE_MIN(rte_pktmbuf_data_len(m), max), len = head + 8 + quote;
	struct rte_mbuf *e = rte_pktmbuf_alloc(w->pool);
	uint8_t *o = e ? (uint8_t *)rte_pktmbuf_append(e, (uint16_t)len) : NULL;
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t sum;

	if (!o) {
		rte_pktmbuf_free(e);
		return NULL;
	}
	body(o + head, p, what, what == ICMP_TTL ? 0 : mtu);
	memcpy(o + head + 8, h, quote);
	if (p->family == 4) {
		header4(o, h, in->addr4_be, len);
		sum = (uint16_t)~rte_raw_cksum(o + 20, len - 20);
	} else {
		header6(o, h, in->addr6, len);
		sum = rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)o, o + 40);
	}
	memcpy(o + head + 2, &sum, 2);
	*pkt_of(e) = (struct pkt){
		.in_port = p->in_port, .family = p->family, .flags = PKT_OURS | PKT_NO_L2};
	return e;
}

void icmp_error(struct worker *w, struct rte_mbuf *m, enum icmp_what what, uint32_t mtu)
{
	const struct pkt *p = pkt_of(m);
	const struct port *in = speaker(p);

	if (!quotable(m, p))
		return;
	if (!port_speaks(in, p->family))
		return;  // a port without address cannot speak
	if (w->icmp.n == BURST_MAX || !token_take(&w->icmp_rate, w->now_s, PER_SECOND)) {
		w->drop[DROP_ICMP_LIMIT]++;
		return;
	}
	struct rte_mbuf *e = build(w, m, p, in, what, mtu);
	if (e)
		burst_add(&w->icmp, e);
	else
		w->drop[DROP_NO_MBUF]++;
}
