// Forwarding tables: longest-prefix match (rte_fib) to an adjacency, and adjacencies to
// neighbours. Written by the control thread from the kernel's tables, read by workers.
//
// A route's value is an index into adj_table. Entries 0..3 are fixed; the others are shared by
// all routes with the same port and gateway, and live until a grace period after the last one.
#pragma once

#include <stdalign.h>
#include <stdint.h>

#include "dp.h"
#include "neigh.h"

enum { ADJ_NONE, ADJ_LOCAL, ADJ_DROP, ADJ_HOST, ADJ_FIRST };
#define ADJ_MAX 32768  // two-byte table entries keep 15 bits

struct adj {  // one line: reached by a shift
	// c: wo before publication, w: ro
	alignas(64) uint32_t port;
	uint8_t attached;  // no gateway: the neighbour is the destination itself
	struct ip_addr gateway;
	struct neigh *neigh;  // gateway's entry, NULL = not resolved; c: wo (release), w: ro
	// control thread only
	uint32_t routes;  // how many routes point here
	uint32_t next;    // chain of the control thread's index
	uint8_t dead;
};
extern struct adj adj_table[ADJ_MAX];

#define FIB_ROUTES_DEFAULT 65536u

struct fib_params {
	uint32_t routes_max;  // per family
	unsigned socket;
};
int fib_init(const struct fib_params *p, struct err *err);
void fib_fini(void);
int fib_set(const struct dp_route *r, struct err *err);
int fib_del(const struct ip_prefix *dst);
uint32_t fib_routes(void);
uint32_t fib_routes_max(void);
uint64_t fib_refused(void);  // routes that found no place
// What tables for that many routes per family take beyond the default ones.
unsigned fib_memory_mb(uint32_t routes);
// A gateway's neighbour entry changed: adjacencies through it follow.
void fib_neigh_changed(uint32_t port, const struct ip_addr *addr, struct neigh *n);

// Changes with every change of a route, after the tables did and before an adjacency is given
// back: who remembers an answer beside the generation from before asking knows when it is stale.
extern uint32_t fib_generation_now;  // c: wo (release), w: ro; never 0
static inline uint32_t fib_generation(void)
{
	return __atomic_load_n(&fib_generation_now, __ATOMIC_ACQUIRE);
}

// Worker: adjacency index per address; ips in host order.
void fib_lookup4(const uint32_t *ips, uint64_t *adj, unsigned n);
void fib_lookup6(const uint8_t (*ips)[16], uint64_t *adj, unsigned n);
