// Unknown peers: a gateway (b) with a dynamic map answers a peer (a) that it has no entry for, and
// refuses what a template does not allow or somebody else has.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ike_dynamic_bed.h"

static void test_unknown_peer(void **state)
{
	struct bed bed;
	const struct tunnel *t;

	bed_start(dyn_start(&bed, NULL, NULL));
	assert_int_equal(dyn_instances(&bed), 0);
	dyn_up(&bed);
	assert_int_equal(dyn_instances(&bed), 1);
	assert_true(bed.b.policy_changes >= 1);
	t = bed.b.tunnels->instances[0];
	assert_int_equal(t->dynamic_seq, 10);
	assert_string_equal(t->dynamic_map, "DYN");
	assert_string_equal(t->map, "MAP");
	assert_int_equal(t->seq, 20);
	assert_true(addr_equal(&t->peers[0], &bed.a.addr));
	assert_string_equal(t->peer_id, "192.0.2.1");
	// the peer's network is the remote one
	struct ip_prefix net;
	prefix_parse("10.1.0.0/16", &net);
	assert_true(prefix_equal(&t->flows[0].sel.dst, &net));
	dyn_pings(&bed, 60000, 500);
	assert_int_equal(bed_counters(&bed.b).initiated, 0);
	// it goes with its last child SA
	assert_int_equal(ike_clear_session(bed.a.ike, NULL), 2);
	bed_run(&bed, 1000);
	assert_int_equal(dyn_instances(&bed), 0);
	assert_int_equal(bed_child_count(&bed.b, false), 0);
	bed_fini(&bed);
}

// What the template's access list selects waits for nobody; an instance never calls its peer.
static void test_never_initiates(void **state)
{
	struct bed bed;

	dyn_start(&bed, NULL, "DACL");
	bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", "10.0.0.0/8");
	bed_start(&bed);
	assert_int_equal(bed.b.tunnels->all[0]->flow_count, 1);
	uint32_t policy = bed.b.tunnels->all[0]->flows[0].policy;
	assert_int_equal(ike_initiate(bed.b.ike, policy), -ENOENT);
	dyn_event(&bed.b, DP_EVENT_ACQUIRE, policy);
	assert_int_equal(bed.b.flushed, 2);
	bed_run(&bed, 5000);
	assert_int_equal(bed_counters(&bed.b).initiated, 0);
	assert_int_equal(bed.a.received, 0);
	dyn_up(&bed);
	// an instance whose SA the data plane lost sight of
	dyn_event(&bed.b, DP_EVENT_ACQUIRE, dyn_policy(&bed));
	bed.a.dead = true;
	bed_run(&bed, 86400000ull);
	assert_int_equal(dyn_instances(&bed), 0);
	assert_int_equal(bed_ike_count(&bed.b, false), 0);
	assert_int_equal(bed_counters(&bed.b).initiated, 0);
	bed_fini(&bed);
}

static void test_access_list(void **state)
{
	// permit, deny: of the peer's network as the gateway sees it
	static const struct {
		const char *deny, *permit;
		bool ok;
	} cases[] = {
		{NULL, "10.1.0.0/16", true},         {NULL, "10.0.0.0/8", true},
		{NULL, "10.1.0.0/17", false},        {NULL, "10.3.0.0/16", false},
		{"10.9.0.0/16", "10.0.0.0/8", true}, {"10.1.5.0/24", "10.0.0.0/8", false},
		{"10.0.0.0/8", "10.0.0.0/8", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed bed;

		dyn_start(&bed, NULL, "DACL");
		if (cases[i].deny) {
			bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", cases[i].deny);
			TAILQ_FIRST(&config_acl(bed.b.config, "DACL")->entries)->permit = false;
		}
		bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", cases[i].permit);
		bed_start(&bed);
		if (cases[i].ok) {
			dyn_up(&bed);
		} else {
			dyn_refused(&bed);
			assert_int_equal(bed_counters(&bed.b).failed_proxy, 1);
		}
		bed_fini(&bed);
	}
}

static void test_refusals(void **state)
{
	for (int what = 0; what < 6; what++) {
		struct bed bed;
		struct crypto_map_entry *e;
		struct map_peer peer = {0};

		dyn_start(&bed, NULL, NULL);
		e = dyn_template(&bed, 10);
		switch (what) {
		case 0: e->transform_set_count = 0; break;
		case 1: snprintf(e->acl, sizeof(e->acl), "NONE"); break;
		case 2:  // another peer only
			addr_parse("192.0.2.99", &peer.addr);
			TAILQ_INSERT_TAIL(&e->peers, &peer, link);
			break;
		case 3:  // the whole world, without an access list that says so
			prefix_parse(
				"0.0.0.0/0",
				&TAILQ_FIRST(&config_acl(bed.a.config, "ACL")->entries)->sel.src);
			break;
		case 4: e->pfs = true; break;
		case 5: TAILQ_INIT(&bed.b.config->isakmp_keys); break;
		}
		bed_start(&bed);
		if (what == 5) {  // without a key not a word
			assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
			bed_run(&bed, 5000);
			assert_int_equal(bed.b.sent, 0);
			assert_int_equal(bed_ike_count(&bed.b, false), 0);
		} else {
			dyn_refused(&bed);
			struct ike_counters n = bed_counters(&bed.b);
			assert_int_equal(what == 4 ? n.failed_no_proposal : n.failed_proxy, 1);
		}
		assert_int_equal(dyn_instances(&bed), 0);
		bed_fini(&bed);
	}
}

// The first template whose algorithms fit, in the order of their numbers.
static void test_several_templates(void **state)
{
	struct bed bed;
	struct crypto_map *d;

	dyn_start(&bed, NULL, NULL);
	d = config_crypto_map(bed.b.config, "DYN", true);
	bed_add_set(bed.b.config, "GCM", ESP_CIPHER_AES_GCM, 128, ESP_AUTH_NONE, false);
	snprintf(dyn_template(&bed, 10)->transform_sets[0], CONFIG_NAME_MAX, "GCM");
	dyn_entry_add(bed.b.config, d, 20, "SET", NULL)->pfs = true;
	dyn_entry_add(bed.b.config, d, 30, "SET", "DACL");
	bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", "10.7.0.0/16");
	dyn_entry_add(bed.b.config, d, 40, "SET", NULL);
	dyn_entry_add(bed.b.config, d, 50, "SET", NULL);
	bed_start(&bed);
	dyn_up(&bed);
	assert_int_equal(bed.b.tunnels->instances[0]->dynamic_seq, 40);
	bed_fini(&bed);
}

// Static entries are asked first, whatever their number.
static void test_static_first(void **state)
{
	struct bed bed;

	dyn_start(&bed, NULL, NULL);
	dyn_static_entry(bed.b.config, "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16");
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 5000);
	assert_int_equal(bed_child_count(&bed.b, true), 1);
	assert_int_equal(dyn_instances(&bed), 0);
	bed_fini(&bed);
}

// What another peer has by a static entry is not for taking.
static void test_static_overlap(void **state)
{
	static const char *const nets[] = {"10.1.0.0/16", "10.1.77.0/24", "10.0.0.0/8"};

	for (size_t i = 0; i < 3; i++) {
		struct bed bed;

		dyn_start(&bed, NULL, NULL);
		dyn_static_entry(bed.b.config, "192.0.2.77", "10.2.0.0/16", nets[i]);
		bed_start(&bed);
		dyn_refused(&bed);
		assert_int_equal(bed_counters(&bed.b).dynamic_refused, 1);
		assert_int_equal(dyn_instances(&bed), 0);
		bed_fini(&bed);
	}
	// another network of ours towards the same remote one: allowed, but not with routes
	for (int routes = 0; routes < 2; routes++) {
		struct bed bed;

		dyn_start(&bed, NULL, NULL);
		dyn_static_entry(bed.b.config, "192.0.2.77", "10.99.0.0/16", "10.1.0.0/16");
		dyn_template(&bed, 10)->reverse_route.kind = routes ? RR_PLAIN : RR_NONE;
		bed_start(&bed);
		if (routes)
			dyn_refused(&bed);
		else
			dyn_up(&bed);
		bed_fini(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_peer),      cmocka_unit_test(test_never_initiates),
		cmocka_unit_test(test_access_list),       cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_several_templates), cmocka_unit_test(test_static_first),
		cmocka_unit_test(test_static_overlap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
