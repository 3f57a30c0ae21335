// The pre-shared key of a peer: the longest prefix wins. Thousands of keys for single hosts are
// looked up sorted: every first message of a stranger asks, and every commit asks for each IKE SA.
#pragma once

#include "ike/ike_engine.h"

int key_index_build(struct ike *ike, const struct config *c);  // 0 or -ENOMEM: the old one stays
void key_index_fini(struct ike *ike);
const struct isakmp_key *key_index_lookup(const struct ike *ike, const struct ip_addr *peer);
