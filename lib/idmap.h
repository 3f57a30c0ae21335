// id <-> pointer table with generations: an id names one object for ever, so queued work may
// outlive the object it names. Owner: one thread. Pointers are borrowed.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct idmap;
struct idmap *idmap_create(uint32_t max);  // at most `max` live ids; NULL and errno
void idmap_destroy(struct idmap *m);
// Returns an id (never 0), or 0 and errno = ENOSPC.
uint32_t idmap_add(struct idmap *m, void *obj);
void *idmap_get(const struct idmap *m, uint32_t id);  // NULL if gone
void idmap_del(struct idmap *m, uint32_t id);
uint32_t idmap_count(const struct idmap *m);
// Iteration in slices: first live id after `after` (0 = start), or 0 at the end.
uint32_t idmap_next(const struct idmap *m, uint32_t after);
