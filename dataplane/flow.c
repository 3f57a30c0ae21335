// The flow cache: exact packet key to policy, one cache line per flow, two ways per set. Only
// its worker touches it; a new policy set makes all entries stale by generation. Its size is
// fixed: a stranger who sends a million flows makes misses, not memory.
#include "spd.h"

#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <string.h>

struct flow {
	struct flow_key key;
	struct spd_result result;
	uint32_t pad[2];
};
_Static_assert(sizeof(struct flow) == 64, "one cache line");

struct flow_cache {
	uint32_t mask;  // sets - 1
	struct flow flow[] __rte_cache_aligned;
};

struct flow_cache *flow_cache_create(uint32_t entries, unsigned socket)
{
	size_t size = sizeof(struct flow_cache) + (size_t)entries * sizeof(struct flow);
	struct flow_cache *c = rte_zmalloc_socket("flows", size, RTE_CACHE_LINE_SIZE, (int)socket);

	if (c)
		c->mask = entries / 2 - 1;
	return c;
}

void flow_cache_destroy(struct flow_cache *c)
{
	rte_free(c);
}

uint32_t flow_hash(const struct flow_key *key)
{
	uint64_t v[6];
	uint32_t h;

	memcpy(v, key, sizeof(v));
	if (key->family == 4) {
		h = rte_hash_crc_8byte(v[0] << 32 | (uint32_t)v[2], (uint32_t)v[5]);
		return rte_hash_crc_8byte(v[4], h);
	}
	h = rte_hash_crc_8byte(v[0], (uint32_t)v[5]);
	for (int i = 1; i < 5; i++)
		h = rte_hash_crc_8byte(v[i], h);
	return h;
}

static inline bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t x[6], y[6];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) |
		(x[5] ^ y[5])) == 0;
}

bool flow_cache_get(struct flow_cache *c, const struct flow_key *key, uint32_t hash,
		    struct spd_result *out)
{
	const struct flow *set = &c->flow[(size_t)(hash & c->mask) * 2];

	for (int i = 0; i < 2; i++)
		if (key_equal(&set[i].key, key)) {
			*out = set[i].result;
			return true;
		}
	return false;
}

// The newest goes first; the older of the two is lost.
void flow_cache_put(struct flow_cache *c, const struct flow_key *key, uint32_t hash,
		    struct spd_result r)
{
	struct flow *set = &c->flow[(size_t)(hash & c->mask) * 2];

	set[1] = set[0];
	set[0].key = *key;
	set[0].result = r;
}
