// The state table of HSRP, as RFC 2281 5.7 prints it, and nothing else.
//
//   Initial --enabled--> Learn --active heard--> Listen --a role is free--> Speak
//                          |                       ^                         |
//                          +--(address known)------+      <--stronger one--  | nobody stronger
//                                                                            v
//               Active <--active lost, resigned, or preempted--------- Standby
//
// A cell is a string: actions by the RFC's letters, then '/' and the number of the next state's
// column. '+' next state 3 or 2 by whether the virtual address is known; '*' means: if we preempt,
// the actions behind the comma and the next state, else those before it and no change.
// The rows GIVE_UP (planned switchover) and UNHEARD (hsrp_heard.c) are ours: like losing to a coup.
// So is the E of a weaker active router that is not replaced: its timers are the ones in force.
#include "hsrp_fsm.h"

#include <string.h>

static const char *const table[HSRP_EVENTS][HSRP_STATES] = {
	//  1 Initial  2 Learn   3 Listen    4 Speak     5 Standby   6 Active
	[HSRP_EVENT_ENABLED] = {"AB/+", "", "", "", "", ""},
	[HSRP_EVENT_DISABLED] = {"", "CD/1", "CD/1", "CD/1", "CD/1", "CDH/1"},
	[HSRP_EVENT_ACTIVE_TIMER] = {"", "", "AB/4", "", "CDFI/6", ""},
	[HSRP_EVENT_STANDBY_TIMER] = {"", "", "B/4", "D/5", "", ""},
	[HSRP_EVENT_HELLO_TIMER] = {"", "", "", "F", "F", "F"},
	[HSRP_EVENT_SPEAK_HIGHER] = {"", "", "", "B/3", "B/3", ""},
	[HSRP_EVENT_ACTIVE_HIGHER] = {"", "EAB/3", "EA", "EA", "EA", "AB/4"},
	[HSRP_EVENT_ACTIVE_LOWER] = {"", "EAB/3", "EA,BGFI*6", "EA,BGFI*6", "EA,BGFI*6", "G"},
	[HSRP_EVENT_RESIGN] = {"", "", "AB/4", "A", "CFI/6", ""},
	[HSRP_EVENT_COUP] = {"", "", "", "", "", "ABH/4"},
	[HSRP_EVENT_STANDBY_HIGHER] = {"", "", "B", "B/3", "B/3", "B"},
	[HSRP_EVENT_STANDBY_LOWER] = {"", "", "B/4", "D/5", "", "B"},
	[HSRP_EVENT_GIVE_UP] = {"", "", "", "", "", "ABH/4"},
	[HSRP_EVENT_UNHEARD] = {"", "", "", "", "", "ABH/4"},
	[HSRP_EVENT_RESUME] = {"", "", "", "", "", ""},  // hsrp_group_resume()
};

static uint16_t letter_act(char c)
{
	static const char letters[] = "EABCDGHFI";  // in the order of enum hsrp_act
	const char *at = strchr(letters, c);

	return at != NULL ? (uint16_t)(1u << (at - letters)) : 0;
}

static uint16_t letters_act(const char **s)
{
	uint16_t actions = 0;

	for (; **s >= 'A' && **s <= 'I'; (*s)++)
		actions |= letter_act(**s);
	return actions;
}

struct hsrp_step hsrp_fsm_step(enum hsrp_state state, enum hsrp_event event, bool virtual_known,
			       bool preempt)
{
	const char *s = table[event][state];
	struct hsrp_step step = {.actions = letters_act(&s), .next = state};

	if (*s == ',') {
		if (!preempt)
			return step;
		s++;
		// The old active's timer has no meaning for the new active itself.
		step.actions = letters_act(&s) | HSRP_ACT_STOP_ACTIVE;
	}
	if (*s == '\0')
		return step;
	s++;
	if (*s == '+')
		step.next = virtual_known ? HSRP_STATE_LISTEN : HSRP_STATE_LEARN;
	else
		step.next = (enum hsrp_state)(*s - '1');
	return step;
}
