// Fixed-size chained hash table behind the engine's look-ups (by cookie, by peer, by data-plane
// handle, by policy). 131,072 chains, which cost memory only where they are used: with two hundred
// thousand SAs, which a standby box may hold, one or two per chain.

#include "ike_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rand.h"

#define TABLE_BITS 17

int ike_table_init(struct ike_table *t)
{
	t->buckets = calloc(1u << TABLE_BITS, sizeof(*t->buckets));
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
	return &t->buckets[(h * t->mul) >> (64 - TABLE_BITS)];
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
