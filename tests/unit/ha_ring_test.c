// The ring in shared memory: what goes in comes out, in order, across the end of the memory; full
// and empty; damage is noticed; a consumer that dies between peek and next sees the message again;
// two threads stand for the two processes.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ha_ring.h"

#define CAPACITY 65536u

static void *ring_memory(void)
{
	void *mem = aligned_alloc(64, ha_ring_size(CAPACITY));
	assert_non_null(mem);
	memset(mem, 0xa5, ha_ring_size(CAPACITY));
	return mem;
}

static void test_order_and_wrap(void **state)
{
	uint8_t payload[3000];
	void *mem = ring_memory();
	struct ha_ring *r = ha_ring_format(mem, CAPACITY);
	unsigned put = 0, got = 0;

	srand(7);
	while (got < 20000) {
		unsigned burst = (unsigned)rand() % 40;
		for (unsigned i = 0; i < burst; i++) {
			size_t len = (put * 37u) % sizeof(payload);
			memset(payload, (int)put, len);
			struct ha_word w = {.type = put % 3 ? HA_UPSERT : HA_HELLO,
					    .group = 3,
					    .seq = put,
					    .id = put * 5ull,
					    .a = ~(uint64_t)put,
					    .b = put + 9};
			if (w.type == HA_UPSERT)
				w.sa = (struct ha_sa){.id = put,
						      .parent = put + 1,
						      .group = 3,
						      .kind = HA_CHILD_SA,
						      .taint = put % 2,
						      .spi_in = put + 2,
						      .spi_out = put + 3,
						      .birth = {put + 4, put + 5},
						      .ceiling = put + 6,
						      .edge = put + 7,
						      .len = (uint32_t)len,
						      .payload = payload};
			else
				w.len = (uint32_t)len, w.payload = payload;
			int rc = ha_ring_put(r, &w);
			if (rc == -ENOSPC)
				break;
			assert_int_equal(rc, 0);
			put++;
		}
		for (unsigned i = 0; i < (unsigned)rand() % 40; i++) {
			struct ha_word w;
			int rc = ha_ring_peek(r, &w);
			if (rc == 0) {
				assert_int_equal(got, put);
				break;
			}
			assert_int_equal(rc, 1);
			assert_int_equal(w.seq, got);
			assert_int_equal(w.id, got * 5ull);
			assert_int_equal(w.a, ~(uint64_t)got);
			assert_int_equal(w.b, got + 9);
			size_t len = (got * 37u) % sizeof(payload);
			assert_int_equal(w.len, len);
			const uint8_t *p = got % 3 ? w.sa.payload : w.payload;
			if (got % 3) {
				assert_int_equal(w.sa.id, got);
				assert_int_equal(w.sa.edge, got + 7);
				assert_int_equal(w.sa.birth[1], got + 5);
				assert_int_equal(w.sa.taint, got % 2);
			}
			for (size_t k = 0; k < len; k++)
				assert_int_equal(p[k], (uint8_t)got);
			assert_int_equal((uintptr_t)p % 8, 0);
			ha_ring_next(r);
			got++;
		}
	}
	free(mem);
}

static void test_full(void **state)
{
	static uint8_t big[CAPACITY];
	void *mem = ring_memory();
	struct ha_ring *r = ha_ring_format(mem, CAPACITY);
	struct ha_word w = {.type = HA_CONFIG, .len = 1000, .payload = big};
	unsigned n = 0;

	assert_true(ha_ring_empty(r));
	while (ha_ring_put(r, &w) == 0)
		n++;
	assert_in_range(n, 55, 65);
	assert_false(ha_ring_empty(r));
	assert_int_equal(ha_ring_put(r, &w), -ENOSPC);
	ha_ring_next(r);
	assert_int_equal(ha_ring_put(r, &w), 0);
	w.len = HA_PAYLOAD_MAX + 1;
	assert_int_equal(ha_ring_put(r, &w), -EMSGSIZE);
	free(mem);
}

static void test_reopen(void **state)
{
	void *mem = ring_memory();
	assert_null(ha_ring_open(mem, CAPACITY));
	struct ha_ring *r = ha_ring_format(mem, CAPACITY);
	struct ha_word w = {.type = HA_RAISE, .id = 42, .a = 1}, got;
	assert_int_equal(ha_ring_put(r, &w), 0);
	assert_int_equal(ha_ring_peek(r, &got), 1);
	// the consumer dies here
	assert_null(ha_ring_open(mem, CAPACITY / 2));
	r = ha_ring_open(mem, CAPACITY);
	assert_non_null(r);
	memset(&got, 0, sizeof(got));
	assert_int_equal(ha_ring_peek(r, &got), 1);
	assert_int_equal(got.id, 42);
	ha_ring_next(r);
	assert_int_equal(ha_ring_peek(r, &got), 0);
	free(mem);
}

// What comes next, without taking it: up to the end, a filler, or what cannot be.
static void test_ahead(void **state)
{
	void *mem = ring_memory();
	struct ha_ring *r = ha_ring_format(mem, CAPACITY);
	static const uint8_t payload[3000];
	struct ha_word upsert = {
		.type = HA_UPSERT,
		.sa = {.id = 7, .group = 1, .kind = HA_IKE_SA, .len = 3000, .payload = payload}};
	struct ha_word checkpoint = {.type = HA_CHECKPOINT, .id = 8, .a = 1}, w;
	uint64_t ids[4];

	assert_int_equal(ha_ring_ahead(r, ids, 4), 0);
	assert_int_equal(ha_ring_put(r, &upsert), 0);
	assert_int_equal(ha_ring_put(r, &checkpoint), 0);
	assert_int_equal(ha_ring_ahead(r, ids, 4), 2);
	assert_int_equal(ids[0], 7);
	assert_int_equal(ids[1], 8);
	assert_int_equal(ha_ring_ahead(r, ids, 1), 1);
	assert_int_equal(ha_ring_peek(r, &w), 1);
	assert_int_equal(w.sa.id, 7);
	// all the way round, with as many looks: never beyond what is there
	for (unsigned n = 0; n < 100; n++) {
		upsert.sa.id = 100 + n;
		assert_int_equal(ha_ring_put(r, &upsert), 0);
		unsigned seen = ha_ring_ahead(r, ids, 4);
		assert_in_range(seen, 0, 3);
		assert_int_equal(ha_ring_peek(r, &w), 1);
		if (seen)
			assert_int_equal(ids[0], w.type == HA_UPSERT ? w.sa.id : w.id);
		ha_ring_next(r);
	}
	memset((uint8_t *)mem + ha_ring_size(0), 0xff, CAPACITY);
	assert_int_equal(ha_ring_ahead(r, ids, 4), 0);
	memset((uint8_t *)mem + ha_ring_size(0), 0, CAPACITY);
	assert_int_equal(ha_ring_ahead(r, ids, 4), 0);
	free(mem);
}

static void test_damage(void **state)
{
	void *mem = ring_memory();
	struct ha_ring *r = ha_ring_format(mem, CAPACITY);
	uint8_t payload[64] = {1, 2, 3};
	struct ha_word w = {.type = HA_HELLO, .len = 64, .payload = payload}, got;
	unsigned seen = 0;

	assert_int_equal(ha_ring_put(r, &w), 0);
	uint8_t *data = (uint8_t *)mem + ha_ring_size(0);
	for (size_t i = 0; i < 112; i++) {
		data[i] ^= 0x40;
		if (ha_ring_peek(r, &got) == -EBADMSG)
			seen++;
		data[i] ^= 0x40;
	}
	assert_int_equal(seen, 112);
	assert_int_equal(ha_ring_peek(r, &got), 1);
	free(mem);
}

#define THREAD_WORDS 20000u

static void *produce(void *ctx)
{
	struct ha_ring *r = ctx;
	uint8_t payload[500];

	for (unsigned n = 0; n < THREAD_WORDS; n++) {
		memset(payload, (int)n, sizeof(payload));
		struct ha_word w = {.type = HA_UPSERT, .seq = n};
		w.sa = (struct ha_sa){
			.id = n, .edge = n + 7, .len = n % sizeof(payload), .payload = payload};
		while (ha_ring_put(r, &w) == -ENOSPC)
			sched_yield();
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	void *mem = ring_memory();
	struct ha_ring *r = ha_ring_format(mem, CAPACITY);
	pthread_t producer;
	unsigned got = 0;

	assert_int_equal(pthread_create(&producer, NULL, produce, r), 0);
	while (got < THREAD_WORDS) {
		struct ha_word w;
		int rc = ha_ring_peek(r, &w);
		if (rc == 0) {
			sched_yield();
			continue;
		}
		assert_int_equal(rc, 1);
		assert_int_equal(w.seq, got);
		assert_int_equal(w.sa.id, got);
		assert_int_equal(w.sa.edge, got + 7);
		assert_int_equal(w.sa.len, got % 500);
		for (size_t k = 0; k < w.sa.len; k++) {
			if (w.sa.payload[k] != (uint8_t)got)
				fail_msg("word %u, octet %zu", got, k);
		}
		ha_ring_next(r);
		got++;
	}
	pthread_join(producer, NULL);
	assert_true(ha_ring_empty(r));
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_wrap), cmocka_unit_test(test_full),
		cmocka_unit_test(test_reopen),         cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_damage),         cmocka_unit_test(test_two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
