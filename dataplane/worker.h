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

#define WORKER_MAX 16
#define WORKER_PORT_MAX 32

enum stage {
	STAGE_RX, STAGE_HANDOFF, STAGE_INJECT, STAGE_ETH_IN, STAGE_IP_IN, STAGE_SAD, STAGE_ESP_IN,
	STAGE_ROUTE, STAGE_SPD, STAGE_ESP_OUT, STAGE_IP_OUT, STAGE_ETH_OUT, STAGE_PUNT, STAGE_TX,
	STAGE_COUNT,
};

struct stage_count {
	uint64_t bursts, packets, cycles;
};

struct flow_cache;
struct hold_table;
struct crypto_ctx;
struct frag_ctx;
struct route_tables;

struct worker {
	// configuration -- c: wo before start, w: ro
	unsigned id;
	int core;
	unsigned socket;
	uint32_t idle_sleep_us;

	// work queues -- each ring has one consumer
	struct rte_ring *handoff_in[WORKER_MAX];  // SPSC from worker i to this one (ESP, by SA owner)
	struct rte_ring *tx_in[WORKER_MAX];       // SPSC from worker i: ready frames for our tx queues
	struct rte_ring *inject;                  // SPSC from the control thread
	struct rte_ring *punt;                    // SPSC to the control thread: mbufs
	struct rte_ring *events;                  // SPSC to the control thread: struct dp_event records

	// private -- w: rw
	struct crypto_ctx *crypto;   // intel-ipsec-mb manager, IV generator (crypto.h)
	struct flow_cache *flows;    // spd.c
	struct frag_ctx *frag;       // frag.c
	struct rte_mempool *pool;    // packet buffers
	struct burst tx[WORKER_PORT_MAX];
	struct burst handoff_out[WORKER_MAX];
	uint32_t now_s;              // coarse clock, seconds, updated by housekeeping
	uint64_t now_tsc;            // at the start of this turn

	// counters -- w: rw, others: racy ro
	uint64_t drop[DROP_COUNT];
	struct stage_count stage[STAGE_COUNT];
	uint64_t loops, busy_loops, sleeps, rx_packets, tx_packets, handoff_in_packets,
		handoff_out_packets, busy_cycles, total_cycles;
	bool cycles_on;              // c: wo, w: ro (relaxed)
	bool stop;                   // c: wo, w: ro (relaxed)
};

// Frees the packet and counts why. The only way for a packet to end besides tx and the rings.
static inline void pkt_drop(struct worker *w, struct rte_mbuf *m, enum drop why)
{
	w->drop[why]++;
	rte_pktmbuf_free(m);
}

// Puts an event record on w->events; false (and counted as punt-full) when the ring is full.
bool worker_event(struct worker *w, const struct dp_event *ev);
