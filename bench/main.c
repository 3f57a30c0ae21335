// tandem-bench: the performance lab. This file: which lab.
#include <stdio.h>
#include <string.h>

#include "bench.h"

int main(int argc, char **argv)
{
	if (argc >= 2 && !strcmp(argv[1], "dataplane"))
		return bench_dataplane(argc - 1, argv + 1);
	if (argc >= 2 && !strcmp(argv[1], "ike"))
		return bench_ike(argc - 1, argv + 1);
	if (argc >= 2 && !strcmp(argv[1], "replication"))
		return bench_replication(argc - 1, argv + 1);
	fprintf(stderr, "usage: tandem-bench dataplane|ike|replication [options] [--json FILE]\n");
	return 2;
}
