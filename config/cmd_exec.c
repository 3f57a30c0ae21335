// Built-in exec commands: modes, terminal, history, logging, debugging.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "session.h"

static int cmd_enable(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	if (!cli->privileged)
		return cli_error(cli,
				 "%% access denied: only root and members of the group tandem may "
				 "enable");
	cli->depth = 1;
	cli->stack[0].mode = CLI_ENABLE;
	return 0;
}

static int cmd_disable(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	cli->depth = 1;
	cli->stack[0].mode = CLI_EXEC;
	return 0;
}

static int cmd_configure(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	if (mode_is_config(session_mode(cli)))
		return 0;
	return cli_enter(cli, CLI_CONFIG, NULL, NULL);
}

static int cmd_terminal_length(struct cli *cli, const struct cli_args *a)
{
	cli->terminal_length = (unsigned)strtoul(a->value[0], NULL, 10);
	return 0;
}

// Log lines go to the client as they happen; one that does not keep up misses some.
static void monitor_line(void *ctx, enum log_level level, const char *line)
{
	struct cli *s = ctx;

	(void)level;
	if (s->sink.full == NULL || !s->sink.full(s->sink.ctx))
		s->sink.line(s->sink.ctx, line, strlen(line));
}

void session_monitor(struct cli *s, bool on)
{
	if (on == s->monitor)
		return;
	if (!on) {
		log_sink_del(monitor_line, s);
		s->monitor = false;
		return;
	}
	if (log_sink_add(monitor_line, s) != 0)
		cli_error(s, "%% too many terminals monitor already");
	else
		s->monitor = true;
}

static int cmd_monitor(struct cli *cli, const struct cli_args *a)
{
	session_monitor(cli, !cli_has(a, "no"));
	return cli->status;
}

static int cmd_history(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	for (unsigned i = 0; i < SESSION_HISTORY; i++) {
		const char *line = cli->history[(cli->history_next + i) % SESSION_HISTORY];
		if (line != NULL)
			cli_printf(cli, "  %s\n", line);
	}
	return 0;
}

static void logging_line(void *ctx, enum log_level level, const char *line)
{
	(void)level;
	cli_printf(ctx, "%s\n", line);
}

static int cmd_logging(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	log_history(logging_line, cli);
	return 0;
}

static int cmd_debugging(struct cli *cli, const struct cli_args *a)
{
	bool any = false;

	(void)a;
	for (int i = 0; i < DEBUG_COUNT; i++) {
		if (log_debug_on((enum log_debug)i)) {
			cli_printf(cli, "%s debugging is on\n", log_debug_name((enum log_debug)i));
			any = true;
		}
	}
	if (!any)
		cli_puts(cli, "No debugging is on\n");
	return 0;
}

static bool is_off(const struct cli_args *a)
{
	return cli_has(a, "no") || cli_has(a, "undebug");
}

static int cmd_debug(struct cli *cli, const struct cli_args *a)
{
	const enum log_debug *what = cli_ctx(cli);
	bool on = !is_off(a);

	log_debug_set(*what, on);
	cli_printf(cli, "%s debugging is %s\n", log_debug_name(*what), on ? "on" : "off");
	return 0;
}

static int cmd_debug_all(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	for (int i = 0; i < DEBUG_COUNT; i++)
		log_debug_set((enum log_debug)i, false);
	cli_puts(cli, "All possible debugging has been turned off\n");
	return 0;
}

static int cmd_reload(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	return cli_error(cli,
			 "%% this system is not reloaded from here: restart the tandemd service");
}

static enum log_debug debug_isakmp = DEBUG_ISAKMP, debug_ipsec = DEBUG_IPSEC,
		      debug_ha = DEBUG_CRYPTO_HA, debug_errors = DEBUG_HSRP_ERRORS,
		      debug_events = DEBUG_HSRP_EVENTS, debug_packets = DEBUG_HSRP_PACKETS,
		      debug_redundancy = DEBUG_REDUNDANCY, debug_kernel = DEBUG_KERNEL,
		      debug_cli = DEBUG_CLI, debug_isakmp_ha = DEBUG_ISAKMP_HA,
		      debug_detail = DEBUG_IPSEC_HA_DETAIL, debug_update = DEBUG_IPSEC_HA_UPDATE;

#define DEBUG_ROWS(what, facility)                                              \
	{CLI_ENABLE, "debug " what, NULL, cmd_debug, 0, &(facility)},           \
		{CLI_ENABLE, "undebug " what, NULL, cmd_debug, 0, &(facility)}, \
	{                                                                       \
		CLI_ENABLE, "no debug " what, NULL, cmd_debug, 0, &(facility)   \
	}

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "enable", NULL, cmd_enable, 0, NULL},
	{CLI_EXEC, "disable", NULL, cmd_disable, 0, NULL},
	{CLI_ENABLE, "configure [terminal]", NULL, cmd_configure, 0, NULL},
	{CLI_EXEC, "terminal length NUMBER<0-512>", NULL, cmd_terminal_length, 0, NULL},
	{CLI_ENABLE, "terminal monitor", NULL, cmd_monitor, 0, NULL},
	{CLI_ENABLE, "terminal no monitor", NULL, cmd_monitor, 0, NULL},
	{CLI_EXEC, "show history", NULL, cmd_history, 0, NULL},
	{CLI_ENABLE, "show logging", NULL, cmd_logging, 0, NULL},
	{CLI_ENABLE, "show debugging", NULL, cmd_debugging, 0, NULL},
	DEBUG_ROWS("crypto isakmp", debug_isakmp),
	DEBUG_ROWS("crypto isakmp ha", debug_isakmp_ha),
	DEBUG_ROWS("crypto ipsec", debug_ipsec),
	DEBUG_ROWS("crypto ipsec ha detail", debug_detail),
	DEBUG_ROWS("crypto ipsec ha update", debug_update),
	DEBUG_ROWS("crypto ha", debug_ha),
	DEBUG_ROWS("standby errors", debug_errors),
	DEBUG_ROWS("standby events", debug_events),
	DEBUG_ROWS("standby packets [terse]", debug_packets),
	DEBUG_ROWS("redundancy", debug_redundancy),
	DEBUG_ROWS("kernel", debug_kernel),
	DEBUG_ROWS("cli", debug_cli),
	{CLI_ENABLE, "undebug all", NULL, cmd_debug_all, 0, NULL},
	{CLI_ENABLE, "no debug all", NULL, cmd_debug_all, 0, NULL},
	{CLI_ENABLE, "reload [LINE]", NULL, cmd_reload, 0, NULL},
};

int cmd_exec_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
