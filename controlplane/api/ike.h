// The IKE engine, as main, CLI, HA and RRI see it.
//
// The engine does no I/O and reads no clock: everything outside comes through struct ike_env, so
// that two engines can talk to each other in one process (tests/exchange) with a fake clock.
// Thread: control thread. Public-key work is handed to env->offload.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp.h"
#include "err.h"
#include "model.h"
#include "tunnel.h"

struct ike;

// A piece of public-key work: compute() runs on a helper thread and sees only the task;
// done() runs on the control thread (always exactly once, also after the IKE SA has gone: it
// looks its owner up by id); the engine frees the task in done().
struct ike_task {
	void (*compute)(struct ike_task *t);
	void (*done)(struct ike_task *t);
	void *queue;  // for env->offload's use
};

struct ike_life {  // ha-protocol rules 1 to 4
	unsigned slot;
	uint32_t join[2];
	uint8_t restart;
};

struct ike_env {
	void *ctx;
	uint64_t (*now_ms)(void *ctx);
	// Call ike_tick() at due_ms (one request is outstanding; the latest replaces it).
	void (*timer)(void *ctx, uint64_t due_ms);
	int (*send)(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len);
	void (*offload)(void *ctx, struct ike_task *t);
	// Data plane (dp.h semantics); tests use fakes.
	uint32_t (*spi_alloc)(void *ctx);
	void (*spi_free)(void *ctx, uint32_t spi);
	int (*sa_add)(void *ctx, const struct dp_sa *p, uint32_t *sa, struct err *err);
	int (*sa_del)(void *ctx, uint32_t sa);
	int (*sa_set_lim)(void *ctx, uint32_t sa, uint64_t lim);
	int (*sa_set_remote)(void *ctx, uint32_t sa, const struct ip_addr *remote, uint16_t port);
	int (*sa_stats)(void *ctx, uint32_t sa, struct dp_sa_stats *out);
	int (*policy_bind)(void *ctx, uint32_t policy, uint32_t sa);
	void (*policy_flush_held)(void *ctx, uint32_t policy);
	// An instance of a template came or went: tunnels->policies has changed. Soon, not now.
	// NULL = nobody wants to know.
	void (*policies_changed)(void *ctx);
	// ha-protocol rules 1 and 6: identity of a new SA, and slot, join number, restart of this
	// life.
	uint64_t (*sa_identity)(void *ctx);
	void (*life)(void *ctx, unsigned *slot, uint32_t *join, uint8_t *restart);
	// ---- stateful switchover (ike_replica.h); all NULL without it
	// Redundancy group of what ends at this address of ours, 0 = none.
	uint16_t (*group_of)(void *ctx, const struct ip_addr *local);
	void (*group_life)(void *ctx, uint16_t group, struct ike_life *out);  // in place of life
	uint32_t (*group_spi_alloc)(void *ctx, uint16_t group);               // ... of spi_alloc
	int (*spi_take)(void *ctx, uint32_t spi);                             // dp.h semantics
	int (*sa_set_next)(void *ctx, uint32_t sa, uint64_t next);
	int (*sa_set_edge)(void *ctx, uint32_t sa, uint64_t edge);
	int (*sa_set_life)(void *ctx, uint32_t sa, uint64_t iv_prefix);
	int (*sa_set_margin)(void *ctx, uint32_t sa, uint64_t margin);
	int (*sa_set_state)(void *ctx, uint32_t sa, enum dp_sa_state state);
	// Wall clock: corrects lifetimes of records that waited in a mirror. NULL = they begin anew
	// where the record was made.
	uint64_t (*wall_ms)(void *ctx);
};

struct ike *ike_create(const struct ike_env *env, struct err *err);
void ike_destroy(struct ike *ike);  // sends deletes for what is up, frees everything
// New configuration. Both are borrowed until the next call. SAs whose tunnel is gone or changed
// are deleted (with a Delete to the peer); others stay.
// Instances of templates are added to and removed from `t` while it is in use.
int ike_configure(struct ike *ike, const struct config *c, struct tunnels *t, struct err *err);
// The same tunnels, but some have other peers, or are complete or not, than before.
int ike_tunnels_changed(struct ike *ike, struct err *err);
void ike_rx(struct ike *ike, const struct dp_udp *meta, const uint8_t *payload, size_t len);
void ike_tick(struct ike *ike, uint64_t now_ms);
void ike_event(struct ike *ike, const struct dp_event *ev);  // ACQUIRE, expiries, moves, SPI
// Brings a flow up without traffic (tests, later commands). 0 or a negative errno.
int ike_initiate(struct ike *ike, uint32_t policy);

// ---- observers -------------------------------------------------------------------------------
enum ike_notice_type { IKE_SA_UP, IKE_SA_DOWN, IKE_CHILD_UP, IKE_CHILD_DOWN };
struct ike_notice {
	enum ike_notice_type type;
	struct ip_addr local, remote;
	const struct tunnel_flow *flow;  // CHILD: may be NULL when the tunnel is gone
	struct selector sel;             // CHILD: negotiated, outbound direction
	uint32_t sa_in, sa_out;          // CHILD: data-plane handles
	bool rekey;                      // replaces another one, or is replaced
	const char *reason;              // DOWN: "lifetime", "peer deleted", "DPD", "cleared", ...
};
typedef void (*ike_notice_fn)(void *ctx, const struct ike_notice *n);
int ike_observe(struct ike *ike, ike_notice_fn fn, void *ctx);  // 0 or -ENOSPC

// ---- displays: snapshots, iterated in slices -------------------------------------------------
struct ike_sa_info {
	uint32_t id;      // connection id as displayed (1001...)
	uint8_t version;  // 1
	struct ip_addr local, remote;
	uint16_t local_port, remote_port;
	char state[24];  // "QM_IDLE", "MM_NO_STATE", "MM_SA_SETUP", "MM_KEY_EXCH", "MM_KEY_AUTH"
	bool established, initiator, deleted;
	bool replicated;  // of a redundancy group
	bool standby;     // ... that works on the other box
	char local_id[128], remote_id[128];
	uint64_t icookie, rcookie;  // host order
	enum ike_encr encr;
	uint16_t aes_bits;
	enum ike_hash hash;
	enum ike_auth auth;
	uint16_t group;
	uint32_t lifetime_s, lifetime_left_s;
	uint64_t established_ms;  // env clock
	bool natt, dpd;
	bool nat_local, nat_remote;  // who is behind a NAT
	unsigned children;
};
// First IKE SA with id > after; false at the end.
bool ike_sa_next(const struct ike *ike, uint32_t after, struct ike_sa_info *out);

struct ike_child_info {
	uint32_t id;      // internal, ascending
	uint32_t ike_id;  // 0 when its IKE SA is gone
	uint32_t policy;  // tunnel flow
	char map[CONFIG_NAME_MAX];
	uint32_t seq;
	char dynamic_map[CONFIG_NAME_MAX];  // of an instance; "" = static entry
	uint32_t dynamic_seq;
	char interface[CONFIG_NAME_MAX];
	struct ip_addr local, remote;
	struct selector sel;  // outbound direction
	uint32_t spi_in, spi_out, sa_in, sa_out;
	struct tunnel_proposal transform;
	bool udp_encap;
	uint16_t local_port, remote_port, pfs_group;
	uint32_t replay_window;
	bool rekeying, old;  // old: replaced, kept for late packets
	bool replicated;     // of a redundancy group
	uint32_t lifetime_s, left_s;
	uint64_t lifetime_kb, left_kb;
	uint64_t up_ms;
};
bool ike_child_next(const struct ike *ike, uint32_t after, struct ike_child_info *out);

#define IKE_HALF_OPEN_DEFAULT 1000  // crypto isakmp limit half-open
// rx_standby: for a redundancy group that does not work here.
struct ike_counters {  // half_open_limit: how often the limit was reached
	uint64_t rx, tx, rx_malformed, rx_unknown_sa, rx_bad_auth, rx_dropped_limit, retransmits,
		initiated, responded, established, failed_no_proposal, failed_auth, failed_timeout,
		failed_proxy, rekeys_child, rekeys_ike, dpd_sent, dpd_dead, half_open,
		half_open_limit, dynamic_refused, dynamic_limit, rx_fragment, rx_aggressive,
		rx_version, rx_out_of_turn, rx_standby;
};
void ike_get_counters(const struct ike *ike, struct ike_counters *out);

// clear commands. Return how many went.
unsigned ike_clear_isakmp(struct ike *ike, uint32_t id);                              // 0 = all
unsigned ike_clear_sa(struct ike *ike, const struct ip_addr *peer, const char *map);  // NULL = any
unsigned ike_clear_session(struct ike *ike, const struct ip_addr *remote);
// Of redundancy groups that work here, and no others.
enum ike_clear { IKE_CLEAR_IKE = 1, IKE_CLEAR_CHILD = 2 };
unsigned ike_clear_replicated(struct ike *ike, unsigned what);  // enum ike_clear, together
