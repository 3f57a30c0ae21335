// A LAN of HSRP routers in one process: fake clock, seeded loss and delay, links that can be cut in
// one direction. Aborts when the test itself is wrong (too many packets under way).
#pragma once

#include "hsrp_group.h"

#define BED_ROUTERS 4
#define BED_FLIGHTS 256
#define BED_CHANGES 64
#define DOUBT_MS    100  // longest time for which a message is doubted

struct bed_change {
	uint64_t at;
	enum hsrp_state from, to;
	enum hsrp_event event;
};
struct bed_router {
	struct hsrp_group *g;  // NULL: the router is off
	struct hsrp_conf conf;
	bool frozen;             // its process does not run; packets wait
	unsigned changes, arps;  // since the last bed_mark()
	struct bed_change change[BED_CHANGES];
	unsigned sent[HSRP_OPS];
	unsigned asked, hearings;
	enum hsrp_hearing hearing;  // the last one
};
struct bed_flight {
	uint64_t at;  // 0 = free
	unsigned from, to;
	uint8_t len, bytes[HSRP_WIRE_MAX];
};
struct bed {
	uint64_t now;
	uint64_t random;
	unsigned loss_percent;
	unsigned delay_max_ms;
	bool cut[BED_ROUTERS][BED_ROUTERS];  // [from][to]
	bool station;                        // another host on the LAN, which answers
	bool mute[BED_ROUTERS];              // nothing of that router reaches anybody
	struct bed_router r[BED_ROUTERS];
	struct bed_flight flight[BED_FLIGHTS];
	// the last message of each router, for replays
	struct bed_flight last[BED_ROUTERS];
};

void bed_init(struct bed *b, uint64_t seed);
void bed_fini(struct bed *b);
uint32_t bed_random(struct bed *b, uint32_t below);
// 10.0.0.(i + 1), group 1, virtual address 10.0.0.100, text "cisco".
struct hsrp_conf bed_conf(unsigned i, uint8_t version, uint8_t priority, bool preempt,
			  uint32_t hello_ms, uint32_t hold_ms);
void bed_boot(struct bed *b, unsigned i, const struct hsrp_conf *conf);
void bed_kill(struct bed *b, unsigned i);  // without a word
void bed_run(struct bed *b, uint64_t ms);
void bed_mark(struct bed *b);  // forget what is recorded
// After a call into r[i].g by the test itself.
void bed_perform(struct bed *b, unsigned i, const struct hsrp_actions *out);
// What an active router of conf's virtual address says, not yet encoded: group 1, 3 s and 10 s.
struct hsrp_msg bed_active_hello(const struct hsrp_conf *conf, uint8_t version, uint8_t priority);
enum hsrp_rx bed_inject(struct bed *b, unsigned to, struct ip_addr src, uint8_t ttl,
			const uint8_t *data, size_t len);
enum hsrp_state bed_state(const struct bed *b, unsigned i);
unsigned bed_count(const struct bed *b, enum hsrp_state s);
