// Inside the loop: how long callbacks take, by the clock and in processor time. A callback that
// waited for a processor did nothing wrong; one that used it for long did.
#pragma once

#include "loop.h"

struct loop_watch {
	uint64_t began_us, began_cpu_us;
	struct loop_stats stats;
};

void watch_enter(struct loop_watch *w, uint64_t now_us);
// name: a static string; the callback may have freed everything else.
void watch_leave(struct loop_watch *w, const char *name);
