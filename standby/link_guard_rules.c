// The link guard's rules in the kernel's words: nf_tables messages in one batch, which the kernel
// takes as a whole or not at all (nfnetlink). Two chains: what leaves for the other box with the
// link's port passes only by interfaces that have a local address; what comes in by those from the
// other box passes, and all else is bounded.
#include "link_guard_rules.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#ifndef NFT_TABLE_F_OWNER  // Linux 5.12
#define NFT_TABLE_F_OWNER 2
#endif

#define IPV6_SOURCE 8  // where it is in the header

static const char chain_out[] = "out", chain_in[] = "in";

void guard_interfaces_add(struct guard_interfaces *g, uint32_t ifindex, unsigned local)
{
	unsigned at = 0;

	while (at < g->n && g->list[at].ifindex < ifindex)
		at++;
	if (at == g->n || g->list[at].ifindex != ifindex) {
		if (g->n == GUARD_INTERFACES_MAX)
			return;
		memmove(&g->list[at + 1], &g->list[at], (g->n - at) * sizeof(g->list[0]));
		memset(&g->list[at], 0, sizeof(g->list[at]));
		g->list[at].ifindex = ifindex;
		g->n++;
	}
	g->list[at].locals |= 1u << local;
}

// ---- messages of nf_tables ----------------------------------------------------------------------

struct batch {
	struct guard_batch *out;
	const struct guard_rules *r;
	uint32_t seq;  // of the next message
	int failed;
};

static struct nl_msg *message(struct batch *b, int type, int flags)
{
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	bool control = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
	struct nfgenmsg head = {
		.nfgen_family = control                            ? AF_UNSPEC
				: b->r->link->local[0].family == 4 ? AF_INET
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

	h->nlmsg_seq = b->seq++;
	if (h->nlmsg_flags & NLM_F_ACK)
		b->out->last = h->nlmsg_seq;
	if (b->failed == 0 && len <= sizeof(b->out->bytes) - b->out->used) {
		memset(b->out->bytes + b->out->used, 0, len);
		memcpy(b->out->bytes + b->out->used, h, h->nlmsg_len);
		b->out->used += len;
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

static void put_value(struct batch *b, struct nl_msg *m, int attr, const void *value, size_t len)
{
	struct nlattr *a = nest(b, m, attr);

	if (m && nla_put(m, NFTA_DATA_VALUE, (int)len, value) < 0)
		b->failed = -ENOMEM;
	nest_end(m, a);
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

// The register is this value, or the rule ends. NFT_CMP_NEQ: it ends if it is.
static void compare(struct batch *b, struct nl_msg *m, uint32_t op, const void *value, size_t len)
{
	struct expression e = expression(b, m, "cmp");

	put32(b, m, NFTA_CMP_SREG, NFT_REG_1);
	put32(b, m, NFTA_CMP_OP, op);
	put_value(b, m, NFTA_CMP_DATA, value, len);
	expression_end(&e);
}

static void meta_is(struct batch *b, struct nl_msg *m, uint32_t key, const void *value, size_t len)
{
	struct expression e = expression(b, m, "meta");

	put32(b, m, NFTA_META_KEY, key);
	put32(b, m, NFTA_META_DREG, NFT_REG_1);
	expression_end(&e);
	compare(b, m, NFT_CMP_EQ, value, len);
}

// Bytes of the packet to the register, or (NFTA_PAYLOAD_SREG) from it.
static void payload(struct batch *b, struct nl_msg *m, int direction, uint32_t base,
		    uint32_t offset, size_t len)
{
	struct expression e = expression(b, m, "payload");

	put32(b, m, direction, NFT_REG_1);
	put32(b, m, NFTA_PAYLOAD_BASE, base);
	put32(b, m, NFTA_PAYLOAD_OFFSET, offset);
	put32(b, m, NFTA_PAYLOAD_LEN, (uint32_t)len);
	expression_end(&e);
}

static void payload_is(struct batch *b, struct nl_msg *m, uint32_t base, uint32_t offset,
		       const void *value, size_t len)
{
	payload(b, m, NFTA_PAYLOAD_DREG, base, offset, len);
	compare(b, m, NFT_CMP_EQ, value, len);
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
	bool answer;                  // of the kernel's, also when all is well
	const struct ip_addr *own;    // no verdict: what has a foreign source gets this one
};

// A raw IPv6 socket has no say in where its packets come from: with more addresses on the interface
// SCTP in user space would send from one that is none of the association's. Its checksum does not
// cover the addresses (RFC 9260 6.8).
static void source_set(struct batch *b, struct nl_msg *m, const struct ip_addr *own)
{
	const struct link_params *p = b->r->link;

	payload(b, m, NFTA_PAYLOAD_DREG, NFT_PAYLOAD_NETWORK_HEADER, IPV6_SOURCE, 16);
	for (unsigned i = 0; i < p->locals; i++)
		compare(b, m, NFT_CMP_NEQ, p->local[i].bytes, 16);
	struct expression e = expression(b, m, "immediate");

	put32(b, m, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(b, m, NFTA_IMMEDIATE_DATA, own->bytes, 16);
	expression_end(&e);
	payload(b, m, NFTA_PAYLOAD_SREG, NFT_PAYLOAD_NETWORK_HEADER, IPV6_SOURCE, 16);
}

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
				   NLM_F_CREATE | NLM_F_APPEND | (r->answer ? NLM_F_ACK : 0));
	uint16_t port = htons(b->r->link->local_port);
	bool v4 = b->r->link->local[0].family == 4, in = r->chain == chain_in;
	uint32_t source = v4 ? 12 : IPV6_SOURCE, destination = v4 ? 16 : 24;

	put_text(b, m, NFTA_RULE_TABLE, b->r->table);
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
	if (r->own)
		source_set(b, m, r->own);
	else
		verdict(b, m, code);
	nest_end(m, list);
	message_end(b, m);
}

static void sources(struct batch *b, uint32_t ifindex, uint32_t locals)
{
	const struct link_params *p = b->r->link;

	if (p->local[0].family == 4)
		return;
	struct match r = {.chain = chain_out, .ifindex = ifindex};

	r.own = &p->local[__builtin_ctz(locals)];
	for (unsigned i = 0; i < p->remotes; i++) {
		r.other = &p->remote[i];
		rule(b, &r, NF_ACCEPT);
	}
}

static void rules(struct batch *b)
{
	const struct link_params *p = b->r->link;
	const struct guard_interfaces *g = b->r->interfaces;

	if (b->r->loopback) {  // leaves nowhere, comes from nowhere
		struct match r = {.chain = chain_out, .ifindex = b->r->loopback};

		rule(b, &r, NF_ACCEPT);
		r.chain = chain_in;
		rule(b, &r, NF_ACCEPT);
	}
	for (unsigned i = 0; i < g->n; i++) {
		struct match r = {.chain = chain_out, .ifindex = g->list[i].ifindex};

		sources(b, r.ifindex, g->list[i].locals);
		rule(b, &r, NF_ACCEPT);
		r.chain = chain_in;
		for (unsigned k = 0; k < p->remotes; k++) {
			r.other = &p->remote[k];
			rule(b, &r, NF_ACCEPT);
		}
	}
	for (unsigned i = 0; i < p->remotes; i++)
		rule(b, &(struct match){.chain = chain_out, .other = &p->remote[i]}, NF_DROP);
	// the last: when this one is taken, all are
	rule(b, &(struct match){.chain = chain_in, .over = GUARD_STRANGERS, .answer = true},
	     NF_DROP);
}

static void chain_create(struct batch *b, const char *name, uint32_t where)
{
	struct nl_msg *m = message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	put_text(b, m, NFTA_CHAIN_TABLE, b->r->table);
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
	struct nl_msg *m = message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE);

	put_text(b, m, NFTA_TABLE_NAME, b->r->table);
	put32(b, m, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	message_end(b, m);
	chain_create(b, chain_out, NF_INET_LOCAL_OUT);
	chain_create(b, chain_in, NF_INET_LOCAL_IN);
}

static void rules_flush(struct batch *b)
{
	struct nl_msg *m = message(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE, 0);

	put_text(b, m, NFTA_RULE_TABLE, b->r->table);
	message_end(b, m);
}

int guard_batch_encode(struct guard_batch *out, const struct guard_rules *r)
{
	struct batch b = {.out = out, .r = r, .seq = r->seq};

	out->used = 0;
	out->last = r->seq;
	message_end(&b, message(&b, NFNL_MSG_BATCH_BEGIN, 0));
	if (r->create)
		table_create(&b);
	else
		rules_flush(&b);
	rules(&b);
	message_end(&b, message(&b, NFNL_MSG_BATCH_END, 0));
	return b.failed;
}
