// The framing of the replication link (security class 28): any bytes in any cuts. The first octet
// seeds the cuts; whole and cut decoding must see the same frames and end the same way.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "link_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned count;
	uint32_t sum;
};

static int see(void *ctx, const struct frame *f)
{
	struct seen *s = ctx;
	struct frame_greeting g;

	s->count++;
	assert(f->len <= LINK_MESSAGE_MAX);
	for (size_t i = 0; i < f->len; i++)
		s->sum = s->sum * 31 + f->bytes[i];
	s->sum = s->sum * 31 + f->type;
	if (f->type == FRAME_GREETING && frame_greeting_decode(f->bytes, f->len, &g) == 0) {
		uint8_t again[FRAME_GREETING_LEN];

		frame_greeting_encode(again, &g);
		assert(memcmp(again, f->bytes, sizeof(again)) == 0);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_rx whole_rx = {0}, cut_rx = {0};
	struct seen whole = {0}, cut = {0};
	unsigned seed = size > 0 ? data[0] : 0;
	int a, b = 0;

	if (size < 1)
		return 0;
	a = frame_rx_feed(&whole_rx, data + 1, size - 1, see, &whole);
	for (size_t at = 1; at < size && b == 0;) {
		size_t n = 1 + (seed = seed * 75 + 74) % 61;

		if (n > size - at)
			n = size - at;
		uint8_t *piece = malloc(n);  // its exact size, for the sanitizer

		assert(piece);
		memcpy(piece, data + at, n);
		b = frame_rx_feed(&cut_rx, piece, n, see, &cut);
		free(piece);
		at += n;
	}
	assert(a == b && whole.count == cut.count && whole.sum == cut.sum);
	frame_rx_fini(&whole_rx);
	frame_rx_fini(&cut_rx);
	return 0;
}
