// Flows of static crypto map entries by what names them on both boxes alike: map, sequence number,
// our address, selectors. Built with each configuration; a bulk synchronisation looks up every
// pair.
#pragma once

#include "ike/ike_engine.h"

int flow_index_build(struct ike *ike, const struct tunnels *ts);  // 0 or -ENOMEM: the old one stays
void flow_index_fini(struct ike *ike);
const struct tunnel_flow *flow_index_find(const struct ike *ike, const char *map, uint32_t seq,
					  const struct ip_addr *local, const struct selector *sel);
