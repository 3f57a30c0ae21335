// debug redundancy, debug crypto ha, debug crypto isakmp ha, debug crypto ipsec ha detail|update:
// one line per word between this process and the standby process, under the switch it belongs to:
//
//  redundancy               who works, what HSRP sees, claims and switchovers
//  crypto ha                whole groups: attached, fed, activated, tainted, dropped, link
//  crypto isakmp ha         IKE SAs told to the other box, or taken from it
//  crypto ipsec ha detail   the same of IPsec SAs, with SPIs, ceiling and edge
//  crypto ipsec ha update   their numbers: checkpoints, ceilings, limits
//
// log_debug() bounds the lines per second. No key is ever printed.

#include <string.h>

#include "log.h"
#include "redundancy.h"

static const char *group_name(unsigned group)
{
	const struct redundancy_group *r = redundancy_get(group);
	return r ? r->name : "-";
}

static const char *role_name(unsigned role)
{
	return role == HA_ROLE_ACTIVE ? "ACTIVE" : role == HA_ROLE_STANDBY ? "STANDBY" : "none";
}

static const char *peer_format(uint64_t id, char *buf, size_t cap)
{
	struct ip_addr peer;

	if (!gateway.ike || !ike_replica_peer(gateway.ike, id, &peer))
		return "-";
	return addr_format(&peer, buf, cap);
}

// ---- SAs ----------------------------------------------------------------------------------------
static void sa_say(const struct ha_sa *sa, const char *what)
{
	char peer[ADDR_STR_MAX];

	peer_format(sa->id, peer, sizeof(peer));
	if (sa->kind == HA_IKE_SA)
		log_debug(DEBUG_ISAKMP_HA, "group %s: IKE SA %016jx peer %s %s, %u bytes%s",
			  group_name(sa->group), (uintmax_t)sa->id,
			  peer_format(sa->id, peer, sizeof(peer)), what, sa->len,
			  sa->taint ? ", tainted" : "");
	else
		log_debug(DEBUG_IPSEC_HA_DETAIL,
			  "group %s: IPsec SA %016jx peer %s spi in 0x%08X out 0x%08X %s, ceiling "
			  "%ju edge %ju%s",
			  group_name(sa->group), (uintmax_t)sa->id,
			  peer_format(sa->id, peer, sizeof(peer)), sa->spi_in, sa->spi_out, what,
			  (uintmax_t)sa->ceiling, (uintmax_t)sa->edge,
			  sa->taint ? ", tainted" : "");
}

// Of an SA that has gone only the identity is known, so both kinds' switches show it.
static void gone_say(unsigned group, uint64_t id, const char *what)
{
	log_debug(DEBUG_ISAKMP_HA, "group %s: SA %016jx %s", group_name(group), (uintmax_t)id,
		  what);
	log_debug(DEBUG_IPSEC_HA_DETAIL, "group %s: SA %016jx %s", group_name(group), (uintmax_t)id,
		  what);
}

static void limits_say(const struct ha_word *w)
{
	struct ha_limit l;

	for (uint32_t at = 0; at + sizeof(l) <= w->len; at += (uint32_t)sizeof(l)) {
		memcpy(&l, w->payload + at, sizeof(l));
		log_debug(DEBUG_IPSEC_HA_UPDATE, "group %s: IPsec SA %016jx may send up to %ju",
			  group_name(w->group), (uintmax_t)l.id, (uintmax_t)l.lim);
	}
}

static void sets_say(const struct ha_word *w)
{
	struct ha_set s;

	for (uint32_t at = 0; at + sizeof(s) <= w->len; at += (uint32_t)sizeof(s)) {
		memcpy(&s, w->payload + at, sizeof(s));
		log_debug(DEBUG_IPSEC_HA_UPDATE, "group %s: IPsec SA %016jx next %ju edge %ju",
			  group_name(w->group), (uintmax_t)s.id, (uintmax_t)s.next,
			  (uintmax_t)s.edge);
	}
}

static bool numbers_say(const struct ha_word *w, bool out)
{
	const char *what = NULL;

	switch (w->type) {
	case HA_CHECKPOINT: what = "edge told:"; break;
	case HA_RAISE: what = "ceiling wanted:"; break;
	case HA_LIMIT: what = "may send up to"; break;
	case HA_NEXT: what = out ? "next told:" : "next taken:"; break;
	case HA_SET: what = "goes on from"; break;
	case HA_LIMITS: limits_say(w); return true;
	case HA_SETS: sets_say(w); return true;
	default: return false;
	}
	log_debug(DEBUG_IPSEC_HA_UPDATE, "group %s: IPsec SA %016jx %s %ju", group_name(w->group),
		  (uintmax_t)w->id, what, (uintmax_t)w->a);
	return true;
}

// ---- groups -------------------------------------------------------------------------------------
static void hello_say(const struct ha_word *w)
{
	struct ha_hello h;

	if (w->len != sizeof(h))
		return;
	memcpy(&h, w->payload, sizeof(h));
	log_debug(DEBUG_REDUNDANCY,
		  "group %s: HSRP: this box is %s, another active one is %s, priority %u, hello %u "
		  "hold %u ms",
		  group_name(w->group), h.self_active ? "active" : "not active",
		  h.other_active ? "heard" : "not heard", h.priority, h.hello_ms, h.hold_ms);
}

static void role_say(const struct ha_word *w)
{
	struct ha_role r;

	if (w->len != sizeof(r))
		return;
	memcpy(&r, w->payload, sizeof(r));
	log_debug(DEBUG_REDUNDANCY,
		  "group %s: my role %s, peer %s, link %s%s%s%s%s, session %ju, life %u/%u/%u, "
		  "%u IKE and %u IPsec SAs, %u records not acknowledged",
		  group_name(w->group), role_name(r.mine), role_name(r.peers),
		  r.link ? "up" : "down", r.hot ? ", hot" : "", r.bulk ? ", bulk" : "",
		  r.alone ? ", alone" : "", r.fresh ? ", fresh" : "", (uintmax_t)(r.session >> 1),
		  r.slot, r.join[r.slot & 1], r.restart, r.ike, 2 * r.child, r.peer_applied_lag);
}

static void link_say(const struct ha_word *w)
{
	static int was = -1;  // told each second, worth a line when it changes
	struct ha_link l;

	if (w->len != sizeof(l))
		return;
	memcpy(&l, w->payload, sizeof(l));
	if (l.up == was)
		return;
	was = l.up;
	log_debug(DEBUG_CRYPTO_HA,
		  "replication link %s, transport %s, protection %s, %u of %u paths",
		  l.up ? "up" : "down", l.driver, l.security, l.paths_up, l.paths);
}

static const char *event_name(const struct ha_word *w)
{
	switch (w->type) {
	case HA_CLAIM: return "HSRP wants the active role";
	case HA_SWITCH: return "the roles are to be exchanged";
	case HA_STOPPED: return "workers have stopped and are drained";
	case HA_LEAVE: return "this process ends in order";
	case HA_RESYNC: return "the copies are to be fetched anew";
	case HA_ACTIVATE: return w->a ? "begins to work, planned" : "begins to work";
	case HA_REFUSED:
		return w->a == HA_REFUSED_ACTIVE    ? "refused: the other box is active"
		       : w->a == HA_REFUSED_JOINING ? "refused: joining"
						    : "refused: no state";
	case HA_PREPARE: return "a planned switchover begins here";
	case HA_YIELD: return "this box lost a split brain";
	case HA_RESUME: return "what was begun is off, goes on";
	case HA_NEED_CONFIG: return "the standby process wants the configuration";
	default: return NULL;
	}
}

static void group_say(const struct ha_word *w)
{
	const char *name = group_name(w->group), *event = event_name(w);

	if (event) {
		log_debug(DEBUG_REDUNDANCY, "group %s: %s", name, event);
		if (w->type == HA_ACTIVATE || w->type == HA_PREPARE || w->type == HA_YIELD)
			log_debug(DEBUG_CRYPTO_HA, "group %s: %s", name, event);
		return;
	}
	switch (w->type) {
	case HA_ATTACH:
		log_debug(DEBUG_CRYPTO_HA, "group %s: attached to the standby process, role %s",
			  name, role_name((unsigned)w->b));
		break;
	case HA_FEED_END:
		log_debug(DEBUG_CRYPTO_HA, "group %s: all SAs of the mirror are installed", name);
		break;
	case HA_APPLIED:
		log_debug(DEBUG_CRYPTO_HA, "group %s: acknowledged up to word %ju", name,
			  (uintmax_t)w->a);
		break;
	case HA_TAINT:
		log_debug(DEBUG_CRYPTO_HA, "group %s: %s %016jx %s", name, w->id ? "SA" : "all SAs",
			  (uintmax_t)w->id,
			  w->a ? "tainted: wait for their renewal" : "no longer tainted");
		break;
	default: break;
	}
}

void redundancy_debug_word(const struct ha_word *w, bool out)
{
	switch (w->type) {
	case HA_UPSERT: sa_say(&w->sa, "told to the other box"); return;
	case HA_FEED: sa_say(&w->sa, "taken from the mirror"); return;
	case HA_DELETE: gone_say(w->group, w->id, "deleted here"); return;
	case HA_FEED_DELETE:
		if (w->id)
			gone_say(w->group, w->id, "deleted by the other box");
		else
			log_debug(DEBUG_CRYPTO_HA, "group %s: %s", group_name(w->group),
				  w->a == 1 ? "everything is fed anew" : "all copies are dropped");
		return;
	case HA_HELLO: hello_say(w); return;
	case HA_ROLE: role_say(w); return;
	case HA_LINK: link_say(w); return;
	default: break;
	}
	if ((w->type == HA_NEXT && w->id == 0) || numbers_say(w, out))
		return;
	group_say(w);
}
