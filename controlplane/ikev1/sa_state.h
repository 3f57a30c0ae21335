// What IKEv1 has to say of a replicated IKE SA and of a quick mode under way, read and checked.
// Everything borrowed from the payload.
#pragma once

#include "ike/replica_wire.h"
#include "ikev1/fsm.h"

struct v1_sa_record {
	struct chunk skeyid, skeyid_d, skeyid_a, skeyid_e, key;
	uint8_t last_block[CIPHER_BLOCK_MAX];
	uint32_t vendors, natt_vendor, offered_life_s;
	struct chunk ids;  // of 4 bytes each
	// Main mode: the last message, for a peer that repeats its own; or ours to be repeated.
	bool has_main, main_done, rx_known;
	uint8_t iv[CIPHER_BLOCK_MAX], rx_hash[32];
	struct chunk tx, gxi, gxr, sa_body;
};
BUF_MUST int v1_sa_record_get(const struct ike_suite *s, const struct replica_tlvs *t,
			      struct v1_sa_record *out);

struct v1_quick_record {
	uint32_t message_id;
	enum v1_state state;  // V1_QM_I1, V1_QM_R2, V1_DONE
	bool initiator, rx_known, has_ids;
	uint8_t iv[CIPHER_BLOCK_MAX], rx_hash[32];
	struct chunk tx, ni, nr, gxi, gxr, gxy, dh_private;
};
BUF_MUST int v1_quick_record_get(struct chunk body, struct v1_quick_record *out);

// struct ike_version
int v1_state_put(const struct ike_sa *sa, struct wbuf *w);
int v1_state_check(const struct ike_suite *s, const struct replica_tlvs *t);
int v1_state_take(struct ike_sa *sa, const struct replica_tlvs *t);
void v1_child_put(const struct ike_sa *sa, const struct child_sa *c, struct wbuf *w);
int v1_child_check(struct chunk body);
int v1_child_take(struct ike_sa *sa, struct child_sa *c, struct chunk body);
void v1_child_forget(struct ike_sa *sa, const struct child_sa *c);
void v1_wake(struct ike_sa *sa);
void v1_sleep(struct ike_sa *sa);
