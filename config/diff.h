// The difference between two configurations, as lines a person reads.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

// Calls fn with "- line" and "+ line", indented lines below their section's header ("  header").
// Secrets are hidden, but a changed secret is shown as a change. Returns the number of changes.
// Parts that there may be very many of (keys, map entries, access lists) come last.
unsigned diff_configs(const struct config *old, const struct config *new_cfg,
		      void (*fn)(void *ctx, const char *line), void *ctx);

// The same in slices. Both configurations stay as they are meanwhile. diff_run goes on until the
// clock (loop_clock_us) says until_us; true: that was all.
struct diff;
struct diff *diff_create(const struct config *old,
			 const struct config *new_cfg);  // NULL: no memory
void diff_destroy(struct diff *d);
bool diff_run(struct diff *d, uint64_t until_us, void (*fn)(void *ctx, const char *line),
	      void *ctx);
unsigned diff_changes(const struct diff *d);
