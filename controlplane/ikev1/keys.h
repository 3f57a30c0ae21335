// Key derivation of IKEv1: RFC 2409 section 5 (SKEYID and its children, authentication hashes,
// KEYMAT) and appendix B (encryption key, IVs). Pure; any thread. Cookies are host integers as in
// ikev1_hdr; everything that wants a payload body ("_b") wants it without the generic header.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ike/cipher.h"
#include "ike/hash.h"
#include "ike/prf.h"
#include "secret.h"

struct ikev1_keys {
	enum ike_hash hash;
	enum ike_encr encr;
	uint16_t aes_bits;
	struct secret skeyid, skeyid_d, skeyid_a, skeyid_e;
	struct secret key;  // encryption key, expanded from SKEYID_e
};
void ikev1_keys_clear(struct ikev1_keys *k);

#define IKEV1_MUST __attribute__((warn_unused_result))
// All: 0, -EINVAL (algorithm, lengths), -ENOMEM, -EIO.

// SKEYID = prf(pre-shared-key, Ni_b | Nr_b)
IKEV1_MUST int ikev1_skeyid_psk(enum ike_hash h, const void *psk, size_t psk_len, struct chunk ni,
				struct chunk nr, struct secret *skeyid);
// SKEYID = prf(Ni_b | Nr_b, g^xy)
IKEV1_MUST int ikev1_skeyid_sig(enum ike_hash h, struct chunk ni, struct chunk nr, struct chunk gxy,
				struct secret *skeyid);
// SKEYID_d, _a, _e and the encryption key from k->skeyid, which the caller has set together with
// hash, encr and aes_bits.
IKEV1_MUST int ikev1_keys_derive(struct ikev1_keys *k, struct chunk gxy, uint64_t cky_i,
				 uint64_t cky_r);
// Appendix B: the first bytes of SKEYID_e, or of K1 | K2 | ... with K1 = prf(SKEYID_e, 0).
IKEV1_MUST int ikev1_encryption_key(enum ike_hash h, const struct secret *skeyid_e, size_t len,
				    struct secret *key);
// IV of the first encrypted message: HASH(g^xi | g^xr), one block. iv: cipher block bytes.
IKEV1_MUST int ikev1_iv_phase1(enum ike_hash h, struct chunk gxi, struct chunk gxr, uint8_t *iv,
			       size_t block_len);
// IV of a phase 2 or informational exchange: HASH(last phase 1 block | M-ID).
IKEV1_MUST int ikev1_iv_phase2(enum ike_hash h, const uint8_t *last_block, size_t block_len,
			       uint32_t message_id, uint8_t *iv);

// HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b); HASH_R likewise with the
// sides swapped, SAi_b staying the initiator's. Call with (own, peer) for what one sends and
// (peer, own) for what one checks. out: hash_len bytes.
IKEV1_MUST int ikev1_auth_hash(enum ike_hash h, const struct secret *skeyid, struct chunk gx_own,
			       struct chunk gx_peer, uint64_t cky_own, uint64_t cky_peer,
			       struct chunk sai_b, struct chunk id_b, uint8_t *out);

// HASH(1) = prf(SKEYID_a, M-ID | rest); also of informational exchanges.
IKEV1_MUST int ikev1_hash1(const struct ikev1_keys *k, uint32_t message_id, struct chunk rest,
			   uint8_t *out);
// HASH(2) = prf(SKEYID_a, M-ID | Ni_b | rest)
IKEV1_MUST int ikev1_hash2(const struct ikev1_keys *k, uint32_t message_id, struct chunk ni,
			   struct chunk rest, uint8_t *out);
// HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)
IKEV1_MUST int ikev1_hash3(const struct ikev1_keys *k, uint32_t message_id, struct chunk ni,
			   struct chunk nr, uint8_t *out);

// KEYMAT = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b), extended as K1 | K2 | ...
// spi: host order, of the receiver's direction; gxy.len 0 = no PFS.
IKEV1_MUST int ikev1_keymat(const struct ikev1_keys *k, uint8_t protocol, uint32_t spi,
			    struct chunk gxy, struct chunk ni, struct chunk nr, size_t len,
			    struct secret *out);
