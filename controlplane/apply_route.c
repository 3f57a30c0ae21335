// Commit hook for `ip route`: static routes in the kernel's main table, protocol number 214.
//
// The metric is the administrative distance. A route whose next hop is not reachable yet is kept
// as wanted and tried again when links or addresses change; the kernel drops routes of a link that
// goes down, so after every change all are offered again (what is there already is no error).

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"

int route_validate(const struct config *c, struct err *err)
{
	const struct static_route *r;
	char text[PREFIX_STR_MAX];
	TAILQ_FOREACH (r, &c->routes, link)
		if (addr_is_set(&r->next_hop) && r->next_hop.family != r->dst.addr.family)
			return err_set(err, -EINVAL, "Route %s: the next hop is of another family",
				       prefix_format(&r->dst, text, sizeof(text)));
	return 0;
}

static bool spec_equal(const struct route_state *a, const struct route_state *b)
{
	return prefix_equal(&a->spec.dst, &b->spec.dst) &&
	       addr_equal(&a->spec.gateway, &b->spec.gateway) &&
	       strcmp(a->kernel_if, b->kernel_if) == 0 && a->spec.blackhole == b->spec.blackhole &&
	       a->spec.metric == b->spec.metric;
}

// false when the interface has no kernel name (yet).
static bool spec_from(const struct gateway *g, const struct static_route *r,
		      struct route_state *out)
{
	*out = (struct route_state){
		.spec = {.dst = prefix_mask(&r->dst),
			 .gateway = r->next_hop,
			 .proto = KERNEL_PROTO_STATIC,
			 .metric = r->distance},
	};
	if (strncmp(r->interface, "Null", 4) == 0) {
		out->spec.blackhole = true;
		out->spec.gateway = addr_none();
		return true;
	}
	if (r->interface[0]) {
		const struct if_state *s = interface_state(g, r->interface);
		if (!s || !s->kernel_if[0])
			return false;
		snprintf(out->kernel_if, sizeof(out->kernel_if), "%s", s->kernel_if);
	}
	return true;
}

static void route_install(struct gateway *g, struct route_state *s)
{
	struct err err = {0};
	s->spec.interface = s->kernel_if[0] ? s->kernel_if : NULL;
	int rc = kernel_route_add(g->kernel, &s->spec, &err);
	if (rc && !s->waiting)
		log_event("KERNEL", LOG_L_NOTICE, "ROUTE", "%s", err.msg);
	s->waiting = rc != 0;
}

static void route_remove(struct gateway *g, struct route_state *s)
{
	struct err err = {0};
	s->spec.interface = s->kernel_if[0] ? s->kernel_if : NULL;
	if (kernel_route_del(g->kernel, &s->spec, &err))
		log_event("KERNEL", LOG_L_WARNING, "ROUTE", "%s", err.msg);
	TAILQ_REMOVE(&g->routes, s, link);
	free(s);
}

static struct route_state *route_find(struct gateway *g, const struct route_state *like)
{
	struct route_state *s;
	TAILQ_FOREACH (s, &g->routes, link)
		if (spec_equal(s, like))
			return s;
	return NULL;
}

int route_apply(struct gateway *g, const struct config *c, struct err *err)
{
	struct route_state *s, like;
	const struct static_route *r;
	char text[PREFIX_STR_MAX];

	TAILQ_FOREACH (s, &g->routes, link)
		s->wanted = false;
	TAILQ_FOREACH (r, &c->routes, link) {
		if (!spec_from(g, r, &like)) {
			apply_warn(g, "Route %s waits: interface %s has no device",
				   prefix_format(&r->dst, text, sizeof(text)), r->interface);
			continue;
		}
		s = route_find(g, &like);
		if (!s) {
			s = malloc(sizeof(*s));
			if (!s)
				return err_set(err, -ENOMEM, "Not enough memory for a route");
			*s = like;
			TAILQ_INSERT_TAIL(&g->routes, s, link);
		}
		s->wanted = true;
	}
	for (s = TAILQ_FIRST(&g->routes); s;) {
		struct route_state *next = TAILQ_NEXT(s, link);
		if (!s->wanted)
			route_remove(g, s);
		s = next;
	}
	TAILQ_FOREACH (s, &g->routes, link)
		route_install(g, s);
	return 0;
}

void route_retry(struct gateway *g)
{
	struct err err = {0};
	if (route_apply(g, commit_running(), &err))
		log_event("KERNEL", LOG_L_WARNING, "ROUTE", "%s", err.msg);
}
