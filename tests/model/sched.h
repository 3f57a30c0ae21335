// Schedules: two boxes in one process, each a mirror in plain memory, a pair, an agent and a small
// gateway, under a seeded adversary; shared by sched_*.c. Time is simulated, in microseconds.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent.h"
#include "mirror.h"
#include "pair.h"

#define BOXES     2
#define SAS       24   // identities of one schedule
#define SPANS     256  // intervals of numbers used, of one SA
#define EDGES     64
#define HELLO_MS  50
#define HOLD_MS   150
#define TICK_US   1000
#define FIRST_LIM 65536

struct queued {
	struct queued *next;
	uint64_t at;  // when it may be delivered
	struct ha_word w;
	uint32_t len;
	uint8_t bytes[];
};
struct queue {
	struct queued *first, **last;
	unsigned count;
};

struct fake_sa {  // what a gateway process has of an SA
	bool there, taint;
	uint64_t next, lim, ceiling, edge;
	uint64_t start;      // `next` as it was told while at rest, 0 = not
	uint64_t life, ctr;  // of the IV
	uint32_t birth[2];
};

struct box {
	unsigned n;
	bool up, standby_up, gateway_up;  // power; processes
	uint64_t standby_pause, gateway_pause, boot_at;
	uint8_t *mem;
	struct mirror_id id;
	struct mirror *mirror;
	struct pair *pair;
	struct agent *agent;
	bool attached, was_started;
	uint64_t life;  // as last seen in the mirror
	struct queue to_standby, to_gateway;
	bool full_standby, full_gateway, full_link;
	// HSRP
	bool active, claiming;
	uint64_t heard, claim_at, hello_at, self_at;
	unsigned priority, hello_ms, hold_ms;
	struct ha_hello told;
	// IKE and data plane
	bool working, stopping;
	uint64_t drained_at;
	struct fake_sa sa[SAS];
	uint64_t made[SAS], unmade[SAS];  // gate of what the peer is to be told, 0 = nothing
	bool stale;                       // the pair has said that its copy may be old
	bool stale_copy;                  // the other one's had, and nobody has begun with it since
	unsigned activation;
	uint64_t states;  // served, last looked at
	bool digest_other;
	unsigned power;  // times that it was switched on
	bool lost_owed;  // its standby process has not noticed the end of the gateway process
	// what was accepted until then has reached the mirror; edges that the gateway process must
	// have when it begins, and that were told to the other box when this one gave way
	uint64_t told_at, worked_at, handed_at, due[SAS], listed[SAS];
	bool forgot[SAS];  // deleted before its standby process began
};

struct edges {  // numbers accepted, when, and by which box
	uint64_t hi, last, at[EDGES], then[EDGES];
	uint8_t last_by, by[EDGES];
	unsigned n;
};

struct peer_sa {  // what the IKE peer has
	bool established, gone, asked;
	uint64_t lineage;
	bool excused;  // made or unmade in a split brain
	uint64_t in_seq;
	struct edges edges[BOXES + 1];  // that only box 0, 1 can know of; all others
};

struct span {
	uint8_t box;
	bool iv;
	bool split;     // the other box was active too, with this SA
	bool merged;    // a JOIN has told of it since
	uint8_t known;  // bit n: the gateway process of box n goes on above it since
	unsigned activation, power;
	uint64_t life, from, to;
};

struct world {
	uint64_t now, seed, rng;
	struct box box[BOXES];
	// link
	bool wire, alive, end[BOXES];
	uint64_t up_at[BOXES], down_at[BOXES], retry_at;
	struct queue to[BOXES];
	unsigned delay_us, window, ring, sweep;
	bool hears[BOXES];
	// truth
	struct peer_sa peer[SAS];
	unsigned sas;
	bool again;          // an SA that nobody has any more makes room for a new one
	uint64_t gen[SAS];   // identities that each place has had before
	uint64_t free[SAS];  // since when nobody has it, 0 = somebody may
	bool split;
	uint8_t unheard;  // bit n: box n has not taken all words since a merge
	struct span span[SAS][SPANS];
	unsigned spans[SAS];
	// outcome
	bool failed, trace;
	char why[256];
	uint64_t stats[16];
};
enum stat {
	STAT_TAKEOVERS,
	STAT_STALE,
	STAT_PLANNED,
	STAT_SPLITS,
	STAT_FAULTS,
	STAT_SAS,
	STAT_PACKETS,
	STAT_REUSE_IN_SPLIT,
	STAT_ALONE,
	STAT_RESTARTS,
};
extern struct world world;

uint64_t rnd(uint64_t below);
bool one_in(unsigned n);
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// Of the SA in a place; identities are used once.
static inline uint64_t sa_id(unsigned i)
{
	return world.gen[i] * SAS + i + 1;
}
// sched_run.c. 0 = held.
#define PLANS 12
int schedule_run(uint64_t seed, bool tracing);
void run_begin(uint64_t seed, bool tracing);
void run_end(void);
// Faults until they are over, then peace until one box works and the other is hot; or, without
// peace, what is broken stays so for a while.
void run_faults(bool peace);
void run_for(uint64_t us);

// sched_chaos.c
int chaos_run(uint64_t seed, double hours, bool tracing, double from);

// sched_queue.c
void queue_put(struct queue *q, uint64_t at, const struct ha_word *w, const uint8_t *bytes,
	       uint32_t len);
struct queued *queue_due(struct queue *q, uint64_t now);  // to be freed
void queue_clear(struct queue *q);
void link_break(unsigned late);
void link_step(void);
int link_put(struct box *b, const uint8_t *bytes, size_t len);

// sched_gateway.c
void gateway_start(struct box *b);
void gateway_end(struct box *b);
void gateway_step(struct box *b);
void gateway_restart_link(struct box *b);
void gateway_detach(struct box *b);
void gateway_lost(struct box *b);

// sched_hsrp.c
void hsrp_step(struct box *b);

// sched_box.c
void box_power(struct box *b, bool on);
void standby_start(struct box *b);
void standby_crash(struct box *b);
void box_step(struct box *b);
size_t box_mirror_bytes(void);
void box_digest(struct box *b);

// sched_check.c
void check_reset(void);
void check_send(struct box *b, unsigned sa, uint64_t from, uint64_t to);
void check_begin(struct box *b);
void check_merged(const struct box *winner);
void check_forgets(struct box *b);
void check_served(struct box *b);
void check_known(struct box *b, unsigned sa, uint64_t next);
void check_quiet(struct box *b);
void check_accept(struct box *b, unsigned sa, uint64_t seq);
bool check_mirror_sa(struct box *b, unsigned sa, struct ha_sa *there);
uint64_t check_mirror_word(struct box *b, enum mirror_word w);
static inline enum ha_role_kind check_mirror_role(struct box *b)
{
	return (enum ha_role_kind)check_mirror_word(b, MIRROR_ROLE);
}
void check_pairs(void);
bool check_stable(void);
bool diverged(const struct box *b);

// sched_edges.c
void edges_accept(struct box *b, unsigned sa, uint64_t seq, bool shared);
void edges_handed(struct box *b);
void edges_taken(struct box *b, bool handed, bool given);
void edges_stopped(struct box *b);
void edges_died(struct box *b);
void edges_begin(struct box *b);
void edges_served(struct box *b, bool merge);
void edges_listed(struct box *b);
void edges_lost(struct box *b);
void edges_deleted(struct box *b, unsigned sa);

// sched_check.c, sched_chaos.c
unsigned check_place(void);  // for a new SA; SAS = none
