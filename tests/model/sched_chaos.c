// Chaos: one pair of boxes lives for hours of simulated time, under the adversary of the schedules,
// with SAs made, renewed and deleted all the while, and configurations that change. Everything that
// a schedule checks is checked at each step; memory is bounded.

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "sched.h"

#define HOUR_US    3600000000ull
#define FREE_US    2000000     // longer than any word or message is under way
#define MEMORY_MAX (8u << 20)  // beside the mirrors

static bool held(struct box *b, unsigned i)
{
	struct ha_sa sa;

	if (b->sa[i].there || b->made[i] || b->unmade[i])
		return true;
	if (!b->up)
		return false;
	return !b->mirror || mirror_get(b->mirror, sa_id(i), &sa);
}

// A place whose SA nobody has had for a while: not the boxes, not their mirrors, not the peer.
unsigned check_place(void)
{
	struct world *w = &world;
	unsigned i = (unsigned)rnd(SAS);

	if (!w->again)
		return SAS;
	if (w->peer[i].established || held(&w->box[0], i) || held(&w->box[1], i)) {
		w->free[i] = 0;
		return SAS;
	}
	if (w->free[i] == 0)
		w->free[i] = w->now;
	if (w->now < w->free[i] + FREE_US)
		return SAS;
	w->free[i] = 0;
	w->gen[i]++;
	w->spans[i] = 0;
	w->peer[i] = (struct peer_sa){0};
	for (unsigned n = 0; n < BOXES; n++)
		w->box[n].due[i] = w->box[n].listed[i] = w->box[n].forgot[i] = 0;
	return i;
}

static void memory_check(void)
{
	struct mallinfo2 m = mallinfo2();

	size_t used = m.uordblks + m.hblkhd;
	if (used > MEMORY_MAX + BOXES * box_mirror_bytes())
		fail("%zu bytes of memory are in use", used);
}

int chaos_run(uint64_t seed, double hours, bool tracing, double from)
{
	uint64_t episodes = 0, end;

	run_begin(seed, tracing && from <= 0);
	world.again = true;
	end = world.now + (uint64_t)(hours * (double)HOUR_US);
	run_for(600000);
	while (!world.failed && world.now < end) {
		world.trace = tracing && (double)world.now >= from * HOUR_US;
		// quiet for a while, mostly; sometimes the next fault finds what the last one left
		bool mended = !one_in(4);
		run_faults(mended);
		if (mended)
			run_for(one_in(4) ? rnd(20000000) : rnd(1000000));
		memory_check();
		episodes++;
	}
	printf("seed %ju: %.2f hours, %ju episodes, identities", (uintmax_t)seed,
	       (double)world.now / (double)HOUR_US, (uintmax_t)episodes);
	uint64_t ids = 0;
	for (unsigned i = 0; i < SAS; i++)
		ids += world.gen[i] + 1;
	printf(" %ju, %zu bytes in use\n", (uintmax_t)ids, mallinfo2().uordblks);
	bool failed = world.failed;
	run_end();
	world.failed = failed;
	return failed ? -1 : 0;
}
