// Index of the mirror's records: identity to slot by linear probing, slots stable for iteration.
// Process-local; built anew from the records when a process starts (mirror_scan.c).

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mirror_private.h"

#define HASH_MIN       1024u
#define HASH_START_MAX (1u << 20)

static uint64_t hash_of(uint64_t id)
{
	id ^= id >> 33;
	id *= 0xff51afd7ed558ccdull;
	return id ^ id >> 29;
}

static uint32_t slot_of(uint64_t entry)
{
	return (uint32_t)entry - 1;
}

// Growing moves every record at once, for milliseconds; memory that is not used yet costs nothing.
int index_init(struct mirror_index *x, uint32_t records)
{
	*x = (struct mirror_index){.hash_size = HASH_MIN};
	while (x->hash_size / 2 < records && x->hash_size < HASH_START_MAX)
		x->hash_size *= 2;
	x->hash = calloc(x->hash_size, sizeof(*x->hash));
	return x->hash ? 0 : -ENOMEM;
}

void index_fini(struct mirror_index *x)
{
	free(x->hash);
	free(x->slot);
	*x = (struct mirror_index){0};
}

static void hash_put(struct mirror_index *x, uint32_t slot)
{
	uint64_t h = hash_of(x->slot[slot].id);
	uint32_t i = (uint32_t)h & (x->hash_size - 1);

	while (x->hash[i])
		i = (i + 1) & (x->hash_size - 1);
	x->hash[i] = (h >> 32 << 32) | (slot + 1);
}

static int hash_grow(struct mirror_index *x)
{
	uint64_t *bigger = calloc((size_t)x->hash_size * 2, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	free(x->hash);
	x->hash = bigger;
	x->hash_size *= 2;
	for (uint32_t s = 0; s < x->slots; s++) {
		if (x->slot[s].id)
			hash_put(x, s);
	}
	return 0;
}

static int slot_take(struct mirror_index *x, uint32_t *out)
{
	if (x->free) {
		*out = x->free - 1;
		x->free = x->slot[*out].chunk;
		return 0;
	}
	if (x->slots == x->slots_max) {
		uint32_t max = x->slots_max ? x->slots_max * 2 : HASH_MIN;
		struct mirror_slot *bigger = reallocarray(x->slot, max, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		x->slot = bigger;
		x->slots_max = max;
	}
	*out = x->slots++;
	return 0;
}

int index_add(struct mirror_index *x, uint64_t id, uint32_t chunk, uint32_t group)
{
	uint32_t slot;

	if ((x->used + 1) * 2 > x->hash_size && hash_grow(x))
		return -ENOMEM;
	if (slot_take(x, &slot))
		return -ENOMEM;
	x->slot[slot] = (struct mirror_slot){.id = id, .chunk = chunk, .group = group};
	hash_put(x, slot);
	x->used++;
	return 0;
}

static uint32_t hash_find(const struct mirror_index *x, uint64_t id)
{
	uint64_t h = hash_of(id);
	uint32_t i = (uint32_t)h & (x->hash_size - 1);

	while (x->hash[i] && ((x->hash[i] ^ h) >> 32 || x->slot[slot_of(x->hash[i])].id != id))
		i = (i + 1) & (x->hash_size - 1);
	return i;
}

void index_prefetch_hash(const struct mirror_index *x, uint64_t id)
{
	__builtin_prefetch(&x->hash[hash_of(id) & (x->hash_size - 1)]);
}

// Of the first place alone: a guess is good enough.
void index_prefetch_slot(const struct mirror_index *x, uint64_t id)
{
	uint64_t entry = x->hash[hash_of(id) & (x->hash_size - 1)];

	if (entry)
		__builtin_prefetch(&x->slot[slot_of(entry)]);
}

struct mirror_slot *index_get(const struct mirror_index *x, uint64_t id)
{
	uint32_t i = hash_find(x, id);
	return x->hash[i] ? &x->slot[slot_of(x->hash[i])] : NULL;
}

void index_del(struct mirror_index *x, uint64_t id)
{
	uint32_t mask = x->hash_size - 1, i = hash_find(x, id);

	if (!x->hash[i])
		return;
	uint32_t slot = slot_of(x->hash[i]);
	// Closes the gap: whoever probed past it moves back.
	for (uint32_t j = (i + 1) & mask; x->hash[j]; j = (j + 1) & mask) {
		uint32_t home = (uint32_t)hash_of(x->slot[slot_of(x->hash[j])].id);
		if (((j - home) & mask) >= ((j - i) & mask)) {
			x->hash[i] = x->hash[j];
			i = j;
		}
	}
	x->hash[i] = 0;
	x->slot[slot] = (struct mirror_slot){.chunk = x->free};
	x->free = slot + 1;
	x->used--;
}
