// The pure part of reverse routes: reference counts, and the difference that is still to be made.
//
// Entries hang in a hash by destination. What differs between wanted and installed is on a work
// list exactly once, in the order in which it arose: the host route to a peer therefore reaches
// the kernel before the route that goes through it.
#include "rri_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384u

int rri_table_init(struct rri_table *t)
{
	*t = (struct rri_table){.buckets = calloc(BUCKETS, sizeof(*t->buckets))};
	TAILQ_INIT(&t->work);
	TAILQ_INIT(&t->waiting);
	return t->buckets ? 0 : -ENOMEM;
}

uint32_t rri_dst_hash(const struct ip_prefix *p)
{
	uint32_t h = 2166136261u ^ p->len;
	for (size_t i = 0, n = addr_len(&p->addr); i < n; i++)
		h = (h ^ p->addr.bytes[i]) * 16777619u;
	return h ^ (h >> 16);
}

static uint32_t bucket_of(const struct ip_prefix *p)
{
	return rri_dst_hash(p) & (BUCKETS - 1);
}

bool rri_spec_equal(const struct rri_spec *a, const struct rri_spec *b)
{
	return a->dst.len == b->dst.len && addr_equal(&a->dst.addr, &b->dst.addr) &&
	       addr_equal(&a->gateway, &b->gateway) && strcmp(a->interface, b->interface) == 0;
}

bool rri_label_equal(const struct rri_label *a, const struct rri_label *b)
{
	return a->tag == b->tag && addr_equal(&a->via, &b->via);
}

static enum rri_op op_of(const struct rri_entry *e)
{
	if (e->refs && (!e->installed || e->again))
		return RRI_ADD;
	if (!e->refs && e->installed)
		return RRI_DEL;
	return e->refs && !rri_label_equal(&e->label, &e->sent) ? RRI_RETAG : RRI_NONE;
}

static void queue_put(struct rri_table *t, struct rri_entry *e)
{
	if (e->queued)
		return;
	if (e->waiting) {
		TAILQ_REMOVE(&t->waiting, e, work);
		e->waiting = false;
		t->waits--;
	}
	TAILQ_INSERT_TAIL(&t->work, e, work);
	e->queued = true;
}

static void entry_free(struct rri_table *t, struct rri_entry *e)
{
	if (e->queued)
		TAILQ_REMOVE(&t->work, e, work);
	if (e->waiting) {
		TAILQ_REMOVE(&t->waiting, e, work);
		t->waits--;
	}
	LIST_REMOVE(e, next);
	t->entries--;
	free(e);
}

void rri_table_fini(struct rri_table *t)
{
	for (uint32_t i = 0; t->buckets && i < BUCKETS; i++) {
		struct rri_entry *e;
		while ((e = LIST_FIRST(&t->buckets[i])))
			entry_free(t, e);
	}
	free(t->buckets);
	t->buckets = NULL;
}

int rri_table_hold(struct rri_table *t, struct rri_want *want, const struct rri_spec *spec,
		   const struct rri_label *label)
{
	struct rri_bucket *b = &t->buckets[bucket_of(&spec->dst)];
	struct rri_entry *e;
	LIST_FOREACH (e, b, next)
		if (rri_spec_equal(&e->spec, spec))
			break;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->spec = *spec;
		TAILQ_INIT(&e->wants);
		LIST_INSERT_HEAD(b, e, next);
		t->entries++;
	}
	want->entry = e;
	want->label = *label;
	TAILQ_INSERT_TAIL(&e->wants, want, link);
	e->refs++;
	e->label = TAILQ_FIRST(&e->wants)->label;
	if (op_of(e) != RRI_NONE)
		queue_put(t, e);
	return 0;
}

void rri_table_release(struct rri_table *t, struct rri_want *want)
{
	struct rri_entry *e = want->entry;
	if (!e)
		return;
	want->entry = NULL;
	TAILQ_REMOVE(&e->wants, want, link);
	e->refs--;
	if (e->refs)
		e->label = TAILQ_FIRST(&e->wants)->label;
	if (op_of(e) != RRI_NONE)
		queue_put(t, e);
	else if (!e->refs)
		entry_free(t, e);  // never installed
}

struct rri_entry *rri_table_pop(struct rri_table *t, enum rri_op *op)
{
	struct rri_entry *e;
	while ((e = TAILQ_FIRST(&t->work))) {
		TAILQ_REMOVE(&t->work, e, work);
		e->queued = false;
		*op = op_of(e);
		if (*op != RRI_NONE)
			return e;
		if (!e->refs)  // came and went before its turn
			entry_free(t, e);
	}
	*op = RRI_NONE;
	return NULL;
}

void rri_table_done(struct rri_table *t, struct rri_entry *e, enum rri_op op, bool ok)
{
	if (op == RRI_ADD && ok) {
		t->installed += !e->installed;
		e->installed = true;
		e->again = false;
		e->sent = e->label;
		t->adds++;
	} else if (op == RRI_ADD) {
		t->installed -= e->installed;
		e->installed = false;
		e->again = false;
		TAILQ_INSERT_TAIL(&t->waiting, e, work);
		e->waiting = true;
		t->waits++;
	} else if (op == RRI_DEL) {
		e->installed = false;
		t->installed--;
		t->dels++;
	} else if (op == RRI_RETAG) {
		e->sent = e->label;
	}
	if (!e->refs && !e->installed)
		entry_free(t, e);
}

void rri_table_retry(struct rri_table *t)
{
	struct rri_entry *e;
	while ((e = TAILQ_FIRST(&t->waiting)))
		queue_put(t, e);
}

void rri_table_lost(struct rri_table *t, struct rri_entry *e)
{
	if (!e->installed || !e->refs)
		return;
	e->again = true;
	queue_put(t, e);
}

bool rri_table_idle(const struct rri_table *t)
{
	return TAILQ_EMPTY(&t->work);
}

bool rri_table_bucket(const struct rri_table *t, uint32_t *cursor, struct rri_entry **first)
{
	if (*cursor >= BUCKETS)
		return false;
	*first = LIST_FIRST(&t->buckets[(*cursor)++]);
	return true;
}

struct rri_entry *rri_table_first(const struct rri_table *t, const struct ip_prefix *dst)
{
	return LIST_FIRST(&t->buckets[bucket_of(dst)]);
}
