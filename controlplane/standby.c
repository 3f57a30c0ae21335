// HSRP groups in the daemon: created, changed and removed with the configuration, their timers,
// links and tracked objects. The state machine is ha/'s; what it asks for standby_net.c does.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "secret.h"
#include "standby.h"

#define LAST_TURNS   3  // lets the workers send the resign messages
#define LAST_WORD_MS 2  // the same within a commit

struct standby_list standby_all = TAILQ_HEAD_INITIALIZER(standby_all);
static bool booted;  // groups that come later do not wait for the reload delays
static bool role_pending;

// Not the start of the loop's turn: a hello that was read late must not look early.
uint64_t standby_now(void)
{
	return loop_clock_us() / 1000;
}

// The lifetimes of keys are calendar time, the groups' clock is not.
static void clock_moved(struct gateway *g)
{
	struct err err = {0};
	const struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link)
		if (s->key_kind == STANDBY_KEY_CHAIN)
			break;
	if (!s)
		return;
	log_event("HSRP", LOG_L_NOTICE, "CLOCK",
		  "The clock was set: lifetimes of keys are looked at");
	if (standby_apply(g, commit_running(), &err))
		log_event("PARSER", LOG_L_ERR, "APPLY", "%s", err.msg);
	apply_warnings_clear(g);
}

// ---- timers ----------------------------------------------------------------------------------
static void on_timer(void *ctx, uint64_t now_ms)
{
	struct gateway *g = ctx;
	uint64_t now = standby_now();
	struct standby *s;

	if (standby_clock_moved())
		clock_moved(g);
	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (!s->group || hsrp_group_due(s->group) > now)
			continue;
		hsrp_group_tick(s->group, now, &a);
		standby_act(g, s, &a);
		if (s->split_due && s->split_due <= now) {
			s->split_due = 0;
			standby_split_check(s);
		}
	}
	standby_rearm(g);
}

void standby_rearm(struct gateway *g)
{
	uint64_t first = HSRP_NEVER, now = standby_now();
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		uint64_t due = s->group ? hsrp_group_due(s->group) : HSRP_NEVER;
		first = due < first ? due : first;
	}
	if (first == HSRP_NEVER)
		loop_timer_stop(&g->standby_timer);
	else
		loop_timer_start(&g->standby_timer,
				 first > now ? (uint32_t)(first - now < 60000 ? first - now : 60000)
					     : 0);
}

// ---- tracking --------------------------------------------------------------------------------
static void tracked_apply(struct gateway *g, struct standby *s)
{
	struct hsrp_actions a = {0};
	uint32_t sum = 0;
	bool shutdown = false;

	for (unsigned i = 0; i < s->tracked_count; i++) {
		const struct standby_tracked *t = &s->tracked[i];
		if (track_watch_state(t->watch) != TRACK_DOWN)
			continue;
		if (t->shutdown)
			shutdown = true;
		else
			sum += t->decrement;
	}
	uint64_t now = standby_now();
	hsrp_group_decrement(s->group, sum, now, &a);
	hsrp_group_enable(s->group, !shutdown, now, &a);
	standby_act(g, s, &a);
	standby_rearm(g);
}

static void on_tracked(void *ctx, enum track_state state)
{
	const struct standby_tracked *t = ctx;

	if (t->owner->group)
		tracked_apply(&gateway, t->owner);
}

static void tracked_clear(struct gateway *g, struct standby *s)
{
	for (unsigned i = 0; i < s->tracked_count; i++)
		track_unwatch(g->track, s->tracked[i].watch);
	s->tracked_count = 0;
}

static bool tracked_same(const struct standby *s, const struct standby_group *conf)
{
	const struct standby_track *t;
	unsigned i = 0;

	TAILQ_FOREACH (t, &conf->tracks, link) {
		const struct standby_tracked *have = &s->tracked[i];
		if (i++ >= s->tracked_count || have->object != t->object ||
		    strcmp(have->interface, t->interface) != 0 || have->decrement != t->decrement ||
		    have->shutdown != t->shutdown)
			return false;
	}
	return i == s->tracked_count;
}

static int tracked_set(struct gateway *g, struct standby *s, const struct standby_group *conf)
{
	char who[CONFIG_NAME_MAX + 16];
	const struct standby_track *t;

	if (tracked_same(s, conf))
		return 0;
	tracked_clear(g, s);
	snprintf(who, sizeof(who), "HSRP %s %u", s->interface, s->number);
	TAILQ_FOREACH (t, &conf->tracks, link) {
		struct standby_tracked *n = &s->tracked[s->tracked_count];
		if (s->tracked_count == STANDBY_TRACKS_MAX) {
			apply_warn(g,
				   "Interface %s standby %u: only the first %d objects are tracked",
				   s->interface, s->number, STANDBY_TRACKS_MAX);
			break;
		}
		*n = (struct standby_tracked){.owner = s,
					      .object = t->object,
					      .decrement = t->decrement,
					      .shutdown = t->shutdown};
		snprintf(n->interface, sizeof(n->interface), "%s", t->interface);
		n->watch = t->object ? track_watch(g->track, t->object, who, on_tracked, n)
				     : track_watch_interface(g->track, t->interface, who,
							     on_tracked, n, loop_now_ms(g->loop));
		if (!n->watch)
			return -ENOMEM;
		s->tracked_count++;
		if (track_watch_state(n->watch) == TRACK_UNDEFINED)
			apply_warn(g, "Interface %s standby %u: there is no track object %u",
				   s->interface, s->number, t->object);
	}
	return 0;
}

// ---- groups ----------------------------------------------------------------------------------
static struct standby *standby_get(const char *interface, uint16_t number)
{
	struct standby *s;
	TAILQ_FOREACH (s, &standby_all, link)
		if (s->number == number && strcmp(s->interface, interface) == 0)
			return s;
	return NULL;
}

static struct standby *standby_new(const char *interface, uint16_t number)
{
	struct standby *s = calloc(1, sizeof(*s)), *after;

	if (!s)
		return NULL;
	snprintf(s->interface, sizeof(s->interface), "%s", interface);
	s->number = number;
	TAILQ_FOREACH (after, &standby_all, link)
		if (strcmp(after->interface, interface) == 0 && after->number > number)
			break;
	if (after)
		TAILQ_INSERT_BEFORE(after, s, link);
	else
		TAILQ_INSERT_TAIL(&standby_all, s, link);
	return s;
}

// Leaves the group as a router does that goes: the active one resigns.
static void standby_remove(struct gateway *g, struct standby *s)
{
	struct hsrp_actions a = {0};

	if (s->group) {
		hsrp_group_enable(s->group, false, standby_now(), &a);
		standby_act(g, s, &a);
	}
	standby_lower(g, s);
	tracked_clear(g, s);
	hsrp_group_destroy(s->group);
	TAILQ_REMOVE(&standby_all, s, link);
	free(s);
}

static int group_apply(struct gateway *g, struct standby *s, const struct config *c,
		       const struct interface_config *ifc, const struct standby_group *conf)
{
	const struct if_state *st = interface_state(g, ifc->name);
	uint64_t now = standby_now();
	struct hsrp_actions a = {0};
	struct hsrp_conf hc;
	bool line, ip;

	if (!standby_conf(g, s, c, ifc, conf, &hc))
		return 0;
	s->wanted = true;
	snprintf(s->follow, sizeof(s->follow), "%s", conf->follow);
	if (strcmp(s->name, conf->name) != 0) {
		// Crypto maps were applied before: they asked for a name that was not here yet.
		snprintf(s->name, sizeof(s->name), "%s", conf->name);
		standby_role_changed(g);
	}
	if (s->group && s->port != st->port) {
		// another device: nothing of the old one is left
		hsrp_group_link(s->group, false, now, &a);
		standby_act(g, s, &a);
		a.count = 0;
	}
	s->port = st->port;
	snprintf(s->host_if, sizeof(s->host_if), "%s", st->kernel_if);
	int rc = 0;
	if (!s->group && !(s->group = hsrp_group_create(&hc, !booted, now)))
		rc = -ENOMEM;
	if (!rc)
		rc = tracked_set(g, s, conf);
	if (rc) {
		secret_wipe(&hc, sizeof(hc));
		return rc;
	}
	hsrp_group_configure(s->group, &hc, now, &a);
	secret_wipe(&hc, sizeof(hc));
	standby_act(g, s, &a);
	a.count = 0;
	standby_wishes_tell(g, s);
	interface_line(g, s->interface, &line, &ip);
	hsrp_group_link(s->group, line, now, &a);
	standby_act(g, s, &a);
	tracked_apply(g, s);
	return 0;
}

static bool group_stays(const struct gateway *g, const struct config *c, const struct standby *s)
{
	const struct interface_config *ifc = config_interface(c, s->interface);
	const struct standby_group *conf;

	if (interface_leaves(g, c, s->interface))
		return false;
	TAILQ_FOREACH (conf, &ifc->standby, link)
		if (conf->number == s->number)
			return true;
	return false;
}

void standby_leave(struct gateway *g, const struct config *c)
{
	const struct timespec moment = {.tv_nsec = LAST_WORD_MS * 1000000};
	struct standby *s;
	bool said = false;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		bool line = false, ip;
		if (!s->group)
			continue;
		if (group_stays(g, c, s))  // also when a commit is taken back
			interface_line(g, s->interface, &line, &ip);
		hsrp_group_link(s->group, line, standby_now(), &a);
		standby_act(g, s, &a);
		for (unsigned i = 0; i < a.count; i++)
			said |= a.list[i].kind == HSRP_DO_SEND;
	}
	// The frames are in the workers' rings; the next step of the commit stops the port.
	if (said && dp_running())
		nanosleep(&moment, NULL);
}

int standby_apply(struct gateway *g, const struct config *c, struct err *err)
{
	const struct interface_config *ifc;
	const struct standby_group *conf;
	struct standby *s, *next;
	int rc = 0;

	TAILQ_FOREACH (s, &standby_all, link)
		s->wanted = false;
	TAILQ_FOREACH (ifc, &c->interfaces, link) {
		standby_kept_warn(g, ifc);
		TAILQ_FOREACH (conf, &ifc->standby, link) {
			s = standby_get(ifc->name, conf->number);
			if (!s && !(s = standby_new(ifc->name, conf->number)))
				rc = -ENOMEM;
			if (!rc)
				rc = group_apply(g, s, c, ifc, conf);
		}
	}
	for (s = TAILQ_FIRST(&standby_all); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!s->wanted)
			standby_remove(g, s);
	}
	standby_addresses_check(g, c);
	standby_rearm(g);
	booted = true;
	return rc ? err_set(err, rc, "Not enough memory for standby groups") : 0;
}

void standby_links_changed(struct gateway *g)
{
	struct standby *s;
	bool line, ip;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		interface_line(g, s->interface, &line, &ip);
		hsrp_group_link(s->group, line, standby_now(), &a);
		standby_act(g, s, &a);
	}
	if (!TAILQ_EMPTY(&standby_all))
		standby_rearm(g);
}

// ---- roles -----------------------------------------------------------------------------------
// The router that shares the group, when the two roles are taken: true and its strength.
static bool rival(const struct standby *s, struct hsrp_snapshot *v, struct hsrp_peer_view *out)
{
	if (!s->group)
		return false;
	hsrp_group_snapshot(s->group, standby_now(), v);
	*out = v->state == HSRP_STATE_ACTIVE ? v->standby : v->active;
	return (v->state == HSRP_STATE_ACTIVE || v->state == HSRP_STATE_STANDBY) && !out->local &&
	       addr_is_set(&out->addr);
}

// With equal priorities the higher address wins, on each interface for itself: when this router's
// is the higher one here and the lower one there, the roles part and packets go in by one router
// and out by the other. Different priorities are somebody's will.
void standby_split_check(const struct standby *s)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(2);
	struct hsrp_snapshot a, b;
	struct hsrp_peer_view ra, rb;
	const struct standby *o;

	if (!rival(s, &a, &ra) || a.priority != ra.priority)
		return;
	TAILQ_FOREACH (o, &standby_all, link) {
		if (strcmp(o->interface, s->interface) == 0 || !rival(o, &b, &rb) ||
		    b.priority != rb.priority || b.state == a.state)
			continue;
		if ((addr_compare(&a.local, &ra.addr) > 0) ==
		    (addr_compare(&b.local, &rb.addr) > 0))
			continue;
		log_event_limited(
			&rl, "HSRP", LOG_L_WARNING, "SPLIT",
			"%s Grp %u is %s and %s Grp %u is %s: the priorities are equal and "
			"the addresses decide, differently on the two interfaces",
			s->interface, s->number, hsrp_state_name(a.state), o->interface, o->number,
			hsrp_state_name(b.state));
		return;
	}
}

bool standby_active(const char *name)
{
	const struct standby *s;
	struct hsrp_snapshot v;

	TAILQ_FOREACH (s, &standby_all, link) {
		if (!s->group || strcmp(s->name, name) != 0)
			continue;
		hsrp_group_snapshot(s->group, standby_now(), &v);
		return v.state == HSRP_STATE_ACTIVE;
	}
	return false;
}

bool standby_interface_active(const struct gateway *g, const char *interface)
{
	const struct config *c = commit_running();
	const struct interface_config *i = c ? config_interface(c, interface) : NULL;
	struct ip_addr virtual = i ? tunnel_virtual_address(c, i->redundancy) : addr_none();

	if (!addr_is_set(&virtual))
		return true;
	return redundancy_group_of(i->redundancy) ? redundancy_working(i->redundancy)
						  : standby_active(i->redundancy);
}

static void role_run(void *ctx)
{
	struct gateway *g = ctx;
	struct err err = {0};

	role_pending = false;
	if (!g->stopping && crypto_role_apply(g, &err))
		log_event("PARSER", LOG_L_ERR, "APPLY", "%s", err.msg);
}

// Crypto follows in the next turn: first all groups get to speak.
void standby_role_changed(struct gateway *g)
{
	if (!role_pending && loop_defer(g->loop, role_run, g) == 0)
		role_pending = true;
}

int standby_start(struct gateway *g, struct err *err)
{
	loop_timer_init(&g->standby_timer, g->loop, "standby", on_timer, g);
	return 0;
}

void standby_stop(struct gateway *g)
{
	struct standby *s;

	while ((s = TAILQ_FIRST(&standby_all)))
		standby_remove(g, s);
	loop_timer_fini(&g->standby_timer);
	for (int i = 0; i < LAST_TURNS && dp_running(); i++)
		(void)loop_turn(g->loop, 5);
}
