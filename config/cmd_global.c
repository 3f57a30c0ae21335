// Global one-liners: hostname, ip domain name, dataplane.
#include <ctype.h>
#include <string.h>

#include "cmd.h"

static int cmd_hostname(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);

	if (a->no) {
		c->hostname = "tandem";
		return 0;
	}
	const char *name = a->value[0];
	if (strlen(name) > 63 || !isalnum((unsigned char)name[0]))
		return cli_error(cli, "%% a host name has 1 to 63 characters and starts with a "
				      "letter or digit");
	for (const char *p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return cli_error(cli, "%% a host name holds letters, digits, '-', '_' and "
					      "'.' only");
	}
	const char *copy = cmd_strdup(cli, name);
	if (copy != NULL)
		c->hostname = copy;
	return 0;
}

static int cmd_domain(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);

	if (!a->no && (strlen(a->value[0]) > 253 || lex_needs_quotes(a->value[0])))
		return cli_error(cli, "%% a domain name has at most 253 characters and no blanks");
	c->domain_name = a->no ? NULL : cmd_strdup(cli, a->value[0]);
	return 0;
}

static int cmd_workers(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->dataplane.workers = a->no ? 1 : (uint16_t)cmd_u32(a->value[0]);
	return 0;
}

static int cmd_cores(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);

	if (a->no) {
		c->dataplane.cores = NULL;
		return 0;
	}
	const char *list = a->value[0];
	if (strspn(list, "0123456789,-") != strlen(list) || !isdigit((unsigned char)list[0]))
		return cli_error(cli, "%% a core list looks like 2-5,8");
	const char *copy = cmd_strdup(cli, list);
	if (copy != NULL)
		c->dataplane.cores = copy;
	return 0;
}

static int cmd_idle_sleep(struct cli *cli, const struct cli_args *a)
{
	struct dataplane_config *d = &cli_candidate(cli)->dataplane;

	d->idle_us = 0;
	if (a->no) {
		d->idle_kind = IDLE_SLEEP_DEFAULT;
	} else if (cli_has(a, "never")) {
		d->idle_kind = IDLE_SLEEP_NEVER;
	} else {
		d->idle_kind = IDLE_SLEEP_US;
		d->idle_us = cmd_u32(a->value[0]);
	}
	return 0;
}

static int cmd_routes(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->dataplane.routes = a->no ? 0 : cmd_u32(a->value[0]);
	return 0;
}

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "hostname NAME", NULL, cmd_hostname, CLI_NO, NULL},
	{CLI_CONFIG, "ip domain name NAME", NULL, cmd_domain, CLI_NO, NULL},
	{CLI_CONFIG, "ip domain-name NAME", NULL, cmd_domain, CLI_NO | CLI_HIDDEN, NULL},
	{CLI_CONFIG, "dataplane workers NUMBER<1-64>", NULL, cmd_workers, CLI_NO, NULL},
	{CLI_CONFIG, "dataplane routes NUMBER<1024-1048576>", NULL, cmd_routes, CLI_NO, NULL},
	{CLI_CONFIG, "dataplane cores NAME", NULL, cmd_cores, CLI_NO, NULL},
	{CLI_CONFIG, "dataplane idle-sleep {NUMBER<1-1000000>|never}", NULL, cmd_idle_sleep, CLI_NO,
	 NULL},
};

int cmd_global_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
