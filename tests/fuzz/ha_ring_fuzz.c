// The ring between the two processes of a box, as a process that died or went mad may leave it: any
// bytes, any head and tail; the checksums are made right or left wrong. Input: flags, tail, length,
// then the memory.
#include <assert.h>
#include <stdlib.h>

#include "ring.c"  // NOLINT(bugprone-suspicious-include): its inside is what is looked at

#define CAPACITY 4096

static volatile unsigned seen;  // payloads are read to their end

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Gives every head that could be one its checksum, so that what is behind it is looked at.
static void sums_set(struct ha_ring *r)
{
	uint64_t head = atomic_load(&r->head);

	for (uint64_t at = atomic_load(&r->tail); at < head;) {
		size_t off = at & (CAPACITY - 1), left = CAPACITY - off;
		struct ring_head *h = (struct ring_head *)(r->data + off);

		if (left < sizeof(*h) || h->total < sizeof(*h) || h->total > left)
			return;
		h->sum = head_sum(h);
		at += (h->total + 7u) & ~7u;
	}
}

static void drain(struct ha_ring *r)
{
	struct ha_word w;
	uint64_t tail = atomic_load(&r->tail);

	while (ha_ring_peek(r, &w) == 1) {
		uint32_t len = has_sa(w.type) ? w.sa.len : w.len;
		const uint8_t *bytes = has_sa(w.type) ? w.sa.payload : w.payload;

		assert(len <= HA_PAYLOAD_MAX);
		for (uint32_t i = 0; i < len; i++)
			seen += bytes[i];
		ha_ring_next(r);
		assert(atomic_load(&r->tail) > tail &&
		       atomic_load(&r->tail) <= atomic_load(&r->head));
		tail = atomic_load(&r->tail);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 5)
		return 0;
	struct ha_ring *r = aligned_alloc(64, ha_ring_size(CAPACITY));

	assert(r);
	memset(r, 0, ha_ring_size(CAPACITY));
	ha_ring_format(r, CAPACITY);
	uint64_t tail = (data[1] | (uint64_t)data[2] << 8) * 8;
	uint64_t used = (data[3] | (uint64_t)data[4] << 8) * ((data[0] & 2) ? 8 : 1);

	atomic_store(&r->tail, tail);
	atomic_store(&r->head, tail + used);
	for (size_t i = 5; i < size && i - 5 < CAPACITY; i++)
		r->data[(tail + i - 5) & (CAPACITY - 1)] = data[i];
	if ((data[0] & 1) && used <= CAPACITY)
		sums_set(r);
	struct ha_ring *open = ha_ring_open(r, CAPACITY);

	if (open) {
		const struct ha_word w = {.type = HA_CHECKPOINT, .group = 1, .id = 7};

		drain(open);
		(void)ha_ring_put(open, &w);
	}
	free(r);
	return 0;
}
