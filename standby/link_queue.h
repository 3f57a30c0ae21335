// Internal to the replication link: bytes that wait to be sent, one queue per stream. A list of
// blocks, so that a large queue is never moved; what leaves is wiped (SA keys are in it).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define QUEUE_BLOCK 16384

struct queue_block {
	TAILQ_ENTRY(queue_block) link;
	size_t head, tail;
	uint8_t bytes[QUEUE_BLOCK];
};
struct queue {
	TAILQ_HEAD(queue_blocks, queue_block) blocks;
	size_t bytes;
};
void queue_init(struct queue *q);
void queue_fini(struct queue *q);
// All of it or, with -ENOMEM, nothing. Two parts: header and body.
int queue_put(struct queue *q, const void *a, size_t alen, const void *b, size_t blen);
// The first bytes that lie together; 0 when empty. Borrowed until queue_drop.
size_t queue_peek(const struct queue *q, const uint8_t **bytes);
void queue_drop(struct queue *q, size_t len);  // at most what queue_peek gave
