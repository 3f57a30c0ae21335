// DPDK's environment layer inside this process: once per process, quiet, no signals taken.
#pragma once

#include <stdbool.h>

#include "dp.h"

// workers lcores 1..n besides the main one; the calling thread becomes the main lcore.
int eal_start(const struct dp_params *p, struct err *err);
bool eal_hugepages(void);
int eal_worker_core(unsigned worker);  // pinned core or -1
const char *eal_error(void);           // first line the library logged since eal_error_reset
void eal_error_reset(void);
