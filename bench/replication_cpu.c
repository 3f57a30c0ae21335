// tandem-bench replication: processor time of the four processes over a part of the run. On a
// machine shared with other work it says more than the clock does.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "replication.h"

// A thread's time on a processor, in nanoseconds.
static uint64_t thread_ns(pid_t pid, const char *tid)
{
	char path[300];
	uint64_t ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, tid);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%lu", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return ns;
}

static uint64_t process_ns(pid_t pid)
{
	char path[64];
	struct dirent *e;
	uint64_t sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *d = pid > 0 ? opendir(path) : NULL;
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			sum += thread_ns(pid, e->d_name);
	if (d)
		(void)closedir(d);
	return sum;
}

// Of a gateway its control thread, which is its first: workers poll without end.
void rep_cpu_read(pid_t gateway, pid_t standby, struct rep_cpu *out)
{
	char tid[16];

	snprintf(tid, sizeof(tid), "%d", (int)gateway);
	out->control = gateway > 0 ? (double)thread_ns(gateway, tid) / 1e9 : 0;
	out->standby = (double)process_ns(standby) / 1e9;
}
