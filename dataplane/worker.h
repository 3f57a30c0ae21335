// A worker: one poll-mode thread and everything it owns.
//
// Ownership is written at each field: "w: rw" = only this worker writes; "c: wo, w: ro" = the
// control thread publishes, the worker reads; others read counters racily (relaxed loads).
#pragma once

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "burst.h"
#include "dp.h"
#include "drop.h"
#include "err.h"

#define WORKER_MAX      16
#define WORKER_PORT_MAX 32

enum stage {
	STAGE_RX,
	STAGE_HANDOFF,
	STAGE_INJECT,
	STAGE_ETH_IN,
	STAGE_IP_IN,
	STAGE_SAD,
	STAGE_ESP_IN,
	STAGE_ROUTE,
	STAGE_SPD,
	STAGE_ESP_OUT,
	STAGE_IP_OUT,
	STAGE_ETH_OUT,
	STAGE_PUNT,
	STAGE_TX,
	STAGE_LOCAL_IN,
	STAGE_SPD_IN,
	STAGE_PROTECT,
	STAGE_COUNT,
};

struct stage_count {
	uint64_t bursts, packets, cycles;
};

struct flow_cache;
struct hold_table;
struct crypto_ctx;
struct frag_ctx;
struct route_cache;
struct spd;

// Receive queues a worker polls. Replaced whole when a port comes or goes.
struct rx_set {
	uint32_t n;
	struct rx_queue {
		uint16_t dpdk, queue;
		uint32_t port;
	} queue[WORKER_PORT_MAX];
};

// Tokens for what a stranger can make a worker send or report (ICMP errors, events).
struct token_bucket {
	uint32_t tokens;
	uint32_t last_s;
};

struct worker {
	// configuration -- c: wo before start, w: ro
	unsigned id;
	int core;
	unsigned socket;
	uint32_t idle_sleep_us;

	// work queues -- each ring has one consumer
	struct rte_ring
		*handoff_in[WORKER_MAX];     // SPSC from worker i to this one (ESP, by SA owner)
	struct rte_ring *tx_in[WORKER_MAX];  // SPSC from worker i: ready frames for our tx queues
	struct rte_ring *inject;             // SPSC from the control thread
	struct rte_ring *punt;               // SPSC to the control thread: mbufs
	struct rte_ring *events;             // SPSC to the control thread: struct dp_event records
	struct rte_ring *noted;  // SPSC to the control thread: SA handles, see checkpoint.c

	struct rx_set *rx_set;  // c: wo (release), w: ro; old one freed by RCU

	// private -- w: rw
	struct crypto_ctx *crypto;   // intel-ipsec-mb manager, IV generator (crypto.h)
	struct flow_cache *flows;    // spd.c
	struct route_cache *routes;  // route_cache.h
	struct frag_ctx *frag;       // frag.c
	struct rte_mempool *pool;    // packet buffers
	struct burst tx[WORKER_PORT_MAX];
	struct burst handoff_out[WORKER_MAX];
	uint32_t now_s;            // coarse clock, seconds, updated by housekeeping
	uint64_t now_tsc;          // at the start of this turn
	uint64_t tx_pending;       // bit per port with frames in tx[]
	uint32_t handoff_pending;  // bit per worker with packets in handoff_out[]
	struct burst icmp;         // ICMP errors made in this turn, sent at its end
	struct token_bucket icmp_rate, event_rate;
	uint64_t stage_tsc;  // cycle accounting: when stage_now began
	uint8_t stage_now;
	uint64_t tsc_base, tsc_hz;  // coarse clock: second = base_s + (tsc - tsc_base) / hz
	uint32_t base_s;

	// counters -- w: rw, others: racy ro
	uint64_t drop[DROP_COUNT];
	struct stage_count stage[STAGE_COUNT];
	uint64_t loops, busy_loops, sleeps, rx_packets, tx_packets, handoff_in_packets,
		handoff_out_packets, busy_cycles, total_cycles;
	uint64_t invariant_i1, invariant_i4;
	uint64_t group_sent[DP_GROUPS];  // packets sealed
	bool cycles_on;                  // c: wo, w: ro (relaxed)
	bool stop;                       // c: wo, w: ro (relaxed)
};

// Frees the packet and counts why. The only way for a packet to end besides tx and the rings.
static inline void pkt_drop(struct worker *w, struct rte_mbuf *m, enum drop why)
{
	w->drop[why]++;
	rte_pktmbuf_free(m);
}

// Says which stage runs from here on: its counters, and its cycles when they are wanted.
void stage_cycles(struct worker *w, enum stage s);
static inline void stage_count(struct worker *w, enum stage s, uint32_t packets)
{
	w->stage[s].bursts += packets > 0;
	w->stage[s].packets += packets;
}
static inline void stage_enter(struct worker *w, enum stage s, uint32_t packets)
{
	stage_count(w, s, packets);
	if (unlikely(__atomic_load_n(&w->cycles_on, __ATOMIC_RELAXED)))
		stage_cycles(w, s);
}

// One token if there is one: at most per_s per second, no saving up.
static inline bool token_take(struct token_bucket *t, uint32_t now_s, uint32_t per_s)
{
	if (t->last_s != now_s) {
		t->last_s = now_s;
		t->tokens = per_s;
	}
	if (t->tokens == 0)
		return false;
	t->tokens--;
	return true;
}

// ---- life (control thread) -------------------------------------------------------------------
struct worker_params {
	unsigned id, workers;  // rings are made for `workers` workers
	int core;              // for displays; -1 = floats
	unsigned socket;
	uint32_t idle_sleep_us;
	uint32_t flow_entries;  // flow cache size, a power of two
	uint32_t frag_entries;  // datagrams under reassembly at most
	struct rte_mempool *pool;
};
struct worker *worker_create(const struct worker_params *p, struct err *err);
void worker_destroy(struct worker *w);
// Makes the hand-over rings between all workers of the array. 0 or -ENOMEM.
int worker_connect(struct worker *const *workers, unsigned n, struct err *err);
// A worker without thread: a caller (unit test, bench) makes its turns with pipeline_run().
// 8192 flows, 64 reassemblies; its rings are there, nobody drains them but the caller.
// Its rings to itself: as worker_connect of one. Call rcu_init first.
struct worker *worker_create_for_test(unsigned id, struct rte_mempool *pool);
// Body of the thread; arg is the struct worker. Runs until w->stop.
int worker_main(void *arg);
// One turn: queues, rings, flush. Returns the packets it moved.
uint32_t worker_turn(struct worker *w);
// Sends what is pending in w->tx (and the hand-over rings), drops what finds no room.
void worker_flush(struct worker *w);
extern struct worker *worker_table[WORKER_MAX];  // running workers; c: wo before start
extern unsigned worker_count;

// Puts an event record on w->events; false (and counted as punt-full) when the ring is full.
bool worker_event(struct worker *w, const struct dp_event *ev);
