// FRR next to the gateway: routing blocks of our configuration and reverse routes, handed over.
//
// FRR's daemons are reached over their command sockets (DIR/NAME.vty), as vtysh does, without a
// process and without waiting. A daemon that comes later, or again, gets everything. Thread:
// control thread.
#pragma once

#include <stdbool.h>

#include "addr.h"
#include "commit.h"
#include "err.h"
#include "loop.h"
#include "model.h"

#define FRR_DIR_DEFAULT "/var/run/frr"

struct frr;
struct frr_env {
	struct loop *loop;
	const char *dir;         // with the daemons' sockets; copied
	const char *state_file;  // what was handed over, for the run after a crash; copied, or NULL
	void *ctx;
	bool (*kernel_if)(void *ctx, const char *name, char buf[16]);
	// Calls fn for every route line that shall stand now.
	void (*routes)(void *ctx, void (*fn)(void *fn_ctx, const char *line), void *fn_ctx);
	// Whether this line is one of them: what else carries our distance is left over from a
	// crash.
	bool (*route_known)(void *ctx, const struct ip_prefix *dst, const char *line);
	unsigned distance;  // of our route lines
};
struct frr *frr_create(const struct frr_env *env, struct err *err);
// Takes everything back out of FRR; runs the loop for at most half a second.
void frr_destroy(struct frr *f);
int frr_configure(struct frr *f, const struct config *c, struct err *err);
// Sentences about what has no effect because FRR is not there.
void frr_warn(const struct frr *f, const struct config *c, commit_warn_fn fn, void *ctx);
void frr_route(struct frr *f, const char *line, bool add);
