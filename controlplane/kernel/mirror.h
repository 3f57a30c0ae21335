// Inside of the kernel mirror: shared by netlink.c, link.c, addr.c, route.c, neigh.c, host_if.c.
// Everything is owned by the control thread.
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/queue.h>

#include "kernel.h"
#include "log.h"
#include "loop.h"

struct link {
	LIST_ENTRY(link) next;
	struct kernel_link pub;
	uint32_t generation;
};
struct addr_entry {
	LIST_ENTRY(addr_entry) next;
	int ifindex;
	struct ip_prefix addr;
	uint32_t generation;
};
// One kernel route. Several may share a prefix; the best one is what the data plane gets.
struct route {
	SLIST_ENTRY(route) next;
	uint32_t table, metric;
	uint8_t type, proto, tos;
	int oif;
	struct ip_addr gateway;
	uint32_t generation;
};
#define PROTO_ZEBRA_STATIC 196  // zebra's number for routes of its static daemon

struct route_entry {  // a prefix
	SLIST_ENTRY(route_entry) next;
	struct ip_prefix dst;
	SLIST_HEAD(, route) routes;
	bool pushed;
	struct dp_route sent;  // what the data plane has, when pushed
};
SLIST_HEAD(route_bucket, route_entry);
struct neigh {
	LIST_ENTRY(neigh) next;
	int ifindex;
	struct ip_addr addr;
	uint8_t mac[6];
	bool valid;
	uint16_t state;           // NUD_*
	uint64_t state_since_ms;  // when it last changed to this state
	uint32_t generation;
};
LIST_HEAD(neigh_bucket, neigh);
#define NEIGH_BUCKETS 4096
#define NEIGH_MAX     65536  // a scan of a big subnet must not eat the memory

struct kernel {
	struct loop *loop;
	struct kernel_ops ops;
	struct nl_sock *mirror;   // dumps and notifications: one queue, so their order is true
	struct nl_sock *request;  // changes
	struct loop_fd fd;
	struct loop_timer tick;   // 1 s: neighbour refresh, dump retry
	struct loop_timer again;  // short: a full dump is wanted
	struct loop_timer slice;  // goes on with a walk
	int dump;                 // index into the dump plan, -1 = none running
	uint32_t dump_seq;
	uint64_t dump_since_ms;
	bool dump_wanted, dump_interrupted, synced, feeding;
	uint32_t generation;
	struct kernel_stats stats;

	LIST_HEAD(, link) links;
	LIST_HEAD(, addr_entry) addrs;
	struct route_bucket *routes;
	uint32_t route_entries;
	bool walking, walk_sweep;
	uint32_t sweep_generation;
	uint32_t walk_at;  // next bucket
	struct neigh_bucket neighs[NEIGH_BUCKETS];
	uint32_t refresh_at;  // next bucket of the refresh round
};

// netlink.c
void mirror_dump(struct kernel *k);                      // soon: everything again
int netlink_talk(struct kernel *k, struct nl_msg *msg);  // send, wait for the ack, free msg
struct ip_addr attr_addr(uint8_t family, const struct nlattr *a);  // unset when a is NULL or odd

// One message of each kind; gone = RTM_DEL*.
void link_message(struct kernel *k, const struct nlmsghdr *nh, bool gone);
void addr_message(struct kernel *k, const struct nlmsghdr *nh, bool gone);
void route_message(struct kernel *k, const struct nlmsghdr *nh, bool gone);
void neigh_message(struct kernel *k, const struct nlmsghdr *nh, bool gone);

// After a full dump: what the dump did not mention is gone.
void link_sweep(struct kernel *k);
void addr_sweep(struct kernel *k);
void neigh_sweep(struct kernel *k);
void route_walk(struct kernel *k, bool sweep);  // starts a walk in slices
void route_walk_slice(struct kernel *k);

struct link *link_get(const struct kernel *k, int ifindex);
uint32_t link_port(const struct kernel *k, int ifindex);
const struct route_entry *route_entry_find(const struct kernel *k, const struct ip_prefix *dst);
void route_link_down(struct kernel *k, int ifindex);
void neigh_push_all(struct kernel *k);
void neigh_refresh(struct kernel *k);
void route_fini(struct kernel *k);
void mirror_neigh_fini(struct kernel *k);
int route_init(struct kernel *k);
