// A burst: up to 64 packets between two stages. Bursts only split and join.
// A packet is at any time in exactly one burst, ring or queue; it leaves a stage exactly once.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <stdint.h>

#define BURST_MAX 64

struct burst {
	uint32_t n;
	struct rte_mbuf *pkt[BURST_MAX];
};

static inline void burst_reset(struct burst *b)
{
	b->n = 0;
}
static inline void burst_add(struct burst *b, struct rte_mbuf *m)
{
	b->pkt[b->n++] = m;
}
// Moves everything of src behind dst's packets; the sum never exceeds BURST_MAX by construction.
static inline void burst_join(struct burst *dst, struct burst *src)
{
	for (uint32_t i = 0; i < src->n; i++)
		dst->pkt[dst->n + i] = src->pkt[i];
	dst->n += src->n;
	src->n = 0;
}
