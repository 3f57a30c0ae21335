// Insertion-ordered set of identities (ids.h): an array that only grows at its end and is consumed
// from its front, and a hash over it. Emptied, it starts over; so no gap is ever closed.

#include <errno.h>
#include <stdlib.h>

#include "ids.h"

#define IDS_MIN 256u

static uint32_t slot_of(const struct ids *s, uint64_t id)
{
	id ^= id >> 33;
	id *= 0xff51afd7ed558ccdull;
	id ^= id >> 33;
	return (uint32_t)id & (s->hash_size - 1);
}

// Items before `first` stay in the hash until the next growth; they are not in the set.
struct ids_item *ids_get(const struct ids *s, uint64_t id)
{
	if (s->hash_size == 0)
		return NULL;
	for (uint32_t i = slot_of(s, id); s->hash[i]; i = (i + 1) & (s->hash_size - 1)) {
		uint32_t n = s->hash[i] - 1;
		if (s->item[n].id == id && n >= s->first)
			return &s->item[n];
	}
	return NULL;
}

static void hash_put(struct ids *s, uint32_t n)
{
	uint32_t i = slot_of(s, s->item[n].id);
	while (s->hash[i])
		i = (i + 1) & (s->hash_size - 1);
	s->hash[i] = n + 1;
}

static int grow(struct ids *s)
{
	uint32_t live = s->count - s->first, cap = s->cap ? s->cap : IDS_MIN;

	while (cap < live * 2 + 1)
		cap *= 2;
	struct ids_item *item = calloc(cap, sizeof(*item));
	uint32_t *hash = calloc((size_t)cap * 2, sizeof(*hash));
	if (!item || !hash) {
		free(item);
		free(hash);
		return -ENOMEM;
	}
	for (uint32_t n = 0; n < live; n++)
		item[n] = s->item[s->first + n];
	free(s->item);
	free(s->hash);
	*s = (struct ids){
		.item = item, .count = live, .cap = cap, .hash = hash, .hash_size = cap * 2};
	for (uint32_t n = 0; n < live; n++)
		hash_put(s, n);
	return 0;
}

int ids_add(struct ids *s, uint64_t id, uint64_t a, uint64_t b)
{
	struct ids_item *there = ids_get(s, id);

	if (there) {
		there->a = a;
		there->b = b;
		return 0;
	}
	if (s->count == s->cap && grow(s))
		return -ENOMEM;
	s->item[s->count] = (struct ids_item){.id = id, .a = a, .b = b};
	hash_put(s, s->count++);
	return 0;
}

bool ids_has(const struct ids *s, uint64_t id)
{
	return ids_get(s, id) != NULL;
}

uint32_t ids_count(const struct ids *s)
{
	return s->count - s->first;
}

bool ids_first(const struct ids *s, struct ids_item *out)
{
	if (s->first == s->count)
		return false;
	*out = s->item[s->first];
	return true;
}

bool ids_at(const struct ids *s, uint32_t n, struct ids_item *out)
{
	if (n >= ids_count(s))
		return false;
	*out = s->item[s->first + n];
	return true;
}

void ids_pop(struct ids *s)
{
	if (s->first < s->count && ++s->first == s->count)
		ids_clear(s);
}

void ids_clear(struct ids *s)
{
	free(s->item);
	free(s->hash);
	*s = (struct ids){0};
}
