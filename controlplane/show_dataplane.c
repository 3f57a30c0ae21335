// show dataplane [stages|drops|workers|engine], clear counters, debug dataplane cycles.

#include <string.h>

#include "show.h"

static void stages(struct cli *cli, struct json *w)
{
	if (w)
		json_arr(w, "stages");
	else
		cli_printf(cli, "%-14s %16s %16s %14s\n", "Stage", "Bursts", "Packets",
			   "Cycles/packet");
	for (unsigned i = 0; i < dp_stage_count(); i++) {
		struct dp_stage_stats st = {0};
		if (dp_stage_get(i, -1, &st))
			continue;
		double per = st.packets ? (double)st.cycles / (double)st.packets : 0;
		if (w) {
			json_obj(w, NULL);
			json_str(w, "name", st.name);
			json_u64(w, "bursts", st.bursts);
			json_u64(w, "packets", st.packets);
			json_u64(w, "cycles", st.cycles);
			json_end(w);
		} else {
			cli_printf(cli, "%-14s %16llu %16llu %14.1f\n", st.name,
				   (unsigned long long)st.bursts, (unsigned long long)st.packets,
				   per);
		}
	}
	if (w)
		json_end(w);
}

static void drops(struct cli *cli, struct json *w, bool all)
{
	unsigned shown = 0;
	if (w)
		json_obj(w, "drops");
	for (unsigned i = 0; i < dp_drop_count(); i++) {
		const char *name, *sentence;
		uint64_t n;
		if (dp_drop_get(i, -1, &name, &sentence, &n) || (!n && !all))
			continue;
		shown++;
		if (w)
			json_u64(w, name, n);
		else
			cli_printf(cli, "%-18s %16llu  %s\n", name, (unsigned long long)n,
				   sentence);
	}
	if (w)
		json_end(w);
	else if (!shown)
		cli_puts(cli, "Nothing was dropped\n");
}

static void workers(struct cli *cli, struct json *w)
{
	if (w)
		json_arr(w, "workers");
	else
		cli_printf(cli, "%-6s %4s %6s %14s %14s %12s %12s %10s %5s\n", "Worker", "Core",
			   "Busy", "Rx packets", "Tx packets", "Handed in", "Handed out", "Sleeps",
			   "SAs");
	for (unsigned i = 0; i < dp_workers(); i++) {
		struct dp_worker_stats st = {0};
		if (dp_worker_get(i, &st))
			continue;
		double busy = st.total_cycles
				      ? 100.0 * (double)st.busy_cycles / (double)st.total_cycles
				      : 0;
		if (w) {
			json_obj(w, NULL);
			json_u64(w, "worker", st.worker);
			json_i64(w, "core", st.core);
			json_u64(w, "loops", st.loops);
			json_u64(w, "busy_loops", st.busy_loops);
			json_u64(w, "rx_packets", st.rx_packets);
			json_u64(w, "tx_packets", st.tx_packets);
			json_u64(w, "handoff_in", st.handoff_in);
			json_u64(w, "handoff_out", st.handoff_out);
			json_u64(w, "sleeps", st.sleeps);
			json_double(w, "busy_percent", busy);
			json_u64(w, "sas", st.sas);
			json_end(w);
		} else {
			cli_printf(cli, "%-6u %4d %5.1f%% %14llu %14llu %12llu %12llu %10llu %5u\n",
				   st.worker, st.core, busy, (unsigned long long)st.rx_packets,
				   (unsigned long long)st.tx_packets,
				   (unsigned long long)st.handoff_in,
				   (unsigned long long)st.handoff_out,
				   (unsigned long long)st.sleeps, st.sas);
		}
	}
	if (w)
		json_end(w);
}

static void engine(struct cli *cli, struct json *w)
{
	struct dp_engine_info e = {0};
	dp_engine_info(&e);
	if (w) {
		json_obj(w, "engine");
		json_str(w, "crypto_library", e.crypto_library);
		json_str(w, "architecture", e.architecture);
		json_bool(w, "hugepages", e.hugepages);
		json_u64(w, "sas", e.sa_used);
		json_u64(w, "sas_max", e.sa_max);
		json_u64(w, "policies", e.policy_used);
		json_u64(w, "policies_max", e.policy_max);
		json_u64(w, "routes", e.route_used);
		json_u64(w, "routes_max", e.route_max);
		json_u64(w, "routes_refused", e.route_refused);
		json_u64(w, "packet_buffers", e.mbufs);
		json_u64(w, "packet_buffers_used", e.mbufs_used);
		json_u64(w, "held_packets", e.held_packets);
		json_u64(w, "held_packets_max", e.held_max);
		json_end(w);
		return;
	}
	cli_printf(cli, "Crypto library:        %s (%s)\n",
		   e.crypto_library ? e.crypto_library : "none",
		   e.architecture ? e.architecture : "-");
	cli_printf(cli, "Memory:                %s pages\n", e.hugepages ? "huge" : "ordinary");
	cli_printf(cli, "Security associations: %u of %u\n", e.sa_used, e.sa_max);
	cli_printf(cli, "Policies:              %u of %u\n", e.policy_used, e.policy_max);
	cli_printf(cli, "Routes:                %u, room for %u per family\n", e.route_used,
		   e.route_max);
	if (e.route_refused)
		cli_printf(cli, "Routes refused:        %llu (dataplane routes)\n",
			   (unsigned long long)e.route_refused);
	cli_printf(cli, "Packet buffers:        %u of %u\n", e.mbufs_used, e.mbufs);
	cli_printf(cli, "Packets held:          %u of %u\n", e.held_packets, e.held_max);
}

static int show_dataplane(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	bool one = cli_has(args, "stages") || cli_has(args, "drops") || cli_has(args, "workers") ||
		   cli_has(args, "engine");

	if (w) {
		json_obj(w, NULL);
		json_bool(w, "running", dp_running());
		json_str(w, "trouble", g->dp_trouble[0] ? g->dp_trouble : NULL);
	}
	if (!dp_running()) {
		if (w)
			json_end(w);
		else if (g->dp_trouble[0])
			cli_printf(cli, "The data plane does not run: %s\n", g->dp_trouble);
		else
			cli_puts(cli, "The data plane does not run: no interface has a device\n");
		return CLI_DONE;
	}
	if (!one || cli_has(args, "engine"))
		engine(cli, w);
	if (!one || cli_has(args, "workers"))
		workers(cli, w);
	if (!one || cli_has(args, "stages"))
		stages(cli, w);
	if (!one || cli_has(args, "drops"))
		drops(cli, w, cli_has(args, "drops"));
	if (w)
		json_end(w);
	return CLI_DONE;
}

static int clear_counters(struct cli *cli, const struct cli_args *args)
{
	if (dp_running())
		dp_counters_clear();
	return CLI_DONE;
}

static int debug_cycles(struct cli *cli, const struct cli_args *args)
{
	if (!dp_running())
		return cli_error(cli, "%% The data plane does not run");
	dp_stage_cycles(!args->no && !cli_has(args, "off"));
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"dataplane", "Packet workers"},
	{"stages", "Packets and cycles per stage"},
	{"drops", "Dropped packets by reason"},
	{"workers", "Load per worker"},
	{"engine", "Crypto library, tables, memory"},
	{"counters", "All packet counters"},
	{"cycles", "Count cycles per stage (costs a little)"},
	{"on", "Start"},
	{"off", "Stop"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show dataplane [stages|drops|workers|engine]", help, show_dataplane, CLI_JSON,
	 &gateway},
	{CLI_ENABLE, "clear counters", help, clear_counters, 0, &gateway},
	{CLI_ENABLE, "debug dataplane cycles [on|off]", help, debug_cycles, CLI_NO, &gateway},
};

int show_dataplane_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
