// Tracked objects in the daemon: the facts come from the kernel mirror and the ports' links, at the
// moment they change; delays run on the loop's clock.

#include <errno.h>

#include "gateway.h"
#include "log.h"

static void on_change(void *ctx, uint32_t number, const char *text, bool up)
{
	log_event("TRACK", LOG_L_INFO, "STATE", "%u %s %s -> %s", number, text, up ? "Down" : "Up",
		  up ? "Up" : "Down");
}

// A line that takes what is sent nowhere is no line.
static void line_look(const struct gateway *g, const char *interface, bool *line, bool *ip)
{
	interface_line(g, interface, line, ip);
	*line = *line && !standby_unheard(interface);
}

static void on_ask(void *ctx, const char *interface, const struct ip_prefix *prefix, bool *line,
		   bool *ip)
{
	struct gateway *g = ctx;

	*ip = false;
	if (interface)
		line_look(g, interface, line, ip);
	else
		*line = kernel_route_reachable(g->kernel, prefix);
}

static void on_delay(void *ctx, uint64_t now_ms)
{
	struct gateway *g = ctx;
	track_tick(g->track, now_ms);
	track_rearm(g);
}

void track_rearm(struct gateway *g)
{
	uint64_t due = track_due(g->track), now = loop_now_ms(g->loop);

	if (due == TRACK_NEVER)
		loop_timer_stop(&g->track_timer);
	else
		loop_timer_start(&g->track_timer, due > now ? (uint32_t)(due - now) : 0);
}

int track_start(struct gateway *g, struct err *err)
{
	g->track = track_create(on_change, on_ask, g);
	if (!g->track)
		return err_set(err, -ENOMEM, "Not enough memory for tracked objects");
	loop_timer_init(&g->track_timer, g->loop, "track", on_delay, g);
	return 0;
}

void track_stop(struct gateway *g)
{
	if (!g->track)
		return;
	loop_timer_fini(&g->track_timer);
	track_destroy(g->track);
	g->track = NULL;
}

static void routes_look(struct gateway *g)
{
	const struct ip_prefix *p;

	for (unsigned i = 0; (p = track_route_at(g->track, i)); i++)
		track_route(g->track, p, kernel_route_reachable(g->kernel, p),
			    loop_now_ms(g->loop));
}

void track_links_changed(struct gateway *g)
{
	const char *name;
	bool line, ip;

	if (!g->track || !g->kernel)
		return;
	standby_links_changed(g);
	for (unsigned i = 0; (name = track_interface_at(g->track, i)); i++) {
		line_look(g, name, &line, &ip);
		track_interface(g->track, name, line, ip, loop_now_ms(g->loop));
	}
	routes_look(g);
	track_rearm(g);
}

void track_route_changed(struct gateway *g, const struct ip_prefix *dst)
{
	if (!g->track || !track_route_wanted(g->track, dst))
		return;
	track_route(g->track, dst, kernel_route_reachable(g->kernel, dst), loop_now_ms(g->loop));
	track_rearm(g);
}

static const struct track_config *config_find(const struct config *c, uint32_t number)
{
	const struct track_config *t;
	TAILQ_FOREACH (t, &c->tracks, link)
		if (t->number == number)
			return t;
	return NULL;
}

static void references_check(struct gateway *g, const struct config *c)
{
	const struct track_config *t;
	const struct track_member *m;

	TAILQ_FOREACH (t, &c->tracks, link) {
		if (t->interface[0] && !config_interface(c, t->interface))
			apply_warn(g, "track %u: there is no interface %s, so it is down",
				   t->number, t->interface);
		TAILQ_FOREACH (m, &t->members, link)
			if (!config_find(c, m->object))
				apply_warn(g, "track %u: there is no object %u", t->number,
					   m->object);
	}
}

int track_apply(struct gateway *g, const struct config *c, struct err *err)
{
	int rc = track_configure(g->track, c, loop_now_ms(g->loop));
	if (rc)
		return err_set(err, rc, "Not enough memory for tracked objects");
	references_check(g, c);
	track_links_changed(g);
	return 0;
}
