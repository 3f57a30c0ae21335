// Replays under keyed MD5: what a router said in every former role is said again to all of the LAN,
// and no role moves; what nobody denies is believed after a moment. And the gate before the active
// role.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsrp_pair.h"

static void md5_conf(struct hsrp_conf *c)
{
	c->auth = (struct hsrp_auth){.kind = HSRP_AUTH_MD5, .keys = 1};
	c->auth.key[0] = (struct hsrp_key){
		.len = 3, .bytes = "key", .accept_until = HSRP_NEVER, .send_until = HSRP_NEVER};
}

static void pair_boot(uint8_t version, uint8_t first, uint8_t second)
{
	const uint8_t priority[2] = {first, second};

	for (unsigned i = 0; i < 2; i++) {
		struct hsrp_conf c = bed_conf(i, version, priority[i], true, 3000, 10000);

		md5_conf(&c);
		bed_boot(&bed, i, &c);
	}
	bed_run(&bed, 60000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_mark(&bed);
}

// A message that router `from` may have sent some time ago.
static int stored(unsigned from, enum hsrp_op op, enum hsrp_state state, uint8_t priority,
		  uint8_t b[HSRP_WIRE_MAX])
{
	const struct hsrp_conf *c = &bed.r[from].conf;
	struct hsrp_msg m = {.version = c->version,
			     .op = op,
			     .state = state,
			     .group = 1,
			     .family = 4,
			     .priority = priority,
			     .hello_ms = c->hello_ms,
			     .hold_ms = c->hold_ms,
			     .virtual_ip = c->virtual_ip};

	memcpy(m.identifier, c->bia, sizeof(m.identifier));
	return hsrp_encode(&m, &c->auth, &c->local, 1, b, HSRP_WIRE_MAX);
}

// As multicast goes: to the router in whose name it speaks, too.
static void replay(unsigned from, const uint8_t *b, int len)
{
	for (unsigned to = 0; to < 2; to++)
		(void)bed_inject(&bed, to, bed.r[from].conf.local, 1, b, (size_t)len);
	bed_run(&bed, 3 * DOUBT_MS);
}

static void all_replays(uint8_t version)
{
	static const struct {
		enum hsrp_op op;
		enum hsrp_state state;
	} said[] = {
		{HSRP_OP_HELLO, HSRP_STATE_SPEAK},   {HSRP_OP_HELLO, HSRP_STATE_STANDBY},
		{HSRP_OP_HELLO, HSRP_STATE_ACTIVE},  {HSRP_OP_COUP, HSRP_STATE_STANDBY},
		{HSRP_OP_RESIGN, HSRP_STATE_ACTIVE},
	};
	static const uint8_t priorities[] = {0, 90, 100, 105, 200};
	uint8_t b[HSRP_WIRE_MAX];

	pair_boot(version, 105, 100);
	for (unsigned from = 0; from < 2; from++) {
		for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
			for (unsigned p = 0; p < sizeof(priorities); p++) {
				int n = stored(from, said[i].op, said[i].state, priorities[p], b);
				replay(from, b, n);
				if (bed.r[0].changes + bed.r[1].changes > 0)
					fail_msg("%s %s priority %u of router %u",
						 hsrp_op_name(said[i].op),
						 hsrp_state_name(said[i].state), priorities[p],
						 from);
			}
		}
	}
	// Resign, the lesser states, the lower priorities; and the coups against the active one.
	assert_in_range(look(1).reasons[HSRP_RX_REPLAYED], 12, 30);
	assert_in_range(look(0).reasons[HSRP_RX_REPLAYED], 2, 10);
	bed_run(&bed, 30000);
	assert_int_equal(bed.r[0].changes + bed.r[1].changes, 0);
	bed_kill(&bed, 0);
	bed_kill(&bed, 1);
}

static void test_replays(void **state)
{
	all_replays(1);
	all_replays(2);
}

// A genuine one is not denied.
static void test_believed(void **state)
{
	uint8_t b[HSRP_WIRE_MAX];

	pair_boot(1, 105, 100);
	int n = stored(0, HSRP_OP_RESIGN, HSRP_STATE_ACTIVE, 105, b);
	bed.cut[0][1] = true;
	// A stream of them does not put the decision off.
	for (unsigned i = 0; i < DOUBT_MS - 1; i++) {
		assert_int_equal(bed_inject(&bed, 1, bed.r[0].conf.local, 1, b, (size_t)n),
				 HSRP_RX_DOUBTED);
		bed_run(&bed, 1);
	}
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_run(&bed, 2);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(look(1).reasons[HSRP_RX_REPLAYED], 0);
}

// A router that was found dead says that it is active: it slept. If it denies that at once, being
// told that it is replaced, its successor stays; otherwise the stronger one has the role again.
static void test_sleeper(void **state)
{
	uint8_t hello[HSRP_WIRE_MAX], resign[HSRP_WIRE_MAX];

	pair_boot(1, 105, 100);
	int n = stored(0, HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 105, hello);
	int len = stored(0, HSRP_OP_RESIGN, HSRP_STATE_ACTIVE, 105, resign);
	const struct ip_addr sleeper = bed.r[0].conf.local;
	bed_kill(&bed, 0);
	bed_run(&bed, 30000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_inject(&bed, 1, sleeper, 1, hello, (size_t)n), HSRP_RX_DOUBTED);
	// Switches learnt the virtual MAC address from the sleeper: they are told better.
	bed_mark(&bed);
	(void)bed_inject(&bed, 1, sleeper, 1, resign, (size_t)len);
	assert_int_equal(bed.r[1].sent[HSRP_OP_HELLO], 1);
	bed_run(&bed, 3 * DOUBT_MS);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_inject(&bed, 1, sleeper, 1, hello, (size_t)n), HSRP_RX_DOUBTED);
	bed_run(&bed, 3 * DOUBT_MS);
	assert_int_not_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

// An active router that slept for so long that it may be replaced reads first and is told that it
// is: nothing leaves by the virtual MAC address. Not replaced, it goes on after a moment.
static void test_slept(void **state)
{
	for (int replaced = 1; replaced >= 0; replaced--) {
		pair_boot(1, 105, 100);
		bed.r[0].frozen = true;
		bed.cut[0][1] = bed.cut[1][0] = !replaced;
		bed_run(&bed, replaced ? 30000 : 9000);
		assert_int_equal(bed_state(&bed, 1),
				 replaced ? HSRP_STATE_ACTIVE : HSRP_STATE_STANDBY);
		bed_mark(&bed);
		bed.cut[0][1] = bed.cut[1][0] = false;
		bed.r[0].frozen = false;
		bed_run(&bed, 2);
		assert_int_equal(bed.r[0].sent[HSRP_OP_COUP], 0);
		assert_true(!replaced || bed.r[0].sent[HSRP_OP_HELLO] == 0);
		if (replaced)
			DO(0, assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out)));
		bed_run(&bed, 2000);
		assert_int_equal(bed_state(&bed, replaced), HSRP_STATE_ACTIVE);
		assert_int_equal(bed.r[replaced].changes, 0);
		assert_true(bed.r[0].sent[HSRP_OP_HELLO] > 0);
		bed_kill(&bed, 0);
		bed_kill(&bed, 1);
	}
}

// A process that begins again and is told that its router has the role still is active at once; the
// standby router does not notice. Not when another one is known to be active.
static void test_resume(void **state)
{
	pair_boot(1, 105, 100);
	struct hsrp_conf c = bed.r[0].conf;
	bed_kill(&bed, 0);
	bed_run(&bed, 2000);
	bed_boot(&bed, 0, &c);
	out.count = 0;
	hsrp_group_resume(bed.r[0].g, bed.now, &out);
	bed_perform(&bed, 0, &out);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	bed_run(&bed, 20000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	assert_int_equal(bed.r[1].changes, 0);
	out.count = 0;
	hsrp_group_resume(bed.r[1].g, bed.now, &out);
	assert_int_equal(out.count, 0);
}

// The moment follows the hello time, within bounds.
static void test_moment(void **state)
{
	static const struct {
		uint32_t hello, moment;
	} cases[] = {{15, 20}, {100, 50}, {3000, 100}};
	uint8_t b[HSRP_WIRE_MAX];

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned r = 0; r < 2; r++) {
			struct hsrp_conf c = bed_conf(r, 2, (uint8_t)(110 - r), true,
						      cases[i].hello, cases[i].hello * 4);
			md5_conf(&c);
			bed_boot(&bed, r, &c);
		}
		bed_run(&bed, 60000);
		bed.cut[0][1] = true;
		int n = stored(0, HSRP_OP_RESIGN, HSRP_STATE_ACTIVE, 110, b);
		(void)bed_inject(&bed, 1, bed.r[0].conf.local, 1, b, (size_t)n);
		bed_run(&bed, cases[i].moment - 1);
		assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
		bed_run(&bed, 1);
		assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
		bed_kill(&bed, 0);
		bed_kill(&bed, 1);
		bed.cut[0][1] = false;
	}
}

// Quoting a router does not make it send more than one hello in five milliseconds; forging does
// not make it send any; nor does the truth.
static void test_answers(void **state)
{
	uint8_t b[HSRP_WIRE_MAX];

	pair_boot(1, 105, 100);
	int n = stored(0, HSRP_OP_RESIGN, HSRP_STATE_ACTIVE, 105, b);
	for (unsigned i = 0; i < 1000; i++)
		(void)bed_inject(&bed, 0, bed.r[0].conf.local, 1, b, (size_t)n);
	bed_run(&bed, 4);
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 1);
	bed_run(&bed, 2);
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 2);
	b[n - 1] ^= 1;
	(void)bed_inject(&bed, 0, bed.r[0].conf.local, 1, b, (size_t)n);
	n = stored(0, HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 105, b);
	(void)bed_inject(&bed, 0, bed.r[0].conf.local, 1, b, (size_t)n);
	bed_run(&bed, 100);
	assert_int_equal(bed.r[0].sent[HSRP_OP_HELLO], 2);
	assert_int_equal(look(0).reasons[HSRP_RX_OWN_ADDRESS], 1002);
}

// A hello before its time is counted, and is worth as much as any.
static void test_early(void **state)
{
	uint8_t b[HSRP_WIRE_MAX];

	pair_boot(1, 105, 100);
	bed_run(&bed, 3000);
	int n = stored(0, HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 105, b);
	uint64_t before = look(1).reasons[HSRP_RX_EARLY];
	(void)bed_inject(&bed, 1, bed.r[0].conf.local, 1, b, (size_t)n);
	(void)bed_inject(&bed, 1, bed.r[0].conf.local, 1, b, (size_t)n);
	assert_true(look(1).reasons[HSRP_RX_EARLY] > before);
	bed_run(&bed, 30000);
	assert_true(look(1).reasons[HSRP_RX_EARLY] <= before + 2);
}

// ---- the gate --------------------------------------------------------------------------------
// The other one is lost; the group of router 1 says so instead of taking over.
static void gate_lose(void)
{
	pair_boot(1, 105, 100);
	out.count = 0;
	hsrp_group_gate(bed.r[1].g, true, bed.now, &out);
	assert_int_equal(out.count, 0);
	bed_kill(&bed, 0);
	while (!look(1).claiming)
		bed_run(&bed, 1);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	struct hsrp_snapshot s = look(1);
	assert_int_equal(addr_to_v4(&s.active.addr), 0x0a000001);
}

static void test_gate_lost(void **state)
{
	gate_lose();
	DO(1, hsrp_group_claimed(bed.r[1].g, true, bed.now, &out));
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed.r[1].change[0].event, HSRP_EVENT_ACTIVE_TIMER);
	// An answer to a question that nobody asked.
	DO(1, hsrp_group_claimed(bed.r[1].g, true, bed.now, &out));
	assert_int_equal(out.count, 0);
}

static void test_gate_denied(void **state)
{
	gate_lose();
	DO(1, hsrp_group_claimed(bed.r[1].g, false, bed.now, &out));
	bed_run(&bed, 9999);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	assert_false(look(1).claiming);
	bed_run(&bed, 1);  // asked again after another hold time
	assert_true(look(1).claiming);
	bed_run(&bed, 2499);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_run(&bed, 1);  // no answer
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

// What was denied is granted later: at once, as long as nobody was heard meanwhile.
static void test_gate_late(void **state)
{
	gate_lose();
	DO(1, hsrp_group_claimed(bed.r[1].g, false, bed.now, &out));
	bed_run(&bed, 100);
	DO(1, hsrp_group_claimed(bed.r[1].g, true, bed.now, &out));
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

static void test_gate_late_and_heard(void **state)
{
	uint8_t b[HSRP_WIRE_MAX];

	gate_lose();
	int n = stored(0, HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 105, b);
	DO(1, hsrp_group_claimed(bed.r[1].g, false, bed.now, &out));
	(void)bed_inject(&bed, 1, addr_from_v4(0x0a000001), 1, b, (size_t)n);
	DO(1, hsrp_group_claimed(bed.r[1].g, true, bed.now, &out));
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
}

static void test_gate_back(void **state)
{
	uint8_t b[HSRP_WIRE_MAX];

	gate_lose();
	int n = stored(0, HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 105, b);
	(void)bed_inject(&bed, 1, addr_from_v4(0x0a000001), 1, b, (size_t)n);
	assert_false(look(1).claiming);
	bed_run(&bed, 9000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
}

// A resign asks nobody.
static void test_gate_resign(void **state)
{
	pair_boot(1, 105, 100);
	out.count = 0;
	hsrp_group_gate(bed.r[1].g, true, bed.now, &out);
	DO(0, assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out)));
	bed_run(&bed, DOUBT_MS + 5);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

// The other box has handed its work over, before its resign is heard or after it.
static void test_handed(void **state)
{
	static const int handed_at[] = {-1, 1, DOUBT_MS - 1};

	for (unsigned i = 0; i < 3; i++) {
		pair_boot(1, 105, 100);
		out.count = 0;
		hsrp_group_gate(bed.r[1].g, true, bed.now, &out);
		if (handed_at[i] < 0)
			DO(1, hsrp_group_handed(bed.r[1].g, false, bed.now, &out));
		DO(0, assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out)));
		bed_run(&bed, handed_at[i] > 0 ? (unsigned)handed_at[i] : 1);
		if (handed_at[i] >= 0) {
			assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
			DO(1, hsrp_group_handed(bed.r[1].g, false, bed.now, &out));
		}
		assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
		bed_kill(&bed, 0);
		bed_kill(&bed, 1);
	}
	// Nothing was handed over lately: as ever.
	pair_boot(1, 105, 100);
	DO(1, hsrp_group_handed(bed.r[1].g, false, bed.now, &out));
	bed_run(&bed, 300);
	DO(0, assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out)));
	bed_run(&bed, DOUBT_MS - 5);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
}

// The other box has handed its work over in order, but its line is dead: nobody waits for its
// resign. What is still heard of it says that the resign will come.
static void test_handed_silent(void **state)
{
	pair_boot(1, 105, 100);
	bed.cut[0][1] = true;
	DO(1, hsrp_group_handed(bed.r[1].g, true, bed.now, &out));
	bed_run(&bed, 19);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_run(&bed, 2);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	bed_kill(&bed, 0);
	bed_kill(&bed, 1);
	bed.cut[0][1] = false;
	// Not in order: it may live, and this router hears it.
	pair_boot(1, 105, 100);
	DO(1, hsrp_group_handed(bed.r[1].g, false, bed.now, &out));
	bed_run(&bed, 10000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	uint8_t b[HSRP_WIRE_MAX];
	int n = stored(0, HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 105, b);
	DO(1, hsrp_group_handed(bed.r[1].g, true, bed.now, &out));
	(void)bed_inject(&bed, 1, bed.r[0].conf.local, 1, b, (size_t)n);
	bed_run(&bed, 100);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
}

static void test_gate_preempt(void **state)
{
	pair_boot(1, 105, 100);
	out.count = 0;
	hsrp_group_gate(bed.r[1].g, true, bed.now, &out);
	DO(0, hsrp_group_decrement(bed.r[0].g, 30, bed.now, &out));
	bed_run(&bed, DOUBT_MS + 5);
	assert_true(look(1).claiming);
	assert_int_equal(bed.r[1].sent[HSRP_OP_COUP], 0);
	DO(1, hsrp_group_claimed(bed.r[1].g, false, bed.now, &out));
	bed_run(&bed, 9000);
	assert_false(look(1).claiming);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	bed_run(&bed, 1100);  // asked again
	assert_true(look(1).claiming);
	DO(1, hsrp_group_claimed(bed.r[1].g, true, bed.now, &out));
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed.r[1].sent[HSRP_OP_COUP], 1);
	// Asked, but in the meantime there is nothing to preempt any more.
	bed_run(&bed, 60000);
	DO(0, hsrp_group_gate(bed.r[0].g, true, bed.now, &out));
	DO(0, hsrp_group_decrement(bed.r[0].g, 0, bed.now, &out));
	assert_true(look(0).claiming);
	DO(0, hsrp_group_decrement(bed.r[0].g, 30, bed.now, &out));
	DO(0, hsrp_group_claimed(bed.r[0].g, true, bed.now, &out));
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
}

// Three routers. 0 gave the role to 1 and still speaks when 1 resigns too and 2 takes over: the one
// it gave the role to is gone, so it preempts 2, which is weaker.
static void test_gave_away_and_lost(void **state)
{
	struct hsrp_conf c[3] = {conf_of(0, 200, true), conf_of(1, 150, false),
				 conf_of(2, 100, false)};

	c[0].hold_ms = 30000;
	c[2].hello_ms = 1000;
	c[2].hold_ms = 4000;
	for (unsigned i = 0; i < 3; i++)
		bed_boot(&bed, i, &c[i]);
	bed_run(&bed, 100000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed.cut[0][2] = bed.cut[2][0] = true;
	DO(0, assert_true(hsrp_group_resign(bed.r[0].g, bed.now, &out)));
	bed_run(&bed, 16000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_SPEAK);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 2), HSRP_STATE_STANDBY);
	assert_true(look(0).resigned);
	bed.cut[0][2] = bed.cut[2][0] = false;
	DO(1, hsrp_group_enable(bed.r[1].g, false, bed.now, &out));
	bed_run(&bed, 5);
	assert_false(look(0).resigned);
	bed_run(&bed, 2000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_replays),      T(test_believed),
		T(test_sleeper),      T(test_resume),
		T(test_moment),       T(test_answers),
		T(test_early),        T(test_gate_lost),
		T(test_gate_denied),  T(test_gate_back),
		T(test_gate_late),    T(test_gate_late_and_heard),
		T(test_gate_resign),  T(test_handed),
		T(test_gate_preempt), T(test_gave_away_and_lost),
		T(test_slept),        T(test_handed_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
