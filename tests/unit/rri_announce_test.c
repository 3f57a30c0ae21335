// What other routers are told of reverse routes (`advertise`): lines, the fixed neighbour, and what
// stays told for ten seconds after the role went, whatever happens meanwhile.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "rri_bed.h"
#include "rri_private.h"

#define LATE_MS 10000
#define AVL(form)                                                                \
	RRI_BED_SET "crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n" form \
		    " set transform-set my-transform-set\n match address 102\n"  \
		    "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 "  \
		    "0.0.255.255\n" RRI_BED_INTERFACES
#define TOLD_99 " reverse-route tag 77 advertise 192.168.1.99\n"

static const char *told(unsigned back)
{
	return rri_bed.lines[(rri_bed.line_count - back) % 8];
}

// Other routers are told another next hop: FRR has it, the kernel's own route does not change.
static void test_advertise(void **state)
{
	rri_bed_configure(AVL(" reverse-route tag 77\n"));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed_configure(AVL(" reverse-route tag 77 advertise 192.168.1.99\n"));
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(rri_bed.adds, 1);
	assert_string_equal(told(2), "no 10.0.0.0/16 192.168.0.254 fa0-0 tag 77 3");
	assert_string_equal(told(1), "10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "192.168.1.99 dev fa0-0");
	struct ip_prefix dst;
	prefix_parse("10.0.0.0/16", &dst);
	assert_true(rri_announces(rri_bed.rri, &dst, told(1)));
	// one neighbour for all routes, until the last one goes; a new link gets it again
	rri_bed_up(3, 0, "10.2.0.0/16", "10.1.1.1");
	rri_bed_down(1);
	assert_string_equal(rri_bed.neighbour, "192.168.1.99 dev fa0-0");
	assert_int_equal(rri_bed.neighbours, 1);
	unsigned lines = rri_bed.line_count;
	rri_link_changed(rri_bed.rri, "fa0-0");
	rri_bed_settle();
	assert_int_equal(rri_bed.neighbours, 2);
	for (unsigned i = lines; i < rri_bed.line_count; i++)  // nothing is withdrawn meanwhile
		assert_true(strncmp(rri_bed.lines[i % 8], "no ", 3) != 0);
	assert_int_equal(rri_bed.line_count, lines + 1);  // FRR may have lost it
	assert_string_equal(told(1), "10.2.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	rri_bed_down(3);
	assert_string_equal(told(1), "no 10.2.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "");
}

// The role goes: the kernel's route at once, what other routers were told later. It leads to the
// box that works, whoever tells it.
static void test_advertise_role(void **state)
{
	rri_bed_configure(AVL(" reverse-route tag 77 advertise 192.168.1.99\n"));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed.passive = true;
	rri_role_changed(rri_bed.rri);
	rri_bed_settle();
	rri_bed_routes_are(NULL, NULL);
	assert_int_equal(rri_bed.line_count, 1);
	assert_string_equal(rri_bed.neighbour, "192.168.1.99 dev fa0-0");
	rri_bed.passive = false;
	rri_role_changed(rri_bed.rri);
	rri_bed_settle();
	rri_bed_routes_are("10.0.0.0/16 via 192.168.0.254 dev fa0-0", NULL);
	assert_int_equal(rri_bed.line_count, 1);  // FRR has it still
	// without a change of the role it goes at once
	rri_bed_down(1);
	assert_string_equal(told(1), "no 10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "");
	// and at the end, what was late
	rri_bed_up(3, 0, "10.2.0.0/16", "10.1.1.1");
	rri_bed.passive = true;
	rri_role_changed(rri_bed.rri);
	rri_bed_settle();
	assert_int_equal(rri_bed.line_count, 3);
	rri_destroy(rri_bed.rri);
	rri_bed.rri = NULL;
	assert_int_equal(rri_bed.line_count, 4);
	assert_string_equal(told(1), "no 10.2.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
}

static void line_add(void *ctx, const char *line)
{
	char *all = ctx;

	assert_int_equal(strlen(all), 0);  // one, and once
	snprintf(all, 160, "%s", line);
}

// What the kernel refuses is not told, nor withdrawn; what it loses is withdrawn, once.
static void test_only_installed(void **state)
{
	static const char line[] = "10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink";
	char all[160] = "";
	struct ip_prefix dst;

	prefix_parse("10.0.0.0/16", &dst);
	rri_bed.link_down = true;
	rri_bed_configure(AVL(TOLD_99));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	assert_int_equal(rri_bed.line_count, 0);
	rri_announce_all(rri_bed.rri, line_add, all);
	assert_string_equal(all, "");
	assert_false(rri_announces(rri_bed.rri, &dst, line));
	rri_bed.link_down = false;
	rri_link_changed(rri_bed.rri, "fa0-0");
	for (int i = 0; i < 1000 && !rri_bed.count; i++)
		loop_turn(rri_bed.loop, 5);
	assert_string_equal(told(1), line);
	assert_true(rri_announces(rri_bed.rri, &dst, line));
	rri_bed.link_down = true;
	rri_bed.count = 0;
	rri_link_changed(rri_bed.rri, "fa0-0");
	rri_bed_settle();
	assert_int_equal(rri_bed.line_count, 2);
	assert_string_equal(told(1), "no 10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "");
	assert_false(rri_announces(rri_bed.rri, &dst, line));
}

// The link flaps and the tag is another one before the route is added again.
static void test_relabelled_by_flap(void **state)
{
	rri_bed_configure(AVL(TOLD_99));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed.count = 0;
	rri_link_changed(rri_bed.rri, "fa0-0");
	rri_bed_configure(AVL(" reverse-route tag 78 advertise 192.168.1.99\n"));
	assert_int_equal(rri_bed.line_count, 3);
	assert_string_equal(told(2), "no 10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(told(1), "10.0.0.0/16 192.168.1.99 fa0-0 tag 78 3 onlink");
}

// Two entries of a map want the same route: what the first one says of it counts, until it goes.
static void test_first_label(void **state)
{
	rri_bed_configure(RRI_BED_SET
			  "crypto map mymap 1 ipsec-isakmp\n set peer 10.1.1.1\n"
			  " reverse-route tag 1 advertise 192.168.1.99\n"
			  " set transform-set my-transform-set\n match address 101\n"
			  "crypto map mymap 2 ipsec-isakmp\n set peer 10.1.1.2\n"
			  " reverse-route tag 2\n"
			  " set transform-set my-transform-set\n match address 102\n"
			  "access-list 101 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 0.0.255.255\n"
			  "access-list 102 permit ip 192.168.1.0 0.0.0.255 10.0.0.0 "
			  "0.0.255.255\n" RRI_BED_INTERFACES);
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed_up(3, 1, "10.0.0.0/16", "10.1.1.2");
	assert_int_equal(rri_bed.line_count, 1);
	assert_string_equal(told(1), "10.0.0.0/16 192.168.1.99 fa0-0 tag 1 3 onlink");
	rri_bed_down(1);
	assert_string_equal(told(2), "no 10.0.0.0/16 192.168.1.99 fa0-0 tag 1 3 onlink");
	assert_string_equal(told(1), "10.0.0.0/16 192.168.0.254 fa0-0 tag 2 3");
	rri_bed_down(3);
}

// A peer reached by IPv6: its host route cannot have an IPv4 next hop, nor a network of IPv4 one of
// IPv6 in FRR.
static void test_other_family(void **state)
{
	rri_bed_configure(AVL(" reverse-route remote-peer advertise 192.168.1.99\n"));
	rri_bed_up(1, 0, "10.0.0.0/16", "2001:db8:9::1");
	rri_bed_routes_are("2001:db8:9::1/128 via fe80::9 dev fa0-0",
			   "10.0.0.0/16 via fe80::9 dev fa0-0");
	assert_string_equal(told(2), "2001:db8:9::1/128 fe80::9 fa0-0 3");
	assert_string_equal(told(1), "10.0.0.0/16 192.168.1.99 fa0-0 3 onlink");
	rri_bed_configure(AVL(" reverse-route\n"));
	rri_bed_routes_are("10.0.0.0/16 via fe80::9 dev fa0-0", NULL);
	assert_string_equal(told(1), "10.0.0.0/16 fa0-0 3");
}

// ---- ten seconds -----------------------------------------------------------------------------
static void role_set(bool active)
{
	rri_bed.passive = !active;
	rri_role_changed(rri_bed.rri);
	rri_bed_settle();
}

static unsigned late_count(void)
{
	const struct rri_late *e;
	unsigned n = 0;

	TAILQ_FOREACH (e, &rri_bed.rri->late, next)
		n++;
	return n;
}

// As if the time of the first `count` late ones had passed: they go now, in slices.
static void late_pass(unsigned count)
{
	unsigned left = late_count() - count;
	struct rri_late *e = TAILQ_FIRST(&rri_bed.rri->late);

	for (unsigned i = 0; i < count; i++, e = TAILQ_NEXT(e, next))
		e->due_ms = loop_now_ms(rri_bed.loop);
	loop_timer_start(&rri_bed.rri->late_timer, 0);
	for (int i = 0; i < 20000 && late_count() > left; i++)
		assert_int_equal(loop_turn(rri_bed.loop, 1), 0);
	assert_int_equal(late_count(), left);
}

static void test_late(void **state)
{
	const uint64_t began = loop_now_ms(rri_bed.loop);

	rri_bed_configure(AVL(TOLD_99));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	rri_bed_up(3, 0, "10.2.0.0/16", "10.1.1.1");
	role_set(false);
	rri_bed_routes_are(NULL, NULL);
	assert_int_equal(rri_bed.line_count, 2);
	// ten seconds, by the timer as well
	const struct rri_late *first = TAILQ_FIRST(&rri_bed.rri->late);
	assert_in_range(first->due_ms, began + LATE_MS, loop_now_ms(rri_bed.loop) + LATE_MS);
	assert_in_range(rri_bed.rri->late_timer.due_ms, first->due_ms, first->due_ms + 1);
	// the first one's have passed, the other's have not
	late_pass(1);
	assert_int_equal(rri_bed.line_count, 3);
	assert_string_equal(told(1), "no 10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "192.168.1.99 dev fa0-0");
	assert_in_range(rri_bed.rri->late_timer.due_ms, began + LATE_MS,
			loop_now_ms(rri_bed.loop) + LATE_MS);
	late_pass(1);
	assert_string_equal(told(1), "no 10.2.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "");
	assert_int_equal(rri_bed.rri->late_timer.due_ms, 0);
	// told anew when the role comes back after that
	role_set(true);
	assert_int_equal(rri_bed.line_count, 6);
	assert_string_equal(rri_bed.neighbour, "192.168.1.99 dev fa0-0");
	// what goes without the role is not late
	rri_bed_down(1);
	assert_int_equal(late_count(), 0);
	assert_int_equal(rri_bed.line_count, 7);
}

// A route without `advertise` leads to this box: it goes with the role, at once.
static void test_plain_goes_at_once(void **state)
{
	rri_bed_configure(AVL(" reverse-route tag 77\n"));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	role_set(false);
	assert_int_equal(late_count(), 0);
	assert_string_equal(told(1), "no 10.0.0.0/16 192.168.0.254 fa0-0 tag 77 3");
}

// Told with another tag or next hop when the role comes back: both are told, the old one goes
// later.
static void test_late_relabelled(void **state)
{
	rri_bed_configure(AVL(TOLD_99));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	role_set(false);
	rri_bed_configure(AVL(" reverse-route tag 78 advertise 192.168.1.99\n"));
	role_set(true);
	assert_int_equal(late_count(), 1);
	assert_string_equal(told(1), "10.0.0.0/16 192.168.1.99 fa0-0 tag 78 3 onlink");
	late_pass(1);
	assert_string_equal(told(1), "no 10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink");
	assert_string_equal(rri_bed.neighbour, "192.168.1.99 dev fa0-0");
}

// FRR comes back within the ten seconds: it gets what is late, and keeps what it has of it.
static void test_late_frr_again(void **state)
{
	static const char line[] = "10.0.0.0/16 192.168.1.99 fa0-0 tag 77 3 onlink";
	char all[160] = "";
	struct ip_prefix dst;

	prefix_parse("10.0.0.0/16", &dst);
	rri_bed_configure(AVL(TOLD_99));
	rri_bed_up(1, 0, "10.0.0.0/16", "10.1.1.1");
	role_set(false);
	rri_announce_all(rri_bed.rri, line_add, all);
	assert_string_equal(all, line);
	assert_true(rri_announces(rri_bed.rri, &dst, line));
	assert_false(rri_announces(rri_bed.rri, &dst, "10.0.0.0/16 192.168.1.99 fa0-0 3 onlink"));
	late_pass(1);
	assert_false(rri_announces(rri_bed.rri, &dst, line));
	all[0] = '\0';
	rri_announce_all(rri_bed.rri, line_add, all);
	assert_string_equal(all, "");
}

// Many, back in another order than they went: each is found at once.
static void test_late_many(void **state)
{
	const struct rri_label label = {.tag = 7, .via = addr_from_v4(0xc0a80163)};
	struct rri_spec s = {.interface = "fa0-0"};
	const unsigned count = 50000;

	rri_bed.rri->role_changed = true;
	for (unsigned i = 0; i < count; i++) {
		s.dst = (struct ip_prefix){addr_from_v4(0x0a000000 + i), 32};
		rri_announce(rri_bed.rri, &s, &label, true);
		rri_announce(rri_bed.rri, &s, &label, false);
	}
	assert_int_equal(rri_bed.line_count, count);
	uint64_t began = loop_clock_us();
	for (unsigned i = count; i-- > 0;) {
		s.dst = (struct ip_prefix){addr_from_v4(0x0a000000 + i), 32};
		rri_announce(rri_bed.rri, &s, &label, true);
	}
	print_message("%u back in %.1f ms\n", count, (double)(loop_clock_us() - began) / 1000);
	assert_int_equal(rri_bed.line_count, count);
	assert_int_equal(late_count(), 0);
	for (unsigned i = 0; i < RRI_LATE_BUCKETS; i++)
		assert_null(LIST_FIRST(&rri_bed.rri->late_by_dst[i]));
	rri_bed.rri->role_changed = false;
	for (unsigned i = 0; i < count; i++) {
		s.dst = (struct ip_prefix){addr_from_v4(0x0a000000 + i), 32};
		rri_announce(rri_bed.rri, &s, &label, false);
	}
	assert_string_equal(rri_bed.neighbour, "");
}

// ---- what is refused -------------------------------------------------------------------------
static void advertise_validated(const char *address, bool good)
{
	char text[1200];
	struct config *c = config_create();
	struct err err = {0};
	unsigned errors = 0;

	snprintf(text, sizeof(text), AVL(" reverse-route advertise %s static\n"), address);
	assert_int_equal(config_load_text(c, text, rri_bed_bad_line, NULL, &errors), 0);
	assert_int_equal(rri_validate(c, &err) == 0, good);
	assert_true(good || strstr(err.msg, "own address"));
	struct ip_addr a;
	addr_parse(address, &a);
	assert_true(rri_advertised(c, &a));
	addr_parse("192.168.1.98", &a);
	assert_false(rri_advertised(c, &a));
	config_destroy(c);
}

static void test_advertise_validated(void **state)
{
	advertise_validated("192.168.1.99", true);
	// an interface without an address is no one's
	struct config *c = config_create();
	struct err err = {0};
	unsigned errors = 0;
	assert_int_equal(config_load_text(c, AVL(" reverse-route\n") "interface FastEthernet0/2\n",
					  rri_bed_bad_line, NULL, &errors),
			 0);
	assert_int_equal(rri_validate(c, &err), 0);
	config_destroy(c);
	advertise_validated("192.168.1.2", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_advertise, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_advertise_role, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_only_installed, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_relabelled_by_flap, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_first_label, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_other_family, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_late, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_plain_goes_at_once, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_late_relabelled, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_late_frr_again, rri_bed_setup,
						rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_late_many, rri_bed_setup, rri_bed_teardown),
		cmocka_unit_test_setup_teardown(test_advertise_validated, rri_bed_setup,
						rri_bed_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
