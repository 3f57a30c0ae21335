// Commits: validate in every subsystem, apply in order of registration, take back in reverse order
// when one fails. Also the checks of config/ itself, which belong to no subsystem.
#include "commit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "log.h"
#include "ssp.h"

#define HOOKS_MAX 32

static struct commit_hook hooks[HOOKS_MAX];
static size_t hook_count;
static struct config *running;
static bool busy;
static uint32_t generation;

int commit_register(const struct commit_hook *hook)
{
	if (hook_count == HOOKS_MAX)
		return -ENOSPC;
	hooks[hook_count++] = *hook;
	return 0;
}

void commit_reset(void)
{
	config_destroy(running);
	running = NULL;
	hook_count = 0;
	busy = false;
}

const struct config *commit_running(void)
{
	// The first caller gets the empty configuration; without memory for that much there is
	// nothing to run, and callers see NULL.
	if (running == NULL)
		running = config_create();
	return running;
}

static int validate_all(const struct config *old, const struct config *new_cfg, struct err *err)
{
	int rc = check_validate(new_cfg, err);

	for (size_t i = 0; i < hook_count && rc == 0; i++) {
		if (hooks[i].validate != NULL)
			rc = hooks[i].validate(hooks[i].ctx, old, new_cfg, err);
	}
	return rc;
}

static int apply_all(const struct config *old, const struct config *new_cfg, struct err *err)
{
	for (size_t i = 0; i < hook_count; i++) {
		if (hooks[i].apply == NULL)
			continue;
		int rc = hooks[i].apply(hooks[i].ctx, old, new_cfg, err);
		if (rc == 0)
			continue;
		// The failed hook itself has cleaned up behind it (commit.h).
		for (size_t k = i; k-- > 0;) {
			struct err undo = {0};
			if (hooks[k].apply != NULL &&
			    hooks[k].apply(hooks[k].ctx, new_cfg, old, &undo) != 0)
				log_event("CONFIG", LOG_L_ERR, "UNDO_FAILED",
					  "Taking back a failed commit: %s: %s", hooks[k].name,
					  undo.msg);
		}
		return rc;
	}
	return 0;
}

static void warn_all(const struct config *old, const struct config *new_cfg, commit_warn_fn warn,
		     void *warn_ctx)
{
	check_changes(old, new_cfg, warn, warn_ctx);
	for (size_t i = 0; i < hook_count; i++) {
		if (hooks[i].warn != NULL)
			hooks[i].warn(hooks[i].ctx, old, new_cfg, warn, warn_ctx);
	}
}

uint32_t commit_generation(void)
{
	return generation;
}

int commit_candidate(struct config *candidate, commit_warn_fn warn, void *warn_ctx, struct err *err)
{
	const struct config *old = commit_running();
	int rc;

	if (busy || old == NULL) {
		config_destroy(candidate);
		return busy ? err_set(err, -EBUSY, "another commit is running")
			    : err_set(err, -ENOMEM, "no memory for the configuration");
	}
	busy = true;
	rc = ssp_resolve(candidate);
	if (rc != 0)
		rc = err_set(err, rc, "no memory for the configuration");
	else
		rc = validate_all(old, candidate, err);
	if (rc == 0)
		rc = apply_all(old, candidate, err);
	if (rc == 0 && warn != NULL)
		warn_all(old, candidate, warn, warn_ctx);
	if (rc == 0) {
		config_destroy(running);
		running = candidate;
		generation++;
	} else {
		config_destroy(candidate);
	}
	busy = false;
	return rc;
}
