// A bench for the ESP stages without ports and workers: one EAL, one worker structure, a mempool,
// and the functions of the rest of the data plane that the stages call, recorded.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "burst.h"
#include "dp.h"
#include "pkt.h"
#include "sa.h"
#include "sad.h"
#include "worker.h"

#define BED_EVENTS 64

struct bed {
	struct worker w;
	struct dp_event event[BED_EVENTS];
	unsigned events;   // raised since bed_reset()
	bool events_full;  // pretend that the ring is full
	unsigned gone;     // calls of spd_sa_gone
	struct rte_mempool *pool;
};
extern struct bed bed;

void bed_start(void);  // exits when EAL does not come up; again is harmless
void bed_stop(void);
void bed_reset(void);  // counters and events
unsigned bed_events_of(enum dp_event_type type);
uint64_t bed_drops(void);  // sum over all reasons
unsigned bed_mbufs_in_use(void);

// A packet that begins with its IP header, metadata as ip_in would leave it. NULL: not IP.
struct rte_mbuf *bed_packet(const void *bytes, size_t len);
// The same bytes in two pieces, the first `split` bytes long, the first with no room behind it
// when tight.
struct rte_mbuf *bed_packet_split(const void *bytes, size_t len, size_t split, bool tight);
void bed_parse(struct rte_mbuf *m);  // metadata anew from the first bytes
// UDP-encapsulation as ip_in finds it: a UDP packet to or from port 4500.

// One packet through a stage; NULL when it was dropped.
struct rte_mbuf *bed_out(struct sa *sa, struct rte_mbuf *m);
struct rte_mbuf *bed_in(struct rte_mbuf *m, bool *unknown);  // sad_in, then esp_in

// An inner packet: IPv4 or IPv6, UDP inside when it is long enough, counting bytes behind.
size_t bed_inner(uint8_t *p, uint8_t family, size_t len, const char *src, const char *dst);
struct ip_addr bed_addr(const char *text);
// A pair of tunnel-mode SAs with the same keys: 192.0.2.1 (us, out) to 192.0.2.2, or 2001:db8::.
struct dp_sa bed_conf(enum dp_cipher c, enum dp_auth a, uint16_t key_len, uint8_t family,
		      uint32_t spi);
struct dp_sa bed_mirror(const struct dp_sa *out);  // the same SA as the peer's inbound
