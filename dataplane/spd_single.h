// Policies beside the set: one at a time, in force at once, at the same cost however many there
// are. Each stands at an anchor, a policy of the set, and takes its place in the order; in a set
// without the anchor it is not in force. So a new set moves or retires them all as it is published.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"
#include "spd.h"

#define SPD_SHAPES_MAX 32  // different prefix lengths and kinds per group; each costs a look-up

struct spd;

// What the singles say about a packet; p NULL: nothing.
struct spd_candidate {
	const struct dp_policy *p;
	uint32_t order;  // of its anchor in this set
	const struct spd *set;
};

// Control thread. -ENOTSUP: ports, or an address that is unset; -ENOSPC: one shape too many;
// -EEXIST; -ENOMEM. Such a policy belongs into the set.
int spd_single_add(const struct dp_policy *p, uint32_t anchor);
int spd_single_del(uint32_t id);  // 0 or -ENOENT
// NULL: no single has this id. *anchor may be NULL.
const struct dp_policy *spd_single_get(uint32_t id, uint32_t *anchor);
uint32_t spd_single_next(uint32_t after);  // the lowest id above; 0 at the end
uint32_t spd_single_count(void);
void spd_single_fini(void);
// Any thread: the first one in the order of this set, from `from` on.
struct spd_candidate spd_single_find(const struct spd *s, const struct flow_key *key,
				     uint32_t from);
