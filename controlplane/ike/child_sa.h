// Child SA (a pair of ESP SAs): the object both IKE versions share.
//
// Life: child_sa_create() reserves the inbound SPI; the version fills what was negotiated and
// installs inbound and outbound in the order its exchange demands; child_sa_up() binds the policy
// and replaces the one before (make before break: that one stays for late packets, marked old).
// Deleted by child_sa_delete() only. Owner: the engine. Keys are kept only where another box must
// be able to go on with them (stateful switchover).
#pragma once

#include "ike/ike_engine.h"
#include "secret.h"

struct child_sa {
	TAILQ_ENTRY(child_sa) link;
	struct ike_node id_node, in_node, out_node, policy_node, peer_node;
	struct ike_dead grave;
	struct ike *ike;
	uint32_t id, ike_id;  // ike_id 0: its IKE SA has gone
	uint32_t renewed_on;  // IKE SA on which its renewal was last tried
	uint64_t peer_key;    // of the identity that its IKE SAs authenticated; 0: not known
	uint32_t policy;
	char map[CONFIG_NAME_MAX], interface[CONFIG_NAME_MAX];
	uint32_t seq;
	struct ip_addr local, remote;
	uint16_t local_port, remote_port;
	bool udp_encap;
	struct selector sel;  // outbound direction
	bool narrowed;        // smaller than its flow
	struct tunnel_proposal transform;
	uint16_t pfs_group;
	uint32_t replay_window, idle_time_s;
	uint8_t df;
	bool fragment_after;
	uint32_t spi_in, spi_out, sa_in, sa_out;
	uint32_t lifetime_s, lifetime_kb;  // 0 kb = no volume limit
	uint64_t begun_ms, up_ms, hard_ms;
	bool initiator, up, old, rekeying, dead;
	bool settling;     // up, but the peer may not have its side yet: does not send
	uint8_t rank[32];  // same number at both ends; settles simultaneous negotiations
	uint64_t idle_packets;
	struct ike_timer soft, hard, overlap, idle, settle;
	// Stateful switchover.
	struct replica ha;
	uint64_t ha_parent;       // identity of its IKE SA, also while that is not there
	struct secret keys[2];    // by enum dp_dir
	struct secret half_done;  // asleep: the exchange it is being made by, as the record has it
	struct selector flow;     // whole, of its policy
	char dynamic_map[CONFIG_NAME_MAX];
	uint32_t dynamic_seq;
	uint64_t ceiling;       // R (ha-protocol rule 7) as far as this box knows it
	uint64_t granted;       // lim that came with an acknowledgement
	uint64_t first;         // first number to send; above what the other box may have sent
	uint64_t edge;          // in: taken as seen when it is installed
	uint64_t bytes_before;  // went over it on the other box
	uint64_t wake_soft_ms, wake_overlap_ms;  // asleep: when due, or RECORD_NEVER
};

// Never wrap the 32-bit sequence number (RFC 4303 3.3.3); rekey long before.
#define CHILD_SEQ_LIM    (UINT32_MAX - 1024ull)
#define CHILD_SEQ_MARGIN (1ull << 26)
// Of a group: the ceiling that the first record says (ha-protocol rule 7). With its acknowledgement
// the limit is there before a packet is; a raise asked for by the first packet would come after it.
#define CHILD_CEILING 65536

struct child_sa *child_sa_create(struct ike *ike, const struct tunnel_flow *flow,
				 const struct ip_addr *local, const struct ip_addr *remote);
void child_sa_register(struct child_sa *c);  // in the tables
// The life that goes on with it (ha-protocol rule 1); taints it when its numbers are used up.
int child_sa_life_set(struct child_sa *c);
void child_sa_notice(const struct child_sa *c, enum ike_notice_type type, bool rekey,
		     const char *reason);
bool child_sa_allowed(const struct child_sa *c);  // by the configuration
void child_sa_refind(struct ike *ike);            // the flows of passive ones, after a commit
// keymat: cipher key, salt, integrity key, in that order.
int child_sa_install(struct child_sa *c, enum dp_dir dir, const uint8_t *keymat, size_t len,
		     struct err *err);
void child_sa_up(struct child_sa *c);
// The same for the end that sent the last message of the exchange: nothing is sent over the new
// pair for settle_ms, until the peer has had time to install it. The one before goes on.
void child_sa_up_settle(struct child_sa *c, uint64_t settle_ms);
// The same for one that is up already.
void child_sa_settle(struct child_sa *c, uint64_t settle_ms);
// tell: send a Delete if there is an IKE SA to send it on. reason: for notices and logs.
void child_sa_delete(struct child_sa *c, const char *reason, bool tell);
// Of the pairs of the policy with these selectors the best one sends.
void child_sa_rebind(struct ike *ike, uint32_t policy, const struct selector *sel);
struct child_sa *child_sa_by_id(const struct ike *ike, uint32_t id);
struct child_sa *child_sa_by_handle(const struct ike *ike, uint32_t sa);
// The pair whose outbound SPI the peer names; it must be the peer's own.
struct child_sa *child_sa_by_peer_spi(const struct ike_sa *sa, uint32_t spi);
// The one of the policy that sends (or will, once it has settled), or NULL.
struct child_sa *child_sa_current(const struct ike *ike, uint32_t policy);
// One that is up and may carry this packet, or NULL.
struct child_sa *child_sa_covering(const struct ike *ike, uint32_t policy,
				   const struct selector *packet);
// Those of the peer that have no IKE SA and were up before; no Delete is sent.
void child_sa_delete_orphans(const struct ike_sa *sa, const char *reason, uint64_t before_ms);
// The IKE SA on which one talks with the peer about this pair; NULL when there is none.
struct ike_sa *child_sa_ike(const struct child_sa *c);
// The one on which it is renewed: that one; when it was tried there and refused, another that is
// up, replaced or not, for a peer may know it on that one only.
struct ike_sa *child_sa_renewal_ike(struct child_sa *c);
// Any that is up between the addresses of `sa` and came up until then.
bool child_sa_any_until(const struct ike_sa *sa, uint64_t until_ms);
// The peer does not answer any more: its tunnel goes to the next peer of the list.
void child_sa_peer_failed(struct child_sa *c);
void child_sa_moved(struct child_sa *c, const struct ip_addr *remote, uint16_t port);
void child_sa_attach(struct child_sa *c, struct ike_sa *sa);  // NULL: none
void child_sa_orphan(const struct ike_sa *sa);                // all of a dying IKE SA
bool child_sa_any(const struct ike_sa *sa);  // any that is up between its addresses
void child_sa_adopt(struct ike_sa *sa);      // orphans and those of superseded SAs move to `sa`
void child_sa_event(struct child_sa *c, const struct dp_event *ev);
