// The work of a redundancy group, done by IKE and the data plane (redundancy_work.h): what the
// agent asks for, said in their terms, and what they notice, told to the agent.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ike_replica.h"
#include "kernel.h"
#include "log.h"
#include "mirror.h"
#include "rand.h"
#include "redundancy.h"
#include "redundancy_work.h"
#include "rri.h"
#include "secret.h"

#define POLL_MS        1    // checkpoints (rule 20)
#define POLL_MAX       256  // SAs per poll
#define SLICE          256  // SAs per loop turn when a group stops
#define MARGIN_DEFAULT 16384

static struct {
	struct loop_timer poll;
	uint8_t payload[HA_PAYLOAD_MAX];  // of work_encode
	uint64_t identity;
	struct {  // a group that stops: where the walk over its SAs stands
		bool walking;
		uint64_t cursor;
	} stop[HA_GROUPS_MAX + 1];
} work;

// ---- agent_ops --------------------------------------------------------------------------------
int work_encode(void *ctx, uint64_t id, struct ha_sa *sa)
{
	if (!gateway.ike)
		return -ENOENT;
	return ike_replica_encode(gateway.ike, id, sa, work.payload, sizeof(work.payload));
}

int work_install(void *ctx, const struct ha_sa *sa)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct err err = {0};
	int rc = gateway.ike ? ike_replica_install(gateway.ike, sa, &err) : -ENODEV;

	if (rc)
		log_event_limited(&rl, "REDUNDANCY", LOG_L_WARNING, "INSTALL",
				  "A replicated SA does not fit here: %s",
				  err.msg[0] ? err.msg : strerror(-rc));
	return rc;
}

void work_remove(void *ctx, uint64_t id)
{
	if (gateway.ike)
		ike_replica_remove(gateway.ike, id);
}

bool work_each(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id)
{
	return gateway.ike && ike_replica_next(gateway.ike, (uint16_t)group, cursor, id);
}

// The next warning comes when two waits for the other box's lease are left at the present rate.
void work_limit(void *ctx, uint64_t id, uint64_t lim)
{
	uint32_t in, out;
	uint16_t group;
	uint64_t same;

	if (!gateway.ike || !ike_replica_handles(gateway.ike, id, &in, &out))
		return;
	uint64_t margin = MARGIN_DEFAULT;
	if (ike_replica_of(gateway.ike, out, &same, &group) && redundancy_get(group)) {
		// Ta is a quarter more than hold and claim and a hello, rule 8
		const struct ha_hello *h = &redundancy.group[group].hello;
		uint64_t ta_ms = (h->hold_ms + h->hold_ms / 4 + h->hello_ms) * 5ull / 4;
		uint64_t want = dp_sa_rate(out) * 2 * ta_ms / 1000;
		margin = want > margin ? want : margin;
	}
	(void)ike_replica_limit(gateway.ike, id, lim, margin);
}

// Numbers for an SA that works, or that a worker has not yet been seen to let go: it goes on above
// what the other box may have used (rule 16), and is held until then. One that cannot even be held
// so must not send again.
static int number_advance(uint64_t id, uint64_t next, uint64_t edge)
{
	uint32_t in, out;
	int rc = 0;

	if (!ike_replica_handles(gateway.ike, id, &in, &out))
		return 0;
	if (next && out)
		rc = dp_sa_advance(out, next, 0);
	if (rc == 0 && edge && in)
		rc = dp_sa_advance(in, 0, edge);
	return rc;
}

void work_sequence(void *ctx, uint64_t id, uint64_t next, uint64_t edge)
{
	const struct redundancy_group *r = redundancy_get((unsigned)(uintptr_t)ctx);

	if (!gateway.ike || !r || ike_replica_sequence(gateway.ike, id, next, edge) != -EBUSY)
		return;
	if (number_advance(id, next, edge))
		ike_taint(gateway.ike, r->number, id, true);
}

void work_taint(void *ctx, uint64_t id, bool on)
{
	uint16_t group = (uint16_t)(uintptr_t)ctx;

	if (gateway.ike)
		ike_taint(gateway.ike, group, id, on);
}

// ---- beginning and ending ---------------------------------------------------------------------
void work_raised(void *ctx, unsigned group, uint64_t step)
{
	if (dp_running())
		(void)dp_group_raise(group, step);
}

void work_begin(unsigned group)
{
	work.stop[group].walking = false;
	if (dp_running())
		(void)dp_group_set(group, DP_SA_ACTIVE);
	if (!gateway.ike)
		return;
	ike_group_activate(gateway.ike, (uint16_t)group);
}

static void stop_walk(void *ctx)
{
	unsigned group = (unsigned)(uintptr_t)ctx;
	struct redundancy_group *r = redundancy_get(group);
	struct dp_sa_stats st;
	uint32_t in, out;
	uint64_t id;

	if (!r || !work.stop[group].walking || !gateway.ike)
		return;
	for (unsigned n = 0; n < SLICE; n++) {
		if (!ike_replica_next(gateway.ike, (uint16_t)group, &work.stop[group].cursor,
				      &id)) {
			work.stop[group].walking = false;
			agent_stopped(r->agent, redundancy_now());
			redundancy_rearm(&gateway);
			return;
		}
		if (!ike_replica_handles(gateway.ike, id, &in, &out))
			continue;
		uint64_t next = 0, edge = 0;
		if (dp_sa_get_stats(out, &st) == 0)
			next = st.seq + 1;
		if (dp_sa_get_stats(in, &st) == 0)
			edge = st.seq;
		agent_next(r->agent, id, next, edge);
	}
	(void)loop_defer(gateway.loop, stop_walk, ctx);
}

static void stopped(void *ctx, unsigned group)
{
	if (group > HA_GROUPS_MAX)
		return;
	work.stop[group].walking = true;
	work.stop[group].cursor = 0;
	stop_walk((void *)(uintptr_t)group);
}

void work_end(unsigned group)
{
	if (gateway.ike)
		ike_group_deactivate(gateway.ike, (uint16_t)group);
	if (!dp_running() || dp_group_stop(group, stopped, NULL))
		stopped(NULL, group);
}

void work_role_changed(void)
{
	if (!gateway.rri)
		return;
	rri_role_changed(gateway.rri);
	kernel_catch_up(gateway.kernel);  // the data plane has the routes before the first packet
}

void work_interval(uint16_t group, uint32_t packets)
{
	// Every millisecond is more often than any interval that a line rate could ask for; the
	// figure is shown.
}

// ---- what they notice -------------------------------------------------------------------------
static void checkpoint(void *ctx, uint64_t id, uint16_t group, uint64_t edge)
{
	struct redundancy_group *r = redundancy_get(group);

	if (r && r->working)
		agent_checkpoint(r->agent, id, edge);
}

static void poll(void *ctx, uint64_t now_ms)
{
	if (dp_running() && redundancy.groups)
		(void)dp_checkpoint_poll(checkpoint, NULL, POLL_MAX);
	forward_poll();
}

void work_event(const struct dp_event *ev)
{
	struct dp_sa_stats st;
	uint64_t id;
	uint16_t group;

	if (ev->type != DP_EVENT_LIM_LOW && ev->type != DP_EVENT_LIM_REACHED)
		return;
	if (!gateway.ike || !ike_replica_of(gateway.ike, ev->sa, &id, &group))
		return;
	struct redundancy_group *r = redundancy_get(group);
	if (r && dp_sa_get_stats(ev->sa, &st) == 0)
		agent_low(r->agent, id, st.seq, dp_sa_rate(ev->sa));
	redundancy_rearm(&gateway);
}

static void on_upsert(void *ctx, uint16_t group, uint64_t id)
{
	struct redundancy_group *r = redundancy_get(group);

	if (r)
		(void)agent_upsert(r->agent, id);
}

static void on_remove(void *ctx, uint16_t group, uint64_t id)
{
	struct redundancy_group *r = redundancy_get(group);

	if (r)
		(void)agent_delete(r->agent, id);
}

// ---- struct ike_env ---------------------------------------------------------------------------
uint16_t work_group_of(const struct ip_addr *local)
{
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		const struct redundancy_group *r = redundancy_get(n);
		if (r && addr_equal(&r->virtual, local))
			return r->number;
	}
	return 0;
}

uint64_t work_tenure(void *ctx, unsigned group)
{
	const struct mirror *m = redundancy_mirror();

	return m ? mirror_word_get(m, group, MIRROR_TENURE) : 0;
}

uint64_t work_life(void *ctx, unsigned group)
{
	const struct mirror *m = redundancy_mirror();

	return m ? mirror_life(m, group) : 0;
}

static uint16_t env_group_of(void *ctx, const struct ip_addr *local)
{
	return redundancy.groups ? work_group_of(local) : 0;
}

// From the mirror itself: what is there counts from the moment the standby process wrote it.
static void env_group_life(void *ctx, uint16_t group, struct ike_life *out)
{
	const struct mirror *m = redundancy_mirror();
	const struct redundancy_group *r = redundancy_get(group);

	*out = (struct ike_life){.slot = 0, .join = {1, 0}};
	if (m) {
		out->slot = mirror_word_get(m, group, MIRROR_SLOT) & 1;
		out->join[0] = (uint32_t)mirror_word_get(m, group, MIRROR_JOIN0);
		out->join[1] = (uint32_t)mirror_word_get(m, group, MIRROR_JOIN1);
		out->restart = (uint8_t)mirror_word_get(m, group, MIRROR_RESTART);
	} else if (r) {
		out->slot = r->role.slot & 1;
		out->join[0] = r->role.join[0];
		out->join[1] = r->role.join[1];
		out->restart = r->role.restart;
	}
}

static uint32_t env_group_spi(void *ctx, uint16_t group)
{
	struct ike_life life;

	env_group_life(ctx, group, &life);
	return dp_running() ? dp_spi_alloc(life.slot) : 0;
}

static int env_spi_take(void *ctx, uint32_t spi)
{
	return dp_running() ? dp_spi_take(spi) : -ENETDOWN;
}

static int env_set_next(void *ctx, uint32_t sa, uint64_t next)
{
	return dp_running() ? dp_sa_set_next(sa, next) : -ENOENT;
}

static int env_set_edge(void *ctx, uint32_t sa, uint64_t edge)
{
	return dp_running() ? dp_sa_set_edge(sa, edge) : -ENOENT;
}

static int env_set_life(void *ctx, uint32_t sa, uint64_t iv_prefix)
{
	return dp_running() ? dp_sa_set_life(sa, iv_prefix) : -ENOENT;
}

static int env_set_margin(void *ctx, uint32_t sa, uint64_t margin)
{
	return dp_running() ? dp_sa_set_margin(sa, margin) : -ENOENT;
}

static int env_set_state(void *ctx, uint32_t sa, enum dp_sa_state state)
{
	return dp_running() ? dp_sa_set_state(sa, state) : -ENOENT;
}

static uint64_t env_wall_ms(void *ctx)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int env_send(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	return redundancy_send(env_group_of(ctx, &meta->local), meta, payload, len);
}

static int env_bind(void *ctx, uint32_t policy, uint32_t sa)
{
	uint64_t id;
	uint16_t group = 0;

	if (sa && gateway.ike && redundancy.groups && !ike_replica_of(gateway.ike, sa, &id, &group))
		group = 0;
	return redundancy_bind(group, policy, sa);
}

void work_env(struct ike_env *env)
{
	env->send = env_send;
	env->policy_bind = env_bind;
	env->group_of = env_group_of;
	env->group_life = env_group_life;
	env->group_spi_alloc = env_group_spi;
	env->spi_take = env_spi_take;
	env->sa_set_next = env_set_next;
	env->sa_set_edge = env_set_edge;
	env->sa_set_life = env_set_life;
	env->sa_set_margin = env_set_margin;
	env->sa_set_state = env_set_state;
	env->wall_ms = env_wall_ms;
}

int work_start(struct gateway *g, struct err *err)
{
	static const struct ike_replica_ops ops = {.upsert = on_upsert, .remove = on_remove};

	ike_replicate(g->ike, &ops);
	loop_timer_init(&work.poll, g->loop, "checkpoints", poll, g);
	return 0;
}

void work_wanted(bool wanted)
{
	forward_wanted(wanted);
	if (!wanted)
		loop_timer_stop(&work.poll);
	else if (!work.poll.due_ms)
		loop_timer_repeat(&work.poll, POLL_MS);
}

void work_stop(struct gateway *g)
{
	if (g->ike)
		ike_replicate(g->ike, NULL);
	loop_timer_fini(&work.poll);
	secret_wipe(work.payload, sizeof(work.payload));
}
