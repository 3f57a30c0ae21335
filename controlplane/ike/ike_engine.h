// The engine's own object and what its files share. Private to controlplane/ike and
// controlplane/ikev1: everybody else uses api/ike.h.
//
// Calls from outside (receive, tick, event, commands, finished tasks) are bracketed by
// ike_enter()/ike_leave(): objects that die in between are unlinked at once but freed only when
// the outermost call leaves, so a handler never holds a pointer to freed memory.
// Thread: control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ike.h"
#include "ike/ike_table.h"
#include "ike/ike_timer.h"
#include "ike/replica.h"

struct ike_sa;
struct child_sa;
struct ike_want;
struct peer_list;
struct flow_index;
struct replica_tlvs;
struct ike_suite;
struct chunk;
struct wbuf;

#define IKE_OBSERVERS_MAX        8
#define IKE_HALF_OPEN_PER_SOURCE 64     // a NAT with many peers behind it still fits
#define IKE_SAS_PER_SOURCE       128    // established ones
#define IKE_CHILDREN_PER_FLOW    64     // pairs of one flow: old ones, narrowed ones
#define IKE_HALF_OPEN_MS         30000  // a half-open SA lives that long
#define IKE_TASKS_MAX            1024   // public-key tasks under way
#define IKE_TICK_BUDGET          64     // timers per turn; HSRP hellos come first
#define IKE_PORT                 500
#define IKE_PORT_NATT            4500

// What differs between the protocol versions.
struct ike_version {
	uint8_t number;
	int (*start)(struct ike_sa *sa);  // sends the first message; 0 or -errno
	void (*rx)(struct ike *ike, const struct dp_udp *meta, const uint8_t *msg, size_t len);
	int (*child_start)(struct ike_sa *sa, struct ike_want *w);
	void (*child_delete)(struct ike_sa *sa, const struct child_sa *c);  // Delete to the peer
	void (*spi_delete)(struct ike_sa *sa, uint32_t spi);
	void (*sa_delete)(struct ike_sa *sa);
	int (*dpd_probe)(struct ike_sa *sa, uint32_t seq);
	const char *(*state_name)(const struct ike_sa *sa);
	bool (*busy)(const struct ike_sa *sa);  // an exchange is under way on it
	void (*stop)(struct ike_sa *sa);        // its timers; the SA is about to die
	// Stateful switchover: what only the version can read of an IKE SA, and of an exchange that
	// a child SA is made by.
	int (*state_put)(const struct ike_sa *sa, struct wbuf *w);
	int (*state_check)(const struct ike_suite *s, const struct replica_tlvs *t);
	int (*state_take)(struct ike_sa *sa, const struct replica_tlvs *t);
	void (*child_put)(const struct ike_sa *sa, const struct child_sa *c, struct wbuf *w);
	int (*child_check)(struct chunk body);
	int (*child_take)(struct ike_sa *sa, struct child_sa *c, struct chunk body);
	void (*child_forget)(struct ike_sa *sa, const struct child_sa *c);
	void (*wake)(struct ike_sa *sa);  // timers of its exchanges; requests are repeated
	void (*sleep)(struct ike_sa *sa);
	void (*fini)(struct ike_sa *sa);  // frees sa->v
};
extern const struct ike_version ikev1_version;

// Keeps a finished task from touching an engine that has gone: tasks hold the anchor, the engine
// clears it.
struct ike_anchor {
	struct ike *ike;  // NULL after ike_destroy()
	unsigned refs;
};

// Something that died during this call.
struct ike_dead {
	SLIST_ENTRY(ike_dead) link;
	void (*free)(struct ike_dead *d);
};

struct ike {
	struct ike_env env;  // copied
	struct ike_anchor *anchor;
	const struct config *config;  // borrowed; NULL before the first configure
	struct tunnels *tunnels;      // borrowed; instances of templates are made here
	uint64_t now_ms;              // of this call
	unsigned depth;
	uint64_t armed_ms;  // what env.timer was last asked for
	struct ike_timers timers;
	SLIST_HEAD(, ike_dead) dead;

	TAILQ_HEAD(, ike_sa) sas;         // ascending id
	TAILQ_HEAD(, child_sa) children;  // ascending id
	TAILQ_HEAD(, ike_want) wants;
	struct ike_table sa_by_id, sa_by_cookie, sa_by_first, sa_by_peer;
	struct ike_table child_by_id, child_by_sa, child_by_policy, child_by_peer;
	struct ike_table want_by_policy, want_by_ike, peer_lists;
	LIST_HEAD(, peer_list) peer_list_all;
	uint32_t last_sa_id, last_child_id;

	unsigned half_open, tasks;
	struct ike_sa **strangers;                        // half_open.c
	const struct isakmp_key **host_keys, **net_keys;  // key_index.c
	size_t host_key_count, net_key_count;
	unsigned stranger_count, stranger_cap;
	struct ike_counters n;
	struct {
		ike_notice_fn fn;
		void *ctx;
	} observers[IKE_OBSERVERS_MAX];
	bool stopping;
	struct replica_state ha;
	struct flow_index *flow_index;  // flow_index.c
};

void ike_enter(struct ike *ike);
void ike_leave(struct ike *ike);
void ike_bury(struct ike *ike, struct ike_dead *d, void (*fn)(struct ike_dead *d));
void ike_notice(struct ike *ike, const struct ike_notice *n);
// Sends an IKE message (without marker) from local:lport to remote:rport; puts the non-ESP
// marker (RFC 3948 2.2) before it on port 4500.
int ike_send(struct ike *ike, const struct dp_udp *meta, const uint8_t *msg, size_t len);
// Bounded queue of public-key work. -EBUSY when full.
int ike_offload(struct ike *ike, struct ike_task *t);
struct ike_anchor *ike_anchor_get(struct ike *ike);
// Returns the engine or NULL when it has gone; drops the reference.
struct ike *ike_anchor_put(struct ike_anchor *a);
// `part` percent of `whole`, minus up to `jitter` percent of it at random.
uint64_t ike_jittered(uint64_t whole, unsigned part, unsigned jitter);
