// Single policies: tuple space search. Those of one shape (group, family, prefix lengths, with or
// without a protocol) differ in values only, so one hash look-up per shape finds what matches.
//
// One writer, the control thread. Workers read chains that only ever change by the store of one
// pointer; what leaves a chain is freed a grace period later, with its own pointer intact.
#include "spd_single.h"
#include "rcu.h"
#include "spd_build.h"

#include <errno.h>
#include <rte_hash_crc.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384u

struct single {
	struct single *next;  // c: wo (release), w: ro
	uint64_t value[4], shape;
	uint32_t anchor;
	struct dp_policy policy;
};

// The bits that count, and a number that no other shape has; the protocol, if it counts, comes
// from the packet.
struct shape {
	uint64_t mask[4], id;
	bool proto;
	uint32_t users;  // control thread's
};
struct shapes {
	uint32_t n;
	struct shape shape[];  // by id, thus by group
};

uint32_t spd_single_generation;
static struct single *bucket[BUCKETS];
static struct single **by_id;  // control thread's
static struct shapes *shapes;
static uint32_t count;

static uint64_t shape_id(const struct dp_policy *p)
{
	return (uint64_t)p->group << 32 | (uint32_t)p->sel.src.addr.family << 25 |
	       (uint32_t)(p->sel.proto != 0) << 24 | (uint32_t)p->sel.src.len << 16 |
	       (uint32_t)p->sel.dst.len << 8;
}

static void words_mask(uint64_t mask[2], unsigned len)
{
	uint8_t m[16] = {0};

	for (unsigned i = 0; i < len; i++)
		m[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(mask, m, 16);
}

static uint32_t bucket_of(const uint64_t value[4], uint64_t shape)
{
	uint32_t h = rte_hash_crc_8byte(shape, 0);

	for (unsigned i = 0; i < 4; i++)
		h = rte_hash_crc_8byte(value[i], h);
	return (h ^ h >> 16) & (BUCKETS - 1);
}

// Where the shape stands, or would.
static uint32_t shape_at(const struct shapes *t, uint64_t id)
{
	uint32_t lo = 0, hi = t ? t->n : 0;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (t->shape[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void shapes_publish(struct shapes *now)
{
	struct shapes *old = shapes;

	__atomic_store_n(&shapes, now, __ATOMIC_RELEASE);
	if (old)
		rcu_defer(free, old);
}

static struct shapes *shapes_alloc(uint32_t n)
{
	struct shapes *t = calloc(1, sizeof(*t) + n * sizeof(t->shape[0]));

	if (t)
		t->n = n;
	return t;
}

static int shape_hold(const struct dp_policy *p)
{
	uint64_t id = shape_id(p), first = (uint64_t)p->group << 32;
	uint32_t n = shapes ? shapes->n : 0, at = shape_at(shapes, id);

	if (at < n && shapes->shape[at].id == id) {
		shapes->shape[at].users++;
		return 0;
	}
	if (shape_at(shapes, first + (1ull << 32)) - shape_at(shapes, first) >= SPD_SHAPES_MAX)
		return -ENOSPC;
	struct shapes *now = shapes_alloc(n + 1);
	if (!now)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		now->shape[i + (i >= at)] = shapes->shape[i];
	struct shape *s = &now->shape[at];
	s->id = id;
	s->proto = p->sel.proto != 0;
	s->users = 1;
	words_mask(&s->mask[0], p->sel.src.len);
	words_mask(&s->mask[2], p->sel.dst.len);
	shapes_publish(now);
	return 0;
}

// Without memory for the smaller table an empty shape stays: it costs a look-up.
static void shape_release(uint64_t id)
{
	uint32_t at = shape_at(shapes, id);

	if (--shapes->shape[at].users)
		return;
	struct shapes *now = shapes_alloc(shapes->n - 1);
	if (!now)
		return;
	for (uint32_t i = 0; i < now->n; i++)
		now->shape[i] = shapes->shape[i + (i >= at)];
	shapes_publish(now);
}

static bool fits(const struct dp_policy *p)
{
	const struct selector *s = &p->sel;

	return p->action == DP_POLICY_PROTECT && addr_is_set(&s->src.addr) &&
	       s->src.addr.family == s->dst.addr.family && port_range_is_any(&s->sport) &&
	       port_range_is_any(&s->dport);
}

static void value_fill(struct single *n, const struct shape *s)
{
	memcpy(&n->value[0], n->policy.sel.src.addr.bytes, 16);
	memcpy(&n->value[2], n->policy.sel.dst.addr.bytes, 16);
	for (unsigned i = 0; i < 4; i++)
		n->value[i] &= s->mask[i];
	n->shape = s->id | n->policy.sel.proto;
}

int spd_single_add(const struct dp_policy *p, uint32_t anchor)
{
	if (!by_id && !(by_id = calloc(DP_POLICY_MAX + 1, sizeof(struct single *))))
		return -ENOMEM;
	if (p->id == 0 || p->id > DP_POLICY_MAX || p->group == 0)
		return -EINVAL;
	if (by_id[p->id])
		return -EEXIST;
	if (!fits(p))
		return -ENOTSUP;
	struct single *n = calloc(1, sizeof(*n));
	int rc = n ? shape_hold(p) : -ENOMEM;
	if (rc) {
		free(n);
		return rc;
	}
	n->policy = *p;
	n->anchor = anchor;
	value_fill(n, &shapes->shape[shape_at(shapes, shape_id(p))]);
	struct single **head = &bucket[bucket_of(n->value, n->shape)];
	n->next = *head;
	__atomic_store_n(head, n, __ATOMIC_RELEASE);
	by_id[p->id] = n;
	count++;
	return 0;
}

int spd_single_del(uint32_t id)
{
	struct single *n = by_id && id <= DP_POLICY_MAX ? by_id[id] : NULL;

	if (!n)
		return -ENOENT;
	struct single **at = &bucket[bucket_of(n->value, n->shape)];
	while (*at != n)
		at = &(*at)->next;
	__atomic_store_n(at, n->next, __ATOMIC_RELEASE);
	by_id[id] = NULL;
	count--;
	shape_release(shape_id(&n->policy));
	rcu_defer(free, n);
	return 0;
}

const struct dp_policy *spd_single_get(uint32_t id, uint32_t *anchor)
{
	const struct single *n = by_id && id <= DP_POLICY_MAX ? by_id[id] : NULL;

	if (n && anchor)
		*anchor = n->anchor;
	return n ? &n->policy : NULL;
}

uint32_t spd_single_next(uint32_t after)
{
	for (uint32_t id = after + 1; by_id && id <= DP_POLICY_MAX; id++)
		if (by_id[id])
			return id;
	return 0;
}

uint32_t spd_single_count(void)
{
	return count;
}

// Workers have stopped.
void spd_single_fini(void)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		struct single *n;

		while ((n = bucket[i])) {
			bucket[i] = n->next;
			free(n);
		}
	}
	free(by_id);
	free(shapes);
	by_id = NULL;
	shapes = NULL;
	count = 0;
}

static const struct dp_policy *anchor_of(const struct spd *s, const struct single *n)
{
	if (n->anchor >= s->index_size || s->index[n->anchor] == 0)
		return NULL;
	const struct dp_policy *a = &s->rule[s->index[n->anchor] - 1];
	return a->group == n->policy.group ? a : NULL;
}

static void shape_find(const struct spd *s, const struct shape *shape, const uint64_t word[4],
		       uint8_t proto, uint32_t from, struct spd_candidate *best)
{
	uint64_t value[4], id = shape->id | (shape->proto ? proto : 0);

	for (unsigned i = 0; i < 4; i++)
		value[i] = word[i] & shape->mask[i];
	const struct single *n = __atomic_load_n(&bucket[bucket_of(value, id)], __ATOMIC_ACQUIRE);
	for (; n; n = __atomic_load_n(&n->next, __ATOMIC_ACQUIRE)) {
		if (n->shape != id || memcmp(n->value, value, sizeof(value)) != 0)
			continue;
		const struct dp_policy *a = anchor_of(s, n);
		if (!a || a->order < from)
			continue;
		if (!best->p || a->order < best->order ||
		    (a->order == best->order && n->policy.id < best->p->id))
			*best = (struct spd_candidate){&n->policy, a->order, s};
	}
}

struct spd_candidate spd_single_find(const struct spd *s, const struct flow_key *key, uint32_t from)
{
	const struct shapes *t = __atomic_load_n(&shapes, __ATOMIC_ACQUIRE);
	struct spd_candidate best = {0};
	uint64_t word[4] = {key->word[0], key->word[1], key->word[2], key->word[3]};
	uint64_t swapped[4] = {word[2], word[3], word[0], word[1]};
	uint64_t first = (uint64_t)key->group << 32 | (uint32_t)key->family << 25;

	for (uint32_t i = shape_at(t, first); t && i < t->n; i++) {
		if (t->shape[i].id >> 25 != first >> 25)
			break;
		shape_find(s, &t->shape[i], key->reverse ? swapped : word, key->proto, from, &best);
	}
	return best;
}
