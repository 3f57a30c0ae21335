// Reverse route injection: routes to what the tunnels protect, for as long as they stand.
//
// Owner of all kernel routes with KERNEL_PROTO_RRI. The kernel and FRR are reached through
// struct rri_env, so that tests bring their own. Thread: control thread. Changes of routes are
// queued and made in slices of at most 1 ms per loop turn.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "ike.h"
#include "kernel.h"
#include "loop.h"
#include "model.h"
#include "tunnel.h"

// zebra takes the metric's upper byte as the administrative distance of a kernel route. 4 loses
// against the static route with distance 3 by which FRR learns the same route with its tag, and
// wins against every routing protocol; in the kernel any other source of the prefix wins.
#define RRI_FRR_DISTANCE  3u
#define RRI_KERNEL_METRIC ((4u << 24) | 1u)

struct rri;
struct rri_env {
	struct loop *loop;
	void *ctx;
	int (*route_add)(void *ctx, const struct kernel_route_spec *r, struct err *err);
	int (*route_del)(void *ctx, const struct kernel_route_spec *r, struct err *err);
	// How the kernel reaches dst, reverse routes left out. false: not at all.
	bool (*next_hop)(void *ctx, const struct ip_addr *dst, struct kernel_next_hop *out);
	// The kernel's name of an interface of ours into buf, false while it has none.
	bool (*kernel_if)(void *ctx, const char *interface, char buf[16]);
	// Only the active box of a pair has the routes. NULL = always active.
	bool (*active)(void *ctx, const char *interface);
	// An `ip route` line for FRR ("10.0.0.0/8 192.0.2.1 gi0-1 tag 7 3"). NULL = no FRR.
	void (*announce)(void *ctx, const char *line, bool add);
	// The kernel shall (not) take this address for a neighbour on that link, without asking.
	// NULL = it need not.
	void (*neighbour)(void *ctx, const char *kernel_if, const struct ip_addr *addr, bool add);
};

struct rri *rri_create(const struct rri_env *env, struct err *err);
// Takes all routes out of the kernel and of FRR.
void rri_destroy(struct rri *r);
int rri_validate(const struct config *c, struct err *err);
// Does a `reverse-route ... advertise` name this address? The host must not have it then: no
// kernel, and so no FRR, takes an address of its own for a next hop.
bool rri_advertised(const struct config *c, const struct ip_addr *addr);
// New tunnels (borrowed until the next call). Routes of what is gone go at once.
void rri_configure(struct rri *r, const struct tunnels *t);
void rri_notice(void *rri, const struct ike_notice *n);  // an ike_notice_fn
// A route of the kernel changed: next hops are looked up again, soon. NULL = whichever.
void rri_paths_changed(struct rri *r, const struct ip_prefix *dst);
// A link of the kernel came, changed or went: it may have taken its routes along.
void rri_link_changed(struct rri *r, const char *kernel_if);
void rri_role_changed(struct rri *r);  // env->active answers differently now; begins at once
// All lines that stand, for FRR after it came (back). fn gets what announce() gets.
void rri_announce_all(struct rri *r, void (*fn)(void *ctx, const char *line), void *ctx);
bool rri_announces(const struct rri *r, const struct ip_prefix *dst, const char *line);

struct rri_stats {
	unsigned owners, routes, waiting;
	uint64_t adds, dels;
	bool idle;
};
void rri_get_stats(const struct rri *r, struct rri_stats *out);
int rri_show_register(struct rri **r, struct err *err);  // commands look at *r
