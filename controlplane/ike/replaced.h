// IKE SAs that another one with the same peer has replaced. In IKEv1 an IPsec SA may stay with the
// IKE SA that made it, and what a peer does with it when that one is deleted is the peer's affair:
// some close it and negotiate anew. So one that was replaced stays, answers, and may be taken up
// again by the peer, while the peer may have something on it; then it is deleted, or its lifetime
// ends.
#pragma once

#include "ike/ike_sa.h"

void replaced_init(struct ike_sa *sa);
// Settles which IKE SA with this peer serves from now on, now that `sa` is up. Returns it.
struct ike_sa *replaced_settle(struct ike_sa *sa);
void replaced_limit(const struct ike_sa *serving);  // of all IKE SAs with one peer
// May the peer have an IPsec SA on it? What was made on it, and all that was there when it was
// replaced: the peer may have moved that to any of its IKE SAs.
bool replaced_bears(const struct ike_sa *sa);
void replaced_touch(struct ike_sa *sa);  // something on it was moved to another one here
void replaced_used(struct ike_sa *sa);   // the peer negotiates on it: it serves again
void replaced_asked(struct ike_sa *sa);  // the peer asks whether it lives
// `gone` is about to be deleted by the peer, which goes on with an earlier one.
void replaced_heir(const struct ike_sa *gone);
// One with the peer of `dead` that has heard of it later, and goes on; NULL.
struct ike_sa *replaced_heard(const struct ike_sa *dead);
// A replaced one with the same peer, or NULL.
struct ike_sa *replaced_by(const struct ike_sa *sa);
