// IP output: a packet that does not fit the outgoing link is cut or refused (RFC 1812 4.2.2.7, RFC
// 1191, RFC 8201). Only packets made by us may be cut under IPv6. Fragments leave at once.
#include "pipeline.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

static bool may_cut(struct rte_mbuf *m, const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);

	if (p->family == 4)
		return !(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
	return (p->flags & (PKT_ENCAP | PKT_BYPASS | PKT_OURS)) != 0;
}

void ip_out(struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	struct burst pieces;

	stage_count(w, STAGE_IP_OUT, 1);
	if ((p->flags & (PKT_FROM_HOST | PKT_ENCAP)) == PKT_FROM_HOST) {
		pkt_drop(w, m, DROP_IP_MTU);  // the kernel knows the port's MTU; it is changing
		return;
	}
	if (may_cut(m, p)) {
		burst_reset(&pieces);
		if (fragment(w, m, p->mtu, &pieces))
			eth_out(w, &pieces);
		return;
	}
	icmp_error(w, m, ICMP_TOO_BIG, p->mtu);
	pkt_drop(w, m, DROP_IP_MTU);
}
