// The route cache's memory, and what happens when routes change. The look-up is in route_cache.h.
#include "route_cache.h"

#include <rte_malloc.h>
#include <string.h>

struct route_cache *route_cache_create(unsigned socket)
{
	struct route_cache *c =
		rte_zmalloc_socket("routes", sizeof(*c), RTE_CACHE_LINE_SIZE, (int)socket);

	if (c)
		c->epoch = 1;  // what is zeroed counts for none
	return c;
}

void route_cache_destroy(struct route_cache *c)
{
	rte_free(c);
}

void route_cache_renew(struct route_cache *c, uint32_t generation)
{
	if (++c->epoch == 0) {  // all numbers used: the oldest entries must not count again
		memset(c->entry, 0, sizeof(c->entry));
		c->epoch = 1;
	}
	c->generation = generation;
}
