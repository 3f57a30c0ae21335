// See loop_watch.h. The clock is read around every callback; processor time, which costs a system
// call, at its begin, and at its end only when it took long enough to matter.
#include "loop_watch.h"

#include <time.h>

#include "log.h"

#define CALLBACK_MAX_US 5000  // longer ones are counted and logged
#define CPU_LOOK_US     1000  // from here on it is asked what the processor was used for

static uint64_t cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint32_t clamp(uint64_t us)
{
	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void watch_enter(struct loop_watch *w, uint64_t now_us)
{
	w->began_us = now_us;
	w->began_cpu_us = cpu_us();
}

void watch_leave(struct loop_watch *w, const char *name)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	uint64_t took = loop_clock_us() - w->began_us;

	if (took < CPU_LOOK_US) {
		if (took > w->stats.longest_us)
			w->stats.longest_us = (uint32_t)took;
		return;
	}
	uint64_t cpu = cpu_us() - w->began_cpu_us;
	if (took > w->stats.longest_us)
		w->stats.longest_us = clamp(took);
	if (cpu > w->stats.longest_cpu_us) {
		w->stats.longest_cpu_us = clamp(cpu);
		w->stats.longest_cpu_name = name;
	}
	if (took <= CALLBACK_MAX_US)
		return;
	w->stats.overruns++;
	w->stats.overruns_cpu += cpu > CALLBACK_MAX_US;
	log_event_limited(&rl, "LOOP", LOG_L_WARNING, "OVERRUN",
			  "%s ran for %ju ms, %ju ms of processor time", name,
			  (uintmax_t)(took / 1000), (uintmax_t)(cpu / 1000));
}
