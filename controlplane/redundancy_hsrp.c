// HSRP and the redundancy groups: what HSRP sees goes to the agent, what it wants is asked for
// first, and the two are brought together again when they part.

#include <errno.h>
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
		h.load = r->load;
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

// A standby group that follows goes where the work is. While the leader hears the other box, that
// box lives; its role inside is taken only if nothing of it arrives there any more.
static enum standby_answer hook_member(void *ctx, const char *leader, bool preempt)
{
	struct redundancy_group *r = redundancy_named(leader);

	if (!r || r->working)
		return STANDBY_GRANT;
	if (preempt)
		return STANDBY_DENY;
	hello_look(r);
	if (!r->hello.other_active || r->claiming)
		return STANDBY_WAIT;  // the leader's own claim is the answer
	return STANDBY_ASK;
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
		standby_resume(r->name);
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

// Standby groups that follow go where the work is (H5). One that became active here by itself
// goes back to the box that works, as soon as that box is there for it; one that nobody has is
// taken by the box that works.
static void follow_look(struct redundancy_group *r, uint64_t now)
{
	uint64_t hold = r->hello.hold_ms * 1000ull;
	bool follows = !r->working && !r->claiming && hold != 0 &&
		       r->role.mine == HA_ROLE_STANDBY && r->role.link && r->role.hot &&
		       r->hello.other_active && !r->hello.self_active;

	if (!follows) {
		r->follow_at = now;
	} else if (now > r->follow_at + 2 * hold) {
		r->follow_at = now;
		r->yielding = true;
		(void)standby_yield(r->name);
		r->yielding = false;
	}
	if (r->working && r->hello.self_active)
		standby_vacancies(r->name);
}

void redundancy_hsrp_tick(struct redundancy_group *r, uint64_t now)
{
	hello_look(r);
	parted_look(r, now);
	weak_look(r, now);
	follow_look(r, now);
}

// ---- redundancy force-switchover --------------------------------------------------------------
int redundancy_switch(struct gateway *g, const char *name, struct err *err)
{
	int done = 0, rc = 0;

	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		if (!r || !r->working || (name && strcmp(r->name, name) != 0))
			continue;
		// nobody would take the virtual address
		struct standby_view v;
		int one = standby_view(r->name, &v) && v.other_known
				  ? agent_switch(r->agent, redundancy_now())
				  : -EHOSTDOWN;
		r->forced = one == 0;
		rc = one ? one : rc;
		done += one == 0;
	}
	redundancy_rearm(g);
	if (done && !rc)
		return 0;
	if (!redundancy.groups)
		return err_set(err, -ENOENT, "Nothing is replicated");
	if (name && !redundancy_named(name))
		return err_set(err, -ENOENT, "There is no redundancy group %s", name);
	if (!done && !rc)
		return err_set(err, -EAGAIN, "This box is not active; enter it on the active one");
	return err_set(err, rc, "%s",
		       rc == -ENOTCONN    ? "The replication link is down"
		       : rc == -EBUSY     ? "A switchover is under way"
		       : rc == -EHOSTDOWN ? "HSRP knows no standby router"
					  : "The other box is not STANDBY HOT");
}

// With one redundancy group all standby groups of the box belong to it; with several `standby G
// follow NAME` says which.
void redundancy_hsrp_groups(void)
{
	const char *only = NULL;

	for (unsigned n = 1; n <= HA_GROUPS_MAX && redundancy.groups == 1; n++)
		only = redundancy_get(n) ? redundancy.group[n].name : only;
	standby_lead(only);
}

void redundancy_hsrp_start(void)
{
	static const struct standby_hooks hooks = {
		.claim = hook_claim, .member = hook_member, .change = hook_change};

	standby_hooks_set(&hooks);
}

void redundancy_hsrp_stop(void)
{
	standby_hooks_set(NULL);
}
