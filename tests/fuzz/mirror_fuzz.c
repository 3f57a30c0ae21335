// The SA mirror as a start finds it: any bytes where the records are, chains that cross or run in
// circles, checksums made right or left wrong. What counts is read, changed, and read again. Input:
// flags, then chunks.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mirror_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned seen;  // payloads are read to their end
static const struct mirror_id id = {.boot = {1}, .generation = {2}};

static bool chain_sound(const struct mirror *m, const struct chunk *c)
{
	uint32_t left = c->len > HEAD_DATA ? c->len - (uint32_t)HEAD_DATA : 0;

	for (; left; left -= left < TAIL_DATA ? left : (uint32_t)TAIL_DATA) {
		if (c->next == 0 || c->next > m->chunks)
			return false;
		c = &m->chunk[c->next - 1];
	}
	return true;
}

static void sums_set(uint8_t *mem, size_t len)
{
	struct mirror m = {
		.mem = (struct mirror_memory *)(void *)mem,
		.chunk = (struct chunk *)(void *)(mem + mirror_chunks_offset()),
		.chunks = (uint32_t)((len - mirror_chunks_offset()) / CHUNK_BYTES),
	};

	m.touched = m.chunks;
	for (uint32_t i = 0; i < m.chunks; i++) {
		struct chunk *c = &m.chunk[i];

		if (atomic_load(&c->state) == CHUNK_HEAD && c->len <= HA_PAYLOAD_MAX &&
		    chain_sound(&m, c))
			c->sum = mirror_record_sum(&m, c);
	}
}

static unsigned records(struct mirror *m)
{
	unsigned n = 0;

	for (unsigned g = 0; g <= HA_GROUPS_MAX; g++) {
		uint64_t cursor = 0;
		struct ha_sa sa, again;

		for (unsigned i = 0; i < 1000 && mirror_next(m, g, &cursor, &sa); i++, n++) {
			assert(sa.len <= HA_PAYLOAD_MAX);
			for (uint32_t k = 0; k < sa.len; k++)
				seen += sa.payload[k];
			assert(mirror_get(m, sa.id, &again) && again.id == sa.id);
			(void)mirror_set_ceiling(m, sa.id, sa.ceiling + 1);
		}
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *mem;
	size_t len = mirror_min_size(), at = mirror_chunks_offset();
	struct err err = {0};
	bool made;

	if (size < 1)
		return 0;
	if (!mem)
		mem = aligned_alloc(4096, (len + 4095) & ~(size_t)4095);
	assert(mem);
	((struct mirror_memory *)(void *)mem)->magic = 0;
	struct mirror *m = mirror_attach(mem, len, &id, &made, &err);

	assert(m && made && records(m) == 0);
	mirror_close(m);
	memcpy(mem + at, data + 1, size - 1 < len - at ? size - 1 : len - at);
	atomic_store(&((struct mirror_memory *)(void *)mem)->provisioned,
		     (data[0] & 2) ? (len - at) / CHUNK_BYTES : data[0]);
	if (data[0] & 1)
		sums_set(mem, len);
	m = mirror_attach(mem, len, &id, &made, &err);
	if (!m)
		return 0;
	static const uint8_t payload[1200];
	const struct ha_sa own = {
		.id = 99, .group = 3, .kind = 1, .len = sizeof(payload), .payload = payload};

	(void)records(m);
	if (mirror_put(m, &own) == 0)
		assert(mirror_del(m, 99) == 0);
	(void)records(m);
	mirror_close(m);
	return 0;
}
