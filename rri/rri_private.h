// Inside of rri/: shared by rri.c, rri_routes.c, rri_hop.c and rri_show.c.
#pragma once

#include "rri.h"
#include "rri_table.h"

#define RRI_OWNER_BUCKETS 4096u
#define RRI_OWNER_ROUTES  2
#define RRI_LATE_BUCKETS  16384u

// Why routes are wanted: one SA, or (sa_in 0) one line of the access list of a static one.
struct rri_owner {
	TAILQ_ENTRY(rri_owner) link;   // all
	LIST_ENTRY(rri_owner) next;    // by sa_in
	TAILQ_ENTRY(rri_owner) stale;  // to be computed again
	bool queued, wanted;
	uint32_t sa_in, policy, seq;
	char map[CONFIG_NAME_MAX], interface[CONFIG_NAME_MAX];
	struct ip_addr peer;
	struct ip_prefix dst;
	unsigned count;
	unsigned side;  // which half of want holds; the other one is for the change
	struct rri_want want[2][RRI_OWNER_ROUTES];
};
TAILQ_HEAD(rri_owners, rri_owner);
LIST_HEAD(rri_owner_bucket, rri_owner);

// A next hop that other routers are told, on an interface of the routes that are told with it.
struct rri_via {
	LIST_ENTRY(rri_via) next;
	struct ip_addr addr;
	char interface[16];
	unsigned refs;
};

// A line that FRR still has, though the route went with the role.
struct rri_late {
	TAILQ_ENTRY(rri_late) next;  // all, as they fall due
	LIST_ENTRY(rri_late) same;   // by destination
	struct rri_spec spec;
	struct rri_label label;
	uint64_t due_ms;
};
LIST_HEAD(rri_late_bucket, rri_late);

struct rri {
	struct rri_env env;
	struct rri_table table;
	const struct tunnels *tunnels;
	struct rri_owners all, stale;
	struct rri_owner_bucket by_sa[RRI_OWNER_BUCKETS];
	unsigned owners;
	bool running;  // a slice is scheduled
	struct loop_timer slice, paths;
	LIST_HEAD(, rri_via) vias;
	bool role_changed;  // what is taken away now goes with the role
	TAILQ_HEAD(rri_lates, rri_late) late;
	struct rri_late_bucket late_by_dst[RRI_LATE_BUCKETS];
	struct loop_timer late_timer;
};

// rri_hop.c: the routes of one owner, host route first. Returns how many (0: cannot be told yet).
unsigned rri_specs(const struct rri_env *env, const struct tunnel *t, const struct ip_prefix *dst,
		   const struct ip_addr *peer, struct rri_spec out[RRI_OWNER_ROUTES]);
// rri_routes.c
void rri_slice(void *rri, uint64_t now_ms);
void rri_run_soon(struct rri *r);
void rri_run_all(struct rri *r);  // without slices: at the end
// rri_announce.c
void rri_announce(struct rri *r, const struct rri_spec *s, const struct rri_label *l, bool add);
void rri_announce_again(struct rri *r, const struct rri_entry *e);  // FRR may have lost it
void rri_announce_init(struct rri *r);
void rri_announce_fini(struct rri *r);                      // what is late goes now
void rri_vias_again(struct rri *r, const char *kernel_if);  // the link may be a new one
// rri.c
void rri_owner_refresh(struct rri *r, struct rri_owner *o);
