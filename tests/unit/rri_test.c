// Reverse routes against a kernel made of a list: the examples of the reference documents with
// their exact routes, counting, removal, refusals, and ten thousand at once.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "rri.h"

#define ROUTES_MAX 20500

static struct bed {
	struct loop *loop;
	struct rri *rri;
	struct config *config;
	struct tunnels *tunnels;
	char (*routes)[80];  // "10.0.0.0/8 via 192.0.2.1 dev fa0-0"
	unsigned count, adds, dels;
	char lines[8][160];  // what FRR was told, the last ones
	unsigned line_count;
	bool link_down, passive;
} bed;

// ---- the world -------------------------------------------------------------------------------
static void route_text(const struct kernel_route_spec *r, char *buf, size_t cap)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX];
	assert_int_equal(r->proto, KERNEL_PROTO_RRI);
	assert_int_equal(r->metric, RRI_KERNEL_METRIC);
	snprintf(buf, cap, "%s%s%s dev %s", prefix_format(&r->dst, p, sizeof(p)),
		 addr_is_set(&r->gateway) ? " via " : "",
		 addr_is_set(&r->gateway) ? addr_format(&r->gateway, a, sizeof(a)) : "",
		 r->interface);
}

static int route_find(const char *text)
{
	for (unsigned i = 0; i < bed.count; i++)
		if (strcmp(bed.routes[i], text) == 0)
			return (int)i;
	return -1;
}

static int add_op(void *ctx, const struct kernel_route_spec *r, struct err *err)
{
	if (bed.link_down)
		return err_set(err, -ENETDOWN, "down");
	assert_true(bed.count < ROUTES_MAX);
	route_text(r, bed.routes[bed.count], sizeof(bed.routes[0]));
	// the whole list is searched only while it is short
	if (bed.count > 1000 || route_find(bed.routes[bed.count]) == (int)bed.count ||
	    route_find(bed.routes[bed.count]) < 0)
		bed.count++;
	bed.adds++;
	return 0;
}

static int del_op(void *ctx, const struct kernel_route_spec *r, struct err *err)
{
	char text[80];
	route_text(r, text, sizeof(text));
	int at = route_find(text);
	assert_true(at >= 0);
	memcpy(bed.routes[at], bed.routes[--bed.count], sizeof(bed.routes[0]));
	bed.dels++;
	return 0;
}

// The gateway's own routes: two connected networks, a network behind a router, a default route
// out of the inside interface when the test asks for one.
static bool next_hop_op(void *ctx, const struct ip_addr *dst, struct kernel_next_hop *out)
{
	static const struct {
		const char *prefix, *gateway, *interface;
	} table[] = {
		{"192.168.0.0/24", NULL, "fa0-0"},
		{"192.168.1.0/24", NULL, "fa0-1"},
		{"10.1.1.0/24", "192.168.0.254", "fa0-0"},
		{"10.9.0.0/16", "192.168.1.254", "fa0-1"},
		{"100.64.0.0/10", "192.168.0.254", "fa0-0"},
	};
	*out = (struct kernel_next_hop){0};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_prefix p;
		prefix_parse(table[i].prefix, &p);
		if (!prefix_contains(&p, dst))
			continue;
		if (table[i].gateway)
			addr_parse(table[i].gateway, &out->gateway);
		snprintf(out->interface, sizeof(out->interface), "%s", table[i].interface);
		return true;
	}
	return false;
}

static bool kernel_if_op(void *ctx, const char *interface, char buf[16])
{
	snprintf(buf, 16, "fa0-%c", interface[strlen(interface) - 1]);
	return strncmp(interface, "FastEthernet", 12) == 0;
}

static bool active_op(void *ctx, const char *interface)
{
	return !bed.passive;
}

static void announce_op(void *ctx, const char *line, bool add)
{
	snprintf(bed.lines[bed.line_count++ % 8], 160, "%s%s", add ? "" : "no ", line);
}

static void bad_line(void *ctx, unsigned line, unsigned column, const char *text, const char *why)
{
	fail_msg("line %u: %s: %s", line, text, why);
}

static void settle(void)
{
	struct rri_stats s;
	for (int i = 0; i < 20000; i++) {
		rri_get_stats(bed.rri, &s);
		if (s.idle)
			return;
		assert_int_equal(loop_turn(bed.loop, 1), 0);
	}
	fail_msg("the work never ends");
}

// The configuration from text, its tunnels, and what rri makes of them.
static void configure(const char *text)
{
	struct config *c = config_create();
	unsigned errors = 0;
	assert_int_equal(config_load_text(c, text, bad_line, NULL, &errors), 0);
	struct tunnels *t = tunnels_build(c, bed.tunnels, NULL, NULL, NULL, NULL);
	assert_non_null(t);
	rri_configure(bed.rri, t);
	tunnels_destroy(bed.tunnels);
	config_destroy(bed.config);
	bed.tunnels = t;
	bed.config = c;
	settle();
}

static void notice(enum ike_notice_type type, uint32_t sa, unsigned flow, const char *dst,
		   const char *peer)
{
	struct ike_notice n = {.type = type, .sa_in = sa, .sa_out = sa + 1};
	struct ip_prefix p;
	n.flow = &bed.tunnels->all[flow]->flows[0];
	assert_int_equal(prefix_parse(dst, &p), 0);
	n.sel = n.flow->sel;
	n.sel.dst = p;
	addr_parse(peer, &n.remote);
	rri_notice(bed.rri, &n);
}

static void up(uint32_t sa, unsigned flow, const char *dst, const char *peer)
{
	notice(IKE_CHILD_UP, sa, flow, dst, peer);
	settle();
}

static void down(uint32_t sa)
{
	notice(IKE_CHILD_DOWN, sa, 0, "0.0.0.0/0", "0.0.0.0");
	settle();
}

static void routes_are(const char *a, const char *b)
{
	assert_int_equal(bed.count, (a != NULL) + (b != NULL));
	if (a && route_find(a) < 0)
		fail_msg("no route %s, but %s", a, bed.routes[0]);
	if (b && route_find(b) < 0)
		fail_msg("no route %s", b);
}

static int setup(void **state)
{
	struct err err = {0};
	bed = (struct bed){.loop = loop_create(&err), .routes = calloc(ROUTES_MAX, 80)};
	const struct rri_env env = {.loop = bed.loop,
				    .route_add = add_op,
				    .route_del = del_op,
				    .next_hop = next_hop_op,
				    .kernel_if = kernel_if_op,
				    .active = active_op,
				    .announce = announce_op};
	assert_int_equal(cli_init(&err), 0);
	bed.rri = rri_create(&env, &err);
	return bed.rri ? 0 : -1;
}

static int teardown(void **state)
{
	rri_destroy(bed.rri);
	assert_int_equal(bed.count, 0);  // whatever the test left
	tunnels_destroy(bed.tunnels);
	config_destroy(bed.config);
	loop_destroy(bed.loop);
	cli_fini();
	free(bed.routes);
	return 0;
}

// ---- configurations --------------------------------------------------------------------------
#define SET "crypto ipsec transform-set my-transform-set esp-aes esp-sha-hmac\n"
#define INTERFACES                                                           \
	"interface FastEthernet0/0\n ip address 192.168.0.2 255.255.255.0\n" \
	" crypto map mymap\n"                                                \
	"interface FastEthernet0/1\n ip address 192.168.1.2 255.255.255.0\n"
// HAE: RRI on mymap 1 only. AVL: %s is the form under test.
#define HAE(form)                                                                     \
	SET "crypto map mymap 1 ipsec-isakmp\n set peer 172.17.11.1\n" form           \
	    " set transform-set my-transform-set\n match address 101\n"               \
	    "crypto map mymap 2 ipsec-isakmp\n set peer 10.1.1.1\n"                   \
	    " set transform-set my-transform-set\n match address 102\n"               \
	    "access-list 101 permit ip 192.168.1.0 0.0.0.255 172.17.11.0 0.0.0.255\n" \
	    "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n" INTERFACES
#define AVL(form)                                                        \
	SET "crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n" form \
	    " set transform-set my-transform-set\n match address 102\n"  \
	    "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n" INTERFACES

// ---- tests -----------------------------------------------------------------------------------
// "Upon the application of the crypto map to the interface, a route is created analogous to
// IP route 172.17.11.0 255.255.255.0 FastEthernet 0/0": today that is the `static` form.
static void test_hae_static(void **state)
{
	configure(HAE(" reverse-route static\n"));
	routes_are("172.17.11.0/24 dev fa0-0", NULL);
	assert_string_equal(bed.lines[0], "172.17.11.0/24 fa0-0 3");
	configure(HAE(""));
	routes_are(NULL, NULL);
	assert_string_equal(bed.lines[1], "no 172.17.11.0/24 fa0-0 3");
}

static void test_hae_follows_sa(void **state)
{
	configure(HAE(" reverse-route\n"));
	routes_are(NULL, NULL);
	up(1, 0, "172.17.11.0/24", "172.17.11.1");
	up(3, 1, "10.0.0.0/16", "10.1.1.1");  // mymap 2 has no reverse-route
	routes_are("172.17.11.0/24 dev fa0-0", NULL);
	down(1);
	routes_are(NULL, NULL);
	down(3);
}

// AVL: the next hop is the remote tunnel endpoint: the way to it, resolved.
static void test_avl_forms(void **state)
{
	configure(AVL(" reverse-route\n"));
	up(1, 0, "10.0.0.0/16", "10.1.1.1");
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	configure(AVL(" reverse-route tag 77\n"));
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(bed.adds, 1);  // a new tag touches FRR only
	assert_string_equal(bed.lines[(bed.line_count - 2) % 8],
			    "no 10.0.0.0/16 192.168.0.254 fa0-0 3");
	assert_string_equal(bed.lines[(bed.line_count - 1) % 8],
			    "10.0.0.0/16 192.168.0.254 fa0-0 tag 77 3");
	configure(AVL(" reverse-route remote-peer\n"));
	routes_are("10.1.1.1/32 via 192.168.0.254 dev fa0-0",
		   "10.0.0.0/16 via 192.168.0.254 dev fa0-0");
	assert_int_equal(bed.dels, 0);
	configure(AVL(" reverse-route remote-peer 192.168.0.77\n"));
	routes_are("10.0.0.0/16 via 192.168.0.77 dev fa0-0", NULL);
	configure(AVL(" reverse-route remote-peer 100.64.1.1\n"));  // needs recursion
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	configure(AVL(" reverse-route remote-peer static\n"));
	down(1);
	routes_are("10.1.1.1/32 via 192.168.0.254 dev fa0-0",
		   "10.0.0.0/16 via 192.168.0.254 dev fa0-0");
	configure(AVL(" reverse-route tag 5 static\n"));
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
}

static void test_peer_elsewhere(void **state)
{
	configure(AVL(" reverse-route\n"));
	// on the link of the map
	up(1, 0, "10.0.1.0/24", "192.168.0.9");
	routes_are("10.0.1.0/24 via 192.168.0.9 dev fa0-0", NULL);
	down(1);
	// the way to the peer leaves through an interface without the map: not that way
	up(3, 0, "10.0.2.0/24", "10.9.1.1");
	routes_are("10.0.2.0/24 dev fa0-0", NULL);
	down(3);
	// a peer that protects everything gets no default route
	up(5, 0, "0.0.0.0/0", "10.1.1.1");
	routes_are(NULL, NULL);
	down(5);
	// the peer is what is protected
	up(7, 0, "192.168.0.9/32", "192.168.0.9");
	routes_are("192.168.0.9/32 dev fa0-0", NULL);
	down(7);
}

// Dynamic maps create the route from what the peer proposed: the template's reverse-route counts.
static void test_counted(void **state)
{
	configure(AVL(" reverse-route\n"));
	up(1, 0, "10.0.5.0/24", "10.1.1.1");
	up(3, 0, "10.0.5.0/24", "10.1.1.1");  // rekeyed
	down(1);
	routes_are("10.0.5.0/24 via 192.168.0.254 dev fa0-0", NULL);
	up(5, 0, "10.0.5.0/24", "10.1.1.2");  // another peer by the same way
	down(3);
	routes_are("10.0.5.0/24 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(bed.adds, 1);
	assert_int_equal(bed.dels, 0);
	down(5);
	routes_are(NULL, NULL);
	assert_int_equal(bed.dels, 1);
}

static void test_removals(void **state)
{
	static const char no_peer[] = SET
		"crypto map mymap 1 ipsec-isakmp\n reverse-route static\n"
		" set transform-set my-transform-set\n match address 102\n"
		"access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n" INTERFACES;
	static const char no_acl[] =
		SET "crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n reverse-route static\n"
		    " set transform-set my-transform-set\n match address 102\n" INTERFACES;
	static const char two_lines[] = SET
		"crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n reverse-route static\n"
		" set transform-set my-transform-set\n match address 102\n"
		"access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n"
		"access-list 102 deny ip 192.168.1.0 0.0.0.255 10.5.0.0 0.0.255.255\n"
		"access-list 102 permit ip 192.168.1.0 0.0.0.255 10.6.0.0 0.0.255.255\n" INTERFACES;
	const char *const without[] = {no_peer, no_acl, AVL("")};

	for (size_t i = 0; i < 3; i++) {
		configure(AVL(" reverse-route static\n"));
		routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
		configure(without[i]);
		routes_are(NULL, NULL);
	}
	configure(two_lines);  // one route per permit line
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0",
		   "10.6.0.0/16 via 192.168.0.254 dev fa0-0");
}

static void test_only_on_the_active(void **state)
{
	configure(AVL(" reverse-route\n"));
	up(1, 0, "10.0.0.0/16", "10.1.1.1");
	bed.passive = true;
	rri_role_changed(bed.rri);
	settle();
	routes_are(NULL, NULL);
	bed.passive = false;
	rri_role_changed(bed.rri);
	settle();
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
}

static void test_link_flap(void **state)
{
	struct rri_stats s;
	configure(AVL(" reverse-route static\n"));
	bed.link_down = true;
	bed.count = 0;  // the kernel drops routes of a link that goes down
	rri_link_changed(bed.rri, "fa0-0");
	settle();
	rri_get_stats(bed.rri, &s);
	assert_int_equal(s.routes, 0);
	assert_int_equal(s.waiting, 1);
	bed.link_down = false;
	rri_paths_changed(bed.rri, NULL);
	for (int i = 0; i < 1000 && !bed.count; i++)
		loop_turn(bed.loop, 5);
	routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
}

static void test_any_refused(void **state)
{
	static const char *const lines[] = {"192.168.1.0 0.0.0.255 any", "any 10.0.0.0 0.0.255.255",
					    "any any"};
	static const char *const maps[] = {"crypto map mymap 1 ipsec-isakmp\n",
					   "crypto dynamic-map mydynmap 1\n"};
	for (size_t m = 0; m < 2; m++)
		for (size_t i = 0; i < 3; i++) {
			struct config *c = config_create();
			struct err err = {0};
			unsigned errors = 0;
			char text[600];
			snprintf(text, sizeof(text),
				 SET "%s reverse-route\n match address 102\n"
				     "access-list 102 deny ip any host 10.0.0.1\n"
				     "access-list 102 permit ip %s\n",
				 maps[m], lines[i]);
			assert_int_equal(config_load_text(c, text, bad_line, NULL, &errors), 0);
			assert_true(rri_validate(c, &err) < 0);
			assert_non_null(strstr(err.msg, "any"));
			assert_non_null(strstr(err.msg, "102"));
			config_destroy(c);
		}
	struct config *c = config_create();
	struct err err = {0};
	unsigned errors = 0;
	config_load_text(c, AVL(" reverse-route\n"), bad_line, NULL, &errors);
	assert_int_equal(rri_validate(c, &err), 0);
	config_destroy(c);
}

static void test_ten_thousand(void **state)
{
	struct loop_stats stats;
	char dst[32];

	configure(AVL(" reverse-route tag 9\n"));
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(dst, sizeof(dst), "10.%u.%u.0/24", 100 + i / 250, i % 250);
		notice(IKE_CHILD_UP, 1 + 2 * i, 0, dst, "10.1.1.1");
	}
	settle();
	assert_int_equal(bed.count, 10000);
	bed.count = 0;
	rri_link_changed(bed.rri, "fa0-0");
	settle();
	assert_int_equal(bed.count, 10000);
	assert_int_equal(bed.adds, 20000);
	loop_get_stats(bed.loop, &stats);
	assert_true(stats.turns > 3);           // sliced
	assert_true(stats.longest_us < 50000);  // 1 ms and what the machine adds
	print_message("longest callback %u us\n", stats.longest_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hae_static, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hae_follows_sa, setup, teardown),
		cmocka_unit_test_setup_teardown(test_avl_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_on_the_active, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_flap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ten_thousand, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
