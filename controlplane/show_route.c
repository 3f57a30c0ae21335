// show ip route: the kernel's routes as mirrored, sorted as far as that is cheap.

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

#define ROUTES_SORTED_MAX 10000  // more are printed in the order in which they are found

struct route_show {
	struct kernel_route *list;
	size_t count, cap, at;
	uint64_t cursor;
	bool collected, started;
};

static void route_release(void *state)
{
	struct route_show *s = state;
	free(s->list);
	free(s);
}

static int route_order(const void *a, const void *b)
{
	const struct kernel_route *x = a, *y = b;
	int d = addr_compare(&x->dst.addr, &y->dst.addr);
	if (!d)
		d = (int)x->dst.len - (int)y->dst.len;
	return d ? d : (x->metric < y->metric ? -1 : x->metric > y->metric);
}

static const char *route_code(const struct kernel_route *r)
{
	if (r->table == RT_TABLE_LOCAL)
		return "L";
	switch (r->proto) {
	case RTPROT_KERNEL: return "C";
	case KERNEL_PROTO_STATIC: return "S";
	case KERNEL_PROTO_RRI: return "R";
	case RTPROT_OSPF: return "O";
	case RTPROT_BGP: return "B";
	default: return "K";
	}
}

// 1: more to read, 0: complete, -1: no memory.
static int routes_collect(struct gateway *g, struct route_show *s)
{
	struct kernel_route some[128];
	size_t n = kernel_routes_read(g->kernel, &s->cursor, some, 128);
	if (!n)
		return 0;
	if (s->count + n > s->cap) {
		size_t cap = (s->cap + n) * 2;
		struct kernel_route *bigger = realloc(s->list, cap * sizeof(*bigger));
		if (!bigger)
			return -1;
		s->list = bigger;
		s->cap = cap;
	}
	for (size_t i = 0; i < n; i++) {
		// broadcast and other housekeeping entries say nothing to an operator
		bool own = some[i].table == RT_TABLE_LOCAL && some[i].type == RTN_LOCAL;
		if (own || some[i].table == RT_TABLE_MAIN)
			s->list[s->count++] = some[i];
	}
	return 1;
}

static void route_json(struct json *w, const struct kernel_route *r)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX];
	json_obj(w, NULL);
	json_str(w, "prefix", prefix_format(&r->dst, p, sizeof(p)));
	json_str(w, "code", route_code(r));
	json_str(w, "next_hop",
		 addr_is_set(&r->gateway) ? addr_format(&r->gateway, a, sizeof(a)) : NULL);
	json_str(w, "interface", r->interface[0] ? r->interface : NULL);
	json_u64(w, "metric", r->metric);
	json_u64(w, "protocol", r->proto);
	json_bool(w, "selected", r->best);
	json_end(w);
}

static void route_text(struct cli *cli, const struct kernel_route *r)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX];
	cli_printf(cli, "%s%s    %-20s", route_code(r), r->best ? "*" : " ",
		   prefix_format(&r->dst, p, sizeof(p)));
	if (r->type == RTN_BLACKHOLE || r->type == RTN_UNREACHABLE || r->type == RTN_PROHIBIT)
		cli_puts(cli, " is dropped");
	else if (addr_is_set(&r->gateway))
		cli_printf(cli, " [%u] via %s", r->metric, addr_format(&r->gateway, a, sizeof(a)));
	else
		cli_puts(cli, " is directly connected");
	if (r->interface[0])
		cli_printf(cli, ", %s", r->interface);
	cli_puts(cli, "\n");
}

static int show_route(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	void **state = cli_state(cli, route_release);
	struct route_show *s = *state;

	if (!s && !(*state = s = calloc(1, sizeof(*s))))
		return cli_error(cli, "%% Not enough memory");
	if (!s->collected) {
		int rc = routes_collect(g, s);
		if (rc < 0)
			return cli_error(cli, "%% Not enough memory");
		if (rc)
			return CLI_MORE;
		s->collected = true;
		if (s->count && s->count <= ROUTES_SORTED_MAX)
			qsort(s->list, s->count, sizeof(*s->list), route_order);
		if (w) {
			json_obj(w, NULL);
			json_arr(w, "routes");
		} else {
			cli_puts(cli,
				 "Codes: L - local, C - connected, S - static, R - reverse route,\n"
				 "       O - OSPF, B - BGP, K - kernel, * - given to the "
				 "workers\n\n");
		}
	}
	for (int i = 0; i < SHOW_SLICE * 4 && s->at < s->count; i++, s->at++) {
		if (w)
			route_json(w, &s->list[s->at]);
		else
			route_text(cli, &s->list[s->at]);
	}
	if (s->at < s->count)
		return CLI_MORE;
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"ip", "IP information"},
	{"route", "Routing table"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show ip route", help, show_route, CLI_JSON, &gateway},
};

int show_route_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
