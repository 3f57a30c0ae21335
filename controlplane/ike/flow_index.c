// See flow_index.h. An open hash table by the names of flows, half empty, so that a look-up reads
// one line of it; interfaces are no part of the names, for the two boxes may call them differently.

#include "ike/flow_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_entry {
	uint64_t hash;
	const struct tunnel_flow *flow;
};

struct flow_index {
	size_t mask;              // places - 1; places are a power of two
	struct flow_entry all[];  // flow NULL: free
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

static void entry_put(struct flow_index *x, uint64_t hash, const struct tunnel_flow *flow)
{
	size_t at = hash & x->mask;

	while (x->all[at].flow)
		at = (at + 1) & x->mask;
	x->all[at] = (struct flow_entry){hash, flow};
}

int flow_index_build(struct ike *ike, const struct tunnels *ts)
{
	struct flow_index *x;
	size_t max = 0, places = 16;

	for (unsigned i = 0; i < ts->count; i++)
		max += ts->all[i]->flow_count;
	while (places < 2 * max)
		places *= 2;
	x = calloc(1, sizeof(*x) + places * sizeof(x->all[0]));
	if (!x)
		return -ENOMEM;
	x->mask = places - 1;
	for (unsigned i = 0; i < ts->count; i++) {
		const struct tunnel *t = ts->all[i];

		for (unsigned k = 0; t->role == TUNNEL_STATIC && k < t->flow_count; k++)
			entry_put(x, hash_of(t->map, t->seq, &t->flows[k].sel), &t->flows[k]);
	}
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

	for (size_t at = hash; x && x->all[at & x->mask].flow; at++) {
		const struct flow_entry *e = &x->all[at & x->mask];
		const struct tunnel_flow *f = e->flow;

		if (e->hash == hash && f->tunnel->seq == seq && strcmp(f->tunnel->map, map) == 0 &&
		    addr_equal(&f->tunnel->local, local) && selector_equal(&f->sel, sel))
			return f;
	}
	return NULL;
}
