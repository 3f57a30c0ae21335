// One policy group's classifiers. Built by the control thread, read by workers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"
#include "spd.h"

struct rte_acl_ctx;

struct spd_group {
	uint32_t id, n;
	const struct dp_policy *rule;     // ordered; borrowed from the set
	bool ports;                       // some rule names ports
	struct rte_acl_ctx *acl4, *acl6;  // NULL: few rules, the list is as fast
};

int spd_acl_build(struct spd_group *g, uint32_t generation, struct err *err);
void spd_acl_free(struct spd_group *g);
struct spd_result spd_acl_match(const struct spd_group *g, const struct flow_key *key);
