// What `show crypto session` has collected, between what collects it (show_session.c) and what
// prints it (show_session_print.c).
#pragma once

#include "show.h"

struct member {  // one tunnel of a session
	const struct tunnel *tunnel;
	struct ip_addr peer;
	uint16_t port;  // of a peer behind a NAT that has an instance: others have its address too
	uint32_t ike_id;  // of an instance
};

struct copied {  // an instance, which may go between two slices
	struct tunnel tunnel;
	struct tunnel_flow flow;
};

struct session_show {
	struct snapshot snap;
	uint32_t generation;
	struct member *members;  // sorted by interface, peer, sequence
	unsigned count, at;
	struct copied *copies;
	bool started, detail, brief, only_active, only_standby;
	struct cli *cli;
	struct json *w;
};

struct session {
	const struct member *m;
	unsigned count;
	const struct ike_sa_info *ike;
	unsigned active;   // SA pairs that carry traffic
	unsigned standby;  // ... that another box carries
	bool replicated;   // of a redundancy group
	uint64_t up_ms;    // oldest of them
	const char *status;
};

// Once, before the first session.
void session_header_print(struct session_show *s);
// In the form that was asked for. up: seconds.
void session_print(struct session_show *s, const struct session *x, uint64_t up);
