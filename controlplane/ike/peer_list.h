// Which peer of a tunnel's list is tried next: the one that last worked first; after a failure
// the next of the list (CH6, AVL of the reference). State outlives configurations. Owner: engine.
#pragma once

#include "ike/ike_engine.h"

// The peer to use now. The tunnel has at least one peer.
struct ip_addr peer_list_current(struct ike *ike, const struct tunnel *t);
void peer_list_worked(struct ike *ike, const struct tunnel *t, const struct ip_addr *peer);
// `peer` did not answer or died: go to the one after it (if it is still the current one).
void peer_list_failed(struct ike *ike, const struct tunnel *t, const struct ip_addr *peer);
void peer_list_fini(struct ike *ike);
void peer_list_configure(struct ike *ike);  // forgets tunnels that went
bool tunnel_has_peer(const struct tunnel *t, const struct ip_addr *local,
		     const struct ip_addr *remote);
