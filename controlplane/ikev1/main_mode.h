// What both roles of main mode share. For main_mode*.c.
#pragma once

#include "ikev1/fsm.h"
#include "ikev1/proposal.h"

#define MM_BUF          4096
#define MM_POLICIES_MAX 64

struct mm_policies {
	const struct isakmp_policy *list[MM_POLICIES_MAX];
	struct ikev1_policies p;
};
// The configured policies that can be used (pre-shared keys, a group that exists), best first.
void mm_policies_init(struct mm_policies *m, const struct config *c);
int mm_psk_set(struct ike_sa *sa);  // -ENOKEY
void mm_suite_set(struct ike_sa *sa, const struct ikev1_phase1_choice *c);
void mm_put_vendors(struct ikev1_build *b, const struct ike_sa *sa, unsigned natt);
void mm_vendors_set(struct ike_sa *sa, const struct ikev1_msg *m, bool initiator);
// KE, Nonce, NAT-D: messages 3 and 4.
int mm_send_ke(struct v1_exchange *x, bool repeat);
int mm_take_ke(struct v1_rx *r, struct v1_blob *gx, struct v1_blob *nonce);
void mm_nat_detect(struct v1_rx *r);
int mm_keys_derive(struct v1_exchange *x, const struct secret *gxy);
// ID, HASH: messages 5 and 6.
int mm_prepare_auth(struct v1_exchange *x);
int mm_check_auth(struct v1_rx *r);
void mm_take_notifies(struct v1_rx *r);
void mm_log_no_proposal(const struct ike_sa *sa, const struct ikev1_sa *offer,
			const struct mm_policies *ours);
