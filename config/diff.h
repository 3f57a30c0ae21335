// The difference between two configurations, as lines a person reads.
#pragma once

#include "model.h"

// Calls fn with "- line" and "+ line", indented lines below their section's header ("  header").
// Secrets are hidden, but a changed secret is shown as a change. Returns the number of changes.
unsigned diff_configs(const struct config *old, const struct config *new_cfg,
		      void (*fn)(void *ctx, const char *line), void *ctx);
