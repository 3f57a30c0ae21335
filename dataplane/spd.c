// Security policies, control thread's side and look-up: the published rule set with one
// classifier per (group, family). Which SA serves a policy is in spd_bind.c.
//
// First match by order wins. rte_acl finds it; a SKIP match, or a later fragment in a group
// with port selectors, goes on through the ordered list, which the flow cache makes rare.
//
// A set goes: accepted -> built, a large one by the helper thread -> bindings looked at with both
// sets' selectors in mind -> published -> bindings looked at again. The old set is in force until
// then, and is freed a grace period later.
#include "spd.h"
#include "flow.h"
#include "log.h"
#include "rcu.h"
#include "spd_acl.h"
#include "spd_bind.h"
#include "spd_build.h"
#include "spd_single.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_ALL (DP_POLICY_MAX + 1)
#define GONE_POLLS  100  // many singles that go are one new generation

static struct spd *current;  // published
static struct spd *coming;   // built, its bindings are being looked at; c only
static uint32_t cursor;      // c: policy id where that goes on; 0 = nothing to do
static uint32_t generations;
// Ids of singles that went and may still be in flow caches. Until the next generation that is safe:
// what they selected is dropped for want of an SA.
static uint8_t gone[DP_POLICY_MAX / 8 + 1];
static unsigned gone_for;  // polls since the first of them; 0 = none

int spd_init(void)
{
	coming = NULL;
	cursor = 0;
	return spd_bind_init();
}

void spd_fini(void)
{
	spd_builder_stop();
	spd_free(current);
	spd_free(coming);
	current = coming = NULL;
	spd_single_fini();
	gone_for = 0;
	spd_bind_fini();
}

uint32_t spd_count(void)
{
	return (current ? current->n : 0) + spd_single_count();
}

uint32_t spd_generation(void)
{
	const struct spd *s = __atomic_load_n(&current, __ATOMIC_ACQUIRE);

	return s ? __atomic_load_n(&s->generation, __ATOMIC_RELAXED) : 0;
}

static bool selector_of(const struct spd *s, uint32_t policy, const struct selector **out)
{
	if (!s || policy >= s->index_size || s->index[policy] == 0)
		return false;
	*out = &s->rule[s->index[policy] - 1].sel;
	return true;
}

unsigned spd_selectors(uint32_t policy, const struct selector *out[2])
{
	const struct dp_policy *single = spd_single_get(policy, NULL);

	if (single) {
		out[0] = &single->sel;
		return 1;
	}
	unsigned n = selector_of(current, policy, &out[0]);

	return n + selector_of(coming, policy, &out[n]);
}

static void retired(void *obj)
{
	spd_builder_free(obj);
}

static void publish(void)
{
	struct spd *old = current;

	__atomic_store_n(&current, coming, __ATOMIC_RELEASE);
	coming = NULL;
	if (old)
		rcu_defer(retired, old);
}

static uint32_t generation_next(void)
{
	return ++generations ? generations : ++generations;
}

// All flow caches begin anew.
static void gone_forget(void)
{
	memset(gone, 0, sizeof(gone));
	gone_for = 0;
	if (current)
		__atomic_store_n(&current->generation, generation_next(), __ATOMIC_RELEASE);
}

static int set_check(const struct dp_policy *p, size_t n, struct err *err)
{
	if (n > DP_POLICY_MAX)
		return err_set(err, -E2BIG, "%zu policies, the data plane takes %d", n,
			       DP_POLICY_MAX);
	for (size_t i = 0; i < n; i++)
		if (p[i].id == 0 || p[i].id > DP_POLICY_MAX || p[i].group == 0)
			return err_set(err, -EINVAL, "policy id %u of group %u is out of range",
				       p[i].id, p[i].group);
	return 0;
}

static struct spd *set_create(const struct dp_policy *p, size_t n)
{
	struct spd *s = calloc(1, sizeof(*s));

	if (!s || !(s->rule = calloc(n ? n : 1, sizeof(*s->rule)))) {
		free(s);
		return NULL;
	}
	if (n)
		memcpy(s->rule, p, n * sizeof(*p));
	s->n = (uint32_t)n;
	s->generation = generation_next();
	return s;
}

// Small: cheaper than the way to the other thread and back.
static int set_now(struct spd *s, struct err *err)
{
	spd_build(s);
	if (s->rc) {
		int rc = err_set(err, s->rc, "%s", s->err.msg);

		spd_free(s);
		return rc;
	}
	spd_builder_cancel();
	spd_free(coming);
	coming = s;
	spd_bind_refresh(1, REFRESH_ALL);
	publish();
	spd_bind_refresh(1, REFRESH_ALL);
	cursor = 0;
	return 0;
}

int spd_set(const struct dp_policy *p, size_t n, struct err *err)
{
	int rc = set_check(p, n, err);

	if (rc)
		return rc;
	struct spd *s = set_create(p, n);
	if (!s)
		return err_set(err, -ENOMEM, "no memory for %zu policies", n);
	if (n <= SPD_BUILD_NOW)
		return set_now(s, err);
	rc = spd_builder_submit(s);
	if (rc) {
		spd_free(s);
		return err_set(err, rc, "no thread to build %zu policies", n);
	}
	return 0;
}

bool spd_pending(void)
{
	return coming || spd_builder_busy();
}

static bool coming_take(void)
{
	struct spd *s = spd_builder_result();

	if (!s)
		return false;
	if (s->rc) {
		log_event("DATAPLANE", LOG_L_ERR, "POLICIES",
			  "%u policies are not in force, those before stay: %s", s->n, s->err.msg);
		spd_builder_free(s);
		return false;
	}
	coming = s;
	cursor = 1;
	return true;
}

// ---- singles ---------------------------------------------------------------------------------
int spd_add(const struct dp_policy *p, uint32_t anchor)
{
	int rc = spd_single_add(p, anchor);

	if (rc)
		return rc;
	if (gone[p->id / 8] & (1u << (p->id % 8)))
		gone_forget();  // the id means something else now
	(void)spd_bind_refresh(p->id, 1);
	__atomic_store_n(&spd_single_generation, spd_single_generation + 1, __ATOMIC_RELEASE);
	return 0;
}

int spd_del(uint32_t id)
{
	int rc = spd_single_del(id);

	if (rc)
		return rc;
	gone[id / 8] |= (uint8_t)(1u << (id % 8));
	gone_for += gone_for == 0;
	(void)spd_bind_refresh(id, 1);
	return 0;
}

bool spd_in_force(uint32_t id)
{
	uint32_t anchor;

	return spd_single_get(id, &anchor) && current && anchor < current->index_size &&
	       current->index[anchor];
}

bool spd_poll(void)
{
	bool entered = false;

	if (gone_for && ++gone_for > GONE_POLLS)
		gone_forget();
	if (!coming && !coming_take() && !cursor)
		return false;
	cursor = spd_bind_refresh(cursor, SPD_POLL_BUDGET);
	if (coming && !cursor) {
		publish();
		cursor = 1;
		entered = true;
	}
	return entered;
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

static struct spd_candidate candidate(const struct spd *s, const struct spd_group *g,
				      const struct flow_key *key)
{
	return g->anchored ? spd_single_find(s, key, 0) : (struct spd_candidate){0};
}

// A packet from the far side of a tunnel to what the map protects here, about to leave by the very
// port: the route to its destination is gone, and a default route would send in clear what came
// encrypted. Not where the map protects everything: there the far side may reach the world by us.
static bool goes_back(const struct spd *s, const struct spd_group *g, const struct flow_key *key)
{
	struct flow_key in = *key;

	in.reverse = 1;
	struct spd_candidate single = candidate(s, g, &in);
	struct spd_result r = spd_acl_match(g, &in, single);
	if (single.p && r.verdict == SPD_PROTECT && r.policy == single.p->id)
		return single.p->sel.src.len > 0;
	if (r.verdict != SPD_PROTECT || r.policy >= s->index_size || s->index[r.policy] == 0)
		return false;
	return s->rule[s->index[r.policy] - 1].sel.src.len > 0;
}

// A group that the set does not know is one whose policies are still being built: nothing of a
// port with that group may pass in clear until they are there.
static struct spd_result classify(const struct spd *s, const struct flow_key *key)
{
	const struct spd_group *g = s ? group_find(s, key->group) : NULL;

	if (!g)
		return (struct spd_result){.verdict = SPD_DROP_UNBUILT};
	struct spd_result r = spd_acl_match(g, key, candidate(s, g, key));
	if (r.verdict == SPD_NONE && !key->reverse && goes_back(s, g, key))
		r.verdict = SPD_DROP_BACK;
	return r;
}

struct spd_result spd_classify(const struct flow_key *key)
{
	return classify(__atomic_load_n(&current, __ATOMIC_ACQUIRE), key);
}

struct spd_result spd_lookup(struct worker *w, struct flow_key *key)
{
	// Both numbers before the look-up: what comes in between makes the answer stale, not wrong.
	uint32_t singles = __atomic_load_n(&spd_single_generation, __ATOMIC_ACQUIRE);
	const struct spd *s = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
	struct spd_result r = {.verdict = SPD_DROP_UNBUILT};

	if (unlikely(!s))
		return r;
	uint32_t generation = __atomic_load_n(&s->generation, __ATOMIC_ACQUIRE);
	key->word[5] = (uint32_t)key->word[5] | (uint64_t)generation << 32;
	uint32_t hash = flow_hash(key);
	if (likely(flow_cache_get(w->flows, key, hash, &r)))
		return r;
	r = classify(s, key);
	flow_cache_put(w->flows, key, hash, r, singles);
	return r;
}
