// DPDK's environment layer. The calling thread becomes the main lcore without being tied to a
// core; workers get one lcore each, tied to a core only when the operator named cores. What the
// library wants to say goes to standard error; the first line of a failure, which names the cause,
// is kept for error sentences.
#include "eal.h"
#include "fib.h"
#include "log.h"
#include "loop.h"

#include <ctype.h>
#include <dirent.h>
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
#define QUIET_US  600000000u  // for which a line of the library is not said again

static char first_line[200];
static bool started, huge;
static int cores[RTE_MAX_LCORE], core_count;

// A device that does not come up is tried again and again: what was said of it is not said each
// time.
static bool said_lately(const char *line)
{
	static struct {
		char text[sizeof(first_line)];
		uint64_t at_us;
	} said[8];
	uint64_t now = loop_clock_us();
	unsigned oldest = 0;

	for (unsigned i = 0; i < 8; i++) {
		if (said[i].at_us && strcmp(said[i].text, line) == 0 &&
		    now - said[i].at_us < QUIET_US)
			return true;
		if (said[i].at_us < said[oldest].at_us)
			oldest = i;
	}
	said[oldest].at_us = now;
	snprintf(said[oldest].text, sizeof(said[oldest].text), "%s", line);
	return false;
}

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	char line[sizeof(first_line)];
	size_t n = len < sizeof(line) ? len : sizeof(line) - 1;

	memcpy(line, text, n);
	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	line[n] = 0;
	if (!first_line[0])
		memcpy(first_line, line, sizeof(line));
	if (!said_lately(line))
		fwrite(text, 1, len, stderr);
	return (ssize_t)len;
}

const char *eal_error(void)
{
	return first_line;
}

void eal_error_reset(void)
{
	first_line[0] = 0;
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

// Kilobytes in hugepages that nobody uses or has been promised, of one size ("hugepages-2048kB").
static unsigned long hugepages_of(const char *size)
{
	static const char *const files[] = {"free_hugepages", "resv_hugepages"};
	unsigned long kb = 0, pages[2] = {0};
	char path[128];

	if (sscanf(size, "hugepages-%lukB", &kb) != 1)
		return 0;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%.40s/%s", size, files[i]);
		FILE *f = fopen(path, "r");
		if (!f || fscanf(f, "%lu", &pages[i]) != 1)
			pages[i] = 0;
		if (f)
			fclose(f);
	}
	return pages[0] > pages[1] ? (pages[0] - pages[1]) * kb : 0;
}

static unsigned long hugepages_free_mb(void)
{
	DIR *d = opendir("/sys/kernel/mm/hugepages");
	unsigned long kb = 0;

	for (const struct dirent *e; d && (e = readdir(d));)
		kb += hugepages_of(e->d_name);
	if (d)
		closedir(d);
	return kb / 1024;
}

static unsigned memory_mb(const struct dp_params *p)
{
	return p->memory_mb ? p->memory_mb : MEMORY_MB + fib_memory_mb(p->routes);
}

// DPDK starts once in a process: with too few it would not start at all.
static bool hugepages_suffice(const struct dp_params *p)
{
	unsigned long free_mb = hugepages_free_mb();

	if (free_mb >= memory_mb(p))
		return true;
	log_event("DATAPLANE", LOG_L_NOTICE, "NO_HUGEPAGES",
		  "%lu MB in free hugepages, %u MB are needed: running on ordinary memory, slower",
		  free_mb, memory_mb(p));
	return false;
}

// Without hugepages no real device can work, so the bus is not even searched.
static const char *const memory_kind[2][4] = {
	{"--no-huge", "--no-shconf", "--no-pci"},
	{"--in-memory"},
};

static int init(const struct dp_params *p, bool with_huge, struct err *err)
{
	char allowed[512], lcores[8192], prefix[64], memory[16], *argv[ARGS_MAX];
	int argc = 0;

	allowed_format(allowed, sizeof(allowed));
	lcores_format(p->workers, allowed, lcores, sizeof(lcores));
	snprintf(prefix, sizeof(prefix), "tandem-%s", p->instance ? p->instance : "0");
	snprintf(memory, sizeof(memory), "%u", memory_mb(p));
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
			       first_line[0] ? first_line : rte_strerror(rte_errno));
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
	huge = p->hugepages && hugepages_suffice(p);
	return init(p, huge, err);
}
