// What displays and log lines say of tracked objects.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "track_table.h"

const char *track_interface_short(const char *name, char *buf, size_t cap)
{
	size_t digits = strcspn(name, "0123456789");

	if (digits < 2 || name[digits] == '\0')
		snprintf(buf, cap, "%s", name);
	else
		snprintf(buf, cap, "%.2s%s", name, name + digits);
	return buf;
}

const char *track_object_text(enum track_kind kind, const char *interface,
			      const struct ip_prefix *route, char *buf, size_t cap)
{
	char name[CONFIG_NAME_MAX], prefix[PREFIX_STR_MAX];

	switch (kind) {
	case TRACK_LINE_PROTOCOL:
	case TRACK_IP_ROUTING:
		snprintf(buf, cap, "interface %s",
			 track_interface_short(interface, name, sizeof(name)));
		break;
	case TRACK_IP_ROUTE:
		snprintf(buf, cap, "ip route %s", prefix_format(route, prefix, sizeof(prefix)));
		break;
	case TRACK_LIST_AND: snprintf(buf, cap, "list boolean and"); break;
	case TRACK_LIST_OR: snprintf(buf, cap, "list boolean or"); break;
	case TRACK_LIST_THRESHOLD_WEIGHT: snprintf(buf, cap, "list threshold weight"); break;
	default: snprintf(buf, cap, "list threshold percentage"); break;
	}
	return buf;
}

const char *track_parameter_text(enum track_kind kind)
{
	switch (kind) {
	case TRACK_LINE_PROTOCOL: return "line-protocol";
	case TRACK_IP_ROUTING: return "ip routing";
	case TRACK_IP_ROUTE: return "reachability";
	default: return "";
	}
}

static const struct track_object *object_get(const struct track *t, uint32_t number)
{
	return number > 0 && number <= TRACK_NUMBER_MAX ? t->object[number] : NULL;
}

bool track_view(const struct track *t, uint32_t from, uint64_t now, struct track_view *out)
{
	const struct track_object *o = NULL;

	for (uint32_t n = from > 0 ? from : 1; n <= TRACK_NUMBER_MAX && o == NULL; n++)
		o = t->object[n];
	if (o == NULL)
		return false;
	*out = (struct track_view){
		.number = o->number,
		.kind = o->kind,
		.interface = o->fact != NULL ? o->fact->interface : "",
		.up = o->up,
		.pending = o->due != TRACK_NEVER,
		.pending_up = !o->up,
		.changes = o->changes,
		.since_ms = now - o->since,
		.delay_up_s = o->delay_up_s,
		.delay_down_s = o->delay_down_s,
		.threshold_up = o->threshold_up,
		.threshold_down = o->threshold_down,
		.members = o->parts,
	};
	if (o->fact != NULL)
		out->route = o->fact->route;
	if (out->pending)
		out->pending_ms = o->due > now ? (uint32_t)(o->due - now) : 0;
	if (o->kind >= TRACK_LIST_THRESHOLD_WEIGHT)
		out->value = track_value(t, o);
	return true;
}

bool track_view_member(const struct track *t, uint32_t number, unsigned i,
		       struct track_member_view *out)
{
	const struct track_object *o = object_get(t, number);

	if (o == NULL || i >= o->parts)
		return false;
	const struct track_object *m = object_get(t, o->part[i].object);
	*out = (struct track_member_view){
		.object = o->part[i].object,
		.state = m == NULL ? TRACK_UNDEFINED
			 : m->up   ? TRACK_UP
				   : TRACK_DOWN,
		.negate = o->part[i].negate,
		.weight =
			o->kind == TRACK_LIST_THRESHOLD_WEIGHT ? o->part[i].weight : 100 / o->parts,
	};
	return true;
}

static bool holds(const struct track_object *o, uint32_t number)
{
	for (unsigned i = 0; o != NULL && i < o->parts; i++)
		if (o->part[i].object == number)
			return true;
	return false;
}

bool track_view_watcher(const struct track *t, uint32_t number, unsigned i, char *buf, size_t cap)
{
	const struct track_watch *w;

	TAILQ_FOREACH (w, &t->watches, link) {
		if (w->number != number || number == 0 || i-- > 0)
			continue;
		snprintf(buf, cap, "%s", w->who);
		return true;
	}
	for (uint32_t n = 1; n <= TRACK_NUMBER_MAX; n++) {
		if (!holds(t->object[n], number) || i-- > 0)
			continue;
		snprintf(buf, cap, "Track-list %u", n);
		return true;
	}
	return false;
}
