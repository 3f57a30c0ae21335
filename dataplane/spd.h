// Security policies: classification of a packet to PROTECT, BYPASS or nothing, and which SA
// serves a policy. The rule set is built by the control thread and published whole.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"

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

enum spd_verdict { SPD_NONE, SPD_BYPASS, SPD_PROTECT, SPD_DROP_FRAGMENT };
struct spd_result {
	uint32_t policy;  // id, 0 with SPD_NONE
	uint8_t verdict;  // enum spd_verdict
};

int spd_init(void);
void spd_fini(void);
int spd_set(const struct dp_policy *p, size_t n, struct err *err);
uint32_t spd_count(void);
int spd_bind(uint32_t policy, struct sa *sa);  // NULL unbinds
// Control thread: the SA is about to be deleted; no policy names it afterwards.
void spd_sa_gone(struct sa *sa);

// Worker: the SA of a policy, NULL if none.
struct sa *spd_sa(uint32_t policy);
// Worker: through the flow cache. key->generation is filled in here.
struct spd_result spd_lookup(struct worker *w, struct flow_key *key);
// The classifier itself (flow cache miss).
struct spd_result spd_classify(const struct flow_key *key);
uint32_t spd_generation(void);
