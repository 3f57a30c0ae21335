// Keeps the association on its interfaces: what leaves the box for the other one with the link's
// port passes only by an interface that has the packet's source address, and only from a configured
// one. SCTP of its own does not care: when a route goes away it sends by the next best one (RFC
// 9260 6.4 leaves that to the routing table), with several addresses even by an interface without
// any.
//
// Both drivers' packets pass the kernel's hooks, so the rules are netfilter's: a table of our
// own that belongs to its netlink socket, so that nobody flushes it and it goes with the process.
// Addresses that come, go or move give the rules anew.
#include "link_guard.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "link_guard_answer.h"
#include "link_guard_rules.h"
#include "link_sockaddr.h"
#include "log.h"
#include "loop.h"

#define ANSWER_MAX 8192
#define AGAIN_MS   1000

struct link_guard {
	struct link_params p;  // without the secret
	struct guard_interfaces interfaces;
	struct loop_fd changes;
	struct loop_timer again;
	int nft_fd, changes_fd;
	uint32_t seq;
	char table[32];
};

// ---- who has which address ----------------------------------------------------------------------

static void interfaces_find(const struct link_params *p, struct guard_interfaces *out)
{
	struct ifaddrs *list = NULL;

	memset(out, 0, sizeof(*out));
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		uint16_t port;
		size_t size;
		struct ip_addr a =
			i->ifa_addr ? sockaddr_addr(i->ifa_addr, &port, &size) : addr_none();

		for (unsigned l = 0; l < p->locals; l++) {
			if (!addr_is_set(&a) || !addr_equal(&a, &p->local[l]))
				continue;
			unsigned ifindex = if_nametoindex(i->ifa_name);

			if (ifindex)
				guard_interfaces_add(out, ifindex, l);
		}
	}
	freeifaddrs(list);
}

int link_guard_device(const struct link_params *p, char *name, size_t cap)
{
	struct guard_interfaces g;
	char text[IF_NAMESIZE];

	interfaces_find(p, &g);
	if (g.n != 1 || g.list[0].locals != (1u << p->locals) - 1 ||
	    !if_indextoname(g.list[0].ifindex, text) || strlen(text) >= cap)
		return -ENODEV;
	memcpy(name, text, strlen(text) + 1);
	return 0;
}

// ---- the rules ----------------------------------------------------------------------------------

// The kernel works on a batch inside of send: its answers wait.
static int answers(struct link_guard *g, uint32_t last)
{
	struct guard_answers a = {.first = g->seq, .last = last};
	uint8_t bytes[ANSWER_MAX];

	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(g->nft_fd, bytes, sizeof(bytes), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? guard_answers_result(&a) : -errno;
		// another process may write to this socket, and has nothing to say here
		if (len == sizeof(from) && from.nl_pid == 0)
			guard_answers_read(&a, bytes, (size_t)n);
	}
}

static int rules_set(struct link_guard *g, bool create)
{
	struct guard_batch *b = malloc(sizeof(*b));
	const struct guard_rules r = {
		.link = &g->p,
		.interfaces = &g->interfaces,
		.loopback = if_nametoindex("lo"),
		.table = g->table,
		.create = create,
		.seq = g->seq,
	};

	if (!b)
		return -ENOMEM;
	int ret = guard_batch_encode(b, &r);

	if (ret == 0 && send(g->nft_fd, b->bytes, b->used, 0) < 0)
		ret = -errno;
	if (ret == 0)
		ret = answers(g, b->last);
	g->seq = b->last + 2;  // and the end of the batch
	free(b);
	return ret;
}

// ---- addresses that change ----------------------------------------------------------------------

static void look(struct link_guard *g)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct guard_interfaces now, before = g->interfaces;

	interfaces_find(&g->p, &now);
	if (memcmp(&now, &before, sizeof(now)) == 0)
		return;
	g->interfaces = now;
	int ret = rules_set(g, false);

	if (ret == 0)
		return;
	// the old ones hold: they are what is compared with the next time
	g->interfaces = before;
	loop_timer_start(&g->again, AGAIN_MS);
	log_event_limited(&rl, "REDUNDANCY", LOG_L_ERR, "LINK_GUARD",
			  "Replication link: its interfaces changed, the rules did not: %s",
			  strerror(-ret));
}

static void again_expired(void *ctx, uint64_t now_ms)
{
	look(ctx);
}

// What the kernel says is not read: something changed, and all is looked at.
static void changed(void *ctx, int fd, unsigned events)
{
	uint8_t sink[4096];

	for (unsigned i = 0; i < 64 && recv(fd, sink, sizeof(sink), MSG_DONTWAIT) >= 0; i++)
		;
	look(ctx);
}

static int changes_open(struct link_guard *g, struct loop *loop)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK,
				 .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};

	g->changes_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (g->changes_fd < 0 || bind(g->changes_fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	return loop_fd_add(&g->changes, loop, "link guard", g->changes_fd, LOOP_READ, changed, g);
}

static void refused(const struct link_guard *g, int ret, struct err *err)
{
	if (ret == -EPERM || ret == -EACCES)
		err_set(err, ret, "no CAP_NET_ADMIN");
	else if (ret == -EOPNOTSUPP || ret == -EAFNOSUPPORT || ret == -EPROTONOSUPPORT)
		err_set(err, ret, "the kernel has no nf_tables for IPv%u", g->p.local[0].family);
	else
		err_set(err, ret, "%s", strerror(-ret));
}

struct link_guard *link_guard_create(struct loop *loop, const struct link_params *p,
				     struct err *err)
{
	static atomic_uint count;
	struct link_guard *g = calloc(1, sizeof(*g));

	if (!g) {
		err_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	g->p = *p;
	memset(g->p.secret, 0, sizeof(g->p.secret));
	g->changes_fd = -1;
	loop_timer_init(&g->again, loop, "link guard", again_expired, g);
	g->seq = (uint32_t)loop_clock_us();
	snprintf(g->table, sizeof(g->table), "tandem_link_%d_%u", getpid(), ++count);
	g->nft_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int ret = g->nft_fd < 0 ? -errno : changes_open(g, loop);

	if (ret == 0) {
		interfaces_find(&g->p, &g->interfaces);
		ret = rules_set(g, true);
	}
	if (ret == 0)
		return g;
	refused(g, ret, err);
	link_guard_destroy(g);
	return NULL;
}

void link_guard_destroy(struct link_guard *g)
{
	if (!g)
		return;
	loop_timer_fini(&g->again);
	loop_fd_del(&g->changes);
	if (g->changes_fd >= 0)
		close(g->changes_fd);
	if (g->nft_fd >= 0)
		close(g->nft_fd);  // and the table is gone
	free(g);
}
