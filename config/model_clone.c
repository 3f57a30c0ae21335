// A deep copy of a configuration into an arena of its own. Every list element begins with its
// TAILQ link, so one function copies any list and a second one mends what an element owns.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

// Any element, as the list code sees it.
struct any {
	TAILQ_ENTRY(any) link;
};
TAILQ_HEAD(any_list, any);

struct clone {
	struct arena *arena;
	bool failed;  // sticky: an allocation failed
};

typedef void (*mend_fn)(struct clone *c, void *element);

static void mend_string(struct clone *c, const char **text)
{
	if (*text == NULL)
		return;
	*text = arena_strdup(c->arena, *text);
	if (*text == NULL)
		c->failed = true;
}

// head still holds the source's pointers (its struct was copied by value).
static void mend_list(struct clone *c, void *head, size_t size, mend_fn mend)
{
	struct any_list *list = head;
	const struct any *src = TAILQ_FIRST(list);

	TAILQ_INIT(list);
	for (; src != NULL && !c->failed; src = TAILQ_NEXT(src, link)) {
		struct any *e = arena_alloc(c->arena, size);
		if (e == NULL) {
			c->failed = true;
			return;
		}
		memcpy(e, src, size);
		if (mend != NULL)
			mend(c, e);
		TAILQ_INSERT_TAIL(list, e, link);
	}
}

static void mend_config_string(struct clone *c, void *p)
{
	mend_string(c, &((struct config_string *)p)->text);
}

static void mend_strings(struct clone *c, struct config_strings *list)
{
	mend_list(c, list, sizeof(struct config_string), mend_config_string);
}

static void mend_isakmp_key(struct clone *c, void *p)
{
	struct isakmp_key *k = p;
	mend_string(c, &k->key);
	mend_string(c, &k->hostname);
}

static void mend_acl_entry(struct clone *c, void *p)
{
	mend_string(c, &((struct acl_entry *)p)->remark);
}

static void mend_acl(struct clone *c, void *p)
{
	mend_list(c, &((struct acl *)p)->entries, sizeof(struct acl_entry), mend_acl_entry);
}

static void mend_peer(struct clone *c, void *p)
{
	mend_string(c, &((struct map_peer *)p)->hostname);
}

static void mend_map_entry(struct clone *c, void *p)
{
	struct crypto_map_entry *e = p;
	mend_list(c, &e->peers, sizeof(struct map_peer), mend_peer);
	mend_string(c, &e->description);
	mend_strings(c, &e->ignored);
}

static void mend_map(struct clone *c, void *p)
{
	struct crypto_map *m = p;
	mend_list(c, &m->entries, sizeof(struct crypto_map_entry), mend_map_entry);
}

static void mend_standby(struct clone *c, void *p)
{
	struct standby_group *g = p;
	mend_strings(c, &g->secondary);
	mend_string(c, &g->auth_key);
	mend_list(c, &g->tracks, sizeof(struct standby_track), NULL);
}

static void mend_chain_key(struct clone *c, void *p)
{
	mend_string(c, &((struct chain_key *)p)->text);
}

static void mend_key_chain(struct clone *c, void *p)
{
	mend_list(c, &((struct key_chain *)p)->keys, sizeof(struct chain_key), mend_chain_key);
}

static void mend_interface(struct clone *c, void *p)
{
	struct interface_config *i = p;
	mend_string(c, &i->device_arg);
	mend_strings(c, &i->secondary);
	mend_string(c, &i->description);
	mend_list(c, &i->standby, sizeof(struct standby_group), mend_standby);
	mend_strings(c, &i->ignored);
}

static void mend_route(struct clone *c, void *p)
{
	mend_string(c, &((struct static_route *)p)->name);
}

static void mend_track(struct clone *c, void *p)
{
	mend_list(c, &((struct track_config *)p)->members, sizeof(struct track_member), NULL);
}

static void mend_association(struct clone *c, void *p)
{
	struct ipc_association *a = p;
	mend_strings(c, &a->local_ips);
	mend_strings(c, &a->remote_ips);
	mend_string(c, &a->security_arg);
}

static void mend_zone(struct clone *c, void *p)
{
	struct ipc_zone *z = p;
	mend_list(c, &z->associations, sizeof(struct ipc_association), mend_association);
}

struct config *config_clone(const struct config *src)
{
	struct config *dst = config_create();
	if (dst == NULL)
		return NULL;
	struct clone c = {.arena = dst->arena};

	*dst = *src;
	dst->arena = c.arena;
	mend_string(&c, &dst->hostname);
	mend_string(&c, &dst->domain_name);
	mend_string(&c, &dst->dataplane.cores);
	mend_list(&c, &dst->isakmp_policies, sizeof(struct isakmp_policy), NULL);
	mend_list(&c, &dst->isakmp_keys, sizeof(struct isakmp_key), mend_isakmp_key);
	mend_list(&c, &dst->key_chains, sizeof(struct key_chain), mend_key_chain);
	mend_list(&c, &dst->transform_sets, sizeof(struct transform_set), NULL);
	mend_list(&c, &dst->acls, sizeof(struct acl), mend_acl);
	mend_list(&c, &dst->crypto_maps, sizeof(struct crypto_map), mend_map);
	mend_list(&c, &dst->interfaces, sizeof(struct interface_config), mend_interface);
	mend_list(&c, &dst->routes, sizeof(struct static_route), mend_route);
	mend_list(&c, &dst->tracks, sizeof(struct track_config), mend_track);
	mend_list(&c, &dst->ipc_zones, sizeof(struct ipc_zone), mend_zone);
	mend_list(&c, &dst->ssp_groups, sizeof(struct ssp_group), NULL);
	mend_strings(&c, &dst->ignored);
	if (c.failed) {
		arena_destroy(c.arena);
		errno = ENOMEM;
		return NULL;
	}
	return dst;
}
