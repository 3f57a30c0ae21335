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

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link.h"
#include "link_sockaddr.h"
#include "log.h"
#include "loop.h"

#define BATCH_MAX  65536
#define STRANGERS  200  // their packets in a second: enough to be refused by name
#define OWNERS_MAX 8    // interfaces with one address

#ifndef NFT_TABLE_F_OWNER  // Linux 5.12
#define NFT_TABLE_F_OWNER 2
#endif

static const char chain_out[] = "out", chain_in[] = "in";

struct owner {
	unsigned local, ifindex;
};
struct owners {
	struct owner list[LINK_ADDRS_MAX * OWNERS_MAX];
	unsigned n;
};
struct link_guard {
	struct link_params p;  // without the secret
	struct owners owners;
	struct loop_fd changes;
	int nft_fd, changes_fd;
	uint32_t seq;
	char table[32];
};

// ---- who has which address ----------------------------------------------------------------------

static void owners_find(const struct link_params *p, struct owners *out)
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
			if (!addr_is_set(&a) || !addr_equal(&a, &p->local[l]) ||
			    out->n == sizeof(out->list) / sizeof(out->list[0]))
				continue;
			unsigned ifindex = if_nametoindex(i->ifa_name);

			if (ifindex)
				out->list[out->n++] = (struct owner){l, ifindex};
		}
	}
	freeifaddrs(list);
}

int link_guard_device(const struct link_params *p, char *name, size_t cap)
{
	struct owners o;
	char text[IF_NAMESIZE];
	unsigned seen = 0;

	owners_find(p, &o);
	for (unsigned i = 0; i < o.n; i++) {
		seen |= 1u << o.list[i].local;
		if (o.list[i].ifindex != o.list[0].ifindex)
			return -ENODEV;
	}
	if (seen != (1u << p->locals) - 1 || !if_indextoname(o.list[0].ifindex, text) ||
	    strlen(text) >= cap)
		return -ENODEV;
	memcpy(name, text, strlen(text) + 1);
	return 0;
}

// ---- messages of nf_tables ----------------------------------------------------------------------

struct batch {
	struct link_guard *g;
	size_t used, acks;
	int failed;
	uint8_t bytes[BATCH_MAX];
};

static struct nl_msg *message(struct batch *b, int type, int flags)
{
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	bool control = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
	struct nfgenmsg head = {
		.nfgen_family = control                        ? AF_UNSPEC
				: b->g->p.local[0].family == 4 ? AF_INET
							       : AF_INET6,
		.version = NFNETLINK_V0,
		.res_id = control ? htons(NFNL_SUBSYS_NFTABLES) : 0,
	};

	if (!m || nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		b->failed = -ENOMEM;
	return m;
}

// Behind the others, and m is gone.
static void message_end(struct batch *b, struct nl_msg *m)
{
	if (!m)
		return;
	struct nlmsghdr *h = nlmsg_hdr(m);
	size_t len = NLMSG_ALIGN(h->nlmsg_len);

	h->nlmsg_seq = ++b->g->seq;
	if (b->failed == 0 && b->used + len <= sizeof(b->bytes)) {
		memset(b->bytes + b->used, 0, len);
		memcpy(b->bytes + b->used, h, h->nlmsg_len);
		b->used += len;
		b->acks += (h->nlmsg_flags & NLM_F_ACK) != 0;
	} else {
		b->failed = b->failed ? b->failed : -ENOBUFS;
	}
	nlmsg_free(m);
}

static void put32(struct batch *b, struct nl_msg *m, int attr, uint32_t v)
{
	if (m && nla_put_u32(m, attr, htonl(v)) < 0)
		b->failed = -ENOMEM;
}

static void put_text(struct batch *b, struct nl_msg *m, int attr, const char *text)
{
	if (m && nla_put_string(m, attr, text) < 0)
		b->failed = -ENOMEM;
}

static struct nlattr *nest(struct batch *b, struct nl_msg *m, int attr)
{
	struct nlattr *a = m ? nla_nest_start(m, attr) : NULL;

	if (!a)
		b->failed = -ENOMEM;
	return a;
}

static void nest_end(struct nl_msg *m, struct nlattr *a)
{
	if (m && a)
		(void)nla_nest_end(m, a);
}

struct expression {
	struct batch *b;
	struct nl_msg *m;
	struct nlattr *element, *data;
};

static struct expression expression(struct batch *b, struct nl_msg *m, const char *name)
{
	struct expression e = {.b = b, .m = m, .element = nest(b, m, NFTA_LIST_ELEM)};

	put_text(b, m, NFTA_EXPR_NAME, name);
	e.data = nest(b, m, NFTA_EXPR_DATA);
	return e;
}

static void expression_end(struct expression *e)
{
	nest_end(e->m, e->data);
	nest_end(e->m, e->element);
}

// The register is this value, or the rule ends.
static void compare(struct batch *b, struct nl_msg *m, const void *value, size_t len)
{
	struct expression e = expression(b, m, "cmp");

	put32(b, m, NFTA_CMP_SREG, NFT_REG_1);
	put32(b, m, NFTA_CMP_OP, NFT_CMP_EQ);
	struct nlattr *a = nest(b, m, NFTA_CMP_DATA);

	if (m && nla_put(m, NFTA_DATA_VALUE, (int)len, value) < 0)
		b->failed = -ENOMEM;
	nest_end(m, a);
	expression_end(&e);
}

static void meta_is(struct batch *b, struct nl_msg *m, uint32_t key, const void *value, size_t len)
{
	struct expression e = expression(b, m, "meta");

	put32(b, m, NFTA_META_KEY, key);
	put32(b, m, NFTA_META_DREG, NFT_REG_1);
	expression_end(&e);
	compare(b, m, value, len);
}

static void payload_is(struct batch *b, struct nl_msg *m, uint32_t base, uint32_t offset,
		       const void *value, size_t len)
{
	struct expression e = expression(b, m, "payload");

	put32(b, m, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put32(b, m, NFTA_PAYLOAD_BASE, base);
	put32(b, m, NFTA_PAYLOAD_OFFSET, offset);
	put32(b, m, NFTA_PAYLOAD_LEN, (uint32_t)len);
	expression_end(&e);
	compare(b, m, value, len);
}

static void verdict(struct batch *b, struct nl_msg *m, uint32_t code)
{
	struct expression count = expression(b, m, "counter");

	expression_end(&count);
	struct expression e = expression(b, m, "immediate");

	put32(b, m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	struct nlattr *data = nest(b, m, NFTA_IMMEDIATE_DATA);
	struct nlattr *v = nest(b, m, NFTA_DATA_VERDICT);

	put32(b, m, NFTA_VERDICT_CODE, code);
	nest_end(m, v);
	nest_end(m, data);
	expression_end(&e);
}

// ---- the rules ----------------------------------------------------------------------------------

// Of the link's SCTP packets that go out, or come in, those that match all that is set.
struct match {
	const char *chain;
	const struct ip_addr *other;  // the other box's address
	uint32_t ifindex, over;       // over: that many in a second
};

static void limit_over(struct batch *b, struct nl_msg *m, uint32_t rate)
{
	struct expression e = expression(b, m, "limit");
	uint64_t per_second = htobe64(1), packets = htobe64(rate);

	if (m && (nla_put(m, NFTA_LIMIT_RATE, sizeof(packets), &packets) < 0 ||
		  nla_put(m, NFTA_LIMIT_UNIT, sizeof(per_second), &per_second) < 0))
		b->failed = -ENOMEM;
	put32(b, m, NFTA_LIMIT_BURST, rate / 4);
	put32(b, m, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	put32(b, m, NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	expression_end(&e);
}

static void rule(struct batch *b, const struct match *r, uint32_t code)
{
	static const uint8_t sctp = IPPROTO_SCTP;
	struct nl_msg *m = message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE,
				   NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	uint16_t port = htons(b->g->p.local_port);
	bool v4 = b->g->p.local[0].family == 4, in = r->chain == chain_in;
	uint32_t source = v4 ? 12 : 8, destination = v4 ? 16 : 24;

	put_text(b, m, NFTA_RULE_TABLE, b->g->table);
	put_text(b, m, NFTA_RULE_CHAIN, r->chain);
	struct nlattr *list = nest(b, m, NFTA_RULE_EXPRESSIONS);

	meta_is(b, m, NFT_META_L4PROTO, &sctp, 1);
	payload_is(b, m, NFT_PAYLOAD_TRANSPORT_HEADER, in ? 2 : 0, &port, sizeof(port));
	if (r->other)
		payload_is(b, m, NFT_PAYLOAD_NETWORK_HEADER, in ? source : destination,
			   r->other->bytes, v4 ? 4 : 16);
	if (r->ifindex)
		meta_is(b, m, in ? NFT_META_IIF : NFT_META_OIF, &r->ifindex, sizeof(r->ifindex));
	if (r->over)
		limit_over(b, m, r->over);
	verdict(b, m, code);
	nest_end(m, list);
	message_end(b, m);
}

static void rules(struct batch *b)
{
	const struct link_guard *g = b->g;
	unsigned lo = if_nametoindex("lo");

	if (lo) {  // leaves nowhere, comes from nowhere
		rule(b, &(struct match){.chain = chain_out, .ifindex = lo}, NF_ACCEPT);
		rule(b, &(struct match){.chain = chain_in, .ifindex = lo}, NF_ACCEPT);
	}
	for (unsigned i = 0; i < g->owners.n; i++) {
		struct match r = {.chain = chain_out, .ifindex = g->owners.list[i].ifindex};

		rule(b, &r, NF_ACCEPT);
		r.chain = chain_in;
		for (unsigned k = 0; k < g->p.remotes; k++) {
			r.other = &g->p.remote[k];
			rule(b, &r, NF_ACCEPT);
		}
	}
	for (unsigned i = 0; i < g->p.remotes; i++)
		rule(b, &(struct match){.chain = chain_out, .other = &g->p.remote[i]}, NF_DROP);
	rule(b, &(struct match){.chain = chain_in, .over = STRANGERS}, NF_DROP);
}

static void chain_create(struct batch *b, const char *name, uint32_t where)
{
	struct nl_msg *m =
		message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK);

	put_text(b, m, NFTA_CHAIN_TABLE, b->g->table);
	put_text(b, m, NFTA_CHAIN_NAME, name);
	struct nlattr *hook = nest(b, m, NFTA_CHAIN_HOOK);

	put32(b, m, NFTA_HOOK_HOOKNUM, where);
	put32(b, m, NFTA_HOOK_PRIORITY, 0);
	nest_end(m, hook);
	put_text(b, m, NFTA_CHAIN_TYPE, "filter");
	message_end(b, m);
}

static void table_create(struct batch *b)
{
	struct nl_msg *m =
		message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK);

	put_text(b, m, NFTA_TABLE_NAME, b->g->table);
	put32(b, m, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	message_end(b, m);
	chain_create(b, chain_out, NF_INET_LOCAL_OUT);
	chain_create(b, chain_in, NF_INET_LOCAL_IN);
}

static void rules_flush(struct batch *b)
{
	struct nl_msg *m = message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE, NLM_F_ACK);

	put_text(b, m, NFTA_RULE_TABLE, b->g->table);
	message_end(b, m);
}

// The kernel works on a batch inside of send: its answers wait.
static int answers(struct link_guard *g, size_t wanted)
{
	union {
		struct nlmsghdr head;
		uint8_t bytes[8192];
	} u;
	int ret = 0;

	while (wanted > 0) {
		ssize_t n = recv(g->nft_fd, &u, sizeof(u), MSG_DONTWAIT);
		int left = (int)n;

		if (n < 0)
			return ret ? ret : -errno;
		for (struct nlmsghdr *h = &u.head; left > 0 && NLMSG_OK(h, (unsigned)left);
		     h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
				continue;
			ret = ret ? ret : e->error;
			// without its table a batch ends at once
			wanted = e->error && wanted > 0 ? 0 : wanted - 1;
		}
	}
	while (recv(g->nft_fd, &u, sizeof(u), MSG_DONTWAIT) >= 0)
		;
	return ret;
}

static int rules_set(struct link_guard *g, bool first)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->g = g;
	message_end(b, message(b, NFNL_MSG_BATCH_BEGIN, 0));
	if (first)
		table_create(b);
	else
		rules_flush(b);
	rules(b);
	message_end(b, message(b, NFNL_MSG_BATCH_END, 0));
	int ret = b->failed;

	if (ret == 0 && send(g->nft_fd, b->bytes, b->used, 0) < 0)
		ret = -errno;
	if (ret == 0)
		ret = answers(g, b->acks);
	free(b);
	return ret;
}

// ---- addresses that change ----------------------------------------------------------------------

static void changed(void *ctx, int fd, unsigned events)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct link_guard *g = ctx;
	struct owners now;
	uint8_t sink[4096];

	for (unsigned i = 0; i < 64 && recv(fd, sink, sizeof(sink), MSG_DONTWAIT) >= 0; i++)
		;
	owners_find(&g->p, &now);
	if (memcmp(&now, &g->owners, sizeof(now)) == 0)
		return;
	g->owners = now;
	int ret = rules_set(g, false);

	if (ret < 0)
		log_event_limited(&rl, "REDUNDANCY", LOG_L_ERR, "LINK_GUARD",
				  "Replication link: its interfaces changed, the rules did not: %s",
				  strerror(-ret));
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
	g->seq = (uint32_t)loop_clock_us();
	snprintf(g->table, sizeof(g->table), "tandem_link_%d_%u", getpid(), ++count);
	g->nft_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int ret = g->nft_fd < 0 ? -errno : changes_open(g, loop);

	if (ret == 0) {
		owners_find(&g->p, &g->owners);
		ret = rules_set(g, true);
	}
	if (ret == 0)
		return g;
	err_set(err, ret, "%s", strerror(-ret));
	link_guard_destroy(g);
	return NULL;
}

void link_guard_destroy(struct link_guard *g)
{
	if (!g)
		return;
	loop_fd_del(&g->changes);
	if (g->changes_fd >= 0)
		close(g->changes_fd);
	if (g->nft_fd >= 0)
		close(g->nft_fd);  // and the table is gone
	free(g);
}
