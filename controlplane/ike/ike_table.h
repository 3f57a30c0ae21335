// Hash table of 64-bit keys to objects, several objects per key. Nodes are embedded in the
// objects. The hash is keyed with random numbers: strangers choose some of the keys (addresses,
// cookies). Thread: control thread.
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "addr.h"

struct ike_node {
	LIST_ENTRY(ike_node) link;
	uint64_t key;
	void *owner;  // the object; NULL while not in a table
};
LIST_HEAD(ike_bucket, ike_node);

struct ike_table {
	struct ike_bucket *buckets;
	uint64_t mul, add;
	unsigned bits;  // log2 of the number of buckets
};

int ike_table_init(struct ike_table *t);  // 0 or -ENOMEM
// Room for `expected` objects with short chains. It is made only while the table holds few: those
// that are there are moved at once, in one callback. Without memory chains get longer, no more.
void ike_table_expect(struct ike_table *t, uint32_t expected);
void ike_table_fini(struct ike_table *t);
void ike_table_add(struct ike_table *t, struct ike_node *n, uint64_t key, void *owner);
void ike_table_del(struct ike_node *n);  // safe when not in a table
struct ike_node *ike_table_first(const struct ike_table *t, uint64_t key);
struct ike_node *ike_table_next(const struct ike_node *n);  // the next one of the same key
uint64_t ike_table_addr_key(const struct ip_addr *a);       // folded; the caller compares
