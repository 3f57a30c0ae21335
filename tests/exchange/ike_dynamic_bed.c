// See ike_dynamic_bed.h.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ike_dynamic_bed.h"

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

struct crypto_map_entry *dyn_entry_add(struct config *c, struct crypto_map *m, uint32_t seq,
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
	e = dyn_entry_add(c, m, 20, NULL, NULL);
	snprintf(e->dynamic_map, sizeof(e->dynamic_map), "DYN");
	return dyn_entry_add(c, map_add(c, "DYN", true), 10, "SET", acl);
}

void dyn_static_entry(struct config *c, const char *peer, const char *src, const char *dst)
{
	struct crypto_map *m = config_crypto_map(c, "MAP", false);
	struct crypto_map_entry *e = dyn_entry_add(c, m, 30, "SET", "OTHER");
	struct map_peer *p = arena_alloc(c->arena, sizeof(*p));

	addr_parse(peer, &p->addr);
	TAILQ_INSERT_TAIL(&e->peers, p, link);
	bed_add_ace(c, "OTHER", src, dst);
}

struct bed *dyn_start(struct bed *bed, const struct bed_params *p, const char *acl)
{
	bed_init(bed, 7, p);
	gateway_config(bed->b.config, acl);
	return bed;
}

struct crypto_map_entry *dyn_template(struct bed *bed, uint32_t seq)
{
	return crypto_map_entry_get(config_crypto_map(bed->b.config, "DYN", true), seq);
}

// ---- looking at the gateway ------------------------------------------------------------------
uint32_t dyn_policy(const struct bed *bed)
{
	const struct tunnel *t = tunnels_instance_next(bed->b.tunnels, 0);

	return t ? t->flows[0].policy : 0;
}

unsigned dyn_instances(const struct bed *bed)
{
	return bed->b.tunnels->instance_count;
}

// Exactly one policy per instance, of the group of the template.
void dyn_policies_check(const struct bed *bed)
{
	const struct tunnels *t = bed->b.tunnels;

	for (unsigned i = 0; i < t->instance_count; i++) {
		const struct dp_policy p = tunnel_instance_policy(t->instances[i]);
		unsigned n = 0;

		for (size_t k = 0; k < t->policy_count; k++) {
			assert_int_not_equal(t->policies[k].id, p.id);
			n += t->policies[k].anchor && t->policies[k].id == t->instances[i]->anchor;
		}
		assert_int_equal(n, 1);
		assert_int_equal(p.group, t->instances[i]->template->group);
		assert_true(selector_equal(&p.sel, &t->instances[i]->flows[0].sel));
	}
}

bool dyn_through(struct bed *bed)
{
	uint32_t policy = dyn_policy(bed);

	dyn_policies_check(bed);
	return bed->a.bound[1] && policy && bed_ping(bed, &bed->a, &bed->b, 1) &&
	       bed_ping(bed, &bed->b, &bed->a, policy);
}

void dyn_up(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, dyn_through));
	bed->lost = 0;
}

void dyn_refused(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	bed_run(bed, 5000);
	assert_int_equal(bed_ike_count(&bed->b, true), 1);
	assert_int_equal(bed_child_count(&bed->b, false), 0);
	assert_int_equal(bed->a.bound[1], 0);
}

void dyn_pings(struct bed *bed, uint64_t ms, unsigned every_ms)
{
	for (uint64_t t = 0; t < ms; t += every_ms) {
		assert_true(dyn_through(bed));
		bed_run(bed, every_ms);
	}
}

void dyn_event(struct bed_end *e, enum dp_event_type type, uint32_t policy)
{
	struct dp_event ev = {.type = type, .sa = e->bound[policy], .policy = policy};

	ike_event(e->ike, &ev);
}
