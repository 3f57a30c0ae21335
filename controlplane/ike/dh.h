// Diffie-Hellman by IANA group number: MODP 1, 2, 5, 14, 15, 16, 24 (RFC 2409, 3526, 5114) and the
// ECP groups 19, 20, 21 (RFC 5903). Every peer value passes the checks of RFC 6989 (row 7 of the
// security table): length, 0, 1, p-1, >= p, the subgroup of group 24, point on the curve.
//
// dh_generate and dh_compute take milliseconds: helper threads (ike_pool.h). A key pair belongs to
// one thread at a time. No global state.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#define DH_PUBLIC_MAX 512  // group 16

struct dh_keypair;

bool dh_group_supported(uint16_t group);
size_t dh_public_len(uint16_t group);  // bytes on the wire (KE payload); 0 = unknown group
size_t dh_secret_len(uint16_t group);  // g^xy: MODP as long as p, ECP the x coordinate alone

// A fresh ephemeral pair. NULL and errno (EINVAL: unknown group; EIO).
struct dh_keypair *dh_generate(uint16_t group);
// A pair from a known private value, big-endian (test vectors). NULL and errno.
struct dh_keypair *dh_import(uint16_t group, const uint8_t *private_be, size_t len);
void dh_destroy(struct dh_keypair *kp);  // wipes; NULL is fine
uint16_t dh_group(const struct dh_keypair *kp);
// The private value, big-endian, for dh_import on another box. 0, -EIO, -ENOMEM.
int dh_private(const struct dh_keypair *kp, struct secret *out) __attribute__((warn_unused_result));
// Our public value in the fixed-length encoding of the KE payload: dh_public_len(group) bytes,
// MODP left-padded with zeros, ECP x | y. Borrowed until dh_destroy.
const uint8_t *dh_public(const struct dh_keypair *kp);
// Checks the peer's value only (cheap for MODP except group 24). 0 or -EBADMSG, -EINVAL, -EIO.
int dh_check_public(uint16_t group, const uint8_t *peer, size_t len)
	__attribute__((warn_unused_result));
// g^xy, dh_secret_len bytes. -EBADMSG: the peer's value is not acceptable; -EIO.
int dh_compute(const struct dh_keypair *kp, const uint8_t *peer, size_t len, struct secret *out)
	__attribute__((warn_unused_result));
