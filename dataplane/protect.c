// Packets that do not fit the path once encapsulated. RFC 4301 8.2: with "don't fragment" the
// sender is told the size that fits; without it the packet is cut before it is encrypted, so
// that the peer need not put anything together. An SA with fragment_after cuts afterwards.
#include "pipeline.h"
#include "sa.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

#define MIN_MTU4 68    // RFC 791
#define MIN_MTU6 1280  // RFC 8200 5
#define DF_CLEAR 1     // struct dp_sa df

// Largest inner packet that fits. The overhead varies with padding: a few steps to the edge.
static uint32_t inner_mtu(const struct sa *sa, uint32_t mtu)
{
	uint32_t len = mtu;

	for (int i = 0; i < 4 && len + sa_overhead(sa, len) > mtu; i++)
		len = mtu - sa_overhead(sa, len);
	while (len > MIN_MTU4 && len + sa_overhead(sa, len) > mtu)
		len--;
	while (len + 1 + sa_overhead(sa, len + 1) <= mtu)
		len++;
	return len;
}

static bool may_cut(struct rte_mbuf *m, const struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);

	return p->family == 4 && !(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
}

// Too big: the pieces go their way at once, or the sender gets an answer.
static void too_big(struct worker *w, struct rte_mbuf *m, struct pkt *p)
{
	uint32_t mtu = inner_mtu(p->sa, p->mtu);
	struct burst pieces;

	if (may_cut(m, p)) {
		burst_reset(&pieces);
		if (fragment(w, m, mtu, &pieces))
			pipeline_encapsulate(w, &pieces);
	} else {
		icmp_error(w, m, ICMP_TOO_BIG, mtu);
		pkt_drop(w, m, DROP_ESP_MTU);
	}
}

bool protect_fits(const struct rte_mbuf *m, const struct pkt *p)
{
	uint32_t len = rte_pktmbuf_pkt_len(m);

	if (len + sa_overhead(p->sa, len) <= p->mtu || p->sa->fragment_after)
		return true;
	// `df-bit clear`: the operator wants the outer packet cut rather than the sender told.
	if (p->sa->df == DF_CLEAR)
		return true;
	// RFC 8200: below 1280 nobody can be told to send less; the outer packet is cut then.
	return p->family == 6 && len <= MIN_MTU6;
}

void protect(struct worker *w, struct burst *in)
{
	for (uint32_t i = 0; i < in->n; i++)
		too_big(w, in->pkt[i], pkt_of(in->pkt[i]));
	in->n = 0;
}
