// The reference language's routing lines in FRR's words. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// The kernel's name of an interface name as configured; false = not an interface of ours.
typedef bool (*frr_if_fn)(void *ctx, const char *word, char buf[16]);

#define FRR_LINE_MAX 1024

// 1 = translated, 0 = FRR does without it, -1 = must not be handed over (leaves the block, too
// long)
int frr_header_translate(const char *line, frr_if_fn kernel_if, void *ctx, char out[FRR_LINE_MAX]);
int frr_line_translate(const char *header, const char *line, frr_if_fn kernel_if, void *ctx,
		       char out[FRR_LINE_MAX]);
