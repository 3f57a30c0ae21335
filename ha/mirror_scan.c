// What a process that maps an existing mirror does first: finds the records, decides between two of
// one identity (its predecessor died between writing the new and freeing the old), and wipes what
// belongs to nobody, since it may be key material.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "mirror_private.h"
#include "secret.h"

// Of everything that is written once. The chain must be sound: chain_ok().
uint64_t mirror_record_sum(const struct mirror *m, const struct chunk *head)
{
	size_t fixed = offsetof(struct chunk, data) - offsetof(struct chunk, id);
	uint32_t left = head->len, part = left < HEAD_DATA ? left : (uint32_t)HEAD_DATA;
	XXH64_hash_t sum = XXH3_64bits(&head->id, fixed + part);
	const struct chunk *c = head;

	for (left -= part; left; left -= part) {
		c = &m->chunk[c->next - 1];
		part = left < TAIL_DATA ? left : (uint32_t)TAIL_DATA;
		sum = XXH3_64bits_withSeed(c->tail, part, sum);
	}
	return sum;
}

// As many tail chunks as the length asks for, all within the memory?
static bool chain_ok(const struct mirror *m, const struct chunk *head, uint32_t provisioned)
{
	if (head->len > HA_PAYLOAD_MAX || head->group == 0 || head->group > HA_GROUPS_MAX ||
	    head->id == 0 || head->kind == 0 || head->kind >= HA_KINDS)
		return false;
	const struct chunk *c = head;
	for (uint32_t left = head->len > HEAD_DATA ? head->len - (uint32_t)HEAD_DATA : 0; left;) {
		if (c->next == 0 || c->next > provisioned)
			return false;
		c = &m->chunk[c->next - 1];
		if (atomic_load(&c->state) != CHUNK_TAIL)
			return false;
		left -= left < TAIL_DATA ? left : (uint32_t)TAIL_DATA;
	}
	return c->next == 0;
}

static void mark(const struct mirror *m, const struct chunk *head, uint8_t *used, uint8_t value)
{
	for (const struct chunk *c = head;; c = &m->chunk[c->next - 1]) {
		used[c - m->chunk] = value;
		if (c->next == 0)
			return;
	}
}

static int head_adopt(struct mirror *m, uint32_t n, uint8_t *used)
{
	struct chunk *c = &m->chunk[n];
	struct mirror_slot *s = index_get(&m->index, c->id);

	if (s) {
		struct chunk *other = &m->chunk[s->chunk];
		if (other->version > c->version)
			return 0;  // wiped below
		mirror_count_add(m, other, -1);
		mark(m, other, used, 0);
		s->chunk = n;
		s->group = c->group;
	} else if (index_add(&m->index, c->id, n, c->group)) {
		return -ENOMEM;
	}
	mark(m, c, used, 1);
	mirror_count_add(m, c, 1);
	if (c->version > m->version)
		m->version = c->version;
	return 0;
}

int mirror_scan(struct mirror *m)
{
	uint32_t provisioned = (uint32_t)atomic_load(&m->mem->provisioned);
	uint8_t *used = calloc(provisioned ? provisioned : 1, 1);

	if (!used)
		return -ENOMEM;
	for (uint32_t n = 0; n < provisioned; n++) {
		struct chunk *c = &m->chunk[n];
		if (atomic_load(&c->state) != CHUNK_HEAD || !chain_ok(m, c, provisioned) ||
		    c->sum != mirror_record_sum(m, c))
			continue;
		if (head_adopt(m, n, used)) {
			free(used);
			return -ENOMEM;
		}
	}
	m->touched = provisioned;
	while (m->touched && !used[m->touched - 1] &&
	       atomic_load(&m->chunk[m->touched - 1].state) == CHUNK_FREE)
		m->touched--;
	m->free = calloc(m->touched ? m->touched : 1, sizeof(*m->free));
	m->free_max = m->touched ? m->touched : 1;
	if (!m->free) {
		free(used);
		return -ENOMEM;
	}
	for (uint32_t n = m->touched; n-- > 0;) {
		if (used[n])
			continue;
		struct chunk *c = &m->chunk[n];
		if (atomic_load(&c->state) != CHUNK_FREE)
			secret_wipe(c, sizeof(*c));
		m->free[m->free_count++] = n;
	}
	free(used);
	return 0;
}
