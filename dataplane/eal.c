// DPDK's environment layer. The calling thread becomes the main lcore without being tied to a
// core; workers get one lcore each, tied to a core only when the operator named cores. What the
// library wants to say goes to standard error; its last line is kept for error sentences.
#include "eal.h"
#include "fib.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MB 384  // tables (two of 32 MB), 16k packet buffers, SAs; pages come as touched
#define ARGS_MAX  64

static char last_line[200];
static bool started, huge;
static int cores[RTE_MAX_LCORE], core_count;

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	size_t n = len < sizeof(last_line) ? len : sizeof(last_line) - 1;

	memcpy(last_line, text, n);
	while (n && isspace((unsigned char)last_line[n - 1]))
		n--;
	last_line[n] = 0;
	fwrite(text, 1, len, stderr);
	return (ssize_t)len;
}

const char *eal_last_error(void)
{
	return last_line;
}

void eal_error_reset(void)
{
	last_line[0] = 0;
}

bool eal_hugepages(void)
{
	return huge;
}

int eal_worker_core(unsigned worker)
{
	return core_count ? cores[worker % (unsigned)core_count] : -1;
}

static void log_quiet(void)
{
	cookie_io_functions_t io = {.write = log_write};
	FILE *f = fopencookie(NULL, "w", io);

	if (f) {
		setvbuf(f, NULL, _IOLBF, 0);
		rte_openlog_stream(f);
	}
	rte_log_set_global_level(RTE_LOG_ERR);
}

// "1,3-5" -> cores[]
static int cores_parse(const char *list, unsigned workers, struct err *err)
{
	const char *s = list;

	core_count = 0;
	while (s && *s) {
		char *end;
		long lo = strtol(s, &end, 10), hi = lo;

		if (end != s && *end == '-') {
			s = end + 1;
			hi = strtol(s, &end, 10);
		}
		if (end == s || lo < 0 || hi < lo || hi >= CPU_SETSIZE ||
		    (*end != ',' && *end != '\0'))
			return err_set(err, -EINVAL, "\"%s\" is no list of cores", list);
		for (; lo <= hi && core_count < RTE_MAX_LCORE; lo++)
			cores[core_count++] = (int)lo;
		s = *end ? end + 1 : end;
	}
	if (list && core_count < (int)workers)
		return err_set(err, -EINVAL, "%u workers but only %d cores in \"%s\"", workers,
			       core_count, list);
	return 0;
}

// The processors this process may use, as EAL writes sets: "(0,1,5)".
static int allowed_format(char *out, size_t cap)
{
	cpu_set_t set;
	size_t n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (int i = 0; i < CPU_SETSIZE && n + 8 < cap; i++)
		if (CPU_ISSET(i, &set))
			n += (size_t)snprintf(out + n, cap - n, "%c%d", n ? ',' : '(', i);
	snprintf(out + n, cap - n, ")");
	return 0;
}

static void lcores_format(unsigned workers, const char *allowed, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "0@%s", allowed);

	for (unsigned i = 0; i < workers && n < cap; i++) {
		int core = eal_worker_core(i);

		if (core >= 0)
			n += (size_t)snprintf(out + n, cap - n, ",%u@%d", i + 1, core);
		else
			n += (size_t)snprintf(out + n, cap - n, ",%u@%s", i + 1, allowed);
	}
}

static unsigned long hugepages_free(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	unsigned long n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "HugePages_Free: %lu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

// Without hugepages no real device can work, so the bus is not even searched.
static const char *const memory_kind[2][4] = {
	{"--no-huge", "--no-shconf", "--no-pci"},
	{"--in-memory"},
};

static int init(const struct dp_params *p, bool with_huge, struct err *err)
{
	char allowed[512], lcores[8192], prefix[64], memory[16], *argv[ARGS_MAX];
	unsigned mb = p->memory_mb ? p->memory_mb : MEMORY_MB + fib_memory_mb(p->routes);
	int argc = 0;

	allowed_format(allowed, sizeof(allowed));
	lcores_format(p->workers, allowed, lcores, sizeof(lcores));
	snprintf(prefix, sizeof(prefix), "tandem-%s", p->instance ? p->instance : "0");
	snprintf(memory, sizeof(memory), "%u", mb);
	const char *fixed[] = {
		"tandemd", "--lcores",      lcores, "--main-lcore",   "0",           "-m",
		memory,    "--file-prefix", prefix, "--no-telemetry", "--log-level", "error"};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		argv[argc++] = (char *)(uintptr_t)fixed[i];
	for (size_t i = 0; memory_kind[with_huge][i]; i++)
		argv[argc++] = (char *)(uintptr_t)memory_kind[with_huge][i];
	for (char *const *e = p->eal_extra; e && *e && argc < ARGS_MAX - 1; e++)
		argv[argc++] = *e;
	argv[argc] = NULL;
	eal_error_reset();
	if (rte_eal_init(argc, argv) < 0)
		return err_set(err, -(rte_errno ? rte_errno : EIO), "DPDK does not start: %s",
			       last_line[0] ? last_line : rte_strerror(rte_errno));
	return 0;
}

int eal_start(const struct dp_params *p, struct err *err)
{
	int rc = cores_parse(p->cores, p->workers, err);

	if (rc)
		return rc;
	if (started)
		return err_set(err, -EALREADY, "DPDK starts only once in a process");
	started = true;
	log_quiet();
	huge = p->hugepages && hugepages_free() > 0;
	if (p->hugepages && !huge)
		log_event("DATAPLANE", LOG_L_NOTICE, "NO_HUGEPAGES",
			  "No free hugepages: running on ordinary memory, slower");
	return init(p, huge, err);
}
