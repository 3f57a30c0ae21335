// The binding of policies to SAs. A peer may accept less than a policy's selectors (RFC 2409 5.5,
// RFC 7296 2.9), so a policy can have several SAs, each for a part (RFC 4301 4.4.1). One that
// covers the whole policy, the usual case, is published by itself; else a table of selectors is,
// and what lies in none of them has no SA.
//
// Published objects are never changed: every change makes a new table, the old one goes after a
// grace period.
#include "spd_bind.h"
#include "log.h"
#include "rcu.h"
#include "sa.h"
#include "spd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HEADS 65536u

struct binding {
	TAILQ_ENTRY(binding) of_policy;  // newest first
	LIST_ENTRY(binding) of_handle;
	uint32_t policy;
	struct sa *sa;
};
TAILQ_HEAD(bindings, binding);

// One selector, compared word by word with a flow key.
struct part {
	struct sa *sa;
	uint64_t value[4], mask[4];  // source, destination
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi;
	uint8_t family, proto, ports;  // 0 = any
};
struct spd_choice {
	uint32_t n;
	struct part part[];
};

uintptr_t *spd_bound;
static struct bindings *policies;  // by policy id; tqh_last NULL: never used
static LIST_HEAD(, binding) handles[HEADS];

int spd_bind_init(void)
{
	spd_bound = calloc(DP_POLICY_MAX + 1, sizeof(*spd_bound));
	policies = calloc(DP_POLICY_MAX + 1, sizeof(*policies));
	for (unsigned i = 0; i < HEADS; i++)
		LIST_INIT(&handles[i]);
	if (spd_bound && policies)
		return 0;
	spd_bind_fini();
	return -ENOMEM;
}

static void remove_binding(struct binding *b)
{
	TAILQ_REMOVE(&policies[b->policy], b, of_policy);
	LIST_REMOVE(b, of_handle);
	free(b);
}

static struct bindings *list_of(uint32_t policy)
{
	struct bindings *l = &policies[policy];

	if (!l->tqh_last)
		TAILQ_INIT(l);
	return l;
}

void spd_bind_fini(void)
{
	struct binding *b;

	for (uint32_t i = 0; policies && spd_bound && i <= DP_POLICY_MAX; i++) {
		if (spd_bound[i] & 1)
			free((void *)(spd_bound[i] - 1));
		while ((b = TAILQ_FIRST(list_of(i))))
			remove_binding(b);
	}
	free(spd_bound), free(policies);
	spd_bound = NULL, policies = NULL;
}

static bool prefix_within(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return !addr_is_set(&outer->addr) ||
	       (addr_is_set(&inner->addr) && prefix_covers(outer, inner));
}

static bool selector_within(const struct selector *outer, struct selector inner)
{
	if (!prefix_within(&outer->src, &inner.src) || !prefix_within(&outer->dst, &inner.dst))
		return false;
	// the addresses were looked at, with "any" in mind
	inner.src = outer->src, inner.dst = outer->dst;
	return (outer->proto == 0 || outer->proto == inner.proto) &&
	       outer->sport.lo <= inner.sport.lo && outer->sport.hi >= inner.sport.hi &&
	       outer->dport.lo <= inner.dport.lo && outer->dport.hi >= inner.dport.hi;
}

static bool sa_covers(const struct sa *sa, const struct selector *sel)
{
	for (unsigned i = 0; i < sa->conf.sels; i++)
		if (selector_within(&sa->conf.sel[i], *sel))
			return true;
	return sa->conf.sels == 0;
}

// A policy that no set knows cannot be covered: its packets are compared one by one.
static bool covers(const struct sa *sa, uint32_t policy)
{
	const struct selector *sel[2];
	unsigned n = spd_selectors(policy, sel);

	for (unsigned i = 0; i < n; i++)
		if (!sa_covers(sa, sel[i]))
			return false;
	return n > 0 || sa->conf.sels == 0;
}

static void words_fill(uint64_t *value, uint64_t *mask, const struct ip_prefix *p)
{
	uint8_t m[16] = {0}, v[16] = {0};

	if (addr_is_set(&p->addr)) {
		for (unsigned i = 0; i < p->len; i++)
			m[i / 8] |= (uint8_t)(0x80 >> i % 8);
		for (unsigned i = 0; i < 16; i++)
			v[i] = p->addr.bytes[i] & m[i];
	}
	memcpy(value, v, 16);
	memcpy(mask, m, 16);
}

static void part_fill(struct part *t, struct sa *sa, const struct selector *s)
{
	*t = (struct part){
		.sa = sa,
		.family = addr_is_set(&s->src.addr) ? s->src.addr.family : s->dst.addr.family,
		.proto = s->proto,
		.ports = !port_range_is_any(&s->sport) || !port_range_is_any(&s->dport),
		.sport_lo = s->sport.lo,
		.sport_hi = s->sport.hi,
		.dport_lo = s->dport.lo,
		.dport_hi = s->dport.hi,
	};
	words_fill(&t->value[0], &t->mask[0], &s->src);
	words_fill(&t->value[2], &t->mask[2], &s->dst);
}

static struct spd_choice *choice_build(const struct bindings *l)
{
	const struct binding *b;
	uint32_t n = 0;

	TAILQ_FOREACH (b, l, of_policy)
		n += b->sa->conf.sels;
	struct spd_choice *c = calloc(1, sizeof(*c) + n * sizeof(c->part[0]));
	if (!c)
		return NULL;
	TAILQ_FOREACH (b, l, of_policy)
		for (unsigned i = 0; i < b->sa->conf.sels; i++)
			part_fill(&c->part[c->n++], b->sa, &b->sa->conf.sel[i]);
	return c;
}

// false: no memory. The policy then has no SA: nothing goes a wrong way.
static bool publish(uint32_t policy)
{
	const struct bindings *l = list_of(policy);
	const struct binding *b;
	uintptr_t old = spd_bound[policy], now = 0;
	bool built = true;

	TAILQ_FOREACH (b, l, of_policy)
		if (covers(b->sa, policy))
			break;
	if (b) {
		now = (uintptr_t)b->sa;
	} else if (!TAILQ_EMPTY(l)) {
		now = (uintptr_t)choice_build(l);
		built = now != 0;
		now += built;
	}
	__atomic_store_n(&spd_bound[policy], now, __ATOMIC_RELEASE);
	if (old & 1)
		rcu_defer(free, (void *)(old - 1));
	return built;
}

static bool same_selectors(const struct sa *a, const struct sa *b)
{
	if (a->conf.sels != b->conf.sels)
		return false;
	for (unsigned i = 0; i < a->conf.sels; i++)
		if (!selector_equal(&a->conf.sel[i], &b->conf.sel[i]))
			return false;
	return true;
}

static struct binding *equal_of(const struct bindings *l, const struct sa *sa, unsigned *n)
{
	struct binding *b, *found = NULL;

	*n = 0;
	TAILQ_FOREACH (b, l, of_policy) {
		if (!found && same_selectors(b->sa, sa))
			found = b;
		(*n)++;
	}
	return found;
}

static int bind_full(uint32_t policy)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);

	log_event_limited(&rl, "DATAPLANE", LOG_L_WARNING, "POLICY_FULL",
			  "Policy %u has %d SAs for parts of it; one more is not used for sending",
			  policy, SPD_BIND_MAX);
	return -ENOSPC;
}

int spd_bind(uint32_t policy, struct sa *sa)
{
	struct binding *b, *equal;
	unsigned n;

	if (policy == 0 || policy > DP_POLICY_MAX)
		return -EINVAL;
	struct bindings *l = list_of(policy);
	if (!sa) {
		while ((b = TAILQ_FIRST(l)))
			remove_binding(b);
		publish(policy);
		return 0;
	}
	equal = equal_of(l, sa, &n);
	if (equal && equal->sa == sa && equal == TAILQ_FIRST(l))
		return 0;
	if (!equal && n >= SPD_BIND_MAX)
		return bind_full(policy);
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->policy = policy;
	b->sa = sa;
	TAILQ_INSERT_HEAD(l, b, of_policy);
	LIST_INSERT_HEAD(&handles[sa->handle % HEADS], b, of_handle);
	if (equal)
		remove_binding(equal);
	return publish(policy) ? 0 : -ENOMEM;
}

void spd_sa_gone(struct sa *sa)
{
	struct binding *b, *next;

	if (!policies)
		return;
	for (b = LIST_FIRST(&handles[sa->handle % HEADS]); b; b = next) {
		uint32_t policy = b->policy;

		next = LIST_NEXT(b, of_handle);
		if (b->sa != sa)
			continue;
		remove_binding(b);
		publish(policy);
	}
}

uint32_t spd_bind_refresh(uint32_t from, uint32_t n)
{
	for (; n && from <= DP_POLICY_MAX; n--, from++)
		if (spd_bound[from])
			publish(from);
	return from <= DP_POLICY_MAX ? from : 0;
}

static inline bool part_contains(const struct part *t, const struct flow_key *k)
{
	uint64_t differs = 0;

	for (unsigned i = 0; i < 4; i++)
		differs |= (k->word[i] ^ t->value[i]) & t->mask[i];
	if (differs || (t->family && t->family != k->family) || (t->proto && t->proto != k->proto))
		return false;
	// a later fragment has no ports to compare (RFC 4301 7.2)
	return !t->ports || (!k->fragment && k->sport >= t->sport_lo && k->sport <= t->sport_hi &&
			     k->dport >= t->dport_lo && k->dport <= t->dport_hi);
}

struct sa *spd_choose(uintptr_t choice, const struct flow_key *key)
{
	const struct spd_choice *c = (const struct spd_choice *)(choice - 1);

	for (uint32_t i = 0; i < c->n; i++)
		if (part_contains(&c->part[i], key))
			return c->part[i].sa;
	return NULL;
}

bool spd_choice_has(uintptr_t choice, const struct sa *sa)
{
	const struct spd_choice *c = (const struct spd_choice *)(choice - 1);

	for (uint32_t i = 0; i < c->n; i++)
		if (c->part[i].sa == sa)
			return true;
	return false;
}
