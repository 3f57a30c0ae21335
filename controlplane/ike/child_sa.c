// Child SAs: reserved, installed in the data plane, bound to their policy, replaced by the next
// one without a gap, deleted. Timers and events are in child_life.c.
//
//   create -> install in / out -> up ----------------------> delete
//                                  \-> old (replaced) --^  after the overlap, or by the peer
//
// Two ends that rekey at once make two new pairs. Both keep for sending the one with the lower
// rank, a hash over both nonces; the other is old from the start (RFC 2409 says nothing here; a
// rule that both ends can compute keeps them from deleting one pair each).

#include "ike/child_sa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_life.h"
#include "ike/dynamic.h"
#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "ike/peer_list.h"
#include "ike/proposal.h"
#include "log.h"
#include "secret.h"

void child_sa_register(struct child_sa *c)
{
	struct ike *ike = c->ike;

	TAILQ_INSERT_TAIL(&ike->children, c, link);
	ike_table_add(&ike->child_by_id, &c->id_node, c->id, c);
	ike_table_add(&ike->child_by_policy, &c->policy_node, c->policy, c);
	ike_table_add(&ike->child_by_peer, &c->peer_node, ike_table_addr_key(&c->remote), c);
}

struct child_sa *child_sa_create(struct ike *ike, const struct tunnel_flow *flow,
				 const struct ip_addr *local, const struct ip_addr *remote)
{
	const struct tunnel *t = flow->tunnel;
	struct child_sa *c;

	if (!child_life_room(ike, flow, remote)) {
		errno = ENOSPC;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	uint16_t group = replica_group(ike, local);

	c->spi_in = group && ike->env.group_spi_alloc
			    ? ike->env.group_spi_alloc(ike->env.ctx, group)
			    : ike->env.spi_alloc(ike->env.ctx);
	if (c->spi_in == 0) {
		free(c);
		errno = ENOSPC;
		return NULL;
	}
	c->ike = ike;
	c->id = ++ike->last_child_id;
	c->begun_ms = ike->now_ms;
	c->policy = flow->policy;
	memcpy(c->map, t->map, sizeof(c->map));
	memcpy(c->interface, t->interface, sizeof(c->interface));
	c->seq = t->seq;
	c->local = *local;
	c->remote = *remote;
	c->sel = flow->sel;
	c->replay_window = t->replay_window;
	c->idle_time_s = t->idle_time_s;
	c->df = t->df;
	c->fragment_after = t->fragment_after;
	c->flow = flow->sel;
	memcpy(c->dynamic_map, t->dynamic_map, sizeof(c->dynamic_map));
	c->dynamic_seq = t->dynamic_seq;
	c->first = 1;
	c->ceiling = group ? CHILD_CEILING : 0;
	child_life_init(c);
	replica_new(ike, &c->ha, HA_CHILD_SA, c, group);
	child_sa_register(c);
	return c;
}

// ha-protocol rule 1: slot | join - join at birth | restart | counter. Without redundancy an SA is
// born in this join, so the difference is zero.
static int iv_prefix(const struct child_sa *c, uint64_t *out)
{
	const struct ike_env *env = &c->ike->env;
	struct ike_life life = {0};
	uint32_t join = 0, since = 0;

	if (c->ha.group && env->group_life) {
		env->group_life(env->ctx, c->ha.group, &life);
		life.slot &= 1;
		if (life.join[life.slot] < c->ha.birth[life.slot])
			return -EOVERFLOW;
		since = life.join[life.slot] - c->ha.birth[life.slot];
		if (since >= 1u << 15)
			return -EOVERFLOW;
	} else {
		env->life(env->ctx, &life.slot, &join, &life.restart);
	}
	*out = (uint64_t)(life.slot & 1) << 63 | (uint64_t)since << 48 |
	       (uint64_t)life.restart << 40;
	return 0;
}

int child_sa_life_set(struct child_sa *c)
{
	const struct ike_env *env = &c->ike->env;
	uint64_t prefix;
	int rc = iv_prefix(c, &prefix);

	if (rc < 0) {
		replica_taint(c->ike, &c->ha, true);
		return rc;
	}
	return c->sa_out && env->sa_set_life ? env->sa_set_life(env->ctx, c->sa_out, prefix) : 0;
}

static void volume_limits(const struct child_sa *c, struct dp_sa *p)
{
	// Replaced early enough by whoever of the two ends notices first (the jitter decides).
	unsigned part = c->initiator ? 85 : 93, jitter = c->initiator ? 10 : 3;

	p->hard_bytes = (uint64_t)c->lifetime_kb * 1024;
	p->soft_bytes = ike_jittered(p->hard_bytes, part, jitter);
	p->hard_packets = CHILD_SEQ_LIM;
	p->soft_packets = ike_jittered(CHILD_SEQ_LIM, part, jitter);
	// What another box used up.
	uint64_t *const limits[] = {&p->hard_packets, &p->soft_packets, &p->hard_bytes,
				    &p->soft_bytes};

	for (unsigned i = 0; i < 4; i++) {
		uint64_t used = i < 2 ? c->first - 1 : c->bytes_before;

		if (*limits[i])
			*limits[i] = *limits[i] > used ? *limits[i] - used : 1;
	}
}

// Of a group: nothing goes out before the other box knows the SA (ike_replica_limit).
static void numbers(struct child_sa *c, struct dp_sa *p)
{
	p->next = c->first;
	p->edge = c->edge;
	p->group = c->ha.group;
	p->lim = c->ha.group ? c->granted : CHILD_SEQ_LIM;
	p->lim_low_margin = CHILD_SEQ_MARGIN;
	if (c->ha.group)
		p->lim_low_margin = 1u << 15;
	if (iv_prefix(c, &p->iv_prefix) < 0)
		replica_taint(c->ike, &c->ha, true);
	p->state = c->ha.tainted ? DP_SA_STANDBY : DP_SA_ACTIVE;
}

static void fill(struct child_sa *c, enum dp_dir dir, const struct esp_suite *s, struct dp_sa *p)
{
	p->id = c->ha.id;
	p->dir = dir;
	p->mode = c->transform.transport ? DP_TRANSPORT : DP_TUNNEL;
	p->spi = dir == DP_IN ? c->spi_in : c->spi_out;
	p->local = c->local;
	p->remote = c->remote;
	p->udp_encap = c->udp_encap;
	p->local_port = c->local_port;
	p->remote_port = c->remote_port;
	p->cipher = s->cipher;
	p->auth = s->auth;
	p->icv_len = s->icv_len;
	p->replay_window = dir == DP_IN ? c->replay_window : 0;
	p->sel[0] = c->sel;
	p->sels = 1;
	p->df = c->df;
	p->fragment_after = c->fragment_after;
	numbers(c, p);
	p->worker = -1;
	p->pair = c->id;
	volume_limits(c, p);
}

int child_sa_install(struct child_sa *c, enum dp_dir dir, const uint8_t *keymat, size_t len,
		     struct err *err)
{
	struct dp_sa p = {0};
	struct esp_suite s;
	uint32_t *handle = dir == DP_IN ? &c->sa_in : &c->sa_out;
	int rc = esp_suite_of(&c->transform, &s);

	if (rc < 0)
		return err_set(err, rc, "transform %s cannot be used", c->transform.name);
	if (len != (size_t)s.key_len + s.salt_len + s.auth_key_len)
		return err_set(err, -EINVAL, "key material has the wrong length");
	fill(c, dir, &s, &p);
	p.key_len = s.key_len;
	p.salt_len = s.salt_len;
	p.auth_key_len = s.auth_key_len;
	memcpy(p.key, keymat, s.key_len + s.salt_len);
	memcpy(p.auth_key, keymat + s.key_len + s.salt_len, s.auth_key_len);
	rc = c->ha.group ? secret_set(&c->keys[dir], keymat, len) : 0;
	if (rc == 0)
		rc = c->ike->env.sa_add(c->ike->env.ctx, &p, handle, err);
	secret_wipe(&p, sizeof(p));
	if (rc < 0) {
		*handle = 0;
		return rc;
	}
	ike_table_add(&c->ike->child_by_sa, dir == DP_IN ? &c->in_node : &c->out_node, *handle, c);
	return 0;
}

struct child_sa *child_sa_by_id(const struct ike *ike, uint32_t id)
{
	struct ike_node *n = ike_table_first(&ike->child_by_id, id);

	return n ? n->owner : NULL;
}

struct child_sa *child_sa_by_handle(const struct ike *ike, uint32_t sa)
{
	struct ike_node *n = ike_table_first(&ike->child_by_sa, sa);

	return n ? n->owner : NULL;
}

static bool is_between(const struct child_sa *c, const struct ip_addr *local,
		       const struct ip_addr *remote)
{
	return addr_equal(&c->local, local) && addr_equal(&c->remote, remote);
}

static bool better(const struct child_sa *a, const struct child_sa *b)
{
	if (!b)
		return true;
	if (a->narrowed != b->narrowed)
		return b->narrowed;  // the whole flow's SA serves the policy
	return a->up_ms > b->up_ms || (a->up_ms == b->up_ms && a->id > b->id);
}

// sel: only those with these selectors; NULL: any.
static struct child_sa *best_of(const struct ike *ike, uint32_t policy, const struct selector *sel,
				bool sending)
{
	struct ike_node *n = ike_table_first(&ike->child_by_policy, policy);
	struct child_sa *best = NULL, *best_old = NULL;

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (!c->up || (sending && c->settling) || (sel && !selector_equal(&c->sel, sel)))
			continue;
		if (c->old) {
			if (better(c, best_old))
				best_old = c;
		} else if (better(c, best)) {
			best = c;
		}
	}
	return best ? best : best_old;  // an old one still carries traffic
}

struct child_sa *child_sa_current(const struct ike *ike, uint32_t policy)
{
	return best_of(ike, policy, NULL, false);
}

struct child_sa *child_sa_covering(const struct ike *ike, uint32_t policy,
				   const struct selector *packet)
{
	struct ike_node *n = ike_table_first(&ike->child_by_policy, policy);

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (c->up && selector_covers(&c->sel, packet))
			return c;
	}
	return NULL;
}

void child_sa_rebind(struct ike *ike, uint32_t policy, const struct selector *sel)
{
	const struct child_sa *c = policy ? best_of(ike, policy, sel, true) : NULL;

	if (c)  // else the last one leaves the policy when its SA is deleted
		ike->env.policy_bind(ike->env.ctx, policy, c->sa_out);
}

// A bound pair goes: when the only other one still waits for its peer, it serves from now on. An
// early packet may be lost; without an SA all would be, and the flow would ask for another
// negotiation.
static void rebind_without(struct ike *ike, uint32_t policy, const struct selector *sel)
{
	const struct child_sa *c = policy ? best_of(ike, policy, sel, true) : NULL;

	if (policy && !c)
		c = best_of(ike, policy, sel, false);
	if (c)
		ike->env.policy_bind(ike->env.ctx, policy, c->sa_out);
}

// Did both ends begin before they knew of the other one's pair? `later` came up now, and was begun
// before `other` was up. A peer that renews `other` begins after. (Should a lost first message make
// it look that way, the ends may disagree; child_life_revive() settles that.)
static bool is_simultaneous(const struct child_sa *later, const struct child_sa *other)
{
	return later->initiator != other->initiator && !other->rekeying &&
	       later->begun_ms <= other->up_ms;
}

// Of the pairs for the same traffic with the same peer one serves; the others get old.
static bool replace_others(struct child_sa *c)
{
	struct ike_node *n = ike_table_first(&c->ike->child_by_policy, c->policy);
	struct child_sa *serving = c;
	bool replaced = false;

	for (; n; n = ike_table_next(n)) {
		struct child_sa *o = n->owner;

		if (o == c || !o->up || o->old || !is_between(o, &c->local, &c->remote) ||
		    !selector_equal(&o->sel, &c->sel))
			continue;
		replaced = true;
		if (is_simultaneous(c, o) && memcmp(o->rank, serving->rank, sizeof(o->rank)) < 0) {
			child_life_old(serving, o);
			serving = o;
		} else {
			child_life_old(o, serving);
		}
	}
	return replaced;
}

static bool session_has_other(const struct child_sa *c)
{
	struct ike_node *n =
		ike_table_first(&c->ike->child_by_peer, ike_table_addr_key(&c->remote));

	for (; n; n = ike_table_next(n)) {
		const struct child_sa *o = n->owner;

		if (o != c && o->up && !o->dead && is_between(o, &c->local, &c->remote))
			return true;
	}
	return false;
}

static void session_log(const struct child_sa *c, bool up)
{
	const struct ike_sa *sa = ike_sa_by_id(c->ike, c->ike_id);
	char peer[ADDR_STR_MAX];

	addr_format(&c->remote, peer, sizeof(peer));
	log_event("CRYPTO", LOG_L_NOTICE, "SESSION_STATUS",
		  "Crypto tunnel is %s. Peer %s:%u Id: %s", up ? "UP" : "DOWN", peer,
		  c->remote_port ? c->remote_port : IKE_PORT,
		  sa && sa->remote_id[0] ? sa->remote_id : peer);
}

void child_sa_notice(const struct child_sa *c, enum ike_notice_type type, bool rekey,
		     const char *reason)
{
	const struct ike *ike = c->ike;
	struct ike_notice n = {
		.type = type,
		.local = c->local,
		.remote = c->remote,
		.flow = ike->tunnels ? tunnels_flow(ike->tunnels, c->policy) : NULL,
		.sel = c->sel,
		.sa_in = c->sa_in,
		.sa_out = c->sa_out,
		.rekey = rekey,
		.reason = reason,
	};

	if (!c->ha.asleep)
		child_life_log(c, type == IKE_CHILD_UP, rekey, reason);
	ike_notice(c->ike, &n);
}

void child_sa_up(struct child_sa *c)
{
	struct ike *ike = c->ike;
	const struct tunnel_flow *flow = tunnels_flow(ike->tunnels, c->policy);
	bool first = !session_has_other(c), replaced;

	c->up = true;
	c->up_ms = ike->now_ms;
	replica_begin(ike, &c->ha);
	child_life_start(c);
	replaced = replace_others(c);
	ike->n.rekeys_child += replaced;
	child_sa_rebind(ike, c->policy, &c->sel);
	if (first)
		session_log(c, true);
	child_sa_notice(c, IKE_CHILD_UP, replaced, NULL);
	if (flow)
		peer_list_worked(ike, flow->tunnel, &c->remote);
	ike_want_child_up(c);
	dynamic_child_up(c);
}

void child_sa_up_settle(struct child_sa *c, uint64_t settle_ms)
{
	// A lost timer (no memory) means an early packet, not a dead tunnel.
	c->settling = ike_timer_set(&c->ike->timers, &c->settle, c->ike->now_ms + settle_ms) == 0;
	child_sa_up(c);
}

void child_sa_settle(struct child_sa *c, uint64_t settle_ms)
{
	c->settling = ike_timer_set(&c->ike->timers, &c->settle, c->ike->now_ms + settle_ms) == 0;
	child_sa_rebind(c->ike, c->policy, &c->sel);
}

static void grave_free(struct ike_dead *d)
{
	struct child_sa *c = (struct child_sa *)((char *)d - offsetof(struct child_sa, grave));

	secret_clear(&c->keys[DP_IN]);
	secret_clear(&c->keys[DP_OUT]);
	secret_clear(&c->half_done);
	free(c);
}

static void tell_peer(struct child_sa *c)
{
	struct ike_sa *sa = ike_sa_by_id(c->ike, c->ike_id);

	if (!sa || !sa->established)
		sa = child_sa_ike(c);
	if (sa && c->sa_in)
		sa->ops->child_delete(sa, c);
}

void child_sa_delete(struct child_sa *c, const char *reason, bool tell)
{
	struct ike *ike = c->ike;

	bool quiet = c->ha.asleep;  // the other box's: not ours to speak of

	if (c->dead)
		return;
	replica_gone(ike, &c->ha);
	if (tell && !quiet)
		tell_peer(c);
	c->dead = true;
	child_life_stop(c);
	TAILQ_REMOVE(&ike->children, c, link);
	ike_table_del(&c->id_node);
	ike_table_del(&c->in_node);
	ike_table_del(&c->out_node);
	ike_table_del(&c->policy_node);
	ike_table_del(&c->peer_node);
	if (c->up) {
		child_life_settled(c);
		if (!c->old)
			child_life_revive(c);
		rebind_without(ike, c->policy, &c->sel);  // before the SA goes: no gap
	}
	if (c->sa_out)
		ike->env.sa_del(ike->env.ctx, c->sa_out);
	if (c->sa_in)
		ike->env.sa_del(ike->env.ctx, c->sa_in);
	else
		ike->env.spi_free(ike->env.ctx, c->spi_in);
	ike_bury(ike, &c->grave, grave_free);
	if (c->up) {
		child_sa_notice(c, IKE_CHILD_DOWN, c->old, reason);
		if (!quiet && !session_has_other(c))
			session_log(c, false);
	}
	child_sa_attach(c, NULL);
	dynamic_child_gone(ike, c->policy);
}
