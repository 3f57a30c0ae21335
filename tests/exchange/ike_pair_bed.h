// Two boxes with one address against a peer: what the working one says of its SAs goes to a mirror
// and to the other one at once. Before every datagram the mirror is compared with what there is: it
// must have been told (ha-protocol rule 18).
#pragma once

#include "ike_bed.h"
#include "ike_replica.h"

#define PAIR_GROUP   1
#define PAIR_RECORDS 64

struct pair_record {
	struct ha_sa sa;  // id 0: free
	uint8_t payload[HA_PAYLOAD_MAX];
};

struct pair {
	struct bed bed;                    // first
	struct bed_end *active, *standby;  // standby: NULL while there is none
	struct pair_record mirror[PAIR_RECORDS];
	unsigned upserts, removes;
	uint64_t raised[PAIR_RECORDS];
	bool late;  // the mirror knows ceilings, the other box's engine not yet
};

struct pair *pair_new(uint64_t seed, const struct bed_params *params);
void pair_free(struct pair *p);
void pair_kill(struct pair *p);      // the working box, without a word
void pair_takeover(struct pair *p);  // the other one goes to work
void pair_join(struct pair *p);      // a fresh box in the place of the dead one
void pair_taint(struct pair *p, bool on);
// As the agents do: ceilings are raised, limits follow.
void pair_raise(struct pair *p);
bool pair_ping(struct pair *p);  // both ways
// Runs with pings both ways; returns how many got lost.
unsigned pair_run(struct pair *p, uint64_t ms, unsigned every_ms);
bool pair_up(struct pair *p, uint64_t limit_ms);
struct pair *pair_of(struct bed *bed);
