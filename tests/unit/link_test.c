// The replication link as its user sees it: messages of every size arrive whole and in order on
// every stream, the queue is bounded, what is silent is found out, and what is lost comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "link_bed.h"

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

static void exchange(void)
{
	static const size_t lens[] = {1, 4, 5, 100, 900, 16379, 16380, 16381, 16384, 32767, 32768};
	uint64_t want = 0;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned s = 0; s < LINK_STREAMS; s++) {
			for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
				assert_int_equal(bed_send(0, s, lens[i]), 0);
				assert_int_equal(bed_send(1, s, lens[i]), 0);
				want++;
			}
		}
		if (round == 1)
			bed_turn(20);
	}
	BED_UNTIL(5000, bed.box[0].got == want && bed.box[1].got == want);
	assert_int_equal(bed.box[0].faults + bed.box[1].faults, 0);
	assert_int_equal(bed_info(0).tx, want);
	assert_int_equal(bed_info(0).rx, want);
	assert_int_equal(bed_info(1).rx_bytes, bed_info(0).tx_bytes);
	assert_int_equal(bed_info(0).queued, 0);
}

static void every_stream_and_size(void **state)
{
	bed_both();
	assert_string_equal(bed_info(0).security, "TLS 1.3 PSK");
	assert_string_equal(bed_info(1).driver, "wire");
	exchange();
	assert_int_equal(link_send(bed.box[0].link, LINK_STREAMS, "0123456789", 10), -EMSGSIZE);
	assert_int_equal(bed_send(0, 1, 0), -EMSGSIZE);
	assert_int_equal(bed_send(0, 1, LINK_MESSAGE_MAX + 1), -EMSGSIZE);
}

static void plain_when_asked(void **state)
{
	struct link_params p[2] = {bed_params(0), bed_params(1)};

	for (int i = 0; i < 2; i++) {
		p[i].security = LINK_PLAIN;
		p[i].secret[0] = '\0';
	}
	assert_non_null(bed_start(1, &p[1]));
	assert_non_null(bed_start(0, &p[0]));
	BED_UNTIL(5000, bed.box[0].ups == 1 && bed.box[1].ups == 1);
	assert_string_equal(bed_info(0).security, "none");
	exchange();
}

static bool leaked;
static enum wire_verdict look_for_text(bool from_client, struct wire_message *m)
{
	leaked |= memmem(m->bytes, m->len, "a secret in a message", 21) != NULL;
	return WIRE_PASS;
}

static void nothing_in_clear(void **state)
{
	leaked = false;
	wire.look = look_for_text;
	bed_both();
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(link_send(bed.box[0].link, 1, "a secret in a message", 21), 0);
	BED_UNTIL(5000, bed.box[1].got == 100);
	assert_false(leaked);
}

// Small messages share TLS records and SCTP messages.
static unsigned wire_messages;
static enum wire_verdict count_messages(bool from_client, struct wire_message *m)
{
	wire_messages += from_client;
	return WIRE_PASS;
}

static void small_ones_are_packed(void **state)
{
	bed_both();
	wire_messages = 0;
	wire.look = count_messages;
	for (unsigned i = 0; i < 1600; i++)
		assert_int_equal(bed_send(0, 3, 96), 0);
	BED_UNTIL(5000, bed.box[1].got == 1600);
	assert_int_equal(bed.box[1].faults, 0);
	assert_in_range(wire_messages, 10, 15);
}

static void the_queue_is_bounded(void **state)
{
	uint64_t taken = 0;
	int ret;

	wire.capacity = 40000;
	bed_both();
	wire.capacity = 1;
	while ((ret = bed_send(0, 1, 10000)) == 0)
		taken++;
	assert_int_equal(ret, -EAGAIN);
	assert_in_range(taken, CONN_QUEUE_MAX / 10004, CONN_QUEUE_MAX / 10004 + 1);
	assert_int_equal(bed.box[0].writable, 0);
	// another group's stream has its own reserve
	assert_int_equal(bed_send(0, 2, 10000), 0);
	assert_in_range(bed_info(0).queued, CONN_QUEUE_MAX - 20000, CONN_QUEUE_MAX + 20000);
	wire.capacity = 40000;
	BED_UNTIL(10000, bed.box[0].writable == 1);
	assert_true(bed_info(0).queued <= CONN_QUEUE_MAX / 2);
	assert_int_equal(bed_send(0, 1, 10000), 0);
	BED_UNTIL(10000, bed.box[1].got == taken + 2);
	assert_int_equal(bed.box[1].faults, 0);
	assert_int_equal(bed.box[0].writable, 1);
	assert_int_equal(bed.box[0].downs, 0);
}

static void silence_ends_it_and_it_comes_back(void **state)
{
	bed_both();
	bed_turn(1500);  // heartbeats alone keep it
	assert_int_equal(bed.box[0].downs + bed.box[1].downs, 0);
	wire.cut = true;
	assert_int_equal(bed_send(0, 1, 100), 0);
	BED_UNTIL(3000, bed.box[0].downs == 1 && bed.box[1].downs == 1);
	assert_non_null(strstr(bed.box[0].why, "silent"));
	assert_int_equal(bed_send(0, 1, 100), -ENOTCONN);
	assert_false(bed_info(0).up);
	bed_turn(1200);
	assert_string_not_equal(bed_info(0).trouble, "");
	wire.cut = false;
	BED_UNTIL(3000, bed.box[0].ups == 2 && bed.box[1].ups == 2);
	assert_string_equal(bed_info(0).trouble, "");
	assert_int_equal(bed_info(0).ups, 2);
	assert_int_equal(bed_send(0, 1, 100), 0);
	BED_UNTIL(3000, bed.box[1].stream[1].got == 1);
	assert_int_equal(bed.box[1].faults, 0);
}

static void either_side_restarts(void **state)
{
	bed_both();
	for (unsigned round = 2; round < 5; round++) {
		unsigned n = round & 1;

		bed_stop(n);
		BED_UNTIL(3000, bed.box[1 - n].downs == 1);
		assert_non_null(bed_start(n, NULL));
		BED_UNTIL(5000, bed.box[n].ups == 1 && bed_info(1 - n).up);
		bed.box[1 - n].downs = 0;
		assert_int_equal(bed_send(n, 16, 100), 0);
		BED_UNTIL(3000, bed.box[1 - n].stream[16].got == 1);
	}
}

static void slow_heart_of_the_other(void **state)
{
	struct link_params p = bed_params(1);

	p.heartbeat_ms = 1200;  // more than four of ours
	assert_non_null(bed_start(1, &p));
	assert_non_null(bed_start(0, NULL));
	BED_UNTIL(5000, bed.box[0].ups == 1 && bed.box[1].ups == 1);
	bed_turn(3000);
	assert_int_equal(bed.box[0].downs + bed.box[1].downs, 0);
}

static void no_listener_yet(void **state)
{
	assert_non_null(bed_start(0, NULL));
	bed_turn(2500);
	assert_in_range(wire.connects, 2, 4);
	assert_non_null(strstr(bed_info(0).trouble, "nobody listens"));
	assert_non_null(bed_start(1, NULL));
	BED_UNTIL(3000, bed.box[0].ups == 1 && bed.box[1].ups == 1);
}

static void bad_parameters(void **state)
{
	struct link_params p = bed_params(0);

	p.secret[0] = '\0';
	assert_null(bed_start(0, &p));
	assert_non_null(strstr(bed_err.msg, "not configured"));
	memcpy(p.secret, "fifteen letters", 16);
	assert_null(bed_start(0, &p));
	assert_non_null(strstr(bed_err.msg, "16 characters"));
	p = bed_params(0);
	p.remote[0] = p.local[0];
	assert_null(bed_start(0, &p));
	p = bed_params(0);
	p.remotes = 0;
	assert_null(bed_start(0, &p));
	p = bed_params(0);
	p.local_port = 0;
	assert_null(bed_start(0, &p));
	p = bed_params(0);
	p.rto_min_ms = 5000;
	p.rto_max_ms = 300;
	assert_null(bed_start(0, &p));
	p = bed_params(0);
	assert_int_equal(addr_parse("2001:db8::1", &p.remote[0]), 0);
	assert_null(bed_start(0, &p));
	p = bed_params(0);
	p.security = LINK_CERTIFICATE;
	memcpy(p.secret, "../x", 5);
	assert_null(bed_start(0, &p));
	assert_non_null(strstr(bed_err.msg, "no name of a trustpoint"));
	memcpy(p.secret, "none", 5);
	p.pki_dir = "/nonexistent";
	assert_null(bed_start(0, &p));
	assert_non_null(strstr(bed_err.msg, "/nonexistent/none.crt"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_stream_and_size), T(plain_when_asked),
		T(nothing_in_clear),      T(small_ones_are_packed),
		T(the_queue_is_bounded),  T(silence_ends_it_and_it_comes_back),
		T(either_side_restarts),  T(slow_heart_of_the_other),
		T(no_listener_yet),       T(bad_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
