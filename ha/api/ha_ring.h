// A single-producer single-consumer ring of messages in shared memory.
//
// Either process may die at any instruction: a message counts from the release store of `head`,
// and is gone from the release store of `tail`; each has a checksum. A consumer that restarts
// sees the message it was at once more. Thread: one producer, one consumer, no lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ha_sa.h"

struct ha_ring;  // in the shared memory
// Bytes of shared memory for a ring of `capacity` bytes (a power of two).
size_t ha_ring_size(size_t capacity);
// Makes an empty ring of the zeroed or stale memory at mem (aligned to 64).
struct ha_ring *ha_ring_format(void *mem, size_t capacity);
// The ring that is there, or NULL: wrong magic, version or capacity, head and tail impossible.
struct ha_ring *ha_ring_open(void *mem, size_t capacity);

// Producer. 0, -ENOSPC (try again later: nothing was written), -EMSGSIZE (can never fit).
int ha_ring_put(struct ha_ring *r, const struct ha_word *w);
size_t ha_ring_room(const struct ha_ring *r);  // bytes
// Consumer. 1 and *w (borrowing the ring's memory until ha_ring_next), 0 when empty, -EBADMSG when
// what is there is damaged: the ring is then to be formatted anew and everything resynchronised.
int ha_ring_peek(struct ha_ring *r, struct ha_word *w);
void ha_ring_next(struct ha_ring *r);
// Identities of at most `max` words from the next one on, as they are written there, unchecked: to
// ask memory for what they will need. Returns how many.
unsigned ha_ring_ahead(const struct ha_ring *r, uint64_t *ids, unsigned max);
bool ha_ring_empty(const struct ha_ring *r);
// A number that two processes have alike if they were built with the same words.
uint32_t ha_words_release(void);
