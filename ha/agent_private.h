// The inside of an agent (agent.h), shared by agent*.c.
#pragma once

#include "agent.h"
#include "ids.h"

#define TELL_SLICE  256
#define RAISE_STEP  65536    // rule 7
#define RAISE_PAUSE 5000     // us, between slices of those asked again
#define RAISE_RETRY 100000   // us; a full ring may have cost the request or its answer
#define SWITCH_WAIT 1000000  // us, for HA_PREPARE after HSRP lost the role
#define HOLD_US     10000000
#define HELLO_US    3000000
#define REMOVED_MAX (1u << 20)
#define SEQ_JUMP    (1ull << 40)  // more records than are ever told in one go

// Why the work of the group has stopped, or is about to.
enum stopping {
	STOPPING_NO,
	STOPPING_LOST,   // HSRP lost the role; nobody was asked yet
	STOPPING_PLAN,   // HA_PREPARE
	STOPPING_YIELD,  // HA_YIELD
	STOPPING_TOLD,   // HA_STOPPED has been told
};

enum agent_owed {
	AGENT_OWES_ATTACH = 1 << 0,
	AGENT_OWES_HELLO = 1 << 1,
	AGENT_OWES_CLAIM = 1 << 2,
	AGENT_OWES_SWITCH = 1 << 3,
	AGENT_OWES_STOPPED = 1 << 4,
};

struct agent_limit {  // a new SA may send up to lim once seq is acknowledged
	uint64_t seq, id, lim;
};

struct agent {
	unsigned group;
	struct agent_ops ops;
	uint64_t now;
	bool blocked;  // the ring is full
	uint64_t ask_at;
	bool attached, ever, working, claiming;
	bool switch_take;  // the HA_SWITCH that is owed asks for the role
	struct ha_role role;
	struct ha_hello hello;
	bool hello_known;
	unsigned owed;

	// agent_record.c
	uint64_t seq, applied;
	struct ids dirty;   // told in this order; a = 1: deleted; id 0: HA_FLUSH
	uint32_t resync;    // entries up to and with the HA_FLUSH of an attachment
	uint64_t boundary;  // seq of that HA_FLUSH
	bool lost;          // no memory: everything is to be told anew
	struct agent_limit *limit;
	uint32_t limit_first, limits, limits_max;
	struct ids raises;  // a = wanted, 0 = there; b = when asked
	struct ids edges;   // a = edge; the ring was full
	// What this process has had and given up in the present life (rule 6): never to send again
	// in it.
	struct ids removed;  // a = mirror_life() then, 0 = not known
	uint64_t life[3];
	bool feeding, feed_known;  // known: at times by a process that knew better
	struct ids fed;            // while everything is fed: the others go at its end
	bool attach_busy;          // HA_ATTACH was told by a process that knew better; until a feed

	// agent_switch.c
	enum stopping stopping;
	bool drained;
	uint64_t tenure;  // of the last HA_ACTIVATE
	uint64_t begun;   // of the last HA_ACTIVATE or HA_RESUME in this attachment
	uint64_t switch_until;
	struct ids next_out, next_in;  // a = next, b = edge
	bool resign_owed;
	// The role was away and has come back while this process slept: what it has of SAs is not
	// what the mirror has. It does not begin before it has been fed.
	bool behind;
	uint64_t first_life;  // of the first attachment
};

// What it knows of its SAs is newer than the mirror: it works, or has yet to tell where it stopped.
static inline bool agent_busy(const struct agent *a)
{
	if (a->stopping == STOPPING_TOLD)
		return (a->owed & AGENT_OWES_STOPPED) != 0;
	return a->working || a->stopping != STOPPING_NO;
}

int agent_tell(struct agent *a, struct ha_word *w);
// agent_record.c
void record_resync(struct agent *a);
bool record_pump(struct agent *a);
void record_applied(struct agent *a, uint64_t seq);
void record_limit(struct agent *a, uint64_t id, uint64_t lim);
void record_feed(struct agent *a, const struct ha_sa *sa);
void record_feed_all(struct agent *a, bool keep_fed);
void record_feed_end(struct agent *a);
void record_remove(struct agent *a, uint64_t id);
void record_life(struct agent *a);
void record_tick(struct agent *a);
uint64_t agent_record_due(const struct agent *a);
// agent_switch.c
void switch_activate(struct agent *a, const struct ha_word *w);
void switch_stop(struct agent *a, enum stopping why);
void switch_resume(struct agent *a, const struct ha_word *w);
void switch_refused(struct agent *a, enum ha_refusal why);
void switch_role(struct agent *a);
void switch_behind(struct agent *a);
void switch_detached(struct agent *a);
bool switch_pump(struct agent *a);
void switch_tick(struct agent *a);
uint64_t switch_due(const struct agent *a);
