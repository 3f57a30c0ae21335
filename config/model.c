// The configuration model: its arena, its defaults and its look-ups. It knows no text and no
// subsystem. Deep copies are in model_clone.c.
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct config *config_create(void)
{
	struct arena *arena = arena_create();
	if (arena == NULL)
		return NULL;
	struct config *c = arena_alloc(arena, sizeof(*c));
	if (c == NULL) {
		arena_destroy(arena);
		return NULL;
	}
	c->arena = arena;
	c->hostname = "tandem";
	c->dataplane.workers = 1;
	c->isakmp.keepalive_retry_s = 2;
	c->ipsec.lifetime_s = 3600;
	c->ipsec.lifetime_kb = 4608000;
	c->ipsec.replay_window = 64;
	TAILQ_INIT(&c->isakmp_policies);
	TAILQ_INIT(&c->isakmp_keys);
	TAILQ_INIT(&c->key_chains);
	TAILQ_INIT(&c->transform_sets);
	TAILQ_INIT(&c->acls);
	TAILQ_INIT(&c->crypto_maps);
	TAILQ_INIT(&c->interfaces);
	TAILQ_INIT(&c->routes);
	TAILQ_INIT(&c->tracks);
	TAILQ_INIT(&c->ipc_zones);
	TAILQ_INIT(&c->ssp_groups);
	TAILQ_INIT(&c->ignored);
	return c;
}

void config_destroy(struct config *c)
{
	if (c != NULL)
		arena_destroy(c->arena);
}

int config_string_add(struct config *c, struct config_strings *list, const char *text)
{
	struct config_string *s = arena_alloc(c->arena, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->text = arena_strdup(c->arena, text);
	if (s->text == NULL)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(list, s, link);
	return 0;
}

// Names compare exactly, except interface names, whose canonical spelling is ours.
struct interface_config *config_interface(const struct config *c, const char *name)
{
	struct interface_config *i;
	TAILQ_FOREACH (i, &c->interfaces, link) {
		if (strcasecmp(i->name, name) == 0)
			return i;
	}
	return NULL;
}

struct crypto_map *config_crypto_map(const struct config *c, const char *name, bool dynamic)
{
	struct crypto_map *m;
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		if (m->is_dynamic_template == dynamic && strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

struct crypto_map_entry *crypto_map_entry_get(const struct crypto_map *m, uint32_t seq)
{
	struct crypto_map_entry *e = TAILQ_LAST(&m->entries, crypto_map_entries);

	// Ascending order: a configuration is mostly written that way, too.
	if (e == NULL || e->seq <= seq)
		return e != NULL && e->seq == seq ? e : NULL;
	TAILQ_FOREACH (e, &m->entries, link) {
		if (e->seq == seq)
			return e;
	}
	return NULL;
}

struct acl *config_acl(const struct config *c, const char *name)
{
	struct acl *a;
	TAILQ_FOREACH (a, &c->acls, link) {
		if (strcmp(a->name, name) == 0)
			return a;
	}
	return NULL;
}

struct key_chain *config_key_chain(const struct config *c, const char *name)
{
	struct key_chain *k;
	TAILQ_FOREACH (k, &c->key_chains, link) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

struct transform_set *config_transform_set(const struct config *c, const char *name)
{
	struct transform_set *t;
	TAILQ_FOREACH (t, &c->transform_sets, link) {
		if (strcmp(t->name, name) == 0)
			return t;
	}
	return NULL;
}

const struct isakmp_key *config_isakmp_key(const struct config *c, const struct ip_addr *peer)
{
	const struct isakmp_key *k, *best = NULL;
	TAILQ_FOREACH (k, &c->isakmp_keys, link) {
		if (k->by_hostname || !prefix_contains(&k->peer, peer))
			continue;
		if (best == NULL || k->peer.len > best->peer.len)
			best = k;
	}
	return best;
}
