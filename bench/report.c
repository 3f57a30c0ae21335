// Medians, instruction counts, the table on the terminal and the JSON file.
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "crypto.h"
#include "json.h"

bool bench_best;

static int perf_fd = -1;

void bench_perf_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	perf_fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

int64_t bench_perf_read(void)
{
	int64_t v;

	if (perf_fd < 0 || read(perf_fd, &v, sizeof(v)) != sizeof(v))
		return -1;
	return v;
}

void bench_sizes_fill(uint32_t size, uint32_t *len, unsigned n)
{
	static const uint32_t imix[12] = {64, 576, 64, 64, 576, 64, 1400, 64, 576, 64, 576, 64};

	for (unsigned i = 0; i < n; i++)
		len[i] = size == BENCH_IMIX ? imix[i % 12] : size;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), compare);
	if (bench_best)
		return v[0];
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static const char *size_name(uint32_t size, char *buf, size_t cap)
{
	if (size == BENCH_IMIX)
		return "imix";
	snprintf(buf, cap, "%u", size);
	return buf;
}

void bench_row_fill(struct bench_row *r, const char *path, const char *direction,
		    const struct bench_point *p, double ns, double bytes, double ins)
{
	r->path = path;
	r->direction = direction;
	r->algorithm = p->algorithm->name;
	r->size = p->size;
	r->tunnels = p->tunnels;
	r->workers = 1;
	r->ns = ns;
	r->gbps = bytes * 8 / ns;
	r->instructions = ins;
}

void bench_print_head(void)
{
	printf("%s, %s\n", crypto_library_name(), crypto_architecture());
	printf("%-6s %-6s %-20s %5s %7s %8s %8s %8s %6s %7s %7s %6s\n", "path", "dir", "algorithm",
	       "size", "tunnels", "ns", "raw ns", "outside", "ratio", "Mpps", "Gbit/s", "instr");
}

void bench_print_row(const struct bench_row *r)
{
	char size[16], ins[16] = "-";

	if (r->instructions >= 0)
		snprintf(ins, sizeof(ins), "%.0f", r->instructions);
	printf("%-6s %-6s %-20s %5s %7u %8.1f %8.1f %8.1f %6.2f %7.2f %7.2f %6s\n", r->path,
	       r->direction, r->algorithm, size_name(r->size, size, sizeof(size)), r->tunnels,
	       r->ns, r->raw_ns, r->ns - r->raw_ns, r->ns / r->raw_ns, 1000 / r->ns, r->gbps, ins);
	fflush(stdout);
}

static void machine_write(struct json *w)
{
	char line[256], model[256] = "unknown";
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!strncmp(line, "model name", 10) && colon) {
			snprintf(model, sizeof(model), "%s", colon + 2);
			model[strcspn(model, "\n")] = 0;
			break;
		}
	}
	if (f)
		fclose(f);
	json_obj(w, "machine");
	json_str(w, "processor", model);
	json_i64(w, "processors", sysconf(_SC_NPROCESSORS_ONLN));
	json_str(w, "crypto_library", crypto_library_name());
	json_str(w, "architecture", crypto_architecture());
	json_end(w);
}

static void row_write(struct json *w, const struct bench_row *r)
{
	json_obj(w, NULL);
	json_str(w, "path", r->path);
	json_str(w, "direction", r->direction);
	if (r->size == BENCH_IMIX)
		json_str(w, "size", "imix");
	else
		json_u64(w, "size", r->size);
	json_str(w, "algorithm", r->algorithm);
	json_u64(w, "tunnels", r->tunnels);
	json_u64(w, "workers", r->workers);
	json_double(w, "ns", r->ns);
	json_double(w, "raw_ns", r->raw_ns);
	json_double(w, "raw_ns_before", r->raw_ns_before);
	json_double(w, "raw_ns_after", r->raw_ns_after);
	json_double(w, "ratio", r->ns / r->raw_ns);
	json_double(w, "mpps", 1000 / r->ns);
	json_double(w, "gbps", r->gbps);
	if (r->instructions >= 0)
		json_double(w, "instructions", r->instructions);
	else
		json_null(w, "instructions");
	json_end(w);
}

int bench_write_json(const char *file, const struct bench_row *rows, unsigned n)
{
	struct json *w = json_create();
	const char *text;
	FILE *f;
	int rc = -EIO;

	if (!w)
		return -ENOMEM;
	json_obj(w, NULL);
	machine_write(w);
	json_arr(w, "rows");
	for (unsigned i = 0; i < n; i++)
		row_write(w, &rows[i]);
	json_end(w);
	json_end(w);
	text = json_text(w, NULL);
	f = fopen(file, "w");
	if (f && text && fprintf(f, "%s\n", text) > 0)
		rc = 0;
	if (f && fclose(f))
		rc = -EIO;
	if (rc)
		fprintf(stderr, "tandem-bench: cannot write %s: %s\n", file, strerror(errno));
	json_destroy(w);
	return rc;
}
