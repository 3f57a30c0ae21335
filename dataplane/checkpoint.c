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
#define BATCH     32u

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
	uint32_t handle = sa->note;

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

// Of a hundred thousand SAs none is in the cache: all of a handful are on their way at once.
static unsigned batch_find(const uint32_t *handles, unsigned n, struct sa **sas)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sa *sa = sad_get(handles[i]);

		if (!sa)
			continue;
		__builtin_prefetch(&sa->noted);
		__builtin_prefetch(&sa->seq);
		__builtin_prefetch(&sa->edge_told);
		__builtin_prefetch(&sa->conf.id);
		__builtin_prefetch(&sa->conf.group);
		sas[found++] = sa;
	}
	return found;
}

static unsigned again_poll(dp_checkpoint_fn fn, void *ctx)
{
	struct sa *sas[BATCH];
	unsigned told = 0;

	for (unsigned at = 0; at < again_count; at += BATCH) {
		unsigned n = batch_find(again + at, RTE_MIN(again_count - at, BATCH), sas);

		for (unsigned i = 0; i < n; i++)
			told += edge_tell(sas[i], fn, ctx);
	}
	again_count = 0;
	return told;
}

static unsigned worker_poll(struct worker *w, dp_checkpoint_fn fn, void *ctx, unsigned max)
{
	uint32_t handles[BATCH];
	struct sa *sas[BATCH];
	unsigned told = 0;

	while (told < max && again_count + BATCH <= AGAIN_MAX) {
		unsigned want = RTE_MIN(max - told, BATCH);
		unsigned n = rte_ring_sc_dequeue_burst_elem(w->noted, handles, sizeof(handles[0]),
							    want, NULL);

		if (n == 0)
			break;
		n = batch_find(handles, n, sas);
		for (unsigned i = 0; i < n; i++) {
			__atomic_store_n(&sas[i]->noted, 0, __ATOMIC_SEQ_CST);
			again[again_count++] = sas[i]->handle;
			told += edge_tell(sas[i], fn, ctx);
		}
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

uint64_t dp_group_sealed(unsigned group)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WORKER_MAX && group < DP_GROUPS; i++)
		if (noters[i])
			sum += __atomic_load_n(&noters[i]->group_sent[group], __ATOMIC_RELAXED);
	return sum;
}

uint64_t dp_checkpoint_packets(unsigned group)
{
	return group < DP_GROUPS ? moved[group] : 0;
}
