// The run-time SA: what a worker touches per packet, with everything constant prebuilt.
//
// Layout: one cache line of read-mostly data that every packet needs, one line that the owner
// worker writes, then keys. Key schedules come last. Created and freed by the control thread
// (freed after an RCU grace period, wiped); run-time fields are written by the owner only.
#pragma once

#include <rte_common.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp.h"

struct sa;
struct worker;
struct burst;
struct rte_mbuf;
struct crypto_key;  // crypto.h: prepared key material of one SA

#define SA_MAX (1u << 18)       // table entries per slot
#define SA_INDEX_BITS 18
#define SA_INDEX_MASK (SA_MAX - 1)

struct sa {
	// line 0: read-mostly -- c: wo before publication (remote endpoint: by replacement), w: ro
	uint32_t spi_be;
	uint32_t handle;
	uint8_t dir, mode, family;   // enum dp_dir, dp_mode; outer family 4 or 6
	uint8_t iv_len, icv_len, block;  // bytes; block = cipher block for alignment (>= 4 on wire)
	uint8_t kind;                // enum crypto_kind: which burst function (crypto.h)
	uint8_t esn;
	uint16_t owner;              // worker id
	uint8_t state;               // enum dp_sa_state; c: wo, w: ro (relaxed)
	uint8_t udp;                 // 8 when UDP-encapsulated
	uint16_t tmpl_len;           // outer header template: IP [+ UDP] + ESP header
	uint16_t window;             // replay window, packets; 0 = off
	uint64_t lim;                // c: wo, w: ro (relaxed)
	uint64_t iv_prefix;
	struct crypto_key *key;
	uint64_t *window_bits;       // inbound: owner only
	uint8_t sels;
	uint8_t df, fragment_after;
	uint8_t spare0;
	uint32_t port;               // fixed outgoing port or 0

	// line 1: run-time -- owner worker: rw, control: racy ro (relaxed 64-bit)
	alignas(64) uint64_t seq;    // out: last sent; in: highest accepted
	uint64_t iv_counter;
	uint64_t packets, bytes;
	uint64_t soft_packets, soft_bytes, hard_packets, hard_bytes;

	// line 2: seldom -- owner: rw
	alignas(64) uint64_t drops[DP_SA_DROP_COUNT];
	uint32_t last_used_s;
	uint8_t events_sent;         // bit per dp_event_type already raised
	uint64_t lim_low_margin;

	// template and the rest -- c: wo before publication, w: ro
	alignas(64) uint8_t tmpl[64];  // outer IP header, UDP header, SPI; lengths and seq filled per packet
	struct selector sel[4];
	struct dp_sa conf;           // as configured, keys wiped: displays, endpoint checks
};

// Builds a run-time SA (keys expanded, template made). Control thread. NULL and err on failure.
struct sa *sa_create(const struct dp_sa *p, uint32_t handle, uint16_t owner, struct err *err);
void sa_destroy(struct sa *sa);  // wipes; only after a grace period

// ---- stages (worker) -------------------------------------------------------------------------
// esp_in: packets whose pkt_of()->sa is set and owned by this worker; data pointer at the outer
// IP header, l3_len/l3_total/udp_len/family valid. Kept in `in`, compacted and in order: opened
// inner packets, data pointer at the inner IP header, family/l3_* invalid (ip_in runs again),
// PKT_OPENED set. Everything else was dropped and counted.
void esp_in(struct worker *w, struct burst *in);
// esp_out: packets whose pkt_of()->sa is an outbound SA owned by this worker; data pointer at the
// inner IP header, family/l3_len/l3_total valid, size already checked against the MTU. Kept in
// `in`: encapsulated packets, data pointer at the outer IP header, family/l3_*/proto set,
// PKT_ENCAP set. Everything else was dropped and counted.
void esp_out(struct worker *w, struct burst *in);
// Bytes that encapsulation adds to an inner packet of len bytes (exact, with padding).
uint32_t sa_overhead(const struct sa *sa, uint32_t inner_len);
