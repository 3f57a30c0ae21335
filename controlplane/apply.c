// The commit hooks in their order, and what they share: warnings and the retry timer.
//
// Order (additions): data plane, ports (down), crypto, interfaces up with addresses, routes: so
// the policies stand before the first packet can pass. Removals: the ports hook takes ports of
// vanished interfaces away before crypto drops their policies.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frr.h"
#include "gateway.h"
#include "log.h"
#include "rri.h"

#define RETRY_DELAY_MS 100
#define RETRY_FIRST_MS 200  // the old device of a replaced port needs a moment to close
#define RETRY_MAX_MS   30000

void apply_warn(struct gateway *g, const char *fmt, ...)
{
	struct warning *w = calloc(1, sizeof(*w));
	if (!w)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	STAILQ_INSERT_TAIL(&g->warnings, w, link);
}

void apply_warnings_clear(struct gateway *g)
{
	struct warning *w;
	while ((w = STAILQ_FIRST(&g->warnings))) {
		STAILQ_REMOVE_HEAD(&g->warnings, link);
		free(w);
	}
}

// ---- hooks -----------------------------------------------------------------------------------
static int validate_all(void *ctx, const struct config *old, const struct config *new_cfg,
			struct err *err)
{
	apply_warnings_clear(ctx);
	int rc = dataplane_validate(new_cfg, err);
	if (!rc)
		rc = interface_validate(new_cfg, err);
	if (!rc)
		rc = route_validate(new_cfg, err);
	if (!rc)
		rc = track_validate(new_cfg, err);
	if (!rc)
		rc = crypto_validate(new_cfg, err);
	if (!rc)
		rc = rri_validate(new_cfg, err);
	return rc;
}

static int dataplane_hook(void *ctx, const struct config *old, const struct config *new_cfg,
			  struct err *err)
{
	return dataplane_apply(ctx, new_cfg, err);
}

// Before the ports: who loses its port must be able to say so.
static int leave_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		      struct err *err)
{
	standby_leave(ctx, new_cfg);
	return 0;
}

static int ports_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		      struct err *err)
{
	((struct gateway *)ctx)->retry_ms = RETRY_FIRST_MS;
	return interface_ports_apply(ctx, new_cfg, err);
}

static int crypto_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		       struct err *err)
{
	return crypto_apply(ctx, new_cfg, err);
}

static int redundancy_hook(void *ctx, const struct config *old, const struct config *new_cfg,
			   struct err *err)
{
	return redundancy_apply(ctx, new_cfg, err);
}

static int interfaces_hook(void *ctx, const struct config *old, const struct config *new_cfg,
			   struct err *err)
{
	return interface_up_apply(ctx, new_cfg, err);
}

static int track_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		      struct err *err)
{
	return track_apply(ctx, new_cfg, err);
}

static int standby_hook(void *ctx, const struct config *old, const struct config *new_cfg,
			struct err *err)
{
	return standby_apply(ctx, new_cfg, err);
}

static int routes_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		       struct err *err)
{
	return route_apply(ctx, new_cfg, err);
}

static int frr_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		    struct err *err)
{
	return frr_apply(ctx, new_cfg, err);
}

static void warn_hook(void *ctx, const struct config *old, const struct config *new_cfg,
		      commit_warn_fn fn, void *fn_ctx)
{
	struct gateway *g = ctx;
	struct warning *w;

	dataplane_warn(g, new_cfg, fn, fn_ctx);
	if (g->frr)
		frr_warn(g->frr, new_cfg, fn, fn_ctx);
	STAILQ_FOREACH (w, &g->warnings, link)
		fn(fn_ctx, w->text);
	apply_warnings_clear(g);
}

static void retry(void *ctx, uint64_t now_ms)
{
	struct gateway *g = ctx;
	const struct config *c = commit_running();
	struct err err = {0};

	if (g->stopping)
		return;
	bool ports = interface_retry(g);
	if (ports && crypto_apply(g, c, &err))
		log_event("PARSER", LOG_L_ERR, "APPLY", "%s", err.msg);
	if (interface_up_apply(g, c, &err))
		log_event("PARSER", LOG_L_ERR, "APPLY", "%s", err.msg);
	route_retry(g);
	if (ports && standby_apply(g, c, &err))
		log_event("PARSER", LOG_L_ERR, "APPLY", "%s", err.msg);
	track_links_changed(g);
	apply_warnings_clear(g);
}

// Does a map stand or rest with its standby group? Replicated ones do not: their SAs are there on
// both boxes, and the groups of the data plane decide.
static bool roles_matter(const struct config *c)
{
	const struct interface_config *i;

	TAILQ_FOREACH (i, &c->interfaces, link)
		if (i->redundancy[0] && !redundancy_group_of(i->redundancy))
			return true;
	return false;
}

int crypto_role_apply(struct gateway *g, struct err *err)
{
	const struct config *c = commit_running();
	int rc = roles_matter(c) ? crypto_roles_apply(g, c, err) : 0;
	if (g->rri)
		rri_role_changed(g->rri);
	apply_warnings_clear(g);
	return rc;
}

void apply_retry_soon(struct gateway *g)
{
	// brought forward, never postponed: a link may flap for ever
	if (!g->retry.due_ms || g->retry.due_ms > loop_now_ms(g->loop) + RETRY_DELAY_MS)
		loop_timer_start(&g->retry, RETRY_DELAY_MS);
}

void apply_retry_later(struct gateway *g)
{
	if (g->stopping || g->retry.due_ms)
		return;
	loop_timer_start(&g->retry, g->retry_ms);
	g->retry_ms = g->retry_ms * 2 < RETRY_MAX_MS ? g->retry_ms * 2 : RETRY_MAX_MS;
}

int apply_register(struct gateway *g, struct err *err)
{
	const struct commit_hook hooks[] = {
		{.name = "data plane", .validate = validate_all, .apply = dataplane_hook},
		{.name = "leaving", .apply = leave_hook},
		{.name = "ports", .apply = ports_hook},
		{.name = "redundancy", .apply = redundancy_hook},
		{.name = "crypto", .apply = crypto_hook},
		{.name = "interfaces", .apply = interfaces_hook},
		{.name = "tracking", .apply = track_hook},
		{.name = "standby", .apply = standby_hook},
		{.name = "FRR", .apply = frr_hook},
		{.name = "routes", .apply = routes_hook, .warn = warn_hook},
	};

	loop_timer_init(&g->retry, g->loop, "apply retry", retry, g);
	dynamic_init(g);
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		struct commit_hook h = hooks[i];
		h.ctx = g;
		int rc = commit_register(&h);
		if (rc)
			return err_set(err, rc, "Cannot register commit hook %s", h.name);
	}
	return 0;
}
