// Chained hash table behind the engine's look-ups (by cookie, by peer, by data-plane handle, by
// policy). 131,072 chains, which cost memory only where they are used; more when the configuration
// says that more SAs will come, for every further node of a chain is a line from memory.

#include "ike_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rand.h"

#define TABLE_BITS     17
#define TABLE_BITS_MAX 22
#define MOVE_MAX       4096u  // nodes that may be moved in one callback

int ike_table_init(struct ike_table *t)
{
	t->bits = TABLE_BITS;
	t->buckets = calloc((size_t)1 << t->bits, sizeof(*t->buckets));
	if (!t->buckets)
		return -ENOMEM;
	t->mul = rand_u64() | 1;
	t->add = rand_u64();
	return 0;
}

void ike_table_fini(struct ike_table *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

static struct ike_bucket *bucket(const struct ike_table *t, uint64_t key)
{
	uint64_t h = (key ^ t->add) * t->mul;

	h ^= h >> 32;
	return &t->buckets[(h * t->mul) >> (64 - t->bits)];
}

static bool is_small(const struct ike_table *t)
{
	const struct ike_node *n;
	uint32_t count = 0;

	for (size_t i = 0; i < (size_t)1 << t->bits; i++)
		LIST_FOREACH (n, &t->buckets[i], link)
			if (++count > MOVE_MAX)
				return false;
	return true;
}

void ike_table_expect(struct ike_table *t, uint32_t expected)
{
	struct ike_table bigger = *t;
	struct ike_node *n;

	while (bigger.bits < TABLE_BITS_MAX && (1u << bigger.bits) / 2 < expected)
		bigger.bits++;
	if (bigger.bits == t->bits || !is_small(t))
		return;
	bigger.buckets = calloc((size_t)1 << bigger.bits, sizeof(*bigger.buckets));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < (size_t)1 << t->bits; i++) {
		struct ike_bucket turned = LIST_HEAD_INITIALIZER(turned);

		// twice, so that those of one key keep their order
		while ((n = LIST_FIRST(&t->buckets[i]))) {
			LIST_REMOVE(n, link);
			LIST_INSERT_HEAD(&turned, n, link);
		}
		while ((n = LIST_FIRST(&turned))) {
			LIST_REMOVE(n, link);
			LIST_INSERT_HEAD(bucket(&bigger, n->key), n, link);
		}
	}
	free(t->buckets);
	*t = bigger;
}

void ike_table_add(struct ike_table *t, struct ike_node *n, uint64_t key, void *owner)
{
	n->key = key;
	n->owner = owner;
	LIST_INSERT_HEAD(bucket(t, key), n, link);
}

void ike_table_del(struct ike_node *n)
{
	if (!n->owner)
		return;
	LIST_REMOVE(n, link);
	n->owner = NULL;
}

struct ike_node *ike_table_first(const struct ike_table *t, uint64_t key)
{
	struct ike_node *n;

	LIST_FOREACH (n, bucket(t, key), link)
		if (n->key == key)
			return n;
	return NULL;
}

struct ike_node *ike_table_next(const struct ike_node *n)
{
	uint64_t key = n->key;
	struct ike_node *next = LIST_NEXT(n, link);

	while (next && next->key != key)
		next = LIST_NEXT(next, link);
	return next;
}

uint64_t ike_table_addr_key(const struct ip_addr *a)
{
	uint64_t hi, lo;

	memcpy(&hi, a->bytes, 8);
	memcpy(&lo, a->bytes + 8, 8);
	return hi ^ (lo << 1 | lo >> 63) ^ a->family;
}
