// What the files that build tunnels share: tunnel.c, tunnel_ids.c, tunnel_dynamic.c. Private.
#pragma once

#include "tunnel.h"

// One flow of the previous build, sorted for look-up.
struct old_flow {
	const struct tunnel_flow *flow;
	bool taken;
};

struct build {
	const struct config *c;
	const struct tunnels *previous;
	uint32_t (*port_of)(void *ctx, const char *interface);
	void *port_ctx;
	void (*warn)(void *ctx, const char *text);
	void *warn_ctx;
	struct tunnels *out;
	size_t tunnel_cap;
	struct old_flow *old;
	size_t old_count;
	const struct acl **acls;  // sorted by name: each of thousands of entries asks for one
	size_t acl_count;
	uint8_t *used;     // bitmap of policy ids in use, now or before
	uint32_t next_id;  // search hint
	uint32_t next_group;
	uint32_t order;  // within the group being built
	size_t pending;  // SKIP policies from here on still need next_order
	int failed;
};

void tunnel_warn(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A new policy at the end of b->out->policies, its order counted on; NULL without memory.
struct dp_policy *tunnel_policy_add(struct build *b);
const struct acl *tunnel_acl_find(const struct build *b, const char *name);
// An entry of a map, or (dynamic not NULL) of the dynamic map that it refers to.
struct tunnel *tunnel_new(struct build *b, const struct interface_config *ifc,
			  const struct crypto_map *m, const struct crypto_map_entry *e,
			  const struct crypto_map_entry *dynamic);
void tunnel_free(struct tunnel *t);
int tunnel_flows(struct build *b, struct tunnel *t, const struct acl *acl);
int tunnel_keep(struct build *b, struct tunnel *t);
bool selector_families_agree(const struct selector *s);

// tunnel_dynamic.c: the templates of an entry; instances of the previous build.
void tunnel_templates_build(struct build *b, const struct interface_config *ifc,
			    const struct crypto_map *m, const struct crypto_map_entry *e,
			    uint32_t group);
int tunnel_instances_carry(struct build *b);
// tunnel_instance.c: one with this id.
int tunnel_instance_put(struct tunnels *t, const struct tunnel *template,
			const struct ip_addr *peer, const struct selector *sel, uint32_t policy);
bool prefixes_overlap(const struct ip_prefix *a, const struct ip_prefix *b);

int tunnel_ids_init(struct build *b);
// The anchor that the templates of this map entry had before, or a new id.
uint32_t tunnel_anchor_for(struct build *b, const char *interface, const char *map, uint32_t seq);
// An id that neither this build nor the previous one uses; 0 = none left.
uint32_t tunnel_id_new(struct build *b);
// The id this flow had before, or a new one. Equal selectors in one entry pair up in order.
uint32_t tunnel_id_for(struct build *b, const struct tunnel *t, const struct selector *sel);
uint32_t tunnel_group_for(struct build *b, const char *interface, const char *map);
