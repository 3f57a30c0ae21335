// Tunnels from crypto maps: completeness, order, deny lines, stable ids, endpoints.

#include "tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *take(struct config *c, size_t len)
{
	void *p = arena_alloc(c->arena, len);
	assert_non_null(p);
	return p;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct selector sel(const char *src, const char *dst)
{
	struct selector s = {.sport = {0, 65535}, .dport = {0, 65535}};
	assert_int_equal(prefix_parse(src, &s.src), 0);
	assert_int_equal(prefix_parse(dst, &s.dst), 0);
	return s;
}

static struct interface_config *add_interface(struct config *c, const char *name, const char *ip,
					      const char *map)
{
	struct interface_config *i = take(c, sizeof(*i));
	snprintf(i->name, sizeof(i->name), "%s", name);
	if (ip)
		assert_int_equal(prefix_parse(ip, &i->addr), 0);
	if (map)
		snprintf(i->crypto_map, sizeof(i->crypto_map), "%s", map);
	TAILQ_INIT(&i->secondary);
	TAILQ_INIT(&i->standby);
	TAILQ_INSERT_TAIL(&c->interfaces, i, link);
	return i;
}

static struct acl *add_acl(struct config *c, const char *name)
{
	struct acl *a = take(c, sizeof(*a));
	snprintf(a->name, sizeof(a->name), "%s", name);
	TAILQ_INIT(&a->entries);
	TAILQ_INSERT_TAIL(&c->acls, a, link);
	return a;
}

static void add_line(struct config *c, struct acl *acl, uint32_t seq, bool permit, const char *src,
		     const char *dst)
{
	struct acl_entry *e = take(c, sizeof(*e));
	e->seq = seq;
	e->permit = permit;
	e->sel = sel(src, dst);
	TAILQ_INSERT_TAIL(&acl->entries, e, link);
}

static struct crypto_map *add_map(struct config *c, const char *name)
{
	struct crypto_map *m = take(c, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", name);
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	return m;
}

static void add_peer(struct config *c, struct crypto_map_entry *e, const char *ip, bool is_default)
{
	struct map_peer *p = take(c, sizeof(*p));
	p->addr = addr(ip);
	p->is_default = is_default;
	TAILQ_INSERT_TAIL(&e->peers, p, link);
}

static struct crypto_map_entry *add_entry(struct config *c, struct crypto_map *m, uint32_t seq,
					  const char *peer, const char *acl)
{
	struct crypto_map_entry *e = take(c, sizeof(*e));
	e->seq = seq;
	TAILQ_INIT(&e->peers);
	if (peer)
		add_peer(c, e, peer, false);
	if (acl)
		snprintf(e->acl, sizeof(e->acl), "%s", acl);
	snprintf(e->transform_sets[0], CONFIG_NAME_MAX, "SET");
	e->transform_set_count = 1;
	TAILQ_INSERT_TAIL(&m->entries, e, link);
	return e;
}

// Two entries on one interface; the first ACL has a deny line between two permits.
static struct config *sample(void)
{
	struct config *c = config_create();
	assert_non_null(c);
	struct transform_set *s = take(c, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "SET");
	s->cipher = ESP_CIPHER_AES_CBC;
	s->key_bits = 128;
	s->auth = ESP_AUTH_SHA1;
	TAILQ_INSERT_TAIL(&c->transform_sets, s, link);
	struct acl *a = add_acl(c, "A");
	add_line(c, a, 10, true, "10.1.0.0/24", "10.2.0.0/24");
	add_line(c, a, 20, false, "10.1.0.0/16", "10.2.9.0/24");
	add_line(c, a, 30, true, "10.1.0.0/16", "10.2.0.0/16");
	struct acl *b = add_acl(c, "B");
	add_line(c, b, 10, true, "10.1.0.0/16", "10.2.0.0/16");
	struct crypto_map *m = add_map(c, "M");
	add_entry(c, m, 10, "192.0.2.1", "A");
	add_entry(c, m, 20, "192.0.2.2", "B");
	add_interface(c, "GigabitEthernet0/0", "198.51.100.1/24", NULL);
	add_interface(c, "GigabitEthernet0/1", "203.0.113.1/24", "M");
	return c;
}

struct said {
	unsigned n;
	char last[256];
};

static void hear(void *ctx, const char *text)
{
	struct said *s = ctx;
	s->n++;
	snprintf(s->last, sizeof(s->last), "%s", text);
}

static struct tunnels *build(const struct config *c, const struct tunnels *previous, struct said *s)
{
	struct tunnels *t = tunnels_build(c, previous, NULL, NULL, hear, s);
	assert_non_null(t);
	return t;
}

static void test_order_and_deny(void **state)
{
	struct config *c = sample();
	struct said said = {0};
	struct tunnels *t = build(c, NULL, &said);

	assert_int_equal(said.n, 0);
	assert_int_equal(t->count, 2);
	assert_int_equal(t->policy_count, 4);
	assert_int_equal(t->all[0]->flow_count, 2);
	assert_true(t->all[0]->complete);
	assert_int_equal(t->all[0]->group, t->all[1]->group);
	for (size_t i = 1; i < t->policy_count; i++)
		assert_true(t->policies[i].order > t->policies[i - 1].order);
	// the deny line leads past the rest of its entry, to the first rule of the next one
	assert_int_equal(t->policies[1].action, DP_POLICY_SKIP);
	assert_int_equal(t->policies[1].next_order, t->policies[3].order);
	assert_int_equal(t->policies[0].action, DP_POLICY_PROTECT);
	assert_true(addr_equal(&t->all[0]->local, &(struct ip_addr){4, {203, 0, 113, 1}}));
	assert_int_equal(t->all[0]->lifetime_s, c->ipsec.lifetime_s);
	assert_int_equal(t->all[0]->replay_window, c->ipsec.replay_window);
	for (size_t i = 0; i < t->policy_count; i++) {
		const struct tunnel_flow *f = tunnels_flow(t, t->policies[i].id);
		assert_int_equal(f != NULL, t->policies[i].action == DP_POLICY_PROTECT);
		if (f)
			assert_int_equal(f->policy, t->policies[i].id);
	}
	assert_null(tunnels_flow(t, 0));
	assert_null(tunnels_flow(t, DP_POLICY_MAX));
	tunnels_destroy(t);
	config_destroy(c);
}

static uint32_t id_of(const struct tunnels *t, const char *interface, uint32_t seq,
		      const struct selector *s)
{
	for (unsigned i = 0; i < t->count; i++)
		for (unsigned f = 0; f < t->all[i]->flow_count; f++)
			if (t->all[i]->seq == seq && strcmp(t->all[i]->interface, interface) == 0 &&
			    selector_equal(&t->all[i]->flows[f].sel, s))
				return t->all[i]->flows[f].policy;
	return 0;
}

static void test_ids_are_stable(void **state)
{
	struct config *c = sample();
	struct said said = {0};
	struct tunnels *t = build(c, NULL, &said);
	struct selector first = sel("10.1.0.0/24", "10.2.0.0/24");
	struct selector wide = sel("10.1.0.0/16", "10.2.0.0/16");
	uint32_t ids[3] = {id_of(t, "GigabitEthernet0/1", 10, &first),
			   id_of(t, "GigabitEthernet0/1", 10, &wide),
			   id_of(t, "GigabitEthernet0/1", 20, &wide)};
	assert_true(ids[0] && ids[1] && ids[2]);
	assert_int_not_equal(ids[1], ids[2]);

	// a new line in front, a line gone, and the map on a second interface
	struct acl *a = config_acl(c, "A");
	struct acl_entry *gone = TAILQ_FIRST(&a->entries);
	struct selector fresh = sel("10.9.0.0/24", "10.2.0.0/24");
	TAILQ_REMOVE(&a->entries, gone, link);
	add_line(c, a, 40, true, "10.9.0.0/24", "10.2.0.0/24");
	add_interface(c, "GigabitEthernet0/2", "203.0.113.129/25", "M");
	struct tunnels *u = build(c, t, &said);
	assert_int_equal(u->count, 4);
	assert_int_equal(id_of(u, "GigabitEthernet0/1", 10, &wide), ids[1]);
	assert_int_equal(id_of(u, "GigabitEthernet0/1", 20, &wide), ids[2]);
	assert_int_equal(u->all[0]->group, t->all[0]->group);
	assert_int_not_equal(u->all[2]->group, u->all[0]->group);
	// nothing new takes an id that still meant something else a moment ago
	uint32_t n = id_of(u, "GigabitEthernet0/1", 10, &fresh);
	for (size_t i = 0; i < t->policy_count; i++)
		assert_int_not_equal(n, t->policies[i].id);
	// and all ids differ
	for (size_t i = 0; i < u->policy_count; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(u->policies[i].id, u->policies[k].id);
	tunnels_destroy(t);
	tunnels_destroy(u);
	config_destroy(c);
}

static void test_equal_lines_keep_apart(void **state)
{
	struct config *c = sample();
	struct said said = {0};
	add_line(c, config_acl(c, "B"), 20, true, "10.1.0.0/16", "10.2.0.0/16");
	struct tunnels *t = build(c, NULL, &said), *u = build(c, t, &said);
	assert_int_equal(t->all[1]->flow_count, 2);
	for (unsigned f = 0; f < 2; f++)
		assert_int_equal(t->all[1]->flows[f].policy, u->all[1]->flows[f].policy);
	assert_int_not_equal(u->all[1]->flows[0].policy, u->all[1]->flows[1].policy);
	tunnels_destroy(t);
	tunnels_destroy(u);
	config_destroy(c);
}

// An entry without traffic to select is left out. One that has it but cannot negotiate drops it:
// nothing leaves in clear while an operator changes the peer line by line.
static void test_incomplete_entries(void **state)
{
	static const struct {
		const char *say;
		int what;
	} cases[] = {
		{"no peer", 0},          {"no access list", 1},   {"does not exist", 2},
		{"no transform set", 3}, {"no local address", 4}, {"fits the local address", 5},
		{"session key", 6},      {"dynamic map", 7},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = sample();
		struct said said = {0};
		struct crypto_map *m = config_crypto_map(c, "M", false);
		struct crypto_map_entry *e = crypto_map_entry_get(m, 10);
		struct crypto_map_entry *other = crypto_map_entry_get(m, 20);
		TAILQ_REMOVE(&m->entries, other, link);
		struct interface_config *ifc = config_interface(c, "GigabitEthernet0/1");
		switch (cases[i].what) {
		case 0: TAILQ_INIT(&e->peers); break;
		case 1: e->acl[0] = '\0'; break;
		case 2: snprintf(e->acl, sizeof(e->acl), "NONE"); break;
		case 3: e->transform_set_count = 0; break;
		case 4: ifc->addr = (struct ip_prefix){0}; break;
		case 5:
			TAILQ_INIT(&e->peers);
			add_peer(c, e, "2001:db8::1", false);
			break;
		case 6: e->kind = MAP_IPSEC_MANUAL; break;
		case 7: snprintf(e->dynamic_map, sizeof(e->dynamic_map), "D"); break;
		}
		struct tunnels *t = build(c, NULL, &said);
		bool selects = cases[i].what != 1 && cases[i].what != 2 && cases[i].what != 7;
		assert_int_equal(t->count, selects);
		assert_int_equal(t->policy_count, selects ? 3 : 0);
		if (selects) {
			assert_false(t->all[0]->complete);
			assert_int_equal(t->policies[0].action, DP_POLICY_PROTECT);
		}
		assert_int_equal(said.n, 1);
		assert_non_null(strstr(said.last, cases[i].say));
		assert_non_null(strstr(said.last, selects ? "drops the traffic" : "left out"));
		tunnels_destroy(t);
		config_destroy(c);
	}
}

static uint32_t port_of(void *ctx, const char *interface)
{
	return strcmp(interface, "GigabitEthernet0/1") == 0 ? 7 : 0;
}

static void test_resolution(void **state)
{
	struct config *c = sample();
	struct crypto_map *m = config_crypto_map(c, "M", false);
	struct crypto_map_entry *e = crypto_map_entry_get(m, 10);
	struct interface_config *lo = add_interface(c, "Loopback0", "192.0.2.100/32", NULL);
	snprintf(m->local_interface, sizeof(m->local_interface), "%s", lo->name);
	add_peer(c, e, "192.0.2.9", true);
	e->lifetime_s = 600;
	e->replay_set = true;
	e->replay_window = 0;
	e->pfs = true;
	e->pfs_group = 14;
	c->ipsec.df_bit = DF_BIT_SET;
	struct tunnels *t = tunnels_build(c, NULL, port_of, NULL, NULL, NULL);
	assert_non_null(t);
	const struct tunnel *x = t->all[0];
	assert_int_equal(x->port, 7);
	assert_true(addr_equal(&x->local, &lo->addr.addr));
	assert_int_equal(x->peer_count, 2);
	struct ip_addr want = addr("192.0.2.9");
	assert_true(addr_equal(&x->peers[0], &want));  // the default peer first
	assert_int_equal(x->lifetime_s, 600);
	assert_int_equal(x->lifetime_kb, c->ipsec.lifetime_kb);
	assert_int_equal(x->replay_window, 0);
	assert_int_equal(x->pfs_group, 14);
	assert_int_equal(x->df, 2);
	assert_int_equal(t->all[1]->replay_window, c->ipsec.replay_window);
	tunnels_destroy(t);
	config_destroy(c);
}

static void test_missing_map(void **state)
{
	struct config *c = sample();
	struct said said = {0};
	snprintf(config_interface(c, "GigabitEthernet0/1")->crypto_map, CONFIG_NAME_MAX, "X");
	struct tunnels *t = build(c, NULL, &said);
	assert_int_equal(t->count, 0);
	assert_non_null(strstr(said.last, "does not exist"));
	tunnels_destroy(t);
	config_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_deny),
		cmocka_unit_test(test_ids_are_stable),
		cmocka_unit_test(test_equal_lines_keep_apart),
		cmocka_unit_test(test_incomplete_entries),
		cmocka_unit_test(test_resolution),
		cmocka_unit_test(test_missing_map),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
