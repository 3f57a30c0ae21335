// What is replicated of one security association, and the words that the two processes of a box
// exchange about it (ha-protocol: rules 6, 7, 10, 12, 17, 20).
//
// An SA here is anything with an identity that must survive a fail-over: an IKE SA, the pair of
// IPsec SAs of one flow, an instance of a dynamic map. Its inside (keys, selectors, message ids)
// is the payload, which only the owner (controlplane/) can read. Host byte order; the payload is
// in network byte order and carries its own version.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HA_GROUPS_MAX  16     // redundancy groups of a box, numbered from 1
#define HA_PAYLOAD_MAX 16384  // bytes

enum ha_kind { HA_IKE_SA = 1, HA_CHILD_SA, HA_INSTANCE, HA_KINDS };

struct ha_sa {
	uint64_t id;      // identity, used once for ever (rule 6)
	uint64_t parent;  // CHILD: identity of its IKE SA; it may have gone. 0 = none
	uint16_t group;   // 1..HA_GROUPS_MAX
	uint8_t kind;     // enum ha_kind
	bool taint;       // rule 12
	uint32_t spi_in, spi_out;
	uint32_t birth[2];  // join numbers of both slots when it was made (rule 1)
	uint64_t ceiling;   // R: no outbound sequence number above it was ever sent
	uint64_t edge;      // highest inbound sequence number known to be taken
	uint64_t granted;   // gateway process only: up to where its workers may send by now
	uint32_t len;
	const uint8_t *payload;  // borrowed
};

// ---- between gateway process and standby process ---------------------------------------------
// One ring each way. Every message of the gateway process has a sequence number of its own
// (`seq`, from 1 per attachment), by which HA_APPLIED answers.
enum ha_word_type {
	// gateway process to standby process
	// first, of each group: a gateway process begins (`b` = NONE), or found its standby process
	// restarted (`b` = enum ha_role_kind it works in; `a` = mirror_life() of its first
	// attachment, 0 = not known; id = that of the last HA_ACTIVATE). Answer: feed, HA_FEED_END,
	// HA_ROLE. A gateway that works tells all its SAs anew.
	HA_ATTACH = 1,
	HA_CONFIG,      // payload: struct ha_config
	HA_HELLO,       // payload: struct ha_hello: what HSRP sees; at each change, and each hello
	HA_UPSERT,      // `sa`: made or changed; b = id of the HA_ACTIVATE by which it works
	HA_DELETE,      // id: gone for ever; b the same
	HA_RAISE,       // id, a = R' wanted
	HA_RAISE_ALL,   // group: every SA by `a`; the pair does it itself at each activation
	HA_CHECKPOINT,  // id, a = edge
	HA_CLAIM,       // group: HSRP wants the active role; answer HA_ACTIVATE or HA_REFUSED
	HA_SWITCH,      // group: operator or priority wants the roles exchanged (either box);
			// a = enum ha_switch
	HA_STOPPED,     // group: workers have stopped and are drained, checkpoints are sent;
			// answers HA_PREPARE and HA_YIELD. Before it one HA_NEXT per sending SA.
			// b = as the last HA_ACTIVATE or HA_RESUME said: it may cross the next one;
			// a = 1: it missed a change of the role, its SAs are to be fed anew
	HA_NEXT,        // id, a = next outbound sequence number, b = edge (planned switchover);
			// both ways; to the gateway process id 0 = forget those that came
	HA_FLUSH,       // nothing; wants HA_APPLIED for itself
	HA_LEAVE,       // orderly end of the gateway process
	HA_RESYNC,      // group: the copies of a standby box are dropped and fetched anew
	// standby process to gateway process
	HA_ROLE = 64,    // payload: struct ha_role; at each change
	HA_FEED,         // `sa`: install or change it (state standby, unless the group is active)
	HA_FEED_DELETE,  // id; 0 = all of the group, with a = 1: all that HA_FEED does not name
			 // from here to HA_FEED_END (b = id of HA_ACTIVATE, 0 = not active here);
			 // with a = 2: all, they come again in the new life that the mirror has
	HA_FEED_END,     // group: the whole mirror has been fed
	HA_APPLIED,      // group, a = seq: all up to it may take effect outside (rules 7, 18)
	HA_LIMIT,        // id, a = lim: may send up to it, in the work that HA_ACTIVATE's b began
	HA_ACTIVATE,     // group: begin; next = ceiling + 1, or a = 1: as HA_NEXT said (where it
			 // came for the SA). Ceilings, edges, taints as told until then.
			 // b counts them and HA_RESUME in this attachment; id names the time as
			 // the active box. Another one than the id by which it works: it missed
			 // that the role was away; it stops as after a crash, is fed, and asks.
			 // Payload: nothing, or 64 bits, by how much all ceilings are higher than
			 // was told until then (rule 7)
	HA_REFUSED,      // group: the other box is active; a = enum ha_refusal
	HA_PREPARE,      // group: planned switchover: stop IKE and workers, then HA_STOPPED
	HA_YIELD,        // group: this box lost a split brain, the same
	HA_RESUME,       // group: what HA_PREPARE or HA_YIELD began is off, go on; b = count
	HA_SET,          // id, a = next, b = edge: an active SA goes on from there (rule 16)
	HA_TAINT,        // id, or 0 = all of the group; a = 1 on, 0 off
	HA_NEED_CONFIG,  // the standby process has none: send HA_CONFIG and HA_HELLO
	HA_EVENT,        // group, payload: text of a state change, for log and history
	HA_LINK,         // payload: struct ha_link: the association, each second and at changes
	HA_COUNTERS,     // group, payload: struct pair_counters, each second
	HA_LIMITS,       // group, payload: struct ha_limit[], as HA_LIMIT
	HA_SETS,         // group, payload: struct ha_set[], as HA_SET; standby: ceilings, edges
};
// A batch has at most HA_BATCH of them.
#define HA_BATCH 256
struct ha_limit {
	uint64_t id, lim;
};
struct ha_set {
	uint64_t id, next, edge;
};
enum ha_refusal { HA_REFUSED_ACTIVE = 1, HA_REFUSED_JOINING, HA_REFUSED_STATELESS };

struct ha_word {
	uint16_t type;   // enum ha_word_type
	uint16_t group;  // 0 = none
	uint32_t len;    // bytes of payload; for HA_UPSERT, HA_FEED see sa
	uint64_t seq;    // gateway process only; 0 from the standby process
	uint64_t id, a, b;
	struct ha_sa sa;         // HA_UPSERT, HA_FEED; sa.payload borrowed
	const uint8_t *payload;  // others; borrowed, aligned to 8
};

enum ha_role_kind { HA_ROLE_NONE, HA_ROLE_STANDBY, HA_ROLE_ACTIVE };
struct ha_role {
	uint8_t mine, peers;  // enum ha_role_kind; peers: NONE = unknown or no state
	uint8_t link;         // association up and both HELLOs exchanged
	uint8_t hot;          // standby: SNAP_END applied; active: the other has said so
	uint8_t bulk;         // a snapshot is under way, either direction
	uint8_t alone;        // active without session
	uint8_t fresh;        // standby: lease runs
	uint8_t slot;         // 0, 1
	uint8_t restart;
	uint8_t digest_differs;  // bit i: bytes 4 i to 4 i + 3 of the configurations' digests
	uint8_t peer_release_differs, claiming;
	uint32_t join[2];
	uint32_t peer_load;         // packets/s of the group at the other box, while it is active
	uint64_t lineage, session;  // session: counter << 1 | assigner's slot
	uint32_t ike, child, tainted;  // SAs in the mirror
	uint32_t peer_applied_lag;     // records not yet acknowledged
};

enum ha_switch {
	HA_SWITCH_EITHER,  // as the role is when the word is read
	HA_SWITCH_LOST,    // only if this box has the role to give: HSRP took it
	HA_SWITCH_TAKE     // only if the other box has it
};
#define HA_LOAD_UNKNOWN UINT32_MAX

// What HSRP knows of one group. Times in ms.
struct ha_hello {
	uint8_t other_active;  // an active router other than this box was heard within the hold
			       // time
	uint8_t self_active;   // this box's HSRP state is active
	uint8_t priority, spare;
	uint32_t hello_ms, hold_ms;
	uint32_t load;               // packets/s of the group that pass here, both directions
	uint8_t own[16], other[16];  // interface addresses, IPv4 in the first four bytes
};

// The association, for displays. Strings end with a zero.
#define HA_LOCAL_MAX 4  // addresses of a box
struct ha_link {
	uint8_t up, paths, paths_up, family;
	uint32_t rto_ms, srtt_ms;
	uint8_t primary[16];
	uint64_t ups, tx, rx, tx_bytes, rx_bytes, queued, refused;
	uint64_t mirror_used, mirror_max;  // bytes of records
	// longest callbacks since the report before, by the clock and in processor time
	uint32_t longest_us, longest_cpu_us;
	char driver[16], security[32], trouble[256];
	// as SCTP has them; path_family 0: no such path
	uint32_t rto_min_ms, rto_max_ms, path_retransmit, assoc_retransmit;
	uint8_t path_family[HA_LOCAL_MAX], path_up[HA_LOCAL_MAX], path[HA_LOCAL_MAX][16];
};

#define HA_PSK_MAX 128
struct ha_config {            // whole configuration of the standby process; wiped after use
	uint32_t group_mask;  // bit n: group n exists
	uint8_t transport;    // 0 auto, 1 kernel, 2 user
	uint8_t security;     // 0 unset (association stays down), 1 PSK, 2 certificate, 3 none
	uint8_t up;           // `no shutdown`
	uint8_t locals, remotes, spare[3];
	uint16_t local_port, remote_port;
	uint32_t rto_min_ms, rto_max_ms;
	uint32_t path_retransmit, assoc_retransmit;
	uint8_t local_family[HA_LOCAL_MAX], remote_family[HA_LOCAL_MAX];  // 4, 6
	uint8_t local[HA_LOCAL_MAX][16], remote[HA_LOCAL_MAX][16];
	uint8_t digest[32];  // of what both boxes must have alike (S9): 8 sections of 4 bytes
	uint16_t secret_len;
	char secret[HA_PSK_MAX];  // PSK, or the trustpoint's name
	uint8_t spare_end[2];     // no padding: compared as bytes
};
