// What both roles of quick mode share. For quick_mode*.c.
#pragma once

#include "ike/child_sa.h"
#include "ikev1/fsm.h"
#include "ikev1/proposal.h"

#define QM_BUF 8192

// Our offer, or what we accept, for a tunnel.
void qm_offer(const struct ike_sa *sa, const struct child_sa *c, const struct tunnel *t,
	      struct ikev1_phase2_offer *o);
// IDci, IDcr of a message, in our outbound direction; without IDs the two hosts (RFC 2409 5.5).
// 0 or -EBADMSG, -ENOTSUP.
int qm_selector(const struct v1_rx *r, bool we_initiate, struct selector *out);
void qm_put_ids(struct ikev1_build *b, const struct selector *sel, bool we_initiate);
void qm_put_natoa(struct ikev1_build *b, const struct ike_sa *sa, const struct child_sa *c);
int qm_hash_check(const struct v1_rx *r, bool answer);  // HASH(1) or HASH(2)
int qm_hash_set(struct v1_exchange *x, struct ikev1_build *b, size_t at, bool answer);
void qm_choice_set(struct child_sa *c, struct ike_sa *sa, const struct ikev1_phase2_choice *ch);
// Installs one direction. gxy: of this exchange's Diffie-Hellman, empty without PFS.
int qm_install(struct v1_exchange *x, struct child_sa *c, enum dp_dir dir,
	       const struct secret *gxy);
void qm_rank_set(struct v1_exchange *x, struct child_sa *c);
int qm_nonce_new(struct v1_blob *b);
void qm_take_lifetime(const struct v1_rx *r, struct child_sa *c);
