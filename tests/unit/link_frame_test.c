// Framing of the replication link: every frame in every cut, lengths at the limits, bytes that are
// no frame. And the queue that bytes wait in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "link_frame.h"
#include "link_queue.h"

struct seen {
	unsigned count;
	size_t bytes;
	uint32_t sum;
	enum frame_type last;
	size_t last_len;
};

static int see(void *ctx, const struct frame *f)
{
	struct seen *s = ctx;

	s->count++;
	s->bytes += f->len;
	s->last = f->type;
	s->last_len = f->len;
	for (size_t i = 0; i < f->len; i++)
		s->sum = s->sum * 31 + f->bytes[i];
	s->sum = s->sum * 31 + f->type;
	return 0;
}

static size_t frame_add(uint8_t *out, enum frame_type type, size_t len)
{
	frame_header_encode(out, type, len);
	for (size_t i = 0; i < len; i++)
		out[FRAME_HEADER + i] = (uint8_t)(i * 7 + len);
	return FRAME_HEADER + len;
}

static void every_cut(void **state)
{
	static uint8_t bytes[4096];
	static const size_t lens[] = {1, 2, 3, 1000, 17};
	size_t n = frame_add(bytes, FRAME_GREETING, FRAME_GREETING_LEN);
	struct seen whole = {0};
	struct frame_rx rx = {0};

	for (unsigned i = 0; i < 5; i++) {
		n += frame_add(bytes + n, FRAME_MESSAGE, lens[i]);
		n += frame_add(bytes + n, FRAME_HEARTBEAT, 0);
	}
	assert_int_equal(frame_rx_feed(&rx, bytes, n, see, &whole), 0);
	assert_int_equal(whole.count, 11);
	for (size_t cut = 0; cut <= n; cut++) {
		struct seen s = {0};

		assert_int_equal(frame_rx_feed(&rx, bytes, cut, see, &s), 0);
		assert_int_equal(frame_rx_feed(&rx, bytes + cut, n - cut, see, &s), 0);
		assert_memory_equal(&s, &whole, sizeof(s));
	}
	struct seen s = {0};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(frame_rx_feed(&rx, bytes + i, 1, see, &s), 0);
	assert_memory_equal(&s, &whole, sizeof(s));
	frame_rx_fini(&rx);
}

static void limits(void **state)
{
	static uint8_t bytes[FRAME_HEADER + LINK_MESSAGE_MAX];
	static const uint8_t bad[][4] = {
		{0, 0, 0, 1},    {4, 0, 0, 1}, {255, 255, 255, 255}, {3, 0, 0, 0},    {3, 1, 0, 1},
		{3, 0, 0x80, 1}, {2, 0, 0, 1}, {1, 0, 0, 11},        {1, 0, 0x04, 1},
	};
	struct frame_rx rx = {0};
	struct seen s = {0};
	size_t n = frame_add(bytes, FRAME_MESSAGE, LINK_MESSAGE_MAX);

	assert_int_equal(frame_rx_feed(&rx, bytes, 5, see, &s), 0);
	assert_int_equal(frame_rx_feed(&rx, bytes + 5, n - 5, see, &s), 0);
	assert_int_equal(s.last_len, LINK_MESSAGE_MAX);
	frame_rx_fini(&rx);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(frame_rx_feed(&rx, bad[i], 4, see, &s), -EPROTO);
		frame_rx_fini(&rx);
		assert_int_equal(frame_rx_feed(&rx, bad[i], 3, see, &s), 0);
		assert_int_equal(frame_rx_feed(&rx, bad[i] + 3, 1, see, &s), -EPROTO);
		frame_rx_fini(&rx);
	}
	assert_int_equal(s.count, 1);
}

static int refuse(void *ctx, const struct frame *f)
{
	return -EPERM;
}

static void callback_ends_it(void **state)
{
	uint8_t bytes[64];
	struct frame_rx rx = {0};
	size_t n = frame_add(bytes, FRAME_MESSAGE, 5);

	assert_int_equal(frame_rx_feed(&rx, bytes, n, refuse, NULL), -EPERM);
	assert_int_equal(frame_rx_feed(&rx, bytes, 2, refuse, NULL), 0);
	assert_int_equal(frame_rx_feed(&rx, bytes + 2, n - 2, refuse, NULL), -EPERM);
	frame_rx_fini(&rx);
}

static void greeting(void **state)
{
	const struct frame_greeting in = {.version = 7, .streams = 17, .heartbeat_ms = 250};
	struct frame_greeting out;
	uint8_t bytes[FRAME_GREETING_LEN];

	frame_greeting_encode(bytes, &in);
	assert_int_equal(frame_greeting_decode(bytes, sizeof(bytes), &out), 0);
	assert_int_equal(out.version, 7);
	assert_int_equal(out.streams, 17);
	assert_int_equal(out.heartbeat_ms, 250);
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_int_equal(frame_greeting_decode(bytes, n, &out), -EPROTO);
	bytes[0] ^= 1;
	assert_int_equal(frame_greeting_decode(bytes, sizeof(bytes), &out), -EPROTO);
}

static void queue(void **state)
{
	static uint8_t in[100000];
	struct queue q;
	size_t put = 0, got = 0;
	const uint8_t *p;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 13 + (i >> 8));
	queue_init(&q);
	assert_int_equal(queue_peek(&q, &p), 0);
	for (size_t n = 1; put < sizeof(in); n = n * 3 % 40009 + 1) {
		size_t len = n < sizeof(in) - put ? n : sizeof(in) - put;

		assert_int_equal(
			queue_put(&q, in + put, len / 3, in + put + len / 3, len - len / 3), 0);
		put += len;
		assert_int_equal(q.bytes, put - got);
		len = queue_peek(&q, &p);
		assert_true(len > 0 && len <= QUEUE_BLOCK);
		len = (len + 1) / 2;
		assert_memory_equal(p, in + got, len);
		queue_drop(&q, len);
		got += len;
	}
	for (size_t len; (len = queue_peek(&q, &p)) > 0; got += len) {
		assert_memory_equal(p, in + got, len);
		queue_drop(&q, len);
	}
	assert_int_equal(got, sizeof(in));
	assert_int_equal(q.bytes, 0);
	assert_int_equal(queue_put(&q, in, 50000, in, 50000), 0);
	queue_fini(&q);
	assert_int_equal(q.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut),
		cmocka_unit_test(limits),
		cmocka_unit_test(callback_ends_it),
		cmocka_unit_test(greeting),
		cmocka_unit_test(queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
