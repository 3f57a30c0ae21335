// SA identities in the order they came, with two values each: what has yet to be told, what a
// snapshot has brought. Owner: one thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids_item {
	uint64_t id, a, b;
};
struct ids {
	struct ids_item *item;  // first .. count - 1 are in the set
	uint32_t first, count, cap;
	uint32_t *hash;  // item + 1, 0 = empty
	uint32_t hash_size;
};

// Adds it, or sets the values of the one that is there. 0 or -ENOMEM.
int ids_add(struct ids *s, uint64_t id, uint64_t a, uint64_t b);
// Borrowed until the next add; NULL: not there.
struct ids_item *ids_get(const struct ids *s, uint64_t id);
bool ids_has(const struct ids *s, uint64_t id);
uint32_t ids_count(const struct ids *s);
bool ids_first(const struct ids *s, struct ids_item *out);
bool ids_at(const struct ids *s, uint32_t n, struct ids_item *out);  // n-th, 0 = first
void ids_pop(struct ids *s);                                         // the first one goes
void ids_clear(struct ids *s);
