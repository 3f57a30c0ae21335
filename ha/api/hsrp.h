// HSRP: one group of one interface, as seen by whoever owns the ports.
//
// Pure: bytes and the time come in, a list of actions goes out; nothing here sends, reads a clock
// or logs. `now` is milliseconds of any clock that never goes back; 0 is not a valid time. The
// caller
//  - hands every packet to hsrp_group_receive(),
//  - calls hsrp_group_tick() when hsrp_group_due() has come,
//  - performs the actions in order after each call, whichever it was.
// Every function that takes a `struct hsrp_actions` appends to it. Addresses are copied, never kept
// by pointer. Thread: control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "model.h"

#define HSRP_PORT     1985  // IPv4
#define HSRP_PORT_V6  2029
#define HSRP_TTL_V4   1
#define HSRP_TTL_V6   255
#define HSRP_WIRE_MAX 88  // longest message we send
#define HSRP_KEYS_MAX 8
#define HSRP_KEY_LEN  64
#define HSRP_NEVER    UINT64_MAX

// RFC 2281 5.1; in the order of the columns of its table.
enum hsrp_state {
	HSRP_STATE_INITIAL,
	HSRP_STATE_LEARN,
	HSRP_STATE_LISTEN,
	HSRP_STATE_SPEAK,
	HSRP_STATE_STANDBY,
	HSRP_STATE_ACTIVE,
	HSRP_STATES
};
const char *hsrp_state_name(enum hsrp_state s);  // "Init", "Learn", ... as displayed

enum hsrp_op { HSRP_OP_HELLO, HSRP_OP_COUP, HSRP_OP_RESIGN, HSRP_OP_ADVERT, HSRP_OPS };
const char *hsrp_op_name(enum hsrp_op op);  // "hello", "coup", "resign", "advert"

// RFC 2281 5.4; a to l in its order.
enum hsrp_event {
	HSRP_EVENT_ENABLED,
	HSRP_EVENT_DISABLED,
	HSRP_EVENT_ACTIVE_TIMER,
	HSRP_EVENT_STANDBY_TIMER,
	HSRP_EVENT_HELLO_TIMER,
	HSRP_EVENT_SPEAK_HIGHER,
	HSRP_EVENT_ACTIVE_HIGHER,
	HSRP_EVENT_ACTIVE_LOWER,
	HSRP_EVENT_RESIGN,
	HSRP_EVENT_COUP,
	HSRP_EVENT_STANDBY_HIGHER,
	HSRP_EVENT_STANDBY_LOWER,
	HSRP_EVENT_GIVE_UP,  // ours: a planned switchover leaves the active role
	HSRP_EVENT_UNHEARD,  // ours: active, but evidently not heard (hsrp_heard.c)
	HSRP_EVENT_RESUME,   // ours: this router's process began again while it had the role
	HSRP_EVENTS
};
const char *hsrp_event_name(enum hsrp_event e);  // a reason for the log: "active timer expired"

// What became of a packet. Everything but OK, and the notes behind HSRP_RX_ERRORS, changes nothing.
enum hsrp_rx {
	HSRP_RX_OK,
	HSRP_RX_TRUNCATED,      // shorter than its own lengths
	HSRP_RX_BAD_LENGTH,     // a TLV with a length that its type cannot have
	HSRP_RX_DUPLICATE_TLV,  // two of one kind
	HSRP_RX_BAD_VERSION,    // unknown, or not the one configured
	HSRP_RX_BAD_OPCODE,
	HSRP_RX_BAD_STATE,
	HSRP_RX_BAD_FAMILY,    // version 2 IP version field, or not the group's
	HSRP_RX_BAD_PRIORITY,  // version 2: above 255
	HSRP_RX_BAD_TIMERS,    // zero, hold <= hello, or hold above 255 s
	HSRP_RX_BAD_VIRTUAL,   // virtual address multicast or loopback
	HSRP_RX_WRONG_GROUP,
	HSRP_RX_WRONG_TTL,
	HSRP_RX_OWN_ADDRESS,  // sent by ourselves, or by someone who says so
	HSRP_RX_BAD_SOURCE,   // unset, multicast, the virtual address, not on the interface's net
	HSRP_RX_AUTH_TYPE,    // text where MD5 is configured, or the reverse, or none
	HSRP_RX_AUTH_TEXT,
	HSRP_RX_AUTH_KEY_ID,  // no key of that number is valid now
	HSRP_RX_AUTH_SOURCE,  // MD5 TLV names another sender
	HSRP_RX_AUTH_DIGEST,
	HSRP_RX_NO_STAMP,  // stamps are configured, and it has none
	HSRP_RX_REPLAYED,  // its stamp is not newer than one that was seen, or its sender denied it
	HSRP_RX_DISABLED,  // the group is not running
	HSRP_RX_ERRORS,
	// From here on: believed, and worth counting.
	HSRP_RX_IGNORED = HSRP_RX_ERRORS,  // of no consequence (advertisement, late resign)
	HSRP_RX_OTHER_VIRTUAL,             // the sender has another virtual address
	HSRP_RX_OTHER_ACTIVE,              // a second active router, weaker than the one known
	HSRP_RX_DOUBTED,  // put aside: its sender, if it is a replay, will deny it (docs/hsrp.md)
	HSRP_RX_EARLY,    // the same as its sender's last one, and too soon for a hello
	HSRP_RX_REASONS
};
const char *hsrp_rx_name(enum hsrp_rx r);  // "wrong-ttl", ...

// A key of a key chain or the one key-string. Times are in the clock of `now`; the caller converts
// a key chain's calendar. Ends are exclusive; HSRP_NEVER = for ever. In place, so that a group is
// wiped whole; whoever fills a hsrp_conf wipes it after use (secret_wipe).
struct hsrp_key {
	uint32_t id;  // 0 for a key-string
	uint8_t len;  // 1..HSRP_KEY_LEN
	uint8_t bytes[HSRP_KEY_LEN];
	uint64_t accept_from, accept_until;
	uint64_t send_from, send_until;
};
enum hsrp_auth_kind { HSRP_AUTH_TEXT, HSRP_AUTH_MD5 };
struct hsrp_auth {
	enum hsrp_auth_kind kind;
	uint8_t text[8];  // zero padded
	unsigned keys;
	struct hsrp_key key[HSRP_KEYS_MAX];
};

// A group's configuration, resolved. hsrp_conf_init() fills it from the model; the caller adds the
// interface's facts and, for a key chain, the keys.
struct hsrp_conf {
	uint8_t version;  // 1 or 2
	uint16_t number;
	struct ip_addr virtual_ip;  // family 0 = learn
	uint8_t family;             // 4 or 6
	uint8_t priority;
	bool preempt;
	uint32_t preempt_min_s, preempt_reload_s, preempt_sync_s;
	uint32_t delay_min_s, delay_reload_s;  // `standby delay`, of the interface
	bool timers_set;
	uint32_t hello_ms, hold_ms;
	bool mac_set, use_bia;
	uint8_t mac[6];
	uint32_t auth_timeout_s;  // an old key is accepted so long beside its successor
	struct hsrp_auth auth;
	// Replay protection of our own making, with MD5 only: every message carries a rising
	// number, and messages without or with an old one are refused. All routers of the group
	// must do it. `stamp_base + now` must be greater after each restart of the process: wall
	// clock minus `now`.
	bool stamps;
	uint64_t stamp_base;
	// the interface
	struct ip_addr local;  // source of our messages; IPv6: link-local
	struct ip_prefix net;  // where other routers must be; family 0 = anywhere
	uint8_t bia[6];        // burnt-in address
};
// IPv6 groups: with `bia` known, hsrp_conf_ipv6() adds what is derived from MAC addresses.
void hsrp_conf_init(struct hsrp_conf *c, const struct standby_group *g,
		    const struct interface_config *i);

void hsrp_conf_ipv6(struct hsrp_conf *c);
void hsrp_conf_virtual_mac(const struct hsrp_conf *c, uint8_t out[6]);
// The address in a /64 whose lower half is the MAC address around ff:fe. The bit that RFC
// 4291 2.5.1 turns over is left as it is: so routers make the virtual addresses of their groups.
struct ip_addr hsrp_eui64(const struct ip_addr *prefix, const uint8_t mac[6]);

enum hsrp_action_kind {
	HSRP_DO_SEND,    // multicast `bytes` from conf.local, source MAC `mac`
	HSRP_DO_ARP,     // gratuitous ARP or unsolicited neighbour advertisement: virtual_ip, mac
	HSRP_DO_STATE,   // old_state -> new_state by `event`: log; take or drop the address
	HSRP_DO_LEARNT,  // the virtual address or the timers were learnt
	HSRP_DO_CLAIM,   // a gated group would become active: ask, then hsrp_group_claimed()
	HSRP_DO_ASK,     // ask (ARP, neighbour solicitation) `peer` and other stations of the
			 // interface for their MAC addresses; each answer: hsrp_group_answered()
	HSRP_DO_HEARING  // `hearing` of this router's frames by `peer`: log
};
enum hsrp_hearing {
	HSRP_HEARD_BY_NONE,   // nothing is answered: steps down
	HSRP_HEARD_BY_SOME,   // by others, but not by `peer`, with stamps: steps down
	HSRP_HEARD_DISPUTED,  // the same without stamps: stays, two routers are active
	HSRP_HEARD_AGAIN,
};
struct hsrp_action {
	enum hsrp_action_kind kind;
	enum hsrp_op op;  // SEND
	uint8_t len;
	uint8_t bytes[HSRP_WIRE_MAX];
	uint8_t mac[6];                        // SEND, ARP
	struct ip_addr virtual_ip;             // ARP, STATE, LEARNT
	enum hsrp_state old_state, new_state;  // STATE
	enum hsrp_event event;
	bool preempt;  // CLAIM: from a router that is still heard
	enum hsrp_hearing hearing;
	struct ip_addr peer;  // ASK, HEARING; family 0 = unknown
};
// Actions beyond the capacity would be lost; one call makes at most 12.
#define HSRP_ACTIONS_MAX 16
struct hsrp_actions {
	unsigned count;
	struct hsrp_action list[HSRP_ACTIONS_MAX];
};

struct hsrp_packet {
	struct ip_addr src;
	uint8_t ttl;  // or hop limit
	const uint8_t *data;
	size_t len;  // UDP payload
};
// The group a payload speaks of, to find the object; *family is 4 or 6. HSRP_RX_IGNORED: about no
// group (advertisement). Otherwise why it cannot be decoded.
enum hsrp_rx hsrp_packet_group(const uint8_t *data, size_t len, uint16_t *number, uint8_t *family);
// Where messages of a version and family go.
struct ip_addr hsrp_multicast(uint8_t version, uint8_t family);

// May this box preempt? HELD wins over everything; SYNCING is bounded by `preempt delay sync`.
enum hsrp_ready { HSRP_READY, HSRP_READY_SYNCING, HSRP_READY_HELD };

struct hsrp_group;
// After a start of the process `reload` is true (the reload delays apply). The group is in Initial
// until hsrp_group_link() says up. NULL: out of memory. Keys are wiped at destroy.
struct hsrp_group *hsrp_group_create(const struct hsrp_conf *conf, bool reload, uint64_t now);
// Silent; for an orderly end call hsrp_group_enable(false) first and send what it says.
void hsrp_group_destroy(struct hsrp_group *g);
// A new configuration. What does not change the group's identity (priority, preempt, timers,
// authentication) is applied in place; the rest goes through Initial.
void hsrp_group_configure(struct hsrp_group *g, const struct hsrp_conf *conf, uint64_t now,
			  struct hsrp_actions *out);
void hsrp_group_link(struct hsrp_group *g, bool up, uint64_t now, struct hsrp_actions *out);
// `standby G track N shutdown` and administrative stops.
void hsrp_group_enable(struct hsrp_group *g, bool enabled, uint64_t now, struct hsrp_actions *out);
// The sum of the decrements of all tracked objects that are down.
void hsrp_group_decrement(struct hsrp_group *g, uint32_t decrement, uint64_t now,
			  struct hsrp_actions *out);
void hsrp_group_ready(struct hsrp_group *g, enum hsrp_ready ready, uint64_t now,
		      struct hsrp_actions *out);
// Planned switchover: gives the active role away and does not preempt until the router that took it
// is lost, its priority falls, or hsrp_group_reclaim(). False, and nothing happens, unless this
// router is active and a standby router is known.
bool hsrp_group_resign(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
// The process began again, and its router has the active role still (the standby process of a
// stateful switchover says so): goes on at once, unless another router is known to have it
// meanwhile.
void hsrp_group_resume(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
void hsrp_group_reclaim(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
// The other box has given its work to this one and says so by a way of its own, which nobody
// forges: that its group gives up the active role now is not doubted. Planned (nothing was lost, it
// has asked for it or agreed): when nothing of its router is heard within 20 ms, the line is dead
// by which its resign would come, and a standby router goes on as when the hold time is over.
void hsrp_group_handed(struct hsrp_group *g, bool planned, uint64_t now, struct hsrp_actions *out);
// A gated group does not become active by itself, when the active router is lost or to be
// preempted, but says HSRP_DO_CLAIM and stays what it is. Granted: it becomes active. Denied: as if
// the active router had just been heard; but when the grant comes while it is silent still, the
// group goes on at once. No answer within a quarter of the hold time: granted. A resign of the
// active router needs no claim.
void hsrp_group_gate(struct hsrp_group *g, bool gated, uint64_t now, struct hsrp_actions *out);
void hsrp_group_claimed(struct hsrp_group *g, bool granted, uint64_t now, struct hsrp_actions *out);
// A station has answered a question of this interface: its frames get out, one way and the other.
void hsrp_group_answered(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
// The other box says, by a way of its own and at least every three seconds while it lasts, that it
// does not hear this router's hellos: as if it insisted on the active role.
void hsrp_group_missed(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
enum hsrp_rx hsrp_group_receive(struct hsrp_group *g, const struct hsrp_packet *p, uint64_t now,
				struct hsrp_actions *out);
void hsrp_group_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
uint64_t hsrp_group_due(const struct hsrp_group *g);  // HSRP_NEVER = no timer runs

struct hsrp_peer_view {
	bool local;           // it is this router
	struct ip_addr addr;  // family 0 = unknown
	uint8_t priority;
	uint32_t left_ms;   // until it is given up
	uint32_t heard_ms;  // since its last message
};
// All that `show standby` prints of a group.
struct hsrp_snapshot {
	uint16_t number;
	uint8_t version, family;
	enum hsrp_state state;
	uint32_t state_changes;
	uint64_t since_ms;  // in this state
	struct ip_addr local, virtual_ip;
	bool virtual_learnt, timers_learnt;
	uint8_t virtual_mac[6];
	uint32_t hello_ms, hold_ms;
	uint32_t next_hello_ms;  // 0 = no hellos are sent
	uint8_t priority, configured_priority;
	bool preempt, resigned, claiming;
	bool preempt_waiting;      // a weaker router is active and we wait
	uint32_t preempt_left_ms;  // of that wait; 0 with waiting = until ready
	uint32_t start_left_ms;    // of `standby delay`
	bool unheard;              // stepped down because nobody hears it, has not been heard since
	uint32_t back_off_ms;      // left before it may preempt again
	struct ip_addr rival;      // a weaker router that insists on the active role
	uint32_t unheard_count, disputed_count;
	enum hsrp_auth_kind auth_kind;
	struct hsrp_peer_view active, standby;
	uint64_t sent[HSRP_OPS], received[HSRP_OPS];
	uint64_t reasons[HSRP_RX_REASONS];
};
void hsrp_group_snapshot(const struct hsrp_group *g, uint64_t now, struct hsrp_snapshot *out);
const struct hsrp_conf *hsrp_group_conf(const struct hsrp_group *g);
