// Main mode and quick mode between two engines: what comes up, with which keys, and what does not.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ike_bed.h"

static void tunnel_up(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, bed_both_up));
}

// a --- MM1..MM6, QM1..QM3 --- b
static void test_plain(void **state)
{
	struct bed bed;
	struct ike_sa_info sa = {0};
	struct ike_child_info c = {0};

	bed_init(&bed, 1, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_int_equal(bed.a.sent, 5);  // MM1, 3, 5, QM1, 3: nothing is repeated
	assert_int_equal(bed.b.sent, 4);
	assert_true(ike_sa_next(bed.b.ike, 0, &sa));
	assert_string_equal(sa.state, "QM_IDLE");
	assert_string_equal(sa.remote_id, "192.0.2.1");
	assert_int_equal(sa.group, 19);
	assert_int_equal(sa.children, 1);
	assert_false(sa.natt);
	assert_true(sa.dpd);
	assert_true(ike_child_next(bed.a.ike, 0, &c));
	assert_int_equal(c.lifetime_s, 3600);
	assert_int_equal(c.pfs_group, 0);
	assert_false(c.udp_encap);
	assert_int_equal(bed.a.child_up, 1);
	assert_int_equal(bed.b.child_up, 1);
	// ha-protocol rule 1: slot 1, join - birth 0, restart 5.
	assert_int_equal(bed.a.sas[0].p.iv_prefix, 1ull << 63 | 5ull << 40);
	assert_true(bed.a.sas[0].p.lim < UINT32_MAX);
	assert_true(bed.a.sas[0].p.soft_packets < bed.a.sas[0].p.lim);
	bed_fini(&bed);
}

// Traffic starts the negotiation, and is not asked to do so twice.
static void test_acquire(void **state)
{
	struct bed bed;
	struct dp_event ev = {.type = DP_EVENT_ACQUIRE, .policy = 1};

	bed_init(&bed, 2, NULL);
	bed_start(&bed);
	for (int i = 0; i < 10; i++)
		ike_event(bed.b.ike, &ev);
	assert_true(bed_until(&bed, 5000, bed_both_up));
	assert_int_equal(bed_counters(&bed.b).initiated, 1);
	assert_int_equal(bed.b.child_up, 1);
	ev.policy = 40;  // unknown: what is held for it is given up
	ike_event(bed.b.ike, &ev);
	assert_int_equal(bed.b.flushed, 1);
	bed_fini(&bed);
}

static void test_pfs(void **state)
{
	struct bed bed;
	struct ike_child_info c = {0};
	struct bed_params p = {.pfs = true};

	bed_init(&bed, 3, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_child_next(bed.b.ike, 0, &c));
	assert_int_equal(c.pfs_group, 19);
	bed_fini(&bed);
}

// PFS configured at the responder only: refused. At the initiator only: accepted.
static void test_pfs_required(void **state)
{
	struct bed bed;
	struct bed_params p = {.pfs = true};

	bed_init(&bed, 4, &p);
	TAILQ_FIRST(&TAILQ_FIRST(&bed.a.config->crypto_maps)->entries)->pfs = false;
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(bed_until(&bed, 20000, bed_both_up));
	assert_int_equal(bed_counters(&bed.b).failed_no_proposal, 1);
	assert_int_equal(bed.a.flushed, 1);
	assert_int_equal(bed_child_count(&bed.b, false), 0);
	assert_int_equal(ike_initiate(bed.b.ike, 1), 0);
	assert_true(bed_until(&bed, 5000, bed_both_up));
	bed_fini(&bed);
}

static void natt_case(bool natt_a, bool natt_b, struct bed_end *(*starter)(struct bed *))
{
	struct bed bed;
	struct bed_params p = {.natt_a = natt_a, .natt_b = natt_b};
	struct ike_sa_info sa = {0};
	struct ike_child_info c = {0};

	bed_init(&bed, 5, &p);
	// Who is behind a NAT can be reached only through a fixed mapping.
	bed.a.nat_static = starter(&bed) == &bed.b;
	bed.b.nat_static = starter(&bed) == &bed.a;
	bed_start(&bed);
	assert_int_equal(ike_initiate(starter(&bed)->ike, 1), 0);
	assert_true(bed_until(&bed, 5000, bed_both_up));
	assert_true(ike_sa_next(bed.b.ike, 0, &sa));
	assert_true(sa.natt);
	assert_int_equal(sa.nat_remote, natt_a);
	assert_int_equal(sa.nat_local, natt_b);
	assert_int_equal(sa.local_port, 4500);
	assert_int_equal(sa.remote_port, natt_a && !bed.a.nat_static ? 14500 : 4500);
	assert_true(ike_child_next(bed.b.ike, 0, &c));
	assert_true(c.udp_encap);
	assert_int_equal(bed.b.sas[0].p.remote_port, sa.remote_port);
	bed_fini(&bed);
}

static struct bed_end *end_a(struct bed *bed)
{
	return &bed->a;
}

static struct bed_end *end_b(struct bed *bed)
{
	return &bed->b;
}

static void test_natt(void **state)
{
	natt_case(true, false, end_a);  // initiator behind a NAT
	natt_case(false, true, end_b);
	natt_case(true, false, end_b);  // responder behind a static NAT
	natt_case(true, true, end_a);
}

// The NAT gives the peer another port: authenticated traffic moves the SAs.
static void test_nat_moves(void **state)
{
	struct bed bed;
	struct bed_params p = {.natt_a = true};
	struct dp_event ev = {.type = DP_EVENT_PEER_MOVED, .remote_port = 20000};
	struct ike_child_info c = {0};

	bed_init(&bed, 6, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_child_next(bed.b.ike, 0, &c));
	ev.sa = c.sa_in;
	ev.remote = bed.a.nat_addr;
	ike_event(bed.b.ike, &ev);
	assert_int_equal(bed.b.sas[0].p.remote_port, 20000);
	assert_int_equal(bed.b.sas[1].p.remote_port, 20000);
	bed_fini(&bed);
}

static void test_wrong_psk(void **state)
{
	struct bed bed;
	struct bed_params p = {.psk_b = "fruttitutti"};

	bed_init(&bed, 7, &p);
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(bed_until(&bed, 60000, bed_both_up));
	assert_true(bed_counters(&bed.b).failed_auth > 0);
	assert_int_equal(bed_counters(&bed.b).established, 0);
	assert_int_equal(bed_counters(&bed.a).established, 0);
	assert_int_equal(bed_counters(&bed.b).half_open, 0);  // timed out
	assert_int_equal(bed_ike_count(&bed.b, false), 0);
	assert_int_equal(bed.a.flushed, 1);
	bed_fini(&bed);
}

static void test_no_proposal(void **state)
{
	struct bed bed;

	bed_init(&bed, 8, NULL);
	TAILQ_FIRST(&bed.b.config->isakmp_policies)->hash = IKE_HASH_MD5;
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 40000);
	assert_true(bed_counters(&bed.b).failed_no_proposal > 0);
	assert_int_equal(bed_counters(&bed.a).established, 0);
	assert_int_equal(bed_ike_count(&bed.b, false), 0);
	// What anybody may say in clear ends nothing: the initiator gave up by time alone.
	assert_true(bed_counters(&bed.a).rx_bad_auth > 0);
	assert_int_equal(bed_counters(&bed.a).failed_timeout, 1);
	bed_fini(&bed);
}

// The responder's order of policies decides.
static void test_policy_order(void **state)
{
	struct bed bed;
	struct ike_sa_info sa = {0};

	bed_init(&bed, 9, NULL);
	bed_add_policy(bed.a.config, 20, IKE_ENCR_AES, 256, IKE_HASH_SHA512, 20, 1000);
	TAILQ_FIRST(&bed.b.config->isakmp_policies)->priority = 30;
	struct isakmp_policy *first = TAILQ_FIRST(&bed.b.config->isakmp_policies);
	TAILQ_REMOVE(&bed.b.config->isakmp_policies, first, link);
	bed_add_policy(bed.b.config, 20, IKE_ENCR_AES, 256, IKE_HASH_SHA512, 20, 500);
	TAILQ_INSERT_TAIL(&bed.b.config->isakmp_policies, first, link);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_sa_next(bed.a.ike, 0, &sa));
	assert_int_equal(sa.hash, IKE_HASH_SHA512);
	assert_int_equal(sa.group, 20);
	assert_int_equal(sa.lifetime_s, 500);  // RESPONDER-LIFETIME: the smaller one at both ends
	bed_fini(&bed);
}

static void test_lifetimes(void **state)
{
	struct bed bed;
	struct ike_child_info a = {0}, b = {0};

	bed_init(&bed, 10, NULL);
	bed.b.config->ipsec.lifetime_s = 600;
	bed.a.config->ipsec.lifetime_kb = 9000;
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_child_next(bed.a.ike, 0, &a));
	assert_true(ike_child_next(bed.b.ike, 0, &b));
	assert_int_equal(a.lifetime_s, 600);
	assert_int_equal(b.lifetime_s, 600);
	assert_int_equal(a.lifetime_kb, 9000);
	assert_int_equal(b.lifetime_kb, 9000);
	assert_int_equal(bed.a.sas[0].p.hard_bytes, 9000 * 1024);
	assert_true(bed.a.sas[0].p.soft_bytes < 9000 * 1024);
	bed_fini(&bed);
}

static void acl_set(struct config *c, const char *src, const char *dst)
{
	struct acl_entry *e = TAILQ_FIRST(&TAILQ_FIRST(&c->acls)->entries);

	assert_int_equal(prefix_parse(src, &e->sel.src), 0);
	assert_int_equal(prefix_parse(dst, &e->sel.dst), 0);
}

// The initiator wants a part of what the responder's line permits.
static void test_narrowed(void **state)
{
	struct bed bed;
	struct ike_child_info c = {0};
	struct selector sel;

	bed_init(&bed, 11, NULL);
	acl_set(bed.a.config, "10.1.5.0/24", "10.2.0.0/16");
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_child_next(bed.b.ike, 0, &c));
	assert_int_equal(c.sel.dst.len, 24);
	sel = bed.b.sas[0].p.sel[0];
	assert_int_equal(sel.dst.len, 24);
	bed_fini(&bed);
}

static void test_proxy_mismatch(void **state)
{
	struct bed bed;

	bed_init(&bed, 12, NULL);
	acl_set(bed.a.config, "10.0.0.0/8", "10.2.0.0/16");  // more than b's line
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(bed_until(&bed, 10000, bed_both_up));
	assert_int_equal(bed_counters(&bed.b).failed_proxy, 1);
	assert_int_equal(bed_counters(&bed.a).failed_proxy, 1);
	assert_int_equal(bed.a.flushed, 1);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);  // the IKE SA is not to blame
	bed_fini(&bed);
}

// Transform sets: the responder's order; nothing in common is said so.
static void test_transforms(void **state)
{
	struct bed bed;
	struct ike_child_info c = {0};
	struct crypto_map_entry *e;

	bed_init(&bed, 13, NULL);
	bed_add_set(bed.a.config, "GCM", ESP_CIPHER_AES_GCM, 256, ESP_AUTH_NONE, false);
	e = TAILQ_FIRST(&TAILQ_FIRST(&bed.a.config->crypto_maps)->entries);
	strcpy(e->transform_sets[e->transform_set_count++], "GCM");
	bed_add_set(bed.b.config, "GCM", ESP_CIPHER_AES_GCM, 256, ESP_AUTH_NONE, false);
	e = TAILQ_FIRST(&TAILQ_FIRST(&bed.b.config->crypto_maps)->entries);
	strcpy(e->transform_sets[0], "GCM");
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_child_next(bed.a.ike, 0, &c));
	assert_int_equal(c.transform.cipher, ESP_CIPHER_AES_GCM);
	assert_int_equal(bed.a.sas[0].p.salt_len, 4);
	assert_int_equal(bed.a.sas[0].p.key_len, 32);
	bed_fini(&bed);
}

static void test_no_transform(void **state)
{
	struct bed bed;

	bed_init(&bed, 14, NULL);
	TAILQ_FIRST(&bed.b.config->transform_sets)->auth = ESP_AUTH_SHA256;
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(bed_until(&bed, 10000, bed_both_up));
	assert_int_equal(bed_counters(&bed.b).failed_no_proposal, 1);
	assert_int_equal(bed_counters(&bed.a).failed_no_proposal, 1);
	bed_fini(&bed);
}

static void test_transport(void **state)
{
	struct bed bed;
	struct bed_params p = {.transport = true, .natt_a = true};

	bed_init(&bed, 15, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_int_equal(bed.a.sas[0].p.mode, DP_TRANSPORT);
	assert_true(bed.a.sas[0].p.udp_encap);
	bed_fini(&bed);
}

// The data plane refuses: nothing is half there, and the peer is told nothing wrong.
static void test_install_fails(void **state)
{
	struct bed bed;

	bed_init(&bed, 16, NULL);
	bed_start(&bed);
	bed.b.refuse_install = true;
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(bed_until(&bed, 40000, bed_both_up));
	assert_int_equal(bed_child_count(&bed.b, false), 0);
	bed.b.refuse_install = false;
	assert_true(bed_until(&bed, 60000, bed_both_up) || ike_initiate(bed.a.ike, 1) == 0);
	assert_true(bed_until(&bed, 60000, bed_both_up));
	bed_fini(&bed);
}

// Several flows on one IKE SA.
static void test_flows(void **state)
{
	struct bed bed;
	struct bed_params p = {.flows = 4, .pfs = true};

	bed_init(&bed, 17, &p);
	bed_start(&bed);
	for (uint32_t i = 1; i <= 4; i++)
		assert_int_equal(ike_initiate(bed.a.ike, i), 0);
	bed_run(&bed, 3000);
	for (uint32_t i = 1; i <= 4; i++)
		assert_true(bed_ping(&bed, &bed.a, &bed.b, i));
	assert_int_equal(bed_counters(&bed.a).initiated, 1);
	bed_fini(&bed);
}

static void test_hostname_identity(void **state)
{
	struct bed bed;
	struct ike_sa_info sa = {0};

	bed_init(&bed, 18, NULL);
	bed.a.config->isakmp.identity_hostname = true;
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_sa_next(bed.b.ike, 0, &sa));
	assert_string_equal(sa.remote_id, "tandem");
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),        cmocka_unit_test(test_acquire),
		cmocka_unit_test(test_pfs),          cmocka_unit_test(test_pfs_required),
		cmocka_unit_test(test_natt),         cmocka_unit_test(test_nat_moves),
		cmocka_unit_test(test_wrong_psk),    cmocka_unit_test(test_no_proposal),
		cmocka_unit_test(test_policy_order), cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_narrowed),     cmocka_unit_test(test_proxy_mismatch),
		cmocka_unit_test(test_transforms),   cmocka_unit_test(test_no_transform),
		cmocka_unit_test(test_transport),    cmocka_unit_test(test_install_fails),
		cmocka_unit_test(test_flows),        cmocka_unit_test(test_hostname_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
