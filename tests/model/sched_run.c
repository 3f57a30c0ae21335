// The schedule: time, the adversary, and the verdict.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched.h"

#define PEACE_US 3000000

struct world world;

uint64_t rnd(uint64_t below)
{
	// xorshift64*: the schedule is a function of its seed
	uint64_t x = world.rng;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	world.rng = x;
	x *= 2685821657736338717ull;
	return below ? (x >> 11) % below : 0;
}

bool one_in(unsigned n)
{
	return rnd(n) == 0;
}

void fail(const char *fmt, ...)
{
	va_list ap;

	if (world.failed)
		return;
	world.failed = true;
	va_start(ap, fmt);
	vsnprintf(world.why, sizeof(world.why), fmt, ap);
	va_end(ap);
	trace("FAILED: %s", world.why);
}

void trace(const char *fmt, ...)
{
	va_list ap;

	if (!world.trace)
		return;
	printf("%9.3f ", (double)world.now / 1000);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

// ---- the adversary -----------------------------------------------------------------------------
enum fault { BOX, GATEWAY, STANDBY, LINK, HELLOS, PARTITION, SWITCH, PAUSE, CONFIG, FAULTS };
struct plan {
	enum fault what;
	uint64_t at, until;
	unsigned box;
	bool begun, ended;
};

static unsigned plans_make(struct plan *plan, uint64_t *end)
{
	unsigned n = 1 + (unsigned)rnd(PLANS);
	unsigned kinds = world.again ? (unsigned)FAULTS : (unsigned)CONFIG;
	unsigned allowed = (unsigned)rnd(1 << kinds);
	uint64_t span = 300000 + rnd(2500000), begin = world.again ? 0 : 600000;

	if (allowed == 0)
		allowed = 1 << kinds;
	for (unsigned i = 0; i < n; i++) {
		do {
			plan[i].what = (enum fault)rnd(kinds);
		} while (allowed < 1u << kinds && !(allowed >> plan[i].what & 1));
		plan[i].at = world.now + begin + rnd(span);
		plan[i].until = plan[i].at + (one_in(3) ? rnd(30000) : rnd(700000));
		plan[i].box = (unsigned)rnd(BOXES);
		plan[i].begun = plan[i].ended = false;
	}
	*end = world.now + begin + span + 700000;
	return n;
}

// An operator at work: another priority, other timers, and what both boxes must have alike differs
// for a while.
static void config_change(struct box *b, bool other)
{
	trace("box %u: configuration %s", b->n, other ? "changes" : "is the other box's again");
	if (one_in(2))
		b->priority = one_in(2) ? 100 : 110;
	b->digest_other = other;
	// shorter ones, of one or of both; the windows of the checks are those of the longer
	bool quick = other && one_in(2), both = one_in(2);
	// a claim waits for hold / 5: what the link, and the steps of four processes, must not take
	quick = quick && 4 * world.delay_us + 4 * TICK_US < HOLD_MS / 2 * 1000 / 5;
	for (unsigned n = 0; n < BOXES; n++) {
		if (n != b->n && !both)
			continue;
		world.box[n].hello_ms = quick ? HELLO_MS / 2 : HELLO_MS;
		world.box[n].hold_ms = quick ? HOLD_MS / 2 : HOLD_MS;
	}
	if (b->pair)
		box_digest(b);
}

static void fault_begin(struct plan *f)
{
	struct box *b = &world.box[f->box];

	world.stats[STAT_FAULTS]++;
	switch (f->what) {
	case BOX:
		if (b->up)
			box_power(b, false);
		break;
	case GATEWAY:
		if (b->up && b->gateway_up)
			gateway_end(b);
		break;
	case STANDBY:
		if (b->up && b->standby_up)
			standby_crash(b);
		break;
	case PARTITION:
	case LINK:
		trace("link broken");
		world.wire = false;
		link_break(40000);
		if (f->what == LINK)
			break;
		__attribute__((fallthrough));
	case HELLOS:
		trace("hellos lost");
		world.hears[0] = f->what == HELLOS && f->box == 0;
		world.hears[1] = f->what == HELLOS && f->box == 1;
		break;
	case SWITCH:
		if (b->gateway_up && b->attached && agent_switch(b->agent, world.now) == 0) {
			trace("box %u: switchover asked for", b->n);
			world.stats[STAT_PLANNED]++;
		}
		break;
	case PAUSE:
		if (one_in(2)) {
			trace("box %u: standby process pauses", b->n);
			b->standby_pause = f->until;
		} else {
			trace("box %u: gateway process pauses", b->n);
			b->gateway_pause = f->until;
		}
		break;
	case CONFIG: config_change(b, true); break;
	case FAULTS: break;
	}
}

static void fault_end(struct plan *f)
{
	struct box *b = &world.box[f->box];

	switch (f->what) {
	case BOX:
		if (!b->up)
			box_power(b, true);
		break;
	case GATEWAY:
		if (b->up && !b->gateway_up) {
			world.stats[STAT_RESTARTS]++;
			gateway_start(b);
		}
		break;
	case STANDBY:
		if (b->up && !b->standby_up)
			standby_start(b);
		break;
	case LINK: world.wire = true; break;
	case PARTITION:
		world.wire = true;
		world.hears[0] = world.hears[1] = true;
		break;
	case HELLOS: world.hears[0] = world.hears[1] = true; break;
	case CONFIG: config_change(b, false); break;
	default: break;
	}
}

static void adversary(struct plan *plan, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!plan[i].begun && world.now >= plan[i].at) {
			plan[i].begun = true;
			fault_begin(&plan[i]);
		}
		if (plan[i].begun && !plan[i].ended && world.now >= plan[i].until) {
			plan[i].ended = true;
			fault_end(&plan[i]);
		}
	}
}

// Everything is mended.
static void peace(void)
{
	trace("peace");
	world.wire = world.hears[0] = world.hears[1] = true;
	for (unsigned n = 0; n < BOXES; n++) {
		struct box *b = &world.box[n];
		b->standby_pause = b->gateway_pause = 0;
		if (!b->up)
			box_power(b, true);
		if (!b->standby_up)
			standby_start(b);
		if (!b->gateway_up)
			gateway_start(b);
	}
}

// ---- the run -----------------------------------------------------------------------------------
static void step(void)
{
	unsigned first = (unsigned)rnd(BOXES);

	world.now += TICK_US;
	link_step();
	for (unsigned n = 0; n < BOXES; n++)
		box_step(&world.box[(first + n) % BOXES]);
	check_pairs();
}

void run_begin(uint64_t seed, bool tracing)
{
	uint8_t *mem[BOXES] = {world.box[0].mem, world.box[1].mem};

	memset(&world, 0, sizeof(world));
	world.seed = seed;
	world.rng = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	world.trace = tracing;
	world.now = 1000000;
	world.wire = true;
	world.hears[0] = world.hears[1] = true;
	world.delay_us = one_in(2) ? 200 : (unsigned)rnd(8000);
	world.window = one_in(3) ? 4 : 256;
	world.ring = one_in(3) ? 8 : 1024;
	world.sweep = seed % 3 ? 1 + (unsigned)(seed % 5) : 0;
	for (unsigned n = 0; n < BOXES; n++) {
		world.box[n].n = n;
		world.box[n].mem = mem[n];
		world.box[n].priority = one_in(2) ? 100 : 110;
		world.box[n].hello_ms = HELLO_MS;
		world.box[n].hold_ms = HOLD_MS;
	}
	check_reset();
	for (unsigned n = 0; n < BOXES; n++)
		box_power(&world.box[n], true);
}

void run_end(void)
{
	for (unsigned n = 0; n < BOXES; n++) {
		if (world.box[n].up)
			box_power(&world.box[n], false);
		queue_clear(&world.to[n]);
	}
}

void run_for(uint64_t us)
{
	uint64_t until = world.now + us;

	while (!world.failed && world.now < until)
		step();
}

void run_faults(bool mend)
{
	struct plan plan[PLANS];
	bool stable = false;
	uint64_t until;
	unsigned n = plans_make(plan, &until);

	while (!world.failed && world.now < until) {
		step();
		adversary(plan, n);
	}
	if (!mend)
		return;
	peace();
	uint64_t peace_at = world.now;
	while (!world.failed && world.now < peace_at + PEACE_US) {
		step();
		stable = check_stable();
		if (stable && world.now > peace_at + 500000)
			break;
	}
	if (!world.failed && !stable)
		fail("I14: no box works with the other one hot and fresh behind it");
}

static void roles_print(void)
{
	for (unsigned i = 0; i < BOXES; i++) {
		struct ha_role r;
		if (!world.box[i].pair)
			continue;
		pair_role(world.box[i].pair, &r);
		printf("box %u: role %u peer %u link %u hot %u fresh %u alone %u bulk %u session "
		       "%ju working %d active %d\n",
		       i, r.mine, r.peers, r.link, r.hot, r.fresh, r.alone, r.bulk,
		       (uintmax_t)r.session, world.box[i].working, world.box[i].active);
	}
}

int schedule_run(uint64_t seed, bool tracing)
{
	run_begin(seed, tracing);
	run_faults(true);
	if (tracing)
		roles_print();
	bool failed = world.failed;
	run_end();
	world.failed = failed;
	return failed ? -1 : 0;
}
