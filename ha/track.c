// Tracked objects: what the facts make of them, delays, and who is told.
//
// A fact or a delay marks objects as dirty; track_run() looks at dirty objects until nothing
// changes any more: a change marks the lists that hold the object. Lists have no cycles
// (track_validate), so this ends.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "track_table.h"

struct track *track_create(track_log_fn log, track_ask_fn ask, void *ctx)
{
	struct track *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	TAILQ_INIT(&t->hidden);
	TAILQ_INIT(&t->facts);
	TAILQ_INIT(&t->watches);
	t->log = log;
	t->ask = ask;
	t->ctx = ctx;
	return t;
}

void track_destroy(struct track *t)
{
	struct track_watch *w;

	if (t == NULL)
		return;
	while ((w = TAILQ_FIRST(&t->watches)) != NULL)
		track_unwatch(t, w);
	for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++)
		track_object_free(t, t->object[i]);
	free(t);
}

// ---- facts -----------------------------------------------------------------------------------
static struct track_fact *fact_find(const struct track *t, const char *interface,
				    const struct ip_prefix *route)
{
	struct track_fact *f;

	TAILQ_FOREACH (f, &t->facts, link) {
		if (interface[0] != '\0'
			    ? strcmp(f->interface, interface) == 0
			    : f->interface[0] == '\0' && prefix_equal(&f->route, route))
			return f;
	}
	return NULL;
}

struct track_fact *track_fact_get(struct track *t, const char *interface,
				  const struct ip_prefix *route)
{
	struct track_fact *f = fact_find(t, interface, route);

	if (f == NULL) {
		if ((f = calloc(1, sizeof(*f))) == NULL)
			return NULL;
		snprintf(f->interface, sizeof(f->interface), "%s", interface);
		f->route = *route;
		if (t->ask != NULL)
			t->ask(t->ctx, interface[0] != '\0' ? interface : NULL, route, &f->line,
			       &f->ip);
		TAILQ_INSERT_TAIL(&t->facts, f, link);
		t->routes += interface[0] == '\0';
	}
	f->refs++;
	return f;
}

void track_fact_put(struct track *t, struct track_fact *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	TAILQ_REMOVE(&t->facts, f, link);
	t->routes -= f->interface[0] == '\0';
	free(f);
}

void track_object_free(struct track *t, struct track_object *o)
{
	if (o == NULL)
		return;
	track_fact_put(t, o->fact);
	free(o->part);
	free(o);
}

static void fact_mark(struct track *t, const struct track_fact *f)
{
	struct track_object *o;

	for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++)
		if (t->object[i] != NULL && t->object[i]->fact == f)
			t->object[i]->dirty = true;
	TAILQ_FOREACH (o, &t->hidden, link)
		if (o->fact == f)
			o->dirty = true;
}

static void fact_set(struct track *t, struct track_fact *f, bool line, bool ip, uint64_t now)
{
	if (f == NULL || (f->line == line && f->ip == ip))
		return;
	f->line = line;
	f->ip = ip;
	fact_mark(t, f);
	track_run(t, now);
	track_tell(t);
}

void track_interface(struct track *t, const char *name, bool line, bool ip, uint64_t now)
{
	if (name[0] != '\0')
		fact_set(t, fact_find(t, name, NULL), line, ip, now);
}

void track_route(struct track *t, const struct ip_prefix *prefix, bool reachable, uint64_t now)
{
	fact_set(t, fact_find(t, "", prefix), reachable, false, now);
}

const char *track_interface_at(const struct track *t, unsigned i)
{
	const struct track_fact *f;

	TAILQ_FOREACH (f, &t->facts, link)
		if (f->interface[0] != '\0' && i-- == 0)
			return f->interface;
	return NULL;
}

const struct ip_prefix *track_route_at(const struct track *t, unsigned i)
{
	const struct track_fact *f;

	TAILQ_FOREACH (f, &t->facts, link)
		if (f->interface[0] == '\0' && i-- == 0)
			return &f->route;
	return NULL;
}

bool track_route_wanted(const struct track *t, const struct ip_prefix *prefix)
{
	return t->routes > 0 && fact_find(t, "", prefix) != NULL;
}

// ---- states ----------------------------------------------------------------------------------
static enum track_state state_of(const struct track *t, uint32_t number)
{
	const struct track_object *o = number <= TRACK_NUMBER_MAX ? t->object[number] : NULL;

	return o == NULL ? TRACK_UNDEFINED : o->up ? TRACK_UP : TRACK_DOWN;
}

uint32_t track_value(const struct track *t, const struct track_object *o)
{
	uint32_t up = 0, weight = 0;

	for (unsigned i = 0; i < o->parts; i++) {
		if (state_of(t, o->part[i].object) != TRACK_UP)
			continue;
		up++;
		weight += o->part[i].weight;
	}
	if (o->kind == TRACK_LIST_THRESHOLD_WEIGHT)
		return weight;
	return o->parts > 0 ? up * 100 / o->parts : 0;
}

// Between the two thresholds a list stays what it is; without thresholds it is down.
static bool threshold_raw(const struct track *t, const struct track_object *o)
{
	uint32_t value = track_value(t, o);

	if (o->threshold_up == 0)
		return false;
	if (value >= o->threshold_up)
		return true;
	return value > o->threshold_down && o->up && !o->fresh;
}

// An object that does not exist fulfils nothing, negated or not; an empty list is down.
static bool boolean_raw(const struct track *t, const struct track_object *o)
{
	bool all = o->kind == TRACK_LIST_AND;

	for (unsigned i = 0; i < o->parts; i++) {
		enum track_state wanted = o->part[i].negate ? TRACK_DOWN : TRACK_UP;
		bool good = state_of(t, o->part[i].object) == wanted;

		if (good != all)
			return good;
	}
	return all && o->parts > 0;
}

bool track_raw(const struct track *t, const struct track_object *o)
{
	switch (o->kind) {
	case TRACK_LINE_PROTOCOL:
	case TRACK_IP_ROUTE: return o->fact->line;
	case TRACK_IP_ROUTING: return o->fact->line && o->fact->ip;
	case TRACK_LIST_AND:
	case TRACK_LIST_OR: return boolean_raw(t, o);
	default: return threshold_raw(t, o);
	}
}

static void parents_mark(struct track *t, uint32_t number)
{
	for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++) {
		struct track_object *o = t->object[i];

		for (unsigned j = 0; o != NULL && j < o->parts; j++)
			if (o->part[j].object == number)
				o->dirty = true;
	}
}

static void object_change(struct track *t, struct track_object *o, uint64_t now)
{
	char text[CONFIG_NAME_MAX + PREFIX_STR_MAX], object[CONFIG_NAME_MAX + PREFIX_STR_MAX - 16];
	const char *parameter = track_parameter_text(o->kind);

	o->up = !o->up;
	o->due = TRACK_NEVER;
	o->since = now;
	o->changes++;
	if (o->number == 0)
		return;
	parents_mark(t, o->number);
	if (t->log == NULL)
		return;
	track_object_text(o->kind, o->fact != NULL ? o->fact->interface : "",
			  o->fact != NULL ? &o->fact->route : NULL, object, sizeof(object));
	snprintf(text, sizeof(text), "%s%s%s", object, parameter[0] != '\0' ? " " : "", parameter);
	t->log(t->ctx, o->number, text, o->up);
}

static void object_look(struct track *t, struct track_object *o, uint64_t now)
{
	bool raw = track_raw(t, o);
	uint64_t delay = 1000ull * (raw ? o->delay_up_s : o->delay_down_s);

	o->dirty = false;
	if (o->fresh) {
		// comes into being in the state it has: that is no change, and no delay applies
		if (o->up != raw)
			parents_mark(t, o->number);
		o->up = raw;
	} else if (raw == o->up) {
		o->due = TRACK_NEVER;
	} else if (delay == 0 || o->due <= now) {
		object_change(t, o, now);
	} else if (o->due == TRACK_NEVER) {
		o->due = now + delay;
	}
}

void track_run(struct track *t, uint64_t now)
{
	struct track_object *o;
	bool again;

	do {
		again = false;
		TAILQ_FOREACH (o, &t->hidden, link)
			if (o->dirty)
				object_look(t, o, now);
		for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++) {
			if (t->object[i] == NULL || !t->object[i]->dirty)
				continue;
			object_look(t, t->object[i], now);
			again = true;
		}
	} while (again);
}

// ---- time ------------------------------------------------------------------------------------
void track_tick(struct track *t, uint64_t now)
{
	for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++)
		if (t->object[i] != NULL && t->object[i]->due <= now)
			t->object[i]->dirty = true;
	track_run(t, now);
	track_tell(t);
}

uint64_t track_due(const struct track *t)
{
	uint64_t first = TRACK_NEVER;

	for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++)
		if (t->object[i] != NULL && t->object[i]->due < first)
			first = t->object[i]->due;
	return first;
}

// ---- watchers --------------------------------------------------------------------------------
enum track_state track_watch_state(const struct track_watch *w)
{
	if (w->hidden != NULL)
		return w->hidden->up ? TRACK_UP : TRACK_DOWN;
	return state_of(w->table, w->number);
}

void track_tell(struct track *t)
{
	struct track_watch *w;

	TAILQ_FOREACH (w, &t->watches, link) {
		enum track_state state = track_watch_state(w);

		if (state == w->told)
			continue;
		w->told = state;
		w->fn(w->ctx, state);
	}
}

struct track_watch *track_watch(struct track *t, uint32_t number, const char *who, track_fn fn,
				void *ctx)
{
	struct track_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->number = number;
	w->table = t;
	w->fn = fn;
	w->ctx = ctx;
	snprintf(w->who, sizeof(w->who), "%s", who);
	w->told = state_of(t, number);
	TAILQ_INSERT_TAIL(&t->watches, w, link);
	return w;
}

static struct track_object *hidden_get(struct track *t, const char *name, uint64_t now)
{
	struct track_object *o;

	TAILQ_FOREACH (o, &t->hidden, link)
		if (strcmp(o->fact->interface, name) == 0)
			return o;
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return NULL;
	o->kind = TRACK_LINE_PROTOCOL;
	o->due = TRACK_NEVER;
	o->since = now;
	o->fact = track_fact_get(t, name, &(struct ip_prefix){0});
	if (o->fact == NULL) {
		free(o);
		return NULL;
	}
	o->up = track_raw(t, o);
	TAILQ_INSERT_TAIL(&t->hidden, o, link);
	return o;
}

static void hidden_put(struct track *t, struct track_object *o)
{
	if (--o->watchers > 0)
		return;
	TAILQ_REMOVE(&t->hidden, o, link);
	track_object_free(t, o);
}

struct track_watch *track_watch_interface(struct track *t, const char *name, const char *who,
					  track_fn fn, void *ctx, uint64_t now)
{
	struct track_object *o = hidden_get(t, name, now);

	if (o == NULL)
		return NULL;
	struct track_watch *w = track_watch(t, 0, who, fn, ctx);
	o->watchers++;
	if (w == NULL) {
		hidden_put(t, o);
		return NULL;
	}
	w->hidden = o;
	w->told = track_watch_state(w);
	return w;
}

void track_unwatch(struct track *t, struct track_watch *w)
{
	if (w == NULL)
		return;
	TAILQ_REMOVE(&t->watches, w, link);
	if (w->hidden != NULL)
		hidden_put(t, w->hidden);
	free(w);
}
