// Addresses of the kernel's interfaces: only followed, to tell who asks (start-up warnings, later
// tracking) and because the kernel removes IPv4 routes silently together with an address.

#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"

static bool is_link_local(const struct ip_addr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static void link_count(struct kernel *k, const struct addr_entry *e, int by)
{
	struct link *l = link_get(k, e->ifindex);
	if (l && !is_link_local(&e->addr.addr))
		l->pub.addresses += (unsigned)by;
}

static void addr_remove(struct kernel *k, struct addr_entry *e)
{
	LIST_REMOVE(e, next);
	k->stats.addrs--;
	link_count(k, e, -1);
	if (k->ops.addr)
		k->ops.addr(k->ops.ctx, e->ifindex, &e->addr, true);
	free(e);
}

static struct addr_entry *addr_get(const struct kernel *k, int ifindex, const struct ip_prefix *p)
{
	struct addr_entry *e;
	LIST_FOREACH (e, &k->addrs, next)
		if (e->ifindex == ifindex && e->addr.len == p->len &&
		    addr_equal(&e->addr.addr, &p->addr))
			return e;
	return NULL;
}

void addr_message(struct kernel *k, const struct nlmsghdr *nh, bool gone)
{
	struct nlattr *tb[IFA_MAX + 1];
	if (nlmsg_parse((struct nlmsghdr *)nh, sizeof(struct ifaddrmsg), tb, IFA_MAX, NULL) < 0) {
		k->stats.malformed++;
		return;
	}
	const struct ifaddrmsg *ifa = nlmsg_data(nh);
	// On point-to-point links IFA_ADDRESS is the other end's.
	struct ip_prefix p = {
		.addr = attr_addr(ifa->ifa_family, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]),
		.len = ifa->ifa_prefixlen,
	};
	if (!addr_is_set(&p.addr))
		return;
	struct addr_entry *e = addr_get(k, (int)ifa->ifa_index, &p);
	if (gone) {
		if (e)
			addr_remove(k, e);
		mirror_dump(k);  // IPv4 routes with this source are gone without a message
		return;
	}
	if (e) {
		e->generation = k->generation;
		return;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->ifindex = (int)ifa->ifa_index;
	e->addr = p;
	e->generation = k->generation;
	LIST_INSERT_HEAD(&k->addrs, e, next);
	k->stats.addrs++;
	link_count(k, e, 1);
	if (k->ops.addr)
		k->ops.addr(k->ops.ctx, e->ifindex, &e->addr, false);
}

void addr_sweep(struct kernel *k)
{
	struct addr_entry *e = LIST_FIRST(&k->addrs);
	while (e) {
		struct addr_entry *next = LIST_NEXT(e, next);
		if (e->generation != k->generation)
			addr_remove(k, e);
		e = next;
	}
}
