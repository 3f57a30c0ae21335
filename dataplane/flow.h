// The flow cache: exact packet key to policy, one cache line per flow, two ways per set. Only
// its worker touches it; a new policy set makes all entries stale by generation. Its size is
// fixed: a stranger who sends a million flows makes misses, not memory.
#pragma once

#include <rte_common.h>
#include <rte_hash_crc.h>
#include <stdbool.h>

#include "spd.h"
#include "worker.h"

struct flow {
	struct flow_key key;
	struct spd_result result;
	uint32_t singles, pad;  // spd_single_generation of an open result
};
_Static_assert(sizeof(struct flow) == 64, "one cache line");

struct flow_cache {
	uint32_t mask;  // sets - 1
	struct flow flow[] __rte_cache_aligned;
};
struct flow_cache *flow_cache_create(uint32_t entries, unsigned socket);
void flow_cache_destroy(struct flow_cache *c);
// The newest of a set goes first; the older of the two is lost.
void flow_cache_put(struct flow_cache *c, const struct flow_key *key, uint32_t hash,
		    struct spd_result r, uint32_t singles);

static inline uint32_t flow_hash(const struct flow_key *key)
{
	const uint64_t *v = key->word;
	uint32_t h = (uint32_t)v[5];

	if (key->family == 6) {
		h = rte_hash_crc_8byte(v[1], h);
		h = rte_hash_crc_8byte(v[3], h);
		h = rte_hash_crc_8byte(v[2] << 32 ^ v[0] >> 32, h);
		h = rte_hash_crc_8byte(v[2] >> 32 ^ v[0] << 32, h);
		return rte_hash_crc_8byte(v[4], h);
	}
	return rte_hash_crc_8byte(v[4], rte_hash_crc_8byte(v[0] << 32 | v[2], h));
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	const uint64_t *x = a->word, *y = b->word;

	// The family is in word 4; words 1 and 3 of IPv4 are zero in every key.
	if (likely(b->family == 4))
		return ((x[0] ^ y[0]) | (x[2] ^ y[2]) | (x[4] ^ y[4]) | (x[5] ^ y[5])) == 0;
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) |
		(x[5] ^ y[5])) == 0;
}

static inline bool flow_cache_get(const struct flow_cache *c, const struct flow_key *key,
				  uint32_t hash, struct spd_result *out)
{
	const struct flow *set = &c->flow[(size_t)(hash & c->mask) * 2];

	for (int i = 0; i < 2; i++)
		if (flow_key_equal(&set[i].key, key)) {
			*out = set[i].result;
			return likely(!out->open) ||
			       set[i].singles ==
				       __atomic_load_n(&spd_single_generation, __ATOMIC_ACQUIRE);
		}
	return false;
}

// spd_lookup for the packet path: nearly every packet hits, with a key that never leaves the
// registers. `generation` is spd_generation(), asked once for a burst.
static inline __attribute__((always_inline)) struct spd_result flow_lookup(struct worker *w,
									   struct flow_key *key,
									   uint32_t generation)
{
	struct spd_result r;

	key->word[5] |= (uint64_t)generation << 32;
	return likely(flow_cache_get(w->flows, key, flow_hash(key), &r)) ? r
									 : spd_lookup_copy(w, *key);
}
