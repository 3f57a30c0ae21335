// What an ICMP error quotes is part of somebody's packet. An error of this box that is about to
// leave in clear by a port with a crypto map must not quote what that map protects, in either
// direction: it came out of a tunnel, or was to go into one, and only a missing route (or an
// address outside the selectors) sends the error there. RFC 4301 8.2 and 6: errors are subject to
// policy.
#include "pipeline.h"
#include "spd.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <string.h>

#define ICMP_HEAD 8

static bool is_error(const uint8_t *icmp, const struct pkt *p)
{
	if (p->family == 6)
		return p->proto == IPPROTO_ICMPV6 && icmp[0] < 128;
	// unreachable, source quench, redirect, time exceeded, parameter problem
	return p->proto == IPPROTO_ICMP &&
	       (icmp[0] == 3 || icmp[0] == 4 || icmp[0] == 5 || icmp[0] == 11 || icmp[0] == 12);
}

static void ports_read(struct flow_key *k, const uint8_t *l4, uint32_t left)
{
	bool has = k->proto == IPPROTO_TCP || k->proto == IPPROTO_UDP || k->proto == IPPROTO_SCTP ||
		   k->proto == IPPROTO_UDPLITE || k->proto == IPPROTO_DCCP;

	if (!has || k->fragment || left < 4)
		return;
	k->sport = (uint16_t)(l4[0] << 8 | l4[1]);
	k->dport = (uint16_t)(l4[2] << 8 | l4[3]);
}

// false: this is no header.
static bool quote_read(struct flow_key *k, const uint8_t *q, uint32_t len, uint8_t family)
{
	uint32_t head = family == 4 && len > 0 ? (q[0] & 15u) * 4 : 40;

	if (len < head || head < 20 || q[0] >> 4 != family)
		return false;
	if (family == 4) {
		memcpy(k->src, q + 12, 4);
		memcpy(k->dst, q + 16, 4);
		k->proto = q[9];
		k->fragment = ((q[6] & 0x1f) | q[7]) != 0;
	} else {
		memcpy(k->src, q + 8, 16);
		memcpy(k->dst, q + 24, 16);
		k->proto = q[6];
	}
	ports_read(k, q + head, len - head);
	return true;
}

bool icmp_quotes_protected(struct rte_mbuf *m, const struct pkt *p, uint32_t group)
{
	uint32_t len = rte_pktmbuf_data_len(m), at = p->l3_len + ICMP_HEAD;
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	struct flow_key k = {.family = p->family, .group = group};

	if (p->flags & PKT_FRAGMENT || len <= at || !is_error(h + p->l3_len, p) ||
	    !quote_read(&k, h + at, len - at, p->family))
		return false;
	for (k.reverse = 0; k.reverse < 2; k.reverse++) {
		uint8_t verdict = spd_classify(&k).verdict;

		if (verdict == SPD_PROTECT || verdict == SPD_DROP_FRAGMENT)
			return true;
	}
	return false;
}
