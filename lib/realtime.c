// Real-time scheduling.
//
// A nice value only weighs: on a busy core a thread that wakes up every 50 ms may still find tens
// of milliseconds of others' work before its own. A real-time thread runs when it wakes up. The
// kernel leaves 5 % of a core to others (sched_rt_runtime_us), should one of ours ever not sleep.
#include "realtime.h"

#include <errno.h>
#include <sched.h>

int realtime_self(enum realtime_level level, bool inherited)
{
	const struct sched_param param = {.sched_priority = (int)level};
	int policy = SCHED_RR | (inherited ? 0 : SCHED_RESET_ON_FORK);

	return sched_setscheduler(0, policy, &param) ? -errno : 0;
}

int realtime_mutex(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;
	int rc = pthread_mutexattr_init(&attr);

	if (rc)
		return -rc;
	rc = pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	if (!rc)
		rc = pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
	return -rc;
}
