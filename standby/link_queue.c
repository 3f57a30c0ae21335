// A queue of bytes in blocks of one TLS record each: put at the end, taken block by block.
#include "link_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

void queue_init(struct queue *q)
{
	TAILQ_INIT(&q->blocks);
	q->bytes = 0;
}

static void block_free(struct queue *q, struct queue_block *b)
{
	TAILQ_REMOVE(&q->blocks, b, link);
	secret_wipe(b->bytes, b->tail);
	free(b);
}

void queue_fini(struct queue *q)
{
	struct queue_block *b;

	while ((b = TAILQ_FIRST(&q->blocks)))
		block_free(q, b);
	q->bytes = 0;
}

static size_t room(const struct queue *q)
{
	const struct queue_block *last = TAILQ_LAST(&q->blocks, queue_blocks);

	return last ? QUEUE_BLOCK - last->tail : 0;
}

static void append(struct queue *q, struct queue_block **b, const uint8_t *bytes, size_t len)
{
	q->bytes += len;
	while (len > 0) {
		if ((*b)->tail == QUEUE_BLOCK)
			*b = TAILQ_NEXT(*b, link);
		size_t n = QUEUE_BLOCK - (*b)->tail;

		if (n > len)
			n = len;
		memcpy((*b)->bytes + (*b)->tail, bytes, n);
		(*b)->tail += n;
		bytes += n;
		len -= n;
	}
}

int queue_put(struct queue *q, const void *a, size_t alen, const void *b, size_t blen)
{
	struct queue_block *first = TAILQ_LAST(&q->blocks, queue_blocks);
	size_t have = room(q);
	struct queue_blocks fresh = TAILQ_HEAD_INITIALIZER(fresh);

	while (have < alen + blen) {
		struct queue_block *n = malloc(sizeof(*n));

		if (!n) {
			while ((n = TAILQ_FIRST(&fresh))) {
				TAILQ_REMOVE(&fresh, n, link);
				free(n);
			}
			return -ENOMEM;
		}
		n->head = 0;
		n->tail = 0;
		TAILQ_INSERT_TAIL(&fresh, n, link);
		have += QUEUE_BLOCK;
	}
	struct queue_block *n;

	while ((n = TAILQ_FIRST(&fresh))) {
		TAILQ_REMOVE(&fresh, n, link);
		TAILQ_INSERT_TAIL(&q->blocks, n, link);
	}
	if (!first)
		first = TAILQ_FIRST(&q->blocks);
	append(q, &first, a, alen);
	append(q, &first, b, blen);
	return 0;
}

size_t queue_peek(const struct queue *q, const uint8_t **bytes)
{
	const struct queue_block *b = TAILQ_FIRST(&q->blocks);

	if (!b)
		return 0;
	*bytes = b->bytes + b->head;
	return b->tail - b->head;
}

void queue_drop(struct queue *q, size_t len)
{
	struct queue_block *b = TAILQ_FIRST(&q->blocks);

	if (!b)
		return;
	b->head += len;
	q->bytes -= len;
	if (b->head == b->tail)
		block_free(q, b);
}
