// Policies: order, SKIP, ports, fragments, the reverse direction, the flow cache's generation,
// and that the trie says what the ordered list says.
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "flow.h"
#include "port.h"
#include "spd.h"

static int reset(void **state)
{
	(void)state;
	pbed_reset();
	return 0;
}

static void first_match_by_order_wins(void **state)
{
	struct dp_policy p[] = {
		pbed_policy(1, 30, DP_POLICY_BYPASS, "10.0.0.0/8", "10.0.0.0/8"),
		pbed_policy(2, 20, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16"),
		pbed_policy(3, 10, DP_POLICY_BYPASS, "10.1.1.0/24", "10.2.0.0/16"),
	};

	(void)state;
	pbed_policies(p, 3);
	pbed_expect(pbed_key("10.1.1.9", "10.2.0.1", 17, 1, 2), SPD_BYPASS, 3);
	pbed_expect(pbed_key("10.1.2.9", "10.2.0.1", 17, 1, 2), SPD_PROTECT, 2);
	pbed_expect(pbed_key("10.3.2.9", "10.2.0.1", 17, 1, 2), SPD_BYPASS, 1);
	pbed_expect(pbed_key("11.3.2.9", "10.2.0.1", 17, 1, 2), SPD_NONE, 0);
	struct flow_key k = pbed_key("10.1.2.9", "10.2.0.1", 17, 1, 2);
	k.group = 2;  // a port has it, the set does not (yet)
	pbed_expect(k, SPD_DROP_UNBUILT, 0);
}

// A crypto ACL's deny ends this map entry, not the search.
static void skip_goes_on_behind_its_entry(void **state)
{
	struct dp_policy p[] = {
		pbed_policy(1, 10, DP_POLICY_SKIP, "10.1.1.0/24", "0.0.0.0/0"),
		pbed_policy(2, 11, DP_POLICY_PROTECT, "10.1.0.0/16", "0.0.0.0/0"),
		pbed_policy(3, 20, DP_POLICY_PROTECT, "10.1.1.128/25", "0.0.0.0/0"),
	};

	(void)state;
	p[0].next_order = 20;
	pbed_policies(p, 3);
	pbed_expect(pbed_key("10.1.1.1", "1.1.1.1", 6, 1, 2), SPD_NONE, 0);
	pbed_expect(pbed_key("10.1.1.200", "1.1.1.1", 6, 1, 2), SPD_PROTECT, 3);
	pbed_expect(pbed_key("10.1.2.1", "1.1.1.1", 6, 1, 2), SPD_PROTECT, 2);
}

static void ports_and_protocols(void **state)
{
	struct dp_policy p[] = {
		pbed_policy(1, 1, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16"),
		pbed_policy(2, 2, DP_POLICY_BYPASS, "10.1.0.0/16", "10.2.0.0/16"),
	};

	(void)state;
	p[0].sel.proto = IPPROTO_TCP;
	p[0].sel.dport = (struct port_range){80, 90};
	pbed_policies(p, 2);
	pbed_expect(pbed_key("10.1.0.1", "10.2.0.1", 6, 9, 79), SPD_BYPASS, 2);
	pbed_expect(pbed_key("10.1.0.1", "10.2.0.1", 6, 9, 80), SPD_PROTECT, 1);
	pbed_expect(pbed_key("10.1.0.1", "10.2.0.1", 6, 9, 90), SPD_PROTECT, 1);
	pbed_expect(pbed_key("10.1.0.1", "10.2.0.1", 6, 9, 91), SPD_BYPASS, 2);
	pbed_expect(pbed_key("10.1.0.1", "10.2.0.1", 17, 9, 80), SPD_BYPASS, 2);
	struct flow_key k = pbed_key("10.1.0.1", "10.2.0.1", 6, 0, 0);
	k.fragment = 1;  // could be port 80: neither in clear nor guessed
	pbed_expect(k, SPD_DROP_FRAGMENT, 0);
	k.proto = 17;
	pbed_expect(k, SPD_BYPASS, 2);
	k = pbed_key("10.2.0.1", "10.1.0.1", 6, 80, 9);
	k.reverse = 1;
	pbed_expect(k, SPD_PROTECT, 1);
}

// What a tunnel brought does not leave by the map's port in clear because a route is gone; where
// the map protects everything, the far side may reach the world.
static void not_back_in_clear(void **state)
{
	struct dp_policy p[] = {
		pbed_policy(1, 10, DP_POLICY_SKIP, "10.1.9.0/24", "10.2.0.0/16"),
		pbed_policy(2, 11, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16"),
		pbed_policy(3, 20, DP_POLICY_PROTECT, "0.0.0.0/0", "10.3.0.0/16"),
	};

	(void)state;
	p[0].next_order = 20;
	pbed_policies(p, 3);
	pbed_expect(pbed_key("10.2.0.1", "10.1.0.1", 17, 1, 2), SPD_DROP_BACK, 0);
	pbed_expect(pbed_key("10.2.0.1", "10.1.9.1", 17, 1, 2), SPD_NONE, 0);
	pbed_expect(pbed_key("10.2.0.1", "10.4.0.1", 17, 1, 2), SPD_NONE, 0);
	pbed_expect(pbed_key("10.3.0.1", "192.0.2.1", 17, 1, 2), SPD_NONE, 0);
}

static void an_answer_is_remembered(void **state)
{
	struct dp_policy p = pbed_policy(5, 1, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16");
	struct flow_key k = pbed_key("10.1.0.1", "10.2.0.1", 6, 1, 2);
	struct spd_result r;

	(void)state;
	pbed_policies(&p, 1);
	k.generation = spd_generation();
	assert_false(flow_cache_get(pbed.w[0]->flows, &k, flow_hash(&k), &r));
	pbed_expect(k, SPD_PROTECT, 5);
	assert_true(flow_cache_get(pbed.w[0]->flows, &k, flow_hash(&k), &r));
	assert_int_equal(r.policy, 5);
	k.sport++;
	assert_false(flow_cache_get(pbed.w[0]->flows, &k, flow_hash(&k), &r));
	k = pbed_key("2001:db8::1", "2001:db8::2", 6, 1, 2);
	pbed_expect(k, SPD_NONE, 0);
	// What is remembered answers, not the rules: a forged entry is believed.
	k.generation = spd_generation();
	flow_cache_put(pbed.w[0]->flows, &k, flow_hash(&k), (struct spd_result){7, SPD_BYPASS, 0},
		       0);
	pbed_expect(k, SPD_BYPASS, 7);
}

static void a_new_set_outdates_the_cache(void **state)
{
	struct dp_policy p = pbed_policy(5, 1, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16");
	struct flow_key k = pbed_key("10.1.0.1", "10.2.0.1", 6, 1, 2);

	(void)state;
	pbed_policies(&p, 1);
	pbed_expect(k, SPD_PROTECT, 5);
	p.action = DP_POLICY_BYPASS;
	pbed_policies(&p, 1);
	pbed_expect(k, SPD_BYPASS, 5);
	pbed_policies(NULL, 0);
	pbed_expect(k, SPD_DROP_UNBUILT, 0);
}

static const char *prefix_random(bool v6, char *buf, size_t cap)
{
	if (v6)
		snprintf(buf, cap, "2001:db8:%x:%x::/%d", rand() % 4, rand() % 4,
			 (int[]){32, 47, 48, 62, 64}[rand() % 5]);
	else
		snprintf(buf, cap, "10.%d.%d.0/%d", rand() % 4, rand() % 4,
			 (int[]){8, 14, 15, 16, 23, 24}[rand() % 6]);
	return buf;
}

static struct dp_policy policy_random(uint32_t id, bool v6)
{
	char a[64], b[64];
	struct dp_policy p =
		pbed_policy(id, id * 10, (enum dp_policy_action)(rand() % 3),
			    prefix_random(v6, a, sizeof(a)), prefix_random(v6, b, sizeof(b)));

	p.sel.src = prefix_mask(&p.sel.src), p.sel.dst = prefix_mask(&p.sel.dst);
	p.next_order = p.order + 10 * (unsigned)(rand() % 5);
	if (rand() % 3 == 0) {
		p.sel.proto = 6;
		p.sel.dport =
			(struct port_range){(uint16_t)(rand() % 4), (uint16_t)(4 + rand() % 4)};
	}
	return p;
}

// The meaning, written down once more as plainly as possible.
static struct spd_result oracle(const struct dp_policy *p, size_t n, const struct flow_key *k)
{
	uint32_t from = 0;

	for (size_t i = 0; i < n; i++) {
		const struct selector *s = &p[i].sel;
		struct ip_addr src = addr_from_bytes(k->family, k->src);
		struct ip_addr dst = addr_from_bytes(k->family, k->dst);

		if (p[i].order < from || !prefix_contains(&s->src, &src) ||
		    !prefix_contains(&s->dst, &dst) || (s->proto && s->proto != k->proto) ||
		    k->dport < s->dport.lo || k->dport > s->dport.hi)
			continue;
		if (p[i].action != DP_POLICY_SKIP)
			return (struct spd_result){.policy = p[i].id,
						   .verdict = p[i].action == DP_POLICY_PROTECT
								      ? SPD_PROTECT
								      : SPD_BYPASS};
		from = p[i].next_order;
	}
	return (struct spd_result){.verdict = SPD_NONE};
}

static void trie_agrees_with_the_list(void **state)
{
	struct dp_policy p[60];
	char a[64], b[64];
	unsigned hits[3] = {0};

	(void)state;
	srand(7);
	for (uint32_t i = 0; i < 60; i++)
		p[i] = policy_random(i + 1, i % 3 == 0);
	pbed_policies(p, 60);
	for (int i = 0; i < 20000; i++) {
		bool v6 = rand() % 2;

		prefix_random(v6, a, sizeof(a)), prefix_random(v6, b, sizeof(b));
		*strchr(a, '/') = 0, *strchr(b, '/') = 0;
		struct flow_key k =
			pbed_key(a, b, (uint8_t)(rand() % 2 ? 6 : 17), 1, (uint16_t)(rand() % 10));
		struct spd_result want = oracle(p, 60, &k), got = spd_classify(&k);
		if (got.verdict == SPD_DROP_BACK)  // not_back_in_clear()
			got.verdict = SPD_NONE;
		assert_int_equal(got.verdict, want.verdict);
		assert_int_equal(got.policy, want.policy);
		hits[want.verdict]++;
	}
	assert_true(hits[0] > 100 && hits[1] > 100 && hits[2] > 100);
}

static void too_many_or_bad_ids_change_nothing(void **state)
{
	struct dp_policy p = pbed_policy(5, 1, DP_POLICY_PROTECT, "10.1.0.0/16", "10.2.0.0/16");
	struct err err = {0};

	(void)state;
	pbed_policies(&p, 1);
	uint32_t generation = spd_generation();
	p.id = DP_POLICY_MAX + 1;
	assert_int_equal(spd_set(&p, 1, &err), -EINVAL);
	p.id = 0;
	assert_int_equal(spd_set(&p, 1, &err), -EINVAL);
	assert_int_equal(spd_set(&p, DP_POLICY_MAX + 1, &err), -E2BIG);
	assert_int_equal(spd_generation(), generation);
	assert_int_equal(spd_count(), 1);
}

// What arrives in clear although policy wants it encrypted goes nowhere, not even to us.
static void clear_packets_of_a_protected_flow_are_dropped(void **state)
{
	struct dp_policy p = pbed_policy(1, 1, DP_POLICY_PROTECT, "10.0.0.0/8", "10.0.1.0/24");
	uint8_t f[PBED_FRAME_MAX];

	(void)state;
	pbed_policies(&p, 1);
	port_get(pbed.in)->policy_group = 1;
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.2.2"});
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.1.1", .dport = 53});
	assert_int_equal(pbed_drop(DROP_POLICY_CLEAR), 2);
	assert_null(pbed_punted(PUNT_HOST));
	assert_int_equal(pbed_sent_count(pbed.out), 0);
	// IKE is not asked, nor is what no policy names.
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.1.1", .dport = 500});
	size_t len = pbed_frame(f, &(struct pbed_ip){.src = "11.0.0.1", .dst = "10.0.2.2"});
	pbed_receive(f, len);
	assert_int_equal(pbed_drops(), 2);
	struct rte_mbuf *m = pbed_punted(PUNT_IKE);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(pbed_sent_count(pbed.out), 1);
}

static void no_sa_means_acquire(void **state)
{
	struct dp_policy p = pbed_policy(77, 1, DP_POLICY_PROTECT, "10.0.0.0/8", "10.9.0.0/16");

	(void)state;
	pbed_policies(&p, 1);
	port_get(pbed.out)->policy_group = 1;
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.1.1"});
	assert_int_equal(pbed_sent_count(pbed.out), 0);
	struct rte_mbuf *m = pbed_punted(PUNT_ACQUIRE);
	assert_non_null(m);
	assert_int_equal(pkt_of(m)->policy, 77);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(first_match_by_order_wins, reset),
		cmocka_unit_test_setup(skip_goes_on_behind_its_entry, reset),
		cmocka_unit_test_setup(not_back_in_clear, reset),
		cmocka_unit_test_setup(ports_and_protocols, reset),
		cmocka_unit_test_setup(an_answer_is_remembered, reset),
		cmocka_unit_test_setup(a_new_set_outdates_the_cache, reset),
		cmocka_unit_test_setup(trie_agrees_with_the_list, reset),
		cmocka_unit_test_setup(too_many_or_bad_ids_change_nothing, reset),
		cmocka_unit_test_setup(clear_packets_of_a_protected_flow_are_dropped, reset),
		cmocka_unit_test_setup(no_sa_means_acquire, reset),
	};

	return cmocka_run_group_tests(tests, pbed_setup, pbed_teardown);
}
