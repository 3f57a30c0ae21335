// Stateful switchover in the daemon: what its files share.
//
// redundancy.c keeps the redundancy groups (one per standby name that a map replicates under) and
// joins HSRP, IKE and the data plane to the agent of each (ha/agent.h); redundancy_port.c runs the
// standby process and carries the words; redundancy_config.c says what the configuration means;
// redundancy_gate.c holds what may not leave before the other box knows of it. Control thread.
#pragma once

#include "agent.h"
#include "cli.h"
#include "gateway.h"
#include "ha_sa.h"
#include "ike_replica.h"
#include "log.h"
#include "pair.h"

struct mirror;

#define REDUNDANCY_HISTORY 64

struct redundancy_group {
	uint16_t number;  // 0 = not in use
	char name[CONFIG_NAME_MAX];
	struct ip_addr virtual;  // address of the replicated SAs
	struct agent *agent;
	struct ha_role role;  // as last told
	struct ha_hello hello;
	bool wanted;                     // scratch: in the configuration being applied
	bool working;                    // IKE and workers are at work for it
	bool claiming;                   // HSRP waits for an answer
	bool yielding;                   // HSRP gives the role up because of us
	bool forced;                     // ... by an operator
	uint64_t weak_at;                // last attempt to hand over for a lost object
	uint64_t follow_at;              // since then the other box works, and this one stands by
	uint64_t parted_at;              // HSRP and the work disagree since, or agreed last
	uint32_t replay_in, replay_out;  // packets between checkpoints
	struct pair_counters counters;
	uint32_t load;  // packets/s of both directions that pass here
};

struct redundancy_event {
	uint64_t at_ms;               // wall clock
	char group[CONFIG_NAME_MAX];  // its name; it may be gone by now
	char text[120];
};

struct redundancy {
	struct redundancy_group group[HA_GROUPS_MAX + 1];
	unsigned groups;
	struct ha_config config;
	bool configured;  // stateful redundancy is asked for
	struct ha_link link;
	struct redundancy_event history[REDUNDANCY_HISTORY];
	unsigned history_next, history_count;
	struct loop_timer tick;
};
extern struct redundancy redundancy;

uint64_t redundancy_now(void);  // CLOCK_BOOTTIME, microseconds

// ---- redundancy.c -----------------------------------------------------------------------------
// redundancy_table.c
struct redundancy_group *redundancy_get(unsigned number);     // NULL = not in use
struct redundancy_group *redundancy_named(const char *name);  // the same
void redundancy_word(struct gateway *g, const struct ha_word *w);
void redundancy_invariants(struct gateway *g, struct redundancy_group *r, struct pair_counters *c);
void redundancy_attached(struct gateway *g, bool attached, bool first);
void redundancy_writable(struct gateway *g);
void redundancy_rearm(struct gateway *g);
// redundancy force-switchover [NAME]; NULL: all groups that work here
int redundancy_switch(struct gateway *g, const char *name, struct err *err);

// redundancy_hsrp.c: what HSRP sees and wants
void redundancy_hsrp_start(void);
void redundancy_hsrp_stop(void);
void redundancy_hsrp_groups(void);  // there are others than before
void redundancy_hsrp_tick(struct redundancy_group *r, uint64_t now);
// New counters of the pair, before they are kept.
void redundancy_hsrp_counters(struct redundancy_group *r, const struct pair_counters *now);

// ---- redundancy_config.c ----------------------------------------------------------------------
void redundancy_warn(struct gateway *g, const struct config *c);  // what lacks, by apply_warn
// Why nothing is replicated, or why the link cannot work, by the configuration alone; NULL: it is
// fit.
const char *redundancy_lack(const struct config *c, char *buf, size_t cap);
const char *redundancy_link_lack(const struct config *c, char *buf, size_t cap);
// The association that is the replication link, and its zone's name; NULL: there is none.
const struct ipc_association *redundancy_association(const struct config *c, const char **zone);
// The groups' names, sorted, by number: numbers depend on nothing but the set of names, so that
// two boxes with one configuration agree.
unsigned redundancy_names(const struct config *c, char names[HA_GROUPS_MAX + 1][CONFIG_NAME_MAX]);
void redundancy_config_fill(const struct config *c, struct ha_config *out);  // but the digest
void redundancy_config_start(struct gateway *g);
void redundancy_config_stop(void);
// Into redundancy.config. Its digest is that of before, until the new one is known: a hundred
// thousand tunnels are read a few milliseconds at a time.
void redundancy_config_take(const struct config *c);
void redundancy_config_drop(void);  // c goes away
bool redundancy_config_known(void);
void redundancy_config_tell(void);  // redundancy.c: to the standby process

// ---- redundancy_load.c --------------------------------------------------------------------------
struct redundancy_load {  // packets/s, both directions, of groups that work here, and there
	uint32_t here_pps, other_pps;
	unsigned busy_percent;      // of the busiest worker
	unsigned together_percent;  // if all of it were here
};
void redundancy_load_tick(uint64_t now_ms);
void redundancy_load_get(struct redundancy_load *out);
unsigned redundancy_load_together(uint64_t here, uint64_t other, unsigned percent);

// ---- redundancy_debug.c -----------------------------------------------------------------------
// Any debugging of ours on? Then each word is shown; out: to the standby process.
static inline bool redundancy_debugging(void)
{
	return log_debug_on(DEBUG_REDUNDANCY) || log_debug_on(DEBUG_CRYPTO_HA) ||
	       log_debug_on(DEBUG_ISAKMP_HA) || log_debug_on(DEBUG_IPSEC_HA_DETAIL) ||
	       log_debug_on(DEBUG_IPSEC_HA_UPDATE);
}
void redundancy_debug_word(const struct ha_word *w, bool out);

// ---- redundancy_digest.c ------------------------------------------------------------------------
// What both boxes must have alike, in sections; each is a bit of ha_role.digest_differs.
#define REDUNDANCY_SECTIONS 8
void redundancy_digest(const struct config *c, uint8_t out[32]);
// The same in steps of a millisecond or so: false when it is done and `out` is set. The
// configuration stays as it is meanwhile.
struct redundancy_digest {
	const struct config *config;
	struct config_part at;
	bool failed;
	uint8_t sums[REDUNDANCY_SECTIONS][4], out[32];
};
bool redundancy_digest_step(struct redundancy_digest *d);
const char *redundancy_section_name(unsigned section);
// "access lists, crypto maps"; 256 bytes are enough.
const char *redundancy_differing(unsigned differs, char *buf, size_t cap);

// ---- redundancy_port.c ------------------------------------------------------------------------
int redundancy_port_start(struct gateway *g, struct err *err);
void redundancy_port_stop(struct gateway *g, bool leave);  // leave: the standby process ends too
bool redundancy_port_running(void);
// 0, -EAGAIN (redundancy_writable() follows), -ENOTCONN.
int redundancy_tell(const struct ha_word *w);
struct mirror *redundancy_mirror(void);  // NULL when not attached

// ---- redundancy_gate.c ------------------------------------------------------------------------
// Sends now, or when the group's agent says that the other box knows what stands behind it.
int redundancy_send(uint16_t group, const struct dp_udp *meta, const uint8_t *payload, size_t len);
int redundancy_bind(uint16_t group, uint32_t policy, uint32_t sa);
void redundancy_release(uint16_t group);  // what may go now, goes
void redundancy_gate_clear(uint16_t group);
