// The rtnetlink sockets of the kernel mirror: subscription, dumps, overruns, requests.
//
// Dumps are asked for on the very socket that receives the notifications, so everything arrives
// in the order in which the kernel did it and a stale dump line never follows a newer
// notification. A dump is read a few buffers per loop turn. When the socket overruns (ENOBUFS) or
// a dump was interrupted, everything is dumped again and what is not seen then is removed.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mirror.h"

#define RECEIVE_BUFFER  (4 << 20)
#define TURN_BUDGET_US  2000  // reading per loop turn; the socket keeps the rest
#define DUMP_TIMEOUT_MS 10000

static const struct {
	uint16_t type;
	uint8_t family;
} dump_plan[] = {
	{RTM_GETLINK, AF_UNSPEC}, {RTM_GETADDR, AF_UNSPEC}, {RTM_GETROUTE, AF_INET},
	{RTM_GETROUTE, AF_INET6}, {RTM_GETNEIGH, AF_INET},  {RTM_GETNEIGH, AF_INET6},
};
#define DUMP_STEPS ((int)(sizeof(dump_plan) / sizeof(dump_plan[0])))

struct ip_addr attr_addr(uint8_t family, const struct nlattr *a)
{
	uint8_t ours = family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0;
	if (!a || !ours || nla_len(a) != (ours == 4 ? 4 : 16))
		return addr_none();
	return addr_from_bytes(ours, nla_data(a));
}

static void dump_step(struct kernel *k)
{
	struct {
		struct nlmsghdr nh;
		struct rtgenmsg gen;
		uint8_t pad[32];  // the kernel wants the full header of each type
	} req = {
		.nh = {.nlmsg_type = dump_plan[k->dump].type,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		       .nlmsg_seq = ++k->dump_seq},
		.gen = {.rtgen_family = dump_plan[k->dump].family},
	};

	size_t body = req.nh.nlmsg_type == RTM_GETLINK    ? sizeof(struct ifinfomsg)
		      : req.nh.nlmsg_type == RTM_GETADDR  ? sizeof(struct ifaddrmsg)
		      : req.nh.nlmsg_type == RTM_GETROUTE ? sizeof(struct rtmsg)
							  : sizeof(struct ndmsg);
	req.nh.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	if (send(nl_socket_get_fd(k->mirror), &req, req.nh.nlmsg_len, 0) < 0) {
		// EBUSY or ENOBUFS: the tick tries again
		k->dump = -1;
		k->dump_wanted = true;
	}
}

static void dump_begin(struct kernel *k)
{
	k->dump_wanted = false;
	k->dump_interrupted = false;
	k->generation++;
	k->dump = 0;
	k->dump_since_ms = loop_now_ms(k->loop);
	k->stats.resyncs++;
	dump_step(k);
}

void mirror_dump(struct kernel *k)
{
	k->dump_wanted = true;
	if (k->dump < 0)
		loop_timer_start(&k->again, 20);
}

static void dump_next(struct kernel *k)
{
	k->dump_since_ms = loop_now_ms(k->loop);
	if (++k->dump < DUMP_STEPS) {
		dump_step(k);
		return;
	}
	k->dump = -1;
	if (k->dump_interrupted || k->dump_wanted) {
		mirror_dump(k);
		return;
	}
	link_sweep(k);
	addr_sweep(k);
	neigh_sweep(k);
	route_walk(k, true);
	if (!k->synced)
		log_debug(DEBUG_KERNEL, "kernel tables read: %u links, %u routes", k->stats.links,
			  k->stats.routes);
	k->synced = true;
}

static void message(struct kernel *k, const struct nlmsghdr *nh)
{
	k->stats.messages++;
	if (nh->nlmsg_flags & NLM_F_DUMP_INTR)
		k->dump_interrupted = true;
	switch (nh->nlmsg_type) {
	case NLMSG_DONE:
	case NLMSG_ERROR:  // a kernel without IPv6 refuses that dump: the step is empty
		if (k->dump >= 0 && nh->nlmsg_seq == k->dump_seq)
			dump_next(k);
		break;
	case RTM_NEWLINK: link_message(k, nh, false); break;
	case RTM_DELLINK: link_message(k, nh, true); break;
	case RTM_NEWADDR: addr_message(k, nh, false); break;
	case RTM_DELADDR: addr_message(k, nh, true); break;
	case RTM_NEWROUTE: route_message(k, nh, false); break;
	case RTM_DELROUTE: route_message(k, nh, true); break;
	case RTM_NEWNEIGH: neigh_message(k, nh, false); break;
	case RTM_DELNEIGH: neigh_message(k, nh, true); break;
	default: break;
	}
}

static void overrun(struct kernel *k)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	k->stats.overruns++;
	log_event_limited(&rl, "KERNEL", LOG_L_NOTICE, "RESYNC",
			  "Notifications of the kernel were lost; reading its tables again");
	k->dump = -1;  // what was running may have lost its end too
	mirror_dump(k);
}

static void mirror_readable(void *ctx, int fd, unsigned events)
{
	static uint8_t buf[64 << 10] __attribute__((aligned(8)));
	struct kernel *k = ctx;

	uint64_t end = loop_clock_us() + TURN_BUDGET_US;
	while (loop_clock_us() < end) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC,
				     (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == ENOBUFS) {
			overrun(k);
			return;
		}
		if (n < 0)
			return;
		if (from.nl_pid != 0)
			continue;  // another process, not the kernel
		if ((size_t)n > sizeof(buf)) {
			overrun(k);
			return;
		}
		int left = (int)n;
		for (struct nlmsghdr *nh = (struct nlmsghdr *)buf; nlmsg_ok(nh, left);
		     nh = nlmsg_next(nh, &left))
			message(k, nh);
	}
}

int netlink_talk(struct kernel *k, struct nl_msg *msg)
{
	if (!msg)
		return -ENOMEM;
	// nl_send_sync frees msg and waits for the ack, which rtnetlink queues within sendmsg().
	int rc = nl_send_sync(k->request, msg);
	if (rc >= 0)
		return 0;
	switch (-rc) {
	case NLE_EXIST: return -EEXIST;
	case NLE_OBJ_NOTFOUND: return -ESRCH;
	case NLE_NODEV: return -ENODEV;
	case NLE_NOADDR: return -EADDRNOTAVAIL;
	case NLE_NOMEM: return -ENOMEM;
	case NLE_PERM: return -EPERM;
	case NLE_BUSY: return -EBUSY;
	case NLE_INVAL: return -EINVAL;
	case NLE_OPNOTSUPP: return -EOPNOTSUPP;
	default: return -EIO;
	}
}

static void tick(void *ctx, uint64_t now_ms)
{
	struct kernel *k = ctx;
	if (k->dump >= 0 && now_ms - k->dump_since_ms > DUMP_TIMEOUT_MS) {
		k->dump = -1;
		k->dump_wanted = true;
	}
	if (k->dump_wanted && k->dump < 0)
		dump_begin(k);
	neigh_refresh(k);
}

static void again(void *ctx, uint64_t now_ms)
{
	struct kernel *k = ctx;
	if (k->dump_wanted && k->dump < 0)
		dump_begin(k);
}

static void slice(void *ctx, uint64_t now_ms)
{
	route_walk_slice(ctx);
}

static int sockets_open(struct kernel *k, struct err *err)
{
	static const int groups[] = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				     RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEIGH};

	k->mirror = nl_socket_alloc();
	k->request = nl_socket_alloc();
	if (!k->mirror || !k->request)
		return err_set(err, -ENOMEM, "Not enough memory for the netlink sockets");
	if (nl_connect(k->mirror, NETLINK_ROUTE) < 0 || nl_connect(k->request, NETLINK_ROUTE) < 0)
		return err_set(err, -EIO, "Cannot open a netlink socket to the kernel");
	nl_socket_set_buffer_size(k->mirror, RECEIVE_BUFFER, 0);
	int force = RECEIVE_BUFFER;  // beyond rmem_max when we may
	(void)setsockopt(nl_socket_get_fd(k->mirror), SOL_SOCKET, SO_RCVBUFFORCE, &force,
			 sizeof(force));
	nl_socket_set_nonblocking(k->mirror);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (nl_socket_add_membership(k->mirror, groups[i]) < 0)
			return err_set(err, -EIO, "The kernel refuses netlink group %d", groups[i]);
	return 0;
}

struct kernel *kernel_create(struct loop *loop, const struct kernel_ops *ops, struct err *err)
{
	struct kernel *k = calloc(1, sizeof(*k));
	if (!k) {
		err_set(err, -ENOMEM, "Not enough memory for the kernel mirror");
		return NULL;
	}
	k->loop = loop;
	k->ops = *ops;
	k->dump = -1;
	k->fd.fd = -1;
	loop_timer_init(&k->tick, loop, "kernel tick", tick, k);
	loop_timer_init(&k->again, loop, "kernel dump", again, k);
	loop_timer_init(&k->slice, loop, "kernel walk", slice, k);
	if (route_init(k)) {
		err_set(err, -ENOMEM, "Not enough memory for the kernel mirror");
		goto fail;
	}
	if (sockets_open(k, err))
		goto fail;
	int rc = loop_fd_add(&k->fd, loop, "rtnetlink", nl_socket_get_fd(k->mirror), LOOP_READ,
			     mirror_readable, k);
	if (rc) {
		k->fd.fd = -1;
		err_set(err, rc, "Cannot watch the netlink socket");
		goto fail;
	}
	loop_timer_repeat(&k->tick, 1000);
	dump_begin(k);
	return k;
fail:
	kernel_destroy(k);
	return NULL;
}

void kernel_catch_up(struct kernel *k)
{
	if (k->fd.fd >= 0)
		mirror_readable(k, k->fd.fd, LOOP_READ);
}

void kernel_destroy(struct kernel *k)
{
	if (!k)
		return;
	if (k->fd.fd >= 0)
		loop_fd_del(&k->fd);
	loop_timer_fini(&k->tick);
	loop_timer_fini(&k->again);
	loop_timer_fini(&k->slice);
	nl_socket_free(k->mirror);
	nl_socket_free(k->request);
	k->generation++;  // nothing has this generation: the sweeps empty the tables
	k->feeding = false;
	k->ops.link = NULL;
	k->ops.addr = NULL;
	link_sweep(k);
	addr_sweep(k);
	mirror_neigh_fini(k);
	route_fini(k);
	free(k);
}

void kernel_get_stats(const struct kernel *k, struct kernel_stats *out)
{
	*out = k->stats;
	out->synced = k->synced;
}
