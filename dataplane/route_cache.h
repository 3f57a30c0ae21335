// Answers of the IPv4 route tables that a worker keeps: local addresses and adjacencies, by exact
// destination, eight bytes each, two to a set. They are good for one generation of the routes
// (fib.h); the worker numbers the generations that it has met, so that an entry needs 16 bits of
// them. Its size is fixed: a stranger who sends to many addresses makes misses, not memory.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdint.h>
#include <string.h>

#include "fib.h"
#include "pkt.h"
#include "port.h"
#include "worker.h"

#define ROUTE_CACHE_BITS 12  // sets

struct route_cache {
	uint32_t generation;  // of the routes, when `epoch` began
	uint16_t epoch;       // never 0
	// destination as on the wire | epoch << 32 | adjacency << 48
	uint64_t entry[1u << ROUTE_CACHE_BITS][2] __rte_cache_aligned;
};
struct route_cache *route_cache_create(unsigned socket);
void route_cache_destroy(struct route_cache *c);
void route_cache_renew(struct route_cache *c, uint32_t generation);

// Once for a burst, before anything is looked up: what entries must bear to count now.
static inline uint64_t route_cache_epoch(struct route_cache *c)
{
	uint32_t generation = fib_generation();

	if (unlikely(c->generation != generation))
		route_cache_renew(c, generation);
	return (uint64_t)c->epoch << 32;
}

static inline uint64_t *route_cache_set(struct route_cache *c, uint32_t dst_be)
{
	return c->entry[dst_be * 0x9e3779b1u >> (32 - ROUTE_CACHE_BITS)];
}

// The adjacency; ADJ_NONE: ask the tables.
static inline uint32_t route_cache_get(struct route_cache *c, uint64_t epoch, uint32_t dst_be)
{
	const uint64_t *set = route_cache_set(c, dst_be);
	uint64_t key = epoch | dst_be;

	if (likely((set[0] ^ key) << 16 == 0))
		return (uint32_t)(set[0] >> 48);
	return (set[1] ^ key) << 16 == 0 ? (uint32_t)(set[1] >> 48) : ADJ_NONE;
}

static inline void route_cache_put(struct route_cache *c, uint64_t epoch, uint32_t dst_be,
				   uint32_t adj)
{
	uint64_t *set = route_cache_set(c, dst_be);

	set[1] = set[0];
	set[0] = epoch | dst_be | (uint64_t)adj << 48;
}

// A packet's way: what the stages behind want to know of it.
static inline void route_put(struct pkt *p, uint32_t adj)
{
	uint32_t out = adj_table[adj].port;

	p->adj = adj;
	p->out_port = out;
	p->mtu = port_get(out)->mtu;
}

// A burst's look-ups: neighbours in a burst often go the same way.
struct route_last {
	struct route_cache *cache;
	uint64_t epoch;
	uint32_t dst_be;  // whose answer follows
	uint32_t adj;     // ADJ_NONE: none yet
	uint32_t out_port;
	uint16_t mtu;
};

static inline struct route_last route_begin(struct route_cache *c)
{
	return (struct route_last){.cache = c, .epoch = route_cache_epoch(c)};
}

// Gives the packet its way if its destination is to be forwarded; the adjacency, as above.
static inline uint32_t route_give(struct route_last *l, struct pkt *p, uint32_t dst_be)
{
	if (dst_be != l->dst_be || l->adj == ADJ_NONE) {
		uint32_t adj = route_cache_get(l->cache, l->epoch, dst_be);

		if (unlikely(adj < ADJ_FIRST))
			return adj;
		l->dst_be = dst_be;
		l->adj = adj;
		l->out_port = adj_table[adj].port;
		l->mtu = port_get(l->out_port)->mtu;
	}
	p->adj = l->adj;
	p->out_port = l->out_port;
	p->mtu = l->mtu;
	return l->adj;
}

// The same for a packet with an IPv4 header at its data pointer.
static inline uint32_t route_give_ip(struct route_last *l, struct rte_mbuf *m)
{
	uint32_t dst_be;

	memcpy(&dst_be, rte_pktmbuf_mtod_offset(m, const uint8_t *, 16), 4);
	return route_give(l, pkt_of(m), dst_be);
}
