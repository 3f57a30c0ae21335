// What this box carries, what the other one does, and what it would be together (S12): with two
// groups each box must be able to carry both.
//
// Packets of both directions count. The other box tells with its leases what its groups carry; one
// of a release that does not is known from the edges of its SAs, inbound alone. How much of this
// box it would take follows from what its own traffic takes.

#include <string.h>

#include "log.h"
#include "redundancy.h"

#define WORKERS_MAX 16
#define SAMPLE_MS   5000
#define LIMIT       70  // per cent of one box, as the reference advises
#define LONG        12  // samples over it before it is said

static struct {
	uint64_t at_ms, moved[HA_GROUPS_MAX + 1], sealed[HA_GROUPS_MAX + 1];
	uint64_t busy[WORKERS_MAX], total[WORKERS_MAX];
	unsigned over;
	struct redundancy_load now;
} load;

static unsigned busiest(void)
{
	unsigned percent = 0;

	for (unsigned i = 0; i < dp_workers() && i < WORKERS_MAX; i++) {
		struct dp_worker_stats st = {0};
		if (dp_worker_get(i, &st))
			continue;
		uint64_t busy = st.busy_cycles - load.busy[i],
			 total = st.total_cycles - load.total[i];
		// the counters may have been cleared in between
		if (st.total_cycles > load.total[i] && st.busy_cycles >= load.busy[i] && total &&
		    busy * 100 / total > percent)
			percent = (unsigned)(busy * 100 / total);
		load.busy[i] = st.busy_cycles;
		load.total[i] = st.total_cycles;
	}
	return percent;
}

unsigned redundancy_load_together(uint64_t here, uint64_t other, unsigned percent)
{
	uint64_t all = here ? percent * (here + other) / here : percent;

	return all > 10000 ? 10000 : (unsigned)all;
}

static void judge(void)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	const struct redundancy_load *n = &load.now;

	// a worker that polls with little to do is busy with that: no word below one packet per ms
	if (!n->other_pps || n->here_pps + n->other_pps < 1000 || n->together_percent <= LIMIT) {
		load.over = 0;
		return;
	}
	if (++load.over != LONG)
		return;
	log_event_limited(
		&rl, "REDUNDANCY", LOG_L_WARNING, "LOAD",
		"Both boxes together carry about %u %% of what this one can: %u packets/s "
		"here at %u %%, %u at the other box; a failure of one may overload the "
		"other",
		n->together_percent, n->here_pps, n->busy_percent, n->other_pps);
}

// Workers that begin again count from 0.
static uint64_t grown(uint64_t *last, uint64_t now)
{
	uint64_t by = now >= *last ? now - *last : now;

	*last = now;
	return by;
}

void redundancy_load_tick(uint64_t now_ms)
{
	uint64_t here = 0, other = 0, one;

	if (!dp_running() || now_ms < load.at_ms + SAMPLE_MS)
		return;
	uint64_t passed = now_ms - load.at_ms;
	bool first = load.at_ms == 0;
	load.at_ms = now_ms;
	for (unsigned n = 1; n <= HA_GROUPS_MAX; n++) {
		struct redundancy_group *r = redundancy_get(n);
		uint64_t in = grown(&load.moved[n], dp_checkpoint_packets(n));
		uint64_t out = grown(&load.sealed[n], dp_group_sealed(n));
		if (!r || first)
			continue;
		one = (in + out) * 1000 / passed;
		r->load = r->working ? (uint32_t)one : 0;
		if (r->working)
			here += one;
		else
			other += r->role.peer_load != HA_LOAD_UNKNOWN ? r->role.peer_load : one;
	}
	unsigned percent = busiest();
	if (first)
		return;
	load.now = (struct redundancy_load){
		.here_pps = (uint32_t)here,
		.other_pps = (uint32_t)other,
		.busy_percent = percent,
		.together_percent = redundancy_load_together(here, other, percent),
	};
	judge();
}

void redundancy_load_get(struct redundancy_load *out)
{
	*out = load.now;
}
