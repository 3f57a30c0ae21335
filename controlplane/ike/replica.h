// What IKE SAs and child SAs have in common towards the other box (ike_replica.h). Private to
// controlplane/ike and controlplane/ikev1.
//
// An object of a group is on one of two lists: awake (its group works: timers run) or asleep. What
// changed is on the dirty list until the next replica_flush(), which comes before every send and at
// the end of every call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ike/ike_table.h"
#include "ike/ike_timer.h"
#include "ike_replica.h"

struct ike;
struct ike_sa;
struct child_sa;
struct wbuf;

#define REPLICA_GROUPS 17  // as DP_GROUPS

struct replica {
	TAILQ_ENTRY(replica) link, dirty_link, taint_link;
	struct ike_node node;  // by id; owner = this
	void *owner;           // struct ike_sa or struct child_sa, by kind
	uint64_t id;
	uint32_t birth[2];  // join numbers when it was made
	uint16_t group;     // 0: not replicated
	uint8_t kind;       // enum ha_kind
	bool listed, told, dirty, asleep, tainted;
	bool looked;            // since it is tainted:
	uint64_t held_packets;  // that it had sent and accepted
};
TAILQ_HEAD(replica_list, replica);

struct replica_state {
	struct ike_replica_ops ops;
	struct ike_table by_id;
	uint32_t works;  // bit per group
	struct replica_list awake[REPLICA_GROUPS], asleep[REPLICA_GROUPS], dirty, tainted;
	struct ike_replica_counts counts[REPLICA_GROUPS];
	struct ike_timer slice, replace;
};

int replica_state_init(struct ike *ike);
void replica_state_fini(struct ike *ike);
bool replica_works(const struct ike *ike, uint16_t group);  // group 0 always
uint16_t replica_group(const struct ike *ike, const struct ip_addr *local);

// A new object of ours: identity, birth, group.
void replica_new(struct ike *ike, struct replica *r, enum ha_kind kind, void *owner,
		 uint16_t group);
// One that another box made.
void replica_take(struct ike *ike, struct replica *r, const struct ha_sa *sa, void *owner);
struct replica *replica_find(const struct ike *ike, uint64_t id);
// From now on the other box shall know it.
void replica_begin(struct ike *ike, struct replica *r);
// It changed: told with the next flush, if the other box knows it at all.
void replica_touch(struct ike *ike, struct replica *r);
// It dies: told at once, before any Delete to the peer.
void replica_gone(struct ike *ike, struct replica *r);
void replica_flush(struct ike *ike);
// A timer of an object whose group has stopped meanwhile: put off. true: do nothing now.
bool replica_held(struct ike *ike, const struct replica *r, struct ike_timer *t);
void replica_leave_all(struct ike *ike);  // the engine ends: all asleep
// Moves it between the lists.
void replica_asleep(struct ike *ike, struct replica *r, bool asleep);

// ---- taint.c -----------------------------------------------------------------------------------
void replica_taint(struct ike *ike, struct replica *r, bool on);
void taint_due(void *obj);  // timer
void taint_check(struct ike *ike, struct replica *r);
void taint_sa_up(struct ike_sa *sa);  // a new IKE SA: what is tainted with this peer goes
void taint_listed(struct ike *ike, struct replica *r);  // went to work

// ---- wake.c ------------------------------------------------------------------------------------
void ike_sa_wake(struct ike_sa *sa);  // with its child SAs
void child_sa_wake(struct child_sa *c);
void ike_sa_sleep(struct ike_sa *sa);
void child_sa_sleep(struct child_sa *c);
void slice_due(void *obj);  // timer

// ---- sa_record.c, child_record.c ----------------------------------------------------------------
int ike_sa_encode(struct ike_sa *sa, struct wbuf *w);
int child_sa_encode(struct child_sa *c, struct wbuf *w);
int ike_sa_install(struct ike *ike, const struct ha_sa *in, struct err *err);
int child_sa_take(struct ike *ike, const struct ha_sa *in, struct err *err);
