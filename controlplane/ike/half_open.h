// IKE SAs that strangers began with us, and their limits: in total and per source address.
//
// At a limit a newcomer takes the place of one that has proven nothing yet (its message 3 has not
// come), chosen at random: whoever forges sources cannot keep real peers out by being first, and a
// peer that goes on within a round trip mostly survives. Owner: the engine.
#pragma once

#include "ike/ike_engine.h"

// Makes room for one more of `remote`. -EBUSY when all are proven and the limit is reached.
int half_open_admit(struct ike *ike, const struct ip_addr *remote);
void half_open_add(struct ike_sa *sa);
void half_open_proven(struct ike_sa *sa);  // the source has answered: no longer replaced
void half_open_end(struct ike_sa *sa);     // established or dead
