// IKEv1 messages as bytes: decoding and building. Pure; no I/O, no state; any thread.
//
// Decoding is strict (RFC 2408 section 5): lengths, reserved fields, payload count, payload types.
// Every reference points into the caller's datagram, which must stay in place (and is decrypted
// in place). Order of calls for a datagram:
//   ikev1_hdr_decode -> look the SA up -> if flags & E: ikev1_msg_decrypt -> ikev1_msg_decode
//   -> typed getters on the payloads.
// Errors: -EBADMSG malformed, -EPROTONOSUPPORT not version 1.0, -E2BIG a limit was exceeded.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "buf.h"
#include "ikev1/wire.h"
#include "model.h"
#include "secret.h"

#define IKEV1_PAYLOADS_MAX   32
#define IKEV1_PROPOSALS_MAX  32
#define IKEV1_TRANSFORMS_MAX 128    // in all proposals of one SA payload together
#define IKEV1_ATTRS_MAX      32     // of one transform
#define IKEV1_ID_DATA_MAX    512    // security table, row 5
#define IKEV1_MSG_MAX        65507  // a UDP datagram
#define IKEV1_NONCE_MIN      8      // RFC 2409 section 5
#define IKEV1_NONCE_MAX      256

struct ikev1_hdr {
	uint64_t icookie, rcookie;  // host order
	uint8_t next_payload;
	uint8_t exchange;
	uint8_t flags;
	uint32_t message_id;
	uint32_t length;
};

struct ikev1_payload {
	uint8_t type;         // enum isakmp_payload
	uint16_t len;         // of the body
	const uint8_t *body;  // behind the generic header (which is body - 4)
};

struct ikev1_msg {
	struct ikev1_hdr hdr;
	struct ikev1_payload payloads[IKEV1_PAYLOADS_MAX];
	unsigned count;
	const uint8_t *data;  // the datagram from the header on
	const uint8_t *end;  // behind the last payload: padding of an encrypted message begins here
};

// len: what arrived (without non-ESP marker). hdr.length may not exceed len nor be smaller than the
// header; bytes behind hdr.length are refused (-EBADMSG).
BUF_MUST int ikev1_hdr_decode(const uint8_t *data, size_t len, struct ikev1_hdr *h);
// Decrypts data[28..h->length) in place; next_iv (one block, may be NULL) gets the last block of
// ciphertext. -EBADMSG when the length is no multiple of the block or nothing is there.
BUF_MUST int ikev1_msg_decrypt(uint8_t *data, const struct ikev1_hdr *h, enum ike_encr encr,
			       const struct secret *key, const uint8_t *iv, uint8_t *next_iv);
// Walks the payload chain. padded: the message was encrypted, bytes may trail the last payload.
BUF_MUST int ikev1_msg_decode(const uint8_t *data, const struct ikev1_hdr *h, bool padded,
			      struct ikev1_msg *m);
// The n-th payload of a type (n from 0), or NULL. Counts them too.
const struct ikev1_payload *ikev1_msg_find(const struct ikev1_msg *m, uint8_t type, unsigned n);
unsigned ikev1_msg_count(const struct ikev1_msg *m, uint8_t type);
// What HASH(1), HASH(2) cover: from the end of the first payload (which must be HASH) to m->end.
BUF_MUST int ikev1_msg_after_hash(const struct ikev1_msg *m, const uint8_t **from, size_t *len);

// ---- SA payload ------------------------------------------------------------------------------
// ikev1_sa_decode checks the whole payload down to each attribute's length, so that the iterators
// below cannot fail half-way. Iterators are value copies: start again by copying the struct.
struct ikev1_transform {
	uint8_t number, id;
	struct rbuf attrs;
};
struct ikev1_proposal {
	uint8_t number, protocol;
	uint8_t spi_len;
	const uint8_t *spi;
	uint8_t transform_count;
	struct rbuf transforms;
};
struct ikev1_sa {
	uint32_t doi, situation;
	unsigned proposal_count, transform_count;
	struct rbuf proposals;
};
BUF_MUST int ikev1_sa_decode(const struct ikev1_payload *p, struct ikev1_sa *sa);
bool ikev1_proposal_next(struct ikev1_sa *sa, struct ikev1_proposal *out);
bool ikev1_transform_next(struct ikev1_proposal *p, struct ikev1_transform *out);
// SPI of an ESP proposal (four bytes, at least 256), host order; 0 when it is not one.
uint32_t ikev1_proposal_spi(const struct ikev1_proposal *p);

// Attributes of phase 1 (RFC 2409 appendix A). 0 = absent.
struct ikev1_isakmp_attrs {
	uint16_t encr, hash, auth, group, key_len;
	uint32_t life_s, life_kb;  // saturated at UINT32_MAX
	bool unknown;              // an attribute or life type we do not know, or one twice
};
// Attributes of phase 2 (RFC 2407 4.5). 0 = absent.
struct ikev1_ipsec_attrs {
	uint16_t mode, auth, group, key_len, esn;
	uint32_t life_s, life_kb;
	bool unknown;
};
BUF_MUST int ikev1_isakmp_attrs_decode(const struct ikev1_transform *t,
				       struct ikev1_isakmp_attrs *out);
BUF_MUST int ikev1_ipsec_attrs_decode(const struct ikev1_transform *t,
				      struct ikev1_ipsec_attrs *out);

// ---- other payloads --------------------------------------------------------------------------
// KE, HASH, NAT-D, VID, SIG are their body. Nonce: 8..256 bytes.
BUF_MUST int ikev1_nonce_check(const struct ikev1_payload *p);
struct ikev1_id {
	uint8_t type, protocol;
	uint16_t port;
	const uint8_t *data;
	uint16_t len;  // at most IKEV1_ID_DATA_MAX, right for the address types
};
BUF_MUST int ikev1_id_decode(const struct ikev1_payload *p, struct ikev1_id *out);
// Addresses, subnets, ranges that are one prefix, of a phase 2 ID; -ENOTSUP for other types,
// -EBADMSG for non-contiguous masks and ranges that are no prefix.
BUF_MUST int ikev1_id_to_prefix(const struct ikev1_id *id, struct ip_prefix *out);
struct ikev1_notify {
	uint32_t doi;
	uint8_t protocol, spi_len;
	uint16_t type;
	const uint8_t *spi, *data;
	uint16_t len;  // of data
};
BUF_MUST int ikev1_notify_decode(const struct ikev1_payload *p, struct ikev1_notify *out);
struct ikev1_delete {
	uint32_t doi;
	uint8_t protocol, spi_len;  // 4 for ESP, 16 for ISAKMP
	uint16_t count;             // at least 1
	const uint8_t *spis;        // count * spi_len bytes
};
BUF_MUST int ikev1_delete_decode(const struct ikev1_payload *p, struct ikev1_delete *out);
uint32_t ikev1_delete_spi(const struct ikev1_delete *d, unsigned i);  // spi_len 4; host order
BUF_MUST int ikev1_natoa_decode(const struct ikev1_payload *p, struct ip_addr *out);
struct ikev1_fragment {
	uint16_t id;
	uint8_t number;  // from 1
	bool last;
	const uint8_t *data;
	uint16_t len;  // at least 1
};
BUF_MUST int ikev1_fragment_decode(const struct ikev1_payload *p, struct ikev1_fragment *out);

// ---- vendor ids ------------------------------------------------------------------------------
enum ikev1_vendor {                             // bits
	IKEV1_VENDOR_NATT_RFC = 1u << 0,        // RFC 3947
	IKEV1_VENDOR_NATT_DRAFT_02N = 1u << 1,  // draft-ietf-ipsec-nat-t-ike-02\n
	IKEV1_VENDOR_NATT_DRAFT_03 = 1u << 2,
	IKEV1_VENDOR_DPD = 1u << 3,  // RFC 3706
	IKEV1_VENDOR_XAUTH = 1u << 4,
	IKEV1_VENDOR_FRAGMENTATION = 1u << 5,
	IKEV1_VENDOR_UNITY = 1u << 6,
	IKEV1_VENDOR_NATT_DRAFT_02 = 1u << 7,
};
unsigned ikev1_vendor_lookup(const uint8_t *data, size_t len);  // 0 = unknown
unsigned ikev1_msg_vendors(const struct ikev1_msg *m);          // all of a message
const char *ikev1_vendor_name(enum ikev1_vendor v);

// ---- building --------------------------------------------------------------------------------
// A whole message in the caller's memory. Write freely, ask once: ikev1_build_finish.
struct ikev1_build {
	struct wbuf w;
	size_t next_at;     // where the type of the next payload goes
	size_t payload_at;  // start of the open payload; 0 = none
	size_t hash_at;     // end of the payload of ikev1_build_hash; 0 = none
};
// length in h is ignored; next_payload too.
void ikev1_build_init(struct ikev1_build *b, void *mem, size_t cap, const struct ikev1_hdr *h);
void ikev1_build_begin(struct ikev1_build *b, uint8_t type);  // then put bytes into b->w
void ikev1_build_end(struct ikev1_build *b);
// A payload with this body. Returns the offset of the body in the message.
size_t ikev1_build_payload(struct ikev1_build *b, uint8_t type, const void *body, size_t len);
// A HASH payload of zeros, to be set when the rest is there: returns the offset of its body.
size_t ikev1_build_hash(struct ikev1_build *b, size_t len);
// What HASH(1), HASH(2) cover: everything behind the HASH payload. Valid until more is written.
BUF_MUST int ikev1_build_after_hash(const struct ikev1_build *b, const uint8_t **from, size_t *len);
void ikev1_build_set(struct ikev1_build *b, size_t at, const void *bytes, size_t len);
void ikev1_build_vendor(struct ikev1_build *b, enum ikev1_vendor v);
void ikev1_build_id(struct ikev1_build *b, uint8_t type, uint8_t protocol, uint16_t port,
		    const void *data, size_t len);
// ID of one side of a selector (phase 2): the address for /32 and /128, else the subnet.
void ikev1_build_id_prefix(struct ikev1_build *b, const struct ip_prefix *p, uint8_t protocol,
			   uint16_t port);
void ikev1_build_notify(struct ikev1_build *b, uint8_t protocol, uint16_t type, const void *spi,
			size_t spi_len, const void *data, size_t len);
void ikev1_build_delete_esp(struct ikev1_build *b, const uint32_t *spis, unsigned count);
void ikev1_build_delete_isakmp(struct ikev1_build *b, uint64_t icookie, uint64_t rcookie);
void ikev1_build_natoa(struct ikev1_build *b, uint8_t type, const struct ip_addr *addr);
// Sets the lengths. 0 or -EMSGSIZE. *len = bytes to send.
BUF_MUST int ikev1_build_finish(struct ikev1_build *b, size_t *len);
// Instead of finish: pads with zeros to the block (RFC 2409 appendix B), encrypts behind the
// header, sets flag E and the length. next_iv as in ikev1_msg_decrypt.
BUF_MUST int ikev1_build_encrypt(struct ikev1_build *b, enum ike_encr encr,
				 const struct secret *key, const uint8_t *iv, uint8_t *next_iv,
				 size_t *len);
