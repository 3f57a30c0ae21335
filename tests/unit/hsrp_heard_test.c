// An active router that is not heard: lines that lose what it sends, replays that only look like
// one, the back-off, the other box's word. Hello 50 ms, hold 150 ms.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsrp_pair.h"

#define HOLD 150

static struct hsrp_conf conf(unsigned i, uint8_t priority)
{
	struct hsrp_conf c = conf_of(i, priority, true);

	c.version = 2;
	c.hello_ms = 50;
	c.hold_ms = HOLD;
	return c;
}

// 0 is active, stronger; 1 is standby. Another station lives on the LAN.
static void pair_begin(bool stamps)
{
	for (unsigned i = 0; i < 2; i++) {
		struct hsrp_conf c = conf(i, i == 0 ? 110 : 100);
		if (stamps) {
			c.auth = (struct hsrp_auth){.kind = HSRP_AUTH_MD5, .keys = 1};
			c.auth.key[0] = (struct hsrp_key){.len = 1,
							  .bytes = "k",
							  .accept_until = HSRP_NEVER,
							  .send_until = HSRP_NEVER};
			c.stamps = true;
			c.stamp_base = 1000000;
		}
		bed_boot(&bed, i, &c);
	}
	bed.station = true;
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_mark(&bed);
}

static unsigned times_active(unsigned i)
{
	unsigned n = 0;

	for (unsigned c = 0; c < bed.r[i].changes; c++)
		n += bed.r[i].change[c].to == HSRP_STATE_ACTIVE;
	return n;
}

static void test_mute(void **state)
{
	pair_begin(false);
	assert_int_equal(bed.r[0].asked, 0);  // in peace nothing is asked
	bed.mute[0] = true;
	uint64_t at = bed.now;
	bed_run(&bed, 600);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_true(bed_state(&bed, 0) < HSRP_STATE_ACTIVE);
	assert_int_equal(bed.r[0].change[0].event, HSRP_EVENT_UNHEARD);
	// The other one's hold time, then ours and a hello.
	uint64_t took = bed.r[0].change[0].at - at;
	assert_in_range(took, 2 * HOLD, 2 * HOLD + 2 * 50 + 5);
	assert_int_equal(bed.r[0].hearing, HSRP_HEARD_BY_NONE);
	assert_true(look(0).unheard);
	assert_int_equal(look(0).unheard_count, 1);
	// As long as it lasts nothing changes any more.
	bed_run(&bed, 300000);
	assert_int_equal(times_active(0), 0);
	assert_int_equal(times_active(1), 1);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
	// Mended: it is answered, and takes the role back once.
	bed.mute[0] = false;
	bed_run(&bed, 2000);
	assert_false(look(0).unheard);
	assert_int_equal(bed.r[0].hearing, HSRP_HEARD_AGAIN);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	assert_int_equal(times_active(0), 1);
}

// The other one dies meanwhile: the role is taken, whoever hears it.
static void test_mute_alone(void **state)
{
	pair_begin(false);
	bed.mute[0] = true;
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
	bed_kill(&bed, 1);
	bed_run(&bed, 2 * HOLD);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_true(look(0).unheard);
}

// A line that comes and goes: each time the back-off is longer, up to a minute.
static void test_back_off(void **state)
{
	uint64_t before = 0;

	pair_begin(false);
	for (int i = 0; i < 9; i++) {
		bed.mute[0] = true;
		bed_run(&bed, 1000);
		assert_true(look(0).unheard);
		bed.mute[0] = false;
		uint64_t from = bed.r[0].g->heard.back_off_until - bed.r[0].g->heard.back_off_ms;
		for (int n = 0; n < 100 && bed_state(&bed, 0) != HSRP_STATE_ACTIVE; n++)
			bed_run(&bed, 1000);
		assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
		uint64_t away = bed.now - from;
		assert_true(away <= 62500);
		assert_true(away >= before || away > 59000);
		before = away;
		bed_run(&bed, 500);
	}
	assert_true(before > 59000);
	// Good for long: it begins anew.
	bed_run(&bed, 200000);
	bed.mute[0] = true;
	bed_run(&bed, 1000);
	assert_int_equal(bed.r[0].g->heard.back_off_ms, 1000);
}

// What one of two does not hear, others do: with stamps its word is genuine and new, without it may
// be a replay, and nothing changes but a counter.
static void test_partial(void **state)
{
	pair_begin(false);
	bed.cut[0][1] = true;
	bed_run(&bed, 30000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed.r[0].hearing, HSRP_HEARD_DISPUTED);
	assert_int_equal(bed.r[0].hearings, 1);
	assert_true(bed.r[0].asked < 50);
	struct hsrp_snapshot s = look(0);
	assert_int_equal(s.disputed_count, 1);
	assert_int_equal(addr_to_v4(&s.rival), 0x0a000002);
	// Now the rest of it goes too.
	bed.mute[0] = true;
	bed_run(&bed, 5000);
	assert_true(bed_state(&bed, 0) < HSRP_STATE_ACTIVE);
}

static void test_partial_stamps(void **state)
{
	pair_begin(true);
	bed.cut[0][1] = true;
	bed_run(&bed, 600);
	assert_int_equal(bed.r[0].hearing, HSRP_HEARD_BY_SOME);
	assert_true(bed_state(&bed, 0) < HSRP_STATE_ACTIVE);
	bed_mark(&bed);
	// It tries again, ever less often.
	bed_run(&bed, 300000);
	assert_in_range(times_active(0), 4, 10);
	bed.cut[0][1] = false;
	bed_run(&bed, 62000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
}

// Somebody repeats the standby router's hello of when it was active; it lives, and denies.
static void test_replay(void **state)
{
	struct hsrp_conf c = conf(1, 100);
	struct bed_flight old;

	bed_boot(&bed, 1, &c);
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	old = bed.last[1];
	c = conf(0, 110);
	bed_boot(&bed, 0, &c);
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	bed_mark(&bed);
	for (int i = 0; i < 2000; i++) {
		for (unsigned to = 0; to < 2; to++)
			(void)bed_inject(&bed, to, addr_from_v4(0x0a000002), 1, old.bytes, old.len);
		bed_run(&bed, 10);
	}
	assert_int_equal(bed.r[0].changes, 0);
	assert_int_equal(look(0).unheard_count, 0);
	assert_true(bed.r[0].asked <= 20000 / 50 + 1);
	bed_mark(&bed);
	// The same when it is off: it cannot deny, but another station answers.
	bed_kill(&bed, 1);
	bed.station = true;
	for (int i = 0; i < 2000; i++) {
		(void)bed_inject(&bed, 0, addr_from_v4(0x0a000002), 1, old.bytes, old.len);
		bed_run(&bed, 10);
	}
	assert_int_equal(bed.r[0].changes, 0);
	assert_int_equal(look(0).unheard_count, 0);
	assert_int_equal(look(0).disputed_count, 1);
	assert_true(bed.r[0].asked < 30);
}

// A standby router whose group asks another box first never insists: that box tells.
static void test_told(void **state)
{
	pair_begin(false);
	for (int i = 0; i < 20; i++) {
		DO(0, hsrp_group_missed(bed.r[0].g, bed.now, &out));
		bed_run(&bed, 1000);
	}
	assert_int_equal(bed.r[0].changes, 0);  // it is answered
	hsrp_group_gate(bed.r[1].g, true, bed.now, &out);
	bed.mute[0] = true;
	for (int i = 0; i < 4; i++) {
		DO(0, hsrp_group_missed(bed.r[0].g, bed.now, &out));
		for (int n = 0; n < 20; n++) {
			bed_run(&bed, 10);
			DO(1, hsrp_group_claimed(bed.r[1].g, false, bed.now, &out));
		}
		if (bed_state(&bed, 0) != HSRP_STATE_ACTIVE)
			break;
	}
	assert_true(bed_state(&bed, 0) < HSRP_STATE_ACTIVE);
	assert_true(look(0).unheard);
}

// Two that lost sight of each other for a moment, a loaded LAN, a router that slept: no reason.
static void test_no_false_alarm(void **state)
{
	for (unsigned seed = 1; seed <= 50; seed++) {
		bed_fini(&bed);
		bed_init(&bed, seed);
		pair_begin(false);
		bed.loss_percent = 10;
		bed.delay_max_ms = 20;
		for (int i = 0; i < 20; i++) {
			bed.r[i & 1].frozen = true;
			bed_run(&bed, bed_random(&bed, 400));
			bed.r[i & 1].frozen = false;
			bed_run(&bed, 500);
			bed.cut[0][1] = bed.cut[1][0] = true;
			bed_run(&bed, bed_random(&bed, 600));
			bed.cut[0][1] = bed.cut[1][0] = false;
			bed_run(&bed, 500);
		}
		bed.loss_percent = 0;
		bed_run(&bed, 2000);
		assert_int_equal(look(0).unheard_count, 0);
		assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	}
}

// A new line begins without the old one's verdict.
static void test_line(void **state)
{
	pair_begin(false);
	bed.mute[0] = true;
	bed_run(&bed, 1000);
	assert_true(look(0).unheard);
	// Stopped by a tracked object, the verdict stays.
	DO(0, hsrp_group_enable(bed.r[0].g, false, bed.now, &out));
	assert_true(look(0).unheard);
	DO(0, hsrp_group_enable(bed.r[0].g, true, bed.now, &out));
	DO(0, hsrp_group_link(bed.r[0].g, false, bed.now, &out));
	assert_false(look(0).unheard);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_mute),    T(test_mute_alone), T(test_back_off),
		T(test_partial), T(test_replay),     T(test_partial_stamps),
		T(test_told),    T(test_line),       T(test_no_false_alarm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
