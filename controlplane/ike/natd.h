// NAT detection hashes: HASH(CKY-I | CKY-R | IP | Port), RFC 3947 3.2 (IKEv2: SHA-1, RFC 7296
// 2.23, the same order). Pure; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "ike/hash.h"

// Cookies as host integers (msg.h), port in host order. out: hash_len(h) bytes.
// 0, -EINVAL (address unset, unknown hash), -EIO.
int natd_hash(enum ike_hash h, uint64_t cky_i, uint64_t cky_r, const struct ip_addr *addr,
	      uint16_t port, uint8_t *out) __attribute__((warn_unused_result));
// Does a received NAT-D value equal the hash of this address and port? A wrong length is no match.
bool natd_matches(enum ike_hash h, uint64_t cky_i, uint64_t cky_r, const struct ip_addr *addr,
		  uint16_t port, const uint8_t *value, size_t len);
