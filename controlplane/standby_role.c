// What a switchover asks of the standby groups, by name: hold preemption, gate the active role,
// yield it, look; and what it is told. Wishes outlive configurations: a group that is made later,
// or gets the name later, finds them. Groups that follow the named one are treated alike.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "standby.h"

#define WISHES_MAX 20  // redundancy groups, and all

struct wish {
	bool used, held, gated;
	char name[CONFIG_NAME_MAX];  // "" = all groups
};
static struct wish wishes[WISHES_MAX];
static struct standby_hooks hooks;
static char lead[CONFIG_NAME_MAX];  // of all groups that follow no other one

static bool is_leader(const struct standby *s, const char *name)
{
	return s->name[0] && strcmp(s->name, name) == 0;
}

bool standby_member(const struct standby *s, const char *name)
{
	return is_leader(s, name) || strcmp(s->follow[0] ? s->follow : lead, name) == 0;
}

static bool is_asked(const struct standby *s, const char *name)
{
	return s->group && (!name || standby_member(s, name));
}

static struct wish *wish_get(const char *name)
{
	struct wish *free_one = NULL;

	for (unsigned i = 0; i < WISHES_MAX; i++) {
		struct wish *w = &wishes[i];
		if (w->used && strcmp(w->name, name ? name : "") == 0)
			return w;
		if (!w->used && !free_one)
			free_one = w;
	}
	if (!free_one)
		return NULL;
	*free_one = (struct wish){.used = true};
	snprintf(free_one->name, sizeof(free_one->name), "%s", name ? name : "");
	return free_one;
}

void standby_wishes_tell(struct gateway *g, struct standby *s)
{
	uint64_t now = standby_now();
	struct hsrp_actions a = {0};
	bool named = false, all = false, gated = false;

	for (unsigned i = 0; i < WISHES_MAX; i++) {
		const struct wish *w = &wishes[i];
		if (!w->used || (w->name[0] && !standby_member(s, w->name)))
			continue;
		named |= w->name[0] && w->held;
		all |= !w->name[0] && w->held;
		gated |= w->gated;
	}
	// a gated group waits by a wish of its own: what is wished for all is about those beside it
	bool held = named || (all && !gated);
	s->gated = gated;
	s->held = held;
	hsrp_group_gate(s->group, gated, now, &a);
	hsrp_group_ready(s->group, held ? HSRP_READY_SYNCING : HSRP_READY, now, &a);
	standby_act(g, s, &a);
}

static int wish_set(const char *name, bool held, bool gated)
{
	struct wish *w = wish_get(name);
	struct standby *s;

	if (!w)
		return -ENOSPC;
	w->held = held;
	w->gated = gated;
	w->used = held || gated;
	TAILQ_FOREACH (s, &standby_all, link)
		if (is_asked(s, name))
			standby_wishes_tell(&gateway, s);
	standby_rearm(&gateway);
	return 0;
}

void standby_lead(const char *name)
{
	struct standby *s;

	if (strcmp(lead, name ? name : "") == 0)
		return;
	snprintf(lead, sizeof(lead), "%s", name ? name : "");
	TAILQ_FOREACH (s, &standby_all, link)
		if (s->group)
			standby_wishes_tell(&gateway, s);
	standby_rearm(&gateway);
}

int standby_hold(const char *name, bool hold)
{
	const struct wish *w = wish_get(name);
	return w ? wish_set(name, hold, w->gated) : -ENOSPC;
}

int standby_gate(const char *name, bool gated)
{
	const struct wish *w = wish_get(name);
	return w ? wish_set(name, w->held, gated) : -ENOSPC;
}

void standby_claimed(const char *name, bool granted)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (!is_asked(s, name))
			continue;
		hsrp_group_claimed(s->group, granted, standby_now(), &a);
		standby_act(&gateway, s, &a);
	}
	standby_rearm(&gateway);
}

bool standby_yield(const char *name)
{
	struct standby *s;
	struct hsrp_snapshot v;
	unsigned active = 0;

	TAILQ_FOREACH (s, &standby_all, link) {
		if (!is_asked(s, name))
			continue;
		hsrp_group_snapshot(s->group, standby_now(), &v);
		if (v.state != HSRP_STATE_ACTIVE)
			continue;
		if (addr_is_set(&v.standby.addr))
			active++;
		else if (!name || is_leader(s, name))
			return false;
	}
	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (is_asked(s, name) && hsrp_group_resign(s->group, standby_now(), &a))
			standby_act(&gateway, s, &a);
	}
	standby_rearm(&gateway);
	return active > 0;
}

void standby_reclaim(const char *name)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (!is_asked(s, name) || (!name && s->gated))
			continue;
		hsrp_group_reclaim(s->group, standby_now(), &a);
		standby_act(&gateway, s, &a);
	}
	standby_rearm(&gateway);
}

void standby_handed(const char *name, bool planned)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (!is_asked(s, name))
			continue;
		hsrp_group_handed(s->group, planned, standby_now(), &a);
		standby_act(&gateway, s, &a);
	}
	standby_rearm(&gateway);
}

void standby_resume(const char *name)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (!is_asked(s, name))
			continue;
		hsrp_group_resume(s->group, standby_now(), &a);
		standby_act(&gateway, s, &a);
	}
	standby_rearm(&gateway);
}

void standby_vacancies(const char *name)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		uint64_t now = standby_now();
		struct hsrp_actions a = {0};
		struct hsrp_snapshot v;

		if (!is_asked(s, name))
			continue;
		hsrp_group_snapshot(s->group, now, &v);
		if (v.state < HSRP_STATE_LISTEN || addr_is_set(&v.active.addr)) {
			s->vacant_at = 0;
		} else if (!s->vacant_at) {
			s->vacant_at = now;
		} else if (now > s->vacant_at + v.hold_ms) {
			hsrp_group_resume(s->group, now, &a);
			standby_act(&gateway, s, &a);
		}
	}
}

bool standby_view(const char *name, struct standby_view *out)
{
	const struct standby *s;
	struct hsrp_snapshot v;

	TAILQ_FOREACH (s, &standby_all, link)
		if (s->group && is_leader(s, name))
			break;
	if (!s)
		return false;
	hsrp_group_snapshot(s->group, standby_now(), &v);
	const struct hsrp_peer_view *other = v.active.local ? &v.standby : &v.active;
	*out = (struct standby_view){
		.number = s->number,
		.state = v.state,
		.since_ms = v.since_ms,
		.priority = v.priority,
		.configured_priority = v.configured_priority,
		.preempt = v.preempt,
		.held = s->held,
		.gated = s->gated,
		.claiming = v.claiming,
		.resigned = v.resigned,
		.hello_ms = v.hello_ms,
		.hold_ms = v.hold_ms,
		.local = v.local,
		.virtual_ip = v.virtual_ip,
		.other_active = !v.active.local && addr_is_set(&v.active.addr),
		.other_known = addr_is_set(&other->addr),
		.other = other->addr,
		.other_priority = other->priority,
		.other_heard_ms = other->heard_ms,
	};
	snprintf(out->interface, sizeof(out->interface), "%s", s->interface);
	return true;
}

// ---- what the switchover is told -------------------------------------------------------------
void standby_hooks_set(const struct standby_hooks *h)
{
	hooks = h ? *h : (struct standby_hooks){0};
}

void standby_role_told(struct gateway *g, struct standby *s, const struct hsrp_action *a)
{
	if (hooks.change && s->name[0])
		hooks.change(hooks.ctx, s->name, a->old_state, a->new_state, a->event);
}

void standby_claim_asked(struct standby *s, bool preempt)
{
	const char *leader = s->follow[0] ? s->follow : lead[0] ? lead : s->name;
	enum standby_answer answer = STANDBY_GRANT;
	struct hsrp_actions a = {0};

	if (is_leader(s, leader) && hooks.claim) {
		hooks.claim(hooks.ctx, s->name, preempt);
		return;
	}
	if (!is_leader(s, leader) && leader[0] && hooks.member)
		answer = hooks.member(hooks.ctx, leader, preempt);
	if (answer == STANDBY_WAIT)
		return;
	if (answer == STANDBY_ASK && !standby_answers(s))
		answer = STANDBY_GRANT;
	hsrp_group_claimed(s->group, answer == STANDBY_GRANT, standby_now(), &a);
	standby_act(&gateway, s, &a);
}
