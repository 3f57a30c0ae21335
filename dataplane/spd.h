// Security policies: classification of a packet to PROTECT, BYPASS or nothing, and which SA
// serves a policy. The rule set is built by the control thread and published whole.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"
#include "spd_bind.h"

struct sa;
struct worker;

// What a packet is matched by. Bytes 0-39 are the flow cache's key as well.
// The packet path writes and compares whole words (spd_key.h): mixed sizes would stall.
struct flow_key {
	union {
		struct {
			uint8_t src[16], dst[16];  // IPv4: first four bytes, rest zero
			uint16_t sport, dport;     // host order
			uint8_t proto, family;
			uint8_t reverse;   // 1 = inbound clear packet, selectors reversed
			uint8_t fragment;  // 1 = later fragment: ports unknown
			uint32_t group;
			uint32_t generation;
		};
		uint64_t word[6];
	};
};
_Static_assert(sizeof(struct flow_key) == 48, "six words are hashed and compared");

// The drops come last.
enum spd_verdict {
	SPD_NONE,
	SPD_BYPASS,
	SPD_PROTECT,
	SPD_DROP_FRAGMENT,
	SPD_DROP_UNBUILT,
	SPD_DROP_BACK,  // out of a tunnel, and about to leave by the tunnel's port in clear
};
struct spd_result {
	uint32_t policy;  // id, 0 with SPD_NONE
	uint8_t verdict;  // enum spd_verdict
	uint8_t open;     // a single policy that is added may change this
};

// Counts the single policies that were added (spd_single.h). What the flow cache keeps of open
// results is of one number. c: wo (release), w: ro
extern uint32_t spd_single_generation;

int spd_init(void);
void spd_fini(void);
#define SPD_BUILD_NOW   64    // policies; larger sets go to the helper thread
#define SPD_POLL_BUDGET 4096  // bindings looked at by one spd_poll
// Accepts a set: in force at once when small, else when spd_poll says so.
int spd_set(const struct dp_policy *p, size_t n, struct err *err);
bool spd_pending(void);  // an accepted set is not yet in force
// Control timer: true when a set that was pending came into force. A bounded piece of work.
bool spd_poll(void);
uint32_t spd_count(void);
// One policy beside the set, at the place of `anchor` (dp.h). Any number of them at the same cost.
int spd_add(const struct dp_policy *p, uint32_t anchor);
int spd_del(uint32_t id);
bool spd_in_force(uint32_t id);  // a single, and the set in force has its anchor
// Adds an SA to those of a policy, in the place of one with equal selectors; NULL removes all.
// -ENOSPC above SPD_BIND_MAX.
int spd_bind(uint32_t policy, struct sa *sa);
// Control thread: the SA is about to be deleted; no policy names it afterwards.
void spd_sa_gone(struct sa *sa);

// Worker: the SA of a policy for this packet, NULL if none. One load when an SA covers the policy.
static inline struct sa *spd_sa(uint32_t policy, const struct flow_key *key)
{
	uintptr_t bound = __atomic_load_n(&spd_bound[policy], __ATOMIC_ACQUIRE);

	if (__builtin_expect((bound & 1) == 0, 1))
		return (struct sa *)bound;
	struct flow_key copy = *key;  // so that the caller's key can live in registers
	return spd_choose(bound, &copy);
}
// Worker: through the flow cache. key->generation is filled in here.
struct spd_result spd_lookup(struct worker *w, struct flow_key *key);
struct spd_result spd_lookup_copy(struct worker *w, struct flow_key key);
// The classifier itself (flow cache miss).
struct spd_result spd_classify(const struct flow_key *key);
uint32_t spd_generation(void);
