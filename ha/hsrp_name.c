// Names of HSRP's states, messages, events and verdicts: for displays, logs and counters.
#include "hsrp.h"

static const char *const states[HSRP_STATES] = {"Init",  "Learn",   "Listen",
						"Speak", "Standby", "Active"};
static const char *const ops[HSRP_OPS] = {"hello", "coup", "resign", "advert"};
static const char *const events[HSRP_EVENTS] = {
	[HSRP_EVENT_ENABLED] = "enabled",
	[HSRP_EVENT_DISABLED] = "disabled",
	[HSRP_EVENT_ACTIVE_TIMER] = "active timer expired",
	[HSRP_EVENT_STANDBY_TIMER] = "standby timer expired",
	[HSRP_EVENT_HELLO_TIMER] = "hello timer expired",
	[HSRP_EVENT_SPEAK_HIGHER] = "stronger router speaks",
	[HSRP_EVENT_ACTIVE_HIGHER] = "stronger router is active",
	[HSRP_EVENT_ACTIVE_LOWER] = "weaker router is active",
	[HSRP_EVENT_RESIGN] = "active router resigned",
	[HSRP_EVENT_COUP] = "stronger router took over",
	[HSRP_EVENT_STANDBY_HIGHER] = "stronger router is standby",
	[HSRP_EVENT_STANDBY_LOWER] = "weaker router is standby",
	[HSRP_EVENT_RESUME] = "goes on after a restart",
	[HSRP_EVENT_GIVE_UP] = "planned switchover",
	[HSRP_EVENT_UNHEARD] = "not heard",
};
static const char *const reasons[HSRP_RX_REASONS] = {
	[HSRP_RX_OK] = "ok",
	[HSRP_RX_TRUNCATED] = "truncated",
	[HSRP_RX_BAD_LENGTH] = "bad-length",
	[HSRP_RX_DUPLICATE_TLV] = "duplicate-tlv",
	[HSRP_RX_BAD_VERSION] = "bad-version",
	[HSRP_RX_BAD_OPCODE] = "bad-opcode",
	[HSRP_RX_BAD_STATE] = "bad-state",
	[HSRP_RX_BAD_FAMILY] = "bad-family",
	[HSRP_RX_BAD_PRIORITY] = "bad-priority",
	[HSRP_RX_BAD_TIMERS] = "bad-timers",
	[HSRP_RX_BAD_VIRTUAL] = "bad-virtual-address",
	[HSRP_RX_WRONG_GROUP] = "wrong-group",
	[HSRP_RX_WRONG_TTL] = "wrong-ttl",
	[HSRP_RX_OWN_ADDRESS] = "own-address",
	[HSRP_RX_BAD_SOURCE] = "bad-source",
	[HSRP_RX_AUTH_TYPE] = "auth-type",
	[HSRP_RX_AUTH_TEXT] = "auth-text",
	[HSRP_RX_AUTH_KEY_ID] = "auth-key-id",
	[HSRP_RX_AUTH_SOURCE] = "auth-source",
	[HSRP_RX_AUTH_DIGEST] = "auth-digest",
	[HSRP_RX_NO_STAMP] = "no-stamp",
	[HSRP_RX_REPLAYED] = "replayed",
	[HSRP_RX_DISABLED] = "group-disabled",
	[HSRP_RX_IGNORED] = "ignored",
	[HSRP_RX_OTHER_VIRTUAL] = "other-virtual-address",
	[HSRP_RX_OTHER_ACTIVE] = "other-active",
	[HSRP_RX_DOUBTED] = "doubted",
	[HSRP_RX_EARLY] = "early",
};

const char *hsrp_state_name(enum hsrp_state s)
{
	return (unsigned)s < HSRP_STATES ? states[s] : "?";
}

const char *hsrp_op_name(enum hsrp_op op)
{
	return (unsigned)op < HSRP_OPS ? ops[op] : "?";
}

const char *hsrp_event_name(enum hsrp_event e)
{
	return (unsigned)e < HSRP_EVENTS ? events[e] : "?";
}

const char *hsrp_rx_name(enum hsrp_rx r)
{
	return (unsigned)r < HSRP_RX_REASONS ? reasons[r] : "?";
}
