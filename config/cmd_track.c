// ip route and track objects.
#include <errno.h>
#include <string.h>

#include "cmd.h"

static struct static_route *route_find(const struct config *c, const struct static_route *like)
{
	struct static_route *r;
	TAILQ_FOREACH (r, &c->routes, link) {
		if (prefix_equal(&r->dst, &like->dst) &&
		    addr_equal(&r->next_hop, &like->next_hop) &&
		    strcmp(r->interface, like->interface) == 0)
			return r;
	}
	return NULL;
}

// Next hop and interface words of a route line (either or both).
static int route_target(struct cli *cli, const struct cli_args *a, struct static_route *r)
{
	unsigned at = 4;  // ip route A M ...
	struct ip_addr addr;

	if (at < a->count && addr_parse(a->word[at], &addr) != 0 && (a->keywords >> at & 1) == 0)
		strcpy(r->interface, a->word[at++]);
	if (at < a->count && addr_parse(a->word[at], &addr) == 0) {
		r->next_hop = addr;
		at++;
	}
	if (at < a->count && (a->keywords >> at & 1) == 0 && a->word[at - 1][0] != '\0')
		r->distance = (uint8_t)cmd_u32(a->word[at]);
	if (addr_is_set(&r->next_hop) && addr_is_zero(&r->next_hop))
		return cli_error(cli, "%% 0.0.0.0 cannot be a next hop");
	return 0;
}

static int cmd_route(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct static_route like = {.distance = 1};
	const char *tag = cli_after(a, "tag"), *name = cli_after(a, "name");

	if (a->values < 2)
		return cli_error(cli, "%% a route needs its prefix and mask");
	if (cmd_prefix(cli, a->value[0], a->value[1], &like.dst) != 0 ||
	    route_target(cli, a, &like) != 0)
		return -1;
	struct ip_prefix masked = prefix_mask(&like.dst);
	if (!addr_equal(&masked.addr, &like.dst.addr))
		return cli_error(cli, "%% the mask does not fit the address: host bits are set");
	struct static_route *r = route_find(c, &like);
	if (a->no) {
		bool any = !addr_is_set(&like.next_hop) && like.interface[0] == '\0', found = false;
		struct static_route *next;
		for (r = TAILQ_FIRST(&c->routes); r != NULL; r = next) {
			next = TAILQ_NEXT(r, link);
			if (prefix_equal(&r->dst, &like.dst) &&
			    (any || r == route_find(c, &like))) {
				TAILQ_REMOVE(&c->routes, r, link);
				found = true;
			}
		}
		return found ? 0 : cli_error(cli, "%% there is no such route");
	}
	if (tag != NULL)
		like.tag = cmd_u32(tag);
	if (name != NULL && (like.name = cmd_strdup(cli, name)) == NULL)
		return -1;
	if (r == NULL) {
		r = cmd_alloc(cli, sizeof(*r));
		if (r == NULL)
			return -1;
		TAILQ_INSERT_TAIL(&c->routes, r, link);
	}
	like.link = r->link;
	*r = like;
	return 0;
}

static struct track_config *track_find(const struct config *c, uint32_t number)
{
	struct track_config *t;
	TAILQ_FOREACH (t, &c->tracks, link) {
		if (t->number == number)
			return t;
	}
	return NULL;
}

static int cmd_no_track(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct track_config *t = track_find(c, cmd_u32(a->value[0]));

	if (t == NULL)
		return cli_error(cli, "%% there is no such track object");
	TAILQ_REMOVE(&c->tracks, t, link);
	return 0;
}

static enum track_kind track_kind_of(const struct cli_args *a)
{
	if (cli_has(a, "line-protocol"))
		return TRACK_LINE_PROTOCOL;
	if (cli_has(a, "routing"))
		return TRACK_IP_ROUTING;
	if (cli_has(a, "reachability"))
		return TRACK_IP_ROUTE;
	if (cli_has(a, "boolean"))
		return cli_has(a, "and") ? TRACK_LIST_AND : TRACK_LIST_OR;
	return cli_has(a, "weight") ? TRACK_LIST_THRESHOLD_WEIGHT : TRACK_LIST_THRESHOLD_PERCENTAGE;
}

static int track_target(struct cli *cli, const struct cli_args *a, struct track_config *t)
{
	if (t->kind == TRACK_LINE_PROTOCOL || t->kind == TRACK_IP_ROUTING)
		strcpy(t->interface, a->value[1]);
	if (t->kind != TRACK_IP_ROUTE)
		return 0;
	if (a->values > 2) {
		if (cmd_prefix(cli, a->value[1], a->value[2], &t->route) != 0)
			return -1;
	} else if (prefix_parse(a->value[1], &t->route) != 0) {
		return cli_error(cli, "%% %s is not a prefix (10.0.0.0/8 or 10.0.0.0 255.0.0.0)",
				 a->value[1]);
	}
	t->route = prefix_mask(&t->route);
	return 0;
}

static int cmd_track_object(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	uint32_t number = cmd_u32(a->value[0]);
	struct track_config *t = track_find(c, number), *after;
	struct track_config fresh = {.number = number};

	if (a->count == 2) {
		return t != NULL ? cli_enter(cli, CLI_TRACK, t, NULL)
				 : cli_error(cli,
					     "%% track object %u does not exist: say what it "
					     "tracks",
					     number);
	}
	fresh.kind = track_kind_of(a);
	if (track_target(cli, a, &fresh) != 0)
		return -1;
	if (t != NULL && t->kind == fresh.kind && strcmp(t->interface, fresh.interface) == 0 &&
	    prefix_equal(&t->route, &fresh.route))
		return cli_enter(cli, CLI_TRACK, t, NULL);
	if (t != NULL)
		return cli_error(cli, "%% track object %u tracks something else; remove it first",
				 number);
	t = cmd_alloc(cli, sizeof(*t));
	if (t == NULL)
		return -1;
	*t = fresh;
	TAILQ_INIT(&t->members);
	TAILQ_FOREACH (after, &c->tracks, link) {
		if (after->number > number)
			break;
	}
	if (after != NULL)
		TAILQ_INSERT_BEFORE(after, t, link);
	else
		TAILQ_INSERT_TAIL(&c->tracks, t, link);
	return cli_enter(cli, CLI_TRACK, t, NULL);
}

static int cmd_member(struct cli *cli, const struct cli_args *a)
{
	struct track_config *t = cli_object(cli);
	struct track_member *m;

	if (t->kind < TRACK_LIST_AND)
		return cli_error(cli, "%% only a list has objects");
	if (a->values == 0)
		return cli_error(cli, "%% which object?");
	uint32_t object = cmd_u32(a->value[0]);
	if (object == t->number)
		return cli_error(cli, "%% a list cannot hold itself");
	const char *weight = cli_after(a, "weight");
	if (weight != NULL && t->kind != TRACK_LIST_THRESHOLD_WEIGHT)
		return cli_error(cli, "%% weights are for a weight threshold list");
	if (cli_has(a, "not") && t->kind > TRACK_LIST_OR)
		return cli_error(cli, "%% 'not' is for boolean lists");
	TAILQ_FOREACH (m, &t->members, link) {
		if (m->object == object)
			break;
	}
	if (a->no) {
		if (m == NULL)
			return cli_error(cli, "%% the list does not hold object %u", object);
		TAILQ_REMOVE(&t->members, m, link);
		return 0;
	}
	if (m == NULL) {
		m = cmd_alloc(cli, sizeof(*m));
		if (m == NULL)
			return -1;
		m->object = object;
		TAILQ_INSERT_TAIL(&t->members, m, link);
	}
	m->negate = cli_has(a, "not");
	m->weight = weight != NULL ? cmd_u32(weight) : 10;
	return 0;
}

static int cmd_delay(struct cli *cli, const struct cli_args *a)
{
	struct track_config *t = cli_object(cli);
	const char *up = cli_after(a, "up"), *down = cli_after(a, "down");

	if (a->no) {
		t->delay_up_s = t->delay_down_s = 0;
		return 0;
	}
	if (up == NULL && down == NULL)
		return cli_error(cli, "%% delay up, down, or both");
	t->delay_up_s = up != NULL ? cmd_u32(up) : t->delay_up_s;
	t->delay_down_s = down != NULL ? cmd_u32(down) : t->delay_down_s;
	return 0;
}

static int cmd_threshold(struct cli *cli, const struct cli_args *a)
{
	struct track_config *t = cli_object(cli);
	const char *up = cli_after(a, "up"), *down = cli_after(a, "down");
	enum track_kind kind = cli_has(a, "weight") ? TRACK_LIST_THRESHOLD_WEIGHT
						    : TRACK_LIST_THRESHOLD_PERCENTAGE;

	if (t->kind != kind)
		return cli_error(cli, "%% this threshold is for another kind of track object");
	uint32_t new_up = !a->no && up != NULL ? cmd_u32(up) : 0;
	uint32_t new_down = !a->no && down != NULL ? cmd_u32(down) : 0;
	if (!a->no && new_down > new_up)
		return cli_error(cli, "%% the down threshold cannot be above the up threshold");
	if (!a->no && kind == TRACK_LIST_THRESHOLD_PERCENTAGE && new_up > 100)
		return cli_error(cli, "%% a percentage is at most 100");
	t->threshold_up = new_up;
	t->threshold_down = new_down;
	return 0;
}

#define TARGET "{INTERFACE [A.B.C.D]|A.B.C.D}"

static const struct cli_cmd rows[] = {
	{CLI_CONFIG,
	 "ip route A.B.C.D MASK " TARGET " [NUMBER<1-255>] [name NAME] [tag NUMBER<1-4294967295>]",
	 NULL, cmd_route, CLI_NO, NULL},
	{CLI_CONFIG, "track NUMBER<1-1000>", NULL, cmd_track_object, 0, NULL},
	{CLI_CONFIG, "track NUMBER<1-1000> [LINE]", NULL, cmd_no_track, CLI_NO_ONLY, NULL},
	{CLI_CONFIG, "track NUMBER<1-1000> interface INTERFACE {line-protocol|ip routing}", NULL,
	 cmd_track_object, 0, NULL},
	{CLI_CONFIG, "track NUMBER<1-1000> ip route {A.B.C.D MASK|NAME} reachability", NULL,
	 cmd_track_object, 0, NULL},
	{CLI_CONFIG, "track NUMBER<1-1000> list {boolean {and|or}|threshold {weight|percentage}}",
	 NULL, cmd_track_object, 0, NULL},
	{CLI_TRACK, "object NUMBER<1-1000> [not] [weight NUMBER<1-255>]", NULL, cmd_member, CLI_NO,
	 NULL},
	{CLI_TRACK, "delay [up NUMBER<0-180>] [down NUMBER<0-180>]", NULL, cmd_delay, CLI_NO, NULL},
	{CLI_TRACK, "delay down NUMBER<0-180> up NUMBER<0-180>", NULL, cmd_delay, CLI_HIDDEN, NULL},
	{CLI_TRACK, "threshold {weight|percentage} up NUMBER<1-65535> down NUMBER<0-65535>", NULL,
	 cmd_threshold, 0, NULL},
	{CLI_TRACK, "threshold {weight|percentage} down NUMBER<0-65535> up NUMBER<1-65535>", NULL,
	 cmd_threshold, CLI_HIDDEN, NULL},
	{CLI_TRACK, "threshold {weight|percentage} [LINE]", NULL, cmd_threshold, CLI_NO_ONLY, NULL},
};

int cmd_track_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
