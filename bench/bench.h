// Parts of tandem-bench.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"

#define BENCH_LIST_MAX 16
#define BENCH_IMIX     0  // a "size": 64, 576 and 1400 bytes 7:4:1

struct bench_algorithm {
	const char *name;
	enum dp_cipher cipher;
	enum dp_auth auth;
	uint16_t key_len, auth_key_len, salt_len;
	uint8_t icv_len;
};

struct bench_options {
	uint32_t sizes[BENCH_LIST_MAX], tunnels[BENCH_LIST_MAX];
	const struct bench_algorithm *algorithms[BENCH_LIST_MAX];
	unsigned n_sizes, n_tunnels, n_algorithms;
	unsigned rounds, burst;
	uint32_t window;
	bool stages, whole, profile;
	const char *json;
};

struct bench_row {
	const char *path;       // "stage" or "whole"
	const char *direction;  // "encap" or "decap"
	const char *algorithm;
	uint32_t size, tunnels, workers;
	double ns, raw_ns, raw_ns_before, raw_ns_after;
	double gbps;          // of inner bytes
	double instructions;  // < 0: not available
};

int bench_dataplane(int argc, char **argv);
int bench_ike(int argc, char **argv);
int bench_replication(int argc, char **argv);
uint32_t bench_tunnels_max(const struct bench_options *o);

// Running instructions of this thread in user space; bench_perf_read() gives -1 when not permitted.
void bench_perf_open(void);
int64_t bench_perf_read(void);

// Sizes of the packets of a burst.
void bench_sizes_fill(uint32_t size, uint32_t *len, unsigned n);
double bench_median(double *v, unsigned n);  // or the least, with bench_best
extern bool bench_best;

// The crypto library alone on the payloads of such packets: ns per packet, one key.
int bench_raw_open(void);
double bench_raw(const struct bench_algorithm *a, uint32_t size, bool encrypt, unsigned burst,
		 unsigned rounds);

// Both directions of one point over prepared packets.
struct bench_point {
	const struct bench_algorithm *algorithm;
	uint32_t size, tunnels;
};
int bench_stage_open(const struct bench_options *o);
int bench_stage_run(const struct bench_options *o, const struct bench_point *p,
		    struct bench_row *encap, struct bench_row *decap);

int bench_whole_open(const struct bench_options *o);
int bench_whole_run(const struct bench_options *o, const struct bench_point *p,
		    struct bench_row *encap, struct bench_row *decap);

void bench_row_fill(struct bench_row *r, const char *path, const char *direction,
		    const struct bench_point *p, double ns, double bytes, double ins);
void bench_print_head(void);
void bench_print_row(const struct bench_row *r);
int bench_write_json(const char *file, const struct bench_row *rows, unsigned n);
