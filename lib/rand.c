// getrandom(2) with a seam for tests. There is no fallback: a gateway without randomness must not
// negotiate keys.
#include "rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static rand_source_fn source;
static void *source_ctx;

void rand_set_source(rand_source_fn fn, void *ctx)
{
	source = fn;
	source_ctx = ctx;
}

void rand_bytes(void *dst, size_t len)
{
	uint8_t *p = dst;

	if (source) {
		source(source_ctx, dst, len);
		return;
	}
	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

uint32_t rand_u32(void)
{
	uint32_t v;

	rand_bytes(&v, sizeof(v));
	return v;
}

uint64_t rand_u64(void)
{
	uint64_t v;

	rand_bytes(&v, sizeof(v));
	return v;
}

// Choices are made often (a jitter for every timer of every SA) and are no keys: a system call for
// each would cost more than all the rest of a replicated SA's timers. What was given out is wiped.
static uint32_t choice_u32(void)
{
	static __thread uint32_t pool[128];
	static __thread unsigned left;

	if (source)
		return rand_u32();
	if (left == 0) {
		left = sizeof(pool) / sizeof(pool[0]);
		rand_bytes(pool, sizeof(pool));
	}
	uint32_t v = pool[--left];

	pool[left] = 0;
	return v;
}

uint32_t rand_below(uint32_t bound)
{
	if (bound < 2)
		return 0;
	// Values below 2^32 mod bound would favour small results; each try succeeds with at least
	// 1/2.
	uint32_t reject = -bound % bound;

	for (;;) {
		uint32_t v = choice_u32();

		if (v >= reject)
			return v % bound;
	}
}
