// Is this router heard? The groups want to know when a weaker router insists on the active role
// (ha/hsrp_heard.c): this asks stations of the network for their MAC addresses, hears their
// answers, tells the operator, and lets tracked interfaces know that a line carries nothing out.

#include <string.h>

#include "hsrp_frame.h"
#include "log.h"
#include "standby.h"

#define STATIONS_MAX 8  // beside the other routers of the group

static bool look_pending;

static void question(struct standby *s, const struct ip_addr *target)
{
	const struct hsrp_conf *c = hsrp_group_conf(s->group);
	uint8_t frame[HSRP_FRAME_MAX];

	if (target->family != c->family || addr_equal(target, &c->local))
		return;
	size_t len = hsrp_frame_ask(frame, sizeof(frame), c->bia, &c->local, target);
	s->questions++;
	if (!len || dp_frame_send(s->port, frame, len))
		s->send_failed++;
}

void standby_ask(struct gateway *g, struct standby *s, const struct ip_addr *peer)
{
	uint8_t family = hsrp_group_conf(s->group)->family;
	struct ip_addr near[STATIONS_MAX];
	struct hsrp_snapshot v;
	size_t n = kernel_neighbours(g->kernel, s->port, family, near, STATIONS_MAX);

	hsrp_group_snapshot(s->group, standby_now(), &v);
	question(s, peer);
	if (!v.standby.local && !addr_equal(&v.standby.addr, peer))
		question(s, &v.standby.addr);
	for (size_t i = 0; i < n; i++)
		if (!addr_equal(&near[i], peer) && !addr_equal(&near[i], &v.standby.addr))
			question(s, &near[i]);
}

bool standby_answers(struct standby *s)
{
	uint64_t now = standby_now();
	struct hsrp_snapshot v;

	hsrp_group_snapshot(s->group, now, &v);
	bool first =
		!addr_equal(&s->silent, &v.active.addr) || now > s->silent_asked + 2ull * v.hold_ms;
	bool alive = first || s->silent_answered;
	s->silent = v.active.addr;
	s->silent_asked = now;
	s->silent_answered = false;
	question(s, &s->silent);
	return alive;
}

void standby_answered(struct gateway *g, uint32_t port, const struct ip_addr *own,
		      const struct ip_addr *from)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (s->port != port || !s->group ||
		    !addr_equal(own, &hsrp_group_conf(s->group)->local))
			continue;
		s->answers++;
		s->silent_answered |= addr_equal(from, &s->silent);
		hsrp_group_answered(s->group, standby_now(), &a);
		if (!a.count)
			continue;
		standby_act(g, s, &a);
		standby_rearm(g);
	}
}

bool standby_unheard(const char *interface)
{
	const struct standby *s;
	struct hsrp_snapshot v;

	TAILQ_FOREACH (s, &standby_all, link) {
		if (!s->group || strcmp(s->interface, interface) != 0)
			continue;
		hsrp_group_snapshot(s->group, standby_now(), &v);
		if (v.unheard)
			return true;
	}
	return false;
}

static void look_run(void *ctx)
{
	struct gateway *g = ctx;

	look_pending = false;
	if (!g->stopping)
		track_links_changed(g);
}

void standby_hearing_told(struct gateway *g, struct standby *s, const struct hsrp_action *a)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(2);
	char text[ADDR_STR_MAX];
	const char *peer = addr_is_set(&a->peer) ? addr_format(&a->peer, text, sizeof(text))
						 : "the other gateway";

	// The back-off bounds how often the role is given up; disputes may be made up.
	switch (a->hearing) {
	case HSRP_HEARD_BY_NONE:
		log_event("HSRP", LOG_L_ERR, "UNHEARD",
			  "%s Grp %u: %s does not hear this router and no station answers "
			  "it: it gives up the active role",
			  s->interface, s->number, peer);
		break;
	case HSRP_HEARD_BY_SOME:
		log_event("HSRP", LOG_L_ERR, "UNHEARD",
			  "%s Grp %u: %s does not hear this router, although other "
			  "stations do: it gives up the active role",
			  s->interface, s->number, peer);
		break;
	case HSRP_HEARD_DISPUTED:
		log_event_limited(&rl, "HSRP", LOG_L_ERR, "TWOACTIVE",
				  "%s Grp %u: %s, which is weaker, insists on the active role, but "
				  "stations answer this router: both are active",
				  s->interface, s->number, peer);
		break;
	case HSRP_HEARD_AGAIN:
		log_event("HSRP", LOG_L_NOTICE, "HEARD",
			  "%s Grp %u: stations answer this router again", s->interface, s->number);
		break;
	}
	// Tracked objects follow in the next turn, when this group has spoken.
	if (!look_pending && loop_defer(g->loop, look_run, g) == 0)
		look_pending = true;
}

void standby_missed(const char *name)
{
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_actions a = {0};
		if (!s->group || !standby_member(s, name))
			continue;
		hsrp_group_missed(s->group, standby_now(), &a);
		standby_act(&gateway, s, &a);
	}
	standby_rearm(&gateway);
}
