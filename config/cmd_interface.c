// interface NAME and what it holds, except HSRP (cmd_standby.c).
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static int cmd_interface(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	char name[CONFIG_NAME_MAX];
	enum if_kind kind;

	if (a->values == 0)
		return cli_error(cli, "%% which interface?");
	struct interface_config *i = config_interface(c, a->value[0]);
	if (a->no) {
		if (i == NULL)
			return cli_error(cli, "%% there is no interface %s", a->value[0]);
		TAILQ_REMOVE(&c->interfaces, i, link);
		return 0;
	}
	if (ifname_parse(NULL, a->value[0], name, &kind) != 0)
		return cli_error(cli, "%% %s is not an interface name", a->value[0]);
	if (i == NULL) {
		i = cmd_alloc(cli, sizeof(*i));
		if (i == NULL)
			return -1;
		strcpy(i->name, name);
		i->kind = kind;
		i->standby_version = 1;
		TAILQ_INIT(&i->secondary);
		TAILQ_INIT(&i->standby);
		TAILQ_INIT(&i->ignored);
		TAILQ_INSERT_TAIL(&c->interfaces, i, link);
	}
	return cli_enter(cli, CLI_IF, i, NULL);
}

static bool pci_address_ok(const char *s)
{
	unsigned domain, bus, dev, fn;
	int used = 0;

	return sscanf(s, "%4x:%2x:%2x.%1o%n", &domain, &bus, &dev, &fn, &used) == 4 &&
	       s[used] == '\0';
}

static int cmd_device(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);

	if (a->no) {
		i->device = IF_DEV_NONE;
		i->device_arg = NULL;
		return 0;
	}
	const char *arg = a->value[0];
	enum if_device device = cli_has(a, "vdev")  ? IF_DEV_VDEV
				: cli_has(a, "pci") ? IF_DEV_PCI
						    : IF_DEV_HOST;
	if (lex_needs_quotes(arg) || strlen(arg) > 200)
		return cli_error(cli, "%% a device is one word of at most 200 characters");
	if (device == IF_DEV_PCI && !pci_address_ok(arg))
		return cli_error(cli, "%% a PCI device looks like 0000:03:00.0");
	if (device == IF_DEV_HOST && strlen(arg) > 15)
		return cli_error(cli, "%% a kernel interface name has at most 15 characters");
	arg = cmd_strdup(cli, arg);
	if (arg == NULL)
		return -1;
	i->device = device;
	i->device_arg = arg;
	return 0;
}

// A usable host address under its mask (network and broadcast addresses are not).
static int address_check(struct cli *cli, const struct ip_prefix *p)
{
	uint32_t host = p->len >= 31 ? 0 : UINT32_MAX >> p->len;
	uint32_t v = addr_to_v4(&p->addr);
	char text[PREFIX_STR_MAX];

	if (p->len < 31 && ((v & host) == 0 || (v & host) == host))
		return cli_error(cli, "%% bad mask: %s is the network or broadcast address itself",
				 prefix_format(p, text, sizeof(text)));
	if (p->len == 0 || v >> 24 == 0 || v >> 24 == 127 || v >> 28 >= 14)
		return cli_error(cli, "%% this address cannot be an interface address");
	return 0;
}

static int cmd_ip_address(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	struct ip_prefix p;
	char text[PREFIX_STR_MAX];

	if (a->no && a->values == 0) {
		i->addr = (struct ip_prefix){0};
		TAILQ_INIT(&i->secondary);
		return 0;
	}
	if (a->values < 2)
		return cli_error(cli, "%% an address needs its mask");
	if (cmd_prefix(cli, a->value[0], a->value[1], &p) != 0 || address_check(cli, &p) != 0)
		return -1;
	prefix_format(&p, text, sizeof(text));
	bool primary = i->addr.addr.family != 0 && addr_equal(&i->addr.addr, &p.addr);
	if (a->no) {
		if (primary && !cli_has(a, "secondary"))
			i->addr = (struct ip_prefix){0};
		else if (!cmd_string_remove(&i->secondary, text))
			return cli_error(cli, "%% the interface does not have this address");
		return 0;
	}
	if (!cli_has(a, "secondary")) {
		cmd_string_remove(&i->secondary, text);
		i->addr = p;
		return 0;
	}
	if (primary)
		return cli_error(cli, "%% this is the primary address already");
	if (cmd_string_has(&i->secondary, text))
		return 0;
	return config_string_add(cli_candidate(cli), &i->secondary, text);
}

static int cmd_mtu(struct cli *cli, const struct cli_args *a)
{
	((struct interface_config *)cli_object(cli))->mtu =
		a->no ? 0 : (uint16_t)cmd_u32(a->value[0]);
	return 0;
}

static int cmd_shutdown(struct cli *cli, const struct cli_args *a)
{
	((struct interface_config *)cli_object(cli))->shutdown = !a->no;
	return 0;
}

static int cmd_description(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	const char *text = a->no ? NULL : cmd_strdup(cli, a->value[0]);

	if (!a->no && text == NULL)
		return -1;
	i->description = text;
	return 0;
}

// The group of `crypto map M redundancy` without a name: the only named one of the interface.
static const char *only_group(struct cli *cli, const struct interface_config *i)
{
	const struct standby_group *g, *found = NULL;

	TAILQ_FOREACH (g, &i->standby, link) {
		if (g->name[0] == '\0')
			continue;
		if (found != NULL) {
			cli_error(cli,
				  "%% the interface has several named standby groups: say which");
			return NULL;
		}
		found = g;
	}
	if (found == NULL)
		cli_error(cli, "%% the interface has no standby group with a name");
	return found == NULL ? NULL : found->name;
}

static int cmd_name_or_none(struct cli *cli, char *dst, const char *name)
{
	return name[0] == '\0' ? 0 : cmd_name(cli, dst, name, "standby group");
}

static int cmd_crypto_map(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	char map[CONFIG_NAME_MAX] = "", group[CONFIG_NAME_MAX] = "";

	if (!a->no) {
		if (cmd_name(cli, map, a->value[0], "crypto map") != 0)
			return -1;
		const char *name = a->values > 1 ? a->value[1] : "";
		if (a->values == 1 && cli_has(a, "redundancy"))
			name = only_group(cli, i);
		if (name == NULL || cmd_name_or_none(cli, group, name) != 0)
			return -1;
	} else if (a->values > 0 && strcmp(i->crypto_map, a->value[0]) != 0) {
		return cli_error(cli, "%% crypto map %s is not on this interface", a->value[0]);
	}
	strcpy(i->crypto_map, map);
	strcpy(i->redundancy, group);
	i->stateful = !a->no && cli_has(a, "stateful");
	i->ssp = 0;
	return 0;
}

// Lines of the reference language without a meaning for our ports: kept as written.
static int cmd_kept(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	char line[LEX_LINE_MAX + 8] = "";
	size_t at = 0;

	if (a->no)
		at = (size_t)snprintf(line, sizeof(line), "no ");
	for (unsigned k = 0; k < a->count && at < sizeof(line); k++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", k == 0 ? "" : " ",
				       a->word[k]);
	if (at > LEX_LINE_MAX - 1)
		return cli_error(cli, "%% the line is too long");
	// `no duplex full` takes a kept `duplex full` away; else it is kept itself.
	if (a->no && cmd_string_remove(&i->ignored, line + 3))
		return 0;
	if (cmd_string_has(&i->ignored, line))
		return 0;
	return config_string_add(cli_candidate(cli), &i->ignored, line);
}

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "interface INTERFACE", NULL, cmd_interface, CLI_NO, NULL},
	{CLI_IF, "device {vdev|pci|host} NAME", NULL, cmd_device, CLI_NO, NULL},
	{CLI_IF, "ip address A.B.C.D MASK [secondary]", NULL, cmd_ip_address, CLI_NO, NULL},
	{CLI_IF, "mtu NUMBER<576-9216>", NULL, cmd_mtu, CLI_NO, NULL},
	{CLI_IF, "ip mtu NUMBER<576-9216>", NULL, cmd_mtu, CLI_NO | CLI_HIDDEN, NULL},
	{CLI_IF, "shutdown", NULL, cmd_shutdown, CLI_NO, NULL},
	{CLI_IF, "description LINE", NULL, cmd_description, CLI_NO, NULL},
	{CLI_IF, "crypto map NAME [redundancy [NAME] [stateful]]", NULL, cmd_crypto_map, CLI_NO,
	 NULL},
	{CLI_IF, "crypto map", NULL, cmd_crypto_map, CLI_NO_ONLY, NULL},
	{CLI_IF, "duplex {auto|full|half}", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "half-duplex", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "full-duplex", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "speed NAME", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "media-type LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "negotiation LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "bandwidth LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "keepalive [LINE]", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "load-interval LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "fair-queue [LINE]", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "cdp enable", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip route-cache [LINE]", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip nat {inside|outside}", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip virtual-reassembly [LINE]", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip proxy-arp", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip redirects", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip unreachables", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip ospf LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip access-group LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ip tcp adjust-mss NUMBER<500-9176>", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "encapsulation LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "ppp LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "multilink-group LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "channel-group LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "switchport [LINE]", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "tunnel LINE", NULL, cmd_kept, CLI_NO, NULL},
};

int cmd_interface_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
