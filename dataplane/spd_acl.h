// One policy group's classifiers. Built by the control thread, read by workers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"
#include "spd.h"
#include "spd_single.h"

struct rte_acl_ctx;

struct spd_group {
	uint32_t id, n;
	const struct dp_policy *rule;     // ordered; borrowed from the set
	bool ports;                       // some rule names ports
	bool anchored;                    // single policies may stand among these
	uint32_t anchor;                  // ... from this order on
	struct rte_acl_ctx *acl4, *acl6;  // NULL: few rules, the list is as fast
};

int spd_acl_build(struct spd_group *g, uint32_t generation, struct err *err);
void spd_acl_free(struct spd_group *g);
// `single`: what the policies beside the set say, to be fitted in by its order; p may be NULL.
struct spd_result spd_acl_match(const struct spd_group *g, const struct flow_key *key,
				struct spd_candidate single);
