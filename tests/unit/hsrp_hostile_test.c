// Hostile hellos to a HSRP group (security class 27): forged, truncated, with wrong TTL, wrong or
// two keys, replayed, priority 255 from a stranger. They change nothing and are counted. And the
// change of keys.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsrp_pair.h"

static void md5_conf(struct hsrp_conf *c, const char *key)
{
	c->auth = (struct hsrp_auth){.kind = HSRP_AUTH_MD5, .keys = 1};
	c->auth.key[0] = (struct hsrp_key){
		.len = (uint8_t)strlen(key), .accept_until = HSRP_NEVER, .send_until = HSRP_NEVER};
	memcpy(c->auth.key[0].bytes, key, strlen(key));
}

// What must not have moved after a hostile packet.
static void untouched(unsigned i, const struct hsrp_snapshot *before, enum hsrp_rx reason)
{
	struct hsrp_snapshot now = look(i);

	assert_int_equal(now.state, before->state);
	assert_int_equal(now.state_changes, before->state_changes);
	assert_true(addr_equal(&now.active.addr, &before->active.addr));
	assert_true(addr_equal(&now.standby.addr, &before->standby.addr));
	assert_int_equal(now.active.left_ms, before->active.left_ms);
	assert_int_equal(now.hold_ms, before->hold_ms);
	assert_memory_equal(now.sent, before->sent, sizeof(now.sent));
	assert_int_equal(now.reasons[reason], before->reasons[reason] + 1);
}

static void test_hostile(void **state)
{
	struct hsrp_conf c[2] = {conf_of(0, 100, true), conf_of(1, 110, true)};
	struct ip_addr stranger = addr_from_v4(0x0a000009), off_net = addr_from_v4(0x0b000009),
		       virtual = addr_from_v4(0x0a000064), own[2];
	struct hsrp_msg m = {.version = 1,
			     .state = HSRP_STATE_ACTIVE,
			     .group = 1,
			     .family = 4,
			     .priority = 255,
			     .hello_ms = 3000,
			     .hold_ms = 10000,
			     .virtual_ip = virtual};
	uint8_t b[HSRP_WIRE_MAX];

	for (unsigned i = 0; i < 2; i++) {
		md5_conf(&c[i], "right");
		bed_boot(&bed, i, &c[i]);
		own[i] = c[i].local;
	}
	bed_run(&bed, 60000);
	// Against the standby router and against the active one.
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned op = 0; op < 3; op++) {
			struct hsrp_conf wrong = c[0], text = conf_of(0, 1, false);
			struct hsrp_snapshot s = look(i);

			m.op = (enum hsrp_op)op;
			md5_conf(&wrong, "wrong");
			int n = hsrp_encode(&m, &wrong.auth, &stranger, 1, b, sizeof(b));
			assert_int_equal(bed_inject(&bed, i, stranger, 1, b, (size_t)n),
					 HSRP_RX_AUTH_DIGEST);
			untouched(i, &s, HSRP_RX_AUTH_DIGEST);
			n = hsrp_encode(&m, &text.auth, &stranger, 1, b, sizeof(b));
			assert_int_equal(bed_inject(&bed, i, stranger, 1, b, (size_t)n),
					 HSRP_RX_AUTH_TYPE);
			untouched(i, &s, HSRP_RX_AUTH_TYPE);
			// From here on with the right key.
			n = hsrp_encode(&m, &c[0].auth, &stranger, 1, b, sizeof(b));
			assert_int_equal(bed_inject(&bed, i, stranger, 2, b, (size_t)n),
					 HSRP_RX_WRONG_TTL);
			untouched(i, &s, HSRP_RX_WRONG_TTL);
			assert_int_equal(bed_inject(&bed, i, stranger, 255, b, (size_t)n),
					 HSRP_RX_WRONG_TTL);
			assert_int_equal(bed_inject(&bed, i, off_net, 1, b, (size_t)n),
					 HSRP_RX_BAD_SOURCE);
			untouched(i, &s, HSRP_RX_BAD_SOURCE);
			assert_int_equal(bed_inject(&bed, i, virtual, 1, b, (size_t)n),
					 HSRP_RX_BAD_SOURCE);
			assert_int_equal(bed_inject(&bed, i, own[i], 1, b, (size_t)n),
					 HSRP_RX_OWN_ADDRESS);
			untouched(i, &s, HSRP_RX_OWN_ADDRESS);
			assert_int_equal(bed_inject(&bed, i, own[1 - i], 1, b, (size_t)n),
					 HSRP_RX_AUTH_SOURCE);
			untouched(i, &s, HSRP_RX_AUTH_SOURCE);
			for (size_t len = 0; len < (size_t)n; len++) {
				enum hsrp_rx rx = bed_inject(&bed, i, stranger, 1, b, len);
				assert_true(rx == HSRP_RX_TRUNCATED || rx == HSRP_RX_AUTH_TYPE);
			}
			b[6] = 2;
			assert_int_equal(bed_inject(&bed, i, stranger, 1, b, (size_t)n),
					 HSRP_RX_WRONG_GROUP);
			untouched(i, &s, HSRP_RX_WRONG_GROUP);
		}
	}
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_STANDBY);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
}

// Right in itself, but not for this group: another version, another family, a group that is off.
static void test_misplaced(void **state)
{
	struct hsrp_conf c = bed_conf(0, 2, 100, true, 3000, 10000);
	struct ip_addr peer = addr_from_v4(0x0a000009);
	struct hsrp_msg m = bed_active_hello(&c, 1, 255);
	uint8_t b[HSRP_WIRE_MAX];

	bed_boot(&bed, 0, &c);
	int n = hsrp_encode(&m, &c.auth, &peer, 1, b, sizeof(b));
	struct hsrp_snapshot s = look(0);
	assert_int_equal(bed_inject(&bed, 0, peer, 1, b, (size_t)n), HSRP_RX_BAD_VERSION);
	untouched(0, &s, HSRP_RX_BAD_VERSION);
	m.version = 2;
	m.family = 6;
	n = hsrp_encode(&m, &c.auth, &peer, 1, b, sizeof(b));
	assert_int_equal(bed_inject(&bed, 0, peer, 255, b, (size_t)n), HSRP_RX_BAD_FAMILY);
	untouched(0, &s, HSRP_RX_BAD_FAMILY);
	DO(0, hsrp_group_link(bed.r[0].g, false, bed.now, &out));
	m.family = 4;
	n = hsrp_encode(&m, &c.auth, &peer, 1, b, sizeof(b));
	s = look(0);
	assert_int_equal(bed_inject(&bed, 0, peer, 1, b, (size_t)n), HSRP_RX_DISABLED);
	untouched(0, &s, HSRP_RX_DISABLED);
}

// A coup or hello of a weaker router does not move the active one; the hello is answered by a coup.
static void test_weaker(void **state)
{
	struct hsrp_conf c = conf_of(1, 100, true);
	struct ip_addr weak = addr_from_v4(0x0a000001);  // same priority, lower address
	struct hsrp_msg m = {.version = 1,
			     .op = HSRP_OP_COUP,
			     .state = HSRP_STATE_LISTEN,
			     .group = 1,
			     .family = 4,
			     .priority = 100,
			     .hello_ms = 3000,
			     .hold_ms = 10000,
			     .virtual_ip = c.virtual_ip};
	uint8_t b[HSRP_WIRE_MAX];

	bed_boot(&bed, 1, &c);
	bed_run(&bed, 60000);
	bed_mark(&bed);
	int n = hsrp_encode(&m, &c.auth, &weak, 1, b, sizeof(b));
	assert_int_equal(bed_inject(&bed, 1, weak, 1, b, (size_t)n), HSRP_RX_IGNORED);
	m.op = HSRP_OP_HELLO;
	m.state = HSRP_STATE_ACTIVE;
	n = hsrp_encode(&m, &c.auth, &weak, 1, b, sizeof(b));
	assert_int_equal(bed_inject(&bed, 1, weak, 1, b, (size_t)n), HSRP_RX_OK);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	assert_int_equal(bed.r[1].changes, 0);
	assert_int_equal(bed.r[1].sent[HSRP_OP_COUP], 1);
}

// Replays: one's own messages, and the other's last one again and again. (The protocol has no
// freshness: a stored message of another role is the limit that docs/hsrp.md names.)
static void test_replay(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct hsrp_conf c = conf_of(i, 100, true);

		md5_conf(&c, "right");
		bed_boot(&bed, i, &c);
	}
	bed_run(&bed, 60000);
	bed_mark(&bed);
	for (unsigned n = 0; n < 100; n++) {
		for (unsigned from = 0; from < 2; from++) {
			struct bed_flight f = bed.last[from];

			assert_int_equal(bed_inject(&bed, from, addr_from_v4(0x0a000001 + from), 1,
						    f.bytes, f.len),
					 HSRP_RX_OWN_ADDRESS);
			(void)bed_inject(&bed, 1 - from, addr_from_v4(0x0a000001 + from), 1,
					 f.bytes, f.len);
			// Relayed by a third address it is not believed.
			assert_int_equal(bed_inject(&bed, 1 - from, addr_from_v4(0x0a000009), 1,
						    f.bytes, f.len),
					 HSRP_RX_AUTH_SOURCE);
		}
		bed_run(&bed, 100);
	}
	assert_int_equal(bed.r[0].changes + bed.r[1].changes, 0);
	assert_int_equal(bed.r[0].sent[HSRP_OP_COUP] + bed.r[1].sent[HSRP_OP_COUP], 0);
	assert_int_equal(look(0).reasons[HSRP_RX_OWN_ADDRESS], 100);
}

// `key-string NEW timeout 60`: both routers change one after the other without a flap.
static void test_key_timeout(void **state)
{
	struct hsrp_conf c[2];

	for (unsigned i = 0; i < 2; i++) {
		c[i] = conf_of(i, 100, true);
		md5_conf(&c[i], "old");
		bed_boot(&bed, i, &c[i]);
	}
	bed_run(&bed, 60000);
	bed_mark(&bed);
	for (unsigned i = 0; i < 2; i++) {
		c[i].auth_timeout_s = 60;
		md5_conf(&c[i], "new");
	}
	// The first box already sends the new key, which the second does not know yet: for less
	// than a hold time.
	DO(0, hsrp_group_configure(bed.r[0].g, &c[0], bed.now, &out));
	bed_run(&bed, 5000);
	DO(1, hsrp_group_configure(bed.r[1].g, &c[1], bed.now, &out));
	bed_run(&bed, 120000);
	assert_int_equal(bed.r[0].changes + bed.r[1].changes, 0);
	// After the time-out the old key is dead, and its octets are not sent for ever.
	struct hsrp_conf old = conf_of(0, 100, true);
	md5_conf(&old, "old");
	struct hsrp_msg m = bed_active_hello(&old, 1, 255);
	uint8_t b[HSRP_WIRE_MAX];
	int n = hsrp_encode(&m, &old.auth, &old.local, 1, b, sizeof(b));
	assert_int_equal(bed_inject(&bed, 1, old.local, 1, b, (size_t)n), HSRP_RX_AUTH_DIGEST);
}

// With stamps no stored message is worth anything, of whatever former role: router 0 was active,
// gave the role to router 1, and its old hellos, the coup and the resign come again.
static void stamps_run(uint8_t version)
{
	struct bed_flight stored[3];

	for (unsigned i = 0; i < 2; i++) {
		struct hsrp_conf c = bed_conf(i, version, (uint8_t)(110 - i), true, 3000, 10000);

		md5_conf(&c, "right");
		c.stamps = true;
		c.stamp_base = 1000000;
		bed_boot(&bed, i, &c);
	}
	bed_run(&bed, 60000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	stored[0] = bed.last[0];
	DO(0, (void)hsrp_group_resign(bed.r[0].g, bed.now, &out));
	for (unsigned i = 0; i < out.count; i++) {
		if (out.list[i].kind == HSRP_DO_SEND && out.list[i].op == HSRP_OP_RESIGN) {
			stored[1].len = out.list[i].len;
			memcpy(stored[1].bytes, out.list[i].bytes, out.list[i].len);
		}
	}
	bed_run(&bed, 60000);
	DO(0, hsrp_group_reclaim(bed.r[0].g, bed.now, &out));
	assert_int_equal(out.list[0].op, HSRP_OP_COUP);
	stored[2].len = out.list[0].len;
	memcpy(stored[2].bytes, out.list[0].bytes, out.list[0].len);
	bed_run(&bed, 30000);
	DO(0, (void)hsrp_group_resign(bed.r[0].g, bed.now, &out));
	bed_run(&bed, 60000);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_ACTIVE);
	for (unsigned n = 0; n < 3; n++) {
		struct hsrp_snapshot s = look(1);

		assert_int_equal(bed_inject(&bed, 1, addr_from_v4(0x0a000001), 1, stored[n].bytes,
					    stored[n].len),
				 HSRP_RX_REPLAYED);
		untouched(1, &s, HSRP_RX_REPLAYED);
	}
	// The very last one too, and one without a stamp.
	assert_int_equal(bed_inject(&bed, 1, addr_from_v4(0x0a000001), 1, bed.last[0].bytes,
				    bed.last[0].len),
			 HSRP_RX_REPLAYED);
	struct hsrp_conf plain = bed_conf(0, version, 255, true, 3000, 10000);
	md5_conf(&plain, "right");
	struct hsrp_msg m = bed_active_hello(&plain, version, 255);
	uint8_t b[HSRP_WIRE_MAX];
	int n = hsrp_encode(&m, &plain.auth, &plain.local, 1, b, sizeof(b));
	assert_int_equal(bed_inject(&bed, 1, plain.local, 1, b, (size_t)n), HSRP_RX_NO_STAMP);
	// A restarted router is heard again.
	struct hsrp_conf again = bed.r[0].conf;
	bed_kill(&bed, 0);
	bed_run(&bed, 1000);
	bed_boot(&bed, 0, &again);
	bed_run(&bed, 60000);
	assert_int_equal(bed_state(&bed, 0), HSRP_STATE_ACTIVE);
	assert_int_equal(bed_state(&bed, 1), HSRP_STATE_STANDBY);
	bed_kill(&bed, 0);
	bed_kill(&bed, 1);
}

static void test_stamps(void **state)
{
	stamps_run(1);
	stamps_run(2);
}

// Version 2: one's own message from a foreign address.
static void test_reflected(void **state)
{
	struct hsrp_conf c = bed_conf(0, 2, 100, true, 3000, 10000);

	bed_boot(&bed, 0, &c);
	bed_run(&bed, 60000);
	assert_int_equal(bed_inject(&bed, 0, addr_from_v4(0x0a000009), 1, bed.last[0].bytes,
				    bed.last[0].len),
			 HSRP_RX_OWN_ADDRESS);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_hostile),   T(test_replay),    T(test_key_timeout), T(test_stamps),
		T(test_reflected), T(test_misplaced), T(test_weaker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
