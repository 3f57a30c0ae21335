// The Linux kernel's links, addresses, neighbours and routes, as the gateway sees and sets them.
//
// The mirror subscribes to rtnetlink, dumps everything once and after every overrun, and feeds
// the data plane through `struct kernel_ops` (tests pass fakes). Kernel interfaces that are host
// interfaces of data-plane ports are recognised by name through ops.port_of.
// Thread: control thread. Nothing waits: rtnetlink requests are answered within sendmsg().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "dp.h"
#include "err.h"

struct kernel;
struct loop;

// Kernel route protocol numbers of ours (see `ip route`): what is swept after a crash. Chosen
// away from those that iproute2 and FRR name, up to 198.
#define KERNEL_PROTO_STATIC 214  // `ip route` lines
#define KERNEL_PROTO_RRI    215  // reverse routes

struct kernel_link {
	int ifindex;
	char name[16];
	bool admin_up, carrier;
	uint32_t mtu;
	uint8_t mac[6];
	uint32_t port;       // data-plane port whose host interface this is, else 0
	unsigned addresses;  // addresses known on it, link-local ones not counted
};

struct kernel_ops {
	void *ctx;
	int (*route_set)(const struct dp_route *r, struct err *err);
	int (*route_del)(const struct ip_prefix *dst);
	int (*neigh_set)(uint32_t port, const struct ip_addr *addr, const uint8_t mac[6],
			 bool valid);
	uint32_t (*port_of)(const char *ifname);
	// A link is new, changed, or gone. May be NULL.
	void (*link)(void *ctx, const struct kernel_link *link, bool gone);
	// An address came or went. May be NULL.
	void (*addr)(void *ctx, int ifindex, const struct ip_prefix *addr, bool gone);
	// A route to this prefix came, went or was looked at again. May be NULL.
	void (*route_seen)(void *ctx, const struct ip_prefix *dst);
	// A route of the main table with this protocol number was announced or withdrawn. May be
	// NULL.
	void (*route)(void *ctx, const struct ip_prefix *dst, uint8_t proto, bool gone);
};

struct kernel *kernel_create(struct loop *loop, const struct kernel_ops *ops, struct err *err);
void kernel_destroy(struct kernel *k);
// The data plane runs (or has stopped): feeds it everything known, in slices.
void kernel_feed(struct kernel *k, bool on);
// Ports came or went: host interfaces are matched again.
void kernel_ports_changed(struct kernel *k);
// Takes in at once what the kernel has told so far, as the loop's next turn would.
void kernel_catch_up(struct kernel *k);
// Asks the kernel to resolve or confirm a neighbour (NTF_USE).
void kernel_resolve(struct kernel *k, uint32_t port, const struct ip_addr *addr);

// Stations of a port's network that are known now; at most `max` of one address family.
size_t kernel_neighbours(const struct kernel *k, uint32_t port, uint8_t family, struct ip_addr *out,
			 size_t max);

// A neighbour with the link's own MAC that the kernel never asks for, or no longer one.
int kernel_neigh_fix(struct kernel *k, const char *name, const struct ip_addr *addr, bool add,
		     struct err *err);

struct kernel_stats {
	uint64_t messages, overruns, resyncs, malformed;
	uint32_t links, addrs, routes, neighbours;
	bool synced;  // the first dump is complete
};
void kernel_get_stats(const struct kernel *k, struct kernel_stats *out);

// First link with ifindex > after; false at the end.
bool kernel_link_next(const struct kernel *k, int after, struct kernel_link *out);
bool kernel_link_by_name(const struct kernel *k, const char *name, struct kernel_link *out);

struct kernel_route {
	struct ip_prefix dst;
	uint8_t type;   // RTN_UNICAST ...
	uint8_t proto;  // RTPROT_KERNEL ...
	uint32_t table, metric;
	struct ip_addr gateway;
	char interface[16];
	bool best;  // the one given to the data plane for this prefix
};
// Iterates in no particular order; *cursor starts at 0. Returns how many were written, 0 at the
// end. Routes that come or go meanwhile may be missed or seen twice.
size_t kernel_routes_read(const struct kernel *k, uint64_t *cursor, struct kernel_route *out,
			  size_t max);

// Does the kernel have a route to exactly this prefix that leads somewhere: not to a blackhole, and
// out of a link that is up with carrier?
bool kernel_route_reachable(const struct kernel *k, const struct ip_prefix *dst);

// The way to an address by longest match in the main table, found in the mirror. Routes of ours
// with protocol `skip` are passed over, and so are zebra's static ones (196) for a prefix that
// has one of ours: they are its copies. false: no way, or a local one.
struct kernel_next_hop {
	struct ip_addr gateway;  // unset = on the link
	char interface[16];
};
bool kernel_next_hop(const struct kernel *k, const struct ip_addr *dst, uint8_t skip,
		     struct kernel_next_hop *out);

// ---- changes ---------------------------------------------------------------------------------
// Host interface: administrative state and MTU (0 = leave).
int kernel_link_set(struct kernel *k, const char *name, bool up, uint16_t mtu, struct err *err);
// What the data plane needs of a host interface: no forwarding in the kernel, no source check.
void kernel_host_if_prepare(const char *name);
// 0 also when it was there already; *ours says whether this call added it.
int kernel_addr_add(struct kernel *k, const char *name, const struct ip_prefix *addr, bool *ours,
		    struct err *err);
int kernel_addr_del(struct kernel *k, const char *name, const struct ip_prefix *addr,
		    struct err *err);
struct kernel_route_spec {
	struct ip_prefix dst;
	struct ip_addr gateway;  // unset = on-link or blackhole
	const char *interface;   // kernel name, or NULL
	bool blackhole;          // Null0
	uint8_t proto;           // KERNEL_PROTO_*
	uint32_t metric;
};
// -EEXIST counts as done.
int kernel_route_add(struct kernel *k, const struct kernel_route_spec *r, struct err *err);
// 0 also when it was not there.
int kernel_route_del(struct kernel *k, const struct kernel_route_spec *r, struct err *err);
// Removes every route of this protocol number (left over from a crash); asynchronous dump behind.
int kernel_route_sweep(struct kernel *k, uint8_t proto, struct err *err);
// Removes the IPv4 addresses that carry our label (left over from a crash).
int kernel_addr_sweep(struct kernel *k, struct err *err);
