// The timers and volume events of a child SA: when it is rekeyed, when a replaced one goes, when
// it ends. For child_sa.c.
#pragma once

#include "ike/child_sa.h"

void child_life_init(struct child_sa *c);
void child_life_start(struct child_sa *c);  // it is up
void child_life_stop(struct child_sa *c);
// `c` was replaced by `by`: stays for late packets, then goes.
void child_life_old(struct child_sa *c, const struct child_sa *by);
// `gone`, the pair that served, was deleted while replaced ones are still there: the newest of them
// stays. The peer may have chosen the other one of two simultaneous pairs.
void child_life_revive(const struct child_sa *gone);
// Room for one more pair of the flow: the oldest replaced one goes. false: none to be had.
bool child_life_room(struct ike *ike, const struct tunnel_flow *flow, const struct ip_addr *remote);
// A replaced pair goes: what replaced it sends at once.
void child_life_settled(const struct child_sa *gone);
// Up (replacing others) or down, with the SPIs that one looks for in a capture.
void child_life_log(const struct child_sa *c, bool up, bool rekey, const char *reason);
