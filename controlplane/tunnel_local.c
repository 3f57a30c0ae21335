// Our end of a tunnel: the address of the standby group that the map names, of the interface that
// `local-address` names, or of the interface that bears the map.
#include <string.h>

#include "tunnel.h"

struct ip_addr tunnel_virtual_address(const struct config *c, const char *name)
{
	const struct interface_config *i;
	const struct standby_group *g;

	if (!name[0])
		return addr_none();
	TAILQ_FOREACH (i, &c->interfaces, link)
		TAILQ_FOREACH (g, &i->standby, link)
			if (g->ip_set && !g->ipv6 && strcmp(g->name, name) == 0)
				return g->ip;
	return addr_none();
}

struct ip_addr tunnel_local_address(const struct config *c, const struct crypto_map *m,
				    const struct interface_config *ifc)
{
	struct ip_addr virtual = tunnel_virtual_address(c, ifc->redundancy);

	if (addr_is_set(&virtual))
		return virtual;
	if (m->local_interface[0]) {
		const struct interface_config *l = config_interface(c, m->local_interface);
		return l ? l->addr.addr : addr_none();
	}
	return ifc->addr.addr;
}
