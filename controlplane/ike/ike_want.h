// A flow that wants a child SA: from ACQUIRE (or a command, or a rekey) until the child SA is up
// or every peer was tried. At most one per policy. Owner: the engine.
#pragma once

#include "ike/ike_engine.h"

struct child_sa;

struct ike_want {
	TAILQ_ENTRY(ike_want) link;
	struct ike_node node, ike_node;
	struct ike_dead grave;
	struct ike *ike;
	uint32_t policy;
	uint32_t ike_id;  // IKE SA it waits for or negotiates on; 0 while it rests; wait_on() sets
			  // it
	bool running;     // the child's exchange is under way
	bool failed;      // resting: new requests are refused until the timer
	bool dead;
	unsigned tried;          // peers tried
	uint32_t rekey_of;       // child id, 0 = new
	struct selector packet;  // that waits; without addresses: none in particular
	struct ike_timer rest;
};

// packet: the one that has no SA, or NULL.
int ike_want_add(struct ike *ike, uint32_t policy, uint32_t rekey_of,
		 const struct selector *packet);
struct ike_want *ike_want_by_policy(const struct ike *ike, uint32_t policy);
void ike_want_ike_up(struct ike_sa *sa);      // start what waits for this peer
void ike_want_ike_failed(struct ike_sa *sa);  // next peer, or give up
void ike_want_child_up(const struct child_sa *c);
// The child's exchange ended without a child SA. (No answer at all: the version kills the IKE SA
// instead, and the flow starts again.)
void ike_want_child_failed(struct ike *ike, uint32_t policy, const char *reason);
void ike_want_clear(struct ike *ike, uint32_t policy);     // 0 = all; silently
bool ike_want_on(const struct ike *ike, uint32_t ike_id);  // anything waits for this IKE SA
