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
		cli_puts(cli, "No crypto map is applied with stateful redundancy\n");
	}
	return CLI_DONE;
}

// ---- show ipc ---------------------------------------------------------------------------------
static void ipc_json(struct json *w, const struct ha_link *l, const char *primary)
{
	json_obj(w, NULL);
	json_str(w, "association", l->up ? "up" : "down");
	json_str(w, "transport", l->driver[0] ? l->driver : NULL);
	json_str(w, "protection", l->security[0] ? l->security : NULL);
	json_str(w, "trouble", !l->up && l->trouble[0] ? l->trouble : NULL);
	json_str(w, "primary_path", l->up ? primary : NULL);
	json_u64(w, "paths", l->paths);
	json_u64(w, "paths_up", l->paths_up);
	json_u64(w, "rto_ms", l->rto_ms);
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

static void ipc_text(struct cli *cli, const struct ha_link *l, const char *primary)
{
	cli_printf(cli, "Association is %s, transport %s, protection %s\n", l->up ? "up" : "down",
		   l->driver[0] ? l->driver : "none", l->security[0] ? l->security : "none");
	if (!l->up && l->trouble[0])
		cli_printf(cli, "  %s\n", l->trouble);
	if (l->up)
		cli_printf(cli,
			   "  Primary path to %s, %u of %u paths up, RTO %u ms, smoothed round "
			   "trip %u ms\n",
			   primary ? primary : "unknown", l->paths_up, l->paths, l->rto_ms,
			   l->srtt_ms);
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
	const char *primary = l->family ? addr_format(&a, buf, sizeof(buf)) : NULL;
	if (w)
		ipc_json(w, l, primary);
	else
		ipc_text(cli, l, primary);
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"redundancy", "Stateful switchover between two boxes"},
	{"counters", "Messages and events of the fail-over protocol"},
	{"ha", "High availability of IKE and IPsec"},
	{"ipc", "The replication link"},
	{"association", "Its association"},
	{"zones", "The same, by zone"},
	{"status", "The same, in brief"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show redundancy counters", help, redundancy_counters, CLI_JSON, NULL},
	{CLI_EXEC, "show crypto ha", help, show_crypto_ha, CLI_JSON, NULL},
	{CLI_EXEC, "show ipc [association|zones|status]", help, show_ipc, CLI_JSON, NULL},
};

int show_replication_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
