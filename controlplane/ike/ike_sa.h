// IKE SA: the object both IKE versions share. Its protocol state (`v`) belongs to the version.
//
// Life: created half-open; ike_sa_up() when authenticated; superseded when a newer one with the
// same peer replaced it (it then begins nothing, and goes when the peer can have nothing on it any
// more: replaced.h); ike_sa_kill() unlinks it, freed when the call leaves. Owner: the engine.
#pragma once

#include "ike/ike_engine.h"
#include "secret.h"

struct ike_suite {  // what phase 1 settled on
	enum ike_encr encr;
	uint16_t aes_bits;
	enum ike_hash hash;
	enum ike_auth auth;
	uint16_t group;
	uint32_t lifetime_s;
};

struct ike_dpd {
	struct ike_timer timer;
	bool on, periodic;  // as configured when it was started
	uint32_t every_s;
	uint32_t seq_out;    // last R-U-THERE sent
	uint32_t seq_first;  // first unanswered one
	uint32_t seq_in;     // last R-U-THERE accepted
	bool seq_in_known;
	unsigned tries;                    // unanswered so far
	uint64_t heard_ms;                 // last authenticated sign of life
	uint64_t in_packets, out_packets;  // of the children, at the last look
};

struct ike_sa {
	TAILQ_ENTRY(ike_sa) link;
	struct ike_node id_node, cookie_node, first_node, peer_node;
	struct ike_dead grave;
	struct ike *ike;
	const struct ike_version *ops;
	void *v;  // version's state, owned; freed by ops->fini
	uint32_t id;

	bool initiator, established, superseded, dead, half_open;
	unsigned stranger;  // half-open and unproven: place in ike->strangers, from 1
	struct ip_addr local, remote;
	uint16_t local_port, remote_port;
	uint32_t port;  // data-plane port to leave by, 0 = by route
	uint64_t icookie, rcookie;
	struct ike_suite suite;
	char local_id[128], remote_id[128];
	bool id_named;      // remote_id is a name, no address
	struct secret psk;  // copy; compared at ike_configure
	bool natt, nat_local, nat_remote, peer_dpd;
	uint64_t created_ms, established_ms, expires_ms;
	uint64_t replaced_ms;  // what is younger the peer has elsewhere; 0: never replaced
	unsigned children;
	unsigned refused;        // child exchanges of ours that failed, in a row
	uint64_t spi_notice_ms;  // last Delete for an unknown SPI
	struct ike_dpd dpd;
	struct ike_timer setup, rekey, hard, linger, keepalive;
	struct replica ha;
	uint64_t wake_rekey_ms, wake_linger_ms;  // asleep: when these are due, or RECORD_NEVER
};

// Half-open limits (total, per source) are checked for responders: -EBUSY via errno.
struct ike_sa *ike_sa_create(struct ike *ike, const struct ike_version *ops, bool initiator,
			     const struct dp_udp *meta);
// One that another box made: no timer runs, nothing is sent. The caller gives it its identity.
struct ike_sa *ike_sa_passive(struct ike *ike, const struct ike_version *ops, bool initiator,
			      const struct dp_udp *meta);
void ike_sa_cookie_set(struct ike_sa *sa, uint64_t icookie, uint64_t rcookie);
struct ike_sa *ike_sa_by_id(const struct ike *ike, uint32_t id);
// By the cookie that is ours; the caller compares the other one.
struct ike_sa *ike_sa_by_cookie(const struct ike *ike, uint64_t own);
// A responder's SA by what its first message bore.
struct ike_sa *ike_sa_by_first(const struct ike *ike, uint64_t icookie,
			       const struct ip_addr *remote, uint16_t port);
// The SA to use for a new exchange with the peer: established, not superseded; NULL.
struct ike_sa *ike_sa_usable(const struct ike *ike, const struct ip_addr *local,
			     const struct ip_addr *remote);
// One that we are setting up with the peer, or NULL.
struct ike_sa *ike_sa_pending(const struct ike *ike, const struct ip_addr *local,
			      const struct ip_addr *remote);
// A new IKE SA with the peer, first message sent. `like` (or NULL): the one it will replace, whose
// ports it uses (RFC 3947 4: once on 4500, always on 4500). NULL and errno.
struct ike_sa *ike_sa_initiate(struct ike *ike, const struct ip_addr *local,
			       const struct ip_addr *remote, const struct ike_sa *like);

// Authenticated. Before the last message leaves, if that is ours: the other box learns of it.
void ike_sa_establish(struct ike_sa *sa);
void ike_sa_up(struct ike_sa *sa);  // timers, adoption, waiting flows
void ike_sa_notice(const struct ike_sa *sa, enum ike_notice_type type, const char *reason);
bool ike_sa_allowed(const struct ike_sa *sa);  // by the configuration
// Another one between its addresses, established or being set up with the peer.
bool ike_sa_other(const struct ike_sa *sa);
// Peer said INITIAL-CONTACT in the authenticated set-up of `sa`: what was up before goes.
void ike_sa_initial_contact(struct ike_sa *sa);
// Unlinks; tells the peer if asked and possible. Waiting flows go on with the next peer.
void ike_sa_kill(struct ike_sa *sa, const char *reason, bool tell_peer);
// The peer deleted it: one that it had replaced may be what the peer goes on with.
void ike_sa_peer_deleted(struct ike_sa *sa);
// Peer is dead: kill, and all child SAs with this peer too; unless another IKE SA has heard of it
// since, which goes on with them.
void ike_sa_peer_dead(struct ike_sa *sa, const char *reason);
void ike_sa_heard(struct ike_sa *sa);  // an authenticated message arrived
// Authenticated message from elsewhere: the peer's NAT mapping moved.
void ike_sa_moved(struct ike_sa *sa, const struct dp_udp *meta);
const char *ike_sa_label(const struct ike_sa *sa, char *buf, size_t cap);  // for log lines
#define IKE_LABEL_MAX 128
