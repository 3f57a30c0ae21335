// Binary heap of the engine's timers: O(log n) to arm, move and stop, so ten thousand SAs with
// five timers each cost nothing while nothing is due. Knows nothing of what the timers mean.

#include "ike_timer.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct ike_timers *h, size_t at, struct ike_timer *t)
{
	h->heap[at] = t;
	t->pos = at + 1;
}

static void sift_up(struct ike_timers *h, size_t at)
{
	struct ike_timer *t = h->heap[at];

	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (h->heap[parent]->due_ms <= t->due_ms)
			break;
		place(h, at, h->heap[parent]);
		at = parent;
	}
	place(h, at, t);
}

static void sift_down(struct ike_timers *h, size_t at)
{
	struct ike_timer *t = h->heap[at];

	for (;;) {
		size_t kid = 2 * at + 1;

		if (kid >= h->count)
			break;
		if (kid + 1 < h->count && h->heap[kid + 1]->due_ms < h->heap[kid]->due_ms)
			kid++;
		if (h->heap[kid]->due_ms >= t->due_ms)
			break;
		place(h, at, h->heap[kid]);
		at = kid;
	}
	place(h, at, t);
}

void ike_timers_fini(struct ike_timers *h)
{
	free(h->heap);
	*h = (struct ike_timers){0};
}

void ike_timer_init(struct ike_timer *t, void (*fn)(void *obj), void *obj)
{
	*t = (struct ike_timer){.fn = fn, .obj = obj};
}

int ike_timer_set(struct ike_timers *h, struct ike_timer *t, uint64_t due_ms)
{
	ike_timer_stop(h, t);
	if (h->count == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 64;
		struct ike_timer **p = reallocarray(h->heap, cap, sizeof(*p));

		if (!p)
			return -ENOMEM;
		h->heap = p;
		h->cap = cap;
	}
	t->due_ms = due_ms;
	place(h, h->count++, t);
	sift_up(h, h->count - 1);
	return 0;
}

void ike_timer_stop(struct ike_timers *h, struct ike_timer *t)
{
	if (t->pos == 0)
		return;
	size_t at = t->pos - 1;
	struct ike_timer *last = h->heap[--h->count];

	t->pos = 0;
	if (last == t)
		return;
	place(h, at, last);
	sift_up(h, at);
	sift_down(h, last->pos - 1);
}

unsigned ike_timers_run(struct ike_timers *h, uint64_t now_ms, unsigned budget)
{
	unsigned fired = 0;

	while (fired < budget && h->count > 0 && h->heap[0]->due_ms <= now_ms) {
		struct ike_timer *t = h->heap[0];

		ike_timer_stop(h, t);
		fired++;
		t->fn(t->obj);
	}
	return fired;
}

uint64_t ike_timers_next(const struct ike_timers *h)
{
	return h->count ? h->heap[0]->due_ms : UINT64_MAX;
}
