// The gateway process's end of the fail-over protocol: one redundancy group.
//
// It stands between IKE, data plane and HSRP on one side and the standby process on the other. It
// keeps what the rules ask of a gateway process: ceilings asked for in time (rule 7), effects that
// wait for their acknowledgement (rule 18), the steps of a switchover in order (rules 10, 12, 13),
// and a list of what has yet to be told when the ring was full. Pure; `now` is CLOCK_BOOTTIME in
// microseconds. Thread: control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ha_sa.h"

#define AGENT_NEVER UINT64_MAX

struct agent;
struct agent_ops {
	void *ctx;
	// A word for the standby process. 0, -EAGAIN (agent_writable follows), -ENOTCONN.
	int (*tell)(void *ctx, const struct ha_word *w);
	// The present state of an SA, for (re)sending: fills *sa, payload borrowed until the next
	// call. -ENOENT: it has gone meanwhile.
	int (*encode)(void *ctx, uint64_t id, struct ha_sa *sa);
	// The identities known of a group, one by one: *cursor is 0 at the start. false: no more.
	bool (*each)(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id);
	// Feed: install (state standby), change or remove. 0 or -errno (counted).
	int (*install)(void *ctx, const struct ha_sa *sa);
	void (*remove)(void *ctx, uint64_t id);
	void (*feed_done)(void *ctx, unsigned group);
	// Data plane of one SA: the limit; sequence to go on from and window edge.
	void (*limit)(void *ctx, uint64_t id, uint64_t lim);
	void (*sequence)(void *ctx, uint64_t id, uint64_t next, uint64_t edge);
	void (*taint)(void *ctx, uint64_t id, bool on);
	// Right before `activate`: SAs may go `step` beyond the ceiling that they were told while
	// the group stood still; 0 = not. NULL: nobody does, limits follow one by one.
	void (*raised)(void *ctx, unsigned group, uint64_t step);
	// The group begins to work (planned: the other box has handed it over), or stops. Stop:
	// workers neither send nor accept from the moment agent_stopped() is called by the caller;
	// it may come later (drained).
	void (*activate)(void *ctx, unsigned group, bool planned);
	void (*deactivate)(void *ctx, unsigned group);
	// What waited for HA_APPLIED up to seq may go out: IKE messages, policy bindings.
	void (*release)(void *ctx, unsigned group, uint64_t seq);
	// Answer to agent_claim(): HSRP may become active, or must go on waiting.
	void (*claimed)(void *ctx, unsigned group, bool granted, enum ha_refusal why);
	void (*role)(void *ctx, unsigned group, const struct ha_role *r);
	// This box is to leave the active role in HSRP now, after a planned switchover (GRANT has
	// left) or for a lost split brain (workers are drained).
	void (*resign)(void *ctx, unsigned group);
	void (*need_config)(void *ctx);
	// The role in the mirror, now. Words may be old when they are heard: nothing begins on the
	// word of a standby process that has given the role away meanwhile. NULL: not asked.
	enum ha_role_kind (*mirror_role)(void *ctx, unsigned group);
	// MIRROR_TENURE, now: of the HA_ACTIVATE that counts. NULL: not asked.
	uint64_t (*mirror_tenure)(void *ctx, unsigned group);
	// mirror_life(), now. NULL: not asked.
	uint64_t (*mirror_life)(void *ctx, unsigned group);
};

struct agent *agent_create(unsigned group, const struct agent_ops *ops, uint64_t now);
void agent_destroy(struct agent *a);
// The ring is there (again) or has gone: everything known is told anew when it is.
void agent_attach(struct agent *a, bool attached, uint64_t now);
void agent_word(struct agent *a, const struct ha_word *w,
		uint64_t now);                       // from the standby process
bool agent_writable(struct agent *a, uint64_t now);  // true: more to do right away
void agent_tick(struct agent *a, uint64_t now);
uint64_t agent_due(const struct agent *a);

// From IKE and the data plane. Return the seq whose HA_APPLIED says that it is safe to act; 0 = it
// is safe now (no stateful redundancy, or alone).
uint64_t agent_upsert(struct agent *a, uint64_t id);
uint64_t agent_delete(struct agent *a, uint64_t id);
uint64_t agent_seq(const struct agent *a);  // of the last word told: gate for whatever goes out now
bool agent_open(const struct agent *a, uint64_t seq);  // may what waits for seq go?
void agent_low(struct agent *a, uint64_t id, uint64_t sent,
	       uint64_t per_second);  // DP_EVENT_LIM_LOW
void agent_checkpoint(struct agent *a, uint64_t id, uint64_t edge);
void agent_stopped(struct agent *a, uint64_t now);  // after deactivate: drained
void agent_next(struct agent *a, uint64_t id, uint64_t next,
		uint64_t edge);  // before agent_stopped
// From HSRP.
void agent_hello(struct agent *a, const struct ha_hello *h, uint64_t now);
void agent_claim(struct agent *a, uint64_t now);
// HSRP lost the active role by itself: stops working, then hands over, or tells that it stopped.
void agent_lost(struct agent *a, uint64_t now);
int agent_switch(struct agent *a, uint64_t now);  // 0, -ENOTCONN, -EBUSY, -EAGAIN (not hot)
// A standby box drops its copies and fetches them from the active one. 0; -EPERM (it works here, or
// has no state), -ENOTCONN (no link, or no standby process), -EBUSY (it fetches them already).
int agent_resync(struct agent *a, uint64_t now);

bool agent_active(const struct agent *a);
void agent_role(const struct agent *a, struct ha_role *out);
