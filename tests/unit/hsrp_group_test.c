// One HSRP group and its inputs: virtual MACs, delays, preemption, learning, configuration changes,
// the snapshot.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsrp_pair.h"

static void mac_is(const struct hsrp_conf *c, const uint8_t want[6])
{
	struct hsrp_group *g = hsrp_group_create(c, false, 1);
	struct hsrp_snapshot s;

	assert_non_null(g);
	hsrp_group_snapshot(g, 1, &s);
	assert_memory_equal(s.virtual_mac, want, 6);
	hsrp_group_destroy(g);
}

static void test_virtual_mac(void **state)
{
	struct hsrp_conf c = conf_of(0, 100, false);

	c.number = 255;
	mac_is(&c, (const uint8_t[]){0, 0, 0x0c, 0x07, 0xac, 0xff});
	c.version = 2;
	c.number = 0xabc;
	mac_is(&c, (const uint8_t[]){0, 0, 0x0c, 0x9f, 0xfa, 0xbc});
	c.family = 6;
	mac_is(&c, (const uint8_t[]){0, 0x05, 0x73, 0xa0, 0x0a, 0xbc});
	c.mac_set = true;
	memcpy(c.mac, "\x02\x11\x22\x33\x44\x55", 6);
	mac_is(&c, c.mac);
	c.use_bia = true;
	mac_is(&c, c.bia);
}

static void test_conf_init(void **state)
{
	struct interface_config i = {.standby_version = 2, .standby_delay_min_s = 5};
	struct standby_group s = {.number = 7,
				  .ip_set = true,
				  .ip = addr_from_v4(0x0a000064),
				  .priority = 90,
				  .preempt = true,
				  .preempt_min_s = 30,
				  .hello_ms = 3000,
				  .hold_ms = 10000,
				  .auth_text = "12345678"};
	struct hsrp_conf c;

	i.addr = (struct ip_prefix){.addr = addr_from_v4(0x0a000001), .len = 24};
	hsrp_conf_init(&c, &s, &i);
	assert_int_equal(c.version, 2);
	assert_int_equal(c.delay_min_s, 5);
	assert_int_equal(c.preempt_min_s, 30);
	assert_memory_equal(c.auth.text, "12345678", 8);
	assert_int_equal(addr_to_v4(&c.local), 0x0a000001);
	s.auth_kind = STANDBY_AUTH_MD5;
	s.auth_key = "a key";
	s.ip_set = false;
	i.standby_version = 0;
	hsrp_conf_init(&c, &s, &i);
	assert_int_equal(c.version, 1);
	assert_int_equal(c.auth.keys, 1);
	assert_memory_equal(c.auth.key[0].bytes, "a key", 5);
	assert_false(addr_is_set(&c.virtual_ip));
	// The keys of a chain are the caller's to add.
	s.auth_kind = STANDBY_AUTH_CHAIN;
	hsrp_conf_init(&c, &s, &i);
	assert_int_equal(c.auth.kind, HSRP_AUTH_MD5);
	assert_int_equal(c.auth.keys, 0);
}

// `standby delay minimum 5 reload 60`: the first time the longer one, after that the minimum.
static void test_interface_delay(void **state)
{
	struct hsrp_conf c = conf_of(0, 100, false);

	c.delay_min_s = 5;
	c.delay_reload_s = 60;
	bed_boot(&bed, 0, &c);
	bed_run(&bed, 59999);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_INITIAL);
	assert_int_equal(look(0).start_left_ms, 1);
	bed_run(&bed, 1);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_LISTEN);
	DO(0, hsrp_group_link(bed.r[0].g, false, bed.now, &out));
	DO(0, hsrp_group_link(bed.r[0].g, true, bed.now, &out));
	bed_run(&bed, 4999);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_INITIAL);
	bed_run(&bed, 1);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_LISTEN);
	// Down during the delay: nothing starts.
	DO(0, hsrp_group_link(bed.r[0].g, false, bed.now, &out));
	DO(0, hsrp_group_link(bed.r[0].g, true, bed.now, &out));
	DO(0, hsrp_group_link(bed.r[0].g, false, bed.now, &out));
	bed_run(&bed, 100000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_INITIAL);
	assert_true(hsrp_group_due(bed.r[0].g) == HSRP_NEVER);
}

// Router 1 (100) is active; router 0 (200) boots with what the test says about preemption.
static void preempt_begin(uint32_t min, uint32_t reload, uint32_t sync)
{
	struct hsrp_conf a = conf_of(0, 200, true), b = conf_of(1, 100, true);

	bed_boot(&bed, 1, &b);
	bed_run(&bed, 60000);
	a.preempt_min_s = min;
	a.preempt_reload_s = reload;
	a.preempt_sync_s = sync;
	bed_boot(&bed, 0, &a);
}

static void test_preempt_delay(void **state)
{
	preempt_begin(30, 0, 0);
	bed_run(&bed, 4000);  // a hello of the active router was heard
	struct hsrp_snapshot s = look(0);
	assert_true(s.preempt_waiting);
	assert_in_range(s.preempt_left_ms, 26000, 30000);
	bed_run(&bed, s.preempt_left_ms - 1);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
	bed_run(&bed, DOUBT_MS + 5);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_SPEAK);
	assert_false(look(0).preempt_waiting);
}

static void test_preempt_reload(void **state)
{
	uint64_t boot;

	preempt_begin(5, 60, 0);
	boot = bed.now;
	bed_run(&bed, 59900);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	bed_run(&bed, 200);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_true(bed.now - boot < 61000);
	// Long after the reload only the minimum counts.
	// With nobody to take over nothing is given away.
	assert_false(hsrp_group_resign(bed.r[0].g, bed.now, &out));
	bed_run(&bed, 30000);
	bool resigned = false;
	DO(0, resigned = hsrp_group_resign(bed.r[0].g, bed.now, &out));
	assert_true(resigned);
	bed_run(&bed, 60000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	DO(0, hsrp_group_reclaim(bed.r[0].g, bed.now, &out));
	bed_run(&bed, 4900);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	bed_run(&bed, 200);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
}

// Not a start of the process but a new group: no reload delay.
static void test_preempt_no_reload(void **state)
{
	struct hsrp_conf a = conf_of(0, 200, true), b = conf_of(1, 100, true);

	bed_boot(&bed, 1, &b);
	bed_run(&bed, 60000);
	a.preempt_reload_s = 60;
	a.delay_reload_s = 60;
	bed.r[0] = (struct bed_router){.conf = a, .g = hsrp_group_create(&a, false, bed.now)};
	assert_non_null(bed.r[0].g);
	DO(0, hsrp_group_link(bed.r[0].g, true, bed.now, &out));
	bed_run(&bed, 3100);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
}

// What a bystander makes of two active routers, and of one that says it is active no more.
static void test_bystander(void **state)
{
	struct hsrp_conf c = conf_of(0, 1, false);
	struct ip_addr x = addr_from_v4(0x0a000008), y = addr_from_v4(0x0a000009);
	struct hsrp_msg m = bed_active_hello(&c, 1, 100);
	uint8_t b[HSRP_WIRE_MAX];

	bed_boot(&bed, 0, &c);
	int n = hsrp_encode(&m, &c.auth, &y, 1, b, sizeof(b));
	assert_int_equal(bed_inject(&bed, 0, y, 1, b, (size_t)n), HSRP_RX_OK);
	bed_run(&bed, 4000);
	// The weaker one is not taken for the active router while the stronger is heard ...
	assert_int_equal(bed_inject(&bed, 0, x, 1, b, (size_t)n), HSRP_RX_OTHER_ACTIVE);
	struct hsrp_snapshot s = look(0);
	assert_true(addr_equal(&s.active.addr, &y));
	// ... but when that one missed a hello.
	bed_run(&bed, 1000);
	assert_int_equal(bed_inject(&bed, 0, x, 1, b, (size_t)n), HSRP_RX_OK);
	s = look(0);
	assert_true(addr_equal(&s.active.addr, &x));
	m.state = HSRP_STATE_SPEAK;
	n = hsrp_encode(&m, &c.auth, &x, 1, b, sizeof(b));
	(void)bed_inject(&bed, 0, x, 1, b, (size_t)n);
	s = look(0);
	assert_false(addr_is_set(&s.active.addr));
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_LISTEN);
}

static void test_preempt_sync(void **state)
{
	preempt_begin(0, 0, 40);
	DO(0, hsrp_group_ready(bed.r[0].g, HSRP_READY_SYNCING, bed.now, &out));
	bed_run(&bed, 39000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	bed_run(&bed, 5000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
}

static void test_preempt_held(void **state)
{
	preempt_begin(0, 0, 10);
	DO(0, hsrp_group_ready(bed.r[0].g, HSRP_READY_HELD, bed.now, &out));
	bed_run(&bed, 100000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
	assert_true(look(0).preempt_waiting);
	// Ready: at once, not at the next hello.
	DO(0, hsrp_group_ready(bed.r[0].g, HSRP_READY, bed.now, &out));
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	// What is held is preemption, not succession.
	bed_run(&bed, 30000);
	DO(1, hsrp_group_ready(bed.r[1].g, HSRP_READY_HELD, bed.now, &out));
	bed_kill(&bed, 0);
	bed_run(&bed, 11000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

// The waiting ends when its reason does.
static void test_preempt_cancelled(void **state)
{
	preempt_begin(30, 0, 0);
	bed_run(&bed, 20000);
	DO(0, hsrp_group_decrement(bed.r[0].g, 150, bed.now, &out));
	assert_false(look(0).preempt_waiting);
	bed_run(&bed, 15000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	DO(0, hsrp_group_decrement(bed.r[0].g, 0, bed.now, &out));
	bed_run(&bed, 29000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
}

static void test_learn(void **state)
{
	struct hsrp_conf a = bed_conf(0, 2, 200, false, 1000, 3000),
			 b = bed_conf(1, 2, 100, false, 3000, 10000);

	b.virtual_ip = addr_none();
	b.timers_set = false;
	bed_boot(&bed, 1, &b);
	bed_run(&bed, 60000);
	// Without an address it never speaks.
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_LEARN);
	assert_int_equal(bed.r[1].sent[HSRP_OP_HELLO], 0);
	// Not from one who does not know the secret, nor from a coup or a speaker.
	struct hsrp_auth wrong = {.kind = HSRP_AUTH_TEXT, .text = "ocsic"};
	struct hsrp_msg m = {.version = 2,
			     .state = HSRP_STATE_ACTIVE,
			     .group = 1,
			     .family = 4,
			     .priority = 255,
			     .hello_ms = 100,
			     .hold_ms = 300,
			     .virtual_ip = addr_from_v4(0x0a000063)};
	uint8_t bytes[HSRP_WIRE_MAX];
	int n = hsrp_encode(&m, &wrong, &a.local, 1, bytes, sizeof(bytes));
	assert_int_equal(bed_inject(&bed, 1, a.local, 1, bytes, (size_t)n), HSRP_RX_AUTH_TEXT);
	m.state = HSRP_STATE_SPEAK;
	n = hsrp_encode(&m, &a.auth, &a.local, 1, bytes, sizeof(bytes));
	(void)bed_inject(&bed, 1, a.local, 1, bytes, (size_t)n);
	m.op = HSRP_OP_COUP;
	n = hsrp_encode(&m, &a.auth, &a.local, 1, bytes, sizeof(bytes));
	(void)bed_inject(&bed, 1, a.local, 1, bytes, (size_t)n);
	struct hsrp_snapshot s = look(1);
	assert_false(addr_is_set(&s.virtual_ip));
	bed_boot(&bed, 0, &a);
	bed_run(&bed, 20000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	s = look(1);
	assert_true(s.virtual_learnt && s.timers_learnt);
	assert_int_equal(addr_to_v4(&s.virtual_ip), 0x0a000064);
	assert_int_equal(s.hello_ms, 1000);
	assert_int_equal(s.hold_ms, 3000);
	// It can take over with what it learnt, and forgets it when the interface goes down.
	bed_kill(&bed, 0);
	bed_run(&bed, 3100);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	DO(1, hsrp_group_link(bed.r[1].g, false, bed.now, &out));
	s = look(1);
	assert_false(s.virtual_learnt || s.timers_learnt || addr_is_set(&s.virtual_ip));
	assert_int_equal(s.hello_ms, 3000);
}

// Configured timers are not overruled, but the active router's hold time counts for it.
static void test_timers_configured(void **state)
{
	struct hsrp_conf a = bed_conf(0, 2, 200, false, 1000, 30000),
			 b = bed_conf(1, 2, 100, false, 3000, 10000);

	bed_boot(&bed, 0, &a);
	bed_run(&bed, 61000);
	bed_boot(&bed, 1, &b);
	bed_run(&bed, 40000);
	assert_int_equal(look(1).hello_ms, 3000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_kill(&bed, 0);
	bed_run(&bed, 28500);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

// Changes in place, and changes that start the group again.
static void test_configure(void **state)
{
	struct hsrp_conf a = conf_of(0, 100, true), b = conf_of(1, 110, true);

	bed_boot(&bed, 0, &a);
	bed_boot(&bed, 1, &b);
	bed_run(&bed, 60000);
	bed_mark(&bed);
	a.priority = 120;
	DO(0, hsrp_group_configure(bed.r[0].g, &a, bed.now, &out));
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	bed_run(&bed, 30000);
	bed_mark(&bed);
	a.hello_ms = 1000;
	a.hold_ms = 4000;
	DO(0, hsrp_group_configure(bed.r[0].g, &a, bed.now, &out));
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 1);
	bed_run(&bed, 10000);
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 11);
	assert_int_equal(bed.r[0].changes, 0);
	// Another virtual address: resigns under the old one, then begins anew.
	a.virtual_ip = addr_from_v4(0x0a000065);
	DO(0, hsrp_group_configure(bed.r[0].g, &a, bed.now, &out));
	assert_int_equal(bed.r[0].sent[HSRP_OP_RESIGN], 1);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_LISTEN);
	bed_run(&bed, 60000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_true(look(0).reasons[HSRP_RX_OTHER_VIRTUAL] > 0);
	// Nobody takes a configured address from a message.
	struct hsrp_snapshot s = look(1);
	assert_int_equal(addr_to_v4(&s.virtual_ip), 0x0a000064);
}

// The standby router's own hold time counts for it, and late calls do not make hellos drift.
static void test_times(void **state)
{
	struct hsrp_conf a = bed_conf(0, 2, 100, false, 3000, 30000),
			 b = bed_conf(1, 2, 110, false, 3000, 10000);

	bed_boot(&bed, 1, &b);
	bed_run(&bed, 60000);
	bed_boot(&bed, 0, &a);
	bed_run(&bed, 70000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
	assert_in_range(look(1).standby.left_ms, 26000, 30000);
	for (unsigned n = 0; n < 5; n++) {
		uint64_t due = hsrp_group_due(bed.r[1].g);

		bed.now = due + 20;
		DO(1, hsrp_group_tick(bed.r[1].g, bed.now, &out));
		assert_int_equal(hsrp_group_due(bed.r[1].g), due + 3000);
	}
}

static void test_snapshot(void **state)
{
	struct hsrp_conf a = conf_of(0, 100, true), b = conf_of(1, 110, true);

	bed_boot(&bed, 0, &a);
	bed_boot(&bed, 1, &b);
	bed_run(&bed, 60000);
	struct hsrp_snapshot s = look(0);
	assert_int_equal(s.state, HSRP_STATE_STANDBY);
	assert_true(s.standby.local);
	assert_true(addr_equal(&s.active.addr, &b.local));
	assert_int_equal(s.active.priority, 110);
	assert_in_range(s.active.left_ms, 7000 - 1, 10000);
	assert_in_range(s.next_hello_ms, 0, 3000);
	s = look(1);
	assert_true(s.active.local);
	assert_true(addr_equal(&s.standby.addr, &a.local));
	assert_int_equal(s.priority, 110);
	assert_true(s.received[HSRP_OP_HELLO] > 10 && s.sent[HSRP_OP_HELLO] > 10);
	// A decrement above the priority: zero, not a large number.
	DO(1, hsrp_group_decrement(bed.r[1].g, 255, bed.now, &out));
	assert_int_equal(look(1).priority, 0);
	assert_int_equal(look(1).configured_priority, 110);
}

static void test_announce(void **state)
{
	struct hsrp_conf a = bed_conf(0, 2, 100, true, 50, 150);

	bed_boot(&bed, 0, &a);
	bed_run(&bed, 1000);
	// At take-over, and twice more with the next hellos.
	assert_int_equal(bed.r[0].arps, 3);
	// Timers due long ago (the process slept): hellos do not come in a burst.
	bed_mark(&bed);
	bed.r[0].frozen = true;
	bed_run(&bed, 5000);
	bed.r[0].frozen = false;
	bed_run(&bed, 49);
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 1);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_virtual_mac),       T(test_conf_init),      T(test_interface_delay),
		T(test_preempt_delay),     T(test_preempt_reload), T(test_preempt_sync),
		T(test_preempt_no_reload), T(test_bystander),      T(test_preempt_held),
		T(test_preempt_cancelled), T(test_learn),          T(test_timers_configured),
		T(test_configure),         T(test_times),          T(test_snapshot),
		T(test_announce),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
