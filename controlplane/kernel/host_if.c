// Changes to the kernel: link state and MTU, addresses, routes of ours, per-interface settings.
//
// Our IPv4 addresses carry the label "IF:tandem", our routes a protocol number, so that what a
// crashed instance left behind can be told from what somebody else configured.

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mirror.h"

#define LABEL_SUFFIX ":tandem"

static int ifindex_of(struct kernel *k, const char *name, struct err *err)
{
	// A tap made a moment ago is not in the mirror yet: ask the kernel itself.
	unsigned idx = if_nametoindex(name);
	if (!idx)
		return err_set(err, -ENODEV, "Interface %s does not exist in the kernel", name);
	return (int)idx;
}

int kernel_link_set(struct kernel *k, const char *name, bool up, uint16_t mtu, struct err *err)
{
	int idx = ifindex_of(k, name, err);
	if (idx < 0)
		return idx;
	struct ifinfomsg ifi = {
		.ifi_index = idx, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_REQUEST);
	if (!msg)
		return -ENOMEM;
	if (nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) < 0 ||
	    (mtu && nla_put_u32(msg, IFLA_MTU, mtu) < 0)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	int rc = netlink_talk(k, msg);
	return rc ? err_set(err, rc, "The kernel refuses to set interface %s %s: %s", name,
			    up ? "up" : "down", strerror(-rc))
		  : 0;
}

static void sysctl_write(const char *name, const char *family, const char *key, const char *value)
{
	char path[128];
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, name, key);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;  // no IPv6, or a read-only /proc: the data plane's checks still stand
	if (write(fd, value, strlen(value)) < 0)
		log_debug(DEBUG_KERNEL, "%s: cannot write %s", path, value);
	close(fd);
}

// The policy decision must come first: what the data plane hands to the host must never be
// forwarded by the kernel to another port behind its back.
void kernel_host_if_prepare(const char *name)
{
	sysctl_write(name, "ipv4", "forwarding", "0");
	sysctl_write(name, "ipv4", "rp_filter", "0");
	sysctl_write(name, "ipv4", "accept_redirects", "0");
	sysctl_write(name, "ipv4", "send_redirects", "0");
	// An address of another port is not answered for here, and a virtual address is never
	// named as the sender of an ARP request: hosts would learn the port's MAC for it.
	sysctl_write(name, "ipv4", "arp_ignore", "1");
	sysctl_write(name, "ipv4", "arp_announce", "2");
	sysctl_write(name, "ipv6", "forwarding", "0");
	sysctl_write(name, "ipv6", "accept_ra", "0");
	sysctl_write(name, "ipv6", "accept_redirects", "0");
}

static int addr_request(struct kernel *k, int type, int flags, const char *name,
			const struct ip_prefix *addr, struct err *err)
{
	int idx = ifindex_of(k, name, err);
	if (idx < 0)
		return idx;
	bool v4 = addr->addr.family == 4;
	struct ifaddrmsg ifa = {
		.ifa_family = v4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = addr->len,
		// duplicate detection would keep the address from use for a second
		.ifa_flags = v4 ? 0 : IFA_F_NODAD,
		.ifa_index = (unsigned)idx,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	if (!msg)
		return -ENOMEM;
	int len = (int)addr_len(&addr->addr);
	char label[IFNAMSIZ];
	int n = snprintf(label, sizeof(label), "%s" LABEL_SUFFIX, name);
	bool labelled = v4 && type == RTM_NEWADDR && n > 0 && n < (int)sizeof(label);
	if (nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO) < 0 ||
	    nla_put(msg, IFA_LOCAL, len, addr->addr.bytes) < 0 ||
	    nla_put(msg, IFA_ADDRESS, len, addr->addr.bytes) < 0 ||
	    (labelled && nla_put_string(msg, IFA_LABEL, label) < 0)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	if (v4 && type == RTM_NEWADDR && addr->len < 31) {
		uint32_t bcast = addr_to_v4(&addr->addr) |
				 (addr->len ? UINT32_MAX >> addr->len : UINT32_MAX);
		struct ip_addr b = addr_from_v4(bcast);
		if (nla_put(msg, IFA_BROADCAST, 4, b.bytes) < 0) {
			nlmsg_free(msg);
			return -ENOMEM;
		}
	}
	return netlink_talk(k, msg);
}

int kernel_addr_add(struct kernel *k, const char *name, const struct ip_prefix *addr, bool *ours,
		    struct err *err)
{
	char text[PREFIX_STR_MAX];
	int rc = addr_request(k, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, name, addr, err);
	*ours = rc == 0;
	if (rc == 0 || rc == -EEXIST)
		return 0;
	if (rc == -ENODEV)
		return rc;
	return err_set(err, rc, "The kernel refuses address %s on %s: %s",
		       prefix_format(addr, text, sizeof(text)), name, strerror(-rc));
}

int kernel_addr_del(struct kernel *k, const char *name, const struct ip_prefix *addr,
		    struct err *err)
{
	char text[PREFIX_STR_MAX];
	int rc = addr_request(k, RTM_DELADDR, 0, name, addr, err);
	if (rc == 0 || rc == -EADDRNOTAVAIL || rc == -ENODEV || rc == -ESRCH)
		return 0;
	return err_set(err, rc, "The kernel refuses to remove address %s from %s: %s",
		       prefix_format(addr, text, sizeof(text)), name, strerror(-rc));
}

// Of the other family than the destination: RTA_VIA (an IPv4 network behind an IPv6 router).
static int gateway_put(struct nl_msg *msg, const struct ip_prefix *dst, const struct ip_addr *a)
{
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = {.family = a->family == 4 ? AF_INET : AF_INET6};
	int len = (int)addr_len(a);

	if (a->family == dst->addr.family)
		return nla_put(msg, RTA_GATEWAY, len, a->bytes);
	memcpy(via.bytes, a->bytes, (size_t)len);
	return nla_put(msg, RTA_VIA, (int)sizeof(via.family) + len, &via);
}

static int route_request(struct kernel *k, int type, int flags, const struct kernel_route_spec *r,
			 struct err *err)
{
	bool v4 = r->dst.addr.family == 4;
	struct rtmsg rtm = {
		.rtm_family = v4 ? AF_INET : AF_INET6,
		.rtm_dst_len = r->dst.len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = r->proto,
		.rtm_scope = addr_is_set(&r->gateway) || r->blackhole || !v4 ? RT_SCOPE_UNIVERSE
									     : RT_SCOPE_LINK,
		.rtm_type = r->blackhole ? RTN_BLACKHOLE : RTN_UNICAST,
	};
	int oif = 0;
	if (r->interface && !r->blackhole) {
		oif = ifindex_of(k, r->interface, err);
		if (oif < 0)
			return oif;
	}
	if (type == RTM_DELROUTE)
		rtm.rtm_scope = RT_SCOPE_NOWHERE;  // any scope matches
	struct ip_prefix dst = prefix_mask(&r->dst);
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	if (!msg)
		return -ENOMEM;
	int len = (int)addr_len(&dst.addr);
	if (nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) < 0 ||
	    (dst.len && nla_put(msg, RTA_DST, len, dst.addr.bytes) < 0) ||
	    nla_put_u32(msg, RTA_PRIORITY, r->metric) < 0 ||
	    (oif && nla_put_u32(msg, RTA_OIF, (uint32_t)oif) < 0) ||
	    (addr_is_set(&r->gateway) && !r->blackhole &&
	     gateway_put(msg, &dst, &r->gateway) < 0)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return netlink_talk(k, msg);
}

int kernel_route_add(struct kernel *k, const struct kernel_route_spec *r, struct err *err)
{
	char text[PREFIX_STR_MAX];
	int rc = route_request(k, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, r, err);
	if (rc == 0 || rc == -EEXIST)
		return 0;
	if (rc == -ENODEV)
		return rc;
	return err_set(err, rc, "The kernel does not take route %s yet (next hop not reachable)",
		       prefix_format(&r->dst, text, sizeof(text)));
}

int kernel_route_del(struct kernel *k, const struct kernel_route_spec *r, struct err *err)
{
	char text[PREFIX_STR_MAX];
	int rc = route_request(k, RTM_DELROUTE, 0, r, err);
	if (rc == 0 || rc == -ESRCH || rc == -ENODEV)
		return 0;
	return err_set(err, rc, "The kernel refuses to remove route %s: %s",
		       prefix_format(&r->dst, text, sizeof(text)), strerror(-rc));
}
