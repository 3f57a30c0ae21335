// show version, show processes, show crypto engine brief.

#include <string.h>
#include <sys/resource.h>

#include "show.h"

static int show_version(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	struct dp_engine_info e = {0};
	uint64_t up = (loop_clock_us() - g->started_us) / 1000000;
	char t[32];

	if (dp_running())
		dp_engine_info(&e);
	if (w) {
		json_obj(w, NULL);
		json_str(w, "version", TANDEM_VERSION);
		json_str(w, "hostname", cli_running(cli)->hostname);
		json_u64(w, "uptime_seconds", up);
		json_u64(w, "workers", dp_running() ? dp_workers() : 0);
		json_str(w, "crypto_library", e.crypto_library);
		json_str(w, "run_directory", g->rundir);
		json_str(w, "startup_file", g->config_file);
		json_u64(w, "startup_errors", g->config_errors);
		json_end(w);
		return CLI_DONE;
	}
	cli_printf(cli, "Tandem IPsec gateway, version %s\n", TANDEM_VERSION);
	cli_printf(cli, "%s uptime is %s\n", cli_running(cli)->hostname,
		   duration_format(up, t, sizeof(t)));
	cli_printf(cli, "Run directory is %s, start-up file is %s\n", g->rundir,
		   g->config_file ? g->config_file : "(none)");
	if (g->config_errors)
		cli_printf(cli, "The start-up file had %u errors\n", g->config_errors);
	if (dp_running())
		cli_printf(cli, "%u worker(s), %s (%s), %s pages\n", dp_workers(),
			   e.crypto_library ? e.crypto_library : "no crypto library",
			   e.architecture ? e.architecture : "-",
			   e.hugepages ? "huge" : "ordinary");
	else
		cli_puts(cli, "The data plane does not run\n");
	return CLI_DONE;
}

static int show_processes(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	struct loop_stats l;
	struct kernel_stats k;
	struct rusage ru = {0};

	loop_get_stats(g->loop, &l);
	kernel_get_stats(g->kernel, &k);
	(void)getrusage(RUSAGE_SELF, &ru);
	const struct show_counter all[] = {
		{"loop_turns", "Control loop: turns", l.turns},
		{"loop_overruns", "Control loop: callbacks over 5 ms", l.overruns},
		{"loop_overruns_cpu", "Control loop: ... of processor time", l.overruns_cpu},
		{"loop_longest_us", "Control loop: longest callback (us)", l.longest_us},
		{"loop_longest_cpu_us", "Control loop: ... in processor time (us)",
		 l.longest_cpu_us},
		{"kernel_messages", "Kernel mirror: messages", k.messages},
		{"kernel_overruns", "Kernel mirror: overruns", k.overruns},
		{"kernel_dumps", "Kernel mirror: full dumps", k.resyncs},
		{"kernel_malformed", "Kernel mirror: malformed", k.malformed},
		{"kernel_links", "Kernel mirror: links", k.links},
		{"kernel_addresses", "Kernel mirror: addresses", k.addrs},
		{"kernel_routes", "Kernel mirror: routes", k.routes},
		{"kernel_neighbours", "Kernel mirror: neighbours", k.neighbours},
		{"memory_max_kb", "Resident memory, highest (KB)", (uint64_t)ru.ru_maxrss},
		{"context_switches", "Involuntary context switches", (uint64_t)ru.ru_nivcsw},
	};
	if (w)
		json_obj(w, NULL);
	show_counters(cli, w, all, sizeof(all) / sizeof(all[0]));
	if (w)
		json_end(w);
	return CLI_DONE;
}

static int show_engine(struct cli *cli, const struct cli_args *args)
{
	static const struct {
		const char *text;
		enum dp_cipher cipher;
		enum dp_auth auth;
		uint16_t bytes;
	} probes[] = {
		{"DES", DP_CIPHER_DES_CBC, DP_AUTH_SHA1_96, 8},
		{"3 DES", DP_CIPHER_3DES_CBC, DP_AUTH_SHA1_96, 24},
		{"AES CBC 128", DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16},
		{"AES CBC 192", DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 24},
		{"AES CBC 256", DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 32},
		{"AES GCM 128", DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16},
		{"AES GCM 256", DP_CIPHER_AES_GCM, DP_AUTH_NONE, 32},
		{"ChaCha20-Poly1305", DP_CIPHER_CHACHA20_POLY1305, DP_AUTH_NONE, 32},
	};
	struct dp_engine_info e = {0};

	if (!dp_running()) {
		cli_puts(cli, "crypto engine state: not running\n");
		return CLI_DONE;
	}
	dp_engine_info(&e);
	cli_printf(cli, "        crypto engine name:  %s\n", e.crypto_library);
	cli_printf(cli, "        crypto engine type:  software (%s)\n", e.architecture);
	cli_puts(cli, "        crypto engine state: installed\n");
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		cli_printf(
			cli, "%28s:  %s\n", probes[i].text,
			dp_sa_algorithm_supported(probes[i].cipher, probes[i].auth, probes[i].bytes)
				? "Yes"
				: "No");
	cli_printf(cli, "            Maximum SA index:  %u\n", e.sa_max);
	cli_printf(cli, "          Maximum Flow index:  %u\n", e.policy_max);
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"version", "Version and uptime"},
	{"processes", "Load of the control thread"},
	{"engine", "Crypto library and algorithms"},
	{"brief", "Summary"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show version", help, show_version, CLI_JSON, &gateway},
	{CLI_EXEC, "show processes", help, show_processes, CLI_JSON, &gateway},
	{CLI_EXEC, "show crypto engine brief", help, show_engine, 0, &gateway},
};

int show_system_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
