// A message for a HSRP group: is it to be believed, whom does it tell of, which event is it.
//
// Nothing of the group changes but a counter until the last check is passed. The order is: what is
// cheap, then who says it, then the authentication.
#include <string.h>

#include "hsrp_group.h"

static bool ttl_good(const struct hsrp_msg *m, uint8_t ttl)
{
	if (m->family == 6)
		return ttl == HSRP_TTL_V6;
	// RFC 2281 5.1. Routers speak version 2 with either of these.
	return ttl == HSRP_TTL_V4 || (m->version == 2 && ttl == 255);
}

static enum hsrp_rx source_check(const struct hsrp_group *g, const struct ip_addr *src)
{
	if (addr_equal(src, &g->conf.local))
		return HSRP_RX_OWN_ADDRESS;
	if (src->family != g->conf.family || addr_is_zero(src) || addr_is_multicast(src) ||
	    (addr_is_set(&g->virtual_ip) && addr_equal(src, &g->virtual_ip)))
		return HSRP_RX_BAD_SOURCE;
	if (addr_is_set(&g->conf.net.addr) && !prefix_contains(&g->conf.net, src))
		return HSRP_RX_BAD_SOURCE;
	return HSRP_RX_OK;
}

static struct hsrp_seen *seen_find(struct hsrp_group *g, const uint8_t id[6])
{
	struct hsrp_seen *oldest = &g->seen[0];

	for (unsigned i = 0; i < HSRP_SEEN_MAX; i++) {
		struct hsrp_seen *s = &g->seen[i];

		if (s->stamp != 0 && memcmp(s->id, id, sizeof(s->id)) == 0)
			return s;
		if (s->heard_at < oldest->heard_at)
			oldest = s;
	}
	// Only routers that know the key get this far: nobody else can push one out.
	*oldest = (struct hsrp_seen){0};
	memcpy(oldest->id, id, sizeof(oldest->id));
	return oldest;
}

static enum hsrp_rx stamp_check(struct hsrp_group *g, const struct hsrp_msg *m,
				const struct ip_addr *src, uint64_t now)
{
	uint8_t id[6] = {0};

	if (!hsrp_stamps(g))
		return HSRP_RX_OK;
	if (!m->has_stamp || m->stamp == 0)
		return HSRP_RX_NO_STAMP;
	memcpy(id, m->version == 2 ? m->identifier : src->bytes, m->version == 2 ? 6 : 4);
	struct hsrp_seen *s = seen_find(g, id);
	if (m->stamp <= s->stamp)
		return HSRP_RX_REPLAYED;
	s->stamp = m->stamp;
	s->heard_at = now;
	return HSRP_RX_OK;
}

static enum hsrp_rx message_check(struct hsrp_group *g, const struct hsrp_packet *p,
				  struct hsrp_msg *m, uint64_t now)
{
	enum hsrp_rx r = hsrp_decode(p->data, p->len, m);

	if (r != HSRP_RX_OK)
		return r;
	if (m->version != g->conf.version)
		return HSRP_RX_BAD_VERSION;
	if (m->content != HSRP_HAS_GROUP)
		return HSRP_RX_IGNORED;
	if (m->family != g->conf.family)
		return HSRP_RX_BAD_FAMILY;
	if (m->group != g->conf.number)
		return HSRP_RX_WRONG_GROUP;
	if (!ttl_good(m, p->ttl))
		return HSRP_RX_WRONG_TTL;
	if ((r = source_check(g, &p->src)) != HSRP_RX_OK)
		return r;
	// Whatever address it comes from: version 2 says whose it is.
	if (m->version == 2 && memcmp(m->identifier, g->conf.bia, sizeof(m->identifier)) == 0)
		return HSRP_RX_OWN_ADDRESS;
	if (g->state == HSRP_STATE_INITIAL)
		return HSRP_RX_DISABLED;
	r = hsrp_auth_check(&g->auth, m, p, now);
	return r == HSRP_RX_OK ? stamp_check(g, m, &p->src, now) : r;
}

// Is a router of this strength and address to be taken for the holder of a role, where `peer` is
// known? The same one, a stronger one, or any when the known one missed its hello.
static bool peer_yields(const struct hsrp_peer *peer, uint8_t priority, const struct ip_addr *addr,
			uint64_t now)
{
	if (!addr_is_set(&peer->addr) || addr_equal(&peer->addr, addr))
		return true;
	if (priority != peer->priority ? priority > peer->priority
				       : addr_compare(addr, &peer->addr) > 0)
		return true;
	return now - peer->heard_at > peer->hello_ms + peer->hello_ms / 2;
}

static void peer_set(struct hsrp_group *g, struct hsrp_peer *peer, const struct hsrp_msg *m,
		     const struct ip_addr *src, uint64_t now)
{
	*peer = (struct hsrp_peer){
		.addr = *src,
		.priority = m->priority,
		.hello_ms = hsrp_hello_of(g, m),
		.heard_at = now,
	};
}

bool hsrp_peer_is(const struct hsrp_peer *peer, const struct ip_addr *addr)
{
	return addr_is_set(&peer->addr) && addr_equal(&peer->addr, addr);
}

static enum hsrp_rx active_heard(struct hsrp_group *g, const struct hsrp_msg *m,
				 const struct ip_addr *src, uint64_t now, struct hsrp_actions *out)
{
	bool stronger = hsrp_stronger(g, m->priority, src);

	if (g->state == HSRP_STATE_ACTIVE) {
		// Both are active. The stronger one stays and says so (RFC 2281 5.7, g and h).
		if (stronger)
			peer_set(g, &g->active, m, src, now);
		hsrp_event(g, stronger ? HSRP_EVENT_ACTIVE_HIGHER : HSRP_EVENT_ACTIVE_LOWER, m,
			   false, now, out);
		if (!stronger)
			hsrp_rival_heard(g, m, src, now, out);
		return HSRP_RX_OK;
	}
	if (!peer_yields(&g->active, m->priority, src, now))
		return HSRP_RX_OTHER_ACTIVE;
	if (!hsrp_peer_is(&g->active, src))
		g->weaker_since = 0;
	peer_set(g, &g->active, m, src, now);
	if (g->state == HSRP_STATE_LEARN && addr_is_zero(&m->virtual_ip))
		return HSRP_RX_IGNORED;  // it knows no address either
	bool preempt = hsrp_preempt_now(g, now, out);
	hsrp_event(g, stronger ? HSRP_EVENT_ACTIVE_HIGHER : HSRP_EVENT_ACTIVE_LOWER, m, preempt,
		   now, out);
	return HSRP_RX_OK;
}

static enum hsrp_rx standby_heard(struct hsrp_group *g, const struct hsrp_msg *m,
				  const struct ip_addr *src, uint64_t now, struct hsrp_actions *out)
{
	bool stronger = hsrp_stronger(g, m->priority, src);

	if (g->state != HSRP_STATE_STANDBY && !peer_yields(&g->standby, m->priority, src, now))
		return HSRP_RX_IGNORED;
	if (g->state != HSRP_STATE_STANDBY || stronger)
		peer_set(g, &g->standby, m, src, now);
	hsrp_event(g, stronger ? HSRP_EVENT_STANDBY_HIGHER : HSRP_EVENT_STANDBY_LOWER, m, false,
		   now, out);
	return HSRP_RX_OK;
}

static void active_resigned(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	g->active = (struct hsrp_peer){0};
	g->resigned = false;
	g->weaker_since = 0;
	g->preempt_due = HSRP_NEVER;
	hsrp_event(g, HSRP_EVENT_RESIGN, NULL, false, now, out);
}

static enum hsrp_rx hello_heard(struct hsrp_group *g, const struct hsrp_msg *m,
				const struct ip_addr *src, uint64_t now, struct hsrp_actions *out)
{
	bool was_active = hsrp_peer_is(&g->active, src) && m->state != HSRP_STATE_ACTIVE;

	// Its successor, most likely: who says so will be heard before it insists.
	if (g->state == HSRP_STATE_ACTIVE && m->state == HSRP_STATE_ACTIVE &&
	    !hsrp_stronger(g, m->priority, src) && hsrp_slept(g, now))
		return HSRP_RX_OTHER_ACTIVE;
	if (m->state != HSRP_STATE_ACTIVE && addr_is_set(&g->lost) && addr_equal(&g->lost, src))
		g->lost = (struct ip_addr){0};
	if (hsrp_peer_is(&g->standby, src) && m->state != HSRP_STATE_STANDBY)
		g->standby = (struct hsrp_peer){0};
	if (m->state != HSRP_STATE_ACTIVE)
		hsrp_rival_gone(g, src);
	if (was_active && g->state == HSRP_STATE_STANDBY) {
		// Its resign message was lost, but it says itself that it is not active.
		active_resigned(g, now, out);
	} else if (was_active) {
		g->active = (struct hsrp_peer){0};
		g->weaker_since = 0;
		g->preempt_due = HSRP_NEVER;
	}
	switch (m->state) {
	case HSRP_STATE_ACTIVE: return active_heard(g, m, src, now, out);
	case HSRP_STATE_STANDBY: return standby_heard(g, m, src, now, out);
	case HSRP_STATE_SPEAK:
		if (!hsrp_stronger(g, m->priority, src))
			return HSRP_RX_IGNORED;
		hsrp_event(g, HSRP_EVENT_SPEAK_HIGHER, m, false, now, out);
		return HSRP_RX_OK;
	default: return HSRP_RX_IGNORED;  // such routers send no hellos
	}
}

static enum hsrp_rx coup_heard(struct hsrp_group *g, const struct hsrp_msg *m,
			       const struct ip_addr *src, uint64_t now, struct hsrp_actions *out)
{
	if (g->state == HSRP_STATE_ACTIVE) {
		if (!hsrp_stronger(g, m->priority, src))
			return HSRP_RX_IGNORED;
		peer_set(g, &g->active, m, src, now);
		if (hsrp_peer_is(&g->standby, src))
			g->standby = (struct hsrp_peer){0};
		hsrp_event(g, HSRP_EVENT_COUP, m, false, now, out);
		return HSRP_RX_OK;
	}
	// RFC 2281 has no row for bystanders. Taking the sender for the active router keeps the
	// resign of the one it replaces from being taken for a vacancy.
	if (g->state < HSRP_STATE_LISTEN || !peer_yields(&g->active, m->priority, src, now))
		return HSRP_RX_IGNORED;
	if (hsrp_peer_is(&g->standby, src))
		g->standby = (struct hsrp_peer){0};
	if (!hsrp_peer_is(&g->active, src))
		g->weaker_since = 0;
	peer_set(g, &g->active, m, src, now);
	g->active_due = now + hsrp_hold_of(g, m);
	return HSRP_RX_OK;
}

enum hsrp_rx hsrp_message_act(struct hsrp_group *g, const struct hsrp_msg *m,
			      const struct ip_addr *src, uint64_t now, struct hsrp_actions *out)
{
	switch (m->op) {
	case HSRP_OP_HELLO: return hello_heard(g, m, src, now, out);
	case HSRP_OP_COUP: return coup_heard(g, m, src, now, out);
	case HSRP_OP_RESIGN:
		hsrp_rival_gone(g, src);
		if (!hsrp_peer_is(&g->active, src) || g->state == HSRP_STATE_ACTIVE)
			return HSRP_RX_IGNORED;
		active_resigned(g, now, out);
		return HSRP_RX_OK;
	default: return HSRP_RX_IGNORED;
	}
}

// A hello that repeats its sender's last one in less than half of its hello time: the genuine one
// is not due yet. It is as good as the genuine one, so it is only counted.
static bool is_early(const struct hsrp_group *g, const struct hsrp_msg *m,
		     const struct ip_addr *src, uint64_t now)
{
	bool active = m->state == HSRP_STATE_ACTIVE;
	const struct hsrp_peer *peer = active ? &g->active : &g->standby;

	return m->op == HSRP_OP_HELLO && (active || m->state == HSRP_STATE_STANDBY) &&
	       hsrp_peer_is(peer, src) && peer->priority == m->priority &&
	       now - peer->heard_at < hsrp_hello_of(g, m) / 2;
}

enum hsrp_rx hsrp_group_receive(struct hsrp_group *g, const struct hsrp_packet *p, uint64_t now,
				struct hsrp_actions *out)
{
	struct hsrp_msg m;
	enum hsrp_rx r = message_check(g, p, &m, now);

	if (r == HSRP_RX_OK) {
		g->received[m.op]++;
		if (addr_is_set(&g->virtual_ip) && !addr_is_zero(&m.virtual_ip) &&
		    !addr_equal(&g->virtual_ip, &m.virtual_ip))
			g->reasons[HSRP_RX_OTHER_VIRTUAL]++;
		if (is_early(g, &m, &p->src, now))
			g->reasons[HSRP_RX_EARLY]++;
		r = hsrp_doubt(g, &m, &p->src, now, out)
			    ? HSRP_RX_DOUBTED
			    : hsrp_message_act(g, &m, &p->src, now, out);
	} else if (r == HSRP_RX_IGNORED) {
		g->received[HSRP_OP_ADVERT]++;
	} else if (r == HSRP_RX_OWN_ADDRESS && addr_equal(&p->src, &g->conf.local)) {
		hsrp_misquoted(g, &m, p, now, out);
	}
	g->reasons[r]++;
	return r;
}
