// Routes: rte_fib and rte_fib6 hold prefix -> adjacency index. The library's own prefix tree
// remembers what is there, so nothing is stored twice.
//
// A look-up reads two tables one after the other (24 bits, then the rest). A second-level table
// that a deletion releases could be given to another prefix between the two reads of a worker;
// so a longer prefix that would take one waits until the workers passed a quiescent state.
#include "fib.h"
#include "adj.h"
#include "log.h"
#include "rcu.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_rib.h>
#include <rte_rib6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

// Second-level tables: two-byte entries keep 15 bits, enough for the default size. Large tables
// have four-byte entries. An IPv6 route reserves one table per 8 bits behind the first 24: a /48
// takes three, so there is room for a quarter as many of those.
#define TBL8_4       8192u
#define TBL8_6       32000u
#define TBL8_4_LARGE 32768u
#define ROUTE_BYTES  512u  // two tree nodes in either family

struct pending {  // a route that waits for a grace period
	STAILQ_ENTRY(pending) next;
	struct dp_route route;
	bool del;
};

static struct rte_fib *fib4;
static struct rte_fib6 *fib6;
// The default routes are the answer to "nothing found": as prefixes of length zero they would
// rewrite 2^24 table entries at each change, milliseconds in the control thread.
static uint32_t default4, default6;  // c: wo, w: ro (relaxed)
uint32_t fib_generation_now = 1;
static uint32_t routes, routes_max;
static uint64_t refused;
static uint32_t grace;  // deletions whose grace period has not ended
static STAILQ_HEAD(, pending) waiting = STAILQ_HEAD_INITIALIZER(waiting);

static void changed(void)
{
	uint32_t next = fib_generation_now + 1;

	__atomic_store_n(&fib_generation_now, next ? next : 1, __ATOMIC_RELEASE);
}

static uint32_t tbl8_6(uint32_t max)
{
	if (max <= FIB_ROUTES_DEFAULT)
		return TBL8_6;
	return max / 4 * 3;
}

unsigned fib_memory_mb(uint32_t max)
{
	if (max <= FIB_ROUTES_DEFAULT)
		return 0;
	uint64_t kb = (uint64_t)(max - FIB_ROUTES_DEFAULT) * ROUTE_BYTES / 1024;

	kb += 2 * 32 * 1024;                                // first level, two bytes more
	kb += TBL8_4_LARGE + tbl8_6(max);                   // 256 entries of four bytes
	return (unsigned)(kb / 1024 + kb / 1024 / 16 + 1);  // and what allocation loses
}

int fib_init(const struct fib_params *p, struct err *err)
{
	bool large = p->routes_max > FIB_ROUTES_DEFAULT;
	struct rte_fib_conf c4 = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = ADJ_NONE,
		.max_routes = (int)p->routes_max,
		.dir24_8 = {.nh_sz = large ? RTE_FIB_DIR24_8_4B : RTE_FIB_DIR24_8_2B,
			    .num_tbl8 = large ? TBL8_4_LARGE : TBL8_4},
	};
	struct rte_fib6_conf c6 = {
		.type = RTE_FIB6_TRIE,
		.default_nh = ADJ_NONE,
		.max_routes = (int)p->routes_max,
		.trie = {.nh_sz = large ? RTE_FIB6_TRIE_4B : RTE_FIB6_TRIE_2B,
			 .num_tbl8 = tbl8_6(p->routes_max)},
	};

	refused = 0, routes = 0, routes_max = p->routes_max, grace = 0;
	default4 = default6 = ADJ_NONE;
	fib4 = rte_fib_create("fib4", (int)p->socket, &c4);
	fib6 = fib4 ? rte_fib6_create("fib6", (int)p->socket, &c6) : NULL;
	if (!fib4 || !fib6) {
		fib_fini();
		return err_set(err, -ENOMEM, "no memory for forwarding tables of %u routes",
			       p->routes_max);
	}
	adj_init();
	changed();
	return 0;
}

void fib_fini(void)
{
	struct pending *p;

	while ((p = STAILQ_FIRST(&waiting))) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		free(p);
	}
	rte_fib_free(fib4);
	rte_fib6_free(fib6);
	fib4 = NULL, fib6 = NULL;
}

uint32_t fib_routes(void)
{
	return routes;
}

uint64_t fib_refused(void)
{
	return refused;
}

uint32_t fib_routes_max(void)
{
	return routes_max;
}

static inline void defaults_fill(uint64_t *adj, unsigned n, uint32_t fallback)
{
	for (unsigned i = 0; i < n; i++)
		adj[i] = adj[i] == ADJ_NONE ? fallback : adj[i];
}

void fib_lookup4(const uint32_t *ips, uint64_t *adj, unsigned n)
{
	rte_fib_lookup_bulk(fib4, (uint32_t *)ips, adj, (int)n);
	defaults_fill(adj, n, __atomic_load_n(&default4, __ATOMIC_RELAXED));
}

void fib_lookup6(const uint8_t (*ips)[16], uint64_t *adj, unsigned n)
{
	rte_fib6_lookup_bulk(fib6, (void *)ips, adj, (int)n);
	defaults_fill(adj, n, __atomic_load_n(&default6, __ATOMIC_RELAXED));
}

// An address for rte_fib6 and rte_rib6: DPDK 24.11 wants struct rte_ipv6_addr where its
// predecessors want bytes; the layout is the same.
static const void *bytes6(const struct ip_prefix *dst)
{
	return dst->addr.bytes;
}

static uint32_t *default_of(const struct ip_prefix *dst)
{
	return dst->addr.family == 4 ? &default4 : &default6;
}

// What is stored for exactly this prefix, ADJ_NONE when nothing.
static uint32_t exact(const struct ip_prefix *dst)
{
	uint64_t nh = ADJ_NONE;

	if (dst->len == 0) {
		nh = *default_of(dst);
	} else if (dst->addr.family == 4) {
		struct rte_rib_node *n = rte_rib_lookup_exact(rte_fib_get_rib(fib4),
							      addr_to_v4(&dst->addr), dst->len);

		if (n)
			rte_rib_get_nh(n, &nh);
	} else {
		struct rte_rib6_node *n =
			rte_rib6_lookup_exact(rte_fib6_get_rib(fib6), bytes6(dst), dst->len);

		if (n)
			rte_rib6_get_nh(n, &nh);
	}
	return (uint32_t)nh;
}

static int store(const struct ip_prefix *dst, uint32_t adj)
{
	if (dst->len == 0) {
		__atomic_store_n(default_of(dst), adj, __ATOMIC_RELEASE);
		return 0;
	}
	return dst->addr.family == 4 ? rte_fib_add(fib4, addr_to_v4(&dst->addr), dst->len, adj)
				     : rte_fib6_add(fib6, bytes6(dst), dst->len, adj);
}

static int erase(const struct ip_prefix *dst)
{
	if (dst->len == 0) {
		__atomic_store_n(default_of(dst), ADJ_NONE, __ATOMIC_RELEASE);
		return 0;
	}
	return dst->addr.family == 4 ? rte_fib_delete(fib4, addr_to_v4(&dst->addr), dst->len)
				     : rte_fib6_delete(fib6, bytes6(dst), dst->len);
}

static uint32_t adj_for(const struct dp_route *r)
{
	switch (r->kind) {
	case DP_ROUTE_LOCAL: return ADJ_LOCAL;
	case DP_ROUTE_DROP: return ADJ_DROP;
	case DP_ROUTE_HOST: return ADJ_HOST;
	case DP_ROUTE_FORWARD: return adj_get(r->port, &r->gateway);
	}
	return ADJ_NONE;
}

static int set_now(const struct dp_route *r, struct err *err)
{
	uint32_t old = exact(&r->dst), adj = adj_for(r);
	char text[PREFIX_STR_MAX];
	int rc;

	refused += adj == ADJ_NONE;
	if (adj == ADJ_NONE)
		return err_set(err, -ENOSPC, "no adjacency left for route %s",
			       prefix_format(&r->dst, text, sizeof(text)));
	rc = store(&r->dst, adj);
	changed();
	if (rc) {
		adj_put(adj);
		refused++;
		return err_set(
			err, rc,
			"route %s does not fit into the forwarding tables (%u routes are in, "
			"made for %u); `dataplane routes` makes them larger",
			prefix_format(&r->dst, text, sizeof(text)), routes, routes_max);
	}
	routes += old == ADJ_NONE;
	adj_put(old);
	return 0;
}

static bool is_long(const struct ip_prefix *dst)
{
	return dst->len > 24;
}

static void grace_end(void *obj);

static int del_now(const struct ip_prefix *dst)
{
	uint32_t old = exact(dst);

	if (old == ADJ_NONE)
		return -ENOENT;
	int rc = erase(dst);
	changed();
	if (rc)
		return rc;
	routes--;
	adj_put(old);
	if (is_long(dst)) {
		grace++;
		rcu_defer(grace_end, &grace);
	}
	return 0;
}

static void grace_end(void *obj)
{
	struct pending *p;
	struct err err = {0};

	grace--;
	while (grace == 0 && (p = STAILQ_FIRST(&waiting))) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		if (p->del)
			del_now(&p->route.dst);
		else if (set_now(&p->route, &err))
			log_event("FIB", LOG_L_ERR, "ROUTE_LOST", "%s", err.msg);
		free(p);
	}
}

static int postpone(const struct dp_route *r, bool del, struct err *err)
{
	struct pending *p = malloc(sizeof(*p));

	if (!p)
		return err_set(err, -ENOMEM, "no memory for a route");
	p->route = *r;
	p->del = del;
	STAILQ_INSERT_TAIL(&waiting, p, next);
	return 0;
}

int fib_set(const struct dp_route *r, struct err *err)
{
	struct dp_route copy = *r;

	copy.dst = prefix_mask(&r->dst);
	if (copy.dst.addr.family != 4 && copy.dst.addr.family != 6)
		return err_set(err, -EINVAL, "route without destination");
	// A replacement that is there already takes no table; it may still wait behind others.
	if (is_long(&copy.dst) && (grace || !STAILQ_EMPTY(&waiting)) &&
	    (!STAILQ_EMPTY(&waiting) || exact(&copy.dst) == ADJ_NONE))
		return postpone(&copy, false, err);
	return set_now(&copy, err);
}

int fib_del(const struct ip_prefix *dst)
{
	struct dp_route r = {.dst = prefix_mask(dst)};

	if (is_long(&r.dst) && !STAILQ_EMPTY(&waiting))
		return postpone(&r, true, NULL);
	return del_now(&r.dst);
}
