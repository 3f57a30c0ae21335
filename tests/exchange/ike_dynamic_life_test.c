// The life of instances of dynamic maps: rekeys, NAT, peers that restart or come from elsewhere,
// limits, commits, exchanges that never end.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ike_dynamic_bed.h"

static void test_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.child_life_s = 120, .pfs = true};

	// by time, from whichever end it comes
	dyn_start(&bed, &p, NULL);
	bed_start(&bed);
	dyn_up(&bed);
	uint32_t policy = dyn_policy(&bed);
	dyn_pings(&bed, 1200 * 1000, 11);
	assert_int_equal(bed.lost, 0);
	assert_in_range(bed.b.child_up, 10, 14);
	assert_int_equal(dyn_instances(&bed), 1);
	assert_int_equal(dyn_policy(&bed), policy);
	// by us, once it lives
	unsigned before = bed.b.child_up;
	bed_run(&bed, 35000);
	dyn_event(&bed.b, DP_EVENT_SOFT_EXPIRE, policy);
	dyn_pings(&bed, 20000, 11);
	assert_int_equal(bed.b.child_up, before + 1);
	struct ike_child_info c = {0}, last = {0};
	while (ike_child_next(bed.b.ike, c.id, &c))
		last = c;
	assert_string_equal(last.dynamic_map, "DYN");
	assert_int_equal(last.dynamic_seq, 10);
	assert_int_equal(dyn_instances(&bed), 1);
	bed_fini(&bed);
}

static void test_phase1_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.ike_life_s = 300};

	dyn_start(&bed, &p, NULL);
	bed_start(&bed);
	dyn_up(&bed);
	dyn_pings(&bed, 3000 * 1000, 500);
	assert_int_equal(bed.lost, 0);
	assert_int_equal(dyn_instances(&bed), 1);
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	bed_fini(&bed);
}

static void test_behind_nat(void **state)
{
	struct bed bed;
	struct bed_params p = {.natt_a = true, .child_life_s = 120, .ike_life_s = 500};
	struct dp_event ev = {.type = DP_EVENT_PEER_MOVED, .remote_port = 20001};

	dyn_start(&bed, &p, NULL);
	bed_start(&bed);
	dyn_up(&bed);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.nat_addr));
	dyn_pings(&bed, 1000 * 1000, 50);
	assert_int_equal(bed.lost, 0);
	assert_int_equal(dyn_instances(&bed), 1);
	// the NAT gives it another address: the instance follows, also through a commit
	addr_parse("203.0.113.11", &bed.a.nat_addr);
	ev.remote = bed.a.nat_addr;
	ev.sa = bed.b.bound[dyn_policy(&bed)];
	ike_event(bed.b.ike, &ev);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.nat_addr));
	bed_reconfigure(&bed.b);
	assert_true(dyn_through(&bed));
	bed_fini(&bed);
}

// The peer restarts: one instance still, and nothing of its former life stays.
static void test_peer_restarts(void **state)
{
	struct bed bed;

	bed_start(dyn_start(&bed, NULL, NULL));
	dyn_up(&bed);
	bed_reboot(&bed.a);
	memset(bed.a.sas, 0, sizeof(bed.a.sas));
	dyn_up(&bed);
	assert_int_equal(dyn_instances(&bed), 1);
	bed_run(&bed, 1000);
	assert_int_equal(bed_child_count(&bed.b, false), 1);
	bed_fini(&bed);
}

// The peer is back under another address, without a word about the old one.
static void move(struct bed *bed)
{
	bed->a.dead = true;
	ike_clear_session(bed->a.ike, NULL);
	bed->a.dead = false;
	addr_parse("192.0.2.2", &bed->a.addr);
	TAILQ_FIRST(&bed->a.config->interfaces)->addr.addr = bed->a.addr;
	bed_reconfigure(&bed->a);
}

// Under another address it is somebody else: refused as long as the first one may live, and that
// is found out at once.
static void test_moved_peer(void **state)
{
	struct bed bed;

	bed_start(dyn_start(&bed, NULL, NULL));
	dyn_up(&bed);
	move(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 1500);
	assert_int_equal(bed.a.bound[1], 0);
	assert_int_equal(dyn_instances(&bed), 1);
	struct ip_addr first;
	addr_parse("192.0.2.1", &first);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &first));
	assert_int_equal(bed_counters(&bed.b).dynamic_refused, 1);
	assert_int_equal(bed_counters(&bed.b).dpd_sent, 1);
	bed_run(&bed, 15000);  // five questions, two seconds apart
	assert_int_equal(bed_counters(&bed.b).dpd_dead, 1);
	assert_int_equal(dyn_instances(&bed), 0);
	dyn_up(&bed);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.addr));
	bed_fini(&bed);
}

// By name, under the same key, it is the same peer: the newest place counts.
static void test_moved_named_peer(void **state)
{
	for (int other_key = 0; other_key < 2; other_key++) {
		struct bed bed;

		dyn_start(&bed, NULL, NULL);
		bed.a.config->isakmp.identity_hostname = true;
		bed.a.config->hostname = "spoke17";
		if (other_key)
			bed_add_key(bed.b.config, "tuttifrutti", "192.0.2.1/32");
		bed_start(&bed);
		dyn_up(&bed);
		assert_string_equal(bed.b.tunnels->instances[0]->peer_id, "spoke17");
		move(&bed);
		assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
		bed_run(&bed, 1500);
		assert_int_equal(dyn_instances(&bed), 1);
		assert_int_equal(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.addr),
				 !other_key);
		if (!other_key)
			assert_true(dyn_through(&bed));
		bed_fini(&bed);
	}
}

// Its own overlapping flows are the peer's business.
static void test_several_flows(void **state)
{
	struct bed bed;
	struct bed_params p = {.flows = 4};

	dyn_start(&bed, &p, NULL);
	bed_add_ace(bed.a.config, "ACL", "10.1.7.0/24", "10.2.0.0/16");
	bed_start(&bed);
	for (uint32_t policy = 1; policy <= 5; policy++) {
		assert_int_equal(ike_initiate(bed.a.ike, policy), 0);
		bed_run(&bed, 2000);
		assert_true(bed_ping(&bed, &bed.a, &bed.b, policy));
	}
	assert_int_equal(dyn_instances(&bed), 5);
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	dyn_policies_check(&bed);
	// one of them goes, the others stay
	dyn_event(&bed.a, DP_EVENT_HARD_EXPIRE, 3);
	bed_run(&bed, 1000);
	assert_int_equal(dyn_instances(&bed), 4);
	dyn_policies_check(&bed);
	for (uint32_t policy = 1; policy <= 5; policy++)
		if (policy != 3)
			assert_true(bed_ping(&bed, &bed.a, &bed.b, policy));
	bed_fini(&bed);
}

static void test_limit(void **state)
{
	struct bed bed;
	struct bed_params p = {.flows = 3};

	bed_start(dyn_start(&bed, &p, NULL));
	bed.b.tunnels->instance_max = 2;
	for (uint32_t policy = 1; policy <= 3; policy++) {
		assert_int_equal(ike_initiate(bed.a.ike, policy), 0);
		bed_run(&bed, 2000);
		assert_int_equal(bed.a.bound[policy] != 0, policy < 3);
	}
	assert_int_equal(dyn_instances(&bed), 2);
	assert_int_equal(bed_counters(&bed.b).dynamic_limit, 1);
	bed_fini(&bed);
}

// A commit keeps what it does not concern, with the same policy, and ends what it does not allow.
static void test_reconfigure(void **state)
{
	for (int what = 0; what < 9; what++) {
		struct bed bed;
		struct crypto_map *m, *d;
		bool stays = what < 4;

		dyn_start(&bed, NULL, "DACL");
		bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", "10.0.0.0/8");
		bed_start(&bed);
		dyn_up(&bed);
		uint32_t policy = dyn_policy(&bed);
		m = config_crypto_map(bed.b.config, "MAP", false);
		d = config_crypto_map(bed.b.config, "DYN", true);
		switch (what) {
		case 0: break;
		case 1: dyn_template(&bed, 10)->lifetime_s = 600; break;
		case 2:
			dyn_static_entry(bed.b.config, "192.0.2.9", "10.2.0.0/16", "10.9.0.0/16");
			break;
		case 3: bed_add_ace(bed.b.config, "DACL", "10.3.0.0/16", "10.1.0.0/16"); break;
		case 4:
			TAILQ_FIRST(&config_acl(bed.b.config, "DACL")->entries)->sel.dst.len = 20;
			break;
		case 5: dyn_template(&bed, 10)->pfs = true; break;
		case 6: TAILQ_REMOVE(&d->entries, dyn_template(&bed, 10), link); break;
		case 7: TAILQ_INIT(&m->entries); break;
		case 8: TAILQ_FIRST(&bed.b.config->isakmp_keys)->key = "another"; break;
		}
		bed_reconfigure(&bed.b);
		assert_int_equal(dyn_instances(&bed), stays);
		bed_run(&bed, 1000);
		if (stays) {
			assert_int_equal(dyn_policy(&bed), policy);
			assert_true(dyn_through(&bed));
			assert_int_equal(bed.b.child_up, 1);
		} else {
			assert_int_equal(bed_child_count(&bed.b, false), 0);
			assert_int_equal(bed_child_count(&bed.a, false), 0);  // it was told
		}
		if (what == 1)
			assert_int_equal(bed.b.tunnels->instances[0]->lifetime_s, 600);
		bed_fini(&bed);
	}
}

// Quick modes that never come to an end leave nothing.
static void test_unfinished(void **state)
{
	struct bed bed;

	bed_start(dyn_start(&bed, NULL, NULL));
	bed.a.refuse_install = true;
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 400);
	assert_int_equal(dyn_instances(&bed), 1);
	bed_run(&bed, 60000);
	assert_int_equal(dyn_instances(&bed), 0);
	bed.b.refuse_install = true;
	bed.a.refuse_install = false;
	ike_initiate(bed.a.ike, 1);
	bed_run(&bed, 60000);
	assert_int_equal(dyn_instances(&bed), 0);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rekey),         cmocka_unit_test(test_phase1_rekey),
		cmocka_unit_test(test_behind_nat),    cmocka_unit_test(test_peer_restarts),
		cmocka_unit_test(test_moved_peer),    cmocka_unit_test(test_moved_named_peer),
		cmocka_unit_test(test_several_flows), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_reconfigure),   cmocka_unit_test(test_unfinished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
