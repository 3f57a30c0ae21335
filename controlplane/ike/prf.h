// Pseudo-random functions of IKE: HMAC with the negotiated hash (RFC 2409 section 4: "prf is the
// HMAC version of the negotiated hash"), and prf+ of RFC 7296 2.13. Pure; any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ike/hash.h"
#include "secret.h"

#define PRF_LEN_MAX  HASH_LEN_MAX
#define PRF_PLUS_MAX 1024  // more than any set of keys of IKEv2 needs

static inline size_t prf_len(enum ike_hash h)
{
	return hash_len(h);
}
// HMAC(key, c[0] | c[1] | ...). out: prf_len(h) bytes. An empty key is allowed.
// 0, -EINVAL (unknown hash), -EIO (the crypto library failed).
int prf_compute(enum ike_hash h, const void *key, size_t key_len, const struct chunk *c, size_t n,
		uint8_t *out) __attribute__((warn_unused_result));
// The same into a secret.
int prf_secret(enum ike_hash h, const struct secret *key, const struct chunk *c, size_t n,
	       struct secret *out) __attribute__((warn_unused_result));
// prf+ (RFC 7296 2.13): T1 | T2 | ... with T1 = prf(K, S | 1), Tn = prf(K, Tn-1 | S | n).
// len at most PRF_PLUS_MAX. 0 or a negative errno.
int prf_plus(enum ike_hash h, const void *key, size_t key_len, const struct chunk *seed, size_t n,
	     struct secret *out, size_t len) __attribute__((warn_unused_result));
