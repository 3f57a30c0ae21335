// Which configured flow a peer's traffic selectors belong to (RFC 4301 4.4.1: the SPD is ordered;
// here an equal flow beats an earlier one that only covers, so that both ends pair their lines).

#include "ike/ts.h"

#include "ike/peer_list.h"

const struct tunnel_flow *ts_flow(const struct ike *ike, const struct ip_addr *local,
				  const struct ip_addr *remote, const struct selector *sel)
{
	const struct tunnel_flow *covering = NULL;

	for (unsigned i = 0; ike->tunnels && i < ike->tunnels->count; i++) {
		const struct tunnel *t = ike->tunnels->all[i];

		if (!tunnel_has_peer(t, local, remote))
			continue;
		for (unsigned k = 0; k < t->flow_count; k++) {
			const struct tunnel_flow *f = &t->flows[k];

			if (selector_equal(&f->sel, sel))
				return f;
			if (!covering && selector_covers(&f->sel, sel))
				covering = f;
		}
	}
	return covering;
}
