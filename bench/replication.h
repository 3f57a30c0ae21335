// tandem-bench replication: what its files share. Two gateways (a process each, with a data plane,
// the IKE engine and a standby process of its own, in a network namespace of its own) replicate
// synthetic SAs; the process that was started tells them what to do and prints what they measured.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"
#include "dp.h"
#include "ha_sa.h"
#include "model.h"

#define REP_GROUP      1
#define REP_INTERFACE  "GigabitEthernet0/1"
#define REP_INSIDE     "GigabitEthernet0/0"
#define REP_MAP        "BENCH"
#define REP_NAME       "HA"
#define REP_PSK        "bench-bench-bench"
#define REP_LOCAL      0x0a000201u  // the virtual address of the group
#define REP_PEER       0x64400000u  // tunnel i ends at the (i)th address from here
#define REP_NET        0x14000000u  // ... and protects the (i)th /24 from here
#define REP_HOME       0x0a010000u  // our side of every tunnel, a /16
#define REP_WINDOWS    256
#define REP_TUNNEL_MAX 200000

enum rep_command {
	REP_IDLE,
	REP_FILL,         // makes the SAs, goes to work with them
	REP_JOIN,         // starts its standby process and the link; done with everything installed
	REP_TRAFFIC,      // the worker decapsulates without end
	REP_QUIET,        // ... no longer
	REP_CHANGES,      // SAs change for a while
	REP_CHECKPOINTS,  // the worker's time with and without checkpoints, in turns
	REP_FLIP,         // takes over; traffic goes to every tunnel
	REP_CHECK,        // counts what it has
	REP_END,
};

// Written by one gateway, read by whoever prints.
struct rep_figures {
	double fill_install_s, fill_mirror_s;
	double join_hot_s, join_installed_s;
	uint64_t ike, child;  // SAs that the engine has
	uint64_t changed;
	double change_s, change_latency_ms;
	double cycles_off[REP_WINDOWS], cycles_on[REP_WINDOWS];  // per packet
	uint32_t windows;  // turns without, with, with, without; means of the two of a kind
	double mpps, checkpoints_per_s;
	double flip_callback_ms, flip_first_ms, flip_half_ms, flip_last_ms, flip_granted_ms;
	uint32_t flip_sealed;
	// callbacks since they were last cleared: by the clock, in processor time
	uint32_t gateway_longest_us, standby_longest_us, gateway_cpu_us, standby_cpu_us;
	char gateway_cpu_name[32];
	uint64_t mirror_used, mirror_max, records;
	uint64_t payload_ike, payload_child, decapsulated, invariants;
};

struct rep_box {
	_Atomic unsigned command, done;  // numbers that only grow; what: enum rep_command
	_Atomic unsigned what;
	_Atomic int failed;
	_Atomic bool ready;
	char trouble[256];
	struct rep_figures f;
};

struct rep_shared {
	uint32_t tunnels;
	unsigned change_s, rounds;
	bool traffic, touch;
	double cpu_bulk_s, cpu_change_us;
	char dir[128];
	_Atomic bool linked;
	struct rep_box box[2];
};

// ---- replication_box.c: a gateway's process
// ------------------------------------------------------
int rep_box_main(struct rep_shared *s, unsigned box);
extern struct rep_shared *rep_shared;
extern struct rep_box *rep_box;

// ---- replication_cpu.c
// ---------------------------------------------------------------------------
struct rep_cpu {
	double control, standby;  // seconds: the control thread, the whole standby process
};
void rep_cpu_read(pid_t gateway, pid_t standby, struct rep_cpu *out);

// ---- replication_work.c: commands ------------------------------------------------------------
// Begins, or goes on with, what was asked for. True: done.
bool rep_work(enum rep_command what, bool begin);
void rep_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// ---- replication_hsrp.c: instead of HSRP
// ----------------------------------------------------------
void rep_hsrp_claim(void);
bool rep_hsrp_active(void);

// ---- replication_record.c ----------------------------------------------------------------------
extern struct config *rep_config_kept;
struct config *rep_config(uint32_t tunnels, unsigned box);
struct selector rep_selector(uint32_t i);
uint64_t rep_id(uint32_t i, enum ha_kind kind);
// An SA as another box would have told it; the payload is in mem.
int rep_record(uint32_t i, enum ha_kind kind, uint32_t spi, struct ha_sa *out, uint8_t *mem,
	       size_t cap);
void rep_key(uint32_t i, bool inbound, uint8_t key[20]);

// ---- replication_traffic.c ---------------------------------------------------------------------
int rep_traffic_start(uint32_t tunnels, struct err *err);          // ports, routes; before tunnels
int rep_traffic_peers(uint32_t i, uint32_t spi, struct err *err);  // the other end of tunnel i
enum rep_mode { REP_MODE_OFF, REP_MODE_DECAP, REP_MODE_ENCAP };
void rep_traffic_set(enum rep_mode mode);
struct rep_load {
	uint64_t packets;        // given to the pipeline
	uint64_t timed, cycles;  // of those, and their time: bursts in which nobody broke in
	uint64_t sealed;         // tunnels of which an ESP packet has left
};
void rep_traffic_load(struct rep_load *out);
// Encapsulation: when packets of the first, the half, and all tunnels had left, seconds.
uint32_t rep_traffic_sealed(double *first, double *half, double *last);
uint32_t rep_traffic_port_out(void);
void rep_traffic_notes(bool on);  // whether inbound SAs tell their edges
double rep_seconds(void);
