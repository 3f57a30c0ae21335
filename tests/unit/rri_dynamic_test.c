// Reverse routes of dynamic maps: the examples of the reference documents with their exact routes,
// every form of the line, removal with the SA, with the line, and with the template.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rri_bed.h"

// HAE, "Configuring Reverse Route Injection on a Dynamic Crypto Map".
#define HAE_DYNAMIC(form, acl)                                                                  \
	RRI_BED_SET "crypto dynamic mydynmap 1\n set transform-set my-transform-set\n" form acl \
		    "crypto map mymap 3 ipsec-isakmp dynamic mydynmap\n" RRI_BED_INTERFACES
#define ACL_LINES                                                                \
	"access-list 110 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n" \
	"access-list 110 permit ip 192.168.1.0 0.0.0.255 10.6.0.0 0.0.255.255\n"

// What IKE does when it accepts a peer's proposal. Returns the policy.
static uint32_t accepted(uint32_t sa, const char *dst, const char *peer)
{
	struct tunnels *t = rri_bed.tunnels;
	const struct tunnel *template =
		tunnels_template(t, "FastEthernet0/0", "mymap", 3, "mydynmap", 1);
	struct ike_notice n = {.type = IKE_CHILD_UP, .sa_in = sa, .sa_out = sa + 1};

	assert_non_null(template);
	n.sel = (struct selector){.sport = {0, 65535}, .dport = {0, 65535}};
	prefix_parse("192.168.1.0/24", &n.sel.src);
	prefix_parse(dst, &n.sel.dst);
	addr_parse(peer, &n.remote);
	assert_int_equal(tunnels_instance_add(t, template, &n.remote, &n.sel, &n.flow), 0);
	rri_notice(rri_bed.rri, &n);
	rri_bed_settle();
	return n.flow->policy;
}

// ... and when the last SA of the instance goes.
static void gone(uint32_t sa, uint32_t policy)
{
	rri_bed_down(sa);
	tunnels_instance_del(rri_bed.tunnels, policy);
	rri_bed_settle();
}

static const char *line(unsigned back)
{
	return rri_bed.lines[(rri_bed.line_count - back) % 8];
}

static void test_hae_example(void **state)
{
	rri_bed_configure(HAE_DYNAMIC(" reverse-route\n", ""));
	rri_bed_routes_are(NULL, NULL);
	// a peer that only the default route would reach: on the interface's link
	uint32_t first = accepted(1, "172.17.11.0/24", "172.17.11.1");
	rri_bed_routes_are("172.17.11.0/24 dev fa0-0", NULL);
	assert_string_equal(line(1), "172.17.11.0/24 fa0-0 3");
	// another one, by the router that leads to it
	uint32_t second = accepted(3, "10.0.0.0/16", "10.1.1.1");
	rri_bed_routes_are("172.17.11.0/24 dev fa0-0", "10.0.0.0/16 via 192.168.0.254 dev fa0-0");
	gone(1, first);
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_string_equal(line(1), "no 172.17.11.0/24 fa0-0 3");
	gone(3, second);
	rri_bed_routes_are(NULL, NULL);
}

// AVL, "Configuring RRI Under a Dynamic Map Template": the forms of the line.
static void test_avl_forms(void **state)
{
	rri_bed_configure(HAE_DYNAMIC(" reverse-route tag 77\n", ""));
	uint32_t policy = accepted(1, "10.0.0.0/16", "10.1.1.1");
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_string_equal(line(1), "10.0.0.0/16 192.168.0.254 fa0-0 tag 77 3");
	// the instance outlives commits that change the line of its template
	rri_bed_configure(HAE_DYNAMIC(" reverse-route remote-peer\n", ""));
	rri_bed_routes_are("10.1.1.1/32 via 192.168.0.254 dev fa0-0",
			   "10.0.0.0/16 via 192.168.0.254 dev fa0-0");
	rri_bed_configure(HAE_DYNAMIC(" reverse-route remote peer 192.168.0.77\n", ""));
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.77 dev fa0-0", NULL);
	rri_bed_configure(HAE_DYNAMIC("", ""));
	rri_bed_routes_are(NULL, NULL);
	rri_bed_configure(HAE_DYNAMIC(" reverse-route\n", ""));
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_non_null(tunnels_flow(rri_bed.tunnels, policy));
	gone(1, policy);
}

// `static` can only mean the access list of the template: a route per permit line, SA or not.
static void test_static(void **state)
{
	rri_bed_configure(
		HAE_DYNAMIC(" reverse-route tag 5 static\n", " match address 110\n" ACL_LINES));
	rri_bed_routes_are("10.0.0.0/16 dev fa0-0", "10.6.0.0/16 dev fa0-0");
	assert_string_equal(line(1), "10.6.0.0/16 fa0-0 tag 5 3");
	rri_bed_configure(HAE_DYNAMIC(" reverse-route tag 5\n", " match address 110\n" ACL_LINES));
	rri_bed_routes_are(NULL, NULL);
	uint32_t policy = accepted(1, "10.0.7.0/24", "10.1.1.1");
	rri_bed_routes_are("10.0.7.0/24 via 192.168.0.254 dev fa0-0", NULL);
	gone(1, policy);
}

static void test_rekey_and_counting(void **state)
{
	rri_bed_configure(HAE_DYNAMIC(" reverse-route\n", ""));
	uint32_t policy = accepted(1, "10.0.0.0/16", "10.1.1.1");
	struct ike_notice n = {.type = IKE_CHILD_UP,
			       .sa_in = 3,
			       .flow = tunnels_flow(rri_bed.tunnels, policy),
			       .rekey = true};
	n.sel = n.flow->sel;
	n.remote = n.flow->tunnel->peers[0];
	rri_notice(rri_bed.rri, &n);
	rri_bed_down(1);
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(rri_bed.adds, 1);
	assert_int_equal(rri_bed.dels, 0);
	gone(3, policy);
	rri_bed_routes_are(NULL, NULL);
}

static void test_template_removed(void **state)
{
	rri_bed_configure(HAE_DYNAMIC(" reverse-route\n", ""));
	(void)accepted(1, "10.0.0.0/16", "10.1.1.1");
	rri_bed_configure(RRI_BED_SET RRI_BED_INTERFACES);
	rri_bed_routes_are(NULL, NULL);
	assert_int_equal(rri_bed.tunnels->instance_count, 0);
	rri_bed_down(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hae_example, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_avl_forms, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_static, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_rekey_and_counting, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_template_removed, rri_bed_setup,
						rri_bed_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
