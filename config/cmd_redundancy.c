// redundancy inter-device and ipc zone: the replication link between the two gateways.
#include <errno.h>
#include <string.h>

#include "cmd.h"

static int cmd_inter_device(struct cli *cli, const struct cli_args *a)
{
	struct redundancy_config *r = &cli_candidate(cli)->redundancy;

	if (a->no) {
		*r = (struct redundancy_config){0};
		return 0;
	}
	r->inter_device = true;
	return cli_enter(cli, CLI_RED, r, NULL);
}

static int cmd_scheme(struct cli *cli, const struct cli_args *a)
{
	struct redundancy_config *r = &cli_candidate(cli)->redundancy;

	if (a->no) {
		r->scheme[0] = '\0';
		return 0;
	}
	return cmd_name(cli, r->scheme, a->value[0], "standby group");
}

static struct ipc_zone *zone_find(const struct config *c, const char *name)
{
	struct ipc_zone *z;
	TAILQ_FOREACH (z, &c->ipc_zones, link) {
		if (strcmp(z->name, name) == 0)
			return z;
	}
	return NULL;
}

static int cmd_zone(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct ipc_zone *z = a->values > 0 ? zone_find(c, a->value[0]) : NULL;

	if (a->no) {
		if (z == NULL)
			return cli_error(cli, "%% there is no such zone");
		TAILQ_REMOVE(&c->ipc_zones, z, link);
		return 0;
	}
	if (z == NULL) {
		z = cmd_alloc(cli, sizeof(*z));
		if (z == NULL || cmd_name(cli, z->name, a->value[0], "zone") != 0)
			return -1;
		TAILQ_INIT(&z->associations);
		TAILQ_INSERT_TAIL(&c->ipc_zones, z, link);
	}
	return cli_enter(cli, CLI_IPC_ZONE, z, NULL);
}

void association_defaults(struct ipc_association *s)
{
	s->retransmit_min_ms = 300;
	s->retransmit_max_ms = 10000;
	s->path_retransmit = s->assoc_retransmit = 5;
	TAILQ_INIT(&s->local_ips);
	TAILQ_INIT(&s->remote_ips);
}

static int cmd_association(struct cli *cli, const struct cli_args *a)
{
	struct ipc_zone *z = cli_object(cli);
	uint32_t number = a->values > 0 ? cmd_u32(a->value[0]) : 0;
	struct ipc_association *s;

	TAILQ_FOREACH (s, &z->associations, link) {
		if (s->number == number)
			break;
	}
	if (a->no) {
		if (s == NULL)
			return cli_error(cli, "%% there is no such association");
		TAILQ_REMOVE(&z->associations, s, link);
		return 0;
	}
	if (s == NULL) {
		s = cmd_alloc(cli, sizeof(*s));
		if (s == NULL)
			return -1;
		s->number = number;
		association_defaults(s);
		TAILQ_INSERT_TAIL(&z->associations, s, link);
	}
	return cli_enter(cli, CLI_IPC_ASSOC, s, NULL);
}

static int cmd_shutdown(struct cli *cli, const struct cli_args *a)
{
	((struct ipc_association *)cli_object(cli))->no_shutdown = a->no;
	return 0;
}

static int cmd_security(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	if (a->no) {
		s->security = IPC_SECURITY_UNSET;
		s->security_arg = NULL;
		return 0;
	}
	if (cli_has(a, "none")) {
		s->security = IPC_SECURITY_NONE;
		s->security_arg = NULL;
		return 0;
	}
	bool psk = cli_has(a, "psk");
	const char *text = a->value[0];
	if (psk && (strlen(text) < 16 || strlen(text) > 128))
		return cli_error(cli,
				 "%% the key of the replication link has 16 to 128 characters");
	if (!psk && strlen(text) >= CONFIG_NAME_MAX)
		return cli_error(cli, "%% the name of a trustpoint is too long");
	text = cmd_strdup(cli, text);
	if (text == NULL)
		return -1;
	s->security = psk ? IPC_SECURITY_PSK : IPC_SECURITY_CERT;
	s->security_arg = text;
	return 0;
}

static int cmd_transport(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	s->transport = a->no                  ? IPC_TRANSPORT_AUTO
		       : cli_has(a, "kernel") ? IPC_TRANSPORT_KERNEL
		       : cli_has(a, "user")   ? IPC_TRANSPORT_USER
					      : IPC_TRANSPORT_AUTO;
	return 0;
}

static int cmd_protocol(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	if (a->no) {
		s->sctp = false;
		s->local_port = s->remote_port = 0;
		TAILQ_INIT(&s->local_ips);
		TAILQ_INIT(&s->remote_ips);
		return 0;
	}
	s->sctp = true;
	return cli_enter(cli, CLI_IPC_SCTP, s, NULL);
}

static int cmd_local_port(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	s->local_port = a->no ? 0 : (uint16_t)cmd_u32(a->value[0]);
	return a->no ? 0 : cli_enter(cli, CLI_IPC_LOCAL, s, NULL);
}

static int cmd_remote_port(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	s->remote_port = a->no ? 0 : (uint16_t)cmd_u32(a->value[0]);
	return a->no ? 0 : cli_enter(cli, CLI_IPC_REMOTE, s, NULL);
}

static int set_ip(struct cli *cli, const struct cli_args *a, struct config_strings *list)
{
	struct ip_addr addr;
	char text[ADDR_STR_MAX];

	if (a->values == 0)
		return cli_error(cli, "%% which address?");
	if (cmd_addr(cli, a->value[0], &addr) != 0)
		return -1;
	if (addr_is_zero(&addr) || addr_is_multicast(&addr))
		return cli_error(cli, "%% this address cannot be an end of the replication link");
	addr_format(&addr, text, sizeof(text));
	if (a->no)
		return cmd_string_remove(list, text)
			       ? 0
			       : cli_error(cli, "%% there is no such address");
	if (cmd_string_has(list, text))
		return 0;
	return config_string_add(cli_candidate(cli), list, text);
}

static int cmd_local_ip(struct cli *cli, const struct cli_args *a)
{
	return set_ip(cli, a, &((struct ipc_association *)cli_object(cli))->local_ips);
}

static int cmd_remote_ip(struct cli *cli, const struct cli_args *a)
{
	return set_ip(cli, a, &((struct ipc_association *)cli_object(cli))->remote_ips);
}

static int cmd_retransmit(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);
	uint32_t min = a->no ? 300 : cmd_u32(a->value[0]),
		 max = a->no ? 10000 : cmd_u32(a->value[1]);

	if (min > max)
		return cli_error(cli, "%% the least timeout is above the greatest");
	s->retransmit_min_ms = min;
	s->retransmit_max_ms = max;
	s->local_timers_set = true;
	return 0;
}

static int cmd_path_retransmit(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	s->path_retransmit = a->no ? 5 : cmd_u32(a->value[0]);
	s->local_timers_set = true;
	return 0;
}

static int cmd_assoc_retransmit(struct cli *cli, const struct cli_args *a)
{
	struct ipc_association *s = cli_object(cli);

	s->assoc_retransmit = a->no ? 5 : cmd_u32(a->value[0]);
	s->local_timers_set = true;
	return 0;
}

// The end-point lines are known in the local and remote modes, and in the mode above for
// configurations that leave out the port.
#define LOCAL_ROWS(mode, flags)                                                                     \
	{mode, "local-ip ADDR", NULL, cmd_local_ip, CLI_NO | (flags), NULL},                        \
		{mode,    "retransmit-timeout NUMBER<100-60000> NUMBER<100-60000>",                 \
		 NULL,    cmd_retransmit,                                                           \
		 (flags), NULL},                                                                    \
		{mode,           "retransmit-timeout [LINE]", NULL,                                 \
		 cmd_retransmit, CLI_NO_ONLY | (flags),       NULL},                                \
		{mode, "path-retransmit NUMBER<2-20>", NULL, cmd_path_retransmit, (flags), NULL},   \
		{mode, "path-retransmit [LINE]", NULL, cmd_path_retransmit, CLI_NO_ONLY | (flags),  \
		 NULL},                                                                             \
		{mode, "assoc-retransmit NUMBER<2-20>", NULL, cmd_assoc_retransmit, (flags), NULL}, \
	{                                                                                           \
		mode, "assoc-retransmit [LINE]", NULL, cmd_assoc_retransmit,                        \
			CLI_NO_ONLY | (flags), NULL                                                 \
	}

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "redundancy inter-device", NULL, cmd_inter_device, CLI_NO, NULL},
	{CLI_RED, "scheme standby NAME", NULL, cmd_scheme, 0, NULL},
	{CLI_RED, "scheme [LINE]", NULL, cmd_scheme, CLI_NO_ONLY, NULL},
	{CLI_CONFIG, "ipc zone NAME", NULL, cmd_zone, CLI_NO, NULL},
	{CLI_IPC_ZONE, "association NUMBER<1-255>", NULL, cmd_association, CLI_NO, NULL},
	{CLI_IPC_ASSOC, "shutdown", NULL, cmd_shutdown, CLI_NO, NULL},
	{CLI_IPC_ASSOC, "security {psk NAME|certificate NAME|none}", NULL, cmd_security, CLI_SECRET,
	 NULL},
	{CLI_IPC_ASSOC, "security [LINE]", NULL, cmd_security, CLI_NO_ONLY | CLI_SECRET, NULL},
	{CLI_IPC_ASSOC, "transport {kernel|user|auto}", NULL, cmd_transport, 0, NULL},
	{CLI_IPC_ASSOC, "transport [LINE]", NULL, cmd_transport, CLI_NO_ONLY, NULL},
	{CLI_IPC_ASSOC, "protocol sctp", NULL, cmd_protocol, CLI_NO, NULL},
	{CLI_IPC_SCTP, "local-port NUMBER<1-65535>", NULL, cmd_local_port, 0, NULL},
	{CLI_IPC_SCTP, "local-port [LINE]", NULL, cmd_local_port, CLI_NO_ONLY, NULL},
	{CLI_IPC_SCTP, "remote-port NUMBER<1-65535>", NULL, cmd_remote_port, 0, NULL},
	{CLI_IPC_SCTP, "remote-port [LINE]", NULL, cmd_remote_port, CLI_NO_ONLY, NULL},
	LOCAL_ROWS(CLI_IPC_LOCAL, 0),
	LOCAL_ROWS(CLI_IPC_SCTP, CLI_HIDDEN),
	{CLI_IPC_REMOTE, "remote-ip ADDR", NULL, cmd_remote_ip, CLI_NO, NULL},
	{CLI_IPC_SCTP, "remote-ip ADDR", NULL, cmd_remote_ip, CLI_NO | CLI_HIDDEN, NULL},
};

int cmd_redundancy_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
