// Security policies, control thread's side and look-up: the published rule set with one
// classifier per (group, family), the binding of policies to SAs.
//
// First match by order wins. rte_acl finds it; a SKIP match, or a later fragment in a group
// with port selectors, goes on through the ordered list, which the flow cache makes rare.
#include "spd.h"
#include "flow.h"
#include "rcu.h"
#include "sa.h"
#include "spd_acl.h"
#include "worker.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

struct spd {
	uint32_t generation, n, groups;
	struct dp_policy *rule;   // sorted by group, order
	struct spd_group *group;  // sorted by id
};

static struct spd *current;                // published
static struct sa **bound;                  // by policy id; c: wo (release), w: ro
static uint32_t *bind_handle, *bind_next;  // control: chains of policies by SA handle
static uint32_t bind_head[65536];

int spd_init(void)
{
	bound = calloc(DP_POLICY_MAX + 1, sizeof(*bound));
	bind_handle = calloc(DP_POLICY_MAX + 1, sizeof(*bind_handle));
	bind_next = calloc(DP_POLICY_MAX + 1, sizeof(*bind_next));
	memset(bind_head, 0, sizeof(bind_head));
	if (bound && bind_handle && bind_next)
		return 0;
	spd_fini();
	return -ENOMEM;
}

static void spd_free(void *obj)
{
	struct spd *s = obj;

	for (uint32_t i = 0; s->group && i < s->groups; i++)
		spd_acl_free(&s->group[i]);
	free(s->group);
	free(s->rule);
	free(s);
}

void spd_fini(void)
{
	if (current)
		spd_free(current);
	current = NULL;
	free(bound), free(bind_handle), free(bind_next);
	bound = NULL, bind_handle = bind_next = NULL;
}

uint32_t spd_count(void)
{
	return current ? current->n : 0;
}

uint32_t spd_generation(void)
{
	const struct spd *s = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

	return s ? s->generation : 0;
}

static int rule_compare(const void *a, const void *b)
{
	const struct dp_policy *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int groups_build(struct spd *s, struct err *err)
{
	for (uint32_t i = 0; i < s->n; i++)
		s->groups += i == 0 || s->rule[i].group != s->rule[i - 1].group;
	s->group = calloc(s->groups ? s->groups : 1, sizeof(*s->group));
	if (!s->group)
		return err_set(err, -ENOMEM, "no memory for %u policy groups", s->groups);
	for (uint32_t i = 0, g = 0; i < s->n; g++) {
		struct spd_group *group = &s->group[g];

		group->id = s->rule[i].group;
		group->rule = &s->rule[i];
		while (i < s->n && s->rule[i].group == group->id)
			i++, group->n++;
		int rc = spd_acl_build(group, s->generation, err);
		if (rc)
			return rc;
	}
	return 0;
}

int spd_set(const struct dp_policy *p, size_t n, struct err *err)
{
	static uint32_t generation;

	if (n > DP_POLICY_MAX)
		return err_set(err, -E2BIG, "%zu policies, the data plane takes %d", n,
			       DP_POLICY_MAX);
	for (size_t i = 0; i < n; i++)
		if (p[i].id == 0 || p[i].id > DP_POLICY_MAX || p[i].group == 0)
			return err_set(err, -EINVAL, "policy id %u of group %u is out of range",
				       p[i].id, p[i].group);
	struct spd *s = calloc(1, sizeof(*s));
	if (!s || !(s->rule = calloc(n ? n : 1, sizeof(*s->rule)))) {
		free(s);
		return err_set(err, -ENOMEM, "no memory for %zu policies", n);
	}
	if (n)
		memcpy(s->rule, p, n * sizeof(*p));
	s->n = (uint32_t)n;
	s->generation = ++generation ? generation : ++generation;
	qsort(s->rule, n, sizeof(*s->rule), rule_compare);
	int rc = groups_build(s, err);
	if (rc) {
		spd_free(s);
		return rc;
	}
	struct spd *old = current;

	__atomic_store_n(&current, s, __ATOMIC_RELEASE);
	if (old)
		rcu_defer(spd_free, old);
	return 0;
}

static const struct spd_group *group_find(const struct spd *s, uint32_t id)
{
	uint32_t lo = 0, hi = s->groups;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (s->group[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->groups && s->group[lo].id == id ? &s->group[lo] : NULL;
}

static struct spd_result classify(const struct spd *s, const struct flow_key *key)
{
	const struct spd_group *g = s ? group_find(s, key->group) : NULL;

	return g ? spd_acl_match(g, key) : (struct spd_result){.verdict = SPD_NONE};
}

struct spd_result spd_classify(const struct flow_key *key)
{
	return classify(__atomic_load_n(&current, __ATOMIC_ACQUIRE), key);
}

struct spd_result spd_lookup(struct worker *w, struct flow_key *key)
{
	const struct spd *s = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
	struct spd_result r = {.verdict = SPD_NONE};

	if (unlikely(!s))
		return r;
	key->word[5] = (uint32_t)key->word[5] | (uint64_t)s->generation << 32;
	uint32_t hash = flow_hash(key);
	if (likely(flow_cache_get(w->flows, key, hash, &r)))
		return r;
	r = classify(s, key);
	flow_cache_put(w->flows, key, hash, r);
	return r;
}

struct sa *spd_sa(uint32_t policy)
{
	return __atomic_load_n(&bound[policy], __ATOMIC_ACQUIRE);
}

static void unchain(uint32_t policy)
{
	uint32_t *at = &bind_head[bind_handle[policy] & 0xffff];

	while (*at && *at != policy)
		at = &bind_next[*at];
	if (*at)
		*at = bind_next[policy];
	bind_next[policy] = 0;
}

int spd_bind(uint32_t policy, struct sa *sa)
{
	if (policy == 0 || policy > DP_POLICY_MAX)
		return -EINVAL;
	if (bound[policy])
		unchain(policy);
	if (sa) {
		uint32_t *head = &bind_head[sa->handle & 0xffff];

		bind_handle[policy] = sa->handle;
		bind_next[policy] = *head;
		*head = policy;
	}
	__atomic_store_n(&bound[policy], sa, __ATOMIC_RELEASE);
	return 0;
}

void spd_sa_gone(struct sa *sa)
{
	uint32_t policy = bound ? bind_head[sa->handle & 0xffff] : 0;

	while (policy) {
		uint32_t next = bind_next[policy];

		if (bound[policy] == sa)
			spd_bind(policy, NULL);
		policy = next;
	}
}
