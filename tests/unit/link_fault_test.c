// The replication link when its own box fails it: SCTP calls that return errors, no memory, queues
// that are full in both directions at once, associations that end in every phase. Nothing is lost
// without a word, and the pair is up again by itself.
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
#include "link_queue.h"

// ---- memory -------------------------------------------------------------------------------------

// Of the allocations of that size those that succeed before one fails; size 0: all do.
static size_t malloc_size;
static unsigned malloc_left;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	if (size == malloc_size && malloc_left-- == 0) {
		malloc_size = 0;
		return NULL;
	}
	return __real_malloc(size);
}

#define BLOCK_SIZE sizeof(struct queue_block)
#define PART_SIZE  (FRAME_HEADER + LINK_MESSAGE_MAX)
static void memory_ends(size_t size, unsigned left)
{
	malloc_size = size;
	malloc_left = left;
}

static int set_up(void **state)
{
	bed_up();
	return 0;
}
static int tear_down(void **state)
{
	malloc_size = 0;
	bed_down();
	return 0;
}

// All of it or nothing, wherever memory ends.
static void queue_without_memory(void **state)
{
	static uint8_t in[3 * QUEUE_BLOCK];
	struct queue q;
	const uint8_t *p;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 11);
	queue_init(&q);
	assert_int_equal(queue_put(&q, in, 100, NULL, 0), 0);
	for (unsigned n = 0; n < 3; n++) {
		memory_ends(BLOCK_SIZE, n);
		assert_int_equal(queue_put(&q, in, 4, in, sizeof(in)), -ENOMEM);
		assert_int_equal(q.bytes, 100);
		assert_int_equal(queue_peek(&q, &p), 100);
	}
	// what fits in the last block needs none
	memory_ends(BLOCK_SIZE, 0);
	assert_int_equal(queue_put(&q, in + 100, QUEUE_BLOCK - 100, NULL, 0), 0);
	assert_int_equal(queue_peek(&q, &p), QUEUE_BLOCK);
	assert_memory_equal(p, in, QUEUE_BLOCK);
	malloc_size = 0;
	queue_drop(&q, QUEUE_BLOCK);
	assert_int_equal(queue_peek(&q, &p), 0);
	queue_drop(&q, 1);  // of nothing
	assert_int_equal(q.bytes, 0);
	queue_fini(&q);
}

static int ignore(void *ctx, const struct frame *f)
{
	++*(unsigned *)ctx;
	return 0;
}

static void frame_without_memory(void **state)
{
	static const uint8_t bytes[] = {2, 0, 0, 0, 3, 0, 0, 2, 'a'};
	struct frame_rx rx = {0};
	unsigned seen = 0;

	memory_ends(PART_SIZE, 0);
	assert_int_equal(frame_rx_feed(&rx, bytes, sizeof(bytes), ignore, &seen), -ENOMEM);
	assert_int_equal(seen, 1);  // the whole one needed none
	frame_rx_fini(&rx);
}

static void comes_up_again(unsigned ups)
{
	BED_UNTIL(6000, bed.box[0].ups == ups && bed.box[1].ups == ups && bed_info(0).up &&
				bed_info(1).up);
	uint32_t got = bed.box[1].stream[1].got;

	assert_int_equal(bed_send(0, 1, 900), 0);
	BED_UNTIL(3000, bed.box[1].stream[1].got == got + 1);
	assert_int_equal(bed.box[0].faults + bed.box[1].faults, 0);
}

static void sending_without_memory(void **state)
{
	bed_both();
	assert_int_equal(bed_send(0, 1, 900), 0);
	memory_ends(BLOCK_SIZE, 1);
	assert_int_equal(bed_send(0, 2, 20000), -ENOTCONN);
	BED_UNTIL(3000, bed.box[0].downs == 1);
	assert_string_equal(bed.box[0].why, "no memory for a message");
	assert_int_equal(bed_send(0, 1, 900), -ENOTCONN);
	BED_UNTIL(3000, bed.box[1].downs == 1);
	comes_up_again(2);
}

static void receiving_without_memory(void **state)
{
	bed_both();
	memory_ends(PART_SIZE, 0);
	assert_int_equal(bed_send(0, 2, 32768), 0);  // two records: its first part is to be kept
	BED_UNTIL(3000, bed.box[1].downs == 1 && bed.box[0].downs == 1);
	assert_string_equal(bed.box[1].why, "no memory for a message");
	assert_int_equal(bed.box[1].got, 0);
	assert_int_equal(bed_info(1).refused, 0);  // the other box has done nothing wrong
	comes_up_again(2);
	assert_int_equal(bed_send(0, 2, 32768), 0);
	BED_UNTIL(3000, bed.box[1].stream[2].got == 1);
}

// ---- SCTP ---------------------------------------------------------------------------------------

static void sctp_calls_fail(void **state)
{
	unsigned ups = 1;

	bed_both();
	for (unsigned i = 0; i < 2; i++) {
		unsigned downs = bed.box[0].downs + bed.box[1].downs;
		int *error = i ? &wire.fail_receive : &wire.fail_send;

		*error = i ? -ECONNRESET : -ENOBUFS;
		if (i == 0)
			assert_int_equal(bed_send(0, 1, 100), 0);
		BED_UNTIL(3000, bed.box[0].downs + bed.box[1].downs == downs + 2);
		assert_int_equal(*error, 0);
		const char *why =
			strstr(bed.box[0].why, "failed") ? bed.box[0].why : bed.box[1].why;

		assert_non_null(strstr(why, "the association failed: "));
		assert_non_null(strstr(why, strerror(i ? ECONNRESET : ENOBUFS)));
		comes_up_again(++ups);
	}
	// not being told about the paths is no reason to end anything
	wire.fail_status = -EIO;
	bed_turn(500);
	assert_int_equal(wire.fail_status, 0);
	assert_int_equal(bed.box[0].downs, 2);
	assert_int_equal(bed_info(0).refused + bed_info(1).refused, 0);
}

static void associations_with_few_streams(void **state)
{
	wire.streams = 3;
	assert_non_null(bed_start(1, NULL));
	assert_non_null(bed_start(0, NULL));
	BED_UNTIL(3000, bed_info(1).refused > 0);
	assert_non_null(strstr(bed_info(1).trouble, "has 3 streams, we have 17"));
	bed_turn(300);
	assert_int_equal(bed.box[0].ups + bed.box[1].ups, 0);
	wire.streams = 0;
	BED_UNTIL(5000, bed.box[0].ups == 1 && bed.box[1].ups == 1);
	assert_string_equal(bed_info(1).trouble, "");
}

static void gone_before_it_is_looked_at(void **state)
{
	struct ip_addr peer = addr_from_v4(0x0a000001);

	bed_both();
	wire.fail_status = -ENOTCONN;
	struct link_sock *s = wire_connect(&peer, 5000);

	BED_UNTIL(1000, wire_is_closed(s));
	wire_close(s);
	assert_int_equal(bed_info(1).refused, 1);
	assert_int_equal(bed.box[0].downs + bed.box[1].downs, 0);
}

// Ended by the network after each number of messages of the handshake: a second later the next one.
static unsigned handshake_cut;
static enum wire_verdict cut_handshake(bool from_client, struct wire_message *m)
{
	if (handshake_cut > 0 && --handshake_cut == 0)
		wire.fail_receive = -ECONNRESET;
	return WIRE_PASS;
}

static void handshakes_that_are_cut_off(void **state)
{
	for (unsigned n = 1; n < 30; n += 9) {
		wire.look = cut_handshake;
		handshake_cut = n;
		assert_non_null(bed_start(1, NULL));
		assert_non_null(bed_start(0, NULL));
		BED_UNTIL(4000, bed_info(0).up && bed_info(1).up);
		assert_int_equal(bed.box[0].ups, bed.box[1].ups);
		assert_int_equal(handshake_cut, 0);
		bed.box[0].faults = 0;
		assert_int_equal(bed_send(0, 16, 900), 0);
		BED_UNTIL(3000, bed.box[1].stream[16].got == 1);
		bed_stop(0);
		bed_stop(1);
	}
}

// ---- queues -------------------------------------------------------------------------------------

// Both boxes send as fast as they are let, on many streams, over a wire that takes one message at a
// time: neither waits for the other to stop, each is told once that there is room, no byte is lost.
static void full_in_both_directions(void **state)
{
	uint64_t taken[2] = {0};
	bool denied[2] = {false};

	bed_both();
	wire.capacity = 1;
	for (unsigned round = 0; round < 3000 && !(denied[0] && denied[1]); round++) {
		for (unsigned n = 0; n < 2; n++) {
			int ret = denied[n] ? -EAGAIN : bed_send(n, 1 + round % 16, 8000);

			taken[n] += ret == 0;
			denied[n] |= ret == -EAGAIN;
			assert_true(ret == 0 || ret == -EAGAIN);
		}
	}
	assert_true(denied[0] && denied[1]);
	// the link's own signs of life are not held up by what waits
	bed_turn(1500);
	assert_int_equal(bed.box[0].downs + bed.box[1].downs, 0);
	wire.capacity = 0;
	BED_UNTIL(20000, bed.box[0].writable == 1 && bed.box[1].writable == 1);
	BED_UNTIL(20000, bed.box[1].got == taken[0] && bed.box[0].got == taken[1]);
	assert_int_equal(bed.box[0].faults + bed.box[1].faults, 0);
	assert_int_equal(bed_info(0).queued + bed_info(1).queued, 0);
	assert_int_equal(bed.box[0].writable, 1);
}

// What waited when the association ended belongs to it: the next one begins with nothing.
static void what_waited_is_dropped_with_it(void **state)
{
	bed_both();
	wire.capacity = 1;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(bed_send(0, 5, 32768), 0);
	assert_true(bed_info(0).queued > 1000000);
	wire.fail_send = -EPIPE;
	BED_UNTIL(3000, bed.box[0].downs == 1 && bed.box[1].downs == 1);
	assert_int_equal(bed_info(0).queued, 0);
	wire.capacity = 0;
	comes_up_again(2);
	assert_int_equal(bed.box[1].stream[5].got, 0);
	assert_int_equal(bed_send(0, 5, 100), 0);
	BED_UNTIL(3000, bed.box[1].stream[5].got == 1);
	assert_int_equal(bed.box[1].faults, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_without_memory),
		cmocka_unit_test(frame_without_memory),
		T(sending_without_memory),
		T(receiving_without_memory),
		T(sctp_calls_fail),
		T(associations_with_few_streams),
		T(gone_before_it_is_looked_at),
		T(handshakes_that_are_cut_off),
		T(full_in_both_directions),
		T(what_waited_is_dropped_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
