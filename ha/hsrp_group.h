// The inside of a HSRP group, shared by hsrp_group.c (object), hsrp_run.c (events, timers, actions)
// and hsrp_rx.c (messages). Thread: control thread only.
#pragma once

#include "hsrp_fsm.h"
#include "hsrp_packet.h"

// Another router in a role. family 0 = nobody known.
struct hsrp_peer {
	struct ip_addr addr;
	uint8_t priority;
	uint32_t hello_ms;
	uint64_t heard_at;
};

// The newest stamp of a router, which is known by what the digest covers: version 2's identifier,
// version 1's address.
#define HSRP_SEEN_MAX 8
struct hsrp_seen {
	uint8_t id[6];
	uint64_t stamp;  // 0 = free
	uint64_t heard_at;
};

// A believed message that would change this router's role, against what its sender said last. It
// waits for the sender to deny it.
struct hsrp_doubt {
	enum { HSRP_DOUBT_NONE, HSRP_DOUBT_TAKES, HSRP_DOUBT_LEAVES, HSRP_DOUBT_WEAKER } kind;
	struct ip_addr from;
	struct hsrp_msg m;
	uint64_t due;
};

// Is this router heard? hsrp_heard.c.
struct hsrp_heard {
	// a weaker router insists on the active role
	struct hsrp_peer rival;  // heard_at: its last word
	uint64_t since;          // 0 = nobody does
	unsigned words;
	bool told;  // ... by a way of its own, hsrp_group_missed()
	uint64_t verdict_due;
	uint64_t asked_at, ask_due, answered_at;
	bool disputing;  // the verdict was: two active routers
	// stepped down because of that
	bool unheard;
	uint32_t back_off_ms;
	uint64_t back_off_until;
	uint64_t again_at;  // when it was heard again last
	uint32_t count, disputed;
};

struct hsrp_group {
	struct hsrp_conf conf;  // as configured
	struct hsrp_auth auth;  // conf.auth and the keys that are being phased out
	uint64_t created_at;
	bool reload;  // created by a start of the process
	bool ever_up;
	bool link_up, enabled;
	enum hsrp_ready ready;
	bool resigned;           // gave the role away on purpose: no preemption
	uint8_t resigned_to;     // ... of a router of this priority or a higher one
	uint64_t gave_up_until;  // the one who is to take it has this long
	uint32_t decrement;

	enum hsrp_state state;
	uint64_t since;
	uint32_t state_changes;
	struct ip_addr virtual_ip;  // configured or learnt
	bool virtual_learnt, timers_learnt;
	uint32_t hello_ms, hold_ms;
	struct hsrp_peer active, standby;  // routers other than this one
	struct ip_addr lost;               // whom this router found dead before it became active
	unsigned arp_left;                 // announcements still to be repeated
	uint64_t weaker_since;             // a weaker active is known since; 0 = no

	// A timer that was found late is put off once; its bit here says that it was.
	uint8_t put_off;
	// timers, absolute; HSRP_NEVER = not running
	uint64_t start_due, active_due, standby_due, hello_due, preempt_due;

	struct hsrp_doubt doubt;
	uint64_t handed_until;         // the active router may leave without doubt
	uint64_t truth_at, truth_due;  // hellos against false quotes: the last, the next

	bool gated;
	enum { HSRP_CLAIM_NONE, HSRP_CLAIM_LOST, HSRP_CLAIM_PREEMPT } claim;
	uint64_t claim_due;    // without an answer until then it is granted
	uint64_t claim_after;  // denied: no new claim to preempt before
	bool denied;           // the active router is not heard, and the claim was denied

	struct hsrp_heard heard;

	uint64_t stamp_sent;
	struct hsrp_seen seen[HSRP_SEEN_MAX];

	uint64_t sent[HSRP_OPS], received[HSRP_OPS];
	uint64_t reasons[HSRP_RX_REASONS];
};

// hsrp_group.c
uint8_t hsrp_priority(const struct hsrp_group *g);  // after tracking
void hsrp_virtual_mac(const struct hsrp_group *g, uint8_t out[6]);
// Stronger than this router: higher priority, then higher address (RFC 2281 5.3).
bool hsrp_stronger(const struct hsrp_group *g, uint8_t priority, const struct ip_addr *addr);

bool hsrp_stamps(const struct hsrp_group *g);  // configured, and the authentication carries them

// hsrp_run.c
// m: the message that caused the event, or NULL.
void hsrp_event(struct hsrp_group *g, enum hsrp_event e, const struct hsrp_msg *m, bool preempt,
		uint64_t now, struct hsrp_actions *out);
// Is a weaker active router known, and may it be replaced now? Starts or ends the waiting.
bool hsrp_preempt_now(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
void hsrp_preempt_check(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
void hsrp_active_lost(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
struct hsrp_action *hsrp_action_add(struct hsrp_actions *out, enum hsrp_action_kind kind);
void hsrp_hello_now(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
// An active router that has been silent for so long that others may hold it for dead (it slept):
// asserts nothing by frames of the virtual MAC address until it has read what came meanwhile.
bool hsrp_slept(struct hsrp_group *g, uint64_t now);
// How long a message keeps its sender in its role.
uint32_t hsrp_hold_of(const struct hsrp_group *g, const struct hsrp_msg *m);
uint32_t hsrp_hello_of(const struct hsrp_group *g, const struct hsrp_msg *m);

// hsrp_rx.c: what a believed message does, without doubts.
enum hsrp_rx hsrp_message_act(struct hsrp_group *g, const struct hsrp_msg *m,
			      const struct ip_addr *src, uint64_t now, struct hsrp_actions *out);
bool hsrp_peer_is(const struct hsrp_peer *peer, const struct ip_addr *addr);

// hsrp_doubt.c: replays, as far as a protocol without freshness allows.
// True: the message is put aside.
bool hsrp_doubt(struct hsrp_group *g, const struct hsrp_msg *m, const struct ip_addr *src,
		uint64_t now, struct hsrp_actions *out);
void hsrp_doubt_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
// A message in this router's own name that it did not send just now.
void hsrp_misquoted(struct hsrp_group *g, const struct hsrp_msg *m, const struct hsrp_packet *p,
		    uint64_t now, struct hsrp_actions *out);
void hsrp_truth_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);

// hsrp_claim.c: the gate before the active role.
// False: it may become active now. True: it has to wait; the question is asked.
bool hsrp_claim(struct hsrp_group *g, bool preempt, uint64_t now, struct hsrp_actions *out);
void hsrp_claim_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);

// hsrp_heard.c
// A weaker router said in state Active, to the active one, that it is active.
void hsrp_rival_heard(struct hsrp_group *g, const struct hsrp_msg *m, const struct ip_addr *src,
		      uint64_t now, struct hsrp_actions *out);
// It said something else (src NULL: whoever it was, it is of no interest any more).
void hsrp_rival_gone(struct hsrp_group *g, const struct ip_addr *src);
void hsrp_heard_reset(struct hsrp_group *g);  // another link, another identity
void hsrp_heard_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out);
