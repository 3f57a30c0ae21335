// Checkpoints of the replay windows (ha-protocol rule 20): which inbound SAs accepted something
// since they were last looked at, and how far their edges are.
//
// A worker that accepts a packet sets the SA's flag, if it is clear, and puts its handle into a
// ring. The control thread takes the handle out, clears the flag, and only then reads the edge. The
// worker looks at the flag after it has moved the edge, but without a barrier it may see the flag
// as it was before: such an edge would wait for the next packet. So the control thread looks once
// more at what it looked at the time before, when every store has long arrived.
#include "esp.h"
#include "sad.h"
#include "worker.h"

#include <rte_ring_elem.h>

#define AGAIN_MAX 8192

static uint32_t again[AGAIN_MAX];
static unsigned again_count;
static struct worker *noters[WORKER_MAX];
static uint64_t step_max[DP_GROUPS], moved[DP_GROUPS];

void checkpoint_worker_set(unsigned id, struct worker *w)
{
	noters[id] = w;
}

const struct worker *checkpoint_worker(unsigned id)
{
	return noters[id];
}

// noinline: once per SA and millisecond.
__attribute__((noinline)) void checkpoint_note(struct worker *w, struct sa *sa)
{
	uint32_t handle = sa->handle;

	// a full ring: the next packet tries again
	if (w->noted && rte_ring_sp_enqueue_elem(w->noted, &handle, sizeof(handle)) == 0)
		__atomic_store_n(&sa->noted, 1, __ATOMIC_RELAXED);
}

void checkpoint_moved(unsigned group, uint64_t by)
{
	moved[group] += by;
}

static bool edge_tell(struct sa *sa, dp_checkpoint_fn fn, void *ctx)
{
	uint64_t edge = __atomic_load_n(&sa->seq, __ATOMIC_RELAXED);

	if (edge <= sa->edge_told)
		return false;
	// the first one tells nothing of how often it is looked
	if (sa->edge_told && edge - sa->edge_told > step_max[sa->conf.group])
		step_max[sa->conf.group] = edge - sa->edge_told;
	checkpoint_moved(sa->conf.group, edge - sa->edge_told);
	sa->edge_told = edge;
	fn(ctx, sa->conf.id, sa->conf.group, edge);
	return true;
}

static unsigned again_poll(dp_checkpoint_fn fn, void *ctx)
{
	unsigned told = 0;

	for (unsigned i = 0; i < again_count; i++) {
		struct sa *sa = sad_get(again[i]);

		told += sa && edge_tell(sa, fn, ctx);
	}
	again_count = 0;
	return told;
}

static unsigned worker_poll(struct worker *w, dp_checkpoint_fn fn, void *ctx, unsigned max)
{
	unsigned told = 0;
	uint32_t handle;

	while (told < max && again_count < AGAIN_MAX &&
	       rte_ring_sc_dequeue_elem(w->noted, &handle, sizeof(handle)) == 0) {
		struct sa *sa = sad_get(handle);

		if (!sa)
			continue;
		__atomic_store_n(&sa->noted, 0, __ATOMIC_SEQ_CST);
		again[again_count++] = handle;
		told += edge_tell(sa, fn, ctx);
	}
	return told;
}

unsigned dp_checkpoint_poll(dp_checkpoint_fn fn, void *ctx, unsigned max)
{
	unsigned told = again_poll(fn, ctx);

	for (unsigned i = 0; i < WORKER_MAX && told < max; i++)
		if (noters[i] && noters[i]->noted)
			told += worker_poll(noters[i], fn, ctx, max - told);
	return told;
}

uint64_t dp_checkpoint_step(unsigned group)
{
	return group < DP_GROUPS ? step_max[group] : 0;
}

uint64_t dp_checkpoint_packets(unsigned group)
{
	return group < DP_GROUPS ? moved[group] : 0;
}
