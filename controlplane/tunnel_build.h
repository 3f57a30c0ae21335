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
	size_t tunnel_cap, policy_cap;
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

int tunnel_ids_init(struct build *b);
// An id that neither this build nor the previous one uses; 0 = none left.
uint32_t tunnel_id_new(struct build *b);
// The id this flow had before, or a new one. Equal selectors in one entry pair up in order.
uint32_t tunnel_id_for(struct build *b, const struct tunnel *t, const struct selector *sel);
uint32_t tunnel_group_for(struct build *b, const char *interface, const char *map);
