// standby ... on an interface: what is about all its groups, IPv6 groups, replay protection, and
// lines of the reference language that have no meaning here and are kept.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd_standby.h"

static int cmd_version(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	bool two = !a->no && cli_has(a, "2");
	struct standby_group *g;

	TAILQ_FOREACH (g, &i->standby, link) {
		if (g->number > 255 && !two)
			return cli_error(cli, "%% group %u needs version 2", g->number);
		if (g->ipv6 && !two)
			return cli_error(cli, "%% the IPv6 group %u needs version 2", g->number);
	}
	i->standby_version = two ? 2 : 1;
	return 0;
}

static int cmd_delay(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	const char *min = cli_after(a, "minimum"), *reload = cli_after(a, "reload");

	i->standby_delay_min_s = !a->no && min != NULL ? cmd_u32(min) : 0;
	i->standby_delay_reload_s = !a->no && reload != NULL ? cmd_u32(reload) : 0;
	return 0;
}

// Without a group number it is about the whole interface.
static int cmd_use_bia(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	unsigned v;

	if (!isdigit((unsigned char)a->word[1][0])) {
		i->standby_use_bia = !a->no;
		return 0;
	}
	struct standby_group *g = standby_group_of(cli, a, &v);
	if (g == NULL)
		return -1;
	g->use_bia = !a->no;
	return 0;
}

static int cmd_replay_protection(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	g->replay_protection = !a->no;
	return 0;
}

// ---- IPv6 ------------------------------------------------------------------------------------
static bool is_link_local(const struct ip_addr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

// "fe80::1", "2001:db8::1", "2001:db8::1/64", "2001:db8::/64".
static int address_parse(struct cli *cli, const char *text, struct ip_prefix *out)
{
	*out = (struct ip_prefix){.len = 128};
	if (addr_parse(text, &out->addr) != 0 && prefix_parse(text, out) != 0)
		return cli_error(cli, "%% %s is no IPv6 address or prefix", text);
	if (out->addr.family != 6 || addr_is_zero(&out->addr) || addr_is_multicast(&out->addr))
		return cli_error(cli, "%% %s cannot be a virtual IPv6 address", text);
	if (is_link_local(&out->addr) && strchr(text, '/') != NULL)
		return cli_error(cli, "%% a link-local address stands without a length");
	struct ip_prefix masked = prefix_mask(out);
	if (out->len != 128 && out->len != 64 && addr_equal(&masked.addr, &out->addr))
		return cli_error(cli, "%% a prefix without an address has 64 bits");
	return 0;
}

static int ipv6_remove(struct cli *cli, struct standby_group *g, const char *text)
{
	struct ip_prefix p;

	if (text == NULL) {
		g->ipv6_auto = false;
		g->ip = addr_none();
		TAILQ_INIT(&g->secondary);
		return 0;
	}
	if (address_parse(cli, text, &p) != 0)
		return -1;
	char buf[PREFIX_STR_MAX];
	if (is_link_local(&p.addr) && addr_equal(&g->ip, &p.addr))
		g->ip = addr_none();
	else if (!cmd_string_remove(&g->secondary, prefix_format(&p, buf, sizeof(buf))))
		return cli_error(cli, "%% the group does not have this address");
	return 0;
}

static int ipv6_add(struct cli *cli, struct standby_group *g, const char *text)
{
	struct ip_prefix p;
	char buf[PREFIX_STR_MAX];

	if (address_parse(cli, text, &p) != 0)
		return -1;
	if (is_link_local(&p.addr)) {
		g->ip = p.addr;
		g->ipv6_auto = false;
		return 0;
	}
	prefix_format(&p, buf, sizeof(buf));
	return cmd_string_has(&g->secondary, buf)
		       ? 0
		       : config_string_add(cli_candidate(cli), &g->secondary, buf);
}

static int cmd_ipv6(struct cli *cli, const struct cli_args *a)
{
	const struct interface_config *i = cli_object(cli);
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);
	int rc = 0;

	if (g == NULL)
		return -1;
	if (i->standby_version != 2)
		return cli_error(cli, "%% IPv6 groups need standby version 2");
	if ((g->ip_set || !TAILQ_EMPTY(&g->secondary)) && !g->ipv6)
		return cli_error(cli, "%% standby group %u is an IPv4 group; use another number",
				 g->number);
	const char *text = a->values > v ? a->value[v] : NULL;
	bool automatic = text == NULL;  // or, with `no`, all of it
	if (a->no && automatic && cli_has(a, "autoconfig"))
		g->ipv6_auto = false;
	else if (a->no)
		rc = ipv6_remove(cli, g, text);
	else if (automatic)
		g->ipv6_auto = true, g->ip = addr_none();
	else
		rc = ipv6_add(cli, g, text);
	g->ipv6 = g->ip_set = g->ipv6_auto || addr_is_set(&g->ip) || !TAILQ_EMPTY(&g->secondary);
	return rc;
}

// ---- kept ------------------------------------------------------------------------------------
// Kept as written; `no X` takes a kept X away.
static int cmd_kept(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	char line[LEX_LINE_MAX + 8] = "";
	size_t at = 0;

	for (unsigned k = 0; k < a->count && at < sizeof(line); k++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", k == 0 ? "" : " ",
				       a->word[k]);
	if (at > LEX_LINE_MAX)
		return cli_error(cli, "%% the line is too long");
	bool had = cmd_string_has(&i->ignored, line);
	if (a->no)
		cmd_string_remove(&i->ignored, line);
	return a->no || had ? 0 : config_string_add(cli_candidate(cli), &i->ignored, line);
}

static cli_fn run_use_bia = cmd_use_bia, run_ipv6 = cmd_ipv6, run_replay = cmd_replay_protection;

#define G      STANDBY_G
#define DELAY  "NUMBER<0-10000>"
#define NUM255 "NUMBER<0-255>"

static const char *const help_ipv6[][2] = {
	{"NAME", "fe80::A, or a global address or prefix: 2001:db8::1, 2001:db8::/64"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_IF, "standby version {1|2}", NULL, cmd_version, CLI_NO, NULL},
	{CLI_IF, "standby delay [minimum " DELAY "] [reload " DELAY "]", NULL, cmd_delay, CLI_NO,
	 NULL},
	{CLI_IF, "standby delay reload " DELAY " minimum " DELAY, NULL, cmd_delay, CLI_HIDDEN,
	 NULL},
	{CLI_IF, G "use-bia [scope interface]", NULL, standby_group_run, CLI_NO, &run_use_bia},
	{CLI_IF, G "ipv6 {autoconfig|NAME}", help_ipv6, standby_group_run, CLI_NO, &run_ipv6},
	{CLI_IF, G "replay-protection", NULL, standby_group_run, CLI_NO, &run_replay},
	{CLI_IF, "standby bfd", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "standby mac-refresh " NUM255, NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "standby redirect [LINE]", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_IF, "standby redirects [LINE]", NULL, cmd_kept, CLI_NO | CLI_HIDDEN, NULL},
	{CLI_IF, "standby arp gratuitous [LINE]", NULL, cmd_kept, CLI_NO, NULL},
};

int cmd_standby_line_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
