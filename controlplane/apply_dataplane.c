// Commit hook: starts the data plane with the first configuration that has a port.
//
// Number and cores of workers are fixed for the life of the process; a later change is accepted
// into the configuration and said to need a restart.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"

#define IDLE_SLEEP_SHARED_US 50
#define WORKERS_MAX          16

static bool dataplane_wanted(const struct config *c)
{
	const struct interface_config *ifc;
	TAILQ_FOREACH (ifc, &c->interfaces, link)
		if (ifc->device == IF_DEV_VDEV || ifc->device == IF_DEV_PCI)
			return true;
	return c->dataplane.cores || c->dataplane.idle_kind != IDLE_SLEEP_DEFAULT ||
	       c->dataplane.workers > 1;
}

// Marks the cores of a list like "1,3-5"; false when it is not such a list.
static bool cores_parse(const char *list, uint64_t set[16])
{
	memset(set, 0, 16 * sizeof(set[0]));
	while (*list && *list != '\n') {
		char *end;
		unsigned long lo = strtoul(list, &end, 10), hi = lo;
		if (end == list)
			return false;
		if (*end == '-') {
			list = end + 1;
			hi = strtoul(list, &end, 10);
			if (end == list)
				return false;
		}
		if (lo > hi || hi >= 1024)
			return false;
		for (unsigned long i = lo; i <= hi; i++)
			set[i / 64] |= 1ull << (i % 64);
		if (*end && *end != ',' && *end != '\n')
			return false;
		list = *end == ',' ? end + 1 : end;
	}
	return true;
}

static bool cores_isolated(const char *cores)
{
	uint64_t want[16], isolated[16];
	char line[1024] = "";

	if (!cores || !cores_parse(cores, want))
		return false;
	FILE *f = fopen("/sys/devices/system/cpu/isolated", "re");
	if (!f)
		return false;
	bool got = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	if (!got || !cores_parse(line, isolated))
		return false;
	for (int i = 0; i < 16; i++)
		if (want[i] & ~isolated[i])
			return false;
	return true;
}

static int idle_sleep_us(const struct dataplane_config *d)
{
	if (d->idle_kind == IDLE_SLEEP_NEVER)
		return 0;
	if (d->idle_kind == IDLE_SLEEP_US)
		return (int)d->idle_us;
	// polling all the time is only polite on cores that nobody else wants
	return cores_isolated(d->cores) ? 0 : IDLE_SLEEP_SHARED_US;
}

int dataplane_validate(const struct config *c, struct err *err)
{
	uint64_t set[16];
	if (c->dataplane.workers > WORKERS_MAX)
		return err_set(err, -EINVAL, "At most %d workers", WORKERS_MAX);
	if (c->dataplane.cores && !cores_parse(c->dataplane.cores, set))
		return err_set(err, -EINVAL, "'%s' is not a list of cores like 1,3-5",
			       c->dataplane.cores);
	if (c->dataplane.cores) {
		unsigned n = 0, workers = c->dataplane.workers ? c->dataplane.workers : 1;
		for (int i = 0; i < 16; i++)
			n += (unsigned)__builtin_popcountll(set[i]);
		if (n < workers)
			return err_set(err, -EINVAL,
				       "dataplane cores names %u cores for %u workers", n, workers);
	}
	return 0;
}

// RUNDIR as a name that the data-plane library accepts in file names, the same at every start.
static void instance_name(const char *rundir, char *buf, size_t cap)
{
	size_t n = 0;
	for (const char *p = rundir; *p && n + 1 < cap; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
			     (*p >= 'A' && *p <= 'Z') || *p == '-';
		buf[n++] = plain ? *p : '_';
	}
	buf[n] = '\0';
}

static void resolve(void *ctx, uint32_t port, const struct ip_addr *addr)
{
	struct gateway *g = ctx;
	kernel_resolve(g->kernel, port, addr);
}

int dataplane_apply(struct gateway *g, const struct config *c, struct err *err)
{
	static char instance[64];

	if (dp_running() || g->stopping || !dataplane_wanted(c))
		return 0;
	instance_name(g->rundir, instance, sizeof(instance));
	snprintf(g->dp_cores, sizeof(g->dp_cores), "%s",
		 c->dataplane.cores ? c->dataplane.cores : "");
	g->dp_params = (struct dp_params){
		.workers = c->dataplane.workers ? c->dataplane.workers : 1,
		.cores = g->dp_cores[0] ? g->dp_cores : NULL,
		.idle_sleep_us = idle_sleep_us(&c->dataplane),
		.instance = instance,
		.hugepages = true,
		.routes = c->dataplane.routes,
		.eal_extra = g->eal_extra,
	};
	struct err why = {0};
	if (dp_start(g->loop, &g->dp_params, ike_net_dp_ops(), &why)) {
		// the rest of the box can still be configured and looked at
		snprintf(g->dp_trouble, sizeof(g->dp_trouble), "%s", why.msg);
		log_event("DATAPLANE", LOG_L_ERR, "START", "The data plane does not start: %s",
			  why.msg);
		return 0;
	}
	g->dp_trouble[0] = '\0';
	dp_set_resolver(resolve, g);
	kernel_feed(g->kernel, true);
	return 0;
}

void dataplane_warn(const struct gateway *g, const struct config *c, commit_warn_fn fn, void *ctx)
{
	if (g->dp_trouble[0])
		fn(ctx, g->dp_trouble);
	if (!dp_running())
		return;
	unsigned workers = c->dataplane.workers ? c->dataplane.workers : 1;
	const char *cores = c->dataplane.cores ? c->dataplane.cores : "";
	if (workers != g->dp_params.workers || strcmp(cores, g->dp_cores) != 0 ||
	    idle_sleep_us(&c->dataplane) != g->dp_params.idle_sleep_us)
		fn(ctx, "The change of the data plane's workers takes effect after a restart");
	if (c->dataplane.routes != g->dp_params.routes)
		fn(ctx, "The change of the data plane's routes takes effect after a restart");
}
