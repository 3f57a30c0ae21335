// Kernel interfaces: index, name, state, and which data-plane port each one is the host side of.

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"

struct link *link_get(const struct kernel *k, int ifindex)
{
	struct link *l;
	LIST_FOREACH (l, &k->links, next)
		if (l->pub.ifindex == ifindex)
			return l;
	return NULL;
}

uint32_t link_port(const struct kernel *k, int ifindex)
{
	const struct link *l = link_get(k, ifindex);
	return l ? l->pub.port : 0;
}

static void link_remove(struct kernel *k, struct link *l)
{
	LIST_REMOVE(l, next);
	k->stats.links--;
	if (k->ops.link)
		k->ops.link(k->ops.ctx, &l->pub, true);
	free(l);
}

static struct link *link_add(struct kernel *k, int ifindex)
{
	struct link *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->pub.ifindex = ifindex;
	struct link *at, *last = NULL;  // ascending index, so that iteration can go on by index
	LIST_FOREACH (at, &k->links, next) {
		if (at->pub.ifindex > ifindex)
			break;
		last = at;
	}
	if (last)
		LIST_INSERT_AFTER(last, l, next);
	else
		LIST_INSERT_HEAD(&k->links, l, next);
	k->stats.links++;
	return l;
}

static bool link_differs(const struct kernel_link *a, const struct kernel_link *b)
{
	return strcmp(a->name, b->name) != 0 || a->admin_up != b->admin_up ||
	       a->carrier != b->carrier || a->mtu != b->mtu || a->port != b->port ||
	       memcmp(a->mac, b->mac, sizeof(a->mac)) != 0;
}

// Notifications of a bridge's ports come with the bridge family; they are not about the link.
void link_message(struct kernel *k, const struct nlmsghdr *nh, bool gone)
{
	struct nlattr *tb[IFLA_MAX + 1];
	if (nlmsg_parse((struct nlmsghdr *)nh, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0) {
		k->stats.malformed++;
		return;
	}
	const struct ifinfomsg *ifi = nlmsg_data(nh);
	if (ifi->ifi_family != AF_UNSPEC)
		return;
	struct link *l = link_get(k, ifi->ifi_index);
	if (gone) {
		route_link_down(k, ifi->ifi_index);
		if (l)
			link_remove(k, l);
		return;
	}
	bool fresh = !l;
	if (fresh && !(l = link_add(k, ifi->ifi_index)))
		return;
	struct kernel_link was = l->pub;
	l->generation = k->generation;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(l->pub.name, tb[IFLA_IFNAME], sizeof(l->pub.name));
	if (tb[IFLA_MTU] && nla_len(tb[IFLA_MTU]) == sizeof(uint32_t))
		l->pub.mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == 6)
		memcpy(l->pub.mac, nla_data(tb[IFLA_ADDRESS]), 6);
	l->pub.admin_up = ifi->ifi_flags & IFF_UP;
	l->pub.carrier = ifi->ifi_flags & IFF_RUNNING;
	l->pub.port = k->ops.port_of(l->pub.name);
	if (was.admin_up && !l->pub.admin_up)
		route_link_down(k, ifi->ifi_index);
	if (!was.admin_up && l->pub.admin_up && !fresh)
		mirror_dump(k);  // IPv6 brings routes back without naming each
	if (was.port != l->pub.port) {
		route_walk(k, false);
		neigh_push_all(k);
	}
	if (k->ops.link && (fresh || link_differs(&was, &l->pub)))
		k->ops.link(k->ops.ctx, &l->pub, false);
}

void link_sweep(struct kernel *k)
{
	struct link *l = LIST_FIRST(&k->links);
	while (l) {
		struct link *next = LIST_NEXT(l, next);
		if (l->generation != k->generation)
			link_remove(k, l);
		l = next;
	}
}

void kernel_ports_changed(struct kernel *k)
{
	struct link *l;
	LIST_FOREACH (l, &k->links, next)
		l->pub.port = k->ops.port_of(l->pub.name);
	route_walk(k, false);
	neigh_push_all(k);
}

void kernel_feed(struct kernel *k, bool on)
{
	k->feeding = on;
	if (on)
		kernel_ports_changed(k);
}

bool kernel_link_next(const struct kernel *k, int after, struct kernel_link *out)
{
	const struct link *l;
	LIST_FOREACH (l, &k->links, next) {
		if (l->pub.ifindex > after) {
			*out = l->pub;
			return true;
		}
	}
	return false;
}

bool kernel_link_by_name(const struct kernel *k, const char *name, struct kernel_link *out)
{
	const struct link *l;
	LIST_FOREACH (l, &k->links, next) {
		if (strcmp(l->pub.name, name) == 0) {
			*out = l->pub;
			return true;
		}
	}
	return false;
}
