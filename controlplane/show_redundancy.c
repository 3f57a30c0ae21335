// show redundancy [states | inter-device | history] and redundancy force-switchover. State names
// and numbers are those operators know. Counters and the link: show_replication.c.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "redundancy.h"
#include "show.h"
#include "standby.h"

#define CLIENTS         2     // what is replicated: IKE SAs, IPsec SAs
#define NOTIFICATION_MS 3000  // a planned switchover waits so long for workers to stop
#define LOAD_LITTLE     1000  // packets/s: a worker is busy with looking for them

struct rf_state {
	unsigned number;
	const char *name;
};
static const struct rf_state RF_DISABLED = {1, "DISABLED"}, RF_INIT = {2, "INITIALIZATION"},
			     RF_NEGOTIATION = {3, "NEGOTIATION"}, RF_COLD = {4, "STANDBY COLD"},
			     RF_BULK = {7, "STANDBY BULK"}, RF_HOT = {8, "STANDBY HOT"},
			     RF_ACTIVE = {13, "ACTIVE"};

static struct rf_state state_mine(const struct redundancy_group *r)
{
	if (!r || !redundancy.configured)
		return RF_DISABLED;
	if (!redundancy_port_running())
		return RF_INIT;
	if (r->role.mine == HA_ROLE_ACTIVE)
		return RF_ACTIVE;
	if (r->role.mine == HA_ROLE_NONE)
		return r->role.bulk ? RF_BULK : RF_NEGOTIATION;
	return r->role.hot ? RF_HOT : r->role.bulk ? RF_BULK : RF_COLD;
}

static struct rf_state state_peer(const struct redundancy_group *r)
{
	if (!r || !r->role.link)
		return RF_DISABLED;
	if (r->role.peers == HA_ROLE_ACTIVE)
		return RF_ACTIVE;
	if (r->role.peers == HA_ROLE_NONE)
		return r->role.bulk ? RF_BULK : RF_NEGOTIATION;
	return r->role.hot ? RF_HOT : r->role.bulk ? RF_BULK : RF_COLD;
}

static const struct redundancy_group *group_first(void)
{
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		if (redundancy.group[n].number)
			return &redundancy.group[n];
	}
	return NULL;
}

// SAs that a take-over now would lose.
static uint32_t unprotected(const struct ha_role *r)
{
	if (r->mine != HA_ROLE_ACTIVE)
		return 0;
	return r->alone || !r->hot ? r->ike + r->child : r->peer_applied_lag;
}

static uint32_t synced(const struct ha_role *r, uint32_t n)
{
	return r->mine == HA_ROLE_STANDBY || (r->hot && !r->alone) ? n : 0;
}

// ---- show redundancy states -------------------------------------------------------------------
static void states_json_group(struct json *w, const struct redundancy_group *r)
{
	static const struct ha_role nothing;
	const struct ha_role *role = r ? &r->role : &nothing;

	json_str(w, "my_state", state_mine(r).name);
	json_u64(w, "my_state_number", state_mine(r).number);
	json_str(w, "peer_state", state_peer(r).name);
	json_u64(w, "peer_state_number", state_peer(r).number);
	json_str(w, "communications", role->link ? "up" : "down");
	json_u64(w, "synced_ike_sas", synced(role, role->ike));
	json_u64(w, "synced_ipsec_sas", 2ull * synced(role, role->child));
	json_u64(w, "unprotected_sas", unprotected(role));
	json_u64(w, "ike_sas", role->ike);
	json_u64(w, "ipsec_sas", 2ull * role->child);
	json_u64(w, "tainted_sas", role->tainted);
	json_bool(w, "alone", role->alone);
	json_bool(w, "fresh", role->fresh);
	json_bool(w, "configurations_differ", role->digest_differs);
	json_arr(w, "differing_sections");
	for (unsigned s = 0; s < REDUNDANCY_SECTIONS; s++)
		if (role->digest_differs >> s & 1)
			json_str(w, NULL, redundancy_section_name(s));
	json_end(w);
	json_u64(w, "session", role->session >> 1);
	json_u64(w, "join_number", role->join[role->slot & 1]);
	json_u64(w, "restart_number", role->restart);
}

static void load_json(struct json *w)
{
	struct redundancy_load n;

	redundancy_load_get(&n);
	json_obj(w, "load");
	json_u64(w, "packets_per_second_here", n.here_pps);
	json_u64(w, "packets_per_second_other", n.other_pps);
	json_u64(w, "busy_percent", n.busy_percent);
	json_u64(w, "together_percent", n.together_percent);
	json_end(w);
}

// When the other box works too: what one of them would have to carry alone.
static void load_text(struct cli *cli)
{
	struct redundancy_load n;

	redundancy_load_get(&n);
	if (n.other_pps && n.here_pps + n.other_pps < LOAD_LITTLE)
		cli_printf(cli,
			   "Load: %u packets/s here, both ways, %u at the other box: too few to "
			   "estimate what both need\n",
			   n.here_pps, n.other_pps);
	else if (n.other_pps)
		cli_printf(cli,
			   "Load: %u packets/s here, both ways, busiest worker %u %%; %u at the "
			   "other box; "
			   "together about %u %% of this box (plan for at most 70)\n",
			   n.here_pps, n.busy_percent, n.other_pps, n.together_percent);
}

static void states_json(struct json *w)
{
	json_obj(w, NULL);
	states_json_group(w, group_first());
	load_json(w);
	json_arr(w, "groups");
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		if (!r->number)
			continue;
		json_obj(w, NULL);
		json_str(w, "name", r->name);
		json_u64(w, "number", r->number);
		states_json_group(w, r);
		json_end(w);
	}
	json_end(w);
	json_end(w);
}

static void states_text(struct cli *cli, const struct redundancy_group *r)
{
	static const struct ha_role nothing;
	const struct ha_role *role = r ? &r->role : &nothing;
	struct rf_state mine = state_mine(r), peer = state_peer(r);
	char what[256];

	if (r && redundancy.groups > 1)
		cli_printf(cli, "Group %s\n", r->name);
	cli_printf(cli, "       my state = %u -%s\n", mine.number, mine.name);
	cli_printf(cli, "     peer state = %u -%s\n", peer.number, peer.name);
	cli_printf(cli, "           Mode = %s\n", role->link ? "Duplex" : "Simplex");
	cli_printf(cli, "        Unit ID = %u\n\n", role->slot);
	cli_puts(cli, "Maintenance Mode = Disabled\n");
	cli_printf(cli, "    Manual Swact = %s\n",
		   role->mine == HA_ROLE_ACTIVE && role->hot ? "enabled"
		   : role->mine == HA_ROLE_ACTIVE
			   ? "disabled (the other box is not STANDBY HOT)"
			   : "cannot be initiated from this the standby unit");
	cli_printf(cli, "  Communications = %s\n\n", role->link ? "Up" : "Down");
	cli_printf(cli, "   client count = %u\n", CLIENTS);
	cli_printf(cli, " client_notification_TMR = %u milliseconds\n", NOTIFICATION_MS);
	cli_printf(cli, "           RF debug mask = 0x%x\n\n", log_debug_on(DEBUG_REDUNDANCY));
	cli_printf(cli, "         IKE SAs = %u, replicated %u\n", role->ike,
		   synced(role, role->ike));
	cli_printf(cli, "       IPsec SAs = %u, replicated %u\n", 2 * role->child,
		   2 * synced(role, role->child));
	if (unprotected(role))
		cli_printf(cli,
			   "     unprotected = %u (a failure of this box now would lose them)\n",
			   unprotected(role));
	if (role->tainted)
		cli_printf(cli, "         tainted = %u (wait for their rekey)\n", role->tainted);
	if (role->digest_differs)
		cli_printf(cli, "The configurations of the two boxes differ in: %s\n",
			   redundancy_differing(role->digest_differs, what, sizeof(what)));
	if (role->peer_release_differs)
		cli_puts(cli, "The other box runs another release\n");
}

static int show_states(struct cli *cli, const struct cli_args *args)
{
	struct json *w = cli_json(cli);

	if (w) {
		states_json(w);
		return CLI_DONE;
	}
	if (!group_first())
		states_text(cli, NULL);
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		if (redundancy.group[n].number)
			states_text(cli, &redundancy.group[n]);
	}
	load_text(cli);
	return CLI_DONE;
}

// ---- show redundancy inter-device -------------------------------------------------------------
static const char *interdev_state(const struct redundancy_group *r)
{
	if (!r)
		return "RF_INTERDEV_STATE_INIT";
	switch (r->role.mine) {
	case HA_ROLE_ACTIVE: return "RF_INTERDEV_STATE_ACT";
	case HA_ROLE_STANDBY: return "RF_INTERDEV_STATE_STDBY";
	default: return "RF_INTERDEV_STATE_PNC_NO_HSRP";
	}
}

// NULL: the association is down.
static const char *security_name(const struct ha_link *l)
{
	if (strcmp(l->security, "none") == 0)
		return "Not configured";
	return l->security[0] ? l->security : NULL;
}

static void interdevice_json(struct json *w, const struct config *c, const char *state)
{
	const struct ha_link *l = &redundancy.link;
	char buf[160];

	json_obj(w, NULL);
	json_bool(w, "configured", c->redundancy.inter_device);
	json_str(w, "state", interdev_state(group_first()));
	json_str(w, "scheme", c->redundancy.scheme[0] ? c->redundancy.scheme : NULL);
	json_str(w, "scheme_state", state);
	json_arr(w, "groups");
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		if (!r->number)
			continue;
		json_obj(w, NULL);
		json_str(w, "name", r->name);
		json_str(w, "state", interdev_state(r));
		json_end(w);
	}
	json_end(w);
	json_bool(w, "peer_present", l->up);
	json_str(w, "security", security_name(l));
	json_str(w, "link_trouble", !l->up && l->trouble[0] ? l->trouble : NULL);
	json_str(w, "trouble", redundancy_lack(c, buf, sizeof(buf)));
	json_end(w);
}

static void interdevice_text(struct cli *cli, const struct config *c, const char *state)
{
	const struct ha_link *l = &redundancy.link;
	char buf[160];
	const char *lack = redundancy_lack(c, buf, sizeof(buf));

	cli_printf(cli, "Redundancy inter-device state: %s\n", interdev_state(group_first()));
	cli_puts(cli, "  Scheme: Standby\n");
	cli_printf(cli, "      Groupname: %s Group State: %s\n",
		   c->redundancy.scheme[0] ? c->redundancy.scheme : "(none)",
		   state ? state : "unknown");
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		if (r->number && strcmp(r->name, c->redundancy.scheme) != 0)
			cli_printf(cli, "      Replicated group: %s, %s\n", r->name,
				   interdev_state(r));
	}
	cli_printf(cli, "  Peer present: %s\n",
		   l->up ? "RF_INTERDEV_PEER_COMM" : "RF_INTERDEV_PEER_NO_COMM");
	const char *security = security_name(l);
	cli_printf(cli, "  Security: %s\n", security ? security : "not up");
	if (lack)
		cli_printf(cli, "  Why nothing is replicated: %s\n", lack);
	else if (!l->up && l->trouble[0])
		cli_printf(cli, "  Why it is down: %s\n", l->trouble);
}

static int show_interdevice(struct cli *cli, const struct cli_args *args)
{
	const struct config *c = cli_running(cli);
	struct json *w = cli_json(cli);
	struct standby_view v;
	bool known = c->redundancy.scheme[0] && standby_view(c->redundancy.scheme, &v);
	const char *state = known ? hsrp_state_name(v.state) : NULL;

	if (w)
		interdevice_json(w, c, state);
	else if (c->redundancy.inter_device)
		interdevice_text(cli, c, state);
	else
		cli_puts(cli, "Redundancy inter-device is not configured\n");
	return CLI_DONE;
}

// ---- show redundancy history ------------------------------------------------------------------
static int show_history(struct cli *cli, const struct cli_args *args)
{
	struct json *w = cli_json(cli);
	unsigned n = redundancy.history_count;
	unsigned at = (redundancy.history_next + REDUNDANCY_HISTORY - n) % REDUNDANCY_HISTORY;

	if (w) {
		json_obj(w, NULL);
		json_arr(w, "events");
	}
	for (; n; n--, at = (at + 1) % REDUNDANCY_HISTORY) {
		const struct redundancy_event *e = &redundancy.history[at];
		time_t s = (time_t)(e->at_ms / 1000);
		struct tm tm;
		char when[40];
		(void)localtime_r(&s, &tm);
		strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
		if (w) {
			json_obj(w, NULL);
			json_u64(w, "time_ms", e->at_ms);
			json_str(w, "group", e->group);
			json_str(w, "event", e->text);
			json_end(w);
		} else {
			cli_printf(cli, "%s.%03u %s: %s\n", when, (unsigned)(e->at_ms % 1000),
				   e->group, e->text);
		}
	}
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

// ---- redundancy force-switchover --------------------------------------------------------------
static int force_switchover(struct cli *cli, const struct cli_args *args)
{
	const char *name = args->values ? args->value[0] : NULL;
	struct err err = {0};
	char buf[160];

	if (redundancy.groups == 0)
		return cli_error(cli, "%% Nothing is replicated: %s",
				 redundancy_lack(cli_running(cli), buf, sizeof(buf)));
	if (redundancy_switch(&gateway, name, &err))
		return cli_error(cli, "%% %s", err.msg);
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"redundancy", "Stateful switchover between two boxes"},
	{"states", "Roles and what is replicated"},
	{"inter-device", "The scheme and the other box"},
	{"history", "What happened, oldest first"},
	{"force-switchover", "Hands the active role to the other box without losing a packet"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show redundancy [states]", help, show_states, CLI_JSON, NULL},
	{CLI_EXEC, "show redundancy inter-device", help, show_interdevice, CLI_JSON, NULL},
	{CLI_EXEC, "show redundancy history", help, show_history, CLI_JSON, NULL},
	{CLI_ENABLE, "redundancy force-switchover [NAME]", help, force_switchover, 0, NULL},
};

int show_redundancy_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
