// HSRP and the redundancy groups: what HSRP sees goes to the agent, what it wants is asked for
// first, and the two are brought together again when they part.

#include <string.h>

#include "redundancy.h"
#include "standby.h"

static void hello_look(struct redundancy_group *r)
{
	struct ha_hello h = {0};
	struct standby_view v;

	if (standby_view(r->name, &v)) {
		h.self_active = v.state == HSRP_STATE_ACTIVE;
		// a claiming group still names the router that it misses
		h.other_active = v.other_active && !h.self_active && v.other_heard_ms < v.hold_ms;
		h.priority = v.priority;
		h.hello_ms = v.hello_ms;
		h.hold_ms = v.hold_ms;
		memcpy(h.own, v.local.bytes, sizeof(h.own));
		memcpy(h.other, v.other.bytes, sizeof(h.other));
	}
	if (memcmp(&h, &r->hello, sizeof(h)) == 0)
		return;
	r->hello = h;
	agent_hello(r->agent, &h, redundancy_now());
}

static void hook_claim(void *ctx, const char *name, bool preempt)
{
	struct redundancy_group *r = redundancy_named(name);

	if (!r || !redundancy_port_running()) {
		// without the standby process nobody can say that it is unsafe, nor that it is
		// safe: wait for it, the claim runs out into a take-over
		return;
	}
	hello_look(r);
	if (r->working) {
		standby_claimed(name, true);
		return;
	}
	r->claiming = true;
	if (!preempt) {
		agent_claim(r->agent, redundancy_now());
	} else if (agent_switch(r->agent, redundancy_now())) {
		r->claiming = false;
		standby_claimed(name, false);
	}
	redundancy_rearm(&gateway);
}

static void hook_change(void *ctx, const char *name, enum hsrp_state from, enum hsrp_state to,
			enum hsrp_event why)
{
	struct redundancy_group *r = redundancy_named(name);

	if (!r)
		return;
	if (to == HSRP_STATE_ACTIVE && !r->working && !r->claiming)
		agent_claim(r->agent, redundancy_now());
	if (from == HSRP_STATE_ACTIVE && r->working && !r->yielding)
		agent_lost(r->agent, redundancy_now());
	redundancy_rearm(&gateway);
}

// HSRP and the work must not stay apart, whatever was lost or refused on the way: asked again after
// half a hold time, given up after two.
static void parted_look(struct redundancy_group *r, uint64_t now)
{
	uint64_t hold = r->hello.hold_ms * 1000ull;

	if (r->hello.self_active == r->working || r->claiming || hold == 0) {
		r->parted_at = now;
		return;
	}
	if (r->parted_at == 0)
		r->parted_at = now;
	// a process that began again and took its SAs back has the role without a hello
	if (r->working)
		standby_resume(redundancy.groups > 1 ? r->name : NULL);
	if (r->working && now > r->parted_at + 2 * hold) {
		r->parted_at = now;
		agent_lost(r->agent, now);
	} else if (!r->working && now > r->parted_at + hold / 2) {
		r->parted_at = now;
		agent_claim(r->agent, now);
	}
}

// The other box asked for the role, and was denied it, since the last counters: it misses hellos
// that are sent here. Its group does not become active, and so does not insist, before it is
// granted.
void redundancy_hsrp_counters(struct redundancy_group *r, const struct pair_counters *now)
{
	if (r->working && r->hello.self_active && now->denies > r->counters.denies)
		standby_missed(r->name);
}

// What this box tracks is lost, and the other one is stronger now and has everything: it gets the
// role, with `preempt` there or without (H5: the loss of either interface moves both sides).
static void weak_look(struct redundancy_group *r, uint64_t now)
{
	struct standby_view v;

	if (!r->working || !r->role.hot || !standby_view(r->name, &v) ||
	    v.state != HSRP_STATE_ACTIVE || !v.other_known || v.priority >= v.configured_priority ||
	    v.other_priority <= v.priority || now < r->weak_at + v.hold_ms * 1000ull)
		return;
	r->weak_at = now;
	(void)agent_switch(r->agent, now);
}

// With one redundancy group all standby groups of the box belong together (H5). One that became
// active here by itself, for hellos that were lost, goes back to the box that works; refused while
// that box is not there for it.
static void follow_look(struct redundancy_group *r, uint64_t now)
{
	uint64_t hold = r->hello.hold_ms * 1000ull;
	bool follows = redundancy.groups == 1 && !r->working && !r->claiming && hold != 0 &&
		       r->role.mine == HA_ROLE_STANDBY && r->role.link && r->role.hot &&
		       r->hello.other_active && !r->hello.self_active;

	if (!follows) {
		r->follow_at = now;
	} else if (now > r->follow_at + 2 * hold) {
		r->follow_at = now;
		r->yielding = true;
		(void)standby_yield(NULL);
		r->yielding = false;
	}
}

void redundancy_hsrp_tick(struct redundancy_group *r, uint64_t now)
{
	hello_look(r);
	parted_look(r, now);
	weak_look(r, now);
	follow_look(r, now);
}

void redundancy_hsrp_start(void)
{
	static const struct standby_hooks hooks = {.claim = hook_claim, .change = hook_change};

	standby_hooks_set(&hooks);
}

void redundancy_hsrp_stop(void)
{
	standby_hooks_set(NULL);
}
