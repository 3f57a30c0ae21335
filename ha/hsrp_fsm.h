// The state table of HSRP (RFC 2281 5.5-5.7). Pure; any thread.
#pragma once

#include "hsrp.h"

// Actions of RFC 2281 5.6, and three of ours. They are performed in the order of the bits; a state
// change stands between HSRP_ACT_COUP and HSRP_ACT_RESIGN, so that a coup still shows the old state
// and everything behind it the new one (as the routers of the captures do).
enum hsrp_act {
	HSRP_ACT_LEARN = 1 << 0,          // E
	HSRP_ACT_START_ACTIVE = 1 << 1,   // A
	HSRP_ACT_START_STANDBY = 1 << 2,  // B
	HSRP_ACT_STOP_ACTIVE = 1 << 3,    // C
	HSRP_ACT_STOP_STANDBY = 1 << 4,   // D
	HSRP_ACT_COUP = 1 << 5,           // G
	HSRP_ACT_RESIGN = 1 << 6,         // H
	HSRP_ACT_HELLO = 1 << 7,          // F
	HSRP_ACT_ARP = 1 << 8,            // I
};

struct hsrp_step {
	uint16_t actions;
	enum hsrp_state next;
};
// What the table says. `virtual_known`: state behind ENABLED is Listen rather than Learn.
// `preempt`: a weaker active router is to be replaced now.
struct hsrp_step hsrp_fsm_step(enum hsrp_state state, enum hsrp_event event, bool virtual_known,
			       bool preempt);
