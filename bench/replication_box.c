// tandem-bench replication: a gateway's process. As the daemon, but for what is not measured here:
// the data plane, the IKE engine, the agent and its standby process are the real ones; the kernel's
// tables, HSRP and the command line are left out.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "gateway.h"
#include "log.h"
#include "realtime.h"
#include "redundancy.h"
#include <rte_memory.h>

#include "replication.h"

struct gateway gateway;
struct rep_shared *rep_shared;
struct rep_box *rep_box;
struct config *rep_config_kept;

static struct {
	struct loop_timer poll;
	unsigned seen;
	bool running;
} me;

void rep_failed(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rep_box->trouble, sizeof(rep_box->trouble), fmt, ap);
	va_end(ap);
	atomic_store(&rep_box->failed, 1);
}

static void on_poll(void *ctx, uint64_t now_ms)
{
	unsigned command = atomic_load(&rep_box->command);
	enum rep_command what = (enum rep_command)atomic_load(&rep_box->what);
	bool begin = command != me.seen;

	if (!begin && !me.running)
		return;
	me.seen = command;
	me.running = !rep_work(what, begin);
	if (me.running)
		return;
	if (what == REP_END)
		loop_stop(gateway.loop);
	atomic_store(&rep_box->done, command);
}

static void log_open(unsigned box)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/gateway%u.log", rep_shared->dir, box);
	if (!freopen(path, "w", stderr))
		_exit(1);
	setvbuf(stderr, NULL, _IOLBF, 0);
	log_set_stderr_level(LOG_L_NOTICE);
}

// Control threads and standby processes on one processor, workers on another one.
static void processor_take(unsigned n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(n, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static int dataplane_start(unsigned box, struct err *err)
{
	static char instance[32];
	const struct dp_params p = {.workers = 1,
				    .cores = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "1" : NULL,
				    .idle_sleep_us = 50,
				    .instance = instance,
				    .memory_mb = 384 + rep_shared->tunnels / 80,
				    .routes = 1024};

	snprintf(instance, sizeof(instance), "bench-%d-%u", (int)getpid(), box);
	return dp_start(gateway.loop, &p, ike_net_dp_ops(), err);
}

static int segment_touch(const struct rte_memseg_list *list, const struct rte_memseg *seg,
			 void *arg)
{
	for (size_t at = 0; at < seg->len; at += 4096)
		__atomic_fetch_or((uint64_t *)((uint8_t *)seg->addr + at), 0, __ATOMIC_RELAXED);
	return 0;
}

static int start(unsigned box, struct err *err)
{
	static char rundir[160];

	snprintf(rundir, sizeof(rundir), "%s/%u", rep_shared->dir, box);
	gateway.rundir = rundir;
	gateway.standby_process = true;
	gateway.loop = loop_create(err);
	if (!gateway.loop)
		return -ENOMEM;
	int rc = ike_net_init(&gateway, err);
	if (!rc)
		rc = dataplane_start(box, err);
	// DPDK does so with hugepages; without them each first touch would cost a fault meanwhile
	if (!rc && rep_shared->touch)
		(void)rte_memseg_walk(segment_touch, NULL);
	if (!rc)
		rc = rep_traffic_start(rep_shared->tunnels, err);
	if (rc)
		return rc;
	struct config *c = rep_config(rep_shared->tunnels, box);
	uint32_t port = rep_traffic_port_out();
	gateway.tunnels = c ? tunnels_build(c, NULL, NULL, NULL, NULL, NULL) : NULL;
	if (!gateway.tunnels)
		return err_set(err, -ENOMEM, "no memory for the tunnels");
	rc = dp_policies_set(gateway.tunnels->policies, gateway.tunnels->policy_count, err);
	if (!rc)
		rc = dp_port_set_policy(port, gateway.tunnels->all[0]->group);
	if (!rc)
		rc = redundancy_start(&gateway, err);
	if (!rc && box == 0)
		rc = redundancy_apply(&gateway, c, err);
	if (!rc)
		rc = ike_configure(gateway.ike, c, gateway.tunnels, err);
	rep_config_kept = c;
	return rc;
}

int rep_box_main(struct rep_shared *s, unsigned box)
{
	struct err err = {0};

	rep_shared = s;
	rep_box = &s->box[box];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_open(box);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		processor_take(0);
	if (start(box, &err)) {
		rep_failed("%s", err.msg);
		return 1;
	}
	(void)realtime_self(REALTIME_CONTROL, false);
	loop_timer_init(&me.poll, gateway.loop, "bench", on_poll, NULL);
	loop_timer_repeat(&me.poll, 1);
	while (dp_policies_pending())
		(void)loop_turn(gateway.loop, 1);
	loop_clear_longest(gateway.loop);
	atomic_store(&rep_box->ready, true);
	int rc = loop_run(gateway.loop);
	redundancy_stop(&gateway);
	dp_stop();
	return rc ? 1 : 0;
}
