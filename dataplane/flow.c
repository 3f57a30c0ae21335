// The flow cache's memory and replacement. The look-up is in flow.h, inlined.
#include "flow.h"

#include <rte_malloc.h>

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

struct spd_result spd_lookup_copy(struct worker *w, struct flow_key key)
{
	return spd_lookup(w, &key);
}

void flow_cache_put(struct flow_cache *c, const struct flow_key *key, uint32_t hash,
		    struct spd_result r, uint32_t singles)
{
	struct flow *set = &c->flow[(size_t)(hash & c->mask) * 2];

	set[1] = set[0];
	set[0].key = *key;
	set[0].result = r;
	set[0].singles = singles;
}
