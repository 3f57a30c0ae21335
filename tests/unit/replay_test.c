// The anti-replay window and sequence number inference, as tables and against a plain model.
#include "replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct step {
	uint64_t seq;
	bool accepted;
};

static void steps_run(uint32_t window, uint64_t edge, const struct step *s, size_t n)
{
	uint64_t bits[REPLAY_WINDOW_MAX / 64];

	replay_init(bits, window);
	for (size_t i = 0; i < n; i++) {
		bool ok = replay_update(bits, window, &edge, s[i].seq);

		if (ok != s[i].accepted)
			fail_msg("step %zu: %llu gave %d", i, (unsigned long long)s[i].seq, ok);
	}
}
#define STEPS(window, edge, ...)                                    \
	steps_run(window, edge, (const struct step[]){__VA_ARGS__}, \
		  sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void window_rules(void **state)
{
	(void)state;
	STEPS(64, 0, {0, false}, {1, true}, {1, false}, {9, true}, {8, true}, {7, true}, {7, false},
	      {64, true}, {63, true}, {63, false}, {65, true}, {1, false}, {2, true}, {0, false},
	      {66, true}, {2, false}, {3, true}, {1000, true}, {936, false}, {937, true},
	      {936, false}, {999, true}, {1000, false}, {1001, true}, {937, false});
	STEPS(128, 0, {200, true}, {72, false}, {73, true}, {264, true}, {136, false}, {137, true},
	      {200, false}, {328, true}, {264, false}, {201, true});
	// a take-over: everything at or below the edge was seen
	STEPS(1024, 5000, {5000, false}, {4990, false}, {3977, false}, {5001, true}, {5001, false},
	      {4999, false}, {5010, true}, {5005, true});
	// 32 bits of numbers, all in one jump
	STEPS(4096, 0, {UINT32_MAX, true}, {UINT32_MAX, false}, {UINT32_MAX - 4095, true},
	      {UINT32_MAX - 4096, false});
	// off, on request: nothing is refused and the highest number is kept
	STEPS(0, 0, {5, true}, {5, true}, {1, true});
}

// Any order of numbers, against an array of booleans.
static void window_against_model(void **state)
{
	static bool seen[200000];
	uint32_t seed = 12345;

	(void)state;
	for (uint32_t window = 64; window <= 4096; window *= 2) {
		uint64_t bits[REPLAY_WINDOW_MAX / 64], edge = 0;

		memset(seen, 0, sizeof(seen));
		seen[0] = true;
		replay_init(bits, window);
		for (unsigned i = 0; i < 60000; i++) {
			uint64_t seq, at;
			bool want;

			seed = seed * 1664525 + 1013904223;
			at = edge + (seed >> 28 == 0 ? (seed >> 8) % (3 * window) : 2);
			seq = at > (seed >> 8) % (window + 40) ? at - (seed >> 8) % (window + 40)
							       : 0;
			if (seq >= sizeof(seen))
				break;
			want = !seen[seq] && seq + window > edge;
			assert_int_equal(replay_check(bits, window, edge, seq), want);
			assert_int_equal(replay_update(bits, window, &edge, seq), want);
			if (want)
				seen[seq] = true;
		}
		assert_true(edge > 10000);
	}
}

static void esn_inference(void **state)
{
	const uint64_t g = 1ull << 32;
	const struct {
		uint64_t edge;
		uint32_t window, lo;
		uint64_t want;
	} rows[] = {
		{0, 64, 1, 1},
		{100, 64, 90, 90},
		{100, 64, 37, 37},      // leftmost in the window
		{100, 64, 36, g + 36},  // left of it: must be the next cycle
		{g - 1, 64, 0, g},      // the wrap
		{g - 1, 64, 62, g + 62},
		{g + 5, 64, 0xffffffff, g - 1},  // window reaches back over the wrap
		{g + 5, 64, 0xffffffc6, g - 58},
		{g + 5, 64, 0xffffffc5, 2 * g - 59},
		{g + 5, 64, 6, g + 6},
		{5 * g + 77, 1024, 80, 5 * g + 80},
		{5 * g + 77, 1024, 0xffffff00, 5 * g - 256},
		{5, 64, 0xffffffff, 0xffffffff},    // nothing before the first cycle
		{3 * g + 1000, 0, 10, 3 * g + 10},  // no window: late, not a whole cycle ahead
		{3 * g + 10, 0, 0xfffffff0, 3 * g - 16},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t got = replay_infer_esn(rows[i].edge, rows[i].window, rows[i].lo);

		if (got != rows[i].want)
			fail_msg("row %zu: got %llx", i, (unsigned long long)got);
	}
}

static void window_sizes(void **state)
{
	(void)state;
	assert_int_equal(replay_window_round(0), 0);
	assert_int_equal(replay_window_round(1), 64);
	assert_int_equal(replay_window_round(65), 128);
	assert_int_equal(replay_window_round(1024), 1024);
	assert_int_equal(replay_window_round(4097), 4096);
	assert_int_equal(replay_words(4096), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_rules),
		cmocka_unit_test(window_against_model),
		cmocka_unit_test(esn_inference),
		cmocka_unit_test(window_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
