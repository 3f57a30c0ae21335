// Which objects the other box is told of, and when. See replica.h and ike_replica.h.

#include "ike/replica.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "ike/child_sa.h"
#include "ike/ike_engine.h"
#include "ike/ike_sa.h"

#define HELD_MS 1000  // a timer of a group that stopped is looked at again

int replica_state_init(struct ike *ike)
{
	struct replica_state *s = &ike->ha;

	for (unsigned g = 0; g < REPLICA_GROUPS; g++) {
		TAILQ_INIT(&s->awake[g]);
		TAILQ_INIT(&s->asleep[g]);
	}
	TAILQ_INIT(&s->dirty);
	TAILQ_INIT(&s->tainted);
	ike_timer_init(&s->slice, slice_due, ike);
	ike_timer_init(&s->replace, taint_due, ike);
	return ike_table_init(&s->by_id);
}

void replica_state_fini(struct ike *ike)
{
	ike_table_fini(&ike->ha.by_id);
}

bool replica_works(const struct ike *ike, uint16_t group)
{
	return group == 0 || (group < REPLICA_GROUPS && (ike->ha.works & 1u << group));
}

bool ike_group_works(const struct ike *ike, uint16_t group)
{
	return replica_works(ike, group);
}

uint16_t replica_group(const struct ike *ike, const struct ip_addr *local)
{
	uint16_t g = ike->env.group_of ? ike->env.group_of(ike->env.ctx, local) : 0;

	return g < REPLICA_GROUPS ? g : 0;
}

static void count(struct ike *ike, const struct replica *r, int by)
{
	struct ike_replica_counts *c = &ike->ha.counts[r->group];

	if (r->kind == HA_IKE_SA)
		c->ike += (uint32_t)by;
	else
		c->child += (uint32_t)by;
	c->asleep += (uint32_t)(r->asleep ? by : 0);
	c->tainted += (uint32_t)(r->tainted ? by : 0);
}

static void enlist(struct ike *ike, struct replica *r)
{
	r->listed = true;
	ike_table_add(&ike->ha.by_id, &r->node, r->id, r);
	TAILQ_INSERT_TAIL(r->asleep ? &ike->ha.asleep[r->group] : &ike->ha.awake[r->group], r,
			  link);
	if (r->tainted)
		TAILQ_INSERT_TAIL(&ike->ha.tainted, r, taint_link);
	count(ike, r, 1);
}

void replica_new(struct ike *ike, struct replica *r, enum ha_kind kind, void *owner, uint16_t group)
{
	struct ike_life life = {0};

	r->owner = owner;
	r->kind = (uint8_t)kind;
	r->group = group;
	r->id = ike->env.sa_identity(ike->env.ctx);
	if (group == 0)
		return;
	if (ike->env.group_life)
		ike->env.group_life(ike->env.ctx, group, &life);
	memcpy(r->birth, life.join, sizeof(r->birth));
	enlist(ike, r);
}

void replica_take(struct ike *ike, struct replica *r, const struct ha_sa *sa, void *owner)
{
	r->owner = owner;
	r->kind = sa->kind;
	r->group = sa->group;
	r->id = sa->id;
	memcpy(r->birth, sa->birth, sizeof(r->birth));
	r->asleep = r->told = true;
	r->tainted = sa->taint;
	enlist(ike, r);
}

struct replica *replica_find(const struct ike *ike, uint64_t id)
{
	struct ike_node *n = ike_table_first(&ike->ha.by_id, id);

	return n ? n->owner : NULL;
}

void replica_touch(struct ike *ike, struct replica *r)
{
	if (!r->told || r->dirty || r->asleep || !ike->ha.ops.upsert)
		return;
	r->dirty = true;
	TAILQ_INSERT_TAIL(&ike->ha.dirty, r, dirty_link);
}

void replica_begin(struct ike *ike, struct replica *r)
{
	r->told = r->group != 0;
	replica_touch(ike, r);
}

void replica_gone(struct ike *ike, struct replica *r)
{
	if (!r->listed)
		return;
	r->listed = false;
	if (r->dirty)
		TAILQ_REMOVE(&ike->ha.dirty, r, dirty_link);
	if (r->tainted && r->looked)
		taint_check(ike, r);
	if (r->tainted)
		TAILQ_REMOVE(&ike->ha.tainted, r, taint_link);
	TAILQ_REMOVE(r->asleep ? &ike->ha.asleep[r->group] : &ike->ha.awake[r->group], r, link);
	ike_table_del(&r->node);
	count(ike, r, -1);
	r->dirty = false;
	if (r->told && !r->asleep && ike->ha.ops.remove)
		ike->ha.ops.remove(ike->ha.ops.ctx, r->group, r->id);
	r->told = false;
}

void replica_flush(struct ike *ike)
{
	struct replica *r;

	while ((r = TAILQ_FIRST(&ike->ha.dirty))) {
		TAILQ_REMOVE(&ike->ha.dirty, r, dirty_link);
		r->dirty = false;
		ike->ha.ops.upsert(ike->ha.ops.ctx, r->group, r->id);
	}
}

bool replica_held(struct ike *ike, const struct replica *r, struct ike_timer *t)
{
	if (replica_works(ike, r->group))
		return false;
	ike_timer_set(&ike->timers, t, ike->now_ms + HELD_MS);
	return true;
}

void replica_asleep(struct ike *ike, struct replica *r, bool asleep)
{
	if (!r->listed || r->asleep == asleep)
		return;
	count(ike, r, -1);
	TAILQ_REMOVE(asleep ? &ike->ha.awake[r->group] : &ike->ha.asleep[r->group], r, link);
	if (r->dirty)
		TAILQ_REMOVE(&ike->ha.dirty, r, dirty_link);
	r->dirty = false;
	r->asleep = asleep;
	TAILQ_INSERT_TAIL(asleep ? &ike->ha.asleep[r->group] : &ike->ha.awake[r->group], r, link);
	count(ike, r, 1);
}

void replica_leave_all(struct ike *ike)
{
	struct replica *r;

	replica_flush(ike);
	for (unsigned g = 1; g < REPLICA_GROUPS; g++)
		while ((r = TAILQ_FIRST(&ike->ha.awake[g])))
			replica_asleep(ike, r, true);
}

// ---- api ---------------------------------------------------------------------------------------
void ike_replicate(struct ike *ike, const struct ike_replica_ops *ops)
{
	struct replica *r;

	while ((r = TAILQ_FIRST(&ike->ha.dirty))) {
		TAILQ_REMOVE(&ike->ha.dirty, r, dirty_link);
		r->dirty = false;
	}
	ike->ha.ops = ops ? *ops : (struct ike_replica_ops){0};
}

int ike_replica_encode(struct ike *ike, uint64_t id, struct ha_sa *out, uint8_t *mem, size_t cap)
{
	struct replica *r = replica_find(ike, id);
	struct wbuf w;
	int rc;

	if (!r || !r->told)
		return -ENOENT;
	*out = (struct ha_sa){
		.id = id, .group = r->group, .kind = r->kind, .taint = r->tainted, .payload = mem};
	memcpy(out->birth, r->birth, sizeof(out->birth));
	wbuf_init(&w, mem, cap < HA_PAYLOAD_MAX ? cap : HA_PAYLOAD_MAX);
	ike_enter(ike);
	if (r->kind == HA_IKE_SA) {
		rc = ike_sa_encode(r->owner, &w);
	} else {
		const struct child_sa *c = r->owner;
		const struct ike_sa *sa = ike_sa_by_id(ike, c->ike_id);
		struct dp_sa_stats s;

		out->parent = sa ? sa->ha.id : c->ha_parent;
		out->spi_in = c->spi_in;
		out->spi_out = c->spi_out;
		out->ceiling = c->ceiling;
		out->granted = c->granted;
		if (c->sa_in && ike->env.sa_stats(ike->env.ctx, c->sa_in, &s) == 0)
			out->edge = s.seq;
		rc = child_sa_encode(r->owner, &w);
	}
	ike_leave(ike);
	out->len = (uint32_t)w.len;
	return rc < 0 ? rc : wbuf_check(&w);
}

int ike_replica_install(struct ike *ike, const struct ha_sa *sa, struct err *err)
{
	int rc;

	if (sa->group == 0 || sa->group >= REPLICA_GROUPS || sa->id == 0)
		return err_set(err, -EINVAL, "no SA of a redundancy group");
	ike_enter(ike);
	switch (sa->kind) {
	case HA_IKE_SA: rc = ike_sa_install(ike, sa, err); break;
	case HA_CHILD_SA: rc = child_sa_take(ike, sa, err); break;
	default: rc = err_set(err, -EPROTONOSUPPORT, "SA of unknown kind %u", sa->kind);
	}
	ike_leave(ike);
	return rc;
}

void ike_replica_remove(struct ike *ike, uint64_t id)
{
	struct replica *r = replica_find(ike, id);

	if (!r)
		return;
	ike_enter(ike);
	replica_asleep(ike, r, true);  // no word to anybody
	if (r->kind == HA_IKE_SA)
		ike_sa_kill(r->owner, "deleted by the other box", false);
	else
		child_sa_delete(r->owner, "deleted by the other box", false);
	ike_leave(ike);
}

static struct child_sa *child_of(const struct ike *ike, uint64_t id)
{
	struct replica *r = replica_find(ike, id);

	return r && r->kind == HA_CHILD_SA ? r->owner : NULL;
}

int ike_replica_limit(struct ike *ike, uint64_t id, uint64_t lim, uint64_t margin)
{
	struct child_sa *c = child_of(ike, id);
	const struct ike_env *env = &ike->env;

	if (!c)
		return -ENOENT;
	if (lim > CHILD_SEQ_LIM)
		lim = CHILD_SEQ_LIM;
	if (lim > c->ceiling)
		c->ceiling = lim;
	c->granted = lim;
	if (!c->sa_out)
		return 0;  // it is installed with it
	if (margin && env->sa_set_margin)
		env->sa_set_margin(env->ctx, c->sa_out,
				   lim == CHILD_SEQ_LIM ? CHILD_SEQ_MARGIN : margin);
	return env->sa_set_lim(env->ctx, c->sa_out, lim);
}

int ike_replica_sequence(struct ike *ike, uint64_t id, uint64_t next, uint64_t edge)
{
	struct child_sa *c = child_of(ike, id);
	const struct ike_env *env = &ike->env;
	int rc = 0;

	if (!c)
		return -ENOENT;
	if (next && c->sa_out && env->sa_set_next)
		rc = env->sa_set_next(env->ctx, c->sa_out, next);
	// The first number of a take-over is behind the ceiling (rule 10), so the ceiling is known:
	// a planned switchover, which goes on below it, may send up to there at once.
	if (next > c->ceiling + 1 && !replica_works(ike, c->ha.group))
		(void)ike_replica_limit(ike, id, next - 1, 0);
	if (rc == 0 && edge && c->sa_in && env->sa_set_edge)
		rc = env->sa_set_edge(env->ctx, c->sa_in, edge);
	return rc;
}

bool ike_replica_handles(const struct ike *ike, uint64_t id, uint32_t *sa_in, uint32_t *sa_out)
{
	const struct child_sa *c = child_of(ike, id);

	if (!c)
		return false;
	*sa_in = c->sa_in;
	*sa_out = c->sa_out;
	return true;
}

bool ike_replica_peer(const struct ike *ike, uint64_t id, struct ip_addr *peer)
{
	const struct replica *r = replica_find(ike, id);

	if (!r)
		return false;
	*peer = r->kind == HA_IKE_SA ? ((const struct ike_sa *)r->owner)->remote
				     : ((const struct child_sa *)r->owner)->remote;
	return true;
}

bool ike_replica_of(const struct ike *ike, uint32_t sa, uint64_t *id, uint16_t *group)
{
	const struct child_sa *c = child_sa_by_handle(ike, sa);

	if (!c || !c->ha.listed)
		return false;
	*id = c->ha.id;
	*group = c->ha.group;
	return true;
}

static struct replica *sa_after(const struct ike *ike, uint32_t after)
{
	struct ike_sa *sa = after ? ike_sa_by_id(ike, after) : NULL;

	if (sa)
		sa = TAILQ_NEXT(sa, link);
	else
		TAILQ_FOREACH (sa, &ike->sas, link)
			if (sa->id > after)
				break;
	return sa ? &sa->ha : NULL;
}

static struct replica *child_after(const struct ike *ike, uint32_t after)
{
	struct child_sa *c = after ? child_sa_by_id(ike, after) : NULL;

	if (c)
		c = TAILQ_NEXT(c, link);
	else
		TAILQ_FOREACH (c, &ike->children, link)
			if (c->id > after)
				break;
	return c ? &c->ha : NULL;
}

#define CURSOR_CHILD (1ull << 32)  // behind the IKE SAs; below: the engine's id, which only grows

bool ike_replica_next(const struct ike *ike, uint16_t group, uint64_t *cursor, uint64_t *id)
{
	const struct replica *r;

	for (;;) {
		if (*cursor & CURSOR_CHILD)
			r = child_after(ike, (uint32_t)*cursor);
		else
			r = sa_after(ike, (uint32_t)*cursor);
		if (!r && (*cursor & CURSOR_CHILD))
			return false;
		if (!r) {
			*cursor = CURSOR_CHILD;
			continue;
		}
		*cursor = r->kind == HA_IKE_SA
				  ? ((const struct ike_sa *)r->owner)->id
				  : CURSOR_CHILD | ((const struct child_sa *)r->owner)->id;
		if (r->group != group || !r->told)
			continue;
		*id = r->id;
		return true;
	}
}

void ike_replica_count(const struct ike *ike, uint16_t group, struct ike_replica_counts *out)
{
	*out = group < REPLICA_GROUPS ? ike->ha.counts[group] : (struct ike_replica_counts){0};
}
