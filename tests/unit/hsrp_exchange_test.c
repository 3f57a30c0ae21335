// Two and three HSRP routers in one process: elections, take-overs and disturbances, at last a
// thousand random schedules that must all end with one active and one standby router.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsrp_bed.h"

static struct bed bed;

static int begin(void **state)
{
	bed_init(&bed, 1);
	return 0;
}

static int end(void **state)
{
	bed_fini(&bed);
	return 0;
}

static void boot(unsigned i, uint8_t priority, bool preempt)
{
	struct hsrp_conf c = bed_conf(i, 1, priority, preempt, 3000, 10000);

	bed_boot(&bed, i, &c);
}

static void states(enum hsrp_state a, enum hsrp_state b, enum hsrp_state c)
{
	const enum hsrp_state want[] = {a, b, c};

	for (unsigned i = 0; i < 3; i++)
		if (bed_state(&bed, i) != want[i])
			fail_msg("router %u is %s, not %s", i, hsrp_state_name(bed_state(&bed, i)),
				 hsrp_state_name(want[i]));
}

#define OFF     HSRP_STATES
#define LISTEN  HSRP_STATE_LISTEN
#define SPEAK   HSRP_STATE_SPEAK
#define STANDBY HSRP_STATE_STANDBY
#define ACTIVE  HSRP_STATE_ACTIVE

// The capture of an election: Speak for a hold time, Standby, shortly after Active; the next in
// line becomes Standby a hold time after that.
static void test_election(void **state)
{
	boot(0, 200, false);
	boot(1, 100, false);
	boot(2, 100, false);
	bed_run(&bed, 10500);
	// The weaker two heard a stronger one speak and fell silent again.
	states(SPEAK, LISTEN, LISTEN);
	bed_run(&bed, 9600);
	states(STANDBY, LISTEN, LISTEN);
	bed_run(&bed, 600);
	states(ACTIVE, LISTEN, LISTEN);
	assert_true(bed.r[0].arps >= 1);
	bed_run(&bed, 25000);
	// Equal priority: the higher address is standby.
	states(ACTIVE, LISTEN, STANDBY);
	bed_mark(&bed);
	bed_run(&bed, 60000);
	states(ACTIVE, LISTEN, STANDBY);
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 20);
	assert_int_equal(bed.r[1].sent[HSRP_OP_HELLO], 0);
	assert_int_equal(bed.r[2].sent[HSRP_OP_HELLO], 20);
}

static void test_alone(void **state)
{
	boot(0, 1, false);
	bed_run(&bed, 20600);
	states(ACTIVE, OFF, OFF);
}

// Priority equal: the higher address; nobody who is active goes without preempt.
static void test_tie_and_late(void **state)
{
	boot(0, 100, false);
	boot(1, 100, false);
	bed_run(&bed, 60000);
	states(STANDBY, ACTIVE, OFF);
	boot(2, 100, false);
	bed_run(&bed, 60000);
	// It may become standby (RFC 2281 5.7, l) but not active.
	states(LISTEN, ACTIVE, STANDBY);
}

static void test_kill(void **state)
{
	boot(0, 100, false);
	boot(1, 110, false);
	boot(2, 90, false);
	bed_run(&bed, 60000);
	states(STANDBY, ACTIVE, LISTEN);
	bed_mark(&bed);
	bed_kill(&bed, 1);
	uint64_t at = bed.now;
	bed_run(&bed, 10100);
	// The third one missed the active router at the same instant and applies for a role.
	states(ACTIVE, OFF, SPEAK);
	assert_int_equal(bed.r[0].changes, 1);
	assert_int_equal(bed.r[0].change[0].event, HSRP_EVENT_ACTIVE_TIMER);
	assert_true(bed.r[0].change[0].at - at <= 10001);
	assert_int_equal(bed.r[0].arps, 1 + 1 * (bed.now - bed.r[0].change[0].at >= 3000));
	bed_run(&bed, 22000);
	states(ACTIVE, OFF, STANDBY);
	// The dead one comes back and does not preempt.
	boot(1, 110, false);
	bed_run(&bed, 60000);
	states(ACTIVE, STANDBY, LISTEN);
}

// A stronger router joins: coup from Listen at the first hello of the active, which speaks on.
static void test_coup(void **state)
{
	boot(1, 100, false);
	boot(2, 100, false);
	bed_run(&bed, 60000);
	states(OFF, STANDBY, ACTIVE);
	bed_mark(&bed);
	boot(0, 200, true);
	bed_run(&bed, 3010);
	states(ACTIVE, LISTEN, SPEAK);
	assert_int_equal(bed.r[0].sent[HSRP_OP_COUP], 1);
	assert_int_equal(bed.r[2].change[0].event, HSRP_EVENT_COUP);
	assert_int_equal(bed.r[2].sent[HSRP_OP_RESIGN], 1);
	// The standby router took the resign for nothing; it yields to the stronger one that
	// speaks.
	assert_int_equal(bed.r[1].changes, 1);
	assert_int_equal(bed.r[1].change[0].event, HSRP_EVENT_SPEAK_HIGHER);
	bed_run(&bed, 30000);
	states(ACTIVE, LISTEN, STANDBY);
}

static void test_resign(void **state)
{
	struct hsrp_actions out = {0};

	boot(0, 200, true);
	boot(1, 100, true);
	bed_run(&bed, 60000);
	states(ACTIVE, STANDBY, OFF);
	bed_mark(&bed);
	assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out));
	bed_perform(&bed, 0, &out);
	bed_run(&bed, DOUBT_MS + 5);
	states(SPEAK, ACTIVE, OFF);
	assert_int_equal(bed.r[1].change[0].event, HSRP_EVENT_RESIGN);
	// Although stronger and preempting, it does not take back what it gave away ...
	bed_run(&bed, 60000);
	states(STANDBY, ACTIVE, OFF);
	// ... until told.
	out.count = 0;
	hsrp_group_reclaim(bed.r[0].g, bed.now, &out);
	bed_perform(&bed, 0, &out);
	bed_run(&bed, DOUBT_MS + 5);
	states(ACTIVE, SPEAK, OFF);
	// Disabled: resigns too; the other takes over at once although it only speaks.
	bed_run(&bed, 30000);
	states(ACTIVE, STANDBY, OFF);
	out.count = 0;
	hsrp_group_enable(bed.r[0].g, false, bed.now, &out);
	bed_perform(&bed, 0, &out);
	bed_run(&bed, DOUBT_MS + 5);
	states(HSRP_STATE_INITIAL, ACTIVE, OFF);
}

// What was given away is taken back when the one who has it loses something that it tracks.
static void test_resign_and_loss(void **state)
{
	struct hsrp_actions out = {0};

	boot(0, 100, true);
	boot(1, 100, true);
	bed_run(&bed, 60000);
	states(STANDBY, ACTIVE, OFF);
	assert_true(hsrp_group_resign(bed.r[1].g, bed.now, &out));
	bed_perform(&bed, 1, &out);
	bed_run(&bed, 60000);
	states(ACTIVE, STANDBY, OFF);
	out.count = 0;
	hsrp_group_decrement(bed.r[0].g, 30, bed.now, &out);
	bed_perform(&bed, 0, &out);
	bed_run(&bed, 1000);
	states(SPEAK, ACTIVE, OFF);
}

// The resign is lost: the next hello, in whatever lesser state, says as much.
static void test_resign_lost(void **state)
{
	struct hsrp_actions out = {0};

	boot(0, 200, false);
	boot(1, 100, false);
	bed_run(&bed, 60000);
	assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out));
	bed.cut[0][1] = true;
	bed_perform(&bed, 0, &out);
	bed.cut[0][1] = false;
	bed_run(&bed, 3100);
	states(STANDBY, ACTIVE, OFF);
}

// The capture of tracking: priority 100 to 75 under 80, and back.
static void test_tracking(void **state)
{
	struct hsrp_actions out = {0};

	boot(0, 100, true);
	boot(1, 80, true);
	bed_run(&bed, 60000);
	states(ACTIVE, STANDBY, OFF);
	bed_mark(&bed);
	hsrp_group_decrement(bed.r[0].g, 25, bed.now, &out);
	bed_perform(&bed, 0, &out);
	bed_run(&bed, 2 * DOUBT_MS + 5);  // the decrease, then the coup
	states(SPEAK, ACTIVE, OFF);
	bed_run(&bed, 30000);
	states(STANDBY, ACTIVE, OFF);
	out.count = 0;
	hsrp_group_decrement(bed.r[0].g, 0, bed.now, &out);
	bed_perform(&bed, 0, &out);
	assert_int_equal(bed_state(&bed, 0), ACTIVE);
	bed_run(&bed, DOUBT_MS + 5);
	states(ACTIVE, SPEAK, OFF);
	bed_run(&bed, 30000);
	states(ACTIVE, STANDBY, OFF);
}

// One direction of the link fails: two active routers, for as long as it lasts, and the one that
// hears the other decides; afterwards one.
static void test_one_way(void **state)
{
	boot(0, 200, true);
	boot(1, 100, true);
	bed_run(&bed, 60000);
	states(ACTIVE, STANDBY, OFF);
	bed.cut[0][1] = true;
	bed.station = true;  // hears it (hsrp_heard_test.c: nobody does)
	bed_run(&bed, 30000);
	states(ACTIVE, ACTIVE, OFF);
	assert_true(bed.r[0].sent[HSRP_OP_COUP] > 0);
	bed.cut[0][1] = false;
	bed_run(&bed, 3100);
	states(ACTIVE, SPEAK, OFF);
	bed_run(&bed, 20000);
	states(ACTIVE, STANDBY, OFF);
	// The other direction: the weaker one hears all, the stronger nothing.
	bed_mark(&bed);
	bed.cut[1][0] = true;
	bed_run(&bed, 60000);
	states(ACTIVE, STANDBY, OFF);
	assert_int_equal(bed.r[1].changes, 0);
}

static void test_both_boot(void **state)
{
	// To the millisecond at the same time, and hellos take their time.
	bed.delay_max_ms = 20;
	boot(0, 100, true);
	boot(1, 100, true);
	bed_run(&bed, 45000);
	states(STANDBY, ACTIVE, OFF);
	// Never two active at once.
	assert_int_equal(bed.r[0].sent[HSRP_OP_COUP] + bed.r[1].sent[HSRP_OP_COUP], 0);
}

static void test_milliseconds(void **state)
{
	for (uint8_t version = 1; version <= 2; version++) {
		struct hsrp_conf a = bed_conf(0, version, 100, false, 50, 150),
				 b = bed_conf(1, version, 100, false, 50, 150);

		bed_boot(&bed, 0, &a);
		bed_boot(&bed, 1, &b);
		bed_run(&bed, 1000);
		states(STANDBY, ACTIVE, OFF);
		bed_kill(&bed, 1);
		bed_run(&bed, 152);
		// Version 1 cannot say 150 ms on the wire; the configured time counts.
		states(ACTIVE, OFF, OFF);
		bed_kill(&bed, 0);
	}
}

// The active process is stopped and goes on: the one that took over stays if it is the stronger.
static void test_frozen(void **state)
{
	boot(0, 100, false);
	boot(1, 100, false);
	bed_run(&bed, 60000);
	states(STANDBY, ACTIVE, OFF);
	bed.r[1].frozen = true;
	bed_run(&bed, 30000);
	states(ACTIVE, ACTIVE, OFF);
	bed.r[1].frozen = false;
	bed_run(&bed, 30000);
	assert_int_equal(bed_count(&bed, ACTIVE), 1);
	assert_int_equal(bed_count(&bed, STANDBY), 1);
	// A stopped standby router does not take over in its first breath.
	unsigned s = bed_state(&bed, 0) == STANDBY ? 0 : 1;
	bed_mark(&bed);
	bed.r[s].frozen = true;
	bed_run(&bed, 30000);
	bed.r[s].frozen = false;
	struct hsrp_actions out = {0};
	// Its timers run before it reads what waits.
	hsrp_group_tick(bed.r[s].g, bed.now, &out);
	bed_perform(&bed, s, &out);
	assert_int_equal(bed_state(&bed, s), STANDBY);
	bed_run(&bed, 30000);
	assert_int_equal(bed.r[s].sent[HSRP_OP_COUP] + bed.r[1 - s].changes, 0);
	assert_int_equal(bed_state(&bed, s), STANDBY);
}

static void schedule_disturb(struct bed *b, unsigned routers, uint8_t version)
{
	unsigned i = bed_random(b, routers), other = bed_random(b, routers);
	struct hsrp_actions out = {0};

	switch (bed_random(b, 8)) {
	case 0: bed_kill(b, i); break;
	case 1: b->cut[i][other] = true; break;
	case 2: b->r[i].frozen = true; break;
	case 3: b->loss_percent = bed_random(b, 60); break;
	case 4: b->delay_max_ms = 1 + bed_random(b, 100); break;
	default: break;
	}
	if (!b->r[i].g) {
		struct hsrp_conf c = bed_conf(i, version, (uint8_t)bed_random(b, 3),
					      bed_random(b, 2), 1000, 3000);
		bed_boot(b, i, &c);
		return;
	}
	if (b->r[i].frozen)
		return;
	if (bed_random(b, 3) == 0)
		hsrp_group_decrement(b->r[i].g, bed_random(b, 3), b->now, &out);
	else if (bed_random(b, 3) == 0)
		(void)hsrp_group_resign(b->r[i].g, b->now, &out);
	bed_perform(b, i, &out);
}

// Whatever happened: when links work and processes run again, it takes a bounded time to one active
// and one standby router, and it stays so.
static void test_random(void **state)
{
	for (unsigned seed = 1; seed <= 1000; seed++) {
		struct bed *b = &bed;
		uint8_t version = 1 + seed % 2;
		unsigned routers = 2 + seed / 2 % 2;

		bed_init(b, seed);
		for (unsigned step = 0; step < 12; step++) {
			schedule_disturb(b, routers, version);
			bed_run(b, bed_random(b, 4000));
		}
		memset(b->cut, 0, sizeof(b->cut));
		b->loss_percent = 0;
		b->delay_max_ms = 20;
		for (unsigned i = 0; i < routers; i++) {
			struct hsrp_conf c = bed_conf(i, version, 100, seed % 3 == 0, 1000, 3000);

			b->r[i].frozen = false;
			if (!b->r[i].g)
				bed_boot(b, i, &c);
		}
		// Who was not heard, or is judged so yet, waits until its back-off is over.
		bed_run(b, 4000);
		for (unsigned i = 0; i < routers; i++)
			for (int n = 0; n < 70 && b->r[i].g->heard.unheard; n++)
				bed_run(b, 1000);
		// Four hold times: Listen, Speak, Standby, and once more for a loser of the last
		// round.
		bed_run(b, 4 * 3000 + 1000);
		if (bed_count(b, ACTIVE) != 1 || bed_count(b, STANDBY) != 1)
			fail_msg("seed %u: %u active, %u standby", seed, bed_count(b, ACTIVE),
				 bed_count(b, STANDBY));
		bed_mark(b);
		bed_run(b, 20000);
		for (unsigned i = 0; i < routers; i++)
			if (b->r[i].changes != 0)
				fail_msg("seed %u: router %u went on changing", seed, i);
		bed_fini(b);
	}
	bed_init(&bed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_election, begin, end),
		cmocka_unit_test_setup_teardown(test_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_tie_and_late, begin, end),
		cmocka_unit_test_setup_teardown(test_kill, begin, end),
		cmocka_unit_test_setup_teardown(test_coup, begin, end),
		cmocka_unit_test_setup_teardown(test_resign, begin, end),
		cmocka_unit_test_setup_teardown(test_resign_and_loss, begin, end),
		cmocka_unit_test_setup_teardown(test_resign_lost, begin, end),
		cmocka_unit_test_setup_teardown(test_tracking, begin, end),
		cmocka_unit_test_setup_teardown(test_one_way, begin, end),
		cmocka_unit_test_setup_teardown(test_both_boot, begin, end),
		cmocka_unit_test_setup_teardown(test_milliseconds, begin, end),
		cmocka_unit_test_setup_teardown(test_frozen, begin, end),
		cmocka_unit_test_setup_teardown(test_random, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
