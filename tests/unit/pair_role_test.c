// Nothing passes an HA_ROLE that found the ring to the gateway process full: one that still works
// would not take it. One pair on plain memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

// Numbers do not pass a role that found the ring full: the gateway process would not take them.
static void role_goes_first(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .session = {99, 4},
			      .role = HA_ROLE_STANDBY};

	standby(b, 100);
	pair_link(b->p, true, b->now);
	unsigned sets = b->told_of[HA_SETS], fed = b->told_of[HA_FEED], role = b->told_of[HA_ROLE];
	b->full = true;
	message(b, &hi);
	b->full = false;
	word(b, HA_CHECKPOINT, 7, 50, 0);
	assert_int_equal(b->told_of[HA_ROLE], role);
	assert_int_equal(b->told_of[HA_SETS], sets);
	(void)pair_writable(b->p, b->now);
	assert_int_equal(b->told_of[HA_ROLE], role + 1);
	assert_int_equal(b->told_of[HA_FEED], fed + 1);
	assert_int_equal(b->told[HA_FEED].sa.edge, 50);
}

// Nor do records, and what a grant says of numbers, which is lost then: it goes on above the
// ceilings.
static void role_goes_before_records(void **state)
{
	struct bed *b = *state;
	struct pair_msg lease = {.type = PAIR_LEASE,
				 .group = 1,
				 .has = HAS(TLV_SESSION) | HAS(TLV_LSN) | HAS(TLV_STAMP) |
					HAS(TLV_SUM),
				 .session = {99, 6},
				 .sum = {1, 1000},
				 .lsn = 2};
	struct pair_msg part = {.type = PAIR_GRANT,
				.group = 1,
				.has = HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) |
				       HAS(TLV_MORE),
				.ends = {99, 6},
				.kind = GRANT_PLANNED,
				.more = 1};
	struct pair_item next = {.id = 5, .value = 17, .edge = 4};
	uint8_t bytes[512];
	struct wbuf w;

	standby(b, 0);
	join_asked(b);
	join_answered(b, 0);
	record(b, 5, 1000, 1);
	snap_end(b, 2);
	pair_tick(b->p, b->now);
	lease.stamp = b->now;
	b->full = true;
	message(b, &lease);
	assert_true(get(b, MIRROR_FRESH_UNTIL) > b->now);  // the role has changed
	b->full = false;
	unsigned role = b->last[HA_ROLE];
	record(b, 6, 1000, 3);
	assert_true(b->last[HA_ROLE] > role);
	assert_true(b->last[HA_FEED] > b->last[HA_ROLE]);
	b->now += 300 * MS;  // the lease is over
	b->full = true;
	pair_tick(b->p, b->now);
	b->full = false;
	wbuf_init(&w, bytes, sizeof(bytes));
	pair_msg_begin(&w, &part);
	size_t mark = pair_msg_list_begin(&w, TLV_NEXTS);
	pair_msg_put_item(&w, TLV_NEXTS, &next);
	pair_msg_list_end(&w, mark);
	assert_int_equal(pair_msg_finish(&w), 0);
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
	assert_int_equal(b->told_of[HA_NEXT], 0);
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
	assert_int_equal(b->told_of[HA_NEXT], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(role_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(role_goes_before_records, setup, teardown),
	};

	return cmocka_run_group_tests_name("pair_role", tests, NULL, NULL);
}
