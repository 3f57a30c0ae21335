// A HSRP group as an object: configuration, interface and tracking inputs, virtual MAC, snapshot.
#include "hsrp_group.h"

#include <stdlib.h>
#include <string.h>

#include "secret.h"

static void key_string_set(struct hsrp_auth *a, const char *text)
{
	size_t len = strnlen(text, HSRP_KEY_LEN);
	struct hsrp_key *k = &a->key[0];

	*k = (struct hsrp_key){
		.len = (uint8_t)len,
		.accept_until = HSRP_NEVER,
		.send_until = HSRP_NEVER,
	};
	memcpy(k->bytes, text, len);
	a->keys = len > 0 ? 1 : 0;
}

void hsrp_conf_init(struct hsrp_conf *c, const struct standby_group *g,
		    const struct interface_config *i)
{
	*c = (struct hsrp_conf){
		.version = i->standby_version == 2 ? 2 : 1,
		.number = g->number,
		.family = g->ipv6 ? 6 : 4,
		.priority = g->priority,
		.preempt = g->preempt,
		.preempt_min_s = g->preempt_min_s,
		.preempt_reload_s = g->preempt_reload_s,
		.preempt_sync_s = g->preempt_sync_s,
		.delay_min_s = i->standby_delay_min_s,
		.delay_reload_s = i->standby_delay_reload_s,
		.timers_set = g->timers_set,
		.hello_ms = g->hello_ms,
		.hold_ms = g->hold_ms,
		.mac_set = g->mac_set,
		.use_bia = g->use_bia || i->standby_use_bia,
		.stamps = g->replay_protection,
		.auth_timeout_s = g->auth_timeout_s,
	};
	if (g->ip_set)
		c->virtual_ip = g->ip;
	memcpy(c->mac, g->mac, sizeof(c->mac));
	if (c->family == 4 && i->addr.addr.family == 4) {
		c->local = i->addr.addr;
		c->net = i->addr;
	}
	if (g->auth_kind == STANDBY_AUTH_TEXT) {
		c->auth.kind = HSRP_AUTH_TEXT;
		memcpy(c->auth.text, g->auth_text, strnlen(g->auth_text, sizeof(c->auth.text)));
		return;
	}
	// A key chain's keys come from the caller; until then nothing is believed and nothing sent.
	c->auth.kind = HSRP_AUTH_MD5;
	if (g->auth_kind == STANDBY_AUTH_MD5 && g->auth_key != NULL)
		key_string_set(&c->auth, g->auth_key);
}

uint8_t hsrp_priority(const struct hsrp_group *g)
{
	return g->decrement >= g->conf.priority ? 0 : (uint8_t)(g->conf.priority - g->decrement);
}

bool hsrp_stronger(const struct hsrp_group *g, uint8_t priority, const struct ip_addr *addr)
{
	uint8_t own = hsrp_priority(g);

	return priority != own ? priority > own : addr_compare(addr, &g->conf.local) > 0;
}

bool hsrp_stamps(const struct hsrp_group *g)
{
	return g->conf.stamps && g->conf.auth.kind == HSRP_AUTH_MD5;
}

void hsrp_conf_virtual_mac(const struct hsrp_conf *c, uint8_t out[6])
{
	const uint8_t v1[6] = {0x00, 0x00, 0x0c, 0x07, 0xac, (uint8_t)c->number};
	const uint8_t v2[6] = {
		0x00, 0x00, 0x0c, 0x9f, (uint8_t)(0xf0 | c->number >> 8), (uint8_t)c->number};
	const uint8_t v6[6] = {
		0x00, 0x05, 0x73, 0xa0, (uint8_t)(c->number >> 8), (uint8_t)c->number};

	if (c->use_bia)
		memcpy(out, c->bia, 6);
	else if (c->mac_set)
		memcpy(out, c->mac, 6);
	else
		memcpy(out, c->family == 6 ? v6 : c->version == 2 ? v2 : v1, 6);
}

void hsrp_virtual_mac(const struct hsrp_group *g, uint8_t out[6])
{
	hsrp_conf_virtual_mac(&g->conf, out);
}

struct ip_addr hsrp_eui64(const struct ip_addr *prefix, const uint8_t mac[6])
{
	struct ip_addr a = *prefix;
	const uint8_t low[8] = {mac[0], mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	memcpy(a.bytes + 8, low, sizeof(low));
	return a;
}

void hsrp_conf_ipv6(struct hsrp_conf *c)
{
	const struct ip_prefix link_local = {.addr = {.family = 6, .bytes = {0xfe, 0x80}},
					     .len = 10};
	uint8_t mac[6];

	if (c->family != 6)
		return;
	memcpy(mac, c->bia, sizeof(mac));
	mac[0] ^= 2;  // as the kernel does
	c->local = hsrp_eui64(&link_local.addr, mac);
	c->net = link_local;
	hsrp_conf_virtual_mac(c, mac);
	if (!addr_is_set(&c->virtual_ip))
		c->virtual_ip = hsrp_eui64(&link_local.addr, mac);
}

struct hsrp_group *hsrp_group_create(const struct hsrp_conf *conf, bool reload, uint64_t now)
{
	struct hsrp_group *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->conf = *conf;
	g->auth = conf->auth;
	g->created_at = g->since = now;
	g->reload = reload;
	g->enabled = true;
	g->virtual_ip = conf->virtual_ip;
	g->hello_ms = conf->hello_ms;
	g->hold_ms = conf->hold_ms;
	g->start_due = g->active_due = g->standby_due = g->hello_due = g->preempt_due = HSRP_NEVER;
	g->doubt.due = g->truth_due = g->claim_due = HSRP_NEVER;
	hsrp_heard_reset(g);
	return g;
}

void hsrp_group_destroy(struct hsrp_group *g)
{
	if (g == NULL)
		return;
	secret_wipe(g, sizeof(*g));
	free(g);
}

static void group_start(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	uint32_t delay = g->conf.delay_min_s;

	if (!g->link_up || !g->enabled || g->state != HSRP_STATE_INITIAL)
		return;
	if (g->reload && !g->ever_up && g->conf.delay_reload_s > delay)
		delay = g->conf.delay_reload_s;
	g->start_due = now + delay * 1000ull;
	hsrp_group_tick(g, now, out);
}

static void group_stop(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	g->start_due = HSRP_NEVER;
	hsrp_event(g, HSRP_EVENT_DISABLED, NULL, false, now, out);
}

void hsrp_group_link(struct hsrp_group *g, bool up, uint64_t now, struct hsrp_actions *out)
{
	if (up == g->link_up)
		return;
	g->link_up = up;
	hsrp_heard_reset(g);  // a new line
	if (up)
		group_start(g, now, out);
	else
		group_stop(g, now, out);
}

void hsrp_group_enable(struct hsrp_group *g, bool enabled, uint64_t now, struct hsrp_actions *out)
{
	if (enabled == g->enabled)
		return;
	g->enabled = enabled;
	if (enabled)
		group_start(g, now, out);
	else
		group_stop(g, now, out);
}

static bool identity_same(const struct hsrp_conf *a, const struct hsrp_conf *b)
{
	return a->version == b->version && a->number == b->number && a->family == b->family &&
	       addr_equal(&a->virtual_ip, &b->virtual_ip) && addr_equal(&a->local, &b->local) &&
	       a->mac_set == b->mac_set && a->use_bia == b->use_bia &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       memcmp(a->bia, b->bia, sizeof(a->bia)) == 0;
}

static bool key_same(const struct hsrp_key *a, const struct hsrp_key *b)
{
	return a->id == b->id && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static bool auth_has(const struct hsrp_auth *a, const struct hsrp_key *k)
{
	for (unsigned i = 0; i < a->keys; i++)
		if (key_same(&a->key[i], k))
			return true;
	return false;
}

// The new keys, and behind them those they replace, accepted for the configured time.
static void auth_change(struct hsrp_group *g, const struct hsrp_conf *conf, uint64_t now)
{
	struct hsrp_auth next = conf->auth;
	uint64_t until = now + conf->auth_timeout_s * 1000ull;

	for (unsigned i = 0; i < g->auth.keys; i++) {
		struct hsrp_key old = g->auth.key[i];

		if (next.kind == HSRP_AUTH_MD5 && g->auth.kind == HSRP_AUTH_MD5 &&
		    conf->auth_timeout_s > 0 && next.keys < HSRP_KEYS_MAX &&
		    !auth_has(&next, &old) && old.accept_until > now) {
			if (old.accept_until > until)
				old.accept_until = until;
			old.send_from = old.send_until = 0;
			next.key[next.keys++] = old;
		}
		secret_wipe(&old, sizeof(old));
	}
	g->auth = next;
	secret_wipe(&next, sizeof(next));
}

void hsrp_group_configure(struct hsrp_group *g, const struct hsrp_conf *conf, uint64_t now,
			  struct hsrp_actions *out)
{
	bool restart = !identity_same(&g->conf, conf);
	uint8_t priority = hsrp_priority(g);
	uint32_t hello_ms = g->hello_ms, hold_ms = g->hold_ms;

	if (restart)
		group_stop(g, now, out);
	auth_change(g, conf, now);
	if (conf->priority > g->conf.priority)
		g->resigned = false;  // an operator wants the role here
	g->conf = *conf;
	if (restart) {
		g->virtual_ip = conf->virtual_ip;
		g->hello_ms = conf->hello_ms;
		g->hold_ms = conf->hold_ms;
		// The interface itself did not come up: no `standby delay`.
		if (g->link_up && g->enabled) {
			g->start_due = now;
			hsrp_group_tick(g, now, out);
		}
		return;
	}
	if (conf->timers_set || !g->timers_learnt) {
		g->hello_ms = conf->hello_ms;
		g->hold_ms = conf->hold_ms;
		g->timers_learnt = false;
	}
	if (priority != hsrp_priority(g) || hello_ms != g->hello_ms || hold_ms != g->hold_ms)
		hsrp_hello_now(g, now, out);
	hsrp_preempt_check(g, now, out);
}

void hsrp_group_decrement(struct hsrp_group *g, uint32_t decrement, uint64_t now,
			  struct hsrp_actions *out)
{
	uint8_t before = hsrp_priority(g);
	enum hsrp_state state = g->state;

	g->decrement = decrement;
	if (before == hsrp_priority(g))
		return;
	// At once, not at the next hello: this is what a tracked object is for.
	hsrp_preempt_check(g, now, out);
	if (state == g->state)
		hsrp_hello_now(g, now, out);
}

void hsrp_group_ready(struct hsrp_group *g, enum hsrp_ready ready, uint64_t now,
		      struct hsrp_actions *out)
{
	g->ready = ready;
	hsrp_preempt_check(g, now, out);
}

bool hsrp_group_resign(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	if (g->state != HSRP_STATE_ACTIVE || !addr_is_set(&g->standby.addr))
		return false;
	uint8_t to = g->standby.priority;
	hsrp_event(g, HSRP_EVENT_GIVE_UP, NULL, false, now, out);
	g->resigned = true;
	g->resigned_to = to;
	g->gave_up_until = now + g->hold_ms;
	if (g->active_due < g->gave_up_until)
		g->active_due = g->gave_up_until;
	return true;
}

void hsrp_group_reclaim(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	g->resigned = false;
	hsrp_preempt_check(g, now, out);
}

static uint32_t left_ms(uint64_t due, uint64_t now)
{
	return due == HSRP_NEVER || due <= now ? 0 : (uint32_t)(due - now);
}

static struct hsrp_peer_view peer_view(const struct hsrp_group *g, const struct hsrp_peer *peer,
				       enum hsrp_state role, uint64_t due, uint64_t now)
{
	if (g->state == role)
		return (struct hsrp_peer_view){
			.local = true, .addr = g->conf.local, .priority = hsrp_priority(g)};
	if (!addr_is_set(&peer->addr) || due <= now)
		return (struct hsrp_peer_view){0};
	return (struct hsrp_peer_view){.addr = peer->addr,
				       .priority = peer->priority,
				       .left_ms = left_ms(due, now),
				       .heard_ms = (uint32_t)(now - peer->heard_at)};
}

void hsrp_group_snapshot(const struct hsrp_group *g, uint64_t now, struct hsrp_snapshot *out)
{
	*out = (struct hsrp_snapshot){
		.number = g->conf.number,
		.version = g->conf.version,
		.family = g->conf.family,
		.state = g->state,
		.state_changes = g->state_changes,
		.since_ms = now - g->since,
		.local = g->conf.local,
		.virtual_ip = g->virtual_ip,
		.virtual_learnt = g->virtual_learnt,
		.timers_learnt = g->timers_learnt,
		.hello_ms = g->hello_ms,
		.hold_ms = g->hold_ms,
		.next_hello_ms = left_ms(g->hello_due, now),
		.priority = hsrp_priority(g),
		.configured_priority = g->conf.priority,
		.preempt = g->conf.preempt,
		.resigned = g->resigned,
		.claiming = g->claim != HSRP_CLAIM_NONE,
		.preempt_waiting = g->weaker_since != 0,
		.preempt_left_ms = left_ms(g->preempt_due, now),
		.start_left_ms = left_ms(g->start_due, now),
		.unheard = g->heard.unheard,
		.back_off_ms = g->heard.unheard ? left_ms(g->heard.back_off_until, now) : 0,
		.unheard_count = g->heard.count,
		.disputed_count = g->heard.disputed,
		.auth_kind = g->conf.auth.kind,
	};
	if (g->heard.since != 0)
		out->rival = g->heard.rival.addr;
	hsrp_virtual_mac(g, out->virtual_mac);
	out->active = peer_view(g, &g->active, HSRP_STATE_ACTIVE, g->active_due, now);
	out->standby = peer_view(g, &g->standby, HSRP_STATE_STANDBY, g->standby_due, now);
	memcpy(out->sent, g->sent, sizeof(out->sent));
	memcpy(out->received, g->received, sizeof(out->received));
	memcpy(out->reasons, g->reasons, sizeof(out->reasons));
}

const struct hsrp_conf *hsrp_group_conf(const struct hsrp_group *g)
{
	return &g->conf;
}
