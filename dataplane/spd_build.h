// Building a rule set away from the control thread: rte_acl takes 2 s for 100,000 policies.
//
// A set belongs to the control thread, to the builder from spd_builder_submit() until it comes
// back as the result, to the workers while it is published.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"

struct spd_group;

struct spd {
	uint32_t generation;  // c: wo, w: ro, once published
	uint32_t n, groups;
	struct dp_policy *rule;   // sorted by group, order
	struct spd_group *group;  // sorted by id
	uint32_t *index;          // policy id -> index + 1 of its rule
	uint32_t index_size;
	int rc;  // of the build
	struct err err;
	bool cancelled;    // a newer set is wanted (atomic, relaxed)
	struct spd *next;  // chain of those to be freed
};

// Sorts, builds tries and index. Any thread. s->rc, s->err.
void spd_build(struct spd *s);
void spd_free(struct spd *s);

// The helper thread, one; started with the first set that is submitted. Control thread only.
int spd_builder_submit(struct spd *s);  // takes the place of what waits or is being built
void spd_builder_cancel(void);          // nothing is wanted any more
bool spd_builder_busy(void);            // a set that nobody cancelled is not back yet
struct spd *spd_builder_result(void);   // built, or failed (rc); NULL when there is none yet
void spd_builder_free(struct spd *s);   // frees there if the thread runs: large tries take long
void spd_builder_stop(void);            // waits for it
