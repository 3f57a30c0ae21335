// Templates and instances of dynamic maps in the tunnels: policies and their order, what a template
// accepts, ids, limits, what a new build takes over, the virtual address as our end.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "tunnel.h"

#define SETS                                                  \
	"crypto ipsec transform-set S esp-aes esp-sha-hmac\n" \
	"ip access-list extended HUB\n permit ip 10.1.0.0 0.0.255.255 10.0.0.0 0.255.255.255\n"
#define DYN                                                                                  \
	"crypto dynamic-map D 10\n set transform-set S\n match address HUB\n"                \
	"crypto dynamic-map D 20\n set transform-set S\n set security-association lifetime " \
	"seconds 600\n"
#define MAP                                                                                        \
	"crypto map M 10 ipsec-isakmp\n set peer 192.0.2.1\n set transform-set S\n match address " \
	"HUB\n"                                                                                    \
	"crypto map M 20 ipsec-isakmp dynamic D\n"
#define IF "interface GigabitEthernet0/1\n ip address 203.0.113.1 255.255.255.0\n crypto map M\n"

static struct config *config;
static struct tunnels *tunnels;
static char said[4][256];
static unsigned said_count;

static void bad_line(void *ctx, unsigned line, unsigned column, const char *text, const char *why)
{
	fail_msg("line %u: %s: %s", line, text, why);
}

static void hear(void *ctx, const char *text)
{
	snprintf(said[said_count++ % 4], sizeof(said[0]), "%s", text);
}

static void configure(const char *text)
{
	struct config *c = config_create();
	unsigned errors = 0;

	said_count = 0;
	assert_int_equal(config_load_text(c, text, bad_line, NULL, &errors), 0);
	struct tunnels *t = tunnels_build(c, tunnels, NULL, NULL, hear, NULL);
	assert_non_null(t);
	tunnels_destroy(tunnels);
	config_destroy(config);
	tunnels = t;
	config = c;
}

static int setup(void **state)
{
	struct err err;
	return cli_init(&err);
}

static int teardown(void **state)
{
	tunnels_destroy(tunnels);
	config_destroy(config);
	tunnels = NULL;
	config = NULL;
	cli_fini();
	return 0;
}

static struct selector sel(const char *src, const char *dst)
{
	struct selector s = {.sport = {0, 65535}, .dport = {0, 65535}};
	assert_int_equal(prefix_parse(src, &s.src) + prefix_parse(dst, &s.dst), 0);
	return s;
}

static const struct tunnel *template(uint32_t seq)
{
	return tunnels_template(tunnels, "GigabitEthernet0/1", "M", 20, "D", seq);
}

static const struct tunnel_flow *add(uint32_t seq, const char *peer, const char *dst)
{
	const struct tunnel_flow *f = NULL;
	struct selector s = sel("10.1.0.0/16", dst);
	struct ip_addr a;
	addr_parse(peer, &a);
	assert_int_equal(tunnels_instance_add(tunnels, template(seq), &a, &s, &f), 0);
	assert_ptr_equal(tunnels_flow(tunnels, f->policy), f);
	return f;
}

// As the data plane gets it: an instance's by itself.
static const struct dp_policy *policy(uint32_t id)
{
	static struct dp_policy p[4];
	static unsigned n;
	const struct tunnel_flow *f = tunnels_flow(tunnels, id);

	if (f && f->tunnel->role == TUNNEL_INSTANCE && !f->tunnel->in_set) {
		p[++n % 4] = tunnel_instance_policy(f->tunnel);
		return &p[n % 4];
	}
	for (size_t i = 0; i < tunnels->policy_count; i++)
		if (tunnels->policies[i].id == id)
			return &tunnels->policies[i];
	return NULL;
}

static void test_policies(void **state)
{
	configure(SETS DYN MAP IF);
	assert_int_equal(said_count, 0);
	assert_int_equal(tunnels->count, 3);
	assert_int_equal(tunnels->all[0]->role, TUNNEL_STATIC);
	assert_int_equal(template(10)->flow_count, 1);
	assert_int_equal(template(20)->flow_count, 0);
	assert_int_equal(template(20)->lifetime_s, 600);
	assert_null(template(30));
	// an entry of its own, before what the access list drops, behind the static entry
	const struct tunnel_flow *f = add(20, "198.51.100.1", "10.2.0.0/16");
	const struct dp_policy *p = policy(f->policy);
	assert_int_equal(p->action, DP_POLICY_PROTECT);
	assert_true(p->order > policy(tunnels->all[0]->flows[0].policy)->order);
	assert_true(p->order < policy(template(10)->flows[0].policy)->order);
	assert_int_equal(p->group, tunnels->all[0]->group);
	assert_int_equal(f->tunnel->role, TUNNEL_INSTANCE);
	assert_int_equal(f->tunnel->lifetime_s, 600);
	assert_ptr_equal(tunnels_instance_next(tunnels, 0), f->tunnel);
	assert_null(tunnels_instance_next(tunnels, f->policy));
}

// A map of nothing but templates without an access list has policies from the beginning: the port
// knows its group before the first peer comes.
static void test_never_empty(void **state)
{
	configure(SETS DYN "crypto map M 20 ipsec-isakmp dynamic D\n" IF);
	configure(SETS "crypto dynamic-map D 10\n set transform-set S\n"
		       "crypto map M 20 ipsec-isakmp dynamic D\n" IF);
	assert_int_equal(tunnels->policy_count, 1);
	assert_int_equal(tunnels->policies[0].action, DP_POLICY_SKIP);
	assert_int_equal(tunnels->policies[0].sel.proto, 255);
	assert_true(tunnels->policies[0].next_order > tunnels->policies[0].order);
}

static void test_accepts(void **state)
{
	static const struct {
		uint32_t seq;
		const char *src, *dst;
		bool ok;
	} cases[] = {
		{10, "10.1.0.0/16", "10.2.0.0/16", true},
		{10, "10.1.0.0/24", "10.2.3.4/32", true},
		{10, "10.0.0.0/8", "10.2.0.0/16", false},
		{10, "10.1.0.0/16", "11.0.0.0/8", false},
		{10, "10.1.0.0/16", "0.0.0.0/0", false},
		{20, "10.1.0.0/16", "11.0.0.0/8", true},
		{20, "0.0.0.0/0", "10.2.0.0/16", true},
		{20, "10.1.0.0/16", "0.0.0.0/0", false},
		{20, "2001:db8::/32", "2001:db8:1::/48", true},
		{20, "10.1.0.0/16", "2001:db8::/32", false},
	};
	const struct tunnel_flow *f;
	struct ip_addr v4, v6;

	configure(SETS DYN MAP IF);
	addr_parse("198.51.100.1", &v4);
	addr_parse("2001:db8::1", &v6);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct selector s = sel(cases[i].src, cases[i].dst);
		assert_int_equal(tunnel_template_accepts(template(cases[i].seq), &v4, &s),
				 cases[i].ok);
		assert_false(tunnel_template_accepts(template(cases[i].seq), &v6, &s));
		assert_int_equal(tunnels_instance_add(tunnels, template(cases[i].seq), &v4, &s, &f),
				 cases[i].ok ? 0 : -EACCES);
	}
}

static void test_overlap(void **state)
{
	struct selector a = sel("10.1.0.0/16", "10.2.0.0/16"), b = sel("10.1.5.0/24", "10.0.0.0/8");
	assert_true(selectors_overlap(&a, &b));
	b = sel("10.3.0.0/16", "10.2.0.0/16");
	assert_false(selectors_overlap(&a, &b));
	b = a;
	a.proto = 6;
	assert_true(selectors_overlap(&a, &b));
	b.proto = 17;
	assert_false(selectors_overlap(&a, &b));
	b.proto = 6;
	a.dport = (struct port_range){80, 90};
	b.dport = (struct port_range){90, 100};
	assert_true(selectors_overlap(&a, &b));
	b.dport.lo = 91;
	assert_false(selectors_overlap(&a, &b));
}

// Many come and go in disorder: the policies are always those of the ones that are there.
static void test_coming_and_going(void **state)
{
	uint32_t id[200];
	char net[32];

	configure(SETS DYN MAP IF);
	size_t before = tunnels->policy_count;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(net, sizeof(net), "10.50.%u.0/24", i);
		id[i] = add(10, "198.51.100.1", net)->policy;
	}
	for (unsigned i = 0; i < 200; i++)
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(id[i], id[k]);
	for (unsigned n = 0, i = 0; n < 150; n++, i = (i + 77) % 200) {
		tunnels_instance_del(tunnels, id[i]);
		tunnels_instance_del(tunnels, id[i]);  // not there any more: nothing
		assert_null(tunnels_flow(tunnels, id[i]));
		assert_null(policy(id[i]));
		id[i] = 0;
	}
	assert_int_equal(tunnels->instance_count, 50);
	assert_int_equal(tunnels->policy_count, before);
	// each came, most went, in that order
	unsigned told = 0;
	for (uint32_t p; (p = tunnels_changed_next(tunnels)); told++)
		assert_true(p <= DP_POLICY_MAX);
	assert_int_equal(told, 200 + 150);
	assert_int_equal(tunnels_changed_next(tunnels), 0);
	for (unsigned i = 0; i < 200; i++) {
		if (!id[i])
			continue;
		const struct tunnel_flow *f = tunnels_flow(tunnels, id[i]);
		assert_true(selector_equal(&policy(id[i])->sel, &f->sel));
		assert_int_equal(f->policy, id[i]);
	}
	// a static one is not an instance
	uint32_t fixed = tunnels->all[0]->flows[0].policy;
	tunnels_instance_del(tunnels, fixed);
	assert_non_null(tunnels_flow(tunnels, fixed));
}

// What the data plane does not take by itself is in the set, and stays there over a build.
static void test_in_set(void **state)
{
	uint32_t id[6];
	char net[32];

	configure(SETS DYN MAP IF);
	size_t before = tunnels->policy_count;
	for (unsigned i = 0; i < 6; i++) {
		snprintf(net, sizeof(net), "10.50.%u.0/24", i);
		id[i] = add(10, "198.51.100.1", net)->policy;
		if (i % 2)
			assert_int_equal(tunnels_instance_in_set(tunnels, id[i]), 0);
	}
	assert_int_equal(tunnels_instance_in_set(tunnels, id[1]), 0);
	assert_int_equal(tunnels->policy_count, before + 3);
	tunnels_instance_del(tunnels, id[1]);
	tunnels_instance_del(tunnels, id[2]);
	assert_int_equal(tunnels->policy_count, before + 2);
	configure(SETS DYN MAP IF);
	assert_int_equal(tunnels->policy_count, before + 2);
	for (size_t i = before; i < tunnels->policy_count; i++) {
		const struct dp_policy *p = &tunnels->policies[i];

		assert_true(p->id == id[3] || p->id == id[5]);
		assert_true(p->order < policy(template(10)->flows[0].policy)->order);
		assert_true(tunnels_flow(tunnels, p->id)->tunnel->in_set);
	}
	tunnels_instance_del(tunnels, id[3]);
	assert_int_equal(tunnels->policy_count, before + 1);
	assert_int_equal(tunnels->policies[before].id, id[5]);
}

// By network or by peer; removing some while walking leaves none out.
static void test_near(void **state)
{
	struct ip_prefix net;
	struct ip_addr peer;
	unsigned at, n = 0;

	configure(SETS DYN MAP IF);
	uint32_t a = add(10, "198.51.100.1", "10.2.0.0/16")->policy;
	(void)add(10, "198.51.100.2", "10.3.0.0/16");
	uint32_t c = add(10, "198.51.100.3", "10.4.1.0/24")->policy;
	tunnels_instance_named(tunnels, c, "spoke.example", true);
	prefix_parse("10.2.9.0/24", &net);
	addr_parse("198.51.100.2", &peer);
	at = tunnels->instance_count;
	assert_int_equal(tunnels_instance_near(tunnels, &at, &net, NULL, NULL)->flows[0].policy, a);
	assert_null(tunnels_instance_near(tunnels, &at, &net, NULL, NULL));
	at = tunnels->instance_count;
	for (const struct tunnel *t;
	     (t = tunnels_instance_near(tunnels, &at, &net, &peer, "spoke.example")); n++)
		tunnels_instance_del(tunnels, t->flows[0].policy);
	assert_int_equal(n, 3);
	assert_int_equal(tunnels->instance_count, 0);
	// a peer that moved is found where it is
	a = add(10, "198.51.100.1", "10.5.0.0/16")->policy;
	tunnels_instance_moved(tunnels, a, &peer);
	at = tunnels->instance_count;
	assert_non_null(tunnels_instance_near(tunnels, &at, &net, &peer, "x"));
	at = tunnels->instance_count;
	addr_parse("198.51.100.1", &peer);
	assert_null(tunnels_instance_near(tunnels, &at, &net, &peer, "x"));
}

static void test_limit(void **state)
{
	const struct tunnel_flow *f;
	struct selector s = sel("10.1.0.0/16", "10.2.0.0/16");
	struct ip_addr a;

	configure(SETS DYN MAP IF);
	assert_int_equal(tunnels->instance_max, TUNNEL_INSTANCES_MAX);
	tunnels->instance_max = 1;
	uint32_t first = add(10, "198.51.100.1", "10.3.0.0/16")->policy;
	addr_parse("198.51.100.2", &a);
	assert_int_equal(tunnels_instance_add(tunnels, template(10), &a, &s, &f), -ENOSPC);
	tunnels_instance_del(tunnels, first);
	assert_int_equal(tunnels_instance_add(tunnels, template(10), &a, &s, &f), 0);
}

static void test_next_build(void **state)
{
	configure(SETS DYN MAP IF);
	uint32_t a = add(10, "198.51.100.1", "10.2.0.0/16")->policy;
	uint32_t b = add(20, "198.51.100.2", "11.0.0.0/8")->policy;
	tunnels_instance_named(tunnels, a, "spoke.example", true);
	uint32_t anchor = template(10)->anchor;
	assert_int_equal(template(20)->anchor, anchor);
	// as it was, with another entry in front
	configure(SETS DYN "crypto map M 5 ipsec-isakmp\n set peer 192.0.2.9\n"
			   " set transform-set S\n match address HUB\n" MAP IF);
	const struct tunnel_flow *f = tunnels_flow(tunnels, a);
	assert_string_equal(f->tunnel->peer_id, "spoke.example");
	assert_true(f->tunnel->peer_named);
	assert_ptr_equal(f->tunnel->template, template(10));
	assert_int_equal(policy(a)->order, template(10)->order);
	assert_int_equal(f->tunnel->anchor, anchor);
	assert_int_equal(policy(anchor)->order, policy(a)->order);
	assert_true(policy(anchor)->anchor);
	assert_non_null(tunnels_flow(tunnels, b));
	for (size_t i = 0; i < tunnels->policy_count; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(tunnels->policies[i].id, tunnels->policies[k].id);
	// another address of ours: both ended
	configure(SETS DYN MAP "interface GigabitEthernet0/1\n"
			       " ip address 203.0.113.2 255.255.255.0\n crypto map M\n");
	assert_int_equal(tunnels->instance_count, 0);
}

static void test_incomplete(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"crypto dynamic-map D 10\n match address HUB\n", "no transform set"},
		{"crypto dynamic-map D 10\n set transform-set S\n match address NONE\n",
		 "access list that does not exist"},
		{"crypto dynamic-map D 10\n set transform-set S\n set peer 2001:db8::1\n",
		 "fits the local address"},
		{"", "dynamic map D, which does not exist"},
	};
	struct selector s = sel("10.1.0.0/16", "10.2.0.0/16");
	struct ip_addr a;

	addr_parse("198.51.100.1", &a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1200];
		snprintf(text, sizeof(text), SETS "%s" MAP IF, cases[i].text);
		configure(text);
		assert_int_equal(said_count, 1);
		assert_non_null(strstr(said[0], cases[i].why));
		if (template(10))
			assert_false(tunnel_template_accepts(template(10), &a, &s));
		// what the access list selects is dropped all the same
		if (i == 0)
			assert_int_equal(policy(template(10)->flows[0].policy)->action,
					 DP_POLICY_PROTECT);
	}
}

static void test_virtual_address(void **state)
{
	struct ip_addr virtual;

	configure(SETS DYN MAP "interface GigabitEthernet0/1\n"
			       " ip address 203.0.113.1 255.255.255.0\n standby 1 ip 203.0.113.9\n"
			       " standby 1 name VPN\n crypto map M redundancy VPN\n");
	addr_parse("203.0.113.9", &virtual);
	assert_true(addr_equal(&template(10)->local, &virtual));
	assert_true(addr_equal(&add(10, "198.51.100.1", "10.2.0.0/16")->tunnel->local, &virtual));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_policies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accepts, setup, teardown),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test_setup_teardown(test_coming_and_going, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_near, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next_build, setup, teardown),
		cmocka_unit_test_setup_teardown(test_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_virtual_address, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
