// The life of a child SA by time and volume. Soft limits start a rekey at a random moment before
// the hard ones; the end that initiated goes first, so that both rarely do it at once. A pair over
// which nothing ever went is not renewed. Hard limits end it, and the peer is told.

#include "ike/child_life.h"

#include <string.h>

#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "log.h"

#define OVERLAP_MS      10000  // a replaced pair, at the end that made the new one
#define OVERLAP_PEER_MS 60000  // ... at the other end, should the peer forget to delete it
#define OVERLAP_SKEW_MS 5000   // two ends that replaced each other's pair do not delete at once
#define RETRY_MS        5000   // after a rekey that failed
#define LOOK_MS         30000  // whether the peer still takes a replaced pair for the one that serves

static void counts(const struct child_sa *c, uint64_t *in, uint64_t *out)
{
	const struct ike_env *env = &c->ike->env;
	struct dp_sa_stats s;

	*in = *out = 0;
	if (env->sa_stats(env->ctx, c->sa_in, &s) == 0)
		*in = s.packets;
	if (env->sa_stats(env->ctx, c->sa_out, &s) == 0)
		*out = s.packets;
}

static void rekey(struct child_sa *c)
{
	struct ike *ike = c->ike;

	if (!c->up || c->old)
		return;
	c->rekeying = true;
	replica_touch(ike, &c->ha);
	ike_want_add(ike, c->policy, c->id, NULL);
	ike_timer_set(&ike->timers, &c->soft,
		      ike->now_ms + RETRY_MS + ike_jittered(RETRY_MS, 100, 100));
}

static void soft_due(void *obj)
{
	struct child_sa *c = obj;
	uint64_t in, out;

	if (replica_held(c->ike, &c->ha, &c->soft))
		return;
	counts(c, &in, &out);
	if (in + out > 0)
		rekey(c);
	else  // looked at again, should traffic begin at the last moment
		ike_timer_set(&c->ike->timers, &c->soft, c->ike->now_ms + RETRY_MS);
}

// A replaced pair on an IKE SA on which no younger one replaced it: a peer that has pairs for the
// same traffic on several IKE SAs takes each of them for the one that serves there. strongSwan
// makes another one at once when such a pair is deleted (close_action = start), which replaces
// ours, and so on.
static bool serves_elsewhere(const struct child_sa *c)
{
	struct ike_node *n = ike_table_first(&c->ike->child_by_policy, c->policy);
	const struct ike_sa *sa = ike_sa_by_id(c->ike, c->ike_id);

	if (!c->old || !sa || !sa->established)
		return false;
	for (; n; n = ike_table_next(n)) {
		const struct child_sa *o = n->owner;

		if (o != c && o->up && o->ike_id == c->ike_id && o->up_ms >= c->up_ms &&
		    selector_equal(&o->sel, &c->sel))
			return false;
	}
	return true;
}

static void hard_due(void *obj)
{
	struct child_sa *c = obj;

	if (!replica_held(c->ike, &c->ha, &c->hard))
		child_sa_delete(c, "lifetime", !serves_elsewhere(c));
}

static void overlap_over(void *obj)
{
	struct child_sa *c = obj;

	if (replica_held(c->ike, &c->ha, &c->overlap))
		return;
	if (serves_elsewhere(c))
		ike_timer_set(&c->ike->timers, &c->overlap, c->ike->now_ms + LOOK_MS);
	else
		child_sa_delete(c, "replaced", true);
}

static void idle_due(void *obj)
{
	struct child_sa *c = obj;
	uint64_t in, out;

	if (replica_held(c->ike, &c->ha, &c->idle))
		return;
	counts(c, &in, &out);
	if (in + out == c->idle_packets) {
		child_sa_delete(c, "idle", true);
		return;
	}
	c->idle_packets = in + out;
	ike_timer_set(&c->ike->timers, &c->idle, c->ike->now_ms + c->idle_time_s * 1000ull);
}

static void settle_over(void *obj)
{
	struct child_sa *c = obj;

	if (replica_held(c->ike, &c->ha, &c->settle))
		return;
	c->settling = false;
	child_sa_rebind(c->ike, c->policy, &c->sel);
}

void child_life_init(struct child_sa *c)
{
	ike_timer_init(&c->settle, settle_over, c);
	ike_timer_init(&c->soft, soft_due, c);
	ike_timer_init(&c->hard, hard_due, c);
	ike_timer_init(&c->overlap, overlap_over, c);
	ike_timer_init(&c->idle, idle_due, c);
}

void child_life_start(struct child_sa *c)
{
	struct ike_timers *h = &c->ike->timers;
	uint64_t now = c->ike->now_ms, life_ms = c->lifetime_s * 1000ull;

	c->hard_ms = now + life_ms;
	ike_timer_set(h, &c->hard, c->hard_ms);
	ike_timer_set(h, &c->soft,
		      now + (c->initiator ? ike_jittered(life_ms, 92, 12)
					  : ike_jittered(life_ms, 97, 3)));
	if (c->idle_time_s)
		ike_timer_set(h, &c->idle, now + c->idle_time_s * 1000ull);
}

void child_life_stop(struct child_sa *c)
{
	struct ike_timers *h = &c->ike->timers;

	ike_timer_stop(h, &c->soft);
	ike_timer_stop(h, &c->hard);
	ike_timer_stop(h, &c->overlap);
	ike_timer_stop(h, &c->idle);
	ike_timer_stop(h, &c->settle);
}

void child_life_old(struct child_sa *c, const struct child_sa *by)
{
	struct ike_timers *h = &c->ike->timers;

	c->old = true;
	replica_touch(c->ike, &c->ha);
	uint64_t ms = by->initiator ? OVERLAP_MS : OVERLAP_PEER_MS;

	if (c->initiator != by->initiator && memcmp(c->rank, by->rank, sizeof(c->rank)) < 0)
		ms += OVERLAP_SKEW_MS;
	ike_timer_stop(h, &c->soft);
	ike_timer_stop(h, &c->idle);
	ike_timer_set(h, &c->overlap, c->ike->now_ms + ms);
}

void child_life_revive(const struct child_sa *gone)
{
	struct ike *ike = gone->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_policy, gone->policy);
	struct child_sa *best = NULL;

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (!c->up || !addr_equal(&c->local, &gone->local) ||
		    !addr_equal(&c->remote, &gone->remote) || !selector_equal(&c->sel, &gone->sel))
			continue;
		if (!c->old)
			return;
		if (!best || c->up_ms > best->up_ms)
			best = c;
	}
	if (!best || best->hard_ms <= ike->now_ms || best->ha.asleep)
		return;  // asleep: the other box says what becomes of it
	best->old = best->rekeying = false;
	replica_touch(ike, &best->ha);
	ike_timer_stop(&ike->timers, &best->overlap);
	ike_timer_set(&ike->timers, &best->soft,
		      ike->now_ms + ike_jittered(best->hard_ms - ike->now_ms, 92, 12));
	if (best->idle_time_s)
		ike_timer_set(&ike->timers, &best->idle, ike->now_ms + best->idle_time_s * 1000ull);
}

void child_sa_event(struct child_sa *c, const struct dp_event *ev)
{
	struct ike_sa *sa;

	if (!replica_works(c->ike, c->ha.group))
		return;
	child_sa_wake(c);
	if (c->dead)
		return;
	switch (ev->type) {
	case DP_EVENT_LIM_LOW:
	case DP_EVENT_LIM_REACHED:
		// Of a group: a ceiling, which the caller raises.
		if (c->ha.group && c->granted < CHILD_SEQ_LIM)
			break;
		__attribute__((fallthrough));  // here the sequence numbers end: a new pair
	case DP_EVENT_SOFT_EXPIRE:
		if (!c->rekeying)
			rekey(c);
		break;
	case DP_EVENT_HARD_EXPIRE: child_sa_delete(c, "lifetime (volume)", true); break;
	case DP_EVENT_PEER_MOVED:
		sa = ike_sa_by_id(c->ike, c->ike_id);
		if (sa) {
			struct dp_udp meta = {.remote = ev->remote, .remote_port = ev->remote_port};

			ike_sa_moved(sa, &meta);
		} else if (c->udp_encap) {
			child_sa_moved(c, &ev->remote, ev->remote_port);
		}
		break;
	default: break;
	}
}

// Room for one more pair of this flow: the oldest replaced one goes. A peer may rekey as fast as it
// likes, or ask for ever new parts of the flow; the table of SAs is everybody's.
bool child_life_room(struct ike *ike, const struct tunnel_flow *flow, const struct ip_addr *remote)
{
	struct ike_node *n = ike_table_first(&ike->child_by_policy, flow->policy);
	struct child_sa *oldest = NULL;
	unsigned count = 0;

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		count++;
		if (c->old && (!oldest || c->id < oldest->id))
			oldest = c;
	}
	if (count < IKE_CHILDREN_PER_FLOW)
		return true;
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	char peer[ADDR_STR_MAX], sel[SELECTOR_STR_MAX];

	ike->n.rx_dropped_limit++;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IPSEC_SA_LIMIT",
			  "Peer %s has %u pairs of IPsec SAs for %s: %s",
			  addr_format(remote, peer, sizeof(peer)), count,
			  selector_format(&flow->sel, sel, sizeof(sel)),
			  oldest ? "the oldest replaced one is deleted" : "no more are made");
	if (oldest)
		child_sa_delete(oldest, "too many SAs", true);
	return oldest != NULL;
}

// The replaced pair goes: the peer has the new one, or will have it before anything else works.
void child_life_settled(const struct child_sa *gone)
{
	struct ike_node *n = ike_table_first(&gone->ike->child_by_policy, gone->policy);

	for (; gone->old && n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (!c->settling || !selector_equal(&c->sel, &gone->sel))
			continue;
		ike_timer_stop(&c->ike->timers, &c->settle);
		c->settling = false;
	}
}

void child_life_log(const struct child_sa *c, bool up, bool rekey, const char *reason)
{
	// A peer may make pairs as fast as it likes.
	static struct log_ratelimit rl_up = LOG_RATELIMIT(50), rl_down = LOG_RATELIMIT(50);
	char peer[ADDR_STR_MAX], sel[SELECTOR_STR_MAX];

	addr_format(&c->remote, peer, sizeof(peer));
	log_debug(DEBUG_IPSEC,
		  "pair %u with %s %s: SPIs in 0x%08X out 0x%08X, map %s, lifetime %u s %ju KB, "
		  "window "
		  "%u%s%s%s",
		  c->id, peer, up ? "up" : "down", c->spi_in, c->spi_out, c->map, c->lifetime_s,
		  (uintmax_t)c->lifetime_kb, c->replay_window, c->udp_encap ? ", in UDP" : "",
		  up ? "" : ": ", up ? "" : reason);
	if (up)
		log_event_limited(&rl_up, "CRYPTO", LOG_L_INFO, "IPSEC_SA_UP",
				  "IPsec SAs with peer %s (SPIs in 0x%08X, out 0x%08X) are up for "
				  "%s%s",
				  peer, c->spi_in, c->spi_out,
				  selector_format(&c->sel, sel, sizeof(sel)),
				  rekey ? ", replacing others" : "");
	else
		log_event_limited(
			&rl_down, "CRYPTO", LOG_L_INFO, "IPSEC_SA_DOWN",
			"IPsec SAs with peer %s (SPIs in 0x%08X, out 0x%08X) are down: %s", peer,
			c->spi_in, c->spi_out, reason);
}
