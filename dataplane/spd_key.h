// The look-up key of a packet, for the two policy stages.
#pragma once

#include <string.h>

#include "pkt.h"
#include "spd.h"

static inline void spd_key(struct flow_key *k, struct rte_mbuf *m, const struct pkt *p,
			   uint32_t group, bool reverse)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	*k = (struct flow_key){
		.sport = p->sport,
		.dport = p->dport,
		.proto = p->proto,
		.family = p->family,
		.reverse = reverse,
		.fragment = (p->flags & PKT_FRAGMENT) != 0,
		.group = group,
	};
	if (p->family == 4) {
		memcpy(k->src, h + 12, 4);
		memcpy(k->dst, h + 16, 4);
	} else {
		memcpy(k->src, h + 8, 16);
		memcpy(k->dst, h + 24, 16);
	}
}
