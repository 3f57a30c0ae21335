// Tunnels: what the crypto maps of a configuration mean, resolved.
//
// A tunnel = one map entry on one interface that bears the map (`crypto map M` there): local and
// peer addresses, proposals, lifetimes. A flow = one permit line of its ACL = one data-plane
// policy. Policy ids are stable while (interface, map, sequence, selector) stays, so a commit
// that does not touch a tunnel leaves its SAs alone.
// Built by the control thread from a committed configuration; objects are borrowed by IKE, which
// must drop them in tunnels_changed (ike_configure). Thread: control thread.
//
// Dynamic maps: `crypto map M N ipsec-isakmp dynamic D` gives one template per entry of D, in the
// order of their numbers. A template answers peers and never calls them. What its access list
// selects is dropped while no instance protects it. An instance is what an accepted proposal made
// of a template: one peer, one flow. Instances come and go while the tunnels stand, and are taken
// over by the next build if their template still allows them. (interface, map, seq, dynamic_map,
// dynamic_seq, peer, selector) say all that is needed to make one again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "dp.h"
#include "err.h"
#include "model.h"

struct tunnel;

struct tunnel_flow {
	uint32_t policy;      // data-plane policy id, unique, stable
	uint32_t ace_seq;     // line of the ACL
	struct selector sel;  // outbound direction
	struct tunnel *tunnel;
};

struct tunnel_proposal {  // one transform set, resolved
	char name[CONFIG_NAME_MAX];
	enum esp_cipher cipher;
	uint16_t key_bits;
	uint8_t gcm_icv;
	enum esp_auth auth;
	bool transport;
};

enum tunnel_role { TUNNEL_STATIC, TUNNEL_TEMPLATE, TUNNEL_INSTANCE };

struct tunnel_ace {
	bool permit;
	struct selector sel;
};

struct tunnel {
	enum tunnel_role role;
	char map[CONFIG_NAME_MAX];
	uint32_t seq;
	enum map_kind kind;
	bool complete;  // false: its policies stand, but no SA is made: the traffic is dropped
	// A standby box's: incomplete and without peers until the role comes. What it is then:
	bool rests, awake_complete;
	unsigned awake_peers;
	char interface[CONFIG_NAME_MAX];
	uint32_t group;  // data-plane policy group of (map, interface)
	uint32_t port;   // data-plane port, 0 when the interface has none yet
	struct ip_addr
		local;  // our endpoint (interface address, local-address, later the virtual one)
	struct ip_addr peers[16];
	unsigned peer_count;
	struct tunnel_proposal proposals[6];
	unsigned proposal_count;
	bool pfs;
	uint16_t pfs_group;
	uint32_t lifetime_s, lifetime_kb, replay_window, idle_time_s;  // resolved with the globals
	uint8_t df;                                                    // as dp_sa.df
	bool fragment_after;
	struct session_key key_in, key_out;  // MAP_IPSEC_MANUAL
	struct reverse_route reverse_route;
	struct tunnel_flow *flows;
	unsigned flow_count;
	// Templates and instances.
	char dynamic_map[CONFIG_NAME_MAX];
	uint32_t dynamic_seq;
	// Templates: no instance goes beyond the access list, if there is one; peers, if given, are
	// the only ones that are answered.
	bool has_acl;
	struct tunnel_ace *aces;
	unsigned ace_count;
	uint32_t anchor;  // policy at whose place those of its instances stand
	uint32_t order;   // of that
	// Instances.
	const struct tunnel *template;
	char peer_id[128];  // phase 1 identity, "" = not known
	bool peer_named;    // ... which is a name: no address that others may have as well
	unsigned at;        // tunnel_instance.c: where it stands
	bool in_set;        // its policy is in tunnels->policies,
	size_t policy_at;   // here
};

// What is looked for in all instances, close together: tens of thousands are walked for each new
// one.
struct tunnel_seat {
	struct ip_addr dst, peer;
	uint32_t id_hash;
	uint8_t dst_len;
};

// As configured, whatever the role.
static inline bool tunnel_is_whole(const struct tunnel *t)
{
	return t->rests ? t->awake_complete : t->complete;
}

struct tunnels {
	struct tunnel **all;  // by interface, map, seq
	unsigned count;
	// Ready for dp_policies_set, deny lines included, instances not: those go to the data plane
	// one by one (dp_policy_add), but for the odd one that it does not take so.
	struct dp_policy *policies;
	size_t policy_count;
	size_t policy_cap;
	const struct tunnel_flow **by_policy;  // index of tunnels_flow(); NULL entries
	uint32_t by_policy_size;
	struct tunnel **instances;  // in no order
	struct tunnel_seat *seats;  // of each
	uint32_t *changed;  // policies of instances that came or went (tunnels_changed_next)
	size_t changed_count, changed_cap, changed_at;
	bool changed_all;
	unsigned instance_count, instance_cap;
	unsigned instance_max;  // TUNNEL_INSTANCES_MAX; tests lower it
	uint8_t *ids;           // tunnel_dynamic.c: policy ids in use
	uint32_t id_hint;
};

// Resolves `c`. `previous` (or NULL) gives stable ids. Entries without an ACL are left out; other
// incomplete ones (no peer, no transform set) drop what they select. `warn` gets a sentence for
// each. Caller destroys. port_of maps an interface name to a data-plane port (0 = none); it may be
// NULL in tests.
struct tunnels *tunnels_build(const struct config *c, const struct tunnels *previous,
			      uint32_t (*port_of)(void *ctx, const char *interface), void *ctx,
			      void (*warn)(void *ctx, const char *text), void *warn_ctx);
void tunnels_destroy(struct tunnels *t);
// The virtual address of the standby group of this name, on whatever interface; unset = none, or
// not configured but learnt.
struct ip_addr tunnel_virtual_address(const struct config *c, const char *name);
// Where the tunnels of a map on an interface end; unset = the interface has no address.
struct ip_addr tunnel_local_address(const struct config *c, const struct crypto_map *m,
				    const struct interface_config *ifc);
const struct tunnel_flow *tunnels_flow(const struct tunnels *t, uint32_t policy);

// ---- instances of templates (tunnel_dynamic.c) ------------------------------------------------
#define TUNNEL_INSTANCES_MAX 65536

// May this peer have these selectors (our outbound direction) by the template?
bool tunnel_template_accepts(const struct tunnel *t, const struct ip_addr *peer,
			     const struct selector *sel);
// The template of these names, NULL when there is none (any more).
const struct tunnel *tunnels_template(const struct tunnels *t, const char *interface,
				      const char *map, uint32_t seq, const char *dynamic_map,
				      uint32_t dynamic_seq);
// A new instance. The caller has the data plane told (tunnels_changed_next).
// 0, -ENOSPC (TUNNEL_INSTANCES_MAX, or no policy id left), -EACCES (not accepted), -ENOMEM.
int tunnels_instance_add(struct tunnels *t, const struct tunnel *template,
			 const struct ip_addr *peer, const struct selector *sel,
			 const struct tunnel_flow **out);
void tunnels_instance_del(struct tunnels *t, uint32_t policy);
// Policies of instances that came or went, in order, each time; 0 at the end. Should the memory for
// one have failed, TUNNELS_CHANGED_ALL: the caller compares all.
#define TUNNELS_CHANGED_ALL UINT32_MAX
uint32_t tunnels_changed_next(struct tunnels *t);
struct dp_policy tunnel_instance_policy(const struct tunnel *i);
// The data plane does not take this instance's policy by itself: it goes into t->policies. The
// caller hands those over anew.
int tunnels_instance_in_set(struct tunnels *t, uint32_t policy);
// Walks the instances, last first, that may have to do with these: the remote network overlaps
// dst, or (peer not NULL) the address or the name is the peer's. *cursor: the count of instances
// at first, lower it if instances were removed. NULL at the end.
const struct tunnel *tunnels_instance_near(const struct tunnels *t, unsigned *cursor,
					   const struct ip_prefix *dst, const struct ip_addr *peer,
					   const char *peer_id);
// The peer's address changed (a NAT's mapping moved).
void tunnels_instance_moved(struct tunnels *t, uint32_t policy, const struct ip_addr *peer);
// What the peer calls itself.
void tunnels_instance_named(struct tunnels *t, uint32_t policy, const char *id, bool is_name);
// The instance with the lowest policy id above `after`, NULL at the end.
const struct tunnel *tunnels_instance_next(const struct tunnels *t, uint32_t after);
bool selectors_overlap(const struct selector *a, const struct selector *b);
