// Two IKE engines in one process: a fake clock, a fake data plane each, a network between them
// that a seed makes lose, repeat and reorder, and a NAT before either end. For tests/exchange.
//
// Data packets are not simulated byte by byte: bed_ping() looks at the SA that the sender's policy
// is bound to and whether the receiver has an inbound SA with that SPI, the same keys and selectors
// that fit. Whatever it counts as lost would have been lost.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ike.h"
#include "ike_bed_config.h"
#include "model.h"
#include "tunnel.h"

#define BED_SAS      160
#define BED_BINDINGS 8  // SAs per policy

struct bed;
struct bed_sa {
	bool alive;
	struct dp_sa p;
	struct dp_sa_stats stats;
};

struct bed_end {
	struct bed *bed;
	const char *name;
	struct ip_addr addr;
	bool natted;      // behind a NAT that gives it nat_addr and port + 10000
	bool nat_static;  // ... and leaves the port
	struct ip_addr nat_addr;
	struct ike *ike;
	struct config *config;
	struct tunnels *tunnels;
	uint64_t due_ms;
	struct bed_sa sas[BED_SAS];           // handle = index + 1
	unsigned spis;                        // reserved and not yet used or freed
	uint32_t bound[64];                   // policy -> SA handle, the newest of:
	uint32_t bindings[64][BED_BINDINGS];  // newest first, selectors differ
	unsigned policy_changes, flushed, sent, received, up, down, child_up, child_down;
	size_t sent_bytes, received_bytes;
	bool dead;  // its network cable is out
	const char *last_reason;
	unsigned forgotten;  // SAs ended by the other end's INITIAL-CONTACT
	bool refuse_install;
	// Stateful switchover (ike_pair_bed.h): one of two boxes with the same address.
	uint16_t group;
	struct ike_life life;
	void (*before_send)(struct bed_end *e);
};

struct bed_packet {
	TAILQ_ENTRY(bed_packet) link;
	uint64_t due_ms;
	struct bed_end *to;
	struct dp_udp meta;
	size_t len;
	uint8_t bytes[];
};

struct bed_task {
	TAILQ_ENTRY(bed_task) link;
	uint64_t due_ms;
	struct bed_end *end;
	struct ike_task *t;
};

struct bed {
	uint64_t now_ms, seed;
	struct bed_end a, b;
	struct bed_end
		second;  // another box with a's address; has no engine unless a test makes one
	struct bed_end *holder;       // of a's address: &a or &second
	unsigned loss, dup, reorder;  // percent
	unsigned delay_ms;
	TAILQ_HEAD(, bed_packet) net;
	TAILQ_HEAD(, bed_task) tasks;
	// Looks at (and may change or drop: return false) every datagram on its way.
	bool (*tap)(struct bed *bed, struct bed_packet *p);
	void *tap_ctx;
	unsigned pings, lost;
};

void bed_init(struct bed *bed, uint64_t seed, const struct bed_params *p);
void bed_start(struct bed *bed);  // builds tunnels and engines from the configurations
void bed_fini(struct bed *bed);   // destroys; asserts that nothing leaked
void bed_reconfigure(struct bed_end *e);
void bed_engine_start(struct bed_end *e);
struct bed_sa *bed_sa_get(struct bed_end *e, uint32_t sa);  // NULL: gone
void bed_env_pair(struct ike_env *env);                     // ike_bed_group.c
void bed_tunnels_make(struct bed_end *e);
void bed_reboot(struct bed_end *e);  // loses everything without a word
void bed_run(struct bed *bed, uint64_t ms);
// Runs until cond or the limit; returns whether cond held.
bool bed_until(struct bed *bed, uint64_t limit_ms, bool (*cond)(struct bed *bed));
bool bed_ping(struct bed *bed, struct bed_end *from, struct bed_end *to, uint32_t policy);
// The same for one packet (ICMP), which takes the SA that contains it.
bool bed_ping_packet(struct bed *bed, struct bed_end *from, struct bed_end *to, uint32_t policy,
		     const char *src, const char *dst);
// What dp_policy_bind and dp_sa_del do with a policy's SAs.
int bed_bind(struct bed_end *e, uint32_t policy, uint32_t sa);
bool bed_unbind(struct bed_end *e, uint32_t policy, uint32_t sa);  // whether it was bound
bool bed_both_up(struct bed *bed);  // policy 1 is bound at both ends and pings both ways
void bed_ping_always(struct bed *bed, uint64_t ms, unsigned every_ms);
uint32_t bed_random(struct bed *bed, uint32_t below);
unsigned bed_ike_count(const struct bed_end *e, bool serving);
unsigned bed_child_count(const struct bed_end *e, bool current);
struct ike_counters bed_counters(const struct bed_end *e);
// A datagram from nowhere.
void bed_inject(struct bed_end *to, const struct dp_udp *meta, const void *bytes, size_t len);
