// Track objects as the configuration wants them: refused cycles, and the change from one set of
// objects to the next. The new set is complete before the old one goes; what is about the same
// thing keeps its state, its running delay and its history.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "track_table.h"

// ---- cycles ----------------------------------------------------------------------------------
static const struct track_config *config_find(const struct config *c, uint32_t number)
{
	const struct track_config *o;

	TAILQ_FOREACH (o, &c->tracks, link)
		if (o->number == number)
			return o;
	return NULL;
}

// Lists are peeled from the leaves: an object is settled when all it holds are. What is left over
// holds itself.
int track_validate(const struct config *c, struct err *err)
{
	bool settled[TRACK_NUMBER_MAX + 1] = {false};
	const struct track_config *o;
	const struct track_member *m;
	bool again;

	do {
		again = false;
		TAILQ_FOREACH (o, &c->tracks, link) {
			bool all = true;

			if (o->number > TRACK_NUMBER_MAX || settled[o->number])
				continue;
			TAILQ_FOREACH (m, &o->members, link)
				all &= m->object > TRACK_NUMBER_MAX || settled[m->object] ||
				       config_find(c, m->object) == NULL;
			settled[o->number] = all;
			again |= all;
		}
	} while (again);
	TAILQ_FOREACH (o, &c->tracks, link)
		if (o->number <= TRACK_NUMBER_MAX && !settled[o->number])
			return err_set(err, -ELOOP,
				       "Track list %u holds itself by way of the lists in it",
				       o->number);
	return 0;
}

// ---- objects ---------------------------------------------------------------------------------
static struct track_object *object_create(struct track *t, const struct track_config *c,
					  uint64_t now)
{
	struct track_object *o = calloc(1, sizeof(*o));
	const struct track_member *m;
	unsigned n = 0;

	if (o == NULL)
		return NULL;
	o->number = c->number;
	o->kind = c->kind;
	o->delay_up_s = c->delay_up_s;
	o->delay_down_s = c->delay_down_s;
	o->threshold_up = c->threshold_up;
	o->threshold_down = c->threshold_down;
	o->fresh = o->dirty = true;
	o->due = TRACK_NEVER;
	o->since = now;
	if (c->kind < TRACK_LIST_AND) {
		o->fact =
			track_fact_get(t, c->kind == TRACK_IP_ROUTE ? "" : c->interface, &c->route);
		if (o->fact == NULL)
			goto fail;
		return o;
	}
	TAILQ_FOREACH (m, &c->members, link)
		n++;
	if (n > 0 && (o->part = calloc(n, sizeof(*o->part))) == NULL)
		goto fail;
	TAILQ_FOREACH (m, &c->members, link)
		o->part[o->parts++] = (struct track_part){m->object, m->negate, m->weight};
	return o;
fail:
	track_object_free(t, o);
	return NULL;
}

static void object_inherit(struct track_object *o, const struct track_object *old)
{
	if (old == NULL || old->kind != o->kind || old->fact != o->fact)
		return;
	o->fresh = false;
	o->up = old->up;
	o->changes = old->changes;
	o->since = old->since;
	// A delay that runs stays as it is, unless there is none any more.
	if ((o->up ? o->delay_down_s : o->delay_up_s) > 0)
		o->due = old->due;
}

int track_configure(struct track *t, const struct config *c, uint64_t now)
{
	struct track_object **set = calloc(TRACK_NUMBER_MAX + 1, sizeof(struct track_object *));
	const struct track_config *o;
	int rc = set == NULL ? -ENOMEM : 0;

	TAILQ_FOREACH (o, &c->tracks, link) {
		if (rc != 0 || o->number == 0 || o->number > TRACK_NUMBER_MAX)
			continue;
		set[o->number] = object_create(t, o, now);
		rc = set[o->number] == NULL ? -ENOMEM : 0;
	}
	for (unsigned i = 1; set != NULL && i <= TRACK_NUMBER_MAX; i++) {
		struct track_object *gone = rc != 0 ? set[i] : t->object[i];

		if (rc == 0) {
			if (set[i] != NULL)
				object_inherit(set[i], t->object[i]);
			t->object[i] = set[i];
		}
		track_object_free(t, gone);
	}
	free(set);
	if (rc != 0)
		return rc;
	track_run(t, now);
	for (unsigned i = 1; i <= TRACK_NUMBER_MAX; i++)
		if (t->object[i] != NULL)
			t->object[i]->fresh = false;
	track_tell(t);
	return 0;
}
