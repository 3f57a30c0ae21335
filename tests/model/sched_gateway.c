// A small gateway process: the agent's surroundings, a data plane that counts, an IKE peer that
// makes and deletes SAs.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched.h"

// ---- what the agent asks for -------------------------------------------------------------------
static struct fake_sa *sa_get(struct box *b, uint64_t id)
{
	unsigned i = (unsigned)((id - 1) % SAS);

	return id >= 1 && sa_id(i) == id ? &b->sa[i] : NULL;  // not of one that was there before
}

static int op_tell(void *ctx, const struct ha_word *w)
{
	struct box *b = ctx;

	if (!b->attached)
		return -ENOTCONN;
	if (b->to_standby.count >= world.ring) {
		b->full_standby = true;
		return -EAGAIN;
	}
	bool sa = w->type == HA_UPSERT;
	queue_put(&b->to_standby, world.now + rnd(300), w, sa ? w->sa.payload : w->payload,
		  sa ? w->sa.len : w->len);
	return 0;
}

static int op_encode(void *ctx, uint64_t id, struct ha_sa *sa)
{
	const struct fake_sa *f = sa_get(ctx, id);

	if (!f || !f->there)
		return -ENOENT;
	*sa = (struct ha_sa){.id = id,
			     .group = 1,
			     .kind = HA_CHILD_SA,
			     .taint = f->taint,
			     .spi_in = (uint32_t)id,
			     .birth = {f->birth[0], f->birth[1]},
			     .ceiling = f->ceiling,
			     .edge = f->edge,
			     .len = 4,
			     .payload = (const uint8_t *)"keys"};
	return 0;
}

static bool op_each(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id)
{
	struct box *b = ctx;

	for (; *cursor < SAS; (*cursor)++) {
		if (b->sa[*cursor].there) {
			*id = sa_id((unsigned)(*cursor)++);
			return true;
		}
	}
	return false;
}

static int op_install(void *ctx, const struct ha_sa *sa)
{
	const unsigned box = ((const struct box *)ctx)->n;
	struct fake_sa *f = sa_get(ctx, sa->id);

	if (!f && !sa->taint)
		fail("I15: box %u: SA %ju, which nobody had, comes back", box, (uintmax_t)sa->id);
	if (!f)
		return -EINVAL;
	uint64_t life = f->there ? f->life : 0, ctr = f->there ? f->ctr : 0;
	*f = (struct fake_sa){.there = true,
			      .taint = sa->taint,
			      .next = sa->ceiling + 1,
			      .lim = sa->ceiling,
			      .ceiling = sa->ceiling,
			      .edge = sa->edge,
			      .life = life,
			      .ctr = ctr,
			      .birth = {sa->birth[0], sa->birth[1]}};
	return 0;
}

static void op_remove(void *ctx, uint64_t id)
{
	struct fake_sa *f = sa_get(ctx, id);

	if (f)
		*f = (struct fake_sa){0};
}

static void op_feed_done(void *ctx, unsigned group)
{
}

static void op_limit(void *ctx, uint64_t id, uint64_t lim)
{
	struct box *b = ctx;
	struct fake_sa *f = sa_get(b, id);
	struct ha_sa sa;

	if (!f || !f->there || lim <= f->lim)
		return;
	f->lim = lim;
	if (lim > f->ceiling)
		f->ceiling = lim;
	if (b->mirror && mirror_get(b->mirror, id, &sa) && lim > sa.ceiling)
		fail("I4: box %u: limit of SA %ju is above its ceiling", b->n, (uintmax_t)id);
}

static void op_sequence(void *ctx, uint64_t id, uint64_t next, uint64_t edge)
{
	struct box *b = ctx;
	struct fake_sa *f = sa_get(b, id);

	if (!f || !f->there)
		return;
	if (next) {  // 0: only the edge is told
		f->next = next;
		f->start = b->working ? 0 : next;
		check_known(b, (unsigned)((id - 1) % SAS), next);
		trace("box %u: SA %ju goes on from %ju", b->n, (uintmax_t)id, (uintmax_t)next);
		if (next > f->ceiling + 1)
			f->ceiling = next - 1;
		f->lim = f->ceiling;
	}
	if (edge > f->edge)
		f->edge = edge;
}

static void op_taint(void *ctx, uint64_t id, bool on)
{
	struct fake_sa *f = sa_get(ctx, id);

	if (f && f->there)
		f->taint = on;
}

// What the workers do one by one, when a packet asks for it.
static void op_raised(void *ctx, unsigned group, uint64_t step)
{
	struct box *b = ctx;
	struct ha_sa sa;

	for (unsigned i = 0; i < SAS && step; i++) {
		struct fake_sa *f = &b->sa[i];
		if (!f->there || !f->start || f->start - 1 + step <= f->lim)
			continue;
		f->lim = f->start - 1 + step;
		uint64_t raising = b->mirror ? mirror_word_get(b->mirror, 1, MIRROR_RAISING) : 0;
		if (b->mirror && mirror_get(b->mirror, sa_id(i), &sa) &&
		    f->lim > sa.ceiling + raising)
			fail("I4: box %u: SA %u may send more than all were given", b->n, i + 1);
	}
}

static void op_activate(void *ctx, unsigned group, bool planned)
{
	struct box *b = ctx;

	trace("box %u: works", b->n);
	if (b->mirror)
		b->life = mirror_life(b->mirror, 1);
	b->working = true;
	b->stopping = false;
	b->active = true;
	b->claiming = false;
	b->hello_at = 0;
	check_begin(b);
}

static void op_deactivate(void *ctx, unsigned group)
{
	struct box *b = ctx;

	trace("box %u: stops", b->n);
	edges_stopped(b);
	b->working = false;
	b->stopping = true;
	b->drained_at = world.now + rnd(5000);
	memset(b->made, 0, sizeof(b->made));
	memset(b->unmade, 0, sizeof(b->unmade));
}

static void op_release(void *ctx, unsigned group, uint64_t seq)
{
	struct box *b = ctx;

	for (unsigned i = 0; i < SAS; i++) {
		struct peer_sa *p = &world.peer[i];
		if (b->made[i] && agent_open(b->agent, b->made[i])) {
			b->made[i] = 0;
			p->established = true;
			p->excused |= diverged(b);
		}
		if (b->unmade[i] && agent_open(b->agent, b->unmade[i])) {
			b->unmade[i] = 0;
			p->established = false;
			p->gone = true;
			p->excused |= diverged(b);
		}
	}
}

static void op_claimed(void *ctx, unsigned group, bool granted, enum ha_refusal why)
{
	struct box *b = ctx;

	b->claiming = false;
	if (!granted && !b->active)
		b->heard = world.now;
}

static void op_resign(void *ctx, unsigned group)
{
	struct box *b = ctx;

	b->active = false;
	b->heard = world.now;
}

static enum ha_role_kind op_mirror_role(void *ctx, unsigned group)
{
	return check_mirror_role(ctx);
}

static uint64_t op_mirror_tenure(void *ctx, unsigned group)
{
	return check_mirror_word(ctx, MIRROR_TENURE);
}

static uint64_t op_mirror_life(void *ctx, unsigned group)
{
	const struct box *b = ctx;

	return b->mirror ? mirror_life(b->mirror, group) : 0;
}

static const struct agent_ops agent_ops = {
	.tell = op_tell,
	.encode = op_encode,
	.each = op_each,
	.install = op_install,
	.remove = op_remove,
	.feed_done = op_feed_done,
	.limit = op_limit,
	.sequence = op_sequence,
	.taint = op_taint,
	.raised = op_raised,
	.activate = op_activate,
	.deactivate = op_deactivate,
	.release = op_release,
	.claimed = op_claimed,
	.resign = op_resign,
	.mirror_role = op_mirror_role,
	.mirror_tenure = op_mirror_tenure,
	.mirror_life = op_mirror_life,
};

// ---- life --------------------------------------------------------------------------------------
void gateway_start(struct box *b)
{
	struct agent_ops ops = agent_ops;

	trace("box %u: gateway process starts", b->n);
	ops.ctx = b;
	b->agent = agent_create(1, &ops, world.now);
	if (!b->agent)
		abort();
	b->gateway_up = true;
	b->active = b->claiming = b->working = b->stopping = b->was_started = false;
	b->heard = world.now;
	b->hello_at = 0;
	memset(b->sa, 0, sizeof(b->sa));
	memset(b->made, 0, sizeof(b->made));
	memset(b->unmade, 0, sizeof(b->unmade));
	memset(&b->told, 0xff, sizeof(b->told));
}

// What it has put into its ring is taken, as far as the pair can take it.
static void words_drain(struct box *b)
{
	while (b->to_standby.first) {
		struct queued *m = b->to_standby.first;
		m->w.payload = m->w.sa.payload = m->bytes;
		if (pair_word_more(b->pair, &m->w, world.now) == -EAGAIN)
			break;
		free(queue_due(&b->to_standby, UINT64_MAX));
	}
	pair_flush(b->pair);
}

// A connection between the two processes: old words first, then a new ring towards us.
void gateway_restart_link(struct box *b)
{
	words_drain(b);
	queue_clear(&b->to_gateway);
	if (!b->was_started)
		(void)mirror_restart_add(b->mirror);
	b->was_started = true;
	b->attached = true;
	b->full_gateway = b->full_standby = false;
	memset(&b->told, 0xff, sizeof(b->told));
	agent_attach(b->agent, true, world.now);
}

void gateway_detach(struct box *b)
{
	if (!b->attached)
		return;
	b->attached = false;
	if (b->agent)
		agent_attach(b->agent, false, world.now);
}

// The standby process notices: what the ring holds first.
void gateway_lost(struct box *b)
{
	b->lost_owed = false;
	words_drain(b);
	pair_gateway_lost(b->pair, world.now);
}

void gateway_end(struct box *b)
{
	trace("box %u: gateway process dies", b->n);
	edges_died(b);
	bool was = b->attached;
	b->attached = false;
	queue_clear(&b->to_gateway);
	agent_destroy(b->agent);
	b->agent = NULL;
	b->gateway_up = b->working = b->active = b->stopping = false;
	if (!b->standby_up || !was)
		return;
	b->lost_owed = true;
	if (world.now >= b->standby_pause)
		gateway_lost(b);
}

// ---- IKE and data plane ------------------------------------------------------------------------
static void sa_make(struct box *b)
{
	if (!b->mirror)
		return;
	unsigned i = world.sas < SAS ? world.sas : check_place();
	if (i == SAS)
		return;
	world.sas += world.sas < SAS;
	b->sa[i] =
		(struct fake_sa){.there = true,
				 .next = 1,
				 .ceiling = FIRST_LIM,
				 .birth = {(uint32_t)mirror_word_get(b->mirror, 1, MIRROR_JOIN0),
					   (uint32_t)mirror_word_get(b->mirror, 1, MIRROR_JOIN1)}};
	b->forgot[i] = false;
	world.stats[STAT_SAS]++;
	world.peer[i].lineage = mirror_word_get(b->mirror, 1, MIRROR_LINEAGE);
	b->made[i] = agent_upsert(b->agent, sa_id(i));
	trace("box %u: SA %u made, waits for %ju", b->n, i + 1, (uintmax_t)b->made[i]);
}

static void sa_unmake(struct box *b, unsigned i)
{
	b->sa[i] = (struct fake_sa){0};
	edges_deleted(b, i);
	world.peer[i].asked = true;
	world.peer[i].excused |= diverged(b);
	b->made[i] = 0;
	b->unmade[i] = agent_delete(b->agent, sa_id(i));
	trace("box %u: SA %u deleted, waits for %ju", b->n, i + 1, (uintmax_t)b->unmade[i]);
}

static void sa_traffic(struct box *b, unsigned i)
{
	struct fake_sa *f = &b->sa[i];
	struct peer_sa *p = &world.peer[i];

	if (f->taint) {
		if (one_in(20))
			sa_unmake(b, i);
		return;
	}
	uint64_t burst = 1 + rnd(one_in(10) ? 40000 : 50);
	if (f->next + burst > f->lim)
		burst = f->next <= f->lim ? f->lim - f->next + 1 : 0;
	if (f->next + 30000 > f->lim)
		agent_low(b->agent, sa_id(i), f->next - 1, 1000);
	if (burst && p->established && one_in(3)) {
		if (b->mirror)
			b->life = mirror_life(b->mirror, 1);
		if (b->life != f->life) {
			f->life = b->life;
			f->ctr = 0;
		}
		check_send(b, i, f->next, f->next + burst - 1);
		f->next += burst;
		f->ctr += burst;
	}
	if (p->established && one_in(2)) {  // from the peer
		p->in_seq++;
		if (p->in_seq > f->edge) {
			f->edge = p->in_seq;
			check_accept(b, i, p->in_seq);
		}
		agent_checkpoint(b->agent, sa_id(i), f->edge);
	}
}

static void work_step(struct box *b)
{
	if (b->stopping && world.now >= b->drained_at) {
		b->stopping = false;
		for (unsigned i = 0; i < SAS; i++) {
			if (b->sa[i].there && !b->sa[i].taint)
				agent_next(b->agent, sa_id(i), b->sa[i].next, b->sa[i].edge);
		}
		agent_stopped(b->agent, world.now);
	}
	if (!b->working)
		return;
	if (one_in(40))
		sa_make(b);
	unsigned start = (unsigned)rnd(SAS);
	for (unsigned n = 0; n < 6; n++) {
		unsigned i = (start + n) % SAS;
		if (!b->working || !b->sa[i].there)
			continue;
		if (one_in(400))
			sa_unmake(b, i);
		else
			sa_traffic(b, i);
	}
}

void gateway_step(struct box *b)
{
	struct queued *m;

	if (b->working)
		b->worked_at = world.now;
	if (!b->attached && b->standby_up && world.now >= b->standby_pause)
		gateway_restart_link(b);

	for (int i = 0; i < 64 && (m = queue_due(&b->to_gateway, world.now)); i++) {
		m->w.payload = m->bytes;
		m->w.sa.payload = m->bytes;
		agent_word(b->agent, &m->w, world.now);
		free(m);
	}
	check_quiet(b);
	hsrp_step(b);
	work_step(b);
	if (agent_due(b->agent) <= world.now)
		agent_tick(b->agent, world.now);
	op_release(b, 1, 0);
	if (b->working)
		b->worked_at = world.now;
}
