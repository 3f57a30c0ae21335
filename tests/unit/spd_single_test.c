// Policies beside the set: whatever comes and goes, a packet's verdict is the one that a set with
// all of them in their places would give, at once, through the flow cache too.
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "flow.h"
#include "rcu.h"
#include "spd.h"
#include "spd_acl.h"
#include "spd_build.h"
#include "spd_single.h"

static struct flow_key key_of(const char *src, const char *dst)
{
	return pbed_key(src, dst, IPPROTO_UDP, 1, 2);
}

static int reset(void **state)
{
	(void)state;
	for (uint32_t id; (id = spd_single_next(0));)
		(void)spd_del(id);
	pbed_reset();
	return 0;
}

static struct dp_policy anchor(uint32_t id, uint32_t order)
{
	struct dp_policy p =
		pbed_policy(id, order, DP_POLICY_SKIP, "255.255.255.255/32", "255.255.255.255/32");

	p.sel.proto = 255;
	p.next_order = order + 1;
	p.anchor = true;
	return p;
}

static struct dp_policy single(uint32_t id, const char *src, const char *dst)
{
	return pbed_policy(id, 0, DP_POLICY_PROTECT, src, dst);
}

// What was seen before, in clear or dropped by a later policy, is seen anew; what a policy before
// the anchor says is not touched.
static void takes_its_place_at_once(void **state)
{
	struct dp_policy p[] = {
		pbed_policy(1, 10, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.5.0/24"),
		anchor(2, 20),
		pbed_policy(3, 30, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16"),
	};
	struct dp_policy s = single(9, "10.1.0.0/16", "10.2.0.0/16");
	struct dp_policy far = single(10, "10.1.0.0/16", "10.9.0.0/16");
	struct flow_key k = key_of("10.1.0.1", "10.2.0.1"), before = key_of("10.1.0.1", "10.2.5.1");
	struct flow_key other = key_of("10.1.0.1", "10.9.0.1"), in = key_of("10.9.0.1", "10.1.0.1");

	(void)state;
	pbed_policies(p, 3);
	pbed_expect(k, SPD_PROTECT, 3);
	pbed_expect(before, SPD_PROTECT, 1);
	pbed_expect(other, SPD_NONE, 0);
	in.reverse = 1;
	pbed_expect(in, SPD_NONE, 0);
	assert_false(spd_in_force(9));
	assert_int_equal(spd_add(&s, 2), 0);
	assert_int_equal(spd_add(&s, 2), -EEXIST);
	assert_int_equal(spd_add(&far, 2), 0);
	assert_true(spd_in_force(9));
	pbed_expect(k, SPD_PROTECT, 9);
	pbed_expect(before, SPD_PROTECT, 1);
	pbed_expect(other, SPD_PROTECT, 10);
	pbed_expect(in, SPD_PROTECT, 10);
	assert_int_equal(spd_count(), 5);
	assert_int_equal(spd_del(9), 0);
	assert_int_equal(spd_del(9), -ENOENT);
	for (unsigned i = 0; i < 200; i++)
		(void)spd_poll();
	pbed_expect(k, SPD_PROTECT, 3);
	assert_int_equal(spd_count(), 4);
}

// Only what an added policy can change is looked up again.
static void settled_flows_stay_cached(void **state)
{
	struct dp_policy p[] = {
		pbed_policy(1, 10, DP_POLICY_BYPASS, "10.1.0.0/16", "10.3.0.0/16"),
		anchor(2, 20),
	};
	struct dp_policy s[] = {single(9, "10.1.0.0/16", "10.2.0.0/16"),
				single(10, "10.1.0.0/16", "10.4.0.0/16")};
	struct flow_key k[] = {key_of("10.1.0.1", "10.3.0.1"), key_of("10.1.0.1", "10.2.0.1"),
			       key_of("10.1.0.1", "10.5.0.1")};
	struct spd_result r;

	(void)state;
	pbed_policies(p, 2);
	assert_int_equal(spd_add(&s[0], 2), 0);
	for (unsigned i = 0; i < 3; i++)
		(void)spd_lookup(pbed.w[0], &k[i]);
	assert_int_equal(spd_add(&s[1], 2), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(flow_cache_get(pbed.w[0]->flows, &k[i], flow_hash(&k[i]), &r),
				 i < 2);
}

// The place is the anchor's in the set that is in force, whatever it was before.
static void a_new_set_moves_or_retires(void **state)
{
	struct dp_policy p[] = {anchor(2, 20),
				pbed_policy(3, 30, DP_POLICY_BYPASS, "10.1.0.0/16", "10.2.0.0/16")};
	struct dp_policy s = single(9, "10.1.0.0/16", "10.2.0.0/16");
	struct flow_key k = key_of("10.1.0.1", "10.2.0.1");

	(void)state;
	assert_int_equal(spd_add(&s, 2), 0);
	pbed_policies(p, 2);
	pbed_expect(k, SPD_PROTECT, 9);
	p[0].order = 40;
	pbed_policies(p, 2);
	pbed_expect(k, SPD_BYPASS, 3);
	p[1].action = DP_POLICY_SKIP;  // a deny line of the entry before
	p[1].next_order = 35;
	pbed_policies(p, 2);
	pbed_expect(k, SPD_PROTECT, 9);
	p[1].next_order = 50;
	pbed_policies(p, 2);
	pbed_expect(k, SPD_NONE, 0);
	p[0].id = 5;
	pbed_policies(p, 1);
	assert_false(spd_in_force(9));
	pbed_expect(k, SPD_NONE, 0);
	p[0].id = 2, p[0].group = 7;  // somebody else's
	pbed_policies(p, 1);
	pbed_expect(k, SPD_DROP_UNBUILT, 0);
}

static void what_cannot_stand_alone_is_refused(void **state)
{
	struct dp_policy p = single(9, "10.1.0.0/16", "10.2.0.0/16"), s;
	char net[32];

	(void)state;
	s = p, s.sel.dport.hi = 5;
	assert_int_equal(spd_add(&s, 2), -ENOTSUP);
	s = p, s.sel.src = (struct ip_prefix){0};
	assert_int_equal(spd_add(&s, 2), -ENOTSUP);
	s = p, s.action = DP_POLICY_BYPASS;
	assert_int_equal(spd_add(&s, 2), -ENOTSUP);
	s = p, s.id = DP_POLICY_MAX + 1;
	assert_int_equal(spd_add(&s, 2), -EINVAL);
	assert_int_equal(spd_del(DP_POLICY_MAX + 1), -ENOENT);
	for (uint32_t i = 0; i < SPD_SHAPES_MAX + 1; i++) {
		snprintf(net, sizeof(net), "10.2.0.0/%u", i < 32 ? i + 1 : 32);
		s = single(i + 1, i < 32 ? "10.0.0.0/8" : "10.0.0.0/9", net);
		assert_int_equal(spd_add(&s, 2), i < SPD_SHAPES_MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(spd_del(1), 0);  // its shape goes with it
	assert_int_equal(spd_add(&s, 2), 0);
	s.id = 100, s.group = 2;  // another group counts for itself
	assert_int_equal(spd_add(&s, 2), 0);
}

// ---- against a set that has everything
// -----------------------------------------------------------
#define RULES   60
#define SINGLES 200

static const char *prefix_random(bool v6, char *buf, size_t cap)
{
	if (v6)
		snprintf(buf, cap, "2001:db8:%x:%x::/%d", rand() % 4, rand() % 4,
			 (int[]){32, 48, 62, 64}[rand() % 4]);
	else
		snprintf(buf, cap, "10.%d.%d.0/%d", rand() % 4, rand() % 4,
			 (int[]){8, 15, 16, 24}[rand() % 4]);
	return buf;
}

static struct dp_policy policy_random(uint32_t id, bool ports)
{
	char a[64], b[64];
	bool v6 = rand() % 3 == 0;
	struct dp_policy p =
		pbed_policy(id, id * 10, DP_POLICY_PROTECT, prefix_random(v6, a, sizeof(a)),
			    prefix_random(v6, b, sizeof(b)));

	p.sel.src = prefix_mask(&p.sel.src), p.sel.dst = prefix_mask(&p.sel.dst);
	if (rand() % 3 == 0)
		p.sel.proto = rand() % 2 ? 6 : 17;
	if (ports && rand() % 4 == 0)
		p.sel.dport = (struct port_range){0, (uint16_t)(rand() % 8)};
	return p;
}

static struct dp_policy rules[RULES], singles[SINGLES];
static uint32_t at[SINGLES];  // index of the anchor's rule
static bool present[SINGLES];

static void rules_random(void)
{
	for (uint32_t i = 0; i < RULES; i++) {
		if (i == 20 || i == 40) {
			rules[i] = anchor(i + 1, (i + 1) * 10);
			continue;
		}
		rules[i] = policy_random(i + 1, true);
		rules[i].action = (enum dp_policy_action)(rand() % 3);
		rules[i].next_order = rules[i].order + 10 * (unsigned)(rand() % 5);
	}
}

// The set that says the same, classified without singles.
static struct spd_result oracle(const struct flow_key *k)
{
	static struct dp_policy all[RULES + SINGLES];
	struct spd s = {.rule = all};
	struct spd_result r = {.verdict = SPD_NONE};

	memcpy(all, rules, sizeof(rules));
	s.n = RULES;
	for (unsigned i = 0; i < SINGLES; i++)
		if (present[i]) {
			all[s.n] = singles[i];
			all[s.n++].order = rules[at[i]].order;
		}
	spd_build(&s);
	assert_int_equal(s.rc, 0);
	r = spd_acl_match(&s.group[0], k, (struct spd_candidate){0});
	spd_acl_free(&s.group[0]);
	free(s.group), free(s.index);
	return r;
}

static struct flow_key key_random(void)
{
	char a[64], b[64];
	bool v6 = rand() % 3 == 0;

	prefix_random(v6, a, sizeof(a)), prefix_random(v6, b, sizeof(b));
	*strchr(a, '/') = 0, *strchr(b, '/') = 0;
	struct flow_key k = key_of(a, b);
	k.proto = rand() % 2 ? 6 : 17;
	k.dport = (uint16_t)(rand() % 10);
	k.reverse = rand() % 4 == 0;
	k.fragment = rand() % 10 == 0;
	return k;
}

static void one_changes(uint32_t *next_id)
{
	unsigned i = (unsigned)rand() % SINGLES;

	if (present[i]) {
		present[i] = false;
		assert_int_equal(spd_del(singles[i].id), 0);
		for (unsigned n = 0; n < 110; n++)
			(void)spd_poll();
		return;
	}
	singles[i] = policy_random((*next_id)++, false);
	at[i] = rand() % 2 ? 20 : 40;
	int rc = spd_add(&singles[i], rules[at[i]].id);
	assert_true(rc == 0 || rc == -ENOSPC);  // more shapes than a group may have
	present[i] = rc == 0;
}

static void like_one_set(void **state)
{
	static struct flow_key seen[50];
	unsigned hits[6] = {0};
	uint32_t next_id = 1000;

	(void)state;
	srand(11);
	rules_random();
	pbed_policies(rules, RULES);
	for (unsigned i = 0; i < 50; i++)
		seen[i] = key_random();
	for (unsigned turn = 0; turn < 1500; turn++) {
		one_changes(&next_id);
		if (turn % 300 == 299) {
			rules_random();
			pbed_policies(rules, RULES);
		}
		if (rand() % 4 == 0)
			seen[rand() % 50] = key_random();
		for (unsigned i = 0; i < 4; i++) {
			struct flow_key k = seen[rand() % 50];
			struct spd_result want = oracle(&k), got = spd_lookup(pbed.w[0], &k);

			if (got.verdict == SPD_DROP_BACK)
				got.verdict = SPD_NONE;
			assert_int_equal(got.verdict, want.verdict);
			assert_int_equal(got.policy, want.policy);
			hits[got.verdict] += 1 + (got.policy >= 1000);
		}
	}
	assert_true(hits[SPD_PROTECT] > 1000 && hits[SPD_NONE] > 20 && hits[SPD_BYPASS] > 20);
	memset(present, 0, sizeof(present));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(takes_its_place_at_once, reset),
		cmocka_unit_test_setup(settled_flows_stay_cached, reset),
		cmocka_unit_test_setup(a_new_set_moves_or_retires, reset),
		cmocka_unit_test_setup(what_cannot_stand_alone_is_refused, reset),
		cmocka_unit_test_setup(like_one_set, reset),
	};

	return cmocka_run_group_tests(tests, pbed_setup, pbed_teardown);
}
