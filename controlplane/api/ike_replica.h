// Stateful switchover, as the IKE engine serves it: what of its SAs a second box must know to go on
// with them, and going on with what a first box made (ha-protocol rules 1, 10, 12, 18).
//
// Which: IKE SAs and child SAs whose local address env->group_of() gives a group. A group is
// passive until ike_group_activate(): its SAs are installed in the data plane (in a stopped
// redundancy group) and their policies bound, but no timer runs, nothing is sent, what arrives for
// them is dropped. In a group that works, every change that matters after a take-over is told with
// ops->upsert or ops->remove BEFORE the env->send of any datagram that depends on it; a wrapper of
// env->send (and of env->policy_bind with an SA) that lets nothing pass before the last word told
// is acknowledged therefore keeps rule 18. New outbound SAs of a group have lim 0:
// ike_replica_limit() opens them. Thread: control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ha_sa.h"
#include "ike.h"

struct ike_replica_ops {
	void *ctx;
	// May call ike_replica_encode() at once, or later; nothing else of the engine.
	void (*upsert)(void *ctx, uint16_t group, uint64_t id);
	void (*remove)(void *ctx, uint16_t group, uint64_t id);
};
void ike_replicate(struct ike *ike, const struct ike_replica_ops *ops);  // copied; NULL = nobody

// The present state of an SA; the payload is written to mem and borrowed from there
// (HA_PAYLOAD_MAX bytes are enough). 0, -ENOENT, -EMSGSIZE. The caller wipes mem.
int ike_replica_encode(struct ike *ike, uint64_t id, struct ha_sa *out, uint8_t *mem, size_t cap);
// Makes or changes an SA. In a passive group it is passive; in one that works it goes to work. 0;
// -EBADMSG (malformed), -EPROTONOSUPPORT (of another release), -EINVAL, others of the data plane.
int ike_replica_install(struct ike *ike, const struct ha_sa *sa, struct err *err);
// Without a word to the peer. Unknown ids are fine.
void ike_replica_remove(struct ike *ike, uint64_t id);
// Does what is in a payload make sense? The same checks without an engine (fuzz target).
int ike_replica_check(const struct ha_sa *sa);

// The group goes to work: SAs wake in slices, or when something arrives for them. Timers get what
// is left of them; DPD begins after a grace time, spread; requests under way are repeated.
void ike_group_activate(struct ike *ike, uint16_t group);
// Nothing more is sent from the moment it returns. Timers stop in slices; what was half done goes
// on after an ike_group_activate().
void ike_group_deactivate(struct ike *ike, uint16_t group);
bool ike_group_works(const struct ike *ike, uint16_t group);

// By identity. All: 0 or -ENOENT, or what the data plane says.
int ike_replica_limit(struct ike *ike, uint64_t id, uint64_t lim, uint64_t margin);
// Of a group that rests (dp_group_resting): next = 0 and edge = 0 leave theirs as they are.
int ike_replica_sequence(struct ike *ike, uint64_t id, uint64_t next, uint64_t edge);
// Rule 12: it neither sends nor accepts until it is replaced (the engine sees to that while the
// group works) or the taint ends. id 0: all of the group.
void ike_taint(struct ike *ike, uint16_t group, uint64_t id, bool on);

// Look-ups. false: not replicated, or gone.
bool ike_replica_handles(const struct ike *ike, uint64_t id, uint32_t *sa_in, uint32_t *sa_out);
bool ike_replica_of(const struct ike *ike, uint32_t sa, uint64_t *id, uint16_t *group);
bool ike_replica_peer(const struct ike *ike, uint64_t id, struct ip_addr *peer);
// All replicated SAs of a group in slices; *cursor 0 at the start. SAs that come or go meanwhile
// may be missed or not; others are seen exactly once.
bool ike_replica_next(const struct ike *ike, uint16_t group, uint64_t *cursor, uint64_t *id);
struct ike_replica_counts {
	uint32_t ike, child, asleep, tainted;
	uint64_t broken_i8;  // tainted ones that sent or accepted nevertheless (ha-protocol I8)
};
void ike_replica_count(const struct ike *ike, uint16_t group, struct ike_replica_counts *out);
