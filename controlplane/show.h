// What the displays share: names, a snapshot of the SAs, identities in the operators' notation.
// Control thread. Handlers print a bounded piece per call and return CLI_MORE for the rest.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway.h"

#define SHOW_SLICE 32  // SAs, flows or routes printed per call

// A pair of SAs, from IKE or from manual keys.
struct sa_view {
	struct ike_child_info c;
	bool manual;
};

// Everything SA-like at one moment, collected in slices so that ten thousand do not stop the loop.
struct snapshot {
	struct sa_view *sa;
	unsigned sa_count, sa_cap;
	const struct sa_view **by_policy;  // sorted by policy, then age
	struct ike_sa_info *ike;           // sorted by remote, then id
	unsigned ike_count, ike_cap;
	uint32_t after;
	enum { SNAPSHOT_CHILDREN, SNAPSHOT_IKE, SNAPSHOT_DONE } phase;
};
// 1: call again later, 0: complete, or a negative errno.
int snapshot_step(struct gateway *g, struct snapshot *s);
void snapshot_fini(struct snapshot *s);
// First SA of a policy in by_policy, *count of them follow each other. NULL when none.
const struct sa_view *const *snapshot_policy(const struct snapshot *s, uint32_t policy,
					     unsigned *count);
// The IKE SA towards a peer: an established one before others. NULL when none.
const struct ike_sa_info *snapshot_ike(const struct snapshot *s, const struct ip_addr *remote);
// This one of them.
const struct ike_sa_info *snapshot_ike_id(const struct snapshot *s, const struct ip_addr *remote,
					  uint32_t id);

// An instance of a dynamic map as far as one of its SAs tells.
void instance_of_view(const struct sa_view *v, struct tunnel *t, struct tunnel_flow *f);

// A list of counters: an object's members, or a line each.
struct show_counter {
	const char *key, *text;
	uint64_t value;
};
void show_counters(struct cli *cli, struct json *w, const struct show_counter *list, size_t n);

const char *ike_encr_name(enum ike_encr e, uint16_t bits, char *buf, size_t cap);  // "aes 256"
const char *ike_hash_name(enum ike_hash h);                                        // "sha256"
const char *ike_auth_name(enum ike_auth a);                                        // "pre-share"
// show_map.c: an entry of a map or of a dynamic map.
void show_map_entry_text(struct cli *cli, const struct config *c, const struct crypto_map *m,
			 const struct crypto_map_entry *e);
void show_map_entry_json(struct json *w, const struct config *c, const struct crypto_map *m,
			 const struct crypto_map_entry *e, unsigned instances);
// show_dynamic.c
int show_dynamic_map(struct cli *cli, const struct cli_args *args);
// The instances, SHOW_SLICE per call; *after is the place. CLI_MORE or CLI_DONE.
int show_instances(const struct gateway *g, struct cli *cli, const char *map, const char *interface,
		   uint32_t *after);
// "esp-aes 256 esp-sha-hmac"
const char *transform_format(const struct tunnel_proposal *p, char *buf, size_t cap);
// "(10.0.0.0/255.0.0.0/0/0)": address, mask, protocol, port
const char *ident_format(const struct selector *s, bool remote, char *buf, size_t cap);
// redundancy_clear.c: `clear ... active|standby`; what: enum ike_clear, together. 1: neither word
// was given; else what the handler returns.
int clear_replicated(struct cli *cli, const struct cli_args *args, unsigned what);
// "10.0.0.0/255.0.0.0", or the prefix form for IPv6
const char *net_format(const struct ip_prefix *p, char *buf, size_t cap);
const char *duration_format(uint64_t seconds, char *buf, size_t cap);  // "01:02:50", "2d03h"
uint64_t drops_sum(const struct dp_sa_stats *st);
// Zeroes when the SA is unknown or the data plane does not run.
void sa_stats_read(uint32_t sa, struct dp_sa_stats *out);
