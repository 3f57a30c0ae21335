// Getters stop at the end and consume nothing then; the writer's overflow is sticky.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"

static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xff};

static void getters_read_network_order(void **state)
{
	struct rbuf b;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;
	uint8_t v8;

	rbuf_init(&b, bytes, sizeof(bytes));
	assert_int_equal(rbuf_get_u64(&b, &v64), 0);
	assert_true(v64 == 0x0102030405060708);
	assert_int_equal(rbuf_get_u8(&b, &v8), 0);
	assert_int_equal(v8, 0xff);
	assert_int_equal(rbuf_expect_end(&b), 0);

	rbuf_init(&b, bytes, sizeof(bytes));
	assert_int_equal(rbuf_get_u32(&b, &v32), 0);
	assert_int_equal(v32, 0x01020304);
	assert_int_equal(rbuf_get_u16(&b, &v16), 0);
	assert_int_equal(v16, 0x0506);
	assert_int_equal(rbuf_left(&b), 3);
	assert_int_equal(rbuf_expect_end(&b), -EBADMSG);
}

// For each getter and each length that is one too short: an error, and nothing moved.
static void getters_stop_at_the_end(void **state)
{
	uint8_t dst[8] = {0};

	for (size_t have = 0; have < 8; have++) {
		struct rbuf b, sub;

		rbuf_init(&b, bytes, have);
		if (have < 1)
			assert_int_equal(rbuf_get_u8(&b, dst), -EBADMSG);
		if (have < 2)
			assert_int_equal(rbuf_get_u16(&b, &(uint16_t){0}), -EBADMSG);
		if (have < 4)
			assert_int_equal(rbuf_get_u32(&b, &(uint32_t){0}), -EBADMSG);
		assert_int_equal(rbuf_get_u64(&b, &(uint64_t){0}), -EBADMSG);
		assert_int_equal(rbuf_get_bytes(&b, dst, have + 1), -EBADMSG);
		assert_int_equal(rbuf_skip(&b, have + 1), -EBADMSG);
		assert_int_equal(rbuf_get_sub(&b, &sub, have + 1), -EBADMSG);
		assert_int_equal(rbuf_skip(&b, SIZE_MAX), -EBADMSG);
		assert_int_equal(rbuf_left(&b), have);
	}
}

static void sub_window_is_bounded(void **state)
{
	struct rbuf b, sub;
	uint8_t v;

	rbuf_init(&b, bytes, sizeof(bytes));
	assert_int_equal(rbuf_skip(&b, 1), 0);
	assert_int_equal(rbuf_get_sub(&b, &sub, 2), 0);
	assert_int_equal(rbuf_get_u8(&sub, &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(rbuf_get_u16(&sub, &(uint16_t){0}), -EBADMSG);
	assert_int_equal(rbuf_get_u8(&sub, &v), 0);
	assert_int_equal(rbuf_get_u8(&sub, &v), -EBADMSG);
	assert_int_equal(rbuf_get_u8(&b, &v), 0);
	assert_int_equal(v, 4);
}

static void empty_buffers_are_fine(void **state)
{
	struct rbuf b, sub;

	rbuf_init(&b, NULL, 0);
	assert_int_equal(rbuf_left(&b), 0);
	assert_int_equal(rbuf_get_bytes(&b, NULL, 0), 0);
	assert_int_equal(rbuf_skip(&b, 0), 0);
	assert_int_equal(rbuf_get_sub(&b, &sub, 0), 0);
	assert_int_equal(rbuf_expect_end(&b), 0);
	assert_int_equal(rbuf_get_u8(&b, &(uint8_t){0}), -EBADMSG);
}

static void writer_writes_network_order(void **state)
{
	uint8_t mem[32];
	struct wbuf b;

	wbuf_init(&b, mem, sizeof(mem));
	wbuf_put_u8(&b, 0x11);
	size_t at = wbuf_reserve(&b, 2);
	wbuf_put_u16(&b, 0x2233);
	wbuf_put_u32(&b, 0x44556677);
	wbuf_put_u64(&b, 0x8899aabbccddeeff);
	wbuf_put_bytes(&b, "xy", 2);
	wbuf_put_bytes(&b, NULL, 0);
	wbuf_put_zero(&b, 1);
	wbuf_set_u16(&b, at, 0x0102);
	wbuf_set_u8(&b, 0, 0x10);

	static const uint8_t want[] = {0x10, 0x01, 0x02, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
				       0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 'x',  'y',  0};
	assert_int_equal(wbuf_check(&b), 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(mem, want, sizeof(want));

	wbuf_set_u32(&b, 0, 0xdeadbeef);
	assert_memory_equal(mem, "\xde\xad\xbe\xef", 4);
}

static void overflow_is_sticky_and_writes_nothing(void **state)
{
	uint8_t mem[4] = {9, 9, 9, 9};
	struct wbuf b;

	wbuf_init(&b, mem, 3);
	wbuf_put_u16(&b, 1);
	assert_int_equal(wbuf_check(&b), 0);
	wbuf_put_u16(&b, 2);
	assert_int_equal(wbuf_check(&b), -EMSGSIZE);
	wbuf_put_u8(&b, 3);  // would fit, but the message is lost already
	assert_int_equal(b.len, 2);
	assert_int_equal(mem[2], 9);
	assert_int_equal(mem[3], 9);
	wbuf_set_u8(&b, wbuf_reserve(&b, 1), 7);
	assert_int_equal(mem[0], 0);
}

static void setting_unwritten_bytes_is_an_overflow(void **state)
{
	static const struct {
		size_t at;
		int want;
	} table[] = {{0, 0}, {4, 0}, {5, -EMSGSIZE}, {8, -EMSGSIZE}, {SIZE_MAX, -EMSGSIZE}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t mem[16];
		struct wbuf b;

		wbuf_init(&b, mem, sizeof(mem));
		wbuf_put_zero(&b, 8);
		wbuf_set_u32(&b, table[i].at, 1);
		assert_int_equal(wbuf_check(&b), table[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(getters_read_network_order),
		cmocka_unit_test(getters_stop_at_the_end),
		cmocka_unit_test(sub_window_is_bounded),
		cmocka_unit_test(empty_buffers_are_fine),
		cmocka_unit_test(writer_writes_network_order),
		cmocka_unit_test(overflow_is_sticky_and_writes_nothing),
		cmocka_unit_test(setting_unwritten_bytes_is_an_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
