// Anti-replay window and extended sequence numbers (RFC 4303 3.4.3, appendix A).
//
// Pure functions over a ring of exactly `window` bits: bit (seq mod window) tells whether seq was
// seen, for the `window` numbers that end at the highest accepted one. Nothing shifts: moving the
// edge only clears the bits of the numbers that were skipped. `window` is a power of two, 64..4096,
// or 0 = off. Owner worker only.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REPLAY_WINDOW_MIN 64u
#define REPLAY_WINDOW_MAX 4096u

// Window as asked for, rounded up to what we have; 0 stays 0 (off).
static inline uint32_t replay_window_round(uint32_t asked)
{
	uint32_t w = REPLAY_WINDOW_MIN;

	if (!asked)
		return 0;
	while (w < asked && w < REPLAY_WINDOW_MAX)
		w <<= 1;
	return w;
}

static inline uint32_t replay_words(uint32_t window)
{
	return window / 64;
}

// Everything up to and including the edge counts as seen (a take-over; for a new SA the number 0,
// which no sender uses).
static inline void replay_init(uint64_t *bits, uint32_t window)
{
	memset(bits, 0xff, replay_words(window) * sizeof(*bits));
}

// The full sequence number of a packet that carries only its lower half (RFC 4303 A2.1): the one
// value that is neither left of the window nor a whole cycle ahead. Without a window every number
// up to half a cycle back counts as late rather than as next cycle.
static inline uint64_t replay_infer_esn(uint64_t edge, uint32_t window, uint32_t seq_lo)
{
	uint32_t span = window ? window : 1u << 31;
	uint32_t edge_lo = (uint32_t)edge;
	uint64_t hi = edge & 0xffffffff00000000ull;
	uint32_t left = edge_lo - (span - 1);  // lowest number in the window, modulo 2^32

	if (edge_lo >= span - 1)  // case A: the window lies within one cycle
		return (seq_lo >= left ? hi : hi + (1ull << 32)) | seq_lo;
	// case B: it began in the cycle before; before the first cycle there is nothing
	if (seq_lo >= left && hi)
		return (hi - (1ull << 32)) | seq_lo;
	return hi | seq_lo;
}

// Pre-check before any crypto, and the check of the update after it: true = acceptable.
static inline bool replay_check(const uint64_t *bits, uint32_t window, uint64_t edge, uint64_t seq)
{
	if (seq > edge || !window)
		return seq != 0 || !window;
	if (edge - seq >= window)
		return false;
	return !(bits[(seq & (window - 1)) >> 6] & (1ull << (seq & 63)));
}

// Clears the bits of the numbers after `edge` and before `seq`, less than a window of them.
static inline void replay_clear(uint64_t *bits, uint32_t window, uint64_t edge, uint64_t seq)
{
	for (uint64_t n = edge + 1; n < seq;) {
		uint64_t *word = &bits[(n & (window - 1)) >> 6];
		uint32_t at = n & 63;
		uint64_t count = seq - n < 64 - at ? seq - n : 64 - at;

		*word &= count == 64 ? 0 : ~(((1ull << count) - 1) << at);
		n += count;
	}
}

// After the ICV was found right: notes seq and moves the edge. false = seen meanwhile (twice in
// one burst) or left of the window.
static inline bool replay_update(uint64_t *bits, uint32_t window, uint64_t *edge, uint64_t seq)
{
	if (!replay_check(bits, window, *edge, seq))
		return false;
	if (seq > *edge) {
		if (window && seq - *edge > 1) {
			if (seq - *edge >= window)
				memset(bits, 0, replay_words(window) * sizeof(*bits));
			else
				replay_clear(bits, window, *edge, seq);
		}
		*edge = seq;
	}
	if (window)
		bits[(seq & (window - 1)) >> 6] |= 1ull << (seq & 63);
	return true;
}
