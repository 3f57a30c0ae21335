// Redundancy groups, and the numbers of SAs that rest (ha-protocol rules 1, 7, 10, 16). Control
// thread.
//
// An SA rests when it is held (itself or its group) and every worker has been seen between two
// turns since: then nobody but this thread touches its run-time fields. They are published with the
// store that lets it work again.
#include "esp.h"
#include "loop.h"
#include "rcu.h"
#include "replay.h"
#include "sad.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

uint8_t sa_group_state[DP_GROUPS]
	__attribute__((aligned(64))) = {[1 ... DP_GROUPS - 1] = GROUP_STANDBY};

uint64_t sa_group_raised[DP_GROUPS] __attribute__((aligned(64)));

static struct {
	unsigned waits;       // grace periods under way
	uint32_t generation;  // changes of its state
	bool works;
} groups[DP_GROUPS];
static uint64_t broken_i1, broken_i4;

struct group_wait {
	unsigned group;
	uint32_t generation;
	void (*done)(void *ctx, unsigned group);
	void *ctx;
};

// ---- groups ------------------------------------------------------------------------------------
bool dp_group_resting(unsigned group)
{
	return group > 0 && group < DP_GROUPS && !groups[group].works && groups[group].waits == 0;
}

static void group_passed(void *obj)
{
	struct group_wait *g = obj;

	groups[g->group].waits--;
	if (g->done && g->generation == groups[g->group].generation)
		g->done(g->ctx, g->group);
	free(g);
}

static int group_hold(unsigned group, enum group_state state,
		      void (*done)(void *ctx, unsigned group), void *ctx)
{
	struct group_wait *g = malloc(sizeof(*g));

	if (!g)
		return -ENOMEM;
	groups[group].works = false;
	*g = (struct group_wait){
		.group = group, .generation = ++groups[group].generation, .done = done, .ctx = ctx};
	__atomic_store_n(&sa_group_state[group], (uint8_t)state, __ATOMIC_RELEASE);
	__atomic_store_n(&sa_group_raised[group], 0, __ATOMIC_RELAXED);
	groups[group].waits++;
	rcu_defer(group_passed, g);
	return 0;
}

int dp_group_set(unsigned group, enum dp_sa_state state)
{
	if (group == 0 || group >= DP_GROUPS)
		return -EINVAL;
	if (state == DP_SA_STANDBY)
		return group_hold(group, GROUP_STANDBY, NULL, NULL);
	groups[group].works = true;
	groups[group].generation++;
	__atomic_store_n(&sa_group_state[group], GROUP_WORKS, __ATOMIC_RELEASE);
	return 0;
}

int dp_group_raise(unsigned group, uint64_t by)
{
	if (group == 0 || group >= DP_GROUPS)
		return -EINVAL;
	// numbers that were set while it worked say nothing of the ceiling
	if (by && !dp_group_resting(group))
		return -EBUSY;
	__atomic_store_n(&sa_group_raised[group], by, __ATOMIC_RELAXED);
	return 0;
}

int dp_group_stop(unsigned group, void (*done)(void *ctx, unsigned group), void *ctx)
{
	if (group == 0 || group >= DP_GROUPS)
		return -EINVAL;
	if (!groups[group].works)
		return -EALREADY;
	return group_hold(group, GROUP_HANDED, done, ctx);
}

bool dp_group_handed(unsigned group)
{
	return group > 0 && group < DP_GROUPS && sa_group_state[group] == GROUP_HANDED;
}

uint32_t sad_group_generation(unsigned group)
{
	return groups[group].generation;
}

// Neither state works: no grace period is needed.
void sad_group_close(unsigned group)
{
	if (dp_group_handed(group))
		__atomic_store_n(&sa_group_state[group], GROUP_STANDBY, __ATOMIC_RELEASE);
}

// ---- one SA ------------------------------------------------------------------------------------
bool sa_resting(const struct sa *sa)
{
	return (sa->conf.state == DP_SA_STANDBY && sa->waits == 0) ||
	       dp_group_resting(sa->conf.group);
}

static void held_store(struct sa *sa)
{
	bool held = sa->conf.state == DP_SA_STANDBY || sa->advances;

	__atomic_store_n(&sa->state, (uint8_t)((held ? SA_HELD : 0) | sa->conf.group << 1),
			 __ATOMIC_RELEASE);
}

static void sa_passed(void *obj)
{
	struct sa *sa = sad_get((uint32_t)(uintptr_t)obj);

	if (sa)
		sa->waits--;
}

int dp_sa_set_state(uint32_t handle, enum dp_sa_state state)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	if (state == sa->conf.state)
		return 0;
	sa->conf.state = state;
	held_store(sa);
	if (state == DP_SA_STANDBY) {
		sa->waits++;
		rcu_defer(sa_passed, (void *)(uintptr_t)handle);
	}
	return 0;
}

// What this very box has sent since its numbers were last set.
static void floor_note(struct sa *sa)
{
	if (sa->packets == sa->floor_packets)
		return;
	sa->floor = RTE_MAX(sa->floor, sa->seq);
	sa->floor_packets = sa->packets;
}

int dp_sa_set_next(uint32_t handle, uint64_t next)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	if (sa->dir != DP_OUT || next == 0)
		return -EINVAL;
	if (!sa_resting(sa))
		return -EBUSY;
	floor_note(sa);
	if (next <= sa->floor) {
		broken_i4++;
		return -EINVAL;
	}
	sa->seq = sa->rate_seq = next - 1;
	// whoever was told of this limit before has perhaps forgotten it with the role
	sa->lim_low_at = sa->lim_reached_at = UINT64_MAX;
	sa->start = dp_group_resting(sa->conf.group) ? next - 1 : SA_NO_START;
	return 0;
}

// A window whose edge is `edge`, everything at or below taken as seen.
static void edge_store(struct sa *sa, uint64_t edge)
{
	if (edge <= sa->seq)
		return;
	if (sa->seq)  // else it is new here
		checkpoint_moved(sa->conf.group, edge - sa->seq);
	sa->seq = sa->edge_told = edge;
	replay_init(sa->window_bits, sa->window);
}

int dp_sa_set_edge(uint32_t handle, uint64_t edge)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	if (sa->dir != DP_IN)
		return -EINVAL;
	if (!sa_resting(sa))
		return -EBUSY;
	edge_store(sa, edge);
	return 0;
}

int dp_sa_set_life(uint32_t handle, uint64_t iv_prefix)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	if (sa->dir != DP_OUT || (iv_prefix & SA_IV_COUNTER_MAX))
		return -EINVAL;
	if (!sa_resting(sa))
		return -EBUSY;
	if (iv_prefix == sa->iv_prefix)
		return 0;
	if ((iv_prefix ^ sa->iv_prefix) >> 63 == 0 && iv_prefix < sa->iv_prefix) {
		broken_i1++;
		return -ESTALE;
	}
	sa->iv_prefix = iv_prefix;
	sa->iv_counter = 0;
	return 0;
}

int dp_sa_set_margin(uint32_t handle, uint64_t margin)
{
	struct sa *sa = sad_get(handle);

	if (!sa)
		return -ENOENT;
	if (sa->dir != DP_OUT)
		return -EINVAL;
	__atomic_store_n(&sa->lim_margin, (uint32_t)RTE_MIN(margin, (uint64_t)UINT32_MAX),
			 __ATOMIC_RELAXED);
	return 0;
}

uint64_t dp_sa_rate(uint32_t handle)
{
	const struct sa *sa = sad_get(handle);
	uint64_t now = loop_clock_us(), seq, us;

	if (!sa || sa->dir != DP_OUT)
		return 0;
	seq = __atomic_load_n(&sa->seq, __ATOMIC_RELAXED);
	if (seq <= sa->rate_seq)
		return 0;
	us = now > sa->rate_us ? now - sa->rate_us : 1;
	seq -= sa->rate_seq;
	return seq > UINT64_MAX / 1000000 ? UINT64_MAX : (seq * 1000000 + us - 1) / us;
}

// ---- an SA that works (rule 16) ----------------------------------------------------------------
struct advance {
	uint32_t handle;
	uint64_t next, edge;
};

static void advance_passed(void *obj)
{
	struct advance *a = obj;
	struct sa *sa = sad_get(a->handle);

	if (sa && sa->dir == DP_OUT && a->next && a->next - 1 > sa->seq) {
		floor_note(sa);  // what is skipped here has not been sent
		sa->seq = sa->rate_seq = a->next - 1;
		sa->start = SA_NO_START;
	} else if (sa && sa->dir == DP_IN) {
		edge_store(sa, a->edge);
	}
	if (sa) {
		sa->advances--;
		held_store(sa);
	}
	free(a);
}

int dp_sa_advance(uint32_t handle, uint64_t next, uint64_t edge)
{
	struct sa *sa = sad_get(handle);
	struct advance *a;

	if (!sa)
		return -ENOENT;
	if (sa_resting(sa)) {
		if (sa->dir == DP_OUT)
			return next > sa->seq + 1 ? dp_sa_set_next(handle, next) : 0;
		return dp_sa_set_edge(handle, edge);
	}
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct advance){.handle = handle, .next = next, .edge = edge};
	sa->advances++;
	held_store(sa);
	rcu_defer(advance_passed, a);
	return 0;
}

void dp_invariants(struct dp_invariants *out)
{
	*out = (struct dp_invariants){.i1 = broken_i1, .i4 = broken_i4};
	for (unsigned i = 0; i < WORKER_MAX; i++) {
		const struct worker *w = checkpoint_worker(i);

		if (!w)
			continue;
		out->i1 += __atomic_load_n(&w->invariant_i1, __ATOMIC_RELAXED);
		out->i4 += __atomic_load_n(&w->invariant_i4, __ATOMIC_RELAXED);
	}
}

// All groups as at the start of the process.
void sad_groups_reset(void)
{
	for (unsigned i = 1; i < DP_GROUPS; i++) {
		groups[i].works = false;
		groups[i].generation++;
		sa_group_state[i] = GROUP_STANDBY;
		sa_group_raised[i] = 0;
	}
	broken_i1 = broken_i4 = 0;
}
