// What deserves a warning in a configuration: no effect yet, weak algorithms, dangling references.
#pragma once

#include "commit.h"

// Calls fn with every warning of c (sentences without prefix, each at most once per object).
void check_config(const struct config *c, commit_warn_fn fn, void *ctx);
// The warnings that new_cfg has and old does not.
void check_changes(const struct config *old, const struct config *new_cfg, commit_warn_fn fn,
		   void *ctx);
// What makes a configuration impossible to commit (key lengths of manual entries). 0 or -errno.
int check_validate(const struct config *c, struct err *err);
