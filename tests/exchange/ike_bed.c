// See ike_bed.h.

#include "ike_bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ike_env.h"
#include "rand.h"

uint32_t bed_random(struct bed *bed, uint32_t below)
{
	bed->seed = bed->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(bed->seed >> 33) % below;
}

// Repeatable runs: everything random in the engine comes from the seed as well.
static void seeded_random(void *ctx, void *dst, size_t len)
{
	struct bed *bed = ctx;
	uint8_t *p = dst;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)bed_random(bed, 256);
}

// ---- environment -------------------------------------------------------------------------------
static uint64_t env_now(void *ctx)
{
	return ((struct bed_end *)ctx)->bed->now_ms;
}

static void env_timer(void *ctx, uint64_t due_ms)
{
	((struct bed_end *)ctx)->due_ms = due_ms;
}

static void packet_queue(struct bed *bed, struct bed_end *to, const struct dp_udp *meta,
			 const uint8_t *bytes, size_t len)
{
	struct bed_packet *p = calloc(1, sizeof(*p) + len), *q;

	assert_non_null(p);
	p->due_ms = bed->now_ms + bed->delay_ms;
	if (bed->reorder && bed_random(bed, 100) < bed->reorder)
		p->due_ms += bed_random(bed, 400);
	p->to = to;
	p->meta = *meta;
	p->len = len;
	memcpy(p->bytes, bytes, len);
	TAILQ_FOREACH (q, &bed->net, link)
		if (q->due_ms > p->due_ms)
			break;
	if (q)
		TAILQ_INSERT_BEFORE(q, p, link);
	else
		TAILQ_INSERT_TAIL(&bed->net, p, link);
}

#define NAT_SHIFT 10000

static int env_send(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	struct bed_end *e = ctx, *to = e == &e->bed->b ? e->bed->holder : &e->bed->b;
	struct bed *bed = e->bed;
	struct dp_udp m = {.local = meta->remote,
			   .remote = meta->local,
			   .local_port = meta->remote_port,
			   .remote_port = meta->local_port};

	e->sent++;
	e->sent_bytes += len;
	if (e->before_send)
		e->before_send(e);
	if (len == 1 && *payload == 0xff)  // a NAT keepalive never reaches IKE
		return 0;
	if (e->natted) {
		m.remote = e->nat_addr;
		m.remote_port = (uint16_t)(m.remote_port + (e->nat_static ? 0 : NAT_SHIFT));
	}
	if (to->natted) {
		uint16_t shift = to->nat_static ? 0 : NAT_SHIFT;

		if (!addr_equal(&m.local, &to->nat_addr) || m.local_port < shift)
			return 0;  // nothing behind the NAT has this address
		m.local = to->addr;
		m.local_port = (uint16_t)(m.local_port - shift);
	}
	if (!addr_equal(&m.local, &to->addr) || e->dead || to->dead)
		return 0;
	if (bed->loss && bed_random(bed, 100) < bed->loss)
		return 0;
	packet_queue(bed, to, &m, payload, len);
	if (bed->dup && bed_random(bed, 100) < bed->dup)
		packet_queue(bed, to, &m, payload, len);
	return 0;
}

static void env_offload(void *ctx, struct ike_task *t)
{
	struct bed_end *e = ctx;
	struct bed_task *bt = calloc(1, sizeof(*bt));

	assert_non_null(bt);
	bt->due_ms = e->bed->now_ms + 2;
	bt->end = e;
	bt->t = t;
	TAILQ_INSERT_TAIL(&e->bed->tasks, bt, link);
}

static uint32_t env_spi_alloc(void *ctx)
{
	struct bed_end *e = ctx;

	e->spis++;
	return 0x10000000u + bed_random(e->bed, 0x7fffffff);
}

static void env_spi_free(void *ctx, uint32_t spi)
{
	struct bed_end *e = ctx;

	assert_true(e->spis > 0);
	e->spis--;
}

static int env_sa_add(void *ctx, const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	struct bed_end *e = ctx;

	if (e->refuse_install)
		return err_set(err, -ENOTSUP, "refused by the test");
	for (unsigned i = 0; i < BED_SAS; i++) {
		if (e->sas[i].alive)
			continue;
		memset(&e->sas[i], 0, sizeof(e->sas[i]));
		e->sas[i].alive = true;
		e->sas[i].p = *p;
		e->sas[i].stats.seq = p->dir == DP_OUT ? p->next - 1 : p->edge;
		if (p->dir == DP_IN) {
			assert_true(e->spis > 0);
			e->spis--;
		}
		*sa = i + 1;
		return 0;
	}
	return err_set(err, -ENOSPC, "the test's table is full");
}

struct bed_sa *bed_sa_get(struct bed_end *e, uint32_t sa)
{
	return sa >= 1 && sa <= BED_SAS && e->sas[sa - 1].alive ? &e->sas[sa - 1] : NULL;
}

// A pair with the same selectors that could have taken over was not bound before this one went.
static void no_gap_check(const struct bed_end *e, uint32_t gone)
{
	const struct bed_sa *g = &e->sas[gone - 1];

	for (unsigned i = 0; i < BED_SAS; i++) {
		const struct bed_sa *s = &e->sas[i];

		assert_false(s->alive && s->p.dir == DP_OUT &&
			     addr_equal(&s->p.remote, &g->p.remote) &&
			     selector_equal(&s->p.sel[0], &g->p.sel[0]));
	}
}

static int env_sa_del(void *ctx, uint32_t sa)
{
	struct bed_end *e = ctx;

	assert_non_null(bed_sa_get(e, sa));
	e->sas[sa - 1].alive = false;
	for (unsigned i = 0; i < 64; i++)
		if (bed_unbind(e, i, sa))
			no_gap_check(e, sa);
	return 0;
}

static int env_sa_set_lim(void *ctx, uint32_t sa, uint64_t lim)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	s->p.lim = lim;
	return 0;
}

static int env_sa_set_remote(void *ctx, uint32_t sa, const struct ip_addr *remote, uint16_t port)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	s->p.remote = *remote;
	s->p.remote_port = port;
	return 0;
}

static int env_sa_stats(void *ctx, uint32_t sa, struct dp_sa_stats *out)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	if (!s)
		return -ENOENT;
	*out = s->stats;
	return 0;
}

static int env_policy_bind(void *ctx, uint32_t policy, uint32_t sa)
{
	struct bed_end *e = ctx;

	assert_in_range(policy, 1, 63);
	if (!sa) {
		memset(e->bindings[policy], 0, sizeof(e->bindings[policy]));
		e->bound[policy] = 0;
		return 0;
	}
	assert_non_null(bed_sa_get(e, sa));
	assert_int_equal(bed_sa_get(e, sa)->p.dir, DP_OUT);
	return bed_bind(e, policy, sa);
}

static void env_flush_held(void *ctx, uint32_t policy)
{
	((struct bed_end *)ctx)->flushed++;
}

static void env_policies_changed(void *ctx)
{
	((struct bed_end *)ctx)->policy_changes++;
}

static void on_notice(void *ctx, const struct ike_notice *n)
{
	struct bed_end *e = ctx;

	e->up += n->type == IKE_SA_UP;
	e->down += n->type == IKE_SA_DOWN;
	e->child_up += n->type == IKE_CHILD_UP;
	e->child_down += n->type == IKE_CHILD_DOWN;
	if (n->reason) {
		e->last_reason = n->reason;
		e->forgotten += strcmp(n->reason, "peer restarted") == 0;
	}
}

// ---- life --------------------------------------------------------------------------------------
void bed_engine_start(struct bed_end *e)
{
	struct ike_env env = ike_env_stand_in(e);

	env.now_ms = env_now;
	env.timer = env_timer;
	env.send = env_send;
	env.offload = env_offload;
	env.spi_alloc = env_spi_alloc;
	env.spi_free = env_spi_free;
	env.sa_add = env_sa_add;
	env.sa_del = env_sa_del;
	env.sa_set_remote = env_sa_set_remote;
	env.sa_stats = env_sa_stats;
	env.policy_bind = env_policy_bind;
	env.policy_flush_held = env_flush_held;
	env.policies_changed = env_policies_changed;
	bed_env_pair(&env);
	env.sa_set_lim = env_sa_set_lim;

	e->due_ms = UINT64_MAX;
	e->ike = ike_create(&env, NULL);
	assert_non_null(e->ike);
	assert_int_equal(ike_observe(e->ike, on_notice, e), 0);
	assert_int_equal(ike_configure(e->ike, e->config, e->tunnels, NULL), 0);
}

void bed_init(struct bed *bed, uint64_t seed, const struct bed_params *p)
{
	static const struct bed_params none;

	p = p ? p : &none;
	memset(bed, 0, sizeof(*bed));
	TAILQ_INIT(&bed->net);
	TAILQ_INIT(&bed->tasks);
	bed->seed = seed * 2654435761u + 1;
	bed->now_ms = 1000;
	bed->delay_ms = 10;
	bed->a.bed = bed->b.bed = bed->second.bed = bed;
	bed->holder = &bed->a;
	bed->second.due_ms = UINT64_MAX;
	bed->a.name = "a";
	bed->b.name = "b";
	rand_set_source(seeded_random, bed);
	addr_parse("192.0.2.1", &bed->a.addr);
	addr_parse("198.51.100.1", &bed->b.addr);
	addr_parse("203.0.113.10", &bed->a.nat_addr);
	addr_parse("203.0.113.20", &bed->b.nat_addr);
	bed->a.natted = p->natt_a;
	bed->b.natted = p->natt_b;
	bed->a.config = bed_config(p, &bed->a.addr, p->natt_b ? &bed->b.nat_addr : &bed->b.addr,
				   p->psk_a, false);
	bed->b.config = bed_config(p, &bed->b.addr, p->natt_a ? &bed->a.nat_addr : &bed->a.addr,
				   p->psk_b, true);
}

void bed_tunnels_make(struct bed_end *e)
{
	struct tunnels *t = tunnels_build(e->config, e->tunnels, NULL, NULL, NULL, NULL);

	assert_non_null(t);
	if (e->ike)
		assert_int_equal(ike_configure(e->ike, e->config, t, NULL), 0);
	tunnels_destroy(e->tunnels);
	e->tunnels = t;
}

void bed_start(struct bed *bed)
{
	bed_tunnels_make(&bed->a);
	bed_tunnels_make(&bed->b);
	bed_engine_start(&bed->a);
	bed_engine_start(&bed->b);
}

void bed_reconfigure(struct bed_end *e)
{
	bed_tunnels_make(e);
}

void bed_reboot(struct bed_end *e)
{
	bool dead = e->dead;

	e->dead = true;  // its last words are not heard
	ike_destroy(e->ike);
	e->dead = dead;
	memset(e->bound, 0, sizeof(e->bound));
	memset(e->bindings, 0, sizeof(e->bindings));
	bed_engine_start(e);
}

static void task_finish(struct bed *bed, struct bed_task *bt)
{
	TAILQ_REMOVE(&bed->tasks, bt, link);
	bt->t->compute(bt->t);
	bt->t->done(bt->t);
	free(bt);
}

static void end_fini(struct bed_end *e)
{
	ike_destroy(e->ike);
	assert_int_equal(e->spis, 0);
	for (unsigned i = 0; i < BED_SAS; i++)
		assert_false(e->sas[i].alive);
	tunnels_destroy(e->tunnels);
	config_destroy(e->config);
}

void bed_fini(struct bed *bed)
{
	end_fini(&bed->a);
	end_fini(&bed->b);
	if (bed->second.config)
		end_fini(&bed->second);
	// Tasks outlive their engines.
	while (!TAILQ_EMPTY(&bed->tasks))
		task_finish(bed, TAILQ_FIRST(&bed->tasks));
	while (!TAILQ_EMPTY(&bed->net)) {
		struct bed_packet *p = TAILQ_FIRST(&bed->net);

		TAILQ_REMOVE(&bed->net, p, link);
		free(p);
	}
	rand_set_source(NULL, NULL);
}

// ---- time --------------------------------------------------------------------------------------
void bed_inject(struct bed_end *to, const struct dp_udp *meta, const void *bytes, size_t len)
{
	// A copy at the end of its own memory, so that a sanitizer sees any overrun.
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	to->received++;
	to->received_bytes += len;
	ike_rx(to->ike, meta, copy, len);
	free(copy);
}

static void packet_deliver(struct bed *bed, struct bed_packet *p)
{
	TAILQ_REMOVE(&bed->net, p, link);
	if (!p->to->dead && (!bed->tap || bed->tap(bed, p)))
		bed_inject(p->to, &p->meta, p->bytes, p->len);
	free(p);
}

static uint64_t next_event(const struct bed *bed)
{
	uint64_t next = UINT64_MAX;

	if (!TAILQ_EMPTY(&bed->net))
		next = TAILQ_FIRST(&bed->net)->due_ms;
	if (!TAILQ_EMPTY(&bed->tasks) && TAILQ_FIRST(&bed->tasks)->due_ms < next)
		next = TAILQ_FIRST(&bed->tasks)->due_ms;
	if (bed->a.due_ms < next)
		next = bed->a.due_ms;
	if (bed->b.due_ms < next)
		next = bed->b.due_ms;
	if (bed->second.due_ms < next)
		next = bed->second.due_ms;
	return next;
}

static void end_tick(struct bed_end *e)
{
	if (e->due_ms > e->bed->now_ms)
		return;
	e->due_ms = UINT64_MAX;
	ike_tick(e->ike, e->bed->now_ms);
}

static void step(struct bed *bed)
{
	while (!TAILQ_EMPTY(&bed->tasks) && TAILQ_FIRST(&bed->tasks)->due_ms <= bed->now_ms)
		task_finish(bed, TAILQ_FIRST(&bed->tasks));
	if (!TAILQ_EMPTY(&bed->net) && TAILQ_FIRST(&bed->net)->due_ms <= bed->now_ms)
		packet_deliver(bed, TAILQ_FIRST(&bed->net));
	end_tick(&bed->a);
	end_tick(&bed->b);
	end_tick(&bed->second);
}

void bed_run(struct bed *bed, uint64_t ms)
{
	uint64_t end = bed->now_ms + ms, next;

	while ((next = next_event(bed)) <= end) {
		if (next > bed->now_ms)
			bed->now_ms = next;
		step(bed);
	}
	bed->now_ms = end;
}

bool bed_until(struct bed *bed, uint64_t limit_ms, bool (*cond)(struct bed *bed))
{
	uint64_t end = bed->now_ms + limit_ms;

	while (!cond(bed)) {
		if (bed->now_ms >= end)
			return false;
		bed_run(bed, 5);
	}
	return true;
}
