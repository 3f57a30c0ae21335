// Manual keys: which configurations are refused and why, and what becomes of the good ones.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway.h"

struct gateway gateway = {.manual = TAILQ_HEAD_INITIALIZER(gateway.manual),
			  .warnings = STAILQ_HEAD_INITIALIZER(gateway.warnings)};

// ---- the data plane, remembering -------------------------------------------------------------
static struct dp_sa added[16];
static unsigned adds, dels, binds;
static int refuse;

bool dp_running(void)
{
	return true;
}
int dp_sa_add(const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	if (refuse)
		return err_set(err, refuse, "refused");
	added[adds] = *p;
	*sa = ++adds;
	return 0;
}
int dp_sa_del(uint32_t sa)
{
	dels++;
	return 0;
}
int dp_policy_bind(uint32_t policy, uint32_t sa)
{
	binds++;
	return 0;
}
void apply_warn(struct gateway *g, const char *fmt, ...)
{
}

// ---- a configuration -------------------------------------------------------------------------
static struct crypto_map_entry *entry;
static struct transform_set *set;
static struct acl *acl;
static struct session_key *keys[2];

static void line(struct config *c, const char *dst)
{
	struct acl_entry *e = arena_alloc(c->arena, sizeof(*e));
	e->permit = true;
	e->sel = (struct selector){.sport = {0, 65535}, .dport = {0, 65535}};
	prefix_parse("10.1.0.0/24", &e->sel.src);
	prefix_parse(dst, &e->sel.dst);
	TAILQ_INSERT_TAIL(&acl->entries, e, link);
}

static struct config *sample(void)
{
	struct config *c = config_create();
	assert_non_null(c);
	set = arena_alloc(c->arena, sizeof(*set));
	snprintf(set->name, sizeof(set->name), "SET");
	set->cipher = ESP_CIPHER_AES_CBC;
	set->key_bits = 128;
	set->auth = ESP_AUTH_SHA1;
	TAILQ_INSERT_TAIL(&c->transform_sets, set, link);
	acl = arena_alloc(c->arena, sizeof(*acl));
	snprintf(acl->name, sizeof(acl->name), "A");
	TAILQ_INIT(&acl->entries);
	TAILQ_INSERT_TAIL(&c->acls, acl, link);
	line(c, "10.2.0.0/24");
	struct crypto_map *m = arena_alloc(c->arena, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "M");
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	entry = arena_alloc(c->arena, sizeof(*entry));
	entry->seq = 10;
	entry->kind = MAP_IPSEC_MANUAL;
	TAILQ_INIT(&entry->peers);
	struct map_peer *p = arena_alloc(c->arena, sizeof(*p));
	addr_parse("192.0.2.2", &p->addr);
	TAILQ_INSERT_TAIL(&entry->peers, p, link);
	snprintf(entry->acl, sizeof(entry->acl), "A");
	snprintf(entry->transform_sets[0], CONFIG_NAME_MAX, "SET");
	entry->transform_set_count = 1;
	keys[0] = &entry->key_in;
	keys[1] = &entry->key_out;
	for (int i = 0; i < 2; i++) {
		keys[i]->set = true;
		keys[i]->spi = 300 + (uint32_t)i;
		keys[i]->cipher_key_len = 16;
		keys[i]->auth_key_len = 20;
		for (int b = 0; b < 64; b++) {
			keys[i]->cipher_key[b] = (uint8_t)(b * 7 + 3 + i);
			keys[i]->auth_key[b] = (uint8_t)(b * 11 + 5 + i);
		}
	}
	TAILQ_INSERT_TAIL(&m->entries, entry, link);
	struct interface_config *ifc = arena_alloc(c->arena, sizeof(*ifc));
	snprintf(ifc->name, sizeof(ifc->name), "GigabitEthernet0/1");
	snprintf(ifc->crypto_map, sizeof(ifc->crypto_map), "M");
	prefix_parse("192.0.2.1/24", &ifc->addr);
	TAILQ_INIT(&ifc->secondary);
	TAILQ_INSERT_TAIL(&c->interfaces, ifc, link);
	return c;
}

static void test_refusals(void **state)
{
	static const struct {
		const char *say;
	} cases[] = {{"SPI must be 256"},
		     {"cipher key has 24 bytes"},
		     {"authenticator key has 16"},
		     {"one repeated byte"},
		     {"weak DES key"},
		     {"repeats a part"},
		     {"combined mode"},
		     {"no authentication"},
		     {"more than 4 permit"},
		     {"one interface only"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = sample();
		struct err err = {0};
		static const uint8_t weak[8] = {0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe};
		switch (i) {
		case 0: keys[1]->spi = 255; break;
		case 1: keys[0]->cipher_key_len = 24; break;
		case 2: keys[0]->auth_key_len = 16; break;
		case 3: memset(keys[1]->auth_key, 0xaa, 64); break;
		case 4:
			set->cipher = ESP_CIPHER_DES;
			keys[0]->cipher_key_len = keys[1]->cipher_key_len = 8;
			memcpy(keys[1]->cipher_key, weak, 8);
			break;
		case 5:
			set->cipher = ESP_CIPHER_3DES;
			keys[0]->cipher_key_len = keys[1]->cipher_key_len = 24;
			memcpy(keys[0]->cipher_key + 8, keys[0]->cipher_key, 8);
			break;
		case 6: set->cipher = ESP_CIPHER_AES_GCM; break;
		case 7: set->auth = ESP_AUTH_NONE; break;
		case 8:
			for (int n = 0; n < 4; n++)
				line(c, "10.3.0.0/24");
			break;
		case 9: {
			struct interface_config *o = arena_alloc(c->arena, sizeof(*o));
			*o = *TAILQ_FIRST(&c->interfaces);
			snprintf(o->name, sizeof(o->name), "GigabitEthernet0/2");
			TAILQ_INIT(&o->secondary);
			TAILQ_INSERT_TAIL(&c->interfaces, o, link);
			break;
		}
		}
		assert_true(manual_sa_validate(c, &err) < 0);
		if (!strstr(err.msg, cases[i].say))
			fail_msg("case %zu: %s", i, err.msg);
		assert_non_null(strstr(err.msg, "Crypto map M 10"));
		config_destroy(c);
	}
}

static void test_good_one_is_installed_once(void **state)
{
	struct config *c = sample();
	struct err err = {0};
	assert_int_equal(manual_sa_validate(c, &err), 0);
	struct tunnels *t = tunnels_build(c, NULL, NULL, NULL, NULL, NULL);
	assert_int_equal(t->count, 1);
	assert_int_equal(manual_sa_apply(&gateway, t, &err), 0);
	assert_int_equal(adds, 2);
	assert_int_equal(binds, 1);
	assert_int_equal(added[0].dir, DP_IN);
	assert_int_equal(added[0].spi, 300);
	assert_int_equal(added[0].replay_window, 0);  // RFC 4303 2.2: none with manual keys
	assert_int_equal(added[1].dir, DP_OUT);
	assert_int_equal(added[1].spi, 301);
	assert_int_equal(added[1].next, 1);
	assert_true(added[1].iv_prefix << 24 == 0);
	assert_memory_equal(added[1].key, keys[1]->cipher_key, 16);
	assert_memory_equal(added[1].auth_key, keys[1]->auth_key, 20);
	assert_int_equal(added[0].pair, added[1].pair);

	// applied again: nothing moves
	struct tunnels *u = tunnels_build(c, t, NULL, NULL, NULL, NULL);
	assert_int_equal(manual_sa_apply(&gateway, u, &err), 0);
	assert_int_equal(adds, 2);
	assert_int_equal(dels, 0);

	// another key: replaced
	keys[1]->cipher_key[0] ^= 1;
	struct tunnels *v = tunnels_build(c, u, NULL, NULL, NULL, NULL);
	assert_int_equal(manual_sa_apply(&gateway, v, &err), 0);
	assert_int_equal(adds, 4);
	assert_int_equal(dels, 2);

	// refused by the data plane: said, not fatal, and tried again with the next commit
	manual_sa_clear(&gateway);
	assert_int_equal(dels, 4);
	refuse = -95;
	assert_int_equal(manual_sa_apply(&gateway, v, &err), 0);
	assert_true(TAILQ_EMPTY(&gateway.manual));
	refuse = 0;
	assert_int_equal(manual_sa_apply(&gateway, v, &err), 0);
	assert_int_equal(adds, 6);
	manual_sa_clear(&gateway);
	tunnels_destroy(t);
	tunnels_destroy(u);
	tunnels_destroy(v);
	config_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_good_one_is_installed_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
