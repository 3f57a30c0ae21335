// Real-time scheduling of the few threads that must be punctual (hellos, leases).
#pragma once

#include <pthread.h>
#include <stdbool.h>

// Levels, higher goes first. A worker is never one: it polls, and would starve all others.
enum realtime_level {
	REALTIME_STANDBY = 1,  // tandem-standby: leases, acknowledgements
	REALTIME_CONTROL = 2,  // the control thread of tandemd: hellos
};

// Puts the calling thread under SCHED_RR at that level. `inherited`: threads that it makes later,
// too; otherwise they, and processes, start as ordinary ones at nice 0. A thread under it must
// never spin for one that is not: on one core that one would not run. 0, or -errno (-EPERM without
// CAP_SYS_NICE): nothing has changed.
int realtime_self(enum realtime_level level, bool inherited);

// A mutex for data that such a thread shares with others: its holder runs at the waiter's level
// meanwhile (priority inheritance). 0 or -errno.
int realtime_mutex(pthread_mutex_t *m);
