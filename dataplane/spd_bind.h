// Which SAs serve a policy: the control thread's list per policy and what is published of it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct flow_key;
struct sa;

#define SPD_BIND_MAX 64  // SAs of one policy

// Per policy id one word. 0: no SA. Even: a struct sa that covers the whole policy. Odd: a
// struct spd_choice plus one, SAs that each serve a part. c: wo (release), w: ro (acquire)
extern uintptr_t *spd_bound;

int spd_bind_init(void);
void spd_bind_fini(void);
// Publishes the bindings of at most n policies from id `from` on anew, after a change of the rule
// sets. Returns where to go on, 0 at the end.
uint32_t spd_bind_refresh(uint32_t from, uint32_t n);
// The one of a choice that contains the packet; NULL if none does. Worker.
struct sa *spd_choose(uintptr_t choice, const struct flow_key *key);
// Whether the choice still has this SA, which is compared, not looked into. Worker.
bool spd_choice_has(uintptr_t choice, const struct sa *sa);
// Provided by spd.c: the selectors that a policy has in the set in force and in the one about to
// be. Returns how many (0 to 2).
unsigned spd_selectors(uint32_t policy, const struct selector *out[2]);
