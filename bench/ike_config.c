// The configuration of many initiators, made as objects: parsing it would take longer than the run.
#include <stdio.h>
#include <string.h>

#include "bench_ike.h"

static const char interface[] = "GigabitEthernet0/1";

static void basics(struct config *c, const struct bench_ike_options *o)
{
	struct isakmp_policy *p = arena_alloc(c->arena, sizeof(*p));
	struct isakmp_key *k = arena_alloc(c->arena, sizeof(*k));
	struct transform_set *t = arena_alloc(c->arena, sizeof(*t));
	struct interface_config *i = arena_alloc(c->arena, sizeof(*i));

	*p = (struct isakmp_policy){.priority = 10,
				    .encr = IKE_ENCR_AES,
				    .aes_bits = 128,
				    .hash = IKE_HASH_SHA,
				    .auth = IKE_AUTH_PRE_SHARE,
				    .group = o->group,
				    .lifetime_s = 86400};
	TAILQ_INSERT_TAIL(&c->isakmp_policies, p, link);
	k->key = arena_strdup(c->arena, o->psk);
	k->peer = (struct ip_prefix){o->gateway, 32};
	TAILQ_INSERT_TAIL(&c->isakmp_keys, k, link);
	*t = (struct transform_set){
		.cipher = ESP_CIPHER_AES_CBC, .key_bits = 128, .auth = ESP_AUTH_SHA1};
	snprintf(t->name, sizeof(t->name), "SET");
	TAILQ_INSERT_TAIL(&c->transform_sets, t, link);
	snprintf(i->name, sizeof(i->name), "%s", interface);
	TAILQ_INIT(&i->secondary);
	TAILQ_INIT(&i->standby);
	TAILQ_INIT(&i->ignored);
	i->addr = (struct ip_prefix){o->source, 32};
	snprintf(i->crypto_map, sizeof(i->crypto_map), "BENCH");
	TAILQ_INSERT_TAIL(&c->interfaces, i, link);
}

static void entry_add(struct config *c, const struct bench_ike_options *o, struct crypto_map *m,
		      unsigned n)
{
	struct crypto_map_entry *e = arena_alloc(c->arena, sizeof(*e));
	struct map_peer *peer = arena_alloc(c->arena, sizeof(*peer));
	struct acl *acl = arena_alloc(c->arena, sizeof(*acl));
	struct acl_entry *a = arena_alloc(c->arena, sizeof(*a));

	snprintf(acl->name, sizeof(acl->name), "HOST%u", n);
	TAILQ_INIT(&acl->entries);
	a->seq = 10;
	a->permit = true;
	a->sel.src = (struct ip_prefix){addr_from_v4(0xac100000u + n), 32};
	a->sel.dst = o->net;
	a->sel.sport = a->sel.dport = (struct port_range){0, 65535};
	TAILQ_INSERT_TAIL(&acl->entries, a, link);
	TAILQ_INSERT_TAIL(&c->acls, acl, link);
	e->seq = n + 1;
	TAILQ_INIT(&e->peers);
	TAILQ_INIT(&e->ignored);
	peer->addr = o->gateway;
	TAILQ_INSERT_TAIL(&e->peers, peer, link);
	snprintf(e->acl, sizeof(e->acl), "%s", acl->name);
	snprintf(e->transform_sets[0], sizeof(e->transform_sets[0]), "SET");
	e->transform_set_count = 1;
	TAILQ_INSERT_TAIL(&m->entries, e, link);
}

struct config *bench_ike_config(const struct bench_ike_options *o, unsigned count)
{
	struct config *c = config_create();
	if (!c)
		return NULL;
	struct crypto_map *m = arena_alloc(c->arena, sizeof(*m));
	basics(c, o);
	snprintf(m->name, sizeof(m->name), "BENCH");
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	for (unsigned i = 0; i < count; i++)
		entry_add(c, o, m, i);
	return c;
}
