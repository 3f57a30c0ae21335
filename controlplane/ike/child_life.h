// The timers and volume events of a child SA: when it is rekeyed, when a replaced one goes, when
// it ends. For child_sa.c.
#pragma once

#include "ike/child_sa.h"

void child_life_init(struct child_sa *c);
void child_life_start(struct child_sa *c);  // it is up
void child_life_stop(struct child_sa *c);
// `c` was replaced by `by`: stays for late packets, then goes.
void child_life_old(struct child_sa *c, const struct child_sa *by);
