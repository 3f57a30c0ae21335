// See flow_index.h. An array of flows sorted by the hash of their names; interfaces are no part of
// it, for the two boxes may call them differently.

#include "ike/flow_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_entry {
	uint64_t hash;
	const struct tunnel_flow *flow;
};

struct flow_index {
	size_t count;
	struct flow_entry all[];
};

// FNV-1a
static uint64_t hash_add(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211ull;
	return h;
}

static uint64_t hash_of(const char *map, uint32_t seq, const struct selector *s)
{
	uint64_t h = hash_add(14695981039346656037ull, map, strlen(map));

	h = hash_add(h, &seq, sizeof(seq));
	h = hash_add(h, &s->proto, 1);
	h = hash_add(h, s->src.addr.bytes, sizeof(s->src.addr.bytes));
	h = hash_add(h, &s->src.len, 1);
	h = hash_add(h, s->dst.addr.bytes, sizeof(s->dst.addr.bytes));
	return hash_add(h, &s->dst.len, 1);
}

static int order(const void *a, const void *b)
{
	const struct flow_entry *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

int flow_index_build(struct ike *ike, const struct tunnels *ts)
{
	struct flow_index *x;
	size_t max = 0;

	for (unsigned i = 0; i < ts->count; i++)
		max += ts->all[i]->flow_count;
	x = calloc(1, sizeof(*x) + max * sizeof(x->all[0]));
	if (!x)
		return -ENOMEM;
	for (unsigned i = 0; i < ts->count; i++) {
		const struct tunnel *t = ts->all[i];

		for (unsigned k = 0; t->role == TUNNEL_STATIC && k < t->flow_count; k++)
			x->all[x->count++] = (struct flow_entry){
				hash_of(t->map, t->seq, &t->flows[k].sel), &t->flows[k]};
	}
	qsort(x->all, x->count, sizeof(x->all[0]), order);
	free(ike->flow_index);
	ike->flow_index = x;
	return 0;
}

void flow_index_fini(struct ike *ike)
{
	free(ike->flow_index);
	ike->flow_index = NULL;
}

const struct tunnel_flow *flow_index_find(const struct ike *ike, const char *map, uint32_t seq,
					  const struct ip_addr *local, const struct selector *sel)
{
	const struct flow_index *x = ike->flow_index;
	uint64_t hash = hash_of(map, seq, sel);
	size_t lo = 0, hi = x ? x->count : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (x->all[mid].hash < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; x && lo < x->count && x->all[lo].hash == hash; lo++) {
		const struct tunnel_flow *f = x->all[lo].flow;

		if (f->tunnel->seq == seq && strcmp(f->tunnel->map, map) == 0 &&
		    addr_equal(&f->tunnel->local, local) && selector_equal(&f->sel, sel))
			return f;
	}
	return NULL;
}
