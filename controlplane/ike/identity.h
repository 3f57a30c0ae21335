// Identities of IKE peers: ours by configuration, the peer's checked against its key.
// The numbers are those of RFC 2407 4.6.2.1, which IKEv2 kept for these types.
#pragma once

#include "ike/ike_sa.h"

struct identity {
	uint8_t type, protocol;
	uint16_t port;
	const uint8_t *data;  // borrowed; for identity_own: `own`
	size_t len;
	uint8_t own[255];
};
// crypto isakmp identity address|hostname. Also sets sa->local_id.
void identity_own(struct ike_sa *sa, struct identity *out);
// Does the peer's identity fit? Its key is bound to its address, so an address must be that one
// (unless a NAT changed it); a name is taken as a name. Sets sa->remote_id. 0 or -EACCES.
int identity_check(struct ike_sa *sa, const struct identity *id);
