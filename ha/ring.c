// The ring between the two processes of a box (ha_ring.h).
//
// A message is a fixed head, the fixed part of an SA when it has one, and the payload, padded to
// 8 bytes; it never wraps: what is too short at the end of the memory is skipped by a filler head.
// `head` and `tail` count bytes for ever; the producer writes only head, the consumer only tail.

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <xxhash.h>

#include "ha_ring.h"

#define RING_MAGIC   0x676e69726d646e74ull
#define RING_VERSION 1u
#define RING_FILLER  0u  // type of a head that only fills

struct ha_ring {
	uint64_t magic;
	uint32_t version;
	uint32_t capacity;
	alignas(64) _Atomic uint64_t head;  // producer: rw
	alignas(64) _Atomic uint64_t tail;  // consumer: rw
	alignas(64) uint8_t data[];
};

struct ring_head {
	uint32_t total;  // with this head, a multiple of 8
	uint16_t type, group;
	uint32_t len;  // payload, or the SA's payload
	uint32_t has_sa;
	uint64_t sum;  // of everything behind it, and of the above
	uint64_t seq, id, a, b;
};
struct ring_sa {
	uint64_t id, parent, ceiling, edge;
	uint32_t spi_in, spi_out, birth[2];
	uint16_t group;
	uint8_t kind, taint;
	uint32_t spare;
};
_Static_assert(sizeof(struct ring_head) % 8 == 0 && sizeof(struct ring_sa) % 8 == 0,
	       "payloads are aligned");

size_t ha_ring_size(size_t capacity)
{
	return sizeof(struct ha_ring) + capacity;
}

struct ha_ring *ha_ring_format(void *mem, size_t capacity)
{
	struct ha_ring *r = mem;
	r->magic = 0;
	atomic_store(&r->head, 0);
	atomic_store(&r->tail, 0);
	r->version = RING_VERSION;
	r->capacity = (uint32_t)capacity;
	atomic_thread_fence(memory_order_release);
	r->magic = RING_MAGIC;
	return r;
}

struct ha_ring *ha_ring_open(void *mem, size_t capacity)
{
	struct ha_ring *r = mem;
	if (r->magic != RING_MAGIC || r->version != RING_VERSION || r->capacity != capacity)
		return NULL;
	uint64_t head = atomic_load(&r->head), tail = atomic_load(&r->tail);
	if (head - tail > capacity || head % 8 || tail % 8)
		return NULL;
	return r;
}

static uint64_t head_sum(const struct ring_head *h)
{
	XXH64_hash_t first = XXH3_64bits(h, offsetof(struct ring_head, sum));
	return XXH3_64bits_withSeed((const uint8_t *)h + offsetof(struct ring_head, seq),
				    h->total - offsetof(struct ring_head, seq), first);
}

static bool has_sa(uint16_t type)
{
	return type == HA_UPSERT || type == HA_FEED;
}

static size_t word_size(const struct ha_word *w)
{
	size_t n = sizeof(struct ring_head);
	if (has_sa(w->type))
		n += sizeof(struct ring_sa) + w->sa.len;
	else
		n += w->len;
	return (n + 7) & ~(size_t)7;
}

static void word_write(uint8_t *at, const struct ha_word *w, size_t size)
{
	struct ring_head *h = (struct ring_head *)at;
	bool sa = has_sa(w->type);
	uint32_t len = sa ? w->sa.len : w->len;
	uint8_t *body = at + sizeof(*h);

	*h = (struct ring_head){.total = (uint32_t)size,
				.type = w->type,
				.group = w->group,
				.len = len,
				.has_sa = sa,
				.seq = w->seq,
				.id = w->id,
				.a = w->a,
				.b = w->b};
	if (sa) {
		const struct ha_sa *s = &w->sa;
		struct ring_sa *rs = (struct ring_sa *)body;
		*rs = (struct ring_sa){.id = s->id,
				       .parent = s->parent,
				       .ceiling = s->ceiling,
				       .edge = s->edge,
				       .spi_in = s->spi_in,
				       .spi_out = s->spi_out,
				       .birth = {s->birth[0], s->birth[1]},
				       .group = s->group,
				       .kind = s->kind,
				       .taint = s->taint};
		body += sizeof(*rs);
	}
	const uint8_t *payload = sa ? w->sa.payload : w->payload;
	if (len)
		memcpy(body, payload, len);
	memset(body + len, 0, (size_t)(at + size - (body + len)));
	h->sum = head_sum(h);
}

int ha_ring_put(struct ha_ring *r, const struct ha_word *w)
{
	if ((has_sa(w->type) ? w->sa.len : w->len) > HA_PAYLOAD_MAX || w->type == RING_FILLER)
		return -EMSGSIZE;
	size_t size = word_size(w), cap = r->capacity;
	if (size > cap / 4)
		return -EMSGSIZE;
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	size_t at = head & (cap - 1), to_end = cap - at;
	size_t filler = to_end < size ? to_end : 0;

	if (head + filler + size - tail > cap)
		return -ENOSPC;
	if (filler) {
		// positions are multiples of 8, so the first word of a head always has room
		uint32_t *mark = (uint32_t *)(r->data + at);
		mark[0] = (uint32_t)filler;
		mark[1] = RING_FILLER;
		at = 0;
	}
	word_write(r->data + at, w, size);
	atomic_store_explicit(&r->head, head + filler + size, memory_order_release);
	return 0;
}

size_t ha_ring_room(const struct ha_ring *r)
{
	uint64_t used = atomic_load_explicit(&r->head, memory_order_relaxed) -
			atomic_load_explicit(&r->tail, memory_order_acquire);
	return used > r->capacity ? 0 : r->capacity - used;
}

bool ha_ring_empty(const struct ha_ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_acquire) ==
	       atomic_load_explicit(&r->tail, memory_order_relaxed);
}

// The message at tail, fillers skipped: 1, 0 (empty), -EBADMSG. Its place is checked, not its sum.
static int head_find(struct ha_ring *r, const struct ring_head **out)
{
	for (;;) {
		uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
		uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
		uint64_t left = head - tail;
		size_t at = tail & (r->capacity - 1), to_end = r->capacity - at;

		if (left == 0)
			return 0;
		if (left > r->capacity || left % 8 || at % 8)
			return -EBADMSG;
		const struct ring_head *h = (const struct ring_head *)(r->data + at);
		if (h->total > left || h->total > to_end || h->total < 8 || h->total % 8)
			return -EBADMSG;
		if (h->type == RING_FILLER && h->group == 0) {
			if (h->total != to_end)
				return -EBADMSG;
			atomic_store_explicit(&r->tail, tail + h->total, memory_order_release);
			continue;
		}
		if (h->total < sizeof(*h))
			return -EBADMSG;
		*out = h;
		return 1;
	}
}

int ha_ring_peek(struct ha_ring *r, struct ha_word *w)
{
	const struct ring_head *h;
	int rc = head_find(r, &h);

	if (rc <= 0)
		return rc;
	size_t fixed = sizeof(*h) + (h->has_sa ? sizeof(struct ring_sa) : 0);
	if (h->sum != head_sum(h) || h->total < fixed || h->len > h->total - fixed ||
	    h->has_sa != has_sa(h->type))
		return -EBADMSG;
	const uint8_t *body = (const uint8_t *)(h + 1);
	*w = (struct ha_word){.type = h->type,
			      .group = h->group,
			      .len = h->len,
			      .seq = h->seq,
			      .id = h->id,
			      .a = h->a,
			      .b = h->b};
	if (h->has_sa) {
		const struct ring_sa *s = (const struct ring_sa *)body;
		w->sa = (struct ha_sa){.id = s->id,
				       .parent = s->parent,
				       .ceiling = s->ceiling,
				       .edge = s->edge,
				       .spi_in = s->spi_in,
				       .spi_out = s->spi_out,
				       .birth = {s->birth[0], s->birth[1]},
				       .group = s->group,
				       .kind = s->kind,
				       .taint = s->taint,
				       .len = h->len,
				       .payload = body + sizeof(*s)};
	} else {
		w->payload = body;
	}
	return 1;
}

void ha_ring_next(struct ha_ring *r)
{
	const struct ring_head *h;

	if (head_find(r, &h) != 1)
		return;
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	atomic_store_explicit(&r->tail, tail + h->total, memory_order_release);
}

unsigned ha_ring_ahead(const struct ha_ring *r, uint64_t *ids, unsigned max)
{
	uint64_t at = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	unsigned n = 0;

	while (n < max && head - at >= sizeof(struct ring_head) && head - at <= r->capacity) {
		size_t place = at & (r->capacity - 1);
		const struct ring_head *h = (const struct ring_head *)(r->data + place);

		// a filler, or damage: whoever takes the words looks closer
		if (place % 8 || h->type == RING_FILLER || h->total > r->capacity - place ||
		    h->total < sizeof(*h) ||
		    (h->has_sa && h->total < sizeof(*h) + sizeof(struct ring_sa)))
			break;
		ids[n++] = h->has_sa ? ((const struct ring_sa *)(h + 1))->id : h->id;
		at += h->total;
	}
	return n;
}
