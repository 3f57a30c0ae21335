// show track [N] [brief].

#include <stdlib.h>

#include "show.h"

static const char *state_word(bool up)
{
	return up ? "Up" : "Down";
}

static const char *member_word(enum track_state s)
{
	return s == TRACK_UP ? "Up" : s == TRACK_DOWN ? "Down" : "Undefined";
}

// "Line protocol is Up"
static const char *subject(enum track_kind kind)
{
	switch (kind) {
	case TRACK_LINE_PROTOCOL: return "Line protocol";
	case TRACK_IP_ROUTING: return "IP routing";
	case TRACK_IP_ROUTE: return "Reachability";
	case TRACK_LIST_AND: return "Boolean AND";
	case TRACK_LIST_OR: return "Boolean OR";
	case TRACK_LIST_THRESHOLD_WEIGHT: return "Threshold weight";
	default: return "Threshold percentage";
	}
}

static void object_head(struct cli *cli, const struct track_view *v)
{
	char net[PREFIX_STR_MAX], mask[ADDR_STR_MAX];

	cli_printf(cli, "Track %u\n", v->number);
	switch (v->kind) {
	case TRACK_LINE_PROTOCOL:
	case TRACK_IP_ROUTING:
		cli_printf(cli, "  Interface %s %s\n", v->interface, track_parameter_text(v->kind));
		break;
	case TRACK_IP_ROUTE:
		cli_printf(cli, "  IP route %s %s reachability\n",
			   addr_format(&v->route.addr, net, sizeof(net)),
			   mask_format(v->route.len, mask, sizeof(mask)));
		break;
	case TRACK_LIST_AND: cli_puts(cli, "  List boolean and\n"); break;
	case TRACK_LIST_OR: cli_puts(cli, "  List boolean or\n"); break;
	case TRACK_LIST_THRESHOLD_WEIGHT: cli_puts(cli, "  List threshold weight\n"); break;
	default: cli_puts(cli, "  List threshold percentage\n"); break;
	}
}

static void object_state(struct cli *cli, const struct track_view *v)
{
	const char *unit = v->kind == TRACK_LIST_THRESHOLD_PERCENTAGE ? "%" : "";
	char age[32];

	cli_printf(cli, "  %s is %s", subject(v->kind), state_word(v->up));
	if (v->kind >= TRACK_LIST_THRESHOLD_WEIGHT)
		cli_printf(cli, " (%u%s)", v->value, unit);
	if (v->pending)
		cli_printf(cli, ", delayed %s (%u secs remaining)", state_word(v->pending_up),
			   (v->pending_ms + 999) / 1000);
	cli_printf(cli, "\n    %u change%s, last change %s\n", v->changes,
		   v->changes == 1 ? "" : "s",
		   duration_format(v->since_ms / 1000, age, sizeof(age)));
	if (v->kind >= TRACK_LIST_THRESHOLD_WEIGHT)
		cli_printf(cli, "  Threshold up %u%s down %u%s\n", v->threshold_up, unit,
			   v->threshold_down, unit);
	if (v->delay_up_s || v->delay_down_s)
		cli_printf(cli, "  Delay up %u secs, down %u secs\n", v->delay_up_s,
			   v->delay_down_s);
}

static void object_text(struct gateway *g, struct cli *cli, const struct track_view *v)
{
	struct track_member_view m;
	char who[CONFIG_NAME_MAX + 32];

	object_head(cli, v);
	object_state(cli, v);
	for (unsigned i = 0; track_view_member(g->track, v->number, i, &m); i++) {
		cli_printf(cli, "    object %u %s%s", m.object, m.negate ? "not " : "",
			   member_word(m.state));
		if (v->kind == TRACK_LIST_THRESHOLD_WEIGHT)
			cli_printf(cli, " weight %u", m.weight);
		cli_puts(cli, "\n");
	}
	for (unsigned i = 0; track_view_watcher(g->track, v->number, i, who, sizeof(who)); i++)
		cli_printf(cli, "%s    %s\n", i == 0 ? "  Tracked by:\n" : "", who);
}

static void object_brief(struct cli *cli, const struct track_view *v)
{
	char object[CONFIG_NAME_MAX + PREFIX_STR_MAX], age[32];

	cli_printf(cli, "%-7u %-30s %-15s %-5s %s\n", v->number,
		   track_object_text(v->kind, v->interface, &v->route, object, sizeof(object)),
		   track_parameter_text(v->kind), state_word(v->up),
		   duration_format(v->since_ms / 1000, age, sizeof(age)));
}

static const char *kind_name(enum track_kind kind)
{
	static const char *const names[] = {
		[TRACK_LINE_PROTOCOL] = "line_protocol",
		[TRACK_IP_ROUTING] = "ip_routing",
		[TRACK_IP_ROUTE] = "ip_route",
		[TRACK_LIST_AND] = "list_boolean_and",
		[TRACK_LIST_OR] = "list_boolean_or",
		[TRACK_LIST_THRESHOLD_WEIGHT] = "list_threshold_weight",
		[TRACK_LIST_THRESHOLD_PERCENTAGE] = "list_threshold_percentage",
	};
	return names[kind];
}

static void members_json(struct gateway *g, struct json *w, const struct track_view *v)
{
	struct track_member_view m;

	json_arr(w, "objects");
	for (unsigned i = 0; track_view_member(g->track, v->number, i, &m); i++) {
		json_obj(w, NULL);
		json_u64(w, "number", m.object);
		json_str(w, "state", member_word(m.state));
		json_bool(w, "negated", m.negate);
		if (v->kind == TRACK_LIST_THRESHOLD_WEIGHT)
			json_u64(w, "weight", m.weight);
		json_end(w);
	}
	json_end(w);
}

static void object_json(struct gateway *g, struct json *w, const struct track_view *v)
{
	char text[CONFIG_NAME_MAX + 32];

	json_obj(w, NULL);
	json_u64(w, "number", v->number);
	json_str(w, "type", kind_name(v->kind));
	json_str(w, "state", state_word(v->up));
	if (v->interface[0])
		json_str(w, "interface", v->interface);
	if (v->kind == TRACK_IP_ROUTE)
		json_str(w, "prefix", prefix_format(&v->route, text, sizeof(text)));
	json_u64(w, "changes", v->changes);
	json_u64(w, "last_change_ms", v->since_ms);
	json_u64(w, "delay_up_seconds", v->delay_up_s);
	json_u64(w, "delay_down_seconds", v->delay_down_s);
	if (v->pending) {
		json_str(w, "pending", state_word(v->pending_up));
		json_u64(w, "pending_ms", v->pending_ms);
	}
	if (v->kind >= TRACK_LIST_THRESHOLD_WEIGHT) {
		json_u64(w, "value", v->value);
		json_u64(w, "threshold_up", v->threshold_up);
		json_u64(w, "threshold_down", v->threshold_down);
	}
	if (v->kind >= TRACK_LIST_AND)
		members_json(g, w, v);
	json_arr(w, "tracked_by");
	for (unsigned i = 0; track_view_watcher(g->track, v->number, i, text, sizeof(text)); i++)
		json_str(w, NULL, text);
	json_end(w);
	json_end(w);
}

static int show_track(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	uint64_t now = loop_now_ms(g->loop);
	uint32_t only = args->values ? (uint32_t)strtoul(args->value[0], NULL, 10) : 0;
	struct track_view v;
	bool brief = cli_has(args, "brief");

	if (only && (!track_view(g->track, only, now, &v) || v.number != only))
		return cli_error(cli, "%% track object %u does not exist", only);
	if (w) {
		json_obj(w, NULL);
		json_arr(w, "tracks");
	} else if (brief) {
		cli_printf(cli, "%-7s %-30s %-15s %-5s %s\n", "Track", "Object", "Parameter",
			   "Value", "Last Change");
	}
	for (uint32_t n = only; track_view(g->track, n, now, &v) && (!only || v.number == only);
	     n = v.number + 1) {
		if (w)
			object_json(g, w, &v);
		else if (brief)
			object_brief(cli, &v);
		else
			object_text(g, cli, &v);
	}
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"track", "Tracked objects"},
	{"NUMBER<1-1000>", "One object"},
	{"brief", "One line for each"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show track [NUMBER<1-1000>] [brief]", help, show_track, CLI_JSON, &gateway},
};

int show_track_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
