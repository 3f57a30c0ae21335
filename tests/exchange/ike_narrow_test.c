// Child SAs narrower than the responder's line: several serve it side by side, each is rekeyed by
// itself, and what none of them contains asks for an SA of its own.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ike_bed.h"

#define HOST5 "10.1.5.1"
#define HOST6 "10.1.6.1"
#define THERE "10.2.0.9"

static bool ping5(struct bed *bed)
{
	return bed_ping_packet(bed, &bed->a, &bed->b, 1, HOST5, THERE) &&
	       bed_ping_packet(bed, &bed->b, &bed->a, 1, THERE, HOST5);
}

static bool ping6(struct bed *bed)
{
	return bed_ping_packet(bed, &bed->a, &bed->b, 2, HOST6, THERE) &&
	       bed_ping_packet(bed, &bed->b, &bed->a, 1, THERE, HOST6);
}

static bool both(struct bed *bed)
{
	return ping5(bed) && ping6(bed);
}

// a has a line per subnet, b one line for all of them.
static void start(struct bed *bed, uint64_t seed, const struct bed_params *p)
{
	struct acl_entry *e;

	bed_init(bed, seed, p);
	e = TAILQ_FIRST(&TAILQ_FIRST(&bed->a.config->acls)->entries);
	assert_int_equal(prefix_parse("10.1.5.0/24", &e->sel.src), 0);
	bed_add_ace(bed->a.config, "ACL", "10.1.6.0/24", "10.2.0.0/16");
	bed_start(bed);
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_int_equal(ike_initiate(bed->a.ike, 2), 0);
	assert_true(bed_until(bed, 5000, both));
	bed_run(bed, 2000);
	bed->lost = 0;
}

static uint32_t bound_to(const struct bed_end *e, uint32_t policy, uint8_t subnet)
{
	for (unsigned i = 0; i < BED_BINDINGS; i++) {
		uint32_t sa = e->bindings[policy][i];

		if (sa && e->sas[sa - 1].p.sel[0].dst.addr.bytes[2] == subnet)
			return sa;
	}
	return 0;
}

static void test_two_at_once(void **state)
{
	struct bed bed;

	start(&bed, 1, NULL);
	assert_int_equal(bed_child_count(&bed.b, true), 2);
	uint32_t five = bound_to(&bed.b, 1, 5), six = bound_to(&bed.b, 1, 6);
	assert_true(five && six && five != six);
	uint64_t before5 = bed.b.sas[five - 1].stats.packets;
	uint64_t before6 = bed.b.sas[six - 1].stats.packets;
	for (unsigned i = 0; i < 20; i++)
		assert_true(ping5(&bed));
	assert_int_equal(bed.b.sas[five - 1].stats.packets, before5 + 20);
	assert_int_equal(bed.b.sas[six - 1].stats.packets, before6);
	bed_fini(&bed);
}

// b renews one of them as it is; the other does not notice.
static void test_rekey_of_one(void **state)
{
	struct bed bed;

	start(&bed, 2, NULL);
	uint32_t five = bound_to(&bed.b, 1, 5), six = bound_to(&bed.b, 1, 6);
	struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = five};
	bed_run(&bed, 40000);  // long enough after the set-up not to be taken for part of it
	ike_event(bed.b.ike, &ev);
	for (unsigned i = 0; i < 20000; i++) {
		assert_true(both(&bed));
		bed_run(&bed, 5);
	}
	assert_int_equal(bed.lost, 0);
	assert_int_not_equal(bound_to(&bed.b, 1, 5), five);
	assert_int_equal(bound_to(&bed.b, 1, 6), six);
	assert_int_equal(bed_child_count(&bed.b, false), 2);
	assert_int_equal(bed_child_count(&bed.a, false), 2);
	assert_int_equal(bed_counters(&bed.a).failed_proxy, 0);
	bed_fini(&bed);
}

static void test_many_lifetimes(void **state)
{
	struct bed bed;
	struct bed_params p = {.child_life_s = 120};

	start(&bed, 3, &p);
	for (unsigned i = 0; i < 120000; i++) {
		both(&bed);
		bed_run(&bed, 10);
	}
	assert_int_equal(bed.lost, 0);
	assert_in_range(bed.b.child_up, 18, 30);
	assert_in_range(bed_child_count(&bed.b, true), 2, 2);
	bed_fini(&bed);
}

// The peer refuses what lies outside: it is asked once, and the others stay as they are.
static void test_outside(void **state)
{
	struct bed bed;

	start(&bed, 4, NULL);
	for (unsigned i = 0; i < 150; i++) {
		assert_false(bed_ping_packet(&bed, &bed.b, &bed.a, 1, THERE, "10.1.7.1"));
		assert_true(both(&bed));
		bed_run(&bed, 10);
	}
	assert_int_equal(bed_counters(&bed.a).failed_proxy, 1);
	assert_true(bed.b.flushed > 0);
	assert_int_equal(bed_child_count(&bed.b, false), 2);
	bed_fini(&bed);
}

// One ends: its traffic asks again, it does not go into the other's SA.
static void test_one_ends(void **state)
{
	struct bed bed;

	start(&bed, 5, NULL);
	struct dp_event ev = {.type = DP_EVENT_HARD_EXPIRE, .sa = bound_to(&bed.b, 1, 5)};
	ike_event(bed.b.ike, &ev);
	assert_int_equal(bound_to(&bed.b, 1, 5), 0);
	assert_int_not_equal(bound_to(&bed.b, 1, 6), 0);
	assert_false(bed_ping_packet(&bed, &bed.b, &bed.a, 1, THERE, HOST5));
	assert_true(ping6(&bed));
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_at_once),    cmocka_unit_test(test_rekey_of_one),
		cmocka_unit_test(test_many_lifetimes), cmocka_unit_test(test_outside),
		cmocka_unit_test(test_one_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
