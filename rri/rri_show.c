// show ip route rri, show crypto route: the reverse routes as they stand.
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "rri_private.h"

#define SLICE_ROUTES 64

struct route_line {
	struct rri_spec spec;
	struct rri_label label;
	unsigned refs;
	bool installed, is_static;
};
struct routes_show {
	struct route_line *list;
	size_t count, at;
};

static void show_release(void *state)
{
	struct routes_show *s = state;
	free(s->list);
	free(s);
}

static int line_order(const void *a, const void *b)
{
	const struct route_line *x = a, *y = b;
	int d = addr_compare(&x->spec.dst.addr, &y->spec.dst.addr);
	if (!d)
		d = (int)x->spec.dst.len - (int)y->spec.dst.len;
	return d ? d : addr_compare(&x->spec.gateway, &y->spec.gateway);
}

static bool entry_static(const struct rri_entry *e)
{
	const struct rri_want *w;
	TAILQ_FOREACH (w, &e->wants, link)
		if (w->by_acl)
			return true;
	return false;
}

static struct routes_show *collect(const struct rri *r)
{
	struct routes_show *s = calloc(1, sizeof(*s));
	struct rri_entry *e;

	if (!s || !(s->list = calloc(r->table.entries + 1, sizeof(*s->list)))) {
		free(s);
		return NULL;
	}
	for (uint32_t at = 0; rri_table_bucket(&r->table, &at, &e);)
		for (; e; e = LIST_NEXT(e, next))
			s->list[s->count++] = (struct route_line){.spec = e->spec,
								  .label = e->label,
								  .refs = e->refs,
								  .installed = e->installed,
								  .is_static = entry_static(e)};
	qsort(s->list, s->count, sizeof(*s->list), line_order);
	return s;
}

static void line_json(struct json *w, const struct route_line *l)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX];
	json_obj(w, NULL);
	json_str(w, "prefix", prefix_format(&l->spec.dst, p, sizeof(p)));
	json_str(w, "next_hop",
		 addr_is_set(&l->spec.gateway) ? addr_format(&l->spec.gateway, a, sizeof(a))
					       : NULL);
	json_str(w, "interface", l->spec.interface);
	json_u64(w, "tag", l->label.tag);
	json_str(w, "advertised_next_hop",
		 addr_is_set(&l->label.via) ? addr_format(&l->label.via, a, sizeof(a)) : NULL);
	json_u64(w, "metric", RRI_KERNEL_METRIC);
	json_u64(w, "references", l->refs);
	json_bool(w, "static", l->is_static);
	json_bool(w, "installed", l->installed);
	json_end(w);
}

static void line_text(struct cli *cli, const struct route_line *l)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX];
	cli_printf(cli, "R%s    %-20s", l->installed ? "*" : " ",
		   prefix_format(&l->spec.dst, p, sizeof(p)));
	if (addr_is_set(&l->spec.gateway))
		cli_printf(cli, " via %s", addr_format(&l->spec.gateway, a, sizeof(a)));
	else
		cli_puts(cli, " is directly connected");
	cli_printf(cli, ", %s", l->spec.interface);
	if (l->label.tag)
		cli_printf(cli, ", tag %u", l->label.tag);
	if (addr_is_set(&l->label.via))
		cli_printf(cli, ", advertised via %s", addr_format(&l->label.via, a, sizeof(a)));
	cli_printf(cli, ", %u %s%s%s\n", l->refs, l->refs == 1 ? "user" : "users",
		   l->is_static ? ", static" : "", l->installed ? "" : ", waits");
}

static int routes_show(struct cli *cli, const char *head,
		       void (*text)(struct cli *, const struct route_line *))
{
	const struct rri *r = *(struct rri **)cli_ctx(cli);
	struct json *w = cli_json(cli);
	void **state = cli_state(cli, show_release);
	struct routes_show *s = *state;

	if (!s) {
		if (!(s = *state = r ? collect(r) : calloc(1, sizeof(*s))))
			return cli_error(cli, "%% Not enough memory");
		if (w) {
			json_obj(w, NULL);
			json_arr(w, "routes");
		} else {
			cli_puts(cli, head);
		}
	}
	for (int i = 0; i < SLICE_ROUTES && s->at < s->count; i++, s->at++) {
		if (w)
			line_json(w, &s->list[s->at]);
		else
			text(cli, &s->list[s->at]);
	}
	if (s->at < s->count)
		return CLI_MORE;
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

static int show_ip_route_rri(struct cli *cli, const struct cli_args *args)
{
	return routes_show(cli, "Codes: R - reverse route, * - in the kernel\n\n", line_text);
}

static void crypto_text(struct cli *cli, const struct route_line *l)
{
	char a[ADDR_STR_MAX], m[ADDR_STR_MAX];
	if (!l->installed)
		return;
	if (l->spec.dst.addr.family == 4)
		cli_printf(cli, "%s/%s", addr_format(&l->spec.dst.addr, a, sizeof(a)),
			   mask_format(l->spec.dst.len, m, sizeof(m)));
	else
		cli_printf(cli, "%s/%u", addr_format(&l->spec.dst.addr, a, sizeof(a)),
			   l->spec.dst.len);
	cli_printf(cli, " [%u/0] via %s", RRI_FRR_DISTANCE,
		   addr_is_set(&l->spec.gateway) ? addr_format(&l->spec.gateway, a, sizeof(a))
						 : l->spec.interface);
	if (l->label.tag)
		cli_printf(cli, " tag %u", l->label.tag);
	cli_puts(cli, "\n");
	cli_printf(cli, "                               on %s RRI%s\n", l->spec.interface,
		   l->is_static ? " S" : "");
}

static int show_crypto_route(struct cli *cli, const struct cli_args *args)
{
	return routes_show(cli,
			   "VPN Routing Table: Shows RRI created routes\n"
			   "Codes: RRI - Reverse-Route, S - Static Map ACLs\n\n"
			   "Routes created in table GLOBAL DEFAULT\n",
			   crypto_text);
}

static const char *const help[][2] = {
	{"show", "Show running system information"},
	{"ip", "IP information"},
	{"route", "Routing table"},
	{"rri", "Reverse routes of crypto maps"},
	{"crypto", "Encryption module"},
	{NULL, NULL},
};

static struct cli_cmd rows[] = {
	{CLI_EXEC, "show ip route rri", help, show_ip_route_rri, CLI_JSON, NULL},
	{CLI_EXEC, "show crypto route", help, show_crypto_route, CLI_JSON, NULL},
};

int rri_show_register(struct rri **r, struct err *err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rows[i].ctx = r;
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
