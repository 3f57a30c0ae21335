// show redundancy [states | inter-device | history], show crypto ha, show ipc ..., and
// redundancy force-switchover. State names and numbers are those operators know.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "redundancy.h"
#include "show.h"
#include "standby.h"

#define CLIENTS         2     // what is replicated: IKE SAs, IPsec SAs
#define NOTIFICATION_MS 3000  // a planned switchover waits so long for workers to stop

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
	if (n.other_pps)
		cli_printf(cli,
			   "Load: %u packets/s here, both ways, busiest worker %u %%; %u at the other box; "
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

static int show_interdevice(struct cli *cli, const struct cli_args *args)
{
	const struct config *c = cli_running(cli);
	const struct ha_link *l = &redundancy.link;
	struct standby_view v;

	if (!c->redundancy.inter_device) {
		cli_puts(cli, "Redundancy inter-device is not configured\n");
		return CLI_DONE;
	}
	cli_printf(cli, "Redundancy inter-device state: %s\n", interdev_state(group_first()));
	cli_puts(cli, "  Scheme: Standby\n");
	bool known = c->redundancy.scheme[0] && standby_view(c->redundancy.scheme, &v);
	cli_printf(cli, "      Groupname: %s Group State: %s\n",
		   c->redundancy.scheme[0] ? c->redundancy.scheme : "(none)",
		   known ? hsrp_state_name(v.state) : "unknown");
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		if (r->number && strcmp(r->name, c->redundancy.scheme) != 0)
			cli_printf(cli, "      Replicated group: %s, %s\n", r->name,
				   interdev_state(r));
	}
	cli_printf(cli, "  Peer present: %s\n",
		   l->up ? "RF_INTERDEV_PEER_COMM" : "RF_INTERDEV_PEER_NO_COMM");
	cli_printf(cli, "  Security: %s\n",
		   strcmp(l->security, "none") == 0 ? "Not configured"
		   : l->security[0]                 ? l->security
						    : "not up");
	if (!l->up && l->trouble[0])
		cli_printf(cli, "  Why it is down: %s\n", l->trouble);
	if (redundancy.trouble[0])
		cli_printf(cli, "  Why nothing is replicated: %s\n", redundancy.trouble);
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
		const struct redundancy_group *r = redundancy_get(e->group);
		if (w) {
			json_obj(w, NULL);
			json_u64(w, "time_ms", e->at_ms);
			json_str(w, "group", r ? r->name : NULL);
			json_str(w, "event", e->text);
			json_end(w);
		} else {
			cli_printf(cli, "%s.%03u %s: %s\n", when, (unsigned)(e->at_ms % 1000),
				   r ? r->name : "-", e->text);
		}
	}
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

// ---- show crypto ha ---------------------------------------------------------------------------
// Edges go every millisecond under traffic, outbound numbers are reserved ahead of it: the
// intervals are what that has to keep.
static void intervals_text(struct cli *cli, const struct redundancy_group *r)
{
	uint64_t step = dp_running() ? dp_checkpoint_step(r->number) : 0;

	cli_printf(cli, "  replay-interval in %u out %u\n", r->replay_in, r->replay_out);
	cli_printf(cli,
		   "    inbound edges: %ju updates, at most %ju packets between two%s\n"
		   "    outbound numbers: reserved ahead, %ju times so far\n",
		   (uintmax_t)r->counters.checkpoints, (uintmax_t)step,
		   step > r->replay_in ? " (above the interval)" : "",
		   (uintmax_t)r->counters.raises);
}

static int show_crypto_ha(struct cli *cli, const struct cli_args *args)
{
	if (!group_first())
		cli_puts(cli, "No crypto map is applied with stateful redundancy\n");
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		struct standby_view v;
		char a[ADDR_STR_MAX];
		if (!r->number)
			continue;
		bool known = standby_view(r->name, &v) && addr_is_set(&v.virtual_ip);
		const char *vip = known ? addr_format(&v.virtual_ip, a, sizeof(a)) : "unknown";
		cli_printf(cli, "IKE VIP: %s\n", vip);
		cli_puts(cli, "  stamp:");
		for (int shift = 56; shift >= 0; shift -= 8)
			cli_printf(cli, " %02X", (unsigned)(r->role.lineage >> shift & 255));
		for (int shift = 56; shift >= 0; shift -= 8)
			cli_printf(cli, " %02X", (unsigned)(r->role.session >> shift & 255));
		cli_puts(cli, "\n");
		cli_printf(cli, "IPSec VIP: %s\n", vip);
		cli_printf(cli, "  IKE SAs %u, IPsec SAs %u\n", r->role.ike, 2 * r->role.child);
		intervals_text(cli, r);
	}
	return CLI_DONE;
}

// ---- show redundancy counters, show ipc -------------------------------------------------------
static int show_counters(struct cli *cli, const struct cli_args *args)
{
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		const struct pair_counters *c = &r->counters;
		if (!r->number)
			continue;
		cli_printf(cli, "Group %s\n", r->name);
		cli_printf(cli,
			   "  messages sent %ju, received %ju; malformed %ju, of another session "
			   "%ju, out of order %ju, refused %ju, of another release %ju\n",
			   (uintmax_t)c->tx, (uintmax_t)c->rx, (uintmax_t)c->rx_malformed,
			   (uintmax_t)c->rx_other_session, (uintmax_t)c->rx_out_of_order,
			   (uintmax_t)c->rx_refused, (uintmax_t)c->rx_release);
		cli_printf(cli,
			   "  joins %ju, snapshots %ju, claims %ju, grants %ju, denials %ju, "
			   "busy %ju\n",
			   (uintmax_t)c->joins, (uintmax_t)c->snapshots, (uintmax_t)c->claims,
			   (uintmax_t)c->grants, (uintmax_t)c->denies, (uintmax_t)c->busies);
		cli_printf(cli,
			   "  take-overs %ju, with stale state %ju, went alone %ju, split brains "
			   "%ju, healed %ju\n",
			   (uintmax_t)c->takeovers, (uintmax_t)c->stale_takeovers,
			   (uintmax_t)c->alone, (uintmax_t)c->splits, (uintmax_t)c->splits_healed);
		cli_printf(cli,
			   "  limits raised %ju, checkpoints %ju, leases %ju, SAs tainted %ju\n",
			   (uintmax_t)c->raises, (uintmax_t)c->checkpoints, (uintmax_t)c->leases,
			   (uintmax_t)c->tainted);
		for (unsigned i = 1; i < 16; i++)
			if (c->invariant[i])
				cli_printf(cli, "  INVARIANT I%u BROKEN %ju times\n", i,
					   (uintmax_t)c->invariant[i]);
	}
	return CLI_DONE;
}

static int show_ipc(struct cli *cli, const struct cli_args *args)
{
	const struct ha_link *l = &redundancy.link;
	struct ip_addr primary = {.family = l->family};
	char a[ADDR_STR_MAX];

	memcpy(primary.bytes, l->primary, sizeof(l->primary));
	cli_printf(cli, "Association is %s, transport %s, protection %s\n", l->up ? "up" : "down",
		   l->driver[0] ? l->driver : "none", l->security[0] ? l->security : "none");
	if (!l->up && l->trouble[0])
		cli_printf(cli, "  %s\n", l->trouble);
	if (l->up)
		cli_printf(cli,
			   "  Primary path to %s, %u of %u paths up, RTO %u ms, smoothed round "
			   "trip %u ms\n",
			   l->family ? addr_format(&primary, a, sizeof(a)) : "unknown", l->paths_up,
			   l->paths, l->rto_ms, l->srtt_ms);
	cli_printf(cli,
		   "  Established %ju times, messages sent %ju (%ju bytes), received %ju (%ju "
		   "bytes)\n",
		   (uintmax_t)l->ups, (uintmax_t)l->tx, (uintmax_t)l->tx_bytes, (uintmax_t)l->rx,
		   (uintmax_t)l->rx_bytes);
	cli_printf(cli, "  Queued %ju bytes, refused %ju\n", (uintmax_t)l->queued,
		   (uintmax_t)l->refused);
	cli_printf(cli, "  Mirror: %ju of %ju KiB used\n", (uintmax_t)l->mirror_used / 1024,
		   (uintmax_t)l->mirror_max / 1024);
	return CLI_DONE;
}

// ---- redundancy force-switchover --------------------------------------------------------------
static int force_switchover(struct cli *cli, const struct cli_args *args)
{
	const char *name = args->values ? args->value[0] : NULL;
	struct err err = {0};

	if (redundancy_switch(&gateway, name, &err))
		return cli_error(cli, "%% %s", err.msg);
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"redundancy", "Stateful switchover between two boxes"},
	{"states", "Roles and what is replicated"},
	{"inter-device", "The scheme and the other box"},
	{"history", "What happened, oldest first"},
	{"counters", "Messages and events of the fail-over protocol"},
	{"ha", "High availability of IKE and IPsec"},
	{"ipc", "The replication link"},
	{"association", "Its association"},
	{"zones", "The same, by zone"},
	{"status", "The same, in brief"},
	{"force-switchover", "Hands the active role to the other box without losing a packet"},
	{"force-switchover NAME", "Of this redundancy group only"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show redundancy [states]", help, show_states, CLI_JSON, NULL},
	{CLI_EXEC, "show redundancy inter-device", help, show_interdevice, 0, NULL},
	{CLI_EXEC, "show redundancy history", help, show_history, CLI_JSON, NULL},
	{CLI_EXEC, "show redundancy counters", help, show_counters, 0, NULL},
	{CLI_EXEC, "show crypto ha", help, show_crypto_ha, 0, NULL},
	{CLI_EXEC, "show ipc [association|zones|status]", help, show_ipc, 0, NULL},
	{CLI_ENABLE, "redundancy force-switchover [NAME]", help, force_switchover, 0, NULL},
};

int show_redundancy_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
