// Random bytes for keys, nonces, cookies and SPIs. getrandom(2) behind; a test may replace the
// source. Never fails after the kernel's pool is ready (aborts otherwise). Control and helper
// threads; workers have their own generator.
#pragma once

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *dst, size_t len);
uint32_t rand_u32(void);
uint64_t rand_u64(void);
// 0 .. bound-1, unbiased; from a stock of its own in each thread. For jitter and choices, not for
// keys: a process that forks without exec shares the rest of the stock with its child.
uint32_t rand_below(uint32_t bound);
typedef void (*rand_source_fn)(void *ctx, void *dst, size_t len);
void rand_set_source(rand_source_fn fn, void *ctx);  // tests only; NULL restores
