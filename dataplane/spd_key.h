// The look-up key of a packet, for the two policy stages.
#pragma once

#include <string.h>

#include "pkt.h"
#include "spd.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are packed by shifts");
_Static_assert(offsetof(struct pkt, dport) == offsetof(struct pkt, sport) + 2 &&
		       offsetof(struct pkt, proto) == offsetof(struct pkt, sport) + 4 &&
		       offsetof(struct pkt, family) == offsetof(struct pkt, sport) + 5,
	       "one load of struct pkt is most of a key's word");

// Ports, protocol and family as they stand, without what follows them; direction and fragment.
static inline uint64_t spd_key_upper(const struct pkt *p, bool reverse)
{
	uint64_t upper;

	memcpy(&upper, (const uint8_t *)p + offsetof(struct pkt, sport), sizeof(upper));
	return (upper & 0xffffffffffff) | (uint64_t)reverse << 48 |
	       (uint64_t)((p->flags & PKT_FRAGMENT) != 0) << 56;
}

static inline __attribute__((always_inline)) void spd_key(struct flow_key *k, struct rte_mbuf *m,
							  const struct pkt *p, uint32_t group,
							  bool reverse)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t src, dst;

	k->word[4] = spd_key_upper(p, reverse);
	k->word[5] = group;
	if (likely(p->family == 4)) {
		memcpy(&src, h + 12, 4);
		memcpy(&dst, h + 16, 4);
		k->word[0] = src, k->word[1] = 0;
		k->word[2] = dst, k->word[3] = 0;
	} else {
		memcpy(&k->word[0], h + 8, 16);
		memcpy(&k->word[2], h + 24, 16);
	}
}
