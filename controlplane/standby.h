// HSRP in the daemon: the groups of the configuration at work on the ports.
//
// standby.c keeps the groups, their timers and what they track; standby_net.c does what they ask
// for: frames, the virtual MAC, the virtual addresses; standby_role.c is what a switchover asks of
// them and is told. Thread: control thread only.
#pragma once

#include "gateway.h"
#include "hsrp.h"
#include "track.h"

#define STANDBY_VIRTUAL_MAX 8   // virtual addresses of a group
#define STANDBY_TRACKS_MAX  16  // objects that a group tracks

struct standby;
struct standby_tracked {
	struct standby *owner;
	uint32_t object;                  // 0 = by interface
	char interface[CONFIG_NAME_MAX];  // when object is 0
	uint32_t decrement;
	bool shutdown;
	struct track_watch *watch;
};

struct standby {
	TAILQ_ENTRY(standby) link;
	char interface[CONFIG_NAME_MAX], name[CONFIG_NAME_MAX];
	char follow[CONFIG_NAME_MAX];  // name of the group that it goes with
	char host_if[16];              // kernel interface that carries the addresses
	uint16_t number;
	uint32_t port;
	struct hsrp_group *group;
	enum { STANDBY_KEY_NONE, STANDBY_KEY_STRING, STANDBY_KEY_CHAIN } key_kind;
	char key_chain[CONFIG_NAME_MAX];
	struct ip_addr secondary[STANDBY_VIRTUAL_MAX - 1];
	unsigned secondary_count;
	struct standby_tracked tracked[STANDBY_TRACKS_MAX];
	unsigned tracked_count;
	uint64_t vacant_at;  // nobody is known to be active since, 0 = somebody is
	uint64_t split_due;  // when to look whether the roles have parted, 0 = no
	bool wanted;         // scratch: in the configuration being applied
	bool held, gated;    // as told to the group

	// what has been done for the active role
	bool raised;
	uint8_t mac[6];
	struct ip_prefix virtual[STANDBY_VIRTUAL_MAX];
	unsigned virtual_count;
	uint64_t arp_answers, announcements, send_failed;
	uint64_t questions, answers;  // is this router heard?
	struct ip_addr silent;        // the active router, whose hellos are missed
	uint64_t silent_asked;        // when it was asked last
	bool silent_answered;
};
TAILQ_HEAD(standby_list, standby);
extern struct standby_list standby_all;

// Frames on an interface that look like hellos but are damaged, or speak of no group there.
struct standby_port_counters {
	uint64_t bad, no_group;
	uint64_t adverts;  // interface states of other routers; of no consequence
	struct ip_addr advert_from;
};
extern struct standby_port_counters standby_counters;

uint64_t standby_now(void);  // milliseconds, the clock itself

// ---- roles, for the switchover (standby_role.c) ----------------------------------------------
// Groups are named as `standby G name NAME` does; NULL = all groups. What is asked for is kept for
// groups that do not exist (yet), until it is taken back.
//
// Groups that follow a named one (`standby G follow NAME`, or all, standby_lead()) are its members:
// what is asked of the leader is asked of them.
struct standby_view {
	char interface[CONFIG_NAME_MAX];
	uint16_t number;
	enum hsrp_state state;
	uint64_t since_ms;  // in this state
	uint8_t priority;   // after tracking
	uint8_t configured_priority;
	bool preempt;
	bool held, gated, claiming, resigned;
	uint32_t hello_ms, hold_ms;
	struct ip_addr local, virtual_ip;
	// The router that has the active role, or, when this one has it, the standby router.
	bool other_active, other_known;
	struct ip_addr other;  // family 0 = unknown
	uint8_t other_priority;
	uint32_t other_heard_ms;  // since its last message
};
// All groups that follow no other one are members of this one; NULL = of none.
void standby_lead(const char *name);
// The first group of that name; false = there is none.
bool standby_view(const char *name, struct standby_view *out);
// No preemption (`preempt delay sync N` bounds it); succession of a lost router is not delayed.
// Without a name: all groups that are not gated. 0 or -ENOSPC.
int standby_hold(const char *name, bool hold);
// Before the group takes the active role from a router that is lost or weaker, hooks.claim is asked
// and standby_claimed() has to answer, at once or later (hsrp_group_gate()). 0 or -ENOSPC.
int standby_gate(const char *name, bool gated);
void standby_claimed(const char *name, bool granted);
// Planned switchover: gives the role to the standby router, now, and does not take it back before
// that router is lost or standby_reclaim(). False: none of the groups is active, or one that is
// knows no standby router; then nothing happens. (A member that knows none stays, though.)
bool standby_yield(const char *name);
void standby_reclaim(const char *name);  // without a name: all groups that are not gated
// This box has the role still, its process began again (hsrp_group_resume()).
void standby_resume(const char *name);
// This box works: members that have known no active router for a hold time become active here.
void standby_vacancies(const char *name);
// The other box has handed its work over: its groups' resigns are not doubted now; planned: nor
// waited for (hsrp_group_handed()).
void standby_handed(const char *name, bool planned);
// The other box says by the replication link that it does not hear the group's hellos.
void standby_missed(const char *name);
enum standby_answer {
	STANDBY_WAIT,  // standby_claimed() follows
	STANDBY_DENY,
	STANDBY_GRANT,
	STANDBY_ASK  // denied while the active router answers questions on the line
};
struct standby_hooks {
	void *ctx;
	// The group would become active. preempt: the active router is still heard, nothing was
	// sent to it. May be NULL: granted.
	void (*claim)(void *ctx, const char *name, bool preempt);
	// A member of that group would. May be NULL: granted.
	enum standby_answer (*member)(void *ctx, const char *leader, bool preempt);
	// A role changed. Called before anything is sent because of it (resign, hello, ARP) and
	// before addresses are taken or given up. May be NULL.
	void (*change)(void *ctx, const char *name, enum hsrp_state from, enum hsrp_state to,
		       enum hsrp_event why);
};
// Copied. NULL takes them away.
void standby_hooks_set(const struct standby_hooks *hooks);
// standby_net.c
void standby_act(struct gateway *g, struct standby *s, const struct hsrp_actions *a);
void standby_lower(struct gateway *g, struct standby *s);
void standby_addresses_check(struct gateway *g, const struct config *c);
// How long a virtual MAC is still taken after the active role went to another router (0, as at the
// start: not at all). Whoever sets it calls standby_macs_check() every few milliseconds.
void standby_linger(uint32_t ms);
void standby_macs_check(void);
// standby.c: a role changed; timers are to be set again
void standby_role_changed(struct gateway *g);
void standby_rearm(struct gateway *g);
void standby_split_check(const struct standby *s);
// standby_conf.c
// Fills *out (wipe it) and the addresses and key kind of s. False: the group cannot work now; what
// is missing has been said.
bool standby_conf(struct gateway *g, struct standby *s, const struct config *c,
		  const struct interface_config *ifc, const struct standby_group *conf,
		  struct hsrp_conf *out);
// Lines that are kept, of which somebody may expect more.
void standby_kept_warn(struct gateway *g, const struct interface_config *ifc);
// The wall clock was set since the keys' lifetimes were reckoned.
bool standby_clock_moved(void);
// standby_hear.c: is this router heard?
void standby_ask(struct gateway *g, struct standby *s, const struct ip_addr *peer);
void standby_hearing_told(struct gateway *g, struct standby *s, const struct hsrp_action *a);
// A station has answered a question that `own` had asked.
void standby_answered(struct gateway *g, uint32_t port, const struct ip_addr *own,
		      const struct ip_addr *from);
// The active router's hellos are missed: has it answered since this was asked last? True the first
// time. Asks it again.
bool standby_answers(struct standby *s);
// standby_role.c
void standby_role_told(struct gateway *g, struct standby *s, const struct hsrp_action *a);
void standby_claim_asked(struct standby *s, bool preempt);
bool standby_member(const struct standby *s, const char *name);  // or the leader itself
// The wishes for the group's name, told to a new or renamed one.
void standby_wishes_tell(struct gateway *g, struct standby *s);
