// Reverse routes and FRR, wired to the kernel mirror, the tunnels and the loop.

#include <stdio.h>
#include <string.h>

#include "frr.h"
#include "gateway.h"
#include "log.h"
#include "rri.h"

static int add_op(void *ctx, const struct kernel_route_spec *spec, struct err *err)
{
	return kernel_route_add(((struct gateway *)ctx)->kernel, spec, err);
}

static int del_op(void *ctx, const struct kernel_route_spec *spec, struct err *err)
{
	return kernel_route_del(((struct gateway *)ctx)->kernel, spec, err);
}

static bool next_hop_op(void *ctx, const struct ip_addr *dst, struct kernel_next_hop *out)
{
	return kernel_next_hop(((struct gateway *)ctx)->kernel, dst, KERNEL_PROTO_RRI, out);
}

static bool kernel_if_op(void *ctx, const char *interface, char buf[16])
{
	const struct if_state *s = interface_state(ctx, interface);
	if (!s || !s->kernel_if[0])
		return false;
	snprintf(buf, 16, "%s", s->kernel_if);
	return true;
}

static bool active_op(void *ctx, const char *interface)
{
	const struct gateway *g = ctx;
	return !g->active || g->active(g, interface);
}

static void announce_op(void *ctx, const char *line, bool add)
{
	struct gateway *g = ctx;
	if (g->frr)
		frr_route(g->frr, line, add);
}

static void neighbour_op(void *ctx, const char *kernel_if, const struct ip_addr *addr, bool add)
{
	struct gateway *g = ctx;
	struct err err = {0};
	if (kernel_neigh_fix(g->kernel, kernel_if, addr, add, &err) && add)
		log_event("RRI", LOG_L_WARNING, "NEIGHBOUR", "%s", err.msg);
}

static void routes_op(void *ctx, void (*fn)(void *fn_ctx, const char *line), void *fn_ctx)
{
	struct gateway *g = ctx;
	if (g->rri)
		rri_announce_all(g->rri, fn, fn_ctx);
}

static bool route_known_op(void *ctx, const struct ip_prefix *dst, const char *line)
{
	struct gateway *g = ctx;
	return g->rri && rri_announces(g->rri, dst, line);
}

// IKE outlives the routes when the gateway stops.
static void notice_op(void *ctx, const struct ike_notice *n)
{
	struct gateway *g = ctx;
	if (g->rri && !dynamic_notice_hold(g, n))
		rri_notice(g->rri, n);
}

int rri_step_init(struct gateway *g, struct err *err)
{
	char state[256];
	snprintf(state, sizeof(state), "%s/frr.lines", g->rundir);
	const struct frr_env frr_env = {.loop = g->loop,
					.dir = g->frr_dir,
					.state_file = state,
					.ctx = g,
					.kernel_if = kernel_if_op,
					.routes = routes_op,
					.route_known = route_known_op,
					.distance = RRI_FRR_DISTANCE};
	const struct rri_env env = {.loop = g->loop,
				    .ctx = g,
				    .route_add = add_op,
				    .route_del = del_op,
				    .next_hop = next_hop_op,
				    .kernel_if = kernel_if_op,
				    .active = active_op,
				    .announce = announce_op,
				    .neighbour = neighbour_op};
	g->frr = frr_create(&frr_env, err);
	g->rri = g->frr ? rri_create(&env, err) : NULL;
	if (!g->rri)
		return err->code ? err->code : -1;
	return ike_observe(g->ike, notice_op, g);
}

void rri_step_fini(struct gateway *g)
{
	rri_destroy(g->rri);
	g->rri = NULL;
	frr_destroy(g->frr);
	g->frr = NULL;
}

int frr_apply(struct gateway *g, const struct config *c, struct err *err)
{
	return g->frr ? frr_configure(g->frr, c, err) : 0;
}
