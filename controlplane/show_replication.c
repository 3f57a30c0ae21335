// show redundancy counters, show crypto ha, show ipc ...: what the protocol did, what it keeps, and
// the link that it uses.

#include <string.h>

#include "redundancy.h"
#include "show.h"
#include "standby.h"

// ---- show redundancy counters -----------------------------------------------------------------
static void group_counters(struct cli *cli, struct json *w, const struct pair_counters *c)
{
	const struct show_counter all[] = {
		{"sent", "Messages sent", c->tx},
		{"received", "Messages received", c->rx},
		{"malformed", "Malformed, dropped", c->rx_malformed},
		{"other_session", "Of another session, dropped", c->rx_other_session},
		{"out_of_order", "Out of order, session ended", c->rx_out_of_order},
		{"refused", "Refused in this state", c->rx_refused},
		{"other_release", "Unknown to this release, skipped", c->rx_release},
		{"joins", "Joins", c->joins},
		{"snapshots", "Snapshots", c->snapshots},
		{"claims", "Claims", c->claims},
		{"grants", "Grants", c->grants},
		{"denials", "Denials", c->denies},
		{"busy", "Answers that the other box is busy", c->busies},
		{"take_overs", "Take-overs", c->takeovers},
		{"stale_take_overs", "Take-overs with stale state", c->stale_takeovers},
		{"alone", "Went alone", c->alone},
		{"split_brains", "Split brains", c->splits},
		{"split_brains_healed", "Split brains healed", c->splits_healed},
		{"limits_raised", "Limits raised", c->raises},
		{"checkpoints", "Checkpoints", c->checkpoints},
		{"leases", "Leases", c->leases},
		{"tainted", "SAs tainted", c->tainted},
	};
	uint64_t broken = 0;

	show_counters(cli, w, all, sizeof(all) / sizeof(all[0]));
	for (unsigned i = 1; i < 16; i++) {
		broken += c->invariant[i];
		if (!w && c->invariant[i])
			cli_printf(cli, "INVARIANT I%u BROKEN %ju times\n", i,
				   (uintmax_t)c->invariant[i]);
	}
	if (!w)
		return;
	json_u64(w, "invariants_broken", broken);
	json_arr(w, "invariants");
	for (unsigned i = 1; i < 16; i++) {
		if (!c->invariant[i])
			continue;
		json_obj(w, NULL);
		json_fmt(w, "name", "I%u", i);
		json_u64(w, "broken", c->invariant[i]);
		json_end(w);
	}
	json_end(w);
}

static int redundancy_counters(struct cli *cli, const struct cli_args *args)
{
	struct json *w = cli_json(cli);

	if (w) {
		json_obj(w, NULL);
		json_arr(w, "groups");
	}
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		if (!r->number)
			continue;
		if (w) {
			json_obj(w, NULL);
			json_str(w, "name", r->name);
		} else {
			cli_printf(cli, "Group %s\n", r->name);
		}
		group_counters(cli, w, &r->counters);
		if (w)
			json_end(w);
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
static uint64_t edge_step(const struct redundancy_group *r)
{
	return dp_running() ? dp_checkpoint_step(r->number) : 0;
}

static void ha_text(struct cli *cli, const struct redundancy_group *r, const char *vip)
{
	cli_printf(cli, "IKE VIP: %s\n", vip ? vip : "unknown");
	cli_puts(cli, "  stamp:");
	for (int shift = 56; shift >= 0; shift -= 8)
		cli_printf(cli, " %02X", (unsigned)(r->role.lineage >> shift & 255));
	for (int shift = 56; shift >= 0; shift -= 8)
		cli_printf(cli, " %02X", (unsigned)(r->role.session >> shift & 255));
	cli_printf(cli, "\nIPSec VIP: %s\n", vip ? vip : "unknown");
	cli_printf(cli, "  IKE SAs %u, IPsec SAs %u\n", r->role.ike, 2 * r->role.child);
	cli_printf(cli, "  replay-interval in %u out %u\n", r->replay_in, r->replay_out);
	cli_printf(cli,
		   "    inbound edges: %ju updates, at most %ju packets between two%s\n"
		   "    outbound numbers: reserved ahead, %ju times so far\n",
		   (uintmax_t)r->counters.checkpoints, (uintmax_t)edge_step(r),
		   edge_step(r) > r->replay_in ? " (above the interval)" : "",
		   (uintmax_t)r->counters.raises);
}

static void ha_json(struct json *w, const struct redundancy_group *r, const char *vip)
{
	json_obj(w, NULL);
	json_str(w, "name", r->name);
	json_str(w, "virtual_ip", vip);
	json_fmt(w, "stamp", "%016jx%016jx", (uintmax_t)r->role.lineage,
		 (uintmax_t)r->role.session);
	json_u64(w, "ike_sas", r->role.ike);
	json_u64(w, "ipsec_sas", 2ull * r->role.child);
	json_u64(w, "replay_interval_in", r->replay_in);
	json_u64(w, "replay_interval_out", r->replay_out);
	json_u64(w, "edge_updates", r->counters.checkpoints);
	json_u64(w, "edge_step_max", edge_step(r));
	json_u64(w, "limits_raised", r->counters.raises);
	json_end(w);
}

static int show_crypto_ha(struct cli *cli, const struct cli_args *args)
{
	struct json *w = cli_json(cli);
	unsigned groups = 0;

	if (w) {
		json_obj(w, NULL);
		json_arr(w, "groups");
	}
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = &redundancy.group[n];
		struct standby_view v;
		char a[ADDR_STR_MAX];
		if (!r->number)
			continue;
		bool known = standby_view(r->name, &v) && addr_is_set(&v.virtual_ip);
		const char *vip = known ? addr_format(&v.virtual_ip, a, sizeof(a)) : NULL;
		if (w)
			ha_json(w, r, vip);
		else
			ha_text(cli, r, vip);
		groups++;
	}
	if (w) {
		json_end(w);
		json_end(w);
	} else if (groups == 0) {
		char buf[160];
		const char *lack = redundancy_lack(cli_running(cli), buf, sizeof(buf));
		cli_printf(cli, "Nothing is replicated%s%s\n", lack ? ": " : "", lack ? lack : "");
	}
	return CLI_DONE;
}

// ---- show ipc ---------------------------------------------------------------------------------
// Why it is down: what the configuration lacks, else what the standby process says.
static const char *link_why(const struct config *c, char *buf, size_t cap)
{
	const char *lack = redundancy_link_lack(c, buf, cap);

	if (lack || redundancy.link.up)
		return lack;
	return redundancy.link.trouble[0] ? redundancy.link.trouble : NULL;
}

static const char *path_format(const struct ha_link *l, unsigned i, char *buf, size_t cap)
{
	struct ip_addr a = {.family = l->path_family[i]};

	memcpy(a.bytes, l->path[i], sizeof(a.bytes));
	return addr_format(&a, buf, cap);
}

static bool path_primary(const struct ha_link *l, unsigned i)
{
	return l->family == l->path_family[i] &&
	       memcmp(l->primary, l->path[i], sizeof(l->primary)) == 0;
}

static void addresses_json(struct json *w, const char *key, const struct config_strings *list)
{
	const struct config_string *s;

	json_arr(w, key);
	TAILQ_FOREACH (s, list, link)
		json_str(w, NULL, s->text);
	json_end(w);
}

static void association_json(struct json *w, const struct ipc_association *a, const char *zone)
{
	json_str(w, "zone", zone);
	json_u64(w, "number", a->number);
	addresses_json(w, "local_addresses", &a->local_ips);
	json_u64(w, "local_port", a->local_port);
	addresses_json(w, "remote_addresses", &a->remote_ips);
	json_u64(w, "remote_port", a->remote_port);
}

static void paths_json(struct json *w, const struct ha_link *l)
{
	char buf[ADDR_STR_MAX];

	json_arr(w, "path_states");
	for (unsigned i = 0; i < HA_LOCAL_MAX && l->up && l->path_family[i]; i++) {
		json_obj(w, NULL);
		json_str(w, "address", path_format(l, i, buf, sizeof(buf)));
		json_str(w, "state", l->path_up[i] ? "up" : "down");
		json_bool(w, "primary", path_primary(l, i));
		json_end(w);
	}
	json_end(w);
}

static void ipc_json(struct json *w, const struct config *c, const struct ha_link *l,
		     const char *primary)
{
	const char *zone = NULL;
	const struct ipc_association *a = redundancy_association(c, &zone);
	char buf[160];

	json_obj(w, NULL);
	if (a)
		association_json(w, a, zone);
	json_str(w, "association", l->up ? "up" : "down");
	json_str(w, "transport", l->driver[0] ? l->driver : NULL);
	json_str(w, "protection", l->security[0] ? l->security : NULL);
	json_str(w, "trouble", link_why(c, buf, sizeof(buf)));
	json_str(w, "primary_path", l->up ? primary : NULL);
	json_u64(w, "paths", l->paths);
	json_u64(w, "paths_up", l->paths_up);
	paths_json(w, l);
	json_u64(w, "rto_ms", l->rto_ms);
	json_u64(w, "rto_min_ms", l->rto_min_ms);
	json_u64(w, "rto_max_ms", l->rto_max_ms);
	json_u64(w, "path_retransmit", l->path_retransmit);
	json_u64(w, "assoc_retransmit", l->assoc_retransmit);
	json_u64(w, "round_trip_ms", l->srtt_ms);
	json_u64(w, "established", l->ups);
	json_u64(w, "messages_sent", l->tx);
	json_u64(w, "bytes_sent", l->tx_bytes);
	json_u64(w, "messages_received", l->rx);
	json_u64(w, "bytes_received", l->rx_bytes);
	json_u64(w, "bytes_queued", l->queued);
	json_u64(w, "refused", l->refused);
	json_u64(w, "mirror_bytes_used", l->mirror_used);
	json_u64(w, "mirror_bytes", l->mirror_max);
	json_end(w);
}

static void addresses_text(struct cli *cli, const char *what, const struct config_strings *list,
			   uint16_t port)
{
	const struct config_string *s;

	cli_printf(cli, "  %s", what);
	TAILQ_FOREACH (s, list, link)
		cli_printf(cli, " %s", s->text);
	cli_printf(cli, " port %u\n", port);
}

static void paths_text(struct cli *cli, const struct ha_link *l)
{
	char buf[ADDR_STR_MAX];

	for (unsigned i = 0; i < HA_LOCAL_MAX && l->path_family[i]; i++)
		cli_printf(cli, "  Path to %s: %s%s\n", path_format(l, i, buf, sizeof(buf)),
			   l->path_up[i] ? "up" : "down", path_primary(l, i) ? ", primary" : "");
	cli_printf(cli,
		   "  RTO %u ms (%u to %u), smoothed round trip %u ms; a path is down after %u "
		   "retransmissions, the association after %u\n",
		   l->rto_ms, l->rto_min_ms, l->rto_max_ms, l->srtt_ms, l->path_retransmit,
		   l->assoc_retransmit);
}

static void ipc_text(struct cli *cli, const struct config *c, const struct ha_link *l)
{
	const char *zone = NULL;
	const struct ipc_association *a = redundancy_association(c, &zone);
	char buf[160];
	const char *why = link_why(c, buf, sizeof(buf));
	bool up = l->up && !why;  // a second passes until what was configured is reported

	if (a)
		cli_printf(cli, "Zone %s, association %u\n", zone, a->number);
	cli_printf(cli, "  Association is %s, transport %s, protection %s\n", up ? "up" : "down",
		   l->driver[0] ? l->driver : "none", l->security[0] ? l->security : "none");
	if (why)
		cli_printf(cli, "  Why: %s\n", why);
	if (a) {
		addresses_text(cli, "Local ", &a->local_ips, a->local_port);
		addresses_text(cli, "Remote", &a->remote_ips, a->remote_port);
	}
	if (up)
		paths_text(cli, l);
	cli_printf(cli,
		   "  Established %ju times, messages sent %ju (%ju bytes), received %ju (%ju "
		   "bytes)\n",
		   (uintmax_t)l->ups, (uintmax_t)l->tx, (uintmax_t)l->tx_bytes, (uintmax_t)l->rx,
		   (uintmax_t)l->rx_bytes);
	cli_printf(cli, "  Queued %ju bytes, refused %ju\n", (uintmax_t)l->queued,
		   (uintmax_t)l->refused);
	cli_printf(cli, "  Mirror: %ju of %ju KiB used\n", (uintmax_t)l->mirror_used / 1024,
		   (uintmax_t)l->mirror_max / 1024);
}

static int show_ipc(struct cli *cli, const struct cli_args *args)
{
	const struct ha_link *l = &redundancy.link;
	struct json *w = cli_json(cli);
	struct ip_addr a = {.family = l->family};
	char buf[ADDR_STR_MAX];

	memcpy(a.bytes, l->primary, sizeof(l->primary));
	if (w)
		ipc_json(w, cli_running(cli), l,
			 l->family ? addr_format(&a, buf, sizeof(buf)) : NULL);
	else
		ipc_text(cli, cli_running(cli), l);
	return CLI_DONE;
}

// What is configured; one association is the link.
static const char *association_state(const struct ipc_association *a,
				     const struct ipc_association *used)
{
	if (!a->no_shutdown)
		return "shut down";
	if (a != used)
		return "not used";
	return redundancy.link.up ? "the replication link, up" : "the replication link, down";
}

static int show_zones(struct cli *cli, const struct cli_args *args)
{
	const struct config *c = cli_running(cli);
	const char *zone = NULL;
	const struct ipc_association *used = redundancy_association(c, &zone), *a;
	const struct ipc_zone *z;
	struct json *w = cli_json(cli);

	if (w) {
		json_obj(w, NULL);
		json_arr(w, "associations");
	}
	TAILQ_FOREACH (z, &c->ipc_zones, link) {
		if (!w)
			cli_printf(cli, "Zone %s\n", z->name);
		TAILQ_FOREACH (a, &z->associations, link) {
			if (!w) {
				cli_printf(cli, "  Association %u: %s\n", a->number,
					   association_state(a, used));
				continue;
			}
			json_obj(w, NULL);
			association_json(w, a, z->name);
			json_str(w, "state", association_state(a, used));
			json_end(w);
		}
	}
	if (w) {
		json_end(w);
		json_end(w);
	} else if (TAILQ_EMPTY(&c->ipc_zones)) {
		cli_puts(cli, "No ipc zone is configured\n");
	}
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"redundancy", "Stateful switchover between two boxes"},
	{"counters", "Messages and events of the fail-over protocol"},
	{"ha", "High availability of IKE and IPsec"},
	{"ipc", "The replication link"},
	{"association", "Its association"},
	{"zones", "Zones and associations that are configured"},
	{"status", "The same as association"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show redundancy counters", help, redundancy_counters, CLI_JSON, NULL},
	{CLI_EXEC, "show crypto ha", help, show_crypto_ha, CLI_JSON, NULL},
	{CLI_EXEC, "show ipc [association|status]", help, show_ipc, CLI_JSON, NULL},
	{CLI_EXEC, "show ipc zones", help, show_zones, CLI_JSON, NULL},
};

int show_replication_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
