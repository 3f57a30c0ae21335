// tandem-bench replication: two gateways with synthetic SAs, and what it takes to keep the second
// one ready: the state of all SAs when it joins, changes, checkpoints, a take-over. This file:
// options, the two processes and their namespaces, the order of things, the table.
//
// It needs root: network namespaces, and SCTP over raw sockets. Everything it makes ends with it.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "json.h"
#include "replication.h"

static struct rep_shared *s;
static pid_t pid[2], standby_pid[2];
static const char *json_file;
static bool keep, power_off;

static const char usage[] =
	"usage: tandem-bench replication [options]\n"
	"  --tunnels N   tunnels: an IKE SA and a pair of IPsec SAs each (100000)\n"
	"  --seconds N   how long SAs change (5)\n"
	"  --rounds N    turns without, with, with, without checkpoints (40)\n"
	"  --quiet       no traffic while the second gateway joins\n"
	"  --untouched   the data plane's memory is touched when it is used, not at the start\n"
	"  --power-off   the first box loses both its processes, not only the gateway's\n"
	"  --keep        leave the logs (in /dev/shm)\n"
	"  --json FILE   write {machine, ...} there\n";

// ---- processes ---------------------------------------------------------------------------------
static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return system(line) ? -EIO : 0;
}

static void child_run(unsigned box)
{

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || run("ip link set lo up")) {
		fprintf(stderr, "tandem-bench: a network namespace needs root\n");
		_exit(77);
	}
	atomic_store(&s->box[box].ready, true);
	while (!atomic_load(&s->linked))
		usleep(1000);
	atomic_store(&s->box[box].ready, false);
	int rc = rep_box_main(s, box);
	_exit(rc);
}

static bool ended(unsigned box)
{
	int status;

	if (pid[box] <= 0 || waitpid(pid[box], &status, WNOHANG) != pid[box])
		return false;
	pid[box] = 0;
	return true;
}

static int ready_wait(unsigned box)
{
	while (!atomic_load(&s->box[box].ready)) {
		if (ended(box))
			return -EIO;
		usleep(1000);
	}
	return 0;
}

static int boxes_start(void)
{
	for (unsigned b = 0; b < 2; b++) {
		char path[200];

		snprintf(path, sizeof(path), "%s/%u", s->dir, b);
		(void)mkdir(path, 0700);
		pid[b] = fork();
		if (pid[b] == 0)
			child_run(b);
		if (pid[b] < 0 || ready_wait(b))
			return -EIO;
	}
	if (run("nsenter -t %d -n ip link add rep0 type veth peer name rep1 netns %d", pid[0],
		pid[1]) ||
	    run("nsenter -t %d -n ip addr add 10.99.0.1/24 dev rep0", pid[0]) ||
	    run("nsenter -t %d -n ip addr add 10.99.0.2/24 dev rep1", pid[1]) ||
	    run("nsenter -t %d -n ip link set rep0 up", pid[0]) ||
	    run("nsenter -t %d -n ip link set rep1 up", pid[1]))
		return -EIO;
	for (unsigned b = 0; b < 2; b++)
		atomic_store(&s->box[b].ready, false);
	atomic_store(&s->linked, true);
	for (unsigned b = 0; b < 2; b++)
		if (ready_wait(b))
			return -EIO;
	return 0;
}

static int command(unsigned box, enum rep_command what, unsigned seconds)
{
	struct rep_box *b = &s->box[box];
	unsigned number = atomic_load(&b->command) + 1;

	atomic_store(&b->what, what);
	atomic_store(&b->command, number);
	for (uint64_t ms = 0; atomic_load(&b->done) != number; ms++) {
		if (ended(box))
			return -EIO;
		if (atomic_load(&b->failed) || ms > seconds * 1000ull) {
			fprintf(stderr, "tandem-bench: gateway %u, step %d: %s\n", box, what,
				b->trouble[0] ? b->trouble : "it takes too long");
			return -ETIMEDOUT;
		}
		usleep(1000);
	}
	return atomic_load(&b->failed) ? -EIO : 0;
}

// The only child of a gateway: its standby process, which outlives it.
static void child_note(unsigned box)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid[box], pid[box]);
	f = pid[box] > 0 ? fopen(path, "r") : NULL;
	if (f && fscanf(f, "%d", &standby_pid[box]) != 1)
		standby_pid[box] = 0;
	if (f)
		fclose(f);
}

static void kill_gateway(unsigned box)
{
	child_note(box);
	if (pid[box] > 0) {
		kill(pid[box], SIGKILL);
		(void)waitpid(pid[box], NULL, 0);
	}
	pid[box] = 0;
}

static void kill_box(unsigned box)
{
	child_note(box);
	if (standby_pid[box] > 0)
		kill(standby_pid[box], SIGKILL);
	standby_pid[box] = 0;
	kill_gateway(box);
}

// ---- figures -----------------------------------------------------------------------------------
static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

// Of the turns' own ratios: the quartiles.
static void checkpoint_cost(const struct rep_figures *f, double cost[3])
{
	double ratio[REP_WINDOWS];
	unsigned n = 0;

	for (unsigned i = 0; i < f->windows; i++) {
		// not one in which the worker had no turn at all
		if (f->cycles_off[i] > 0 && f->cycles_on[i] > 0)
			ratio[n++] = f->cycles_on[i] / f->cycles_off[i] - 1;
	}
	qsort(ratio, n, sizeof(ratio[0]), order);
	for (unsigned q = 0; q < 3; q++)
		cost[q] = n ? ratio[(q + 1) * n / 4] : 0;
}

static struct rep_cpu cpu_before[2];

static void cpu_note(void)
{
	for (unsigned b = 0; b < 2; b++) {
		child_note(b);
		rep_cpu_read(pid[b], standby_pid[b], &cpu_before[b]);
	}
}

static double cpu_print(const char *what)
{
	struct rep_cpu d[2];
	double sum = 0;

	for (unsigned b = 0; b < 2; b++) {
		child_note(b);
		rep_cpu_read(pid[b], standby_pid[b], &d[b]);
		d[b].control -= cpu_before[b].control;
		d[b].standby -= cpu_before[b].standby;
		sum += d[b].control + d[b].standby;
	}
	printf("  processor time, %s: %.2f s (control threads %.2f and %.2f, standby processes "
	       "%.2f "
	       "and %.2f)\n",
	       what, sum, d[0].control, d[1].control, d[0].standby, d[1].standby);
	return sum;
}

static void longest_print(const char *what, const struct rep_figures *a,
			  const struct rep_figures *b)
{
	printf("  longest callback, %s: gateways %.1f and %.1f ms, standby processes %.1f and %.1f "
	       "ms\n",
	       what, a->gateway_longest_us / 1e3, b->gateway_longest_us / 1e3,
	       a->standby_longest_us / 1e3, b->standby_longest_us / 1e3);
	printf("  ... in processor time: gateways %.1f (%s) and %.1f (%s) ms, standby processes "
	       "%.1f and %.1f ms\n",
	       a->gateway_cpu_us / 1e3, a->gateway_cpu_name, b->gateway_cpu_us / 1e3,
	       b->gateway_cpu_name, a->standby_cpu_us / 1e3, b->standby_cpu_us / 1e3);
	fflush(stdout);
}

static void json_write(const double cost[3])
{
	const struct rep_figures *a = &s->box[0].f, *b = &s->box[1].f;
	struct json *w = json_create();
	FILE *f = w ? fopen(json_file, "w") : NULL;

	if (!f) {
		perror(json_file);
		json_destroy(w);
		return;
	}
	json_obj(w, NULL);
	json_u64(w, "tunnels", s->tunnels);
	json_double(w, "join_hot_s", b->join_hot_s);
	json_double(w, "join_installed_s", b->join_installed_s);
	json_double(w, "join_cpu_s", s->cpu_bulk_s);
	json_double(w, "change_cpu_us", s->cpu_change_us);
	json_double(w, "changes_per_s", (double)a->changed / a->change_s);
	json_double(w, "change_latency_ms", a->change_latency_ms);
	json_double(w, "checkpoint_cost_lower", cost[0]);
	json_double(w, "checkpoint_cost_median", cost[1]);
	json_double(w, "checkpoint_cost_upper", cost[2]);
	json_double(w, "checkpoints_per_s", a->checkpoints_per_s);
	json_double(w, "flip_first_ms", b->flip_first_ms);
	json_double(w, "flip_half_ms", b->flip_half_ms);
	json_double(w, "flip_last_ms", b->flip_last_ms);
	json_u64(w, "flip_sealed", b->flip_sealed);
	json_u64(w, "mirror_bytes", b->mirror_used);
	json_end(w);
	const char *text = json_text(w, NULL);
	if (text)
		fprintf(f, "%s\n", text);
	fclose(f);
	json_destroy(w);
}

// ---- order -------------------------------------------------------------------------------------
static int joined(void)
{
	const struct rep_figures *a = &s->box[0].f, *b = &s->box[1].f;
	int rc = s->traffic ? command(0, REP_TRAFFIC, 5) : 0;

	cpu_note();
	if (!rc)
		rc = command(1, REP_JOIN, 60);
	if (!rc)
		s->cpu_bulk_s = cpu_print("bulk");
	if (s->traffic && !rc)
		rc = command(0, REP_QUIET, 5);
	if (!rc)
		rc = command(0, REP_CHECK, 5);
	if (!rc)
		rc = command(1, REP_CHECK, 5);
	if (rc)
		return rc;
	printf("bulk: %u tunnels, %u records (%lu and %lu bytes of payload): STANDBY HOT %.2f s, "
	       "installed %.2f s after the link came up%s\n",
	       s->tunnels, 2 * s->tunnels, a->payload_ike, a->payload_child, b->join_hot_s,
	       b->join_installed_s, s->traffic ? ", traffic running" : "");
	longest_print("bulk", a, b);
	return 0;
}

static int changed(void)
{
	const struct rep_figures *a = &s->box[0].f, *b = &s->box[1].f;

	cpu_note();
	int rc = command(0, REP_CHANGES, s->change_s + 20);
	if (rc)
		return rc;
	s->cpu_change_us = cpu_print("changes") / (double)a->changed * 1e6;
	printf("changes: %.0f per second, acknowledged by the other box after %.1f ms; %.1f us of "
	       "processor time each\n",
	       (double)a->changed / a->change_s, a->change_latency_ms, s->cpu_change_us);
	longest_print("changes", a, b);
	return 0;
}

static int flipped(void)
{
	const struct rep_figures *a = &s->box[0].f, *b = &s->box[1].f;
	int rc;

	if ((rc = command(1, REP_CHECK, 5)))
		return rc;
	printf("gateway 1 has %lu IKE SAs, %lu pairs of IPsec SAs; its mirror uses %.1f of %.1f "
	       "MiB\n",
	       b->ike, b->child, (double)b->mirror_used / 1048576, (double)b->mirror_max / 1048576);
	fflush(stdout);
	if (power_off)
		kill_box(0);
	else
		kill_gateway(0);
	if ((rc = command(1, REP_FLIP, 30)) || (rc = command(1, REP_CHECK, 5)))
		return rc;
	printf("take-over: asked %.1f ms before, sealed after %.2f ms (first), %.1f ms (half of "
	       "the tunnels), %.1f ms (last), %u of %u tunnels\n",
	       b->flip_granted_ms, b->flip_first_ms, b->flip_half_ms, b->flip_last_ms,
	       b->flip_sealed, s->tunnels);
	longest_print("take-over", a, b);
	return 0;
}

static int measure(void)
{
	const struct rep_figures *a = &s->box[0].f, *b = &s->box[1].f;
	double cost[3];
	int rc;

	if ((rc = command(0, REP_FILL, 120)))
		return rc;
	printf("fill: installed in %.2f s, in the mirror after %.2f s\n", a->fill_install_s,
	       a->fill_mirror_s);
	fflush(stdout);
	if ((rc = joined()) || (rc = changed()) || (rc = command(0, REP_CHECKPOINTS, 120)))
		return rc;
	checkpoint_cost(a, cost);
	printf("checkpoints: %.0f per second reach the agent, the worker's packets cost %+.1f %% "
	       "(median of %u turns; half of them between %+.1f and %+.1f %%); %.2f Mpps\n",
	       a->checkpoints_per_s, cost[1] * 100, a->windows, cost[0] * 100, cost[2] * 100,
	       a->mpps);
	longest_print("checkpoints", a, b);
	if ((rc = flipped()))
		return rc;
	if (json_file)
		json_write(cost);
	bool whole = b->ike == s->tunnels && b->child == s->tunnels &&
		     b->flip_sealed == s->tunnels && a->invariants + b->invariants == 0;
	printf("%s\n", whole ? "all SAs arrived, all tunnels seal, no invariant broken"
			     : "FAILED: something is missing");
	return whole ? 0 : -EIO;
}

static bool options(int argc, char **argv)
{
	static const struct option longs[] = {
		{"tunnels", 1, NULL, 't'},   {"seconds", 1, NULL, 's'}, {"rounds", 1, NULL, 'r'},
		{"quiet", 0, NULL, 'q'},     {"keep", 0, NULL, 'k'},    {"power-off", 0, NULL, 'p'},
		{"untouched", 0, NULL, 'u'}, {"json", 1, NULL, 'j'},    {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		unsigned n = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 't': s->tunnels = n; break;
		case 's': s->change_s = n; break;
		case 'r': s->rounds = n; break;
		case 'q': s->traffic = false; break;
		case 'k': keep = true; break;
		case 'u': s->touch = false; break;
		case 'p': power_off = true; break;
		case 'j': json_file = optarg; break;
		default: return false;
		}
	}
	return optind == argc && s->tunnels > 0 && s->tunnels <= REP_TUNNEL_MAX && s->change_s &&
	       s->rounds && s->rounds <= REP_WINDOWS;
}

int bench_replication(int argc, char **argv)
{
	// in memory, as the run directory: a mirror on a disk would be written back all the time
	char dir[] = "/dev/shm/tandem-bench.XXXXXX";

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return 1;
	s->tunnels = 100000;
	s->change_s = 5;
	s->rounds = 40;
	s->traffic = s->touch = true;
	if (!options(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	int rc = boxes_start();
	if (rc)
		fprintf(stderr, "tandem-bench: the gateways do not start%s%s%s\n",
			s->box[0].trouble[0] ? ": " : "", s->box[0].trouble, s->box[1].trouble);
	else
		rc = measure();
	kill_box(0);
	kill_box(1);
	if (keep || rc)
		printf("logs: %s\n", dir);
	else
		(void)run("rm -rf %s", dir);
	return rc ? 1 : 0;
}
