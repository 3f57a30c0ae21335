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
#include "rri_bed.h"

// HAE: RRI on mymap 1 only. AVL: %s is the form under test.
#define HAE(form)                                                                             \
	RRI_BED_SET "crypto map mymap 1 ipsec-isakmp\n set peer 172.17.11.1\n" form           \
		    " set transform-set my-transform-set\n match address 101\n"               \
		    "crypto map mymap 2 ipsec-isakmp\n set peer 10.1.1.1\n"                   \
		    " set transform-set my-transform-set\n match address 102\n"               \
		    "access-list 101 permit ip 192.168.1.0 0.0.0.255 172.17.11.0 0.0.0.255\n" \
		    "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 "               \
		    "0.0.255.255\n" RRI_BED_INTERFACES
#define AVL(form)                                                                \
	RRI_BED_SET "crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n" form \
		    " set transform-set my-transform-set\n match address 102\n"  \
		    "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 "  \
		    "0.0.255.255\n" RRI_BED_INTERFACES

// ---- tests -----------------------------------------------------------------------------------
// "Upon the application of the crypto map to the interface, a route is created analogous to
// IP route 172.17.11.0 255.255.255.0 FastEthernet 0/0": today that is the `static` form.
static void test_hae_static(void **state)
{
	rri_bed_configure(HAE(" reverse-route static\n"));
	rri_bed_routes_are("172.17.11.0/24 dev fa0-0", NULL);
	assert_string_equal(rri_bed.lines[0], "172.17.11.0/24 fa0-0 3");
	rri_bed_configure(HAE(""));
	rri_bed_routes_are(NULL, NULL);
	assert_string_equal(rri_bed.lines[1], "no 172.17.11.0/24 fa0-0 3");
}

static void test_hae_follows_sa(void **state)
{
	rri_bed_configure(HAE(" reverse-route\n"));
	rri_bed_routes_are(NULL, NULL);
	rri_bed_up(1, 0, "172.17.11.0/24", "172.17.11.1");
	rri_bed_up(3, 1, "10.0.0.0/16", "10.1.1.1");  // mymap 2 has no reverse-route
	rri_bed_routes_are("172.17.11.0/24 dev fa0-0", NULL);
	rri_bed_down(1);
	rri_bed_routes_are(NULL, NULL);
	rri_bed_down(3);
}

// AVL: the next hop is the remote tunnel endpoint: the way to it, resolved.
static void test_avl_forms(void **state)
{
	rri_bed_configure(AVL(" reverse-route\n"));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	rri_bed_configure(AVL(" reverse-route tag 77\n"));
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(rri_bed.adds, 1);  // a new tag touches FRR only
	assert_string_equal(rri_bed.lines[(rri_bed.line_count - 2) % 8],
			    "no 10.0.0.0/16 192.168.0.254 fa0-0 3");
	assert_string_equal(rri_bed.lines[(rri_bed.line_count - 1) % 8],
			    "10.0.0.0/16 192.168.0.254 fa0-0 tag 77 3");
	rri_bed_configure(AVL(" reverse-route remote-peer\n"));
	rri_bed_routes_are("10.1.1.1/32 via 192.168.0.254 dev fa0-0",
			   "10.0.0.0/16 via 192.168.0.254 dev fa0-0");
	assert_int_equal(rri_bed.dels, 0);
	rri_bed_configure(AVL(" reverse-route remote-peer 192.168.0.77\n"));
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.77 dev fa0-0", NULL);
	rri_bed_configure(AVL(" reverse-route remote-peer 100.64.1.1\n"));  // needs recursion
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	rri_bed_configure(AVL(" reverse-route remote-peer static\n"));
	rri_bed_down(1);
	rri_bed_routes_are("10.1.1.1/32 via 192.168.0.254 dev fa0-0",
			   "10.0.0.0/16 via 192.168.0.254 dev fa0-0");
	rri_bed_configure(AVL(" reverse-route tag 5 static\n"));
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
}

static void test_peer_elsewhere(void **state)
{
	rri_bed_configure(AVL(" reverse-route\n"));
	// on the link of the map
	rri_bed_up(1, 0, "10.0.1.0/24", "192.168.0.9");
	rri_bed_routes_are("10.0.1.0/24 via 192.168.0.9 dev fa0-0", NULL);
	rri_bed_down(1);
	// the way to the peer leaves through an interface without the map: not that way
	rri_bed_up(3, 0, "10.0.2.0/24", "10.9.1.1");
	rri_bed_routes_are("10.0.2.0/24 dev fa0-0", NULL);
	rri_bed_down(3);
	// a peer that protects everything gets no default route
	rri_bed_up(5, 0, "0.0.0.0/0", "10.1.1.1");
	rri_bed_routes_are(NULL, NULL);
	rri_bed_down(5);
	// the peer is what is protected
	rri_bed_up(7, 0, "192.168.0.9/32", "192.168.0.9");
	rri_bed_routes_are("192.168.0.9/32 dev fa0-0", NULL);
	rri_bed_down(7);
}

// Dynamic maps create the route from what the peer proposed: the template's reverse-route counts.
static void test_counted(void **state)
{
	rri_bed_configure(AVL(" reverse-route\n"));
	rri_bed_up(1, 0, "10.0.5.0/24", "10.1.1.1");
	rri_bed_up(3, 0, "10.0.5.0/24", "10.1.1.1");  // rekeyed
	rri_bed_down(1);
	rri_bed_routes_are("10.0.5.0/24 via 192.168.0.254 dev fa0-0", NULL);
	rri_bed_up(5, 0, "10.0.5.0/24", "10.1.1.2");  // another peer by the same way
	rri_bed_down(3);
	rri_bed_routes_are("10.0.5.0/24 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(rri_bed.adds, 1);
	assert_int_equal(rri_bed.dels, 0);
	rri_bed_down(5);
	rri_bed_routes_are(NULL, NULL);
	assert_int_equal(rri_bed.dels, 1);
}

static void test_removals(void **state)
{
	static const char no_peer[] =
		RRI_BED_SET "crypto map mymap 1 ipsec-isakmp\n reverse-route static\n"
			    " set transform-set my-transform-set\n match address 102\n"
			    "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 "
			    "0.0.255.255\n" RRI_BED_INTERFACES;
	static const char no_acl[] = RRI_BED_SET
		"crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n reverse-route static\n"
		" set transform-set my-transform-set\n match address 102\n" RRI_BED_INTERFACES;
	static const char two_lines[] = RRI_BED_SET
		"crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n reverse-route static\n"
		" set transform-set my-transform-set\n match address 102\n"
		"access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n"
		"access-list 102 deny ip 192.168.1.0 0.0.0.255 10.5.0.0 0.0.255.255\n"
		"access-list 102 permit ip 192.168.1.0 0.0.0.255 10.6.0.0 "
		"0.0.255.255\n" RRI_BED_INTERFACES;
	const char *const without[] = {no_peer, no_acl, AVL("")};

	for (size_t i = 0; i < 3; i++) {
		rri_bed_configure(AVL(" reverse-route static\n"));
		rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
		rri_bed_configure(without[i]);
		rri_bed_routes_are(NULL, NULL);
	}
	rri_bed_configure(two_lines);  // one route per permit line
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0",
			   "10.6.0.0/16 via 192.168.0.254 dev fa0-0");
}

static void test_only_on_the_active(void **state)
{
	rri_bed_configure(AVL(" reverse-route\n"));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed.passive = true;
	rri_role_changed(rri_bed.rri);
	rri_bed_settle();
	rri_bed_routes_are(NULL, NULL);
	rri_bed.passive = false;
	rri_role_changed(rri_bed.rri);
	rri_bed_settle();
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
}

static void test_link_flap(void **state)
{
	struct rri_stats s;
	rri_bed_configure(AVL(" reverse-route static\n"));
	rri_bed.link_down = true;
	rri_bed.count = 0;  // the kernel drops routes of a link that goes down
	rri_link_changed(rri_bed.rri, "fa0-0");
	rri_bed_settle();
	rri_get_stats(rri_bed.rri, &s);
	assert_int_equal(s.routes, 0);
	assert_int_equal(s.waiting, 1);
	rri_bed.link_down = false;
	rri_paths_changed(rri_bed.rri, NULL);
	for (int i = 0; i < 1000 && !rri_bed.count; i++)
		loop_turn(rri_bed.loop, 5);
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
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
				 RRI_BED_SET "%s reverse-route\n match address 102\n"
					     "access-list 102 deny ip any host 10.0.0.1\n"
					     "access-list 102 permit ip %s\n",
				 maps[m], lines[i]);
			assert_int_equal(config_load_text(c, text, rri_bed_bad_line, NULL, &errors),
					 0);
			assert_true(rri_validate(c, &err) < 0);
			assert_non_null(strstr(err.msg, "any"));
			assert_non_null(strstr(err.msg, "102"));
			config_destroy(c);
		}
	struct config *c = config_create();
	struct err err = {0};
	unsigned errors = 0;
	config_load_text(c, AVL(" reverse-route\n"), rri_bed_bad_line, NULL, &errors);
	assert_int_equal(rri_validate(c, &err), 0);
	config_destroy(c);
}

static void test_ten_thousand(void **state)
{
	struct loop_stats stats;
	char dst[32];

	rri_bed_configure(AVL(" reverse-route tag 9\n"));
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(dst, sizeof(dst), "10.%u.%u.0/24", 100 + i / 250, i % 250);
		rri_bed_notice(IKE_CHILD_UP, 1 + 2 * i, 0, dst, "10.1.1.1");
	}
	rri_bed_settle();
	assert_int_equal(rri_bed.count, 10000);
	rri_bed.count = 0;
	rri_link_changed(rri_bed.rri, "fa0-0");
	rri_bed_settle();
	assert_int_equal(rri_bed.count, 10000);
	assert_int_equal(rri_bed.adds, 20000);
	loop_get_stats(rri_bed.loop, &stats);
	assert_true(stats.turns > 3);  // sliced; how long 1 ms takes is the machine's
	print_message("longest callback %u us\n", stats.longest_us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hae_static, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_hae_follows_sa, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_avl_forms, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_peer_elsewhere, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_counted, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_removals, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_only_on_the_active, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_link_flap, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_any_refused, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_ten_thousand, rri_bed_setup, rri_bed_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
