// Configurations for tests of the IKE engine, built as structs.

#include "ike_bed_config.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
	if (!ok)
		abort();
}

void bed_add_policy(struct config *c, uint32_t priority, enum ike_encr encr, uint16_t bits,
		    enum ike_hash hash, uint16_t group, uint32_t life_s)
{
	struct isakmp_policy *p = arena_alloc(c->arena, sizeof(*p));

	*p = (struct isakmp_policy){.priority = priority,
				    .encr = encr,
				    .aes_bits = bits,
				    .hash = hash,
				    .auth = IKE_AUTH_PRE_SHARE,
				    .group = group,
				    .lifetime_s = life_s ? life_s : 86400};
	TAILQ_INSERT_TAIL(&c->isakmp_policies, p, link);
}

void bed_add_key(struct config *c, const char *key, const char *prefix)
{
	struct isakmp_key *k = arena_alloc(c->arena, sizeof(*k));

	k->key = arena_strdup(c->arena, key);
	must(prefix_parse(prefix, &k->peer) == 0);
	TAILQ_INSERT_TAIL(&c->isakmp_keys, k, link);
}

void bed_add_set(struct config *c, const char *name, enum esp_cipher cipher, uint16_t bits,
		 enum esp_auth auth, bool transport)
{
	struct transform_set *t = arena_alloc(c->arena, sizeof(*t));

	strcpy(t->name, name);
	t->cipher = cipher;
	t->key_bits = bits;
	t->auth = auth;
	t->transport = transport;
	t->gcm_icv = cipher == ESP_CIPHER_AES_GCM ? 16 : 0;
	TAILQ_INSERT_TAIL(&c->transform_sets, t, link);
}

void bed_add_ace(struct config *c, const char *name, const char *src, const char *dst)
{
	struct acl *acl = config_acl(c, name);
	struct acl_entry *e = arena_alloc(c->arena, sizeof(*e)), *last;
	uint32_t seq = 10;

	if (!acl) {
		acl = arena_alloc(c->arena, sizeof(*acl));
		strcpy(acl->name, name);
		TAILQ_INIT(&acl->entries);
		TAILQ_INSERT_TAIL(&c->acls, acl, link);
	}
	TAILQ_FOREACH (last, &acl->entries, link)
		seq = last->seq + 10;
	e->seq = seq;
	e->permit = true;
	e->sel.sport = e->sel.dport = (struct port_range){0, 65535};
	must(prefix_parse(src, &e->sel.src) == 0);
	must(prefix_parse(dst, &e->sel.dst) == 0);
	TAILQ_INSERT_TAIL(&acl->entries, e, link);
}

struct config *bed_config(const struct bed_params *p, const struct ip_addr *self,
			  const struct ip_addr *peer, const char *psk, bool mirror)
{
	static const char *const nets[][2] = {{"10.1.0.0/16", "10.2.0.0/16"},
					      {"10.3.0.0/16", "10.2.0.0/16"},
					      {"10.1.0.0/16", "10.4.0.0/24"},
					      {"10.3.0.0/16", "10.4.0.0/24"}};
	struct config *c = config_create();
	char prefix[PREFIX_STR_MAX];
	struct ip_prefix host = {*peer, 32};

	must(c != NULL);
	bed_add_policy(c, 10, IKE_ENCR_AES, 128, IKE_HASH_SHA256, 19, p->ike_life_s);
	bed_add_key(c, psk ? psk : "tuttifrutti", prefix_format(&host, prefix, sizeof(prefix)));
	bed_add_set(c, "SET", ESP_CIPHER_AES_CBC, 128, ESP_AUTH_SHA1, p->transport);
	for (unsigned i = 0; i < (p->flows ? p->flows : 1); i++)
		bed_add_ace(c, "ACL", nets[i][mirror], nets[i][!mirror]);
	c->isakmp.keepalive_set = p->keepalive_s != 0;
	c->isakmp.keepalive_s = p->keepalive_s;
	c->isakmp.keepalive_retry_s = 2;
	c->isakmp.keepalive_periodic = p->keepalive_periodic;
	if (p->child_life_s)
		c->ipsec.lifetime_s = p->child_life_s;

	struct crypto_map *m = arena_alloc(c->arena, sizeof(*m));
	struct crypto_map_entry *e = arena_alloc(c->arena, sizeof(*e));
	struct map_peer *mp = arena_alloc(c->arena, sizeof(*mp));
	struct interface_config *ifc = arena_alloc(c->arena, sizeof(*ifc));

	strcpy(m->name, "MAP");
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	e->seq = 10;
	TAILQ_INIT(&e->peers);
	TAILQ_INSERT_TAIL(&m->entries, e, link);
	mp->addr = *peer;
	TAILQ_INSERT_TAIL(&e->peers, mp, link);
	strcpy(e->acl, "ACL");
	strcpy(e->transform_sets[0], "SET");
	e->transform_set_count = 1;
	e->pfs = p->pfs;
	e->pfs_group = 19;
	strcpy(ifc->name, "GigabitEthernet0/1");
	TAILQ_INIT(&ifc->secondary);
	TAILQ_INIT(&ifc->standby);
	ifc->addr = (struct ip_prefix){*self, 24};
	strcpy(ifc->crypto_map, "MAP");
	TAILQ_INSERT_TAIL(&c->interfaces, ifc, link);
	return c;
}
