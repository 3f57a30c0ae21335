// The redundancy groups of this box: HSRP says who should work, the agent (ha/agent.h) says when
// that is safe, IKE and the data plane do as told.
//
// HSRP's groups are gated: before one becomes active, the agent is asked; a preemption becomes a
// planned switchover. The other way, a group that loses its active role in HSRP stops working
// before the resign leaves.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mirror.h"
#include "redundancy.h"
#include "redundancy_work.h"
#include "secret.h"
#include "standby.h"

#define TICK_MS     20   // of our own: what HSRP sees, the stamp of rule 11
#define LEAVE_TURNS 400  // of 5 ms: a planned switchover at an orderly end
#define LEAVE_TURN  5

uint64_t redundancy_now(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void history_add(const struct redundancy_group *r, const char *text)
{
	struct redundancy_event *e = &redundancy.history[redundancy.history_next];
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	e->at_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	memcpy(e->group, r->name, sizeof(e->group));
	snprintf(e->text, sizeof(e->text), "%s", text);
	redundancy.history_next = (redundancy.history_next + 1) % REDUNDANCY_HISTORY;
	if (redundancy.history_count < REDUNDANCY_HISTORY)
		redundancy.history_count++;
}

static void event_say(struct redundancy_group *r, const char *text)
{
	log_event("REDUNDANCY", LOG_L_NOTICE, "STATE", "Group %s: %s", r->name, text);
	history_add(r, text);
}

// ---- what the agents ask for ------------------------------------------------------------------
static int op_tell(void *ctx, const struct ha_word *w)
{
	return redundancy_tell(w);
}

static void status_say(const struct redundancy_group *r, const char *from, const char *to)
{
	char text[ADDR_STR_MAX];

	log_event("CRYPTO", LOG_L_NOTICE, "IPSEC_SA_HA_STATUS",
		  "IPSec sa's if any, for vip %s will change from %s to %s",
		  addr_format(&r->virtual, text, sizeof(text)), from, to);
}

static bool works_anywhere(void)
{
	bool works = false;

	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++)
		works |= redundancy_get(n) && redundancy.group[n].working;
	return works;
}

// The standby groups of the other interfaces do not preempt before this box works for some
// redundancy group: traffic would enter at a box that cannot pass it on (H5).
static void others_hold(void)
{
	(void)standby_hold(NULL, redundancy.groups && !works_anywhere());
}

static void op_activate(void *ctx, unsigned group, bool planned)
{
	struct redundancy_group *r = redundancy_get(group);

	if (!r || r->working)
		return;
	bool first = !works_anywhere();
	r->working = true;
	status_say(r, "STANDBY", "ACTIVE");
	work_begin(group);
	work_role_changed();  // before the virtual addresses come: they bring packets
	r->claiming = false;
	standby_reclaim(r->name);
	if (first)
		standby_reclaim(NULL);
	standby_handed(first ? NULL : r->name, planned);
	standby_claimed(r->name, true);
	others_hold();
	history_add(r, "active");
}

static void op_deactivate(void *ctx, unsigned group)
{
	struct redundancy_group *r = redundancy_get(group);

	if (!r || !r->working)
		return;
	r->working = false;
	status_say(r, "ACTIVE", "STANDBY");
	redundancy_gate_clear(r->number);
	others_hold();
	work_end(group);  // agent_stopped() follows
	work_role_changed();
	history_add(r, "stops working");
}

static void op_release(void *ctx, unsigned group, uint64_t seq)
{
	redundancy_release((uint16_t)group);
}

static void op_claimed(void *ctx, unsigned group, bool granted, enum ha_refusal why)
{
	struct redundancy_group *r = redundancy_get(group);

	if (!r || !r->claiming)
		return;
	r->claiming = false;
	standby_claimed(r->name, granted);
}

// Preemption waits until this box could go on without a loss.
static void hold_update(const struct redundancy_group *r)
{
	bool hold = r->role.mine != HA_ROLE_ACTIVE && !(r->role.hot && r->role.fresh);
	struct standby_view v;

	if (standby_view(r->name, &v) && v.held != hold)
		(void)standby_hold(r->name, hold);
}

static void op_role(void *ctx, unsigned group, const struct ha_role *role)
{
	struct redundancy_group *r = redundancy_get(group);

	if (!r)
		return;
	bool differs = (role->digest_differs & ~r->role.digest_differs) != 0;
	char what[256];
	bool hot = role->hot && !r->role.hot;
	r->role = *role;
	if (differs)
		log_event("REDUNDANCY", LOG_L_WARNING, "CONFIG_DIFFERS",
			  "Group %s: these are not the same on the other box: %s; a take-over may "
			  "lose SAs",
			  r->name, redundancy_differing(role->digest_differs, what, sizeof(what)));
	if (hot)
		event_say(r, role->mine == HA_ROLE_ACTIVE ? "the other box is STANDBY HOT"
							  : "STANDBY HOT");
	hold_update(r);
}

static void op_resign(void *ctx, unsigned group)
{
	struct redundancy_group *r = redundancy_get(group);

	if (!r)
		return;
	// With the last one the groups of the other interfaces go along, or traffic would enter at
	// the wrong box (H5).
	bool last = !works_anywhere();
	r->yielding = true;
	if (!last || !standby_yield(NULL))
		(void)standby_yield(r->name);
	r->yielding = false;
	// Only what an operator gave away stays away; a stronger box preempts as ever.
	if (!r->forced)
		standby_reclaim(r->name);
	if (!r->forced && last)
		standby_reclaim(NULL);
	r->forced = false;
}

static void op_feed_done(void *ctx, unsigned group)
{
	// nothing waits for it
}

void redundancy_config_tell(void)
{
	if (!redundancy_config_known())
		return;  // it is told then
	struct ha_word w = {.type = HA_CONFIG,
			    .len = sizeof(redundancy.config),
			    .payload = (const uint8_t *)&redundancy.config};
	(void)redundancy_tell(&w);
}

static void op_need_config(void *ctx)
{
	redundancy_config_tell();
}

static enum ha_role_kind op_mirror_role(void *ctx, unsigned group)
{
	struct mirror *m = redundancy_mirror();

	return m ? (enum ha_role_kind)mirror_word_get(m, group, MIRROR_ROLE) : HA_ROLE_NONE;
}

static const struct agent_ops ops = {
	.tell = op_tell,
	.encode = work_encode,
	.install = work_install,
	.remove = work_remove,
	.each = work_each,
	.feed_done = op_feed_done,
	.limit = work_limit,
	.sequence = work_sequence,
	.taint = work_taint,
	.raised = work_raised,
	.activate = op_activate,
	.deactivate = op_deactivate,
	.release = op_release,
	.claimed = op_claimed,
	.role = op_role,
	.resign = op_resign,
	.need_config = op_need_config,
	.mirror_role = op_mirror_role,
	.mirror_tenure = work_tenure,
	.mirror_life = work_life,
};

// ---- time -------------------------------------------------------------------------------------
static void on_tick(void *ctx, uint64_t now_ms)
{
	struct gateway *g = ctx;
	uint64_t now = redundancy_now();
	struct mirror *m = redundancy_mirror();

	redundancy_load_tick(now_ms);
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		if (!r)
			continue;
		redundancy_hsrp_tick(r, now);
		if (m && r->hello.self_active)
			mirror_word_set(m, n, MIRROR_HELLO_SENT, now);
		if (agent_due(r->agent) <= now)
			agent_tick(r->agent, now);
	}
	redundancy_rearm(g);
}

void redundancy_rearm(struct gateway *g)
{
	uint64_t now = redundancy_now(), due = now + TICK_MS * 1000;

	if (!redundancy.groups)
		return;
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		uint64_t d = r ? agent_due(r->agent) : AGENT_NEVER;
		due = d < due ? d : due;
	}
	// the tick in progress must not be put off by whoever calls in between
	uint64_t in = due > now ? (due - now + 999) / 1000 : 0;
	uint64_t at = loop_now_ms(g->loop) + in;
	if (redundancy.tick.due_ms == 0 || at < redundancy.tick.due_ms)
		loop_timer_start(&redundancy.tick, (uint32_t)in);
}

// ---- the standby process ----------------------------------------------------------------------
static void word_take(struct gateway *g, const struct ha_word *w)
{
	if (w->type == HA_LINK && w->len == sizeof(redundancy.link)) {
		memcpy(&redundancy.link, w->payload, sizeof(redundancy.link));
		return;
	}
	if (w->type == HA_NEED_CONFIG) {
		op_need_config(NULL);
		return;
	}
	struct redundancy_group *r = redundancy_get(w->type == HA_FEED ? w->sa.group : w->group);
	if (!r)
		return;
	if (w->type == HA_COUNTERS) {
		struct pair_counters counters;
		if (w->len != sizeof(counters))
			return;
		memcpy(&counters, w->payload, sizeof(counters));
		redundancy_hsrp_counters(r, &counters);
		redundancy_invariants(g, r, &counters);
		r->counters = counters;
		return;
	}
	if (w->type == HA_EVENT) {
		char text[120];
		snprintf(text, sizeof(text), "%.*s", (int)w->len, (const char *)w->payload);
		event_say(r, text);
		return;
	}
	agent_word(r->agent, w, redundancy_now());
}

void redundancy_word(struct gateway *g, const struct ha_word *w)
{
	bool debugging = redundancy_debugging();

	if (debugging && w->type != HA_FEED)
		redundancy_debug_word(w, false);
	word_take(g, w);
	if (debugging && w->type == HA_FEED)  // now its peer is known
		redundancy_debug_word(w, false);
}

void redundancy_attached(struct gateway *g, bool attached, bool first)
{
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		if (!r)
			continue;
		memset(&r->hello, 0xff, sizeof(r->hello));  // told anew
		agent_attach(r->agent, attached, redundancy_now());
	}
	if (!attached)  // what it said of the link is over
		redundancy.link =
			(struct ha_link){.trouble = "the standby process does not run (yet)"};
	if (attached)
		op_need_config(NULL);
	redundancy_rearm(g);
}

static void writable_again(void *ctx)
{
	redundancy_writable(ctx);
}

void redundancy_writable(struct gateway *g)
{
	bool more = false;

	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		if (r)
			more |= agent_writable(r->agent, redundancy_now());
	}
	if (more)
		(void)loop_defer(g->loop, writable_again, g);
	redundancy_rearm(g);
}

// ---- configuration ----------------------------------------------------------------------------
static void group_end(struct redundancy_group *r)
{
	(void)standby_gate(r->name, false);
	(void)standby_hold(r->name, false);
	redundancy_gate_clear(r->number);
	agent_destroy(r->agent);
	*r = (struct redundancy_group){0};
	redundancy.groups--;
	redundancy_hsrp_groups();
	others_hold();
}

static int group_begin(unsigned n, const char *name, struct err *err)
{
	struct redundancy_group *r = &redundancy.group[n];

	struct agent_ops mine = ops;
	mine.ctx = (void *)(uintptr_t)n;
	r->agent = agent_create(n, &mine, redundancy_now());
	if (!r->agent)
		return err_set(err, -ENOMEM, "Not enough memory for redundancy group %s", name);
	r->number = (uint16_t)n;
	snprintf(r->name, sizeof(r->name), "%s", name);
	redundancy.groups++;
	redundancy_hsrp_groups();
	(void)standby_gate(name, true);
	(void)standby_hold(name, true);
	others_hold();
	if (redundancy_port_running())
		agent_attach(r->agent, true, redundancy_now());
	return 0;
}

static void intervals_take(const struct config *c)
{
	const struct interface_config *i;

	TAILQ_FOREACH (i, &c->interfaces, link) {
		struct redundancy_group *r = i->stateful ? redundancy_named(i->redundancy) : NULL;
		const struct crypto_map *m = r ? config_crypto_map(c, i->crypto_map, false) : NULL;
		if (!m)
			continue;
		r->virtual = tunnel_virtual_address(c, r->name);
		r->replay_in = m->ha_replay_in ? m->ha_replay_in : 1000;
		r->replay_out = m->ha_replay_out ? m->ha_replay_out : 1000;
		work_interval(r->number, r->replay_in);
	}
}

int redundancy_apply(struct gateway *g, const struct config *c, struct err *err)
{
	char names[HA_GROUPS_MAX + 1][CONFIG_NAME_MAX];
	unsigned count = redundancy_names(c, names);

	redundancy_warn(g, c);
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		if (r && strcmp(r->name, names[n]) != 0)
			group_end(r);
	}
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		if (names[n][0] && !redundancy_get(n)) {
			int rc = group_begin(n, names[n], err);
			if (rc)
				return rc;
		}
	}
	intervals_take(c);
	redundancy_config_take(c);
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++)
		redundancy.config.group_mask |= redundancy_get(n) ? 1u << n : 0;
	redundancy.configured = count > 0;
	work_wanted(count > 0);
	if (!count) {
		redundancy_config_drop();
		redundancy_port_stop(g, true);
		loop_timer_stop(&redundancy.tick);
		return 0;
	}
	op_need_config(NULL);
	int rc = redundancy_port_start(g, err);
	if (rc)
		redundancy_config_drop();
	redundancy_rearm(g);
	return rc;
}

// ---- start and stop ---------------------------------------------------------------------------
int redundancy_start(struct gateway *g, struct err *err)
{
	loop_timer_init(&redundancy.tick, g->loop, "redundancy", on_tick, g);
	redundancy_hsrp_start();
	redundancy_config_start(g);
	return work_start(g, err);
}

// An orderly end hands over what works here, if somebody can take it.
static void hand_over(struct gateway *g)
{
	struct err err = {0};

	if (redundancy_switch(g, NULL, &err))
		return;
	for (int i = 0; i < LEAVE_TURNS; i++) {
		bool working = false;
		for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
			struct redundancy_group *r = redundancy_get(n);
			working |= r && r->role.mine == HA_ROLE_ACTIVE;
		}
		if (!working)
			return;
		(void)loop_turn(g->loop, LEAVE_TURN);
	}
}

void redundancy_stop(struct gateway *g)
{
	bool working = false;

	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++)
		working |= redundancy_get(n) && redundancy.group[n].working;
	if (working)
		hand_over(g);
	redundancy_hsrp_stop();
	redundancy_port_stop(g, true);
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		if (redundancy_get(n))
			group_end(&redundancy.group[n]);
	}
	loop_timer_fini(&redundancy.tick);
	redundancy_config_stop();
	work_stop(g);
	secret_wipe(&redundancy.config, sizeof(redundancy.config));
}
