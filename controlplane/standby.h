// HSRP in the daemon: the groups of the configuration at work on the ports.
//
// standby.c keeps the groups, their timers and what they track; standby_net.c does what they ask
// for: frames, the virtual MAC, the virtual addresses. Thread: control thread only.
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
	char host_if[16];  // kernel interface that carries the addresses
	uint16_t number;
	uint32_t port;
	struct hsrp_group *group;
	enum { STANDBY_KEY_NONE, STANDBY_KEY_STRING, STANDBY_KEY_CHAIN } key_kind;
	struct ip_addr secondary[STANDBY_VIRTUAL_MAX - 1];
	unsigned secondary_count;
	struct standby_tracked tracked[STANDBY_TRACKS_MAX];
	unsigned tracked_count;
	uint64_t split_due;  // when to look whether the roles have parted, 0 = no
	bool wanted;         // scratch: in the configuration being applied

	// what has been done for the active role
	bool raised;
	uint8_t mac[6];
	struct ip_prefix virtual[STANDBY_VIRTUAL_MAX];
	unsigned virtual_count;
	uint64_t arp_answers, announcements, send_failed;
};
TAILQ_HEAD(standby_list, standby);
extern struct standby_list standby_all;

// Frames on an interface that look like hellos but are damaged, or speak of no group there.
struct standby_port_counters {
	uint64_t bad, no_group;
};
extern struct standby_port_counters standby_counters;

uint64_t standby_now(void);  // milliseconds, the clock itself
// standby_net.c
void standby_act(struct gateway *g, struct standby *s, const struct hsrp_actions *a);
void standby_lower(struct gateway *g, struct standby *s);
// standby.c: a role changed; timers are to be set again
void standby_role_changed(struct gateway *g);
void standby_rearm(struct gateway *g);
void standby_split_check(const struct standby *s);
