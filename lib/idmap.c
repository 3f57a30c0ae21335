// Slots with a generation each: id = generation << slot_bits | slot. A deleted slot's generation
// moves on, so an old id finds nothing. Freed slots wait in a queue before they are used again,
// which puts many uses of the table between two owners of one id.
//
// id 0 cannot occur: generations start at 1 and skip 0.
#include "idmap.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS_MAX   (1u << 24)  // leaves 8 bits of generation at the least
#define SLOTS_FIRST 16u
#define REUSE_AFTER 256u  // freed slots that wait while fresh ones are left

#define NO_SLOT UINT32_MAX

struct slot {
	void *obj;            // borrowed; meaningful while live
	uint32_t generation;  // of the live object, or of the next one
	uint32_t next_free;   // in the queue of freed slots
	uint8_t live;
};

struct idmap {
	struct slot *slots;
	uint32_t max, cap;  // allowed, allocated
	uint32_t fresh;     // slots below were used at least once
	uint32_t free_head, free_tail, free_count;
	uint32_t live;
	unsigned slot_bits;
};

struct idmap *idmap_create(uint32_t max)
{
	if (max == 0 || max > SLOTS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	struct idmap *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->max = max;
	m->slot_bits = max == 1 ? 1 : 32 - (unsigned)__builtin_clz(max - 1);
	m->free_head = m->free_tail = NO_SLOT;
	return m;
}

void idmap_destroy(struct idmap *m)
{
	if (!m)
		return;
	free(m->slots);
	free(m);
}

static uint32_t slot_fresh(struct idmap *m)
{
	if (m->fresh == m->cap) {
		uint32_t cap = m->cap ? m->cap * 2 : SLOTS_FIRST;

		if (cap > m->max)
			cap = m->max;
		struct slot *slots = reallocarray(m->slots, cap, sizeof(*slots));

		if (!slots)
			return NO_SLOT;
		m->slots = slots;
		m->cap = cap;
	}
	m->slots[m->fresh] = (struct slot){.generation = 1, .next_free = NO_SLOT};
	return m->fresh++;
}

static uint32_t slot_reuse(struct idmap *m)
{
	uint32_t i = m->free_head;

	if (i == NO_SLOT)
		return NO_SLOT;
	m->free_head = m->slots[i].next_free;
	if (m->free_head == NO_SLOT)
		m->free_tail = NO_SLOT;
	m->free_count--;
	return i;
}

uint32_t idmap_add(struct idmap *m, void *obj)
{
	uint32_t i = NO_SLOT;

	if (m->free_count < REUSE_AFTER && m->fresh < m->max)
		i = slot_fresh(m);
	if (i == NO_SLOT)
		i = slot_reuse(m);
	if (i == NO_SLOT) {
		errno = ENOSPC;
		return 0;
	}
	m->slots[i].obj = obj;
	m->slots[i].live = 1;
	m->live++;
	return m->slots[i].generation << m->slot_bits | i;
}

static struct slot *slot_of(const struct idmap *m, uint32_t id)
{
	uint32_t i = id & ((1u << m->slot_bits) - 1);

	if (i >= m->fresh)
		return NULL;
	struct slot *s = &m->slots[i];

	return s->live && s->generation == id >> m->slot_bits ? s : NULL;
}

void *idmap_get(const struct idmap *m, uint32_t id)
{
	const struct slot *s = slot_of(m, id);

	return s ? s->obj : NULL;
}

void idmap_del(struct idmap *m, uint32_t id)
{
	struct slot *s = slot_of(m, id);

	if (!s)
		return;
	uint32_t i = (uint32_t)(s - m->slots);

	s->obj = NULL;
	s->live = 0;
	s->generation = (s->generation + 1) & (UINT32_MAX >> m->slot_bits);
	if (s->generation == 0)
		s->generation = 1;
	s->next_free = NO_SLOT;
	if (m->free_tail == NO_SLOT)
		m->free_head = i;
	else
		m->slots[m->free_tail].next_free = i;
	m->free_tail = i;
	m->free_count++;
	m->live--;
}

uint32_t idmap_count(const struct idmap *m)
{
	return m->live;
}

uint32_t idmap_next(const struct idmap *m, uint32_t after)
{
	uint32_t i = after == 0 ? 0 : (after & ((1u << m->slot_bits) - 1)) + 1;

	for (; i < m->fresh; i++) {
		if (m->slots[i].live)
			return m->slots[i].generation << m->slot_bits | i;
	}
	return 0;
}
