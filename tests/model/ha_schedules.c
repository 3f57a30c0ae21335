// ha-schedules: runs schedules of the fail-over protocol under a seeded adversary.
//   ha-schedules [--seeds N] [--first S] [--hours H] [--trace [--from H]]
// Prints the seed of the first one that fails, and why; --trace tells what happened in it.
// --hours: each seed is one pair of boxes that lives for so long. --from: the trace begins then.

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "sched.h"

static const char *const names[] = {"take-overs", "stale",   "planned", "split brains",
				    "faults",     "SAs",     "packets", "reuse in split brains",
				    "alone",      "restarts"};

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seeds", required_argument, NULL, 'n'}, {"first", required_argument, NULL, 'f'},
		{"hours", required_argument, NULL, 'h'}, {"trace", no_argument, NULL, 't'},
		{"from", required_argument, NULL, 's'},  {NULL, 0, NULL, 0}};
	uint64_t seeds = 2000, first = 1, total[16] = {0}, bad = 0;
	bool tracing = false;
	double hours = 0, from = 0;
	int c;

	while ((c = getopt_long(argc, argv, "n:f:h:ts:", longs, NULL)) != -1) {
		switch (c) {
		case 'n': seeds = strtoull(optarg, NULL, 0); break;
		case 'f': first = strtoull(optarg, NULL, 0); break;
		case 'h': hours = strtod(optarg, NULL); break;
		case 't': tracing = true; break;
		case 's': from = strtod(optarg, NULL); break;
		default:
			fprintf(stderr, "usage: ha-schedules [--seeds N] [--first S] [--hours H] "
					"[--trace [--from H]]\n");
			return 2;
		}
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);  // a long run is looked at meanwhile
	for (uint64_t s = first; s < first + seeds; s++) {
		int rc = hours > 0 ? chaos_run(s, hours, tracing, from) : schedule_run(s, tracing);
		if (rc) {
			printf("seed %ju: %s\n", (uintmax_t)s, world.why);
			if (++bad == 10)
				break;
		}
		for (unsigned i = 0; i < 16; i++)
			total[i] += world.stats[i];
	}
	printf("%ju schedules, %ju failed;", (uintmax_t)seeds, (uintmax_t)bad);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		printf(" %s %ju", names[i], (uintmax_t)total[i]);
	printf("\n");
	return bad != 0;
}
