// Queues of words and messages, and the association between the two boxes.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched.h"

void queue_put(struct queue *q, uint64_t at, const struct ha_word *w, const uint8_t *bytes,
	       uint32_t len)
{
	struct queued *m = malloc(sizeof(*m) + len);

	if (!m)
		abort();
	*m = (struct queued){.at = at, .len = len};
	if (w)
		m->w = *w;
	if (len)
		memcpy(m->bytes, bytes, len);
	if (!q->first)
		q->last = &q->first;
	*q->last = m;
	q->last = &m->next;
	q->count++;
}

struct queued *queue_due(struct queue *q, uint64_t now)
{
	struct queued *m = q->first;

	if (!m || m->at > now)
		return NULL;
	q->first = m->next;
	q->count--;
	return m;
}

void queue_clear(struct queue *q)
{
	while (q->first) {
		struct queued *m = q->first;
		q->first = m->next;
		free(m);
	}
	q->count = 0;
}

// What is under way is lost; each end hears of it by itself.
void link_break(unsigned late)
{
	struct world *w = &world;

	w->alive = false;
	for (unsigned n = 0; n < BOXES; n++) {
		queue_clear(&w->to[n]);
		w->up_at[n] = UINT64_MAX;
		if (w->end[n])
			w->down_at[n] = w->now + (late ? rnd(late) : 0);
	}
	w->retry_at = w->now + 20000 + rnd(60000);
}

static void end_set(unsigned n, bool up)
{
	struct world *w = &world;
	struct box *b = &w->box[n];

	w->end[n] = up;
	b->full_link = false;
	trace("box %u: link %s", n, up ? "up" : "down");
	if (b->pair)
		pair_link(b->pair, up, w->now);
}

void link_step(void)
{
	struct world *w = &world;
	bool both = w->box[0].pair && w->box[1].pair;

	for (unsigned n = 0; n < BOXES; n++) {
		struct box *b = &w->box[n];
		if (w->end[n] && !w->alive && w->now >= w->down_at[n] && w->now >= b->standby_pause)
			end_set(n, false);
		if (!w->end[n] && w->alive && w->now >= w->up_at[n] && w->now >= b->standby_pause)
			end_set(n, true);
	}
	if (!w->wire || !both || w->alive || w->end[0] || w->end[1] || w->now < w->retry_at)
		return;
	w->alive = true;
	for (unsigned n = 0; n < BOXES; n++)
		w->up_at[n] = w->now + rnd(10000);
}

int link_put(struct box *b, const uint8_t *bytes, size_t len)
{
	struct world *w = &world;
	struct queue *q = &w->to[!b->n];

	if (!w->end[b->n])
		return -ENOTCONN;
	if (!w->alive)
		return 0;  // nobody knows yet that it goes nowhere
	if (q->count >= w->window) {
		b->full_link = true;
		return -EAGAIN;
	}
	queue_put(q, w->now + w->delay_us + rnd(w->delay_us + 1), NULL, bytes, (uint32_t)len);
	return 0;
}
