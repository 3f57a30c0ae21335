// From candidate to running: validate all, apply in order, undo on failure.
//
// Each subsystem registers one hook set, in dependency order (the order of registration).
// validate() must not change anything. apply() gets old and new; on failure the engine calls
// apply(new, old) of those already applied, in reverse, so apply must be able to go both ways.
// warn() texts are shown to the person who committed ("has no effect yet").
// Thread: control thread. A second commit while one runs is refused (-EBUSY).
#pragma once

#include "err.h"
#include "model.h"

typedef void (*commit_warn_fn)(void *ctx, const char *text);

struct commit_hook {
	const char *name;
	int (*validate)(void *ctx, const struct config *old, const struct config *new_cfg,
			struct err *err);
	int (*apply)(void *ctx, const struct config *old, const struct config *new_cfg,
		     struct err *err);
	void (*warn)(void *ctx, const struct config *old, const struct config *new_cfg,
		     commit_warn_fn fn, void *fn_ctx);
	void *ctx;
};
int commit_register(const struct commit_hook *hook);  // copied; 0 or -ENOSPC
void commit_reset(void);                              // tests

// The running configuration. Never NULL after the first commit (start: an empty config).
const struct config *commit_running(void);
uint32_t commit_generation(void);  // changes whenever that does
// Takes ownership of candidate on success (0) and on failure (it is destroyed).
int commit_candidate(struct config *candidate, commit_warn_fn warn, void *warn_ctx,
		     struct err *err);
