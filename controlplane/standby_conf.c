// What a standby group needs of the configuration beside its own lines: the interface's address and
// port, the keys of a key chain with their lifetimes on our clock, virtual addresses of IPv6
// groups.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "standby.h"

#define CLOCK_SLACK_MS 500

static int64_t wall_offset;  // wall clock minus ours when keys were last reckoned, milliseconds
static uint64_t stamp_base;

static int64_t wall_offset_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 - (int64_t)standby_now();
}

bool standby_clock_moved(void)
{
	int64_t d = wall_offset_now() - wall_offset;

	return wall_offset != 0 && (d > CLOCK_SLACK_MS || d < -CLOCK_SLACK_MS);
}

// ---- keys ------------------------------------------------------------------------------------
static uint64_t our_time(int64_t epoch_s)
{
	int64_t ms;

	if (epoch_s == INT64_MAX)
		return HSRP_NEVER;
	ms = epoch_s * 1000 - wall_offset;
	return ms > 0 ? (uint64_t)ms : 0;
}

static void lifetime_set(const struct key_lifetime *l, uint64_t *from, uint64_t *until)
{
	*from = l->set ? our_time(l->from) : 0;
	*until = l->set ? our_time(l->until) : HSRP_NEVER;
}

static bool key_add(struct hsrp_auth *a, const struct chain_key *k, uint64_t now)
{
	struct hsrp_key key = {.id = k->id};

	lifetime_set(&k->accept, &key.accept_from, &key.accept_until);
	lifetime_set(&k->send, &key.send_from, &key.send_until);
	if (!k->text || (key.accept_until <= now && key.send_until <= now))
		return true;
	if (a->keys == HSRP_KEYS_MAX)
		return false;
	key.len = (uint8_t)strnlen(k->text, HSRP_KEY_LEN);
	memcpy(key.bytes, k->text, key.len);
	a->key[a->keys++] = key;
	return true;
}

// The lowest number of those that may be sent is the one that is sent (hsrp_packet.c), so the order
// of the chain is kept.
static void keys_set(struct gateway *g, const struct config *c, const struct interface_config *ifc,
		     const struct standby_group *conf, struct hsrp_conf *out)
{
	const struct key_chain *chain = config_key_chain(c, conf->auth_key);
	const struct chain_key *k;
	bool all = true;

	if (!chain) {
		apply_warn(g,
			   "Interface %s standby %u: there is no key chain %s, so the group "
			   "does not run",
			   ifc->name, conf->number, conf->auth_key);
		return;
	}
	TAILQ_FOREACH (k, &chain->keys, link)
		all &= key_add(&out->auth, k, standby_now());
	if (!all)
		apply_warn(g,
			   "Interface %s standby %u: only the first %d keys of key chain %s count",
			   ifc->name, conf->number, HSRP_KEYS_MAX, chain->name);
	if (!out->auth.keys)
		apply_warn(g,
			   "Interface %s standby %u: key chain %s has no usable key, so the group "
			   "does not run",
			   ifc->name, conf->number, chain->name);
}

static void auth_set(struct gateway *g, struct standby *s, const struct config *c,
		     const struct interface_config *ifc, const struct standby_group *conf,
		     struct hsrp_conf *out)
{
	s->key_kind = conf->auth_kind == STANDBY_AUTH_MD5     ? STANDBY_KEY_STRING
		      : conf->auth_kind == STANDBY_AUTH_CHAIN ? STANDBY_KEY_CHAIN
							      : STANDBY_KEY_NONE;
	s->key_chain[0] = '\0';
	if (s->key_kind == STANDBY_KEY_CHAIN) {
		snprintf(s->key_chain, sizeof(s->key_chain), "%s", conf->auth_key);
		keys_set(g, c, ifc, conf, out);
	}
	if (conf->replay_protection && s->key_kind == STANDBY_KEY_NONE)
		apply_warn(g,
			   "Interface %s standby %u: replay-protection needs authentication md5 "
			   "and has no effect without it",
			   ifc->name, conf->number);
}

// ---- addresses -------------------------------------------------------------------------------
// "A" of an IPv4 group; "A/len" of an IPv6 group, where a prefix stands for the address in it that
// is made of the virtual MAC.
static void secondary_set(struct standby *s, const struct standby_group *conf,
			  const struct hsrp_conf *hc)
{
	const struct config_string *t;
	uint8_t mac[6];

	hsrp_conf_virtual_mac(hc, mac);
	s->secondary_count = 0;
	TAILQ_FOREACH (t, &conf->secondary, link) {
		struct ip_prefix p, masked;
		if (s->secondary_count == STANDBY_VIRTUAL_MAX - 1)
			break;
		if (addr_parse(t->text, &p.addr) != 0) {
			if (prefix_parse(t->text, &p) != 0)
				continue;
			masked = prefix_mask(&p);
			if (p.len == 64 && addr_equal(&masked.addr, &p.addr))
				p.addr = hsrp_eui64(&p.addr, mac);
		}
		s->secondary[s->secondary_count++] = p.addr;
	}
}

static const char *missing(const struct interface_config *ifc, const struct standby_group *conf,
			   const struct if_state *st, struct dp_port_info *info)
{
	if (!conf->ip_set)
		return "has no effect without an ip line";
	if (ifc->device == IF_DEV_HOST)
		return "cannot work on a `device host` interface: its frames belong to the kernel. "
		       "Give the interface a port (`device vdev net_af_packet0,iface=...`)";
	if (conf->ipv6) {
		if (ifc->standby_version != 2)
			return "is an IPv6 group and needs standby version 2";
	} else if (ifc->addr.addr.family != 4) {
		return "needs an IPv4 address on the interface";
	} else if (addr_is_set(&conf->ip) && !prefix_contains(&ifc->addr, &conf->ip)) {
		return "has a virtual address outside the interface's subnet";
	} else if (addr_is_set(&conf->ip) && addr_equal(&conf->ip, &ifc->addr.addr)) {
		return "has the interface's own address as virtual address";
	}
	if (!st || !st->port || !dp_running() || dp_port_info(st->port, info))
		return "waits for the interface's device";
	return NULL;
}

bool standby_conf(struct gateway *g, struct standby *s, const struct config *c,
		  const struct interface_config *ifc, const struct standby_group *conf,
		  struct hsrp_conf *out)
{
	struct dp_port_info info;
	const char *why = missing(ifc, conf, interface_state(g, ifc->name), &info);

	if (why) {
		apply_warn(g, "Interface %s standby %u %s", ifc->name, conf->number, why);
		return false;
	}
	wall_offset = wall_offset_now();
	// Once for the life of the process: a clock that is set back must not make us look old.
	if (!stamp_base)
		stamp_base = (uint64_t)wall_offset;
	hsrp_conf_init(out, conf, ifc);
	memcpy(out->bia, info.mac, 6);
	out->stamp_base = stamp_base;
	hsrp_conf_ipv6(out);
	auth_set(g, s, c, ifc, conf, out);
	secondary_set(s, conf, out);
	// Without a key nobody hears it, and it would take the address beside the others.
	return s->key_kind != STANDBY_KEY_CHAIN || out->auth.keys > 0;
}

void standby_kept_warn(struct gateway *g, const struct interface_config *ifc)
{
	const struct config_string *t;

	TAILQ_FOREACH (t, &ifc->ignored, link)
		if (strcmp(t->text, "standby bfd") == 0)
			apply_warn(g,
				   "Interface %s: standby bfd has no effect; hellos of 15 to 50 "
				   "ms (standby timers msec) find a dead neighbour as fast",
				   ifc->name);
}
