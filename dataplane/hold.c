// The hold table: a queue of packets per key, found by a chained index. Everything is bounded:
// per key, in total, and in time; what is given up is counted under a named reason.
#include "hold.h"
#include "counters.h"
#include "drop.h"

#include <errno.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <sys/queue.h>

#define HEADS        1024
#define ASK_AGAIN_MS 1000

struct held {
	STAILQ_ENTRY(held) next;
	struct rte_mbuf *m;
	uint64_t since_ms;
};
struct queue {
	LIST_ENTRY(queue) chain;
	TAILQ_ENTRY(queue) all;
	STAILQ_HEAD(, held) packets;
	uint64_t key, asked_ms;
	uint32_t n;
	enum hold_kind kind;
};

static LIST_HEAD(, queue) head[HEADS];
static TAILQ_HEAD(, queue) all = TAILQ_HEAD_INITIALIZER(all);
static uint32_t total;
static uint64_t dropped[2];

int hold_init(void)
{
	for (unsigned i = 0; i < HEADS; i++)
		LIST_INIT(&head[i]);
	TAILQ_INIT(&all);
	total = 0;
	return 0;
}

static void count(enum hold_kind kind, enum drop neigh_why)
{
	dropped[kind]++;
	counters_control_drop(kind == HOLD_POLICY ? DROP_POLICY_NO_SA : neigh_why);
}

static void give_up(struct queue *q, struct held *h)
{
	STAILQ_REMOVE_HEAD(&q->packets, next);
	rte_pktmbuf_free(h->m);
	free(h);
	q->n--, total--;
}

static void queue_free(struct queue *q)
{
	LIST_REMOVE(q, chain);
	TAILQ_REMOVE(&all, q, all);
	free(q);
}

void hold_fini(void)
{
	struct queue *q;
	struct held *h;

	while ((q = TAILQ_FIRST(&all))) {
		while ((h = STAILQ_FIRST(&q->packets)))
			give_up(q, h);
		queue_free(q);
	}
}

static uint32_t slot(enum hold_kind kind, uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull + kind) >> 40) % HEADS;
}

static struct queue *find(enum hold_kind kind, uint64_t key)
{
	struct queue *q;

	LIST_FOREACH (q, &head[slot(kind, key)], chain)
		if (q->kind == kind && q->key == key)
			return q;
	return NULL;
}

static struct queue *queue_create(enum hold_kind kind, uint64_t key)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	STAILQ_INIT(&q->packets);
	q->kind = kind;
	q->key = key;
	LIST_INSERT_HEAD(&head[slot(kind, key)], q, chain);
	TAILQ_INSERT_TAIL(&all, q, all);
	return q;
}

bool hold_add(enum hold_kind kind, uint64_t key, struct rte_mbuf *m, uint64_t now_ms)
{
	struct queue *q = find(kind, key);
	uint32_t max = kind == HOLD_POLICY ? HOLD_POLICY_MAX : HOLD_NEIGH_MAX;
	struct held *h = NULL;
	bool ask = !q;

	if (total < HOLD_TOTAL && (!q || q->n < max)) {
		q = q ? q : queue_create(kind, key);
		h = q ? calloc(1, sizeof(*h)) : NULL;
	}
	if (h) {
		h->m = m;
		h->since_ms = now_ms;
		STAILQ_INSERT_TAIL(&q->packets, h, next);
		q->n++, total++;
	} else {
		rte_pktmbuf_free(m);
		count(kind, DROP_NEIGH_HOLD);
	}
	if (!q)
		return ask;
	ask = ask || now_ms - q->asked_ms >= ASK_AGAIN_MS;
	if (ask)
		q->asked_ms = now_ms;
	return ask;
}

unsigned hold_release(enum hold_kind kind, uint64_t key, hold_release_fn fn, void *ctx)
{
	struct queue *q = find(kind, key);
	struct held *h;
	unsigned n = 0;

	if (!q)
		return 0;
	while ((h = STAILQ_FIRST(&q->packets))) {
		struct rte_mbuf *m = h->m;

		h->m = NULL;
		give_up(q, h);
		fn(ctx, m);
		n++;
	}
	queue_free(q);
	return n;
}

static void drop(void *ctx, struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
	count(*(const enum hold_kind *)ctx, DROP_NEIGH_FAILED);
}

unsigned hold_flush(enum hold_kind kind, uint64_t key)
{
	return hold_release(kind, key, drop, &kind);
}

void hold_expire(uint64_t now_ms)
{
	struct queue *q = TAILQ_FIRST(&all), *next;

	for (; q; q = next) {
		uint64_t age = q->kind == HOLD_POLICY ? HOLD_AGE_MS : HOLD_NEIGH_AGE_MS;
		struct held *h;

		next = TAILQ_NEXT(q, all);
		while ((h = STAILQ_FIRST(&q->packets)) && now_ms - h->since_ms >= age) {
			give_up(q, h);
			count(q->kind, DROP_NEIGH_FAILED);
		}
		if (q->n == 0)
			queue_free(q);
	}
}

uint32_t hold_count(void)
{
	return total;
}

uint64_t hold_dropped(enum hold_kind kind)
{
	return dropped[kind];
}
