// Tunnels: what the crypto maps of a configuration mean, resolved.
//
// A tunnel = one map entry on one interface that bears the map (`crypto map M` there): local and
// peer addresses, proposals, lifetimes. A flow = one permit line of its ACL = one data-plane
// policy. Policy ids are stable while (interface, map, sequence, selector) stays, so a commit
// that does not touch a tunnel leaves its SAs alone.
// Built by the control thread from a committed configuration; objects are borrowed by IKE, which
// must drop them in tunnels_changed (ike_configure). Thread: control thread.
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

struct tunnel {
	char map[CONFIG_NAME_MAX];
	uint32_t seq;
	enum map_kind kind;
	bool complete;  // false: its policies stand, but no SA is made: the traffic is dropped
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
};

struct tunnels {
	struct tunnel **all;  // by interface, map, seq
	unsigned count;
	struct dp_policy *policies;  // ready for dp_policies_set, deny lines included
	size_t policy_count;
	const struct tunnel_flow **by_policy;  // index of tunnels_flow(); NULL entries
	uint32_t by_policy_size;
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
