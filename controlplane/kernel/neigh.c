// Neighbours (ARP and ND) of the host interfaces, mirrored into the data plane.
//
// The kernel sees none of the traffic that workers forward, so its entries would age into STALE
// and be collected while in use. Every STALE entry of a port is therefore used once in a while
// (NTF_USE), which makes the kernel probe it: a living neighbour stays, a dead one fails and goes.

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"

#define STALE_REFRESH_MS 15000
#define REFRESH_PER_TICK 64
#define NUD_USABLE       (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static uint32_t neigh_bucket(int ifindex, const struct ip_addr *a)
{
	uint32_t h = 2166136261u ^ (uint32_t)ifindex;
	size_t len = addr_len(a);
	for (size_t i = 0; i < len; i++)
		h = (h ^ a->bytes[i]) * 16777619u;
	return (h ^ (h >> 16)) & (NEIGH_BUCKETS - 1);
}

static struct neigh *neigh_get(struct kernel *k, int ifindex, const struct ip_addr *a)
{
	struct neigh *n;
	LIST_FOREACH (n, &k->neighs[neigh_bucket(ifindex, a)], next)
		if (n->ifindex == ifindex && addr_equal(&n->addr, a))
			return n;
	return NULL;
}

static void neigh_push(struct kernel *k, const struct neigh *n)
{
	uint32_t port = k->feeding ? link_port(k, n->ifindex) : 0;
	if (port)
		(void)k->ops.neigh_set(port, &n->addr, n->mac, n->valid);
}

static void neigh_remove(struct kernel *k, struct neigh *n)
{
	if (n->valid) {
		n->valid = false;
		neigh_push(k, n);
	}
	LIST_REMOVE(n, next);
	k->stats.neighbours--;
	free(n);
}

static struct neigh *neigh_add(struct kernel *k, int ifindex, const struct ip_addr *a)
{
	if (k->stats.neighbours >= NEIGH_MAX)
		return NULL;
	struct neigh *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->ifindex = ifindex;
	n->addr = *a;
	LIST_INSERT_HEAD(&k->neighs[neigh_bucket(ifindex, a)], n, next);
	k->stats.neighbours++;
	return n;
}

void neigh_message(struct kernel *k, const struct nlmsghdr *nh, bool gone)
{
	struct nlattr *tb[NDA_MAX + 1];
	if (nlmsg_parse((struct nlmsghdr *)nh, sizeof(struct ndmsg), tb, NDA_MAX, NULL) < 0) {
		k->stats.malformed++;
		return;
	}
	const struct ndmsg *ndm = nlmsg_data(nh);
	struct ip_addr addr = attr_addr(ndm->ndm_family, tb[NDA_DST]);
	if (!addr_is_set(&addr) || addr_is_multicast(&addr) || (ndm->ndm_flags & NTF_PROXY))
		return;
	struct neigh *n = neigh_get(k, ndm->ndm_ifindex, &addr);
	const struct nlattr *ll = tb[NDA_LLADDR];
	bool valid = !gone && (ndm->ndm_state & NUD_USABLE) && ll && nla_len(ll) == 6;
	if (gone || (!valid && !n)) {
		if (n)
			neigh_remove(k, n);
		return;
	}
	if (!n && !(n = neigh_add(k, ndm->ndm_ifindex, &addr)))
		return;
	n->generation = k->generation;
	if (n->state != ndm->ndm_state) {
		n->state = ndm->ndm_state;
		n->state_since_ms = loop_now_ms(k->loop);
	}
	bool changed = n->valid != valid || (valid && memcmp(n->mac, nla_data(ll), 6) != 0);
	n->valid = valid;
	if (valid)
		memcpy(n->mac, nla_data(ll), 6);
	if (changed)
		neigh_push(k, n);
	if (!valid && (ndm->ndm_state & NUD_FAILED))
		neigh_remove(k, n);
}

void neigh_sweep(struct kernel *k)
{
	for (uint32_t b = 0; b < NEIGH_BUCKETS; b++) {
		struct neigh *n = LIST_FIRST(&k->neighs[b]);
		while (n) {
			struct neigh *next = LIST_NEXT(n, next);
			if (n->generation != k->generation)
				neigh_remove(k, n);
			n = next;
		}
	}
}

void neigh_push_all(struct kernel *k)
{
	if (!k->feeding)
		return;
	for (uint32_t b = 0; b < NEIGH_BUCKETS; b++) {
		struct neigh *n;
		LIST_FOREACH (n, &k->neighs[b], next)
			if (n->valid)
				neigh_push(k, n);
	}
}

int kernel_neigh_fix(struct kernel *k, const char *name, const struct ip_addr *addr, bool add,
		     struct err *err)
{
	struct kernel_link link;
	char text[ADDR_STR_MAX];

	if (!kernel_link_by_name(k, name, &link))
		return err_set(err, -ENODEV, "There is no link %s", name);
	const struct ndmsg ndm = {
		.ndm_family = addr->family == 4 ? AF_INET : AF_INET6,
		.ndm_ifindex = link.ifindex,
		.ndm_state = NUD_PERMANENT,
	};
	struct nl_msg *msg =
		nlmsg_alloc_simple(add ? RTM_NEWNEIGH : RTM_DELNEIGH,
				   NLM_F_REQUEST | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0));
	if (!msg)
		return -ENOMEM;
	if (nlmsg_append(msg, (void *)&ndm, sizeof(ndm), NLMSG_ALIGNTO) < 0 ||
	    nla_put(msg, NDA_DST, (int)addr_len(addr), addr->bytes) < 0 ||
	    nla_put(msg, NDA_LLADDR, 6, link.mac) < 0) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	int rc = netlink_talk(k, msg);
	return rc ? err_set(err, rc, "The kernel refuses neighbour %s on %s: %s",
			    addr_format(addr, text, sizeof(text)), name, strerror(-rc))
		  : 0;
}

static void neigh_use(struct kernel *k, int ifindex, const struct ip_addr *addr)
{
	struct ndmsg ndm = {
		.ndm_family = addr->family == 4 ? AF_INET : AF_INET6,
		.ndm_ifindex = ifindex,
		.ndm_flags = NTF_USE,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE);
	if (!msg)
		return;
	if (nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO) < 0 ||
	    nla_put(msg, NDA_DST, (int)addr_len(addr), addr->bytes) < 0) {
		nlmsg_free(msg);
		return;
	}
	int rc = netlink_talk(k, msg);
	if (rc)
		log_debug(DEBUG_KERNEL, "neighbour request refused: %s", strerror(-rc));
}

// Starts where the last round ended; a handful per second, so a subnet full of hosts is spread.
void neigh_refresh(struct kernel *k)
{
	uint64_t now = loop_now_ms(k->loop);
	unsigned done = 0;

	for (uint32_t i = 0; i < NEIGH_BUCKETS && done < REFRESH_PER_TICK; i++) {
		struct neigh *n;
		LIST_FOREACH (n, &k->neighs[k->refresh_at], next) {
			if (!(n->state & NUD_STALE) || now - n->state_since_ms < STALE_REFRESH_MS ||
			    !link_port(k, n->ifindex))
				continue;
			n->state_since_ms = now;
			neigh_use(k, n->ifindex, &n->addr);
			done++;
		}
		k->refresh_at = (k->refresh_at + 1) & (NEIGH_BUCKETS - 1);
	}
}

void kernel_resolve(struct kernel *k, uint32_t port, const struct ip_addr *addr)
{
	struct link *l;
	LIST_FOREACH (l, &k->links, next) {
		if (l->pub.port != port)
			continue;
		struct neigh *n = neigh_get(k, l->pub.ifindex, addr);
		if (n && n->valid)
			neigh_push(k, n);  // the data plane has forgotten what we know
		neigh_use(k, l->pub.ifindex, addr);
		return;
	}
}

size_t kernel_neighbours(const struct kernel *k, uint32_t port, uint8_t family, struct ip_addr *out,
			 size_t max)
{
	size_t n = 0;

	for (uint32_t b = 0; b < NEIGH_BUCKETS && n < max; b++) {
		const struct neigh *e;
		LIST_FOREACH (e, &k->neighs[b], next)
			if (n < max && e->valid && e->addr.family == family &&
			    !addr_is_multicast(&e->addr) && link_port(k, e->ifindex) == port)
				out[n++] = e->addr;
	}
	return n;
}

void mirror_neigh_fini(struct kernel *k)
{
	for (uint32_t b = 0; b < NEIGH_BUCKETS; b++)
		while (!LIST_EMPTY(&k->neighs[b]))
			neigh_remove(k, LIST_FIRST(&k->neighs[b]));
}
