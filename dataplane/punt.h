// Control thread's end of the rings: what the workers sent up, and what goes down to them.
#pragma once

#include <stdint.h>

#include "dp.h"

struct rte_mbuf;
struct rte_mempool;

struct punt_ctx {
	const struct dp_ops *ops;
	dp_resolve_fn resolve;
	void *resolve_ctx;
};
extern struct punt_ctx punt_ctx;

// Drains at most `budget` packets and events of all workers. Returns how many.
unsigned punt_drain(unsigned budget, uint64_t now_ms);
void punt_neigh_resolved(uint32_t port, const struct ip_addr *addr, bool valid);
void punt_policy_bound(uint32_t policy);  // releases what waits for it

// inject.c: to a worker, as an IP packet (struct pkt filled in). Frees and counts when full.
int inject(struct rte_mbuf *m, unsigned worker);
// A frame from a host interface.
void inject_frame(struct rte_mbuf *m, uint32_t port);
int inject_udp(const struct dp_udp *meta, const uint8_t *payload, size_t len,
	       struct rte_mempool *pool);
uint64_t inject_dropped(void);
