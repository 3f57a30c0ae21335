// show interfaces, show ip interface brief.

#include <string.h>

#include "show.h"

struct if_view {
	const struct interface_config *conf;
	const struct if_state *state;  // or NULL
	struct dp_port_info port;
	bool has_port, admin_up, line_up;
};

static void if_view_fill(const struct gateway *g, const struct interface_config *ifc,
			 struct if_view *v)
{
	struct kernel_link l;
	*v = (struct if_view){.conf = ifc, .state = interface_state(g, ifc->name)};
	v->admin_up = !ifc->shutdown;
	if (!v->state)
		return;
	v->has_port = v->state->port && dp_running() && dp_port_info(v->state->port, &v->port) == 0;
	if (v->has_port)
		v->line_up = v->admin_up && v->port.link_up;
	else if (ifc->kind == IF_LOOPBACK)
		v->line_up = v->admin_up;
	else if (v->state->device == IF_DEV_HOST &&
		 kernel_link_by_name(g->kernel, v->state->kernel_if, &l))
		v->line_up = v->admin_up && l.carrier;
}

static const char *hardware(const struct if_view *v)
{
	return v->has_port                      ? v->port.driver
	       : v->conf->kind == IF_LOOPBACK   ? "Loopback"
	       : v->conf->device == IF_DEV_HOST ? "kernel interface"
						: "no device";
}

static void if_json(struct json *w, const struct if_view *v)
{
	char text[PREFIX_STR_MAX];
	const struct interface_config *c = v->conf;

	json_obj(w, NULL);
	json_str(w, "name", c->name);
	json_str(w, "admin_state", v->admin_up ? "up" : "down");
	json_str(w, "line_protocol", v->line_up ? "up" : "down");
	json_str(w, "description", c->description);
	json_str(w, "hardware", hardware(v));
	json_str(w, "device", c->device_arg);
	json_str(w, "host_interface",
		 v->state && v->state->kernel_if[0] ? v->state->kernel_if : NULL);
	json_str(w, "trouble", v->state && v->state->trouble[0] ? v->state->trouble : NULL);
	json_arr(w, "addresses");
	if (c->addr.addr.family)
		json_str(w, NULL, prefix_format(&c->addr, text, sizeof(text)));
	const struct config_string *t;
	TAILQ_FOREACH (t, &c->secondary, link)
		json_str(w, NULL, t->text);
	json_end(w);
	json_u64(w, "mtu", v->has_port ? v->port.mtu : c->mtu ? c->mtu : 1500);
	json_str(w, "crypto_map", c->crypto_map[0] ? c->crypto_map : NULL);
	if (v->has_port) {
		const struct dp_port_info *p = &v->port;
		json_u64(w, "port", p->port);
		json_fmt(w, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
			 p->mac[3], p->mac[4], p->mac[5]);
		json_u64(w, "speed_mbps", p->speed_mbps);
		json_u64(w, "rx_packets", p->rx_packets);
		json_u64(w, "rx_bytes", p->rx_bytes);
		json_u64(w, "tx_packets", p->tx_packets);
		json_u64(w, "tx_bytes", p->tx_bytes);
		json_u64(w, "rx_missed", p->rx_missed);
		json_u64(w, "rx_errors", p->rx_errors);
		json_u64(w, "tx_errors", p->tx_errors);
		json_u64(w, "tx_dropped", p->tx_dropped);
	}
	json_end(w);
}

static void port_text(struct cli *cli, const struct dp_port_info *p)
{
	cli_printf(cli, "     %llu packets input, %llu bytes, %llu no buffer, %llu errors\n",
		   (unsigned long long)p->rx_packets, (unsigned long long)p->rx_bytes,
		   (unsigned long long)p->rx_missed, (unsigned long long)p->rx_errors);
	cli_printf(cli, "     %llu packets output, %llu bytes, %llu dropped, %llu errors\n",
		   (unsigned long long)p->tx_packets, (unsigned long long)p->tx_bytes,
		   (unsigned long long)p->tx_dropped, (unsigned long long)p->tx_errors);
}

static void if_text(struct cli *cli, const struct if_view *v)
{
	char text[PREFIX_STR_MAX];
	const struct interface_config *c = v->conf;
	const uint8_t *m = v->port.mac;

	cli_printf(cli, "%s is %s, line protocol is %s\n", c->name,
		   !v->admin_up ? "administratively down"
		   : v->line_up ? "up"
				: "down",
		   v->line_up ? "up" : "down");
	cli_printf(cli, "  Hardware is %s", hardware(v));
	if (v->has_port)
		cli_printf(cli, ", address is %02x%02x.%02x%02x.%02x%02x", m[0], m[1], m[2], m[3],
			   m[4], m[5]);
	cli_puts(cli, "\n");
	if (v->state && v->state->trouble[0])
		cli_printf(cli, "  Trouble: %s\n", v->state->trouble);
	if (c->description)
		cli_printf(cli, "  Description: %s\n", c->description);
	if (c->addr.addr.family)
		cli_printf(cli, "  Internet address is %s\n",
			   prefix_format(&c->addr, text, sizeof(text)));
	const struct config_string *t;
	TAILQ_FOREACH (t, &c->secondary, link)
		cli_printf(cli, "  Secondary address %s\n", t->text);
	cli_printf(cli, "  MTU %u bytes", v->has_port ? v->port.mtu : c->mtu ? c->mtu : 1500);
	if (v->has_port && v->port.speed_mbps)
		cli_printf(cli, ", speed %u Mbit/s", v->port.speed_mbps);
	cli_puts(cli, "\n");
	if (c->device_arg)
		cli_printf(cli, "  Device %s%s%s\n", c->device_arg,
			   v->has_port ? ", host interface " : "",
			   v->has_port ? v->state->kernel_if : "");
	if (c->crypto_map[0])
		cli_printf(cli, "  Crypto map %s\n", c->crypto_map);
	if (v->has_port)
		port_text(cli, &v->port);
}

static int show_interfaces(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	const struct config *c = cli_running(cli);
	struct json *w = cli_json(cli);
	const char *only = args->values ? args->value[0] : NULL;
	const struct interface_config *ifc;
	struct if_view v;

	if (only && !config_interface(c, only))
		return cli_error(cli, "%% There is no interface %s", only);
	if (w) {
		json_obj(w, NULL);
		json_arr(w, "interfaces");
	}
	TAILQ_FOREACH (ifc, &c->interfaces, link) {
		if (only && strcmp(only, ifc->name) != 0)
			continue;
		if_view_fill(g, ifc, &v);
		if (w)
			if_json(w, &v);
		else
			if_text(cli, &v);
	}
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

static int show_ip_interface_brief(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	const struct interface_config *ifc;
	struct if_view v;
	char a[ADDR_STR_MAX];

	if (w) {
		json_obj(w, NULL);
		json_arr(w, "interfaces");
	} else {
		cli_printf(cli, "%-26s %-15s %-22s %s\n", "Interface", "IP-Address", "Status",
			   "Protocol");
	}
	TAILQ_FOREACH (ifc, &cli_running(cli)->interfaces, link) {
		if_view_fill(g, ifc, &v);
		const char *addr = ifc->addr.addr.family
					   ? addr_format(&ifc->addr.addr, a, sizeof(a))
					   : "unassigned";
		if (w) {
			json_obj(w, NULL);
			json_str(w, "name", ifc->name);
			json_str(w, "address", ifc->addr.addr.family ? addr : NULL);
			json_str(w, "admin_state", v.admin_up ? "up" : "down");
			json_str(w, "line_protocol", v.line_up ? "up" : "down");
			json_end(w);
			continue;
		}
		cli_printf(cli, "%-26s %-15s %-22s %s\n", ifc->name, addr,
			   !v.admin_up ? "administratively down"
			   : v.line_up ? "up"
				       : "down",
			   v.line_up ? "up" : "down");
	}
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"interfaces", "State and counters of interfaces"},
	{"brief", "One line per interface"},
	{"ip", "IP information"},
	{"interface", "IP state of interfaces"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show interfaces [INTERFACE]", help, show_interfaces, CLI_JSON, &gateway},
	{CLI_EXEC, "show ip interface brief", help, show_ip_interface_brief, CLI_JSON, &gateway},
};

int show_interfaces_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
