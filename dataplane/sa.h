// The run-time SA: what a worker touches per packet, with everything constant prebuilt.
//
// Layout: one cache line of read-mostly data that every packet needs, one line that the owner
// worker writes, then what only some packets need, then (in the same allocation) the replay window
// and the expanded key. Created and freed by the control thread (freed after an RCU grace period,
// wiped); run-time fields are written by the owner only.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "dp.h"

struct sa;
struct worker;
struct burst;
struct rte_mbuf;

#define SA_MAX            (1u << 18)  // table entries per slot
#define SA_INDEX_BITS     18
#define SA_INDEX_MASK     (SA_MAX - 1)
#define SA_IV_COUNTER_MAX ((1ull << 40) - 1)  // ha-protocol rule 1
#define SA_TAILROOM       64                  // free bytes that esp_out wants behind a packet

// The outer headers of an outbound SA, ready to copy: IP [+ UDP] + ESP header, right-aligned, so
// that one fixed-size copy ends exactly where the IV begins. Replaced whole (peer moved).
struct sa_outer {
	alignas(64) uint16_t ip4_sum;  // IPv4: sum of the header's constant words
	uint16_t hop;                  // w: rw: adjacency towards the peer, if of this generation
	uint32_t hop_generation;       // w: rw: of the routes (fib.h); 0 = not known yet
	uint8_t tmpl[56];              // ends with the ESP header
};
_Static_assert(sizeof(struct sa_outer) == 64, "outer template is one line");

// A selector compiled for the inbound check (RFC 4301 5.2): already reversed, masks instead of
// prefixes. IPv4 needs the first 32 bytes only.
struct sa_check {
	uint8_t family;  // 0 = any
	uint8_t proto;   // 0 = any
	uint8_t ports;   // ports matter
	uint8_t spare;
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi;
	uint32_t spare4;
	union {
		struct {
			uint32_t src, src_mask, dst, dst_mask;  // as on the wire
		} v4;
		struct {
			uint64_t src[2], src_mask[2], dst[2], dst_mask[2];
		} v6;
	};
};

struct sa {
	// line 0: read-mostly -- c: wo before publication (lim, state: any time), w: ro
	uint32_t spi_be;
	uint32_t salt;                 // first bytes of the nonce
	uint8_t iv_len, icv_len, esn;  // bytes on the wire; with the next copied to each crypto_op
	uint8_t counter_iv;            // IV = iv_prefix | counter, else from the generator
	uint8_t dir, mode, family;     // enum dp_dir, dp_mode; outer family 4 or 6
	uint8_t block;                 // alignment of the payload, bytes (>= 4)
	uint16_t owner;                // worker id
	uint8_t state;                 // SA_HELD | group << 1; c: rw, w: ro (relaxed)
	uint8_t udp;                   // 8 when UDP-encapsulated
	uint16_t tmpl_len;             // outer header template: IP [+ UDP] + ESP header
	uint16_t window;               // replay window, packets; 0 = off
	uint64_t lim;                  // c, w: rw (atomic, relaxed); see numbers_reserve()
	uint64_t iv_prefix;
	const void *key;
	crypto_fn crypt;  // seals (out) or opens (in) a burst
	union {
		uint32_t lim_margin;  // out -- c: rw, w: ro (relaxed): so near to lim it is told
		uint32_t note;        // in: `handle` once more, for checkpoint_note()
	};
	uint8_t sels;
	uint8_t df, fragment_after;
	uint8_t key_lines;  // expanded key, cache lines

	// line 1: run-time -- owner worker: rw, control: racy ro (relaxed 64-bit)
	alignas(64) uint64_t seq;  // out: last sent; in: highest accepted
	uint64_t iv_counter;
	uint64_t packets, bytes;              // bytes: inner
	uint64_t check_packets, check_bytes;  // next value at which a lifetime wants attention
	union {
		uint64_t *window_bits;   // in -- c: wo before publication
		struct sa_outer *outer;  // out -- c: rw (release), w: ro (acquire)
	};
	uint32_t last_used_s;
	uint8_t expired;  // a hard limit was reached
	uint8_t noted;    // in: the control thread will look at seq; w: sets, c: clears
	uint8_t spare1[2];

	// line 2, 3: seldom -- owner: rw unless said otherwise
	alignas(64) uint64_t drops[DP_SA_DROP_COUNT];
	uint64_t soft_packets, soft_bytes, hard_packets, hard_bytes;  // c: wo before publication
	uint64_t lim_low_at, lim_reached_at;  // the lim for which the event was raised
	uint64_t start;    // out: seq as it was set while the group rested, else SA_NO_START; c: wo
			   // then, w: ro
	uint32_t handle;   // c: wo before publication
	uint32_t moved_s;  // when PEER_MOVED was raised last
	uint8_t events_sent;      // bit per dp_event_type that is raised once
	uint16_t remote_port_be;  // c: rw, w: ro (relaxed): expected source of UDP-encapsulated
	uint64_t remote[2];       // the same: address as on the wire, zero-padded

	// the rest -- c: wo before publication, w: ro
	struct sa_check check[4];
	struct sa_outer outer0;  // the first template
	uint32_t port;           // fixed outgoing port or 0
	struct dp_sa conf;       // as configured, keys wiped: displays (endpoint: c: rw)

	// control thread only
	uint64_t edge_told;          // in: last checkpoint
	uint64_t floor;              // out: highest number this box sent before the last set_next
	uint64_t floor_packets;      // ... and what `packets` was then
	uint64_t rate_seq, rate_us;  // out: when lim was last changed
	uint16_t waits;              // grace periods since it was held that have not passed
	uint16_t advances;           // ... of dp_sa_advance, which hold it too
	uint32_t mem_size;           // of the whole allocation, for wiping
};
_Static_assert(offsetof(struct sa, seq) == 64, "read-mostly data is one line");
_Static_assert(offsetof(struct sa, drops) == 128, "run-time data is one line");

#define SA_HELD     1u
#define SA_NO_START UINT64_MAX

// One byte per redundancy group: 0 = works. c: wo (release), w: ro
enum group_state { GROUP_WORKS, GROUP_STANDBY, GROUP_HANDED };
extern uint8_t sa_group_state[DP_GROUPS];
// By how much a take-over has raised what its SAs may send; 0 = not. c: wo (before the state), w:
// ro
extern uint64_t sa_group_raised[DP_GROUPS];

// Neither sends nor accepts: itself, or its redundancy group. Without a group: one comparison.
static inline bool sa_held(const struct sa *sa)
{
	uint8_t s = __atomic_load_n(&sa->state, __ATOMIC_RELAXED);

	return unlikely(s != 0) &&
	       ((s & SA_HELD) || __atomic_load_n(&sa_group_state[s >> 1], __ATOMIC_ACQUIRE));
}
bool sa_resting(const struct sa *sa);  // control thread

// What a crypto pass must know of an SA, but for the packet. `ok` is an output: any value will do.
static inline void sa_op_fill(const struct sa *sa, struct crypto_op *op)
{
	_Static_assert(
		offsetof(struct sa, esn) == offsetof(struct sa, iv_len) + 2 &&
			offsetof(struct crypto_op, esn) == offsetof(struct crypto_op, iv_len) + 2 &&
			offsetof(struct crypto_op, ok) == offsetof(struct crypto_op, iv_len) + 3,
		"one word");
	op->key = sa->key;
	memcpy((uint8_t *)op + offsetof(struct crypto_op, iv_len),
	       (const uint8_t *)sa + offsetof(struct sa, iv_len), 4);
}

// Builds a run-time SA (keys expanded, template made) on the memory of `socket`. Control thread.
// NULL and err on failure.
struct sa *sa_create_on(const struct dp_sa *p, uint32_t handle, uint16_t owner, int socket,
			struct err *err);
struct sa *sa_create(const struct dp_sa *p, uint32_t handle, uint16_t owner, struct err *err);
void sa_destroy(struct sa *sa);  // wipes; only after a grace period
// A template for a new remote endpoint; NULL without memory. Not yet published.
struct sa_outer *sa_outer_create(const struct sa *sa, const struct ip_addr *remote, uint16_t port);
// Next values of packets and bytes at which a lifetime ends. Before publication, then owner worker.
void sa_check_arm(struct sa *sa);

// ---- stages (worker) -------------------------------------------------------------------------
// esp_in: packets whose pkt_of()->sa is set and owned by this worker; data pointer at the outer
// IP header, l3_len/l3_total/udp_len/family valid. Kept in `in`, compacted and in order: opened
// inner packets, data pointer at the inner IP header, family valid, l3_* not (ip_in runs again),
// PKT_OPENED set. Everything else was dropped and counted.
void esp_in(struct worker *w, struct burst *in);
// esp_out: packets whose pkt_of()->sa is an outbound SA owned by this worker; data pointer at the
// inner IP header, family/l3_len/l3_total valid, size already checked against the MTU. Kept in
// `in`: encapsulated packets, data pointer at the outer IP header, family/l3_*/proto set,
// PKT_ENCAP set. Everything else was dropped and counted.
void esp_out(struct worker *w, struct burst *in);
// Bytes that encapsulation adds to an inner packet of len bytes (exact, with padding). Transport
// mode adds the same less the outer IP header.
uint32_t sa_overhead(const struct sa *sa, uint32_t inner_len);
