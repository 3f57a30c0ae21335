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

#include "ike_bed.h"

// ---- configuration of the gateway ------------------------------------------------------------
static struct crypto_map *map_add(struct config *c, const char *name, bool dynamic)
{
	struct crypto_map *m = arena_alloc(c->arena, sizeof(*m));

	snprintf(m->name, sizeof(m->name), "%s", name);
	m->is_dynamic_template = dynamic;
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	return m;
}

static struct crypto_map_entry *entry_add(struct config *c, struct crypto_map *m, uint32_t seq,
					  const char *set, const char *acl)
{
	struct crypto_map_entry *e = arena_alloc(c->arena, sizeof(*e));

	e->seq = seq;
	e->pfs_group = 19;
	TAILQ_INIT(&e->peers);
	snprintf(e->acl, sizeof(e->acl), "%s", acl ? acl : "");
	if (set) {
		snprintf(e->transform_sets[0], CONFIG_NAME_MAX, "%s", set);
		e->transform_set_count = 1;
	}
	TAILQ_INSERT_TAIL(&m->entries, e, link);
	return e;
}

// The gateway's map: one entry, `dynamic DYN`; a wildcard key. Returns the first template.
static struct crypto_map_entry *gateway_config(struct config *c, const char *acl)
{
	struct crypto_map *m = config_crypto_map(c, "MAP", false);
	struct crypto_map_entry *e;

	TAILQ_INIT(&m->entries);
	TAILQ_INIT(&c->isakmp_keys);
	bed_add_key(c, "tuttifrutti", "0.0.0.0/0");
	e = entry_add(c, m, 20, NULL, NULL);
	snprintf(e->dynamic_map, sizeof(e->dynamic_map), "DYN");
	return entry_add(c, map_add(c, "DYN", true), 10, "SET", acl);
}

static void static_entry(struct config *c, const char *peer, const char *src, const char *dst)
{
	struct crypto_map *m = config_crypto_map(c, "MAP", false);
	struct crypto_map_entry *e = entry_add(c, m, 30, "SET", "OTHER");
	struct map_peer *p = arena_alloc(c->arena, sizeof(*p));

	addr_parse(peer, &p->addr);
	TAILQ_INSERT_TAIL(&e->peers, p, link);
	bed_add_ace(c, "OTHER", src, dst);
}

static struct bed *start(struct bed *bed, const struct bed_params *p, const char *acl)
{
	bed_init(bed, 7, p);
	gateway_config(bed->b.config, acl);
	return bed;
}

static struct crypto_map_entry *template(struct bed *bed, uint32_t seq)
{
	return crypto_map_entry_get(config_crypto_map(bed->b.config, "DYN", true), seq);
}

// ---- looking at the gateway ------------------------------------------------------------------
static uint32_t instance_policy(const struct bed *bed)
{
	const struct tunnel *t = tunnels_instance_next(bed->b.tunnels, 0);

	return t ? t->flows[0].policy : 0;
}

static unsigned instances(const struct bed *bed)
{
	return bed->b.tunnels->instance_count;
}

// Exactly one policy per instance, of the group of the template.
static void policies_check(const struct bed *bed)
{
	const struct tunnels *t = bed->b.tunnels;

	for (unsigned i = 0; i < t->instance_count; i++) {
		unsigned n = 0;

		for (size_t k = 0; k < t->policy_count; k++)
			n += t->policies[k].id == t->instances[i]->flows[0].policy &&
			     t->policies[k].action == DP_POLICY_PROTECT &&
			     t->policies[k].group == t->instances[i]->template->group &&
			     selector_equal(&t->policies[k].sel, &t->instances[i]->flows[0].sel);
		assert_int_equal(n, 1);
	}
}

static bool through(struct bed *bed)
{
	uint32_t policy = instance_policy(bed);

	policies_check(bed);
	return bed->a.bound[1] && policy && bed_ping(bed, &bed->a, &bed->b, 1) &&
	       bed_ping(bed, &bed->b, &bed->a, policy);
}

static void tunnel_up(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, through));
	bed->lost = 0;
}

static void refused(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	bed_run(bed, 5000);
	assert_int_equal(bed_ike_count(&bed->b, true), 1);
	assert_int_equal(bed_child_count(&bed->b, false), 0);
	assert_int_equal(bed->a.bound[1], 0);
}

static void pings(struct bed *bed, uint64_t ms, unsigned every_ms)
{
	for (uint64_t t = 0; t < ms; t += every_ms) {
		assert_true(through(bed));
		bed_run(bed, every_ms);
	}
}

static void event(struct bed_end *e, enum dp_event_type type, uint32_t policy)
{
	struct dp_event ev = {.type = type, .sa = e->bound[policy], .policy = policy};

	ike_event(e->ike, &ev);
}

// ---- tests -----------------------------------------------------------------------------------
static void test_unknown_peer(void **state)
{
	struct bed bed;
	const struct tunnel *t;

	bed_start(start(&bed, NULL, NULL));
	assert_int_equal(instances(&bed), 0);
	tunnel_up(&bed);
	assert_int_equal(instances(&bed), 1);
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
	pings(&bed, 60000, 500);
	assert_int_equal(bed_counters(&bed.b).initiated, 0);
	// it goes with its last child SA
	assert_int_equal(ike_clear_session(bed.a.ike, NULL), 2);
	bed_run(&bed, 1000);
	assert_int_equal(instances(&bed), 0);
	assert_int_equal(bed_child_count(&bed.b, false), 0);
	bed_fini(&bed);
}

// What the template's access list selects waits for nobody; an instance never calls its peer.
static void test_never_initiates(void **state)
{
	struct bed bed;

	start(&bed, NULL, "DACL");
	bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", "10.0.0.0/8");
	bed_start(&bed);
	assert_int_equal(bed.b.tunnels->all[0]->flow_count, 1);
	uint32_t policy = bed.b.tunnels->all[0]->flows[0].policy;
	assert_int_equal(ike_initiate(bed.b.ike, policy), -ENOENT);
	event(&bed.b, DP_EVENT_ACQUIRE, policy);
	assert_int_equal(bed.b.flushed, 2);
	bed_run(&bed, 5000);
	assert_int_equal(bed_counters(&bed.b).initiated, 0);
	assert_int_equal(bed.a.received, 0);
	tunnel_up(&bed);
	// an instance whose SA the data plane lost sight of
	event(&bed.b, DP_EVENT_ACQUIRE, instance_policy(&bed));
	bed.a.dead = true;
	bed_run(&bed, 86400000ull);
	assert_int_equal(instances(&bed), 0);
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

		start(&bed, NULL, "DACL");
		if (cases[i].deny) {
			bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", cases[i].deny);
			TAILQ_FIRST(&config_acl(bed.b.config, "DACL")->entries)->permit = false;
		}
		bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", cases[i].permit);
		bed_start(&bed);
		if (cases[i].ok) {
			tunnel_up(&bed);
		} else {
			refused(&bed);
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

		start(&bed, NULL, NULL);
		e = template(&bed, 10);
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
			refused(&bed);
			struct ike_counters n = bed_counters(&bed.b);
			assert_int_equal(what == 4 ? n.failed_no_proposal : n.failed_proxy, 1);
		}
		assert_int_equal(instances(&bed), 0);
		bed_fini(&bed);
	}
}

// The first template whose algorithms fit, in the order of their numbers.
static void test_several_templates(void **state)
{
	struct bed bed;
	struct crypto_map *d;

	start(&bed, NULL, NULL);
	d = config_crypto_map(bed.b.config, "DYN", true);
	bed_add_set(bed.b.config, "GCM", ESP_CIPHER_AES_GCM, 128, ESP_AUTH_NONE, false);
	snprintf(template(&bed, 10)->transform_sets[0], CONFIG_NAME_MAX, "GCM");
	entry_add(bed.b.config, d, 20, "SET", NULL)->pfs = true;
	entry_add(bed.b.config, d, 30, "SET", "DACL");
	bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", "10.7.0.0/16");
	entry_add(bed.b.config, d, 40, "SET", NULL);
	entry_add(bed.b.config, d, 50, "SET", NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_int_equal(bed.b.tunnels->instances[0]->dynamic_seq, 40);
	bed_fini(&bed);
}

// Static entries are asked first, whatever their number.
static void test_static_first(void **state)
{
	struct bed bed;

	start(&bed, NULL, NULL);
	static_entry(bed.b.config, "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16");
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 5000);
	assert_int_equal(bed_child_count(&bed.b, true), 1);
	assert_int_equal(instances(&bed), 0);
	bed_fini(&bed);
}

static void test_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.child_life_s = 120, .pfs = true};

	// by time, from whichever end it comes
	start(&bed, &p, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	uint32_t policy = instance_policy(&bed);
	pings(&bed, 1200 * 1000, 11);
	assert_int_equal(bed.lost, 0);
	assert_in_range(bed.b.child_up, 10, 14);
	assert_int_equal(instances(&bed), 1);
	assert_int_equal(instance_policy(&bed), policy);
	// by us, once it lives
	unsigned before = bed.b.child_up;
	bed_run(&bed, 35000);
	event(&bed.b, DP_EVENT_SOFT_EXPIRE, policy);
	pings(&bed, 20000, 11);
	assert_int_equal(bed.b.child_up, before + 1);
	struct ike_child_info c = {0}, last = {0};
	while (ike_child_next(bed.b.ike, c.id, &c))
		last = c;
	assert_string_equal(last.dynamic_map, "DYN");
	assert_int_equal(last.dynamic_seq, 10);
	assert_int_equal(instances(&bed), 1);
	bed_fini(&bed);
}

static void test_phase1_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.ike_life_s = 300};

	start(&bed, &p, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	pings(&bed, 3000 * 1000, 500);
	assert_int_equal(bed.lost, 0);
	assert_int_equal(instances(&bed), 1);
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	bed_fini(&bed);
}

static void test_behind_nat(void **state)
{
	struct bed bed;
	struct bed_params p = {.natt_a = true, .child_life_s = 120, .ike_life_s = 500};
	struct dp_event ev = {.type = DP_EVENT_PEER_MOVED, .remote_port = 20001};

	start(&bed, &p, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.nat_addr));
	pings(&bed, 1000 * 1000, 50);
	assert_int_equal(bed.lost, 0);
	assert_int_equal(instances(&bed), 1);
	// the NAT gives it another address: the instance follows, also through a commit
	addr_parse("203.0.113.11", &bed.a.nat_addr);
	ev.remote = bed.a.nat_addr;
	ev.sa = bed.b.bound[instance_policy(&bed)];
	ike_event(bed.b.ike, &ev);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.nat_addr));
	bed_reconfigure(&bed.b);
	assert_true(through(&bed));
	bed_fini(&bed);
}

// The peer restarts: one instance still, and nothing of its former life stays.
static void test_peer_restarts(void **state)
{
	struct bed bed;

	bed_start(start(&bed, NULL, NULL));
	tunnel_up(&bed);
	uint32_t policy = instance_policy(&bed);
	bed_reboot(&bed.a);
	memset(bed.a.sas, 0, sizeof(bed.a.sas));
	tunnel_up(&bed);
	assert_int_equal(instances(&bed), 1);
	bed_run(&bed, 1000);
	assert_int_equal(bed_child_count(&bed.b, false), 1);
	(void)policy;
	bed_fini(&bed);
}

// What another peer has by a static entry is not for taking.
static void test_static_overlap(void **state)
{
	static const char *const nets[] = {"10.1.0.0/16", "10.1.77.0/24", "10.0.0.0/8"};

	for (size_t i = 0; i < 3; i++) {
		struct bed bed;

		start(&bed, NULL, NULL);
		static_entry(bed.b.config, "192.0.2.77", "10.2.0.0/16", nets[i]);
		bed_start(&bed);
		refused(&bed);
		assert_int_equal(bed_counters(&bed.b).dynamic_refused, 1);
		assert_int_equal(instances(&bed), 0);
		bed_fini(&bed);
	}
	// another network of ours towards the same remote one: allowed, but not with routes
	for (int routes = 0; routes < 2; routes++) {
		struct bed bed;

		start(&bed, NULL, NULL);
		static_entry(bed.b.config, "192.0.2.77", "10.99.0.0/16", "10.1.0.0/16");
		template(&bed, 10)->reverse_route.kind = routes ? RR_PLAIN : RR_NONE;
		bed_start(&bed);
		if (routes)
			refused(&bed);
		else
			tunnel_up(&bed);
		bed_fini(&bed);
	}
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

	bed_start(start(&bed, NULL, NULL));
	tunnel_up(&bed);
	move(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 1500);
	assert_int_equal(bed.a.bound[1], 0);
	assert_int_equal(instances(&bed), 1);
	struct ip_addr first;
	addr_parse("192.0.2.1", &first);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &first));
	assert_int_equal(bed_counters(&bed.b).dynamic_refused, 1);
	assert_int_equal(bed_counters(&bed.b).dpd_sent, 1);
	bed_run(&bed, 15000);  // five questions, two seconds apart
	assert_int_equal(bed_counters(&bed.b).dpd_dead, 1);
	assert_int_equal(instances(&bed), 0);
	tunnel_up(&bed);
	assert_true(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.addr));
	bed_fini(&bed);
}

// By name, under the same key, it is the same peer: the newest place counts.
static void test_moved_named_peer(void **state)
{
	for (int other_key = 0; other_key < 2; other_key++) {
		struct bed bed;

		start(&bed, NULL, NULL);
		bed.a.config->isakmp.identity_hostname = true;
		bed.a.config->hostname = "spoke17";
		if (other_key)
			bed_add_key(bed.b.config, "tuttifrutti", "192.0.2.1/32");
		bed_start(&bed);
		tunnel_up(&bed);
		assert_string_equal(bed.b.tunnels->instances[0]->peer_id, "spoke17");
		move(&bed);
		assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
		bed_run(&bed, 1500);
		assert_int_equal(instances(&bed), 1);
		assert_int_equal(addr_equal(&bed.b.tunnels->instances[0]->peers[0], &bed.a.addr),
				 !other_key);
		if (!other_key)
			assert_true(through(&bed));
		bed_fini(&bed);
	}
}

// Its own overlapping flows are the peer's business.
static void test_several_flows(void **state)
{
	struct bed bed;
	struct bed_params p = {.flows = 4};

	start(&bed, &p, NULL);
	bed_add_ace(bed.a.config, "ACL", "10.1.7.0/24", "10.2.0.0/16");
	bed_start(&bed);
	for (uint32_t policy = 1; policy <= 5; policy++) {
		assert_int_equal(ike_initiate(bed.a.ike, policy), 0);
		bed_run(&bed, 2000);
		assert_true(bed_ping(&bed, &bed.a, &bed.b, policy));
	}
	assert_int_equal(instances(&bed), 5);
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	policies_check(&bed);
	// one of them goes, the others stay
	event(&bed.a, DP_EVENT_HARD_EXPIRE, 3);
	bed_run(&bed, 1000);
	assert_int_equal(instances(&bed), 4);
	policies_check(&bed);
	for (uint32_t policy = 1; policy <= 5; policy++)
		if (policy != 3)
			assert_true(bed_ping(&bed, &bed.a, &bed.b, policy));
	bed_fini(&bed);
}

static void test_limit(void **state)
{
	struct bed bed;
	struct bed_params p = {.flows = 3};

	bed_start(start(&bed, &p, NULL));
	bed.b.tunnels->instance_max = 2;
	for (uint32_t policy = 1; policy <= 3; policy++) {
		assert_int_equal(ike_initiate(bed.a.ike, policy), 0);
		bed_run(&bed, 2000);
		assert_int_equal(bed.a.bound[policy] != 0, policy < 3);
	}
	assert_int_equal(instances(&bed), 2);
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

		start(&bed, NULL, "DACL");
		bed_add_ace(bed.b.config, "DACL", "10.2.0.0/16", "10.0.0.0/8");
		bed_start(&bed);
		tunnel_up(&bed);
		uint32_t policy = instance_policy(&bed);
		m = config_crypto_map(bed.b.config, "MAP", false);
		d = config_crypto_map(bed.b.config, "DYN", true);
		switch (what) {
		case 0: break;
		case 1: template(&bed, 10)->lifetime_s = 600; break;
		case 2:
			static_entry(bed.b.config, "192.0.2.9", "10.2.0.0/16", "10.9.0.0/16");
			break;
		case 3: bed_add_ace(bed.b.config, "DACL", "10.3.0.0/16", "10.1.0.0/16"); break;
		case 4:
			TAILQ_FIRST(&config_acl(bed.b.config, "DACL")->entries)->sel.dst.len = 20;
			break;
		case 5: template(&bed, 10)->pfs = true; break;
		case 6: TAILQ_REMOVE(&d->entries, template(&bed, 10), link); break;
		case 7: TAILQ_INIT(&m->entries); break;
		case 8: TAILQ_FIRST(&bed.b.config->isakmp_keys)->key = "another"; break;
		}
		bed_reconfigure(&bed.b);
		assert_int_equal(instances(&bed), stays);
		bed_run(&bed, 1000);
		if (stays) {
			assert_int_equal(instance_policy(&bed), policy);
			assert_true(through(&bed));
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

	bed_start(start(&bed, NULL, NULL));
	bed.a.refuse_install = true;
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 400);
	assert_int_equal(instances(&bed), 1);
	bed_run(&bed, 60000);
	assert_int_equal(instances(&bed), 0);
	bed.b.refuse_install = true;
	bed.a.refuse_install = false;
	ike_initiate(bed.a.ike, 1);
	bed_run(&bed, 60000);
	assert_int_equal(instances(&bed), 0);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_peer),
		cmocka_unit_test(test_never_initiates),
		cmocka_unit_test(test_access_list),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_several_templates),
		cmocka_unit_test(test_static_first),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_phase1_rekey),
		cmocka_unit_test(test_behind_nat),
		cmocka_unit_test(test_peer_restarts),
		cmocka_unit_test(test_static_overlap),
		cmocka_unit_test(test_moved_peer),
		cmocka_unit_test(test_moved_named_peer),
		cmocka_unit_test(test_several_flows),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_reconfigure),
		cmocka_unit_test(test_unfinished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
