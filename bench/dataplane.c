// tandem-bench dataplane: options, the order of measurements, EAL. Every point is framed by two
// measurements of the crypto library alone on the same payloads, so a shared machine's mood of the
// minute shows and ratios stay comparable.
#include <rte_eal.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const struct bench_algorithm algorithms[] = {
	{"aes-128-gcm", DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 0, 4, 16},
	{"aes-256-gcm", DP_CIPHER_AES_GCM, DP_AUTH_NONE, 32, 0, 4, 16},
	{"aes-128-cbc-sha1", DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16, 20, 0, 0},
	{"aes-128-cbc-sha256", DP_CIPHER_AES_CBC, DP_AUTH_SHA256_128, 16, 32, 0, 0},
	{"chacha20-poly1305", DP_CIPHER_CHACHA20_POLY1305, DP_AUTH_NONE, 32, 0, 4, 16},
};

static const char usage[] =
	"usage: tandem-bench dataplane [options]\n"
	"  --sizes LIST       inner IP lengths, or imix (64,256,576,1400,imix)\n"
	"  --tunnels LIST     tunnels, every packet another one (1,1000)\n"
	"  --algorithm LIST   aes-128-gcm, aes-256-gcm, aes-128-cbc-sha1, aes-128-cbc-sha256,\n"
	"                     chacha20-poly1305, or all (aes-128-gcm)\n"
	"  --rounds N         measurements per point, the median counts (15)\n"
	"  --burst N          packets per burst, at most 64 (48, as a worker)\n"
	"  --window N         replay window, 0 = off (1024)\n"
	"  --path stage|whole|both  the ESP stages alone, or from received to transmit burst "
	"(both)\n"
	"  --profile          where the time goes, stage by stage (whole path)\n"
	"  --best             the fastest measurement counts instead of the median\n"
	"  --json FILE        write {machine, rows} there\n";

static int numbers_parse(const char *text, uint32_t *list, unsigned *n)
{
	*n = 0;
	while (*text && *n < BENCH_LIST_MAX) {
		char *end;

		if (!strncmp(text, "imix", 4)) {
			list[(*n)++] = BENCH_IMIX;
			end = (char *)(uintptr_t)text + 4;
		} else {
			unsigned long v = strtoul(text, &end, 10);

			if (end == text || v == 0 || v > 1000000)
				return -EINVAL;
			list[(*n)++] = (uint32_t)v;
		}
		if (*end && *end != ',')
			return -EINVAL;
		text = *end ? end + 1 : end;
	}
	return *n && !*text ? 0 : -EINVAL;
}

static int algorithms_parse(const char *text, struct bench_options *o)
{
	o->n_algorithms = 0;
	for (unsigned i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		const char *at = strstr(text, algorithms[i].name);
		size_t len = strlen(algorithms[i].name);

		if (!strcmp(text, "all") || (at && (at[len] == 0 || at[len] == ',')))
			o->algorithms[o->n_algorithms++] = &algorithms[i];
	}
	return o->n_algorithms ? 0 : -EINVAL;
}

static int options_parse(int argc, char **argv, struct bench_options *o)
{
	static const struct option longs[] = {
		{"sizes", 1, 0, 's'},
		{"tunnels", 1, 0, 't'},
		{"algorithm", 1, 0, 'a'},
		{"rounds", 1, 0, 'r'},
		{"burst", 1, 0, 'b'},
		{"window", 1, 0, 'w'},
		{"json", 1, 0, 'j'},
		{"best", 0, 0, 'm'},
		{"path", 1, 0, 'p'},
		{"profile", 0, 0, 'x'},
		{0},
	};
	int c, rc = 0;

	*o = (struct bench_options){
		.rounds = 15, .burst = 48, .window = 1024, .stages = true, .whole = true};
	numbers_parse("64,256,576,1400,imix", o->sizes, &o->n_sizes);
	numbers_parse("1,1000", o->tunnels, &o->n_tunnels);
	algorithms_parse("aes-128-gcm", o);
	while (!rc && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's': rc = numbers_parse(optarg, o->sizes, &o->n_sizes); break;
		case 't': rc = numbers_parse(optarg, o->tunnels, &o->n_tunnels); break;
		case 'a': rc = algorithms_parse(optarg, o); break;
		case 'r': o->rounds = (unsigned)atoi(optarg); break;
		case 'b': o->burst = (unsigned)atoi(optarg); break;
		case 'w': o->window = (uint32_t)atoi(optarg); break;
		case 'j': o->json = optarg; break;
		case 'x': o->profile = true; break;
		case 'm': bench_best = true; break;
		case 'p':
			o->stages = strcmp(optarg, "whole") != 0;
			o->whole = strcmp(optarg, "stage") != 0;
			break;
		default: rc = -EINVAL;
		}
	}
	if (o->rounds < 1 || o->rounds > 1000 || o->burst < 1 || o->burst > 64)
		rc = -EINVAL;
	for (unsigned i = 0; i < o->n_sizes; i++)
		if (o->sizes[i] && (o->sizes[i] < 28 || o->sizes[i] > 1900))
			rc = -EINVAL;
	for (unsigned i = 0; i < o->n_tunnels; i++)
		if (!o->tunnels[i] || o->tunnels[i] > 200000)
			rc = -EINVAL;
	return rc;
}

uint32_t bench_tunnels_max(const struct bench_options *o)
{
	uint32_t most = 1;

	for (unsigned i = 0; i < o->n_tunnels; i++)
		most = o->tunnels[i] > most ? o->tunnels[i] : most;
	return most;
}

// Ordinary memory, one core: the numbers must not depend on how the machine is set up.
static int eal_start(const struct bench_options *o)
{
	char memory[16];
	const char *args[] = {"tandem-bench",  "--no-huge", "--no-shconf", "--no-pci",    "-m",
			      memory,          "-l",        "0",           "--log-level", "3",
			      "--no-telemetry"};
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = {NULL};

	snprintf(memory, sizeof(memory), "%u", 192 + bench_tunnels_max(o) / 100);
	for (unsigned i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	return rte_eal_init(sizeof(args) / sizeof(args[0]), argv) < 0 ? -EIO : 0;
}

typedef int (*run_fn)(const struct bench_options *o, const struct bench_point *p,
		      struct bench_row *encap, struct bench_row *decap);

static int point_run(const struct bench_options *o, const struct bench_point *p, run_fn run,
		     struct bench_row *rows)
{
	for (int d = 0; d < 2; d++)
		rows[d].raw_ns_before =
			bench_raw(p->algorithm, p->size, d == 0, o->burst, o->rounds);
	if (run(o, p, &rows[0], &rows[1]))
		return -EIO;
	for (int d = 0; d < 2; d++) {
		rows[d].raw_ns_after =
			bench_raw(p->algorithm, p->size, d == 0, o->burst, o->rounds);
		double less = rows[d].raw_ns_before < rows[d].raw_ns_after ? rows[d].raw_ns_before
									   : rows[d].raw_ns_after;

		rows[d].raw_ns =
			bench_best ? less : (rows[d].raw_ns_before + rows[d].raw_ns_after) / 2;
		bench_print_row(&rows[d]);
	}
	return 0;
}

static int points_run(const struct bench_options *o, run_fn run, struct bench_row *rows,
		      unsigned *n)
{
	for (unsigned a = 0; a < o->n_algorithms; a++)
		for (unsigned t = 0; t < o->n_tunnels; t++)
			for (unsigned s = 0; s < o->n_sizes; s++) {
				const struct bench_point p = {o->algorithms[a], o->sizes[s],
							      o->tunnels[t]};

				if (point_run(o, &p, run, rows + *n))
					return -EIO;
				*n += 2;
			}
	return 0;
}

int bench_dataplane(int argc, char **argv)
{
	static struct bench_row rows[4 * BENCH_LIST_MAX * BENCH_LIST_MAX * BENCH_LIST_MAX];
	struct bench_options o;
	unsigned n = 0;

	if (options_parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	if (eal_start(&o) || bench_raw_open() || bench_stage_open(&o) ||
	    (o.whole && bench_whole_open(&o))) {
		fprintf(stderr, "tandem-bench: cannot start\n");
		return 1;
	}
	bench_perf_open();
	bench_print_head();
	if ((o.stages && points_run(&o, bench_stage_run, rows, &n)) ||
	    (o.whole && points_run(&o, bench_whole_run, rows, &n))) {
		fprintf(stderr, "tandem-bench: a measurement failed\n");
		return 1;
	}
	return o.json && bench_write_json(o.json, rows, n) ? 1 : 0;
}
