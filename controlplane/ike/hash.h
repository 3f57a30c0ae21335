// The hashes of IKE: one-shot digests over several pieces. Pure; any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model.h"

#define HASH_LEN_MAX    64  // SHA2-512
#define HASH_CHUNKS_MAX 12

// A piece of the input; pieces are digested in order, as if they lay one after the other.
struct chunk {
	const void *data;  // may be NULL when len is 0
	size_t len;
};

size_t hash_len(enum ike_hash h);        // bytes; 0 for a value outside the enum
const char *hash_name(enum ike_hash h);  // "sha256"; "?" for a value outside the enum
// out: hash_len(h) bytes. 0, -EINVAL (unknown hash), -EIO (the crypto library failed).
int hash_compute(enum ike_hash h, const struct chunk *c, size_t n, uint8_t *out)
	__attribute__((warn_unused_result));
