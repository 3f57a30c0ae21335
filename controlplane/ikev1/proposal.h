// IKEv1 proposals: configuration <-> SA payload, and the choice among what a peer offers.
// Pure; any thread (configuration structs are read only).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ikev1/msg.h"
#include "model.h"
#include "tunnel.h"

// ---- phase 1 ---------------------------------------------------------------------------------
// What was agreed. hash, encr, auth in the configuration's terms.
struct ikev1_phase1_choice {
	enum ike_encr encr;
	uint16_t aes_bits;  // 0 unless AES
	enum ike_hash hash;
	enum ike_auth auth;
	uint16_t group;
	uint32_t lifetime_s;                // the smaller of ours and the peer's
	uint32_t lifetime_kb;               // the peer's, 0 = none
	uint8_t proposal, transform;        // numbers, to be repeated in the answer
	uint8_t proposal_at, transform_at;  // positions in the offer, from 0
	uint32_t priority;                  // of the policy that matched
};
struct ikev1_policies {  // the policies to offer or to accept, best first; borrowed
	const struct isakmp_policy *const *list;
	unsigned count;
};
// SA payload with one proposal, one transform per policy (numbers from 1). At most 64 policies.
void ikev1_build_sa_phase1(struct ikev1_build *b, const struct ikev1_policies *p);
// SA payload with what was chosen: exactly the transform the peer offered (RFC 2408 4.2: "MUST be
// the same attributes"): the transform's bytes are copied from the offer.
BUF_MUST int ikev1_build_sa_phase1_answer(struct ikev1_build *b, const struct ikev1_sa *offer,
					  const struct ikev1_phase1_choice *c);
// Responder: our best policy that any transform of the offer satisfies. 0, -ENOENT (nothing fits),
// -EBADMSG, -EPROTONOSUPPORT (DOI or situation).
BUF_MUST int ikev1_phase1_choose(const struct ikev1_sa *offer, const struct ikev1_policies *p,
				 struct ikev1_phase1_choice *out);
// Initiator: the answer must hold one transform, and it must be one of ours. Same results.
BUF_MUST int ikev1_phase1_verify(const struct ikev1_sa *answer, const struct ikev1_policies *p,
				 struct ikev1_phase1_choice *out);

// ---- phase 2 ---------------------------------------------------------------------------------
struct ikev1_phase2_offer {                       // ours
	const struct tunnel_proposal *proposals;  // borrowed; best first
	unsigned count;
	uint32_t spi;                      // our inbound SPI, host order
	uint16_t pfs_group;                // 0 = none
	uint32_t lifetime_s, lifetime_kb;  // kb 0 = none
	bool udp;                          // UDP encapsulation modes (a NAT was found)
	bool udp_draft;                    // with the draft's numbers instead of RFC 3947's
};
struct ikev1_phase2_choice {
	struct tunnel_proposal transform;
	unsigned index;     // into offer->proposals
	uint32_t peer_spi;  // host order
	bool transport, udp;
	uint32_t lifetime_s, lifetime_kb;            // the smaller of both; kb 0 = none
	uint32_t peer_lifetime_s, peer_lifetime_kb;  // what the peer said, 0 = nothing
	uint8_t proposal, transform_number;
	uint8_t proposal_at, transform_at;  // positions in the offer, from 0
};
// One proposal per transform set, numbers from 1, all with our SPI.
void ikev1_build_sa_phase2(struct ikev1_build *b, const struct ikev1_phase2_offer *o);
// Answer: the chosen transform as the peer offered it, with our SPI.
BUF_MUST int ikev1_build_sa_phase2_answer(struct ikev1_build *b, const struct ikev1_sa *offer,
					  const struct ikev1_phase2_choice *c, uint32_t spi);
// Responder: our first transform set that an ESP-only proposal of the peer satisfies. peer_group
// must equal pfs_group; with pfs_group 0 any group we support is accepted when the peer sent a KE
// (accept_group). Proposals that bundle several protocols are passed over. 0, -ENOENT, -EBADMSG,
// -EPROTONOSUPPORT.
BUF_MUST int ikev1_phase2_choose(const struct ikev1_sa *offer,
				 const struct ikev1_phase2_offer *ours, uint16_t accept_group,
				 struct ikev1_phase2_choice *out);
BUF_MUST int ikev1_phase2_verify(const struct ikev1_sa *answer,
				 const struct ikev1_phase2_offer *ours,
				 struct ikev1_phase2_choice *out);
// The PFS group of the first transform of the offer that carries one; 0 = none. To know the group
// of a KE payload before choosing.
uint16_t ikev1_phase2_offered_group(const struct ikev1_sa *offer);

// Bytes of keying material of a transform: cipher key (with salt) then authentication key.
size_t ikev1_keymat_cipher_len(const struct tunnel_proposal *t);  // key and salt
size_t ikev1_keymat_salt_len(const struct tunnel_proposal *t);
size_t ikev1_keymat_auth_len(const struct tunnel_proposal *t);
