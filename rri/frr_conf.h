// The routing blocks of a configuration as FRR shall have them, and the way from one to the next.
// Pure. Thread: control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frr_lines.h"
#include "model.h"

struct frr_line {
	char *text;
	bool taken;  // by some daemon
	char *why;   // what one said that did not take it, or NULL
};
struct frr_block {
	struct frr_line header;
	struct frr_line *lines;
	unsigned count;
};
struct frr_conf {
	struct frr_block *blocks;
	unsigned count, left_out;  // left_out: lines that must not be handed over
};

// What a configuration asks of FRR: router, route-map, ip prefix-list, ip ospf of interfaces.
// NULL without memory.
struct frr_conf *frr_conf_from(const struct config *c, frr_if_fn kernel_if, void *ctx);
struct frr_conf *frr_conf_parse(const char *text);  // what frr_conf_print() wrote
char *frr_conf_print(const struct frr_conf *f);
void frr_conf_free(struct frr_conf *f);

// The commands from `old` (NULL = nothing) to `now`, from and back to configuration mode.
// everything: also what did not change (the daemon may have lost it). id: block << 16 | line + 1
// of `now` (0 = the header), or FRR_ID_NONE.
#define FRR_ID_NONE UINT32_MAX
typedef void (*frr_emit_fn)(void *ctx, const char *command, uint32_t id, unsigned flags);
void frr_conf_script(const struct frr_conf *old, const struct frr_conf *now, bool everything,
		     frr_emit_fn emit, void *ctx);
