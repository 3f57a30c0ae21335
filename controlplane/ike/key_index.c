// Host keys sorted by address; networks stay a list. See key_index.h.

#include "ike/key_index.h"

#include <errno.h>
#include <stdlib.h>

static bool is_host(const struct isakmp_key *k)
{
	return !k->by_hostname && k->peer.len == addr_len(&k->peer.addr) * 8;
}

static int key_order(const void *a, const void *b)
{
	const struct isakmp_key *x = *(const struct isakmp_key *const *)a;
	const struct isakmp_key *y = *(const struct isakmp_key *const *)b;

	return addr_compare(&x->peer.addr, &y->peer.addr);
}

static int find_order(const void *key, const void *elem)
{
	return addr_compare(key, &(*(const struct isakmp_key *const *)elem)->peer.addr);
}

int key_index_build(struct ike *ike, const struct config *c)
{
	const struct isakmp_key *k, **host, **net;
	size_t hosts = 0, nets = 0, max = 1;

	TAILQ_FOREACH (k, &c->isakmp_keys, link)
		max++;
	host = calloc(max, sizeof(struct isakmp_key *));
	net = calloc(max, sizeof(struct isakmp_key *));
	if (!host || !net) {
		free(host);
		free(net);
		return -ENOMEM;
	}
	TAILQ_FOREACH (k, &c->isakmp_keys, link) {
		if (is_host(k))
			host[hosts++] = k;
		else if (!k->by_hostname)
			net[nets++] = k;
	}
	qsort(host, hosts, sizeof(struct isakmp_key *), key_order);
	key_index_fini(ike);
	ike->host_keys = host;
	ike->host_key_count = hosts;
	ike->net_keys = net;
	ike->net_key_count = nets;
	return 0;
}

void key_index_fini(struct ike *ike)
{
	free(ike->host_keys);
	free(ike->net_keys);
	ike->host_keys = ike->net_keys = NULL;
	ike->host_key_count = ike->net_key_count = 0;
}

const struct isakmp_key *key_index_lookup(const struct ike *ike, const struct ip_addr *peer)
{
	const struct isakmp_key *best = NULL, **host;

	host = ike->host_key_count ? bsearch(peer, ike->host_keys, ike->host_key_count,
					     sizeof(struct isakmp_key *), find_order)
				   : NULL;
	if (host)
		return *host;
	for (size_t i = 0; i < ike->net_key_count; i++) {
		const struct isakmp_key *k = ike->net_keys[i];

		if (prefix_contains(&k->peer, peer) && (!best || k->peer.len > best->peer.len))
			best = k;
	}
	return best;
}
