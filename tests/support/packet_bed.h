// A data plane without threads and devices: EAL, buffers, tables, workers that the test turns by
// hand, and two sink ports. 10.0.1.0/24 and 2001:db8:1::/64 are attached to `in`, 10.0.2.0/24 and
// 2001:db8:2::/64 to `out`; our addresses there end in 1, the neighbours .2 are known.
//
//   10.0.1.2 --- [in] 10.0.1.1   gateway   10.0.2.1 [out] --- 10.0.2.2 --- 10.9.0.0/16
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "burst.h"
#include "dp.h"
#include "drop.h"
#include "flow.h"
#include "pipeline.h"
#include "pkt.h"
#include "worker.h"

struct packet_bed {
	struct rte_mempool *pool;
	struct worker *w[WORKER_MAX];  // w[0..workers)
	unsigned workers;
	uint32_t in, out;  // port ids
};
extern struct packet_bed pbed;

void pbed_start(unsigned workers);  // exits when EAL does not come up
void pbed_stop(void);
int pbed_setup(void **state);  // fixtures of a group of tests: with one worker
int pbed_teardown(void **state);
void pbed_reset(void);              // empties queues, clears counters, policies and port policies
unsigned pbed_in_use(void);         // buffers not in the pool
uint64_t pbed_drop(enum drop why);  // sum over workers
uint64_t pbed_drops(void);          // over all reasons

extern const uint8_t pbed_mac_in[6], pbed_mac_out[6], pbed_mac_peer[6];

// ---- packets: builders return the length -------------------------------------------------------
#define PBED_FRAME_MAX 2048
struct pbed_ip {
	const char *src, *dst;  // text, either family
	uint8_t proto, ttl;     // 0 = UDP, 64
	uint16_t sport, dport;  // UDP and TCP
	uint16_t payload;       // bytes behind the transport header (or the IP header)
	bool df, more;
	uint16_t offset;  // fragment offset in bytes: then no transport header
	uint16_t id;
};
size_t pbed_ip(uint8_t *p, const struct pbed_ip *o);     // from the IP header
size_t pbed_frame(uint8_t *f, const struct pbed_ip *o);  // to the `in` port, link header first
void pbed_ip_sum(uint8_t *ip);                           // IPv4 header checksum anew
void pbed_udp_sum(uint8_t *ip);                          // UDP checksum anew
struct rte_mbuf *pbed_mbuf(const void *bytes, size_t len);
// A frame through pipeline_run on worker 0, from port `in`.
void pbed_receive(const void *frame, size_t len);
void pbed_receive_on(struct worker *w, uint32_t port, const void *frame, size_t len);
// Builds and receives.
void pbed_send(const struct pbed_ip *o);

// The oldest frame waiting for transmission on a port (any worker), or punted; NULL = none.
// The caller frees it.
struct rte_mbuf *pbed_sent(uint32_t port);
struct rte_mbuf *pbed_punted(enum punt_kind kind);
unsigned pbed_sent_count(uint32_t port);

struct dp_policy pbed_policy(uint32_t id, uint32_t order, enum dp_policy_action action,
			     const char *src, const char *dst);  // group 1
void pbed_policies(const struct dp_policy *p, size_t n);         // the whole set, built
struct flow_key pbed_key(const char *src, const char *dst, uint8_t proto, uint16_t sport,
			 uint16_t dport);  // group 1
// The verdict on a packet, from the classifier and then from the flow cache.
#define pbed_expect(key, verdict_, policy_)                                  \
	do {                                                                 \
		struct flow_key key_ = (key);                                \
		for (int times_ = 0; times_ < 2; times_++) {                 \
			struct spd_result r_ = spd_lookup(pbed.w[0], &key_); \
			assert_int_equal(r_.verdict, verdict_);              \
			assert_int_equal(r_.policy, policy_);                \
		}                                                            \
	} while (0)
