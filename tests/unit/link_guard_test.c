// The link guard without a kernel: packets go through its rules, read back from the very bytes that
// the kernel gets, for both families; and the kernel's answers, good, bad and damaged.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "link_guard_answer.h"
#include "link_guard_rules.h"

// ---- the rules as a machine ---------------------------------------------------------------------

#define NO_VERDICT 99
struct packet {
	uint32_t ifindex;
	uint8_t protocol, network[40], transport[12];
	bool flood;  // more than the limit lets pass
};
struct machine {
	struct packet *packet;
	uint8_t reg[16];
	uint32_t verdict;
};

static uint32_t attr32(struct nlattr **a, int which)
{
	assert_non_null(a[which]);
	return ntohl(nla_get_u32(a[which]));
}

static void load(struct machine *m, struct nlattr **a)
{
	uint32_t base = attr32(a, NFTA_PAYLOAD_BASE), at = attr32(a, NFTA_PAYLOAD_OFFSET);
	uint32_t len = attr32(a, NFTA_PAYLOAD_LEN);
	bool network = base == NFT_PAYLOAD_NETWORK_HEADER;

	assert_true(network || base == NFT_PAYLOAD_TRANSPORT_HEADER);
	assert_true(len <= sizeof(m->reg));
	assert_true(at + len <=
		    (network ? sizeof(m->packet->network) : sizeof(m->packet->transport)));
	uint8_t *bytes = (network ? m->packet->network : m->packet->transport) + at;

	if (a[NFTA_PAYLOAD_SREG])
		memcpy(bytes, m->reg, len);
	else
		memcpy(m->reg, bytes, len);
}

static void load_meta(struct machine *m, struct nlattr **a)
{
	switch (attr32(a, NFTA_META_KEY)) {
	case NFT_META_L4PROTO: m->reg[0] = m->packet->protocol; break;
	case NFT_META_IIF:
	case NFT_META_OIF: memcpy(m->reg, &m->packet->ifindex, 4); break;
	default: fail();
	}
}

static bool equal(struct machine *m, struct nlattr **a)
{
	struct nlattr *v[NFTA_DATA_MAX + 1];
	bool unequal = attr32(a, NFTA_CMP_OP) == NFT_CMP_NEQ;

	assert_true(unequal || attr32(a, NFTA_CMP_OP) == NFT_CMP_EQ);
	assert_int_equal(nla_parse_nested(v, NFTA_DATA_MAX, a[NFTA_CMP_DATA], NULL), 0);
	int diff =
		memcmp(m->reg, nla_data(v[NFTA_DATA_VALUE]), (size_t)nla_len(v[NFTA_DATA_VALUE]));

	return unequal == (diff != 0);
}

static bool beyond(struct machine *m, struct nlattr **a)
{
	uint64_t rate;

	memcpy(&rate, nla_data(a[NFTA_LIMIT_RATE]), sizeof(rate));
	assert_int_equal(be64toh(rate), GUARD_STRANGERS);
	assert_int_equal(attr32(a, NFTA_LIMIT_FLAGS), NFT_LIMIT_F_INV);
	return m->packet->flood;
}

static void decide(struct machine *m, struct nlattr **a)
{
	struct nlattr *d[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1];

	assert_int_equal(nla_parse_nested(d, NFTA_DATA_MAX, a[NFTA_IMMEDIATE_DATA], NULL), 0);
	if (attr32(a, NFTA_IMMEDIATE_DREG) == NFT_REG_1) {
		assert_int_equal(nla_len(d[NFTA_DATA_VALUE]), sizeof(m->reg));
		memcpy(m->reg, nla_data(d[NFTA_DATA_VALUE]), sizeof(m->reg));
		return;
	}
	assert_int_equal(attr32(a, NFTA_IMMEDIATE_DREG), NFT_REG_VERDICT);
	assert_int_equal(nla_parse_nested(v, NFTA_VERDICT_MAX, d[NFTA_DATA_VERDICT], NULL), 0);
	m->verdict = attr32(v, NFTA_VERDICT_CODE);
}

// Does the rule go on behind this expression?
static bool expression_run(struct machine *m, struct nlattr *e)
{
	struct nlattr *head[NFTA_EXPR_MAX + 1], *a[32] = {0};

	assert_int_equal(nla_parse_nested(head, NFTA_EXPR_MAX, e, NULL), 0);
	if (head[NFTA_EXPR_DATA])  // a counter has none
		assert_int_equal(nla_parse_nested(a, 31, head[NFTA_EXPR_DATA], NULL), 0);
	const char *name = nla_get_string(head[NFTA_EXPR_NAME]);

	if (strcmp(name, "cmp") == 0)
		return equal(m, a);
	if (strcmp(name, "limit") == 0)
		return beyond(m, a);
	if (strcmp(name, "payload") == 0)
		load(m, a);
	else if (strcmp(name, "meta") == 0)
		load_meta(m, a);
	else if (strcmp(name, "immediate") == 0)
		decide(m, a);
	else
		assert_string_equal(name, "counter");
	return true;
}

static struct link_params p;
static struct guard_interfaces interfaces;
static struct guard_batch batch;
static unsigned created, flushed, ruled;

static struct nlmsghdr *next(size_t *at)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)(batch.bytes + *at);

	assert_true(h->nlmsg_len >= NLMSG_HDRLEN && h->nlmsg_len <= batch.used - *at);
	*at += NLMSG_ALIGN(h->nlmsg_len);
	return h;
}

// What that chain says about the packet; 99: nothing, so it passes.
static uint32_t run(const char *chain, struct packet *packet)
{
	created = flushed = ruled = 0;
	for (size_t at = 0; at < batch.used;) {
		struct nlmsghdr *h = next(&at);
		struct machine m = {.packet = packet, .verdict = NO_VERDICT};
		struct nlattr *a[NFTA_RULE_MAX + 1], *e;
		int rest;

		created += h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
		flushed += h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE);
		if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
			continue;
		ruled++;
		assert_int_equal(nlmsg_parse(h, sizeof(struct nfgenmsg), a, NFTA_RULE_MAX, NULL),
				 0);
		assert_string_equal(nla_get_string(a[NFTA_RULE_TABLE]), "tandem_link_1");
		if (strcmp(nla_get_string(a[NFTA_RULE_CHAIN]), chain) != 0)
			continue;
		bool on = true;

		nla_for_each_nested(e, a[NFTA_RULE_EXPRESSIONS], rest) on =
			on && expression_run(&m, e);
		if (m.verdict != NO_VERDICT)
			return m.verdict;
	}
	return NO_VERDICT;
}

static struct packet sctp(uint32_t ifindex, const struct ip_addr *from, const struct ip_addr *to)
{
	struct packet k = {.ifindex = ifindex, .protocol = IPPROTO_SCTP};
	bool v4 = to->family == 4;

	memcpy(k.network + (v4 ? 12 : 8), from->bytes, addr_len(from));
	memcpy(k.network + (v4 ? 16 : 24), to->bytes, addr_len(to));
	memcpy(k.transport, &(uint16_t){htons(5000)}, 2);
	memcpy(k.transport + 2, &(uint16_t){htons(5000)}, 2);
	return k;
}

static void encode(bool create)
{
	const struct guard_rules r = {
		.link = &p,
		.interfaces = &interfaces,
		.loopback = 1,
		.table = "tandem_link_1",
		.create = create,
		.seq = UINT32_MAX - 3,  // numbers turn over
	};

	assert_int_equal(guard_batch_encode(&batch, &r), 0);
}

static void params(bool v6)
{
	static const char *const v4_text[] = {"10.0.0.1", "10.1.0.1", "10.0.0.2", "10.1.0.2"};
	static const char *const v6_text[] = {"fd00::1", "fd01::1", "fd00::2", "fd01::2"};
	const char *const *t = v6 ? v6_text : v4_text;

	p = (struct link_params){
		.locals = 2, .remotes = 2, .local_port = 5000, .remote_port = 5000};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(addr_parse(t[i], &p.local[i]), 0);
		assert_int_equal(addr_parse(t[2 + i], &p.remote[i]), 0);
	}
	memset(&interfaces, 0, sizeof(interfaces));
	guard_interfaces_add(&interfaces, 7, 1);
	guard_interfaces_add(&interfaces, 5, 0);
}

static void packets(bool v6)
{
	params(v6);
	for (unsigned i = 0; i < 2; i++) {
		encode(i == 0);
		// out: by its interfaces and lo to the other box, by no other
		struct packet k = sctp(5, &p.local[0], &p.remote[0]);

		assert_int_equal(run("out", &k), NF_ACCEPT);
		assert_int_equal(created, i == 0);
		assert_int_equal(flushed, i == 1);
		k = sctp(7, &p.local[0], &p.remote[1]);
		assert_int_equal(run("out", &k), NF_ACCEPT);
		k = sctp(1, &p.local[0], &p.remote[1]);
		assert_int_equal(run("out", &k), NF_ACCEPT);
		k = sctp(9, &p.local[0], &p.remote[0]);
		assert_int_equal(run("out", &k), NF_DROP);
		k = sctp(9, &p.local[0], &p.remote[1]);
		assert_int_equal(run("out", &k), NF_DROP);
		// what is not the link's goes where it likes
		k.transport[0] ^= 1;
		assert_int_equal(run("out", &k), NO_VERDICT);
		k = sctp(9, &p.local[0], &p.remote[1]);
		k.protocol = IPPROTO_UDP;
		assert_int_equal(run("out", &k), NO_VERDICT);
		k = sctp(9, &p.local[0], &p.local[1]);
		assert_int_equal(run("out", &k), NO_VERDICT);
		// in: the other box by its interface at any rate, anybody else up to the limit
		k = sctp(5, &p.remote[1], &p.local[0]);
		k.flood = true;
		assert_int_equal(run("in", &k), NF_ACCEPT);
		k = sctp(9, &p.remote[1], &p.local[0]);
		assert_int_equal(run("in", &k), NO_VERDICT);
		k.flood = true;
		assert_int_equal(run("in", &k), NF_DROP);
		k = sctp(5, &p.local[1], &p.local[0]);
		k.flood = true;
		assert_int_equal(run("in", &k), NF_DROP);
		k.transport[3] ^= 1;
		assert_int_equal(run("in", &k), NO_VERDICT);
		assert_int_equal(ruled, 2 + 2 * (v6 ? 5 : 3) + 2 + 1);
	}
}

static void packets_ipv4(void **state)
{
	packets(false);
}
static void packets_ipv6(void **state)
{
	packets(true);
}

// IPv6 packets leave with an address of the association that is on their interface, whatever their
// socket took.
static void foreign_sources(void **state)
{
	struct ip_addr foreign;

	params(true);
	encode(true);
	assert_int_equal(addr_parse("fd00::77", &foreign), 0);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t ifindex = i ? 7 : 5;
		struct packet k = sctp(ifindex, &foreign, &p.remote[1 - i]), before;

		assert_int_equal(run("out", &k), NF_ACCEPT);
		assert_memory_equal(k.network + 8, p.local[i].bytes, 16);
		assert_memory_equal(k.network + 24, p.remote[1 - i].bytes, 16);
		// any of its own stays, another's packet is not touched
		k = before = sctp(ifindex, &p.local[1 - i], &p.remote[0]);
		assert_int_equal(run("out", &k), NF_ACCEPT);
		assert_memory_equal(&k, &before, sizeof(k));
		k = before = sctp(ifindex, &foreign, &p.local[0]);
		(void)run("out", &k);
		assert_memory_equal(&k, &before, sizeof(k));
		k = sctp(ifindex, &foreign, &p.remote[0]);
		k.protocol = IPPROTO_UDP;
		before = k;
		assert_int_equal(run("out", &k), NO_VERDICT);
		assert_memory_equal(&k, &before, sizeof(k));
	}
	params(false);
	encode(true);
	foreign = addr_from_v4(0x0a000077);
	struct packet k = sctp(5, &foreign, &p.remote[0]), before = k;

	assert_int_equal(run("out", &k), NF_ACCEPT);
	assert_memory_equal(&k, &before, sizeof(k));
}

// The batch: numbered, of the right family, one answer asked for, whatever is configured it fits.
static void a_batch(void **state)
{
	unsigned begun = 0, ended = 0, asked = 0;
	uint32_t seq = UINT32_MAX - 3;

	params(true);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(addr_parse("fd00::1", &p.local[i]), 0);
		assert_int_equal(addr_parse("fd00::2", &p.remote[i]), 0);
	}
	p.locals = p.remotes = 4;
	for (unsigned i = 0; i < 100; i++)
		guard_interfaces_add(&interfaces, 1000 - i * 3, i % 4);
	assert_int_equal(interfaces.n, GUARD_INTERFACES_MAX);
	encode(true);
	for (size_t at = 0; at < batch.used;) {
		struct nlmsghdr *h = next(&at);
		const struct nfgenmsg *g = nlmsg_data(h);

		assert_int_equal(h->nlmsg_seq, seq++);
		begun += h->nlmsg_type == NFNL_MSG_BATCH_BEGIN;
		ended += h->nlmsg_type == NFNL_MSG_BATCH_END;
		if (h->nlmsg_flags & NLM_F_ACK) {
			asked++;
			assert_int_equal(h->nlmsg_seq, batch.last);
			assert_int_equal(h->nlmsg_type,
					 NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
		}
		if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
			assert_int_equal(g->nfgen_family, AF_INET6);
		else
			assert_int_equal(ntohs(g->res_id), NFNL_SUBSYS_NFTABLES);
		assert_true(begun == 1 && (ended == 0 || at == batch.used));
	}
	assert_int_equal(ended, 1);
	assert_int_equal(asked, 1);
	assert_int_equal(seq, batch.last + 2);
}

static void interfaces_once_each(void **state)
{
	struct guard_interfaces a = {0}, b = {0};

	guard_interfaces_add(&a, 4, 0);
	guard_interfaces_add(&a, 2, 1);
	guard_interfaces_add(&a, 4, 3);
	guard_interfaces_add(&a, 4, 3);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.list[0].ifindex, 2);
	assert_int_equal(a.list[0].locals, 2);
	assert_int_equal(a.list[1].locals, 9);
	// told in another order it is the same
	guard_interfaces_add(&b, 4, 3);
	guard_interfaces_add(&b, 2, 1);
	guard_interfaces_add(&b, 4, 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

// ---- answers ------------------------------------------------------------------------------------

static size_t answer(uint8_t *out, uint32_t seq, uint16_t type, int error, size_t len)
{
	struct nlmsghdr h = {.nlmsg_len = (uint32_t)len, .nlmsg_type = type, .nlmsg_seq = seq};

	memset(out, 0xa5, NLMSG_ALIGN(len));
	memcpy(out, &h, sizeof(h));
	if (len >= sizeof(h) + sizeof(error))
		memcpy(out + sizeof(h), &error, sizeof(error));
	return len;
}

#define ANSWER_LEN (NLMSG_HDRLEN + sizeof(struct nlmsgerr))
static int told(uint32_t seq, int error)
{
	struct guard_answers a = {.first = UINT32_MAX - 1, .last = 3};
	uint8_t bytes[64];

	guard_answers_read(&a, bytes, answer(bytes, seq, NLMSG_ERROR, error, ANSWER_LEN));
	return guard_answers_result(&a);
}

static void answers_good_and_bad(void **state)
{
	assert_int_equal(told(3, 0), 0);
	assert_int_equal(told(2, 0), -ENODATA);  // another's acknowledgement
	assert_int_equal(told(4, 0), -ENODATA);  // not ours
	assert_int_equal(told(UINT32_MAX - 2, -EPERM), -ENODATA);
	assert_int_equal(told(UINT32_MAX - 1, -EPERM), -EPERM);
	assert_int_equal(told(UINT32_MAX, -EOPNOTSUPP), -EOPNOTSUPP);
	assert_int_equal(told(3, -ENOENT), -ENOENT);
	assert_int_equal(told(3, 1), -EPROTO);
	assert_int_equal(told(3, -4096), -EPROTO);
	assert_int_equal(told(3, INT32_MIN), -EPROTO);

	// a commit that fails: its error first, then the answers of the messages
	struct guard_answers a = {.first = 10, .last = 20};
	uint8_t bytes[256];
	size_t n = answer(bytes, 10, NLMSG_ERROR, -ENOMEM, ANSWER_LEN);

	n += answer(bytes + n, 11, NLMSG_NOOP, 0, ANSWER_LEN);
	n += answer(bytes + n, 12, NLMSG_ERROR, -EEXIST, ANSWER_LEN);
	n += answer(bytes + n, 20, NLMSG_ERROR, 0, ANSWER_LEN);
	guard_answers_read(&a, bytes, n);
	assert_true(a.done);
	assert_int_equal(guard_answers_result(&a), -ENOMEM);
}

static void answers_damaged(void **state)
{
	static const uint32_t lies[] = {0, 1, 15, 37, 64, UINT32_MAX, UINT32_MAX - 2, 0x80000000};

	for (size_t n = 1; n < ANSWER_LEN; n++) {
		struct guard_answers a = {.first = 1, .last = 3};
		uint8_t *bytes = malloc(n), whole[64];

		assert_non_null(bytes);
		(void)answer(whole, 3, NLMSG_ERROR, 0, ANSWER_LEN);
		memcpy(bytes, whole, n);
		guard_answers_read(&a, bytes, n);
		assert_int_equal(guard_answers_result(&a), -EPROTO);
		assert_false(a.done);
		free(bytes);
	}
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct guard_answers a = {.first = 1, .last = 3};
		uint8_t bytes[64];
		size_t n = answer(bytes, 3, NLMSG_ERROR, 0, ANSWER_LEN);

		memcpy(bytes, &lies[i], 4);
		guard_answers_read(&a, bytes, n);
		assert_int_equal(guard_answers_result(&a), -EPROTO);
	}
	// an error of no length, whatever came before it
	struct guard_answers a = {.first = 1, .last = 3};
	uint8_t bytes[64];
	size_t n = answer(bytes, 3, NLMSG_ERROR, 0, NLMSG_HDRLEN + 3);

	guard_answers_read(&a, bytes, n);
	assert_int_equal(guard_answers_result(&a), -EPROTO);
	a = (struct guard_answers){.first = 1, .last = 3};
	guard_answers_read(&a, bytes, 0);
	assert_int_equal(guard_answers_result(&a), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_ipv4),         cmocka_unit_test(packets_ipv6),
		cmocka_unit_test(foreign_sources),      cmocka_unit_test(a_batch),
		cmocka_unit_test(interfaces_once_each), cmocka_unit_test(answers_good_and_bad),
		cmocka_unit_test(answers_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
