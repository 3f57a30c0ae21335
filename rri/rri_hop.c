// Which routes an SA or an access list line asks for.
//
//   reverse-route                 proxy, by the way the peer is reached, if that way leaves through
//                                 the interface that bears the map; else on that interface's link
//   reverse-route remote-peer     host route to the peer through that interface, proxy via the peer
//   reverse-route remote-peer A   proxy via A
//
// The kernel takes only next hops on a link, so "via the peer" is installed with the gateway that
// leads to the peer: the recursion is resolved here, and again whenever the kernel's routes change.
// A plain route never leaves through another interface than the map's: there its packets would
// meet no policy and pass in clear.
#include <stdio.h>
#include <string.h>

#include "rri_private.h"

static void spec_set(struct rri_spec *s, const struct ip_prefix *dst, const struct ip_addr *gateway,
		     const char *interface)
{
	*s = (struct rri_spec){.dst = prefix_mask(dst), .gateway = *gateway};
	snprintf(s->interface, sizeof(s->interface), "%s", interface);
}

static bool host_of(const struct ip_prefix *p, const struct ip_addr *a)
{
	return addr_equal(&p->addr, a) && p->len == (a->family == 4 ? 32 : 128);
}

unsigned rri_specs(const struct rri_env *env, const struct tunnel *t, const struct ip_prefix *dst,
		   const struct ip_addr *peer, struct rri_spec out[RRI_OWNER_ROUTES])
{
	const struct reverse_route *rr = &t->reverse_route;
	const struct ip_addr none = addr_none();
	struct kernel_next_hop hop;
	char bearer[16];

	if (rr->kind == RR_REMOTE_PEER_ADDR) {
		if (!env->next_hop(env->ctx, &rr->next_hop, &hop))
			return 0;
		spec_set(&out[0], dst, addr_is_set(&hop.gateway) ? &hop.gateway : &rr->next_hop,
			 hop.interface);
		return 1;
	}
	if (rr->kind == RR_NONE || !env->kernel_if(env->ctx, t->interface, bearer))
		return 0;
	bool here = addr_is_set(peer) && env->next_hop(env->ctx, peer, &hop) &&
		    strcmp(hop.interface, bearer) == 0;
	const struct ip_addr *via = !here ? &none : addr_is_set(&hop.gateway) ? &hop.gateway : peer;
	if (rr->kind == RR_PLAIN) {
		// the peer itself as what is protected (transport mode): the way to it, on the link
		spec_set(&out[0], dst, host_of(dst, via) ? &none : via, bearer);
		return 1;
	}
	if (!addr_is_set(peer))
		return 0;
	const struct ip_prefix host = {*peer, peer->family == 4 ? 32 : 128};
	spec_set(&out[0], &host, addr_equal(via, peer) ? &none : via, bearer);
	if (host_of(dst, peer))
		return 1;
	spec_set(&out[1], dst, here ? via : peer, bearer);
	return 2;
}
