// Traffic selectors against the configured flows.
#pragma once

#include "ike/ike_engine.h"

// The flow for a peer's proposal: `sel` in our outbound direction. An equal one first, else the
// first that covers it. NULL when none. Static entries only; dynamic.h has the others.
const struct tunnel_flow *ts_flow(const struct ike *ike, const struct ip_addr *local,
				  const struct ip_addr *remote, const struct selector *sel);
