// What others may ask of the data plane, in plain C types. No DPDK type crosses this line.
//
// Thread: every call here is for the control thread (the one that called dp_start). Nothing
// blocks and nothing waits for a worker: changes are published with release stores and old
// objects freed after a grace period. Structs passed in are copied; key bytes are wiped from
// internal temporaries. Units: bytes, microseconds, seconds as named; SPIs and ports in host
// order; addresses as wire bytes (addr.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"

struct loop;

// ---- life ------------------------------------------------------------------------------------
struct dp_params {
	unsigned workers;        // 1..16
	const char *cores;       // core list for the workers ("1,2" / "1-3"), or NULL
	int idle_sleep_us;       // 0 = never sleep; > 0: an idle worker sleeps that long
	const char *instance;    // unique name of this instance (EAL file prefix)
	unsigned memory_mb;      // 0 = chosen
	bool hugepages;          // try hugepages first (falls back, says so)
	unsigned routes;         // per family, 0 = 65,536; at most DP_ROUTE_MAX
	char *const *eal_extra;  // verbatim EAL arguments (after `--`), NULL-terminated, or NULL
};

// Events and packets for the control thread; called from the loop, never from a worker.
enum dp_event_type {
	DP_EVENT_ACQUIRE,      // traffic matches a protect policy that has no SA
	DP_EVENT_SOFT_EXPIRE,  // an SA reached its soft volume limit (once)
	DP_EVENT_HARD_EXPIRE,  // an SA reached its hard volume limit and stopped (once)
	DP_EVENT_LIM_LOW,      // an outbound SA is within lim_low_margin of lim (once per lim)
	DP_EVENT_LIM_REACHED,  // it stopped at lim, packets are dropped
	DP_EVENT_PEER_MOVED,   // authenticated UDP-encapsulated traffic from another address/port
	DP_EVENT_UNKNOWN_SPI,  // ESP to us with an SPI nobody owns (rate-limited in the worker)
	DP_EVENT_IDLE,         // reserved
	DP_EVENT_POLICIES,     // the policies accepted last are now in force (large sets only)
};
struct dp_event {
	enum dp_event_type type;
	uint32_t sa;                   // handle, 0 when not about an SA
	uint32_t policy;               // ACQUIRE: policy id
	struct selector packet;        // ACQUIRE: the packet's exact 5-tuple
	struct ip_addr remote, local;  // PEER_MOVED: new source; UNKNOWN_SPI: outer addresses
	uint16_t remote_port;
	uint32_t spi;
};
struct dp_udp {  // an IKE datagram
	struct ip_addr local, remote;
	uint16_t local_port, remote_port;
	uint32_t port;  // port it came in by / is to leave by (0 = by route)
};
struct dp_ops {
	void (*event)(void *ctx, const struct dp_event *ev);
	// UDP 500 and 4500 to one of our addresses. On 4500 the non-ESP marker is still there;
	// one-byte keepalives and ESP never arrive. The payload is valid during the call.
	void (*ike_rx)(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len);
	// A port's link went up or down.
	void (*link)(void *ctx, uint32_t port, bool up);
	// A frame that is the host's and no unicast IP packet (ARP, multicast, broadcast), link
	// header first, before its tap gets it. true = taken, the host does not see it. May be
	// NULL.
	bool (*frame)(void *ctx, uint32_t port, const uint8_t *frame, size_t len);
	// A frame of the host, about to leave by its port; it may be changed in place, but not its
	// length. May be NULL.
	void (*host_frame)(void *ctx, uint32_t port, uint8_t *frame, size_t len);
	void *ctx;
};
int dp_start(struct loop *loop, const struct dp_params *p, const struct dp_ops *ops,
	     struct err *err);
void dp_stop(void);  // stops workers, closes ports, frees all
bool dp_running(void);
unsigned dp_workers(void);

// ---- ports -----------------------------------------------------------------------------------
struct dp_port_params {
	const char *name;     // "GigabitEthernet0/1", for displays
	const char *device;   // "vdev net_af_packet0,iface=veth1", "pci 0000:03:00.0"
	const char *host_if;  // name of its tap in the kernel ("gi0-1"), at most 15 characters
	uint16_t mtu;
};
// Creates the port and its host interface (a tap with the port's MAC, down). *port = id from 1.
int dp_port_add(const struct dp_port_params *p, uint32_t *port, struct err *err);
int dp_port_del(uint32_t port, struct err *err);
int dp_port_admin(uint32_t port, bool up, struct err *err);
struct dp_port_info {
	uint32_t port;
	char name[64], device[128], driver[32], host_if[16];
	uint8_t mac[6];
	uint16_t mtu;
	bool admin_up, link_up;
	uint32_t speed_mbps;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_missed, rx_errors, tx_errors,
		tx_dropped;
};
int dp_port_info(uint32_t port, struct dp_port_info *out);
// Looks at the links of all ports now rather than at the next poll; tells ops.link.
void dp_links_check(void);
uint32_t dp_port_next(uint32_t after);             // iterate; 0 at the end
uint32_t dp_port_by_host_if(const char *host_if);  // 0 if none
// Further unicast addresses whose frames are for us (virtual MACs). -EEXIST when it is there
// already, -ENOSPC when the port has DP_PORT_MACS_MAX.
#define DP_PORT_MACS_MAX 32
int dp_port_mac_add(uint32_t port, const uint8_t mac[6]);
int dp_port_mac_del(uint32_t port, const uint8_t mac[6]);
// Policies are looked at only on ports that bear a crypto map. Outbound: packets routed to this
// port; inbound: clear packets that arrive here.
int dp_port_set_policy(uint32_t port, uint32_t policy_group);  // 0 = no map

// ---- forwarding: mirror of the kernel's tables -----------------------------------------------
enum dp_route_kind {
	DP_ROUTE_FORWARD,  // via `gateway` (or on-link when unset) out of `port`
	DP_ROUTE_LOCAL,    // one of our own addresses
	DP_ROUTE_DROP,     // blackhole, unreachable, prohibit
	DP_ROUTE_HOST,     // leaves by an interface that is no port: hand to the kernel
};
struct dp_route {
	struct ip_prefix dst;  // host bits clear
	enum dp_route_kind kind;
	uint32_t port;
	struct ip_addr gateway;
};
#define DP_ROUTE_MAX (1u << 20)
// Adds or replaces. A full table refuses the route and counts it; all others stay as they are.
int dp_route_set(const struct dp_route *r, struct err *err);
int dp_route_del(const struct ip_prefix *dst);
// A neighbour's link address. `valid` false = not (or no longer) resolved.
int dp_neigh_set(uint32_t port, const struct ip_addr *addr, const uint8_t mac[6], bool valid);
// Addresses that a worker wants resolved: the callback asks the kernel (rtnetlink NTF_USE).
typedef void (*dp_resolve_fn)(void *ctx, uint32_t port, const struct ip_addr *addr);
void dp_set_resolver(dp_resolve_fn fn, void *ctx);

// ---- security policies -----------------------------------------------------------------------
enum dp_policy_action {
	DP_POLICY_PROTECT,
	DP_POLICY_BYPASS,
	DP_POLICY_SKIP,  // deny line of a crypto ACL: go on with the rules of order >= next_order
};
struct dp_policy {
	uint32_t id;     // chosen by the caller, 1..DP_POLICY_MAX; stable across commits
	uint32_t group;  // policy group (one per crypto map), as in dp_port_set_policy
	uint32_t order;  // lower first within a group
	enum dp_policy_action action;
	uint32_t next_order;  // DP_POLICY_SKIP only
	bool anchor;          // dp_policy_add() puts policies at its place
	struct selector sel;  // outbound direction; inbound clear packets match its reverse
};
#define DP_POLICY_MAX 131072
// Accepts a new set in the place of the whole old one. Packets see the old or the new set, never a
// mixture. A large set is built beside the control thread (2 s for 100,000 policies); until
// DP_EVENT_POLICIES the old one is in force. Of several accepted meanwhile only the newest counts.
// On a port whose policy group the set in force does not know nothing passes but IKE and ESP: a
// map that is new, or new to a port, never begins in clear. Should the build fail (memory), that
// is logged and the old set stays.
int dp_policies_set(const struct dp_policy *p, size_t n, struct err *err);
bool dp_policies_pending(void);  // accepted, not yet in force
// One PROTECT policy beside the set, in force at once and at the same cost however many there are.
// `anchor` is the id of a policy of the set with `anchor` set, of the same group: it gives the
// order (p->order is not looked at). The policy is in force with every set that has the anchor, and
// with no other; dp_policies_set() leaves it where it is. 0, -EEXIST, -EINVAL, -ENOMEM; -ENOTSUP
// (ports, an unset address) and -ENOSPC (32 combinations of prefix lengths in a group): put it into
// the set.
int dp_policy_add(const struct dp_policy *p, uint32_t anchor);
int dp_policy_del(uint32_t id);           // 0, -ENOENT
bool dp_policy_in_force(uint32_t id);     // one that was added, and the set has its anchor
uint32_t dp_policy_next(uint32_t after);  // those added, by id; 0 at the end
// Adds an outbound SA to those that serve a protect policy; it takes the place of one with equal
// selectors (a rekey). sa 0: removes all. A packet takes an SA that covers the whole policy if
// there is one, the newest first; else the newest whose selectors contain it; else it raises
// ACQUIRE and waits. An SA that is deleted leaves its policies by itself, and what it served goes
// to another that contains it. Binding releases the packets that wait for this policy, in order.
// -ENOSPC: the policy has 64 SAs with different selectors already.
int dp_policy_bind(uint32_t policy, uint32_t sa);
// Gives up what waits for this policy (negotiation failed); counted as dropped.
void dp_policy_flush_held(uint32_t policy);

// ---- security associations -------------------------------------------------------------------
enum dp_dir { DP_IN, DP_OUT };
enum dp_mode { DP_TUNNEL, DP_TRANSPORT };
enum dp_cipher {
	DP_CIPHER_NULL,
	DP_CIPHER_DES_CBC,
	DP_CIPHER_3DES_CBC,
	DP_CIPHER_AES_CBC,
	DP_CIPHER_AES_CTR,
	DP_CIPHER_AES_GCM,
	DP_CIPHER_AES_GMAC,
	DP_CIPHER_AES_CCM,
	DP_CIPHER_CHACHA20_POLY1305,
};
enum dp_auth {  // none with a combined-mode cipher
	DP_AUTH_NONE,
	DP_AUTH_MD5_96,
	DP_AUTH_SHA1_96,
	DP_AUTH_SHA256_128,
	DP_AUTH_SHA384_192,
	DP_AUTH_SHA512_256,
	DP_AUTH_AES_XCBC_96,
};
enum dp_sa_state { DP_SA_ACTIVE, DP_SA_STANDBY };  // standby: installed, neither sends nor accepts

#define DP_KEY_MAX 64
struct dp_sa {
	uint64_t id;  // the SA's 64-bit identity (ha-protocol rule 6)
	enum dp_dir dir;
	enum dp_mode mode;
	uint32_t spi;
	struct ip_addr local, remote;  // outer addresses: ours, the peer's
	bool udp_encap;
	uint16_t local_port, remote_port;  // when udp_encap
	enum dp_cipher cipher;
	enum dp_auth auth;
	uint8_t icv_len;          // combined modes: 8, 12, 16; else 0 = by auth
	uint8_t key[DP_KEY_MAX];  // cipher key, then the salt (GCM, CTR, GMAC 4; CCM 3; ChaCha 4)
	uint16_t key_len;         // without the salt
	uint16_t salt_len;
	uint8_t auth_key[DP_KEY_MAX];
	uint16_t auth_key_len;
	bool esn;
	uint32_t replay_window;  // DP_IN: packets, 0 = off, rounded up to a power of two, max 4096
	struct selector sel[4];  // outbound direction of the tunnel; DP_IN checks their reverse
	uint8_t sels;            // 0 = no check (manual keys without ACL)
	uint32_t port;           // out: fixed outgoing port, 0 = by route
	uint8_t df;              // 0 copy, 1 clear, 2 set
	bool fragment_after;     // fragment after encryption instead of before
	// ha-protocol rules 1, 7, 10: explicit IV = iv_prefix | counter, the counter from 0;
	// sequence numbers from `next`, never above `lim`.
	uint64_t iv_prefix;  // the upper 24 bits: slot | join - birth | restart; lower 40 zero
	uint64_t next;       // first sequence number to send, 1 for a new SA
	uint64_t lim;        // last that may be sent now
	uint64_t lim_low_margin;
	uint64_t edge;  // DP_IN: highest sequence number taken as seen (0 for a new SA)
	uint64_t soft_bytes, hard_bytes;      // 0 = no limit (inner bytes)
	uint64_t soft_packets, hard_packets;  // 0 = no limit
	uint16_t group;                       // redundancy group, 0 = none, below DP_GROUPS
	enum dp_sa_state state;               // of this SA alone; see also dp_group_set
	int worker;                           // owner, -1 = chosen (round robin by pair)
	uint64_t pair;  // same number for in and out of one tunnel: same owner
};

// Reserves an inbound SPI that carries a free table index (architecture: one load per look-up).
// slot: 0 or 1, the box's slot of ha-protocol. 0 = table full. Free with dp_spi_free unless an
// SA was added on it (then the SA's deletion frees it).
uint32_t dp_spi_alloc(unsigned slot);
void dp_spi_free(uint32_t spi);
// Reserves an SPI that the other box made (each slot has its own table): as if it came from
// dp_spi_alloc. 0, -EEXIST (reserved or in use), -EINVAL (no SPI of ours can be), -ENOMEM.
int dp_spi_take(uint32_t spi);
// *sa = handle (never 0). An SPI that did not come from dp_spi_alloc (manual keys, captures) is
// found by a hash instead. -EEXIST: SPI in use; -EINVAL: keys do not fit the algorithm;
// -ENOTSUP: algorithm absent in this build.
int dp_sa_add(const struct dp_sa *p, uint32_t *sa, struct err *err);
int dp_sa_del(uint32_t sa);  // unbinds it from policies too
int dp_sa_set_lim(uint32_t sa, uint64_t lim);
int dp_sa_set_state(uint32_t sa, enum dp_sa_state state);
int dp_sa_set_remote(uint32_t sa, const struct ip_addr *remote, uint16_t remote_port);

// ---- redundancy groups (ha-protocol) -----------------------------------------------------------
// An SA works when it is in state active AND its group is: a take-over changes one byte. Groups
// begin in state standby; group 0 (no redundancy) is always active.
#define DP_GROUPS 17
int dp_group_set(unsigned group, enum dp_sa_state state);  // 0, -EINVAL
// Of a group that rests: from its next dp_group_set() on each SA may send `by` numbers more than
// where dp_sa_set_next() has put it while the group rested, as if that had been said with
// dp_sa_set_lim(); until the group stops, or 0. 0, -EINVAL, -EBUSY (it works, or a worker has not
// passed yet).
int dp_group_raise(unsigned group, uint64_t by);
// A planned switchover leaves the group: from now on no worker sends or accepts with its SAs, and
// late packets wait for dp_group_forward() or are counted as esp-handed. `done` is called (control
// thread, from the loop) when every worker has been seen between two turns: sequence numbers and
// edges stand still, what was sealed has been given to the ports. A dp_group_set() in between
// cancels it. 0, -EINVAL, -EALREADY.
int dp_group_stop(unsigned group, void (*done)(void *ctx, unsigned group), void *ctx);
bool dp_group_handed(unsigned group);  // stopped, and neither set nor passed on to the end since
// Until then late packets wait (a thousand of them, a second each). The other box has the virtual
// addresses now: what waits, and what comes within grace_ms of the first call, goes back by the
// port it came in by, as it came, to that port's `mac`; clear packets never by a port with a crypto
// map. Then the group is in state standby. May be called again as further ports change
// hands. 0, -EINVAL, -ENOENT (not handed over).
#define DP_FORWARD_MAX 32
struct dp_forward {
	uint32_t port;
	uint8_t family, mac[6];
};
int dp_group_forward(unsigned group, const struct dp_forward *to, size_t n, uint32_t grace_ms);
// The virtual address of the group's SAs: when it is no longer ours, what came for it waits as
// well.
int dp_group_address(unsigned group, const struct ip_addr *addr);  // 0, -EINVAL
bool dp_group_resting(unsigned group);  // stopped, and every worker has passed

// Of SAs that rest: made in state standby or in a stopped group, and every worker has passed since.
// -EBUSY: not (yet) so; -ENOENT; -EINVAL: wrong direction, or numbers at or below what this box
// has sent itself (rule 7; counted as I4).
int dp_sa_set_next(uint32_t sa, uint64_t next);  // out: first number to send; may also go down
// In: everything at or below is refused. Never goes down: 0 without effect then.
int dp_sa_set_edge(uint32_t sa, uint64_t edge);
// Out: slot | join | restart of the life that goes on with it, the counter from 0 (rule 1). The
// same or an earlier life of the same slot changes nothing: 0, or -ESTALE (counted as I1).
int dp_sa_set_life(uint32_t sa, uint64_t iv_prefix);
// Of an SA that works (rule 16): it is held for a grace period and goes on with `next` (out) or
// `edge` (in) if those are higher. The other number is ignored. 0, -ENOENT, -ENOMEM.
int dp_sa_advance(uint32_t sa, uint64_t next, uint64_t edge);
// How far before lim DP_EVENT_LIM_LOW comes.
int dp_sa_set_margin(uint32_t sa, uint64_t margin);
// Packets per second sent since lim was last changed (out), rounded up; 0 = none, or no such SA.
uint64_t dp_sa_rate(uint32_t sa);

// Window edges that moved since they were last told, for inbound SAs of a group: at most `max`
// calls. To be asked every millisecond. What the workers do for it: one look at a flag per packet,
// and one entry in a ring per SA and call of this.
typedef void (*dp_checkpoint_fn)(void *ctx, uint64_t id, uint16_t group, uint64_t edge);
unsigned dp_checkpoint_poll(dp_checkpoint_fn fn, void *ctx, unsigned max);
// The most sequence numbers by which an edge of the group moved between two looks, so far.
uint64_t dp_checkpoint_step(unsigned group);
// How far the edges of the group's SAs have moved together, here or by what the other box told.
uint64_t dp_checkpoint_packets(unsigned group);
// Packets that the workers sealed for the group's SAs since they began.
uint64_t dp_group_sealed(unsigned group);

struct dp_invariants {
	uint64_t i1;  // an IV counter or a life that went back
	uint64_t i4;  // a sequence number above lim, or at or below one that was sent
};
void dp_invariants(struct dp_invariants *out);

struct dp_sa_stats {
	uint64_t packets, bytes;  // bytes: inner
	uint64_t seq;             // out: last sent; in: highest accepted
	uint64_t lim;
	uint64_t iv_counter;
	uint64_t drops[16];     // by enum dp_sa_drop
	uint64_t last_used_us;  // loop clock, resolution 1 s; 0 = never
	int worker;
	enum dp_sa_state state;
};
enum dp_sa_drop {
	DP_SA_DROP_REPLAY,
	DP_SA_DROP_ICV,
	DP_SA_DROP_PAD,
	DP_SA_DROP_SELECTOR,
	DP_SA_DROP_INNER,
	DP_SA_DROP_LIM,
	DP_SA_DROP_EXPIRED,
	DP_SA_DROP_STANDBY,
	DP_SA_DROP_MTU,
	DP_SA_DROP_ENCAP,
	DP_SA_DROP_COUNT,
};
const char *dp_sa_drop_name(enum dp_sa_drop d);  // "replay", "icv", ...
int dp_sa_get_stats(uint32_t sa, struct dp_sa_stats *out);
bool dp_sa_algorithm_supported(enum dp_cipher c, enum dp_auth a, uint16_t key_len);

// ---- packets from the control plane ----------------------------------------------------------
// Sends a UDP datagram from one of our addresses, past the policies (IKE). Fragments if needed.
// 0, -ENOBUFS, -ENETUNREACH.
int dp_udp_send(const struct dp_udp *meta, const uint8_t *payload, size_t len);
// Sends a whole frame, link header first, out of a port. 0, -ENODEV, -EMSGSIZE, -ENOBUFS.
int dp_frame_send(uint32_t port, const uint8_t *frame, size_t len);

// ---- displays --------------------------------------------------------------------------------
struct dp_stage_stats {
	const char *name;
	uint64_t bursts, packets;
	uint64_t cycles;  // 0 unless cycle counting is on
};
unsigned dp_stage_count(void);
int dp_stage_get(unsigned stage, int worker, struct dp_stage_stats *out);  // worker -1 = sum
void dp_stage_cycles(bool on);
unsigned dp_drop_count(void);
int dp_drop_get(unsigned reason, int worker, const char **name, const char **sentence,
		uint64_t *count);
struct dp_worker_stats {
	unsigned worker;
	int core;
	uint64_t loops, busy_loops, rx_packets, tx_packets, handoff_in, handoff_out, sleeps;
	uint64_t busy_cycles, total_cycles;
	uint32_t sas;
};
int dp_worker_get(unsigned worker, struct dp_worker_stats *out);
struct dp_engine_info {
	const char *crypto_library;  // "intel-ipsec-mb 1.3.0"
	const char *architecture;    // "AVX512 (VAES)"
	bool hugepages;
	uint32_t sa_max, sa_used, policy_max, policy_used, route_max, route_used;
	uint32_t mbufs, mbufs_used, held_packets, held_max;
	uint64_t route_refused;  // no place for them
};
void dp_engine_info(struct dp_engine_info *out);
void dp_counters_clear(void);
