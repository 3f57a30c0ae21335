// Main mode and quick mode between two engines: what comes up, with which keys, and what does not.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ike_bed.h"

static void tunnel_up(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, bed_both_up));
}

// a --- MM1..MM6, QM1..QM3 --- b
static void test_plain(void **state)
{
	struct bed bed;
	struct ike_sa_info sa = {0};
	struct ike_child_info c = {0};

	bed_init(&bed, 1, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_int_equal(bed.a.sent, 5);  // MM1, 3, 5, QM1, 3: nothing is repeated
	assert_int_equal(bed.b.sent, 4);
	assert_true(ike_sa_next(bed.b.ike, 0, &sa));
	assert_string_equal(sa.state, "QM_IDLE");
	assert_string_equal(sa.remote_id, "192.0.2.1");
	assert_int_equal(sa.group, 19);
	assert_int_equal(sa.children, 1);
	assert_false(sa.natt);
	assert_true(sa.dpd);
	assert_true(ike_child_next(bed.a.ike, 0, &c));
	assert_int_equal(c.lifetime_s, 3600);
	assert_int_equal(c.pfs_group, 0);
	assert_false(c.udp_encap);
	assert_int_equal(bed.a.child_up, 1);
	assert_int_equal(bed.b.child_up, 1);
	// ha-protocol rule 1: slot 1, join - birth 0, restart 5.
	assert_int_equal(bed.a.sas[0].p.iv_prefix, 1ull << 63 | 5ull << 40);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
