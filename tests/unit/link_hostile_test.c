// The replication link attacked (security class 28): wrong keys, strangers, records that are
// forged, repeated, cut or out of order, other versions, handshakes that never end. Each is refused
// and counted, and the pair lives on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "link_bed.h"
#include "link_frame.h"

#define PPID_TLS   0x544e4401u
#define PPID_PLAIN 0x544e4400u

static int set_up(void **state)
{
	bed_up();
	return 0;
}
static int tear_down(void **state)
{
	bed_down();
	return 0;
}

static void works(void)
{
	uint32_t got = bed.box[1].stream[1].got;

	assert_int_equal(bed_send(0, 1, 900), 0);
	BED_UNTIL(3000, bed.box[1].stream[1].got == got + 1);
	assert_int_equal(bed.box[1].faults, 0);
}

// Box 0 with these parameters never comes up with box 1; both say why.
static void mismatch(const struct link_params *p, const char *why0, const char *why1)
{
	uint64_t before;

	if (!bed.box[1].link)
		assert_non_null(bed_start(1, NULL));
	before = bed_info(1).refused;
	assert_non_null(bed_start(0, p));
	BED_UNTIL(3000, bed_info(1).refused > before && bed_info(0).trouble[0]);
	bed_turn(400);
	assert_int_equal(bed.box[0].ups + bed.box[1].ups, 0);
	assert_non_null(strstr(bed_info(0).trouble, why0));
	assert_non_null(strstr(bed_info(1).trouble, why1));
	bed_stop(0);
}

static void keys_and_modes_that_differ(void **state)
{
	struct link_params p = bed_params(0);

	memcpy(p.secret, "another-long-random-string", 27);
	mismatch(&p, "the keys differ", "wrong key");
	p = bed_params(0);
	p.security = LINK_PLAIN;
	mismatch(&p, "ended the handshake", "without protection");
	// and the other way round: the listener is plain
	bed_stop(1);
	p = bed_params(1);
	p.security = LINK_PLAIN;
	assert_non_null(bed_start(1, &p));
	mismatch(NULL, "without protection", "wants a key");
	bed_stop(1);
	bed_both();
	works();
}

static enum { NOTHING, FLIP, TWICE, CUT, SWAP, MOVE } attack;
static unsigned attack_after;
static enum wire_verdict attacker(bool from_client, struct wire_message *m)
{
	if (!from_client || m->stream != 1 || attack_after == 0 || --attack_after > 0)
		return WIRE_PASS;
	switch (attack) {
	case FLIP: m->bytes[m->len / 2] ^= 0x10; break;
	case TWICE: return WIRE_TWICE;
	case CUT: m->len -= 3; break;
	case SWAP:  // this one is dropped, so the next is out of order
		return WIRE_DROP;
	case MOVE: m->stream = 2; break;
	default: break;
	}
	return WIRE_PASS;
}

static void records_tampered_with(void **state)
{
	bed_both();
	for (attack = FLIP; attack <= MOVE; attack++) {
		struct link_info before = bed_info(1);
		unsigned downs = bed.box[1].downs, ups = bed.box[0].ups;
		uint64_t got = bed.box[1].got;

		wire.look = attacker;
		attack_after = 2;
		for (unsigned i = 0; i < 5; i++) {
			if (bed.box[1].downs == downs)
				(void)bed_send(0, 1, 900);
			bed_turn(5);
		}
		BED_UNTIL(3000, bed.box[1].downs == downs + 1);
		wire.look = NULL;
		assert_non_null(strstr(bed.box[1].why, "forged or damaged"));
		assert_int_equal(bed_info(1).refused, before.refused + 1);
		// nothing of what was touched came through
		assert_int_equal(bed.box[1].got, got + (attack == TWICE ? 2 : 1));
		BED_UNTIL(3000, bed.box[0].ups == ups + 1 && bed_info(1).up);
		works();
	}
}

static void strangers(void **state)
{
	struct ip_addr stranger = addr_from_v4(0x0a0000ff), peer = addr_from_v4(0x0a000001);

	bed_both();
	for (unsigned i = 0; i < 50; i++) {
		struct link_sock *s = wire_connect(i & 1 ? &stranger : &peer, i & 1 ? 5000 : 5001);

		assert_non_null(s);
		BED_UNTIL(1000, wire_is_closed(s));
		wire_close(s);
	}
	assert_int_equal(bed_info(1).refused, 50);
	assert_int_equal(bed.box[1].downs, 0);
	works();
}

// Whoever comes from the other box's address still has to show the key; meanwhile the pair works.
static void impostors(void **state)
{
	static const char hello[] = "GET / HTTP/1.0\r\n\r\n";
	struct ip_addr peer = addr_from_v4(0x0a000001);
	uint8_t junk[600];

	bed_both();
	for (unsigned i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)(i * 37);
	for (unsigned i = 0; i < 12; i++) {
		struct link_sock *s = wire_connect(&peer, 5000);

		BED_UNTIL(1000, true);
		switch (i % 6) {
		case 0: (void)wire_send(s, 0, PPID_TLS, hello, sizeof(hello)); break;
		case 1: (void)wire_send(s, 5, PPID_TLS, junk, sizeof(junk)); break;
		case 2: (void)wire_send(s, 0, PPID_PLAIN, junk, sizeof(junk)); break;
		case 3: (void)wire_send(s, 0, 46, hello, sizeof(hello)); break;
		case 4: (void)wire_send(s, 99, PPID_TLS, junk, sizeof(junk)); break;
		default:  // a ClientHello's header that promises 16 MB
			memcpy(junk, "\x16\x03\x01\x02\x00\x01\xff\xff\xff", 9);
			(void)wire_send(s, 0, PPID_TLS, junk, 517);
			break;
		}
		BED_UNTIL(1000, wire_is_closed(s));
		wire_close(s);
		works();
	}
	assert_int_equal(bed_info(1).refused, 12);
	assert_int_equal(bed.box[1].downs, 0);
}

static void handshakes_that_never_end(void **state)
{
	struct ip_addr peer = addr_from_v4(0x0a000001);
	struct link_sock *s, *second;

	bed_both();
	s = wire_connect(&peer, 5000);
	bed_turn(50);
	second = wire_connect(&peer, 5000);  // one at a time
	BED_UNTIL(1000, wire_is_closed(second));
	wire_close(second);
	works();
	BED_UNTIL(6000, wire_is_closed(s));
	wire_close(s);
	assert_int_equal(bed_info(1).refused, 2);
	assert_int_equal(bed.box[1].downs + bed.box[0].downs, 0);
	works();
}

static void a_new_association_after_authentication(void **state)
{
	struct link *old;

	bed_both();
	old = bed.box[0].link;
	wire.cut = true;  // the old one does not notice
	bed_turn(100);
	wire.cut = false;
	assert_non_null(bed_start(0, NULL));
	BED_UNTIL(3000, bed.box[0].ups == 1 && bed.box[1].ups == 2);
	assert_int_equal(bed.box[1].downs, 1);
	assert_non_null(strstr(bed.box[1].why, "new association"));
	link_destroy(old);
	works();
}

// "The other box restarted" is not believed either: the key again, or it is over.
static void restart_without_key(void **state)
{
	bed_both();
	wire_restart_all();
	BED_UNTIL(1000, bed.box[1].downs == 1);
	assert_non_null(strstr(bed.box[1].why, "restarted"));
	assert_int_equal(bed.box[1].ups, 1);
	// box 0's old records are nothing that a handshake begins with
	BED_UNTIL(5000, bed.box[0].ups == 2 && bed.box[1].ups == 2);
	works();
}

static void plain_listener(void)
{
	struct link_params p = bed_params(1);

	p.security = LINK_PLAIN;
	assert_non_null(bed_start(1, &p));
}

// A peer of another release, and frames before their time.
static void other_versions(void **state)
{
	static const struct frame_greeting greets[] = {
		{.version = FRAME_VERSION + 1, .streams = LINK_STREAMS, .heartbeat_ms = 200},
		{.version = FRAME_VERSION, .streams = 3, .heartbeat_ms = 200},
	};
	struct ip_addr peer = addr_from_v4(0x0a000001);
	uint8_t bytes[64];

	plain_listener();
	for (unsigned i = 0; i < 4; i++) {
		struct link_sock *s = wire_connect(&peer, 5000);
		size_t n = FRAME_HEADER + FRAME_GREETING_LEN;

		if (i < 2) {
			frame_header_encode(bytes, FRAME_GREETING, FRAME_GREETING_LEN);
			frame_greeting_encode(bytes + FRAME_HEADER, &greets[i]);
		} else {
			frame_header_encode(bytes, i == 2 ? FRAME_MESSAGE : 77, 12);
			memset(bytes + FRAME_HEADER, 1, 12);
		}
		(void)wire_send(s, 0, PPID_PLAIN, bytes, n);
		BED_UNTIL(1000, wire_is_closed(s));
		wire_close(s);
		assert_int_equal(bed_info(1).refused, i + 1);
		if (i == 0)
			assert_non_null(strstr(bed_info(1).trouble, "version 2 of"));
	}
	assert_int_equal(bed.box[1].ups, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keys_and_modes_that_differ),
		T(records_tampered_with),
		T(strangers),
		T(impostors),
		T(handshakes_that_never_end),
		T(a_new_association_after_authentication),
		T(restart_without_key),
		T(other_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
