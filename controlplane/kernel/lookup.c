// The way to an address, looked up in the mirror: for next hops that the kernel does not resolve.

#include <string.h>

#include "mirror.h"

// The best usable route of an entry; NULL when only skipped ones are left.
static const struct route *entry_pick(const struct kernel *k, const struct route_entry *e,
				      uint8_t skip)
{
	const struct route *r, *best = NULL;
	bool copies = false;

	SLIST_FOREACH (r, &e->routes, next)
		copies |= r->proto == skip;
	SLIST_FOREACH (r, &e->routes, next) {
		const struct link *l = r->oif ? link_get(k, r->oif) : NULL;
		if (r->table != RT_TABLE_MAIN || r->proto == skip ||
		    (copies && r->proto == PROTO_ZEBRA_STATIC) ||
		    (r->type == RTN_UNICAST && (!l || !l->pub.admin_up)))
			continue;
		if (!best || r->metric < best->metric)
			best = r;
	}
	return best;
}

bool kernel_next_hop(const struct kernel *k, const struct ip_addr *dst, uint8_t skip,
		     struct kernel_next_hop *out)
{
	for (int len = dst->family == 4 ? 32 : 128; len >= 0; len--) {
		struct ip_prefix p = {.addr = *dst, .len = (uint8_t)len};
		p = prefix_mask(&p);
		const struct route_entry *e = route_entry_find(k, &p);
		const struct route *r = e ? entry_pick(k, e, skip) : NULL;
		if (!r)
			continue;
		if (r->type != RTN_UNICAST)
			return false;  // a blackhole is an answer too
		*out = (struct kernel_next_hop){.gateway = r->gateway};
		memcpy(out->interface, link_get(k, r->oif)->pub.name, sizeof(out->interface));
		return true;
	}
	return false;
}
