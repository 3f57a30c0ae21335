// Policy ids and groups that outlive a commit: taken over from the previous build where (interface,
// map, sequence, selector) is the same; ids that meant something else a moment ago are not reused.

#include "tunnel_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int selector_order(const struct selector *a, const struct selector *b)
{
	int d = (int)a->proto - (int)b->proto;
	if (!d)
		d = addr_compare(&a->src.addr, &b->src.addr);
	if (!d)
		d = addr_compare(&a->dst.addr, &b->dst.addr);
	if (!d)
		d = (int)a->src.len - (int)b->src.len;
	if (!d)
		d = (int)a->dst.len - (int)b->dst.len;
	if (!d)
		d = (int)a->sport.lo - (int)b->sport.lo;
	if (!d)
		d = (int)a->sport.hi - (int)b->sport.hi;
	if (!d)
		d = (int)a->dport.lo - (int)b->dport.lo;
	if (!d)
		d = (int)a->dport.hi - (int)b->dport.hi;
	return d;
}

static int flow_order(const struct tunnel *ta, const struct selector *sa, const struct tunnel *tb,
		      const struct selector *sb)
{
	int d = strcmp(ta->interface, tb->interface);
	if (!d)
		d = strcmp(ta->map, tb->map);
	if (!d && ta->seq != tb->seq)
		d = ta->seq < tb->seq ? -1 : 1;
	return d ? d : selector_order(sa, sb);
}

static int old_flow_order(const void *a, const void *b)
{
	const struct tunnel_flow *fa = ((const struct old_flow *)a)->flow;
	const struct tunnel_flow *fb = ((const struct old_flow *)b)->flow;
	int d = flow_order(fa->tunnel, &fa->sel, fb->tunnel, &fb->sel);
	return d ? d : (fa->policy < fb->policy ? -1 : fa->policy > fb->policy);
}

static void id_mark(struct build *b, uint32_t id)
{
	b->used[id / 8] |= (uint8_t)(1u << (id % 8));
}

// An id that neither this build nor the previous one uses; 0 = none left.
uint32_t tunnel_id_new(struct build *b)
{
	for (; b->next_id <= DP_POLICY_MAX; b->next_id++) {
		if (b->used[b->next_id / 8] & (1u << (b->next_id % 8)))
			continue;
		id_mark(b, b->next_id);
		return b->next_id++;
	}
	return 0;
}

int tunnel_ids_init(struct build *b)
{
	b->used = calloc(1, DP_POLICY_MAX / 8 + 1);
	if (!b->used)
		return -ENOMEM;
	b->next_id = 1;
	b->next_group = 1;
	if (!b->previous)
		return 0;
	for (size_t i = 0; i < b->previous->policy_count; i++)
		id_mark(b, b->previous->policies[i].id);
	for (unsigned i = 0; i < b->previous->instance_count; i++)
		id_mark(b, b->previous->instances[i]->flows[0].policy);
	for (unsigned i = 0; i < b->previous->count; i++) {
		const struct tunnel *t = b->previous->all[i];
		b->old_count += t->flow_count;
		if (t->group >= b->next_group)
			b->next_group = t->group + 1;
	}
	b->old = calloc(b->old_count ? b->old_count : 1, sizeof(*b->old));
	if (!b->old)
		return -ENOMEM;
	size_t n = 0;
	for (unsigned i = 0; i < b->previous->count; i++)
		for (unsigned f = 0; f < b->previous->all[i]->flow_count; f++)
			b->old[n++].flow = &b->previous->all[i]->flows[f];
	qsort(b->old, n, sizeof(*b->old), old_flow_order);
	return 0;
}

// The id this flow had before, or a new one. Equal selectors in one entry pair up in order.
uint32_t tunnel_id_for(struct build *b, const struct tunnel *t, const struct selector *sel)
{
	size_t lo = 0, hi = b->old_count;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct tunnel_flow *f = b->old[mid].flow;
		if (flow_order(f->tunnel, &f->sel, t, sel) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < b->old_count; lo++) {
		const struct tunnel_flow *f = b->old[lo].flow;
		if (flow_order(f->tunnel, &f->sel, t, sel) != 0)
			break;
		if (b->old[lo].taken)
			continue;
		b->old[lo].taken = true;
		return f->policy;
	}
	return tunnel_id_new(b);
}

// Instances that are taken over stay where they stand: nothing is said about them.
uint32_t tunnel_anchor_for(struct build *b, const char *interface, const char *map, uint32_t seq)
{
	for (unsigned i = 0; b->previous && i < b->previous->count; i++) {
		const struct tunnel *t = b->previous->all[i];

		if (t->role == TUNNEL_TEMPLATE && t->seq == seq && strcmp(t->map, map) == 0 &&
		    strcmp(t->interface, interface) == 0)
			return t->anchor;
	}
	return tunnel_id_new(b);
}

uint32_t tunnel_group_for(struct build *b, const char *interface, const char *map)
{
	if (b->previous)
		for (unsigned i = 0; i < b->previous->count; i++) {
			const struct tunnel *t = b->previous->all[i];
			if (strcmp(t->interface, interface) == 0 && strcmp(t->map, map) == 0)
				return t->group;
		}
	return b->next_group++;
}
