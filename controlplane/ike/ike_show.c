// Snapshots for displays, counters, and the clear commands.

#include <stdio.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/ike_engine.h"
#include "ike/ike_sa.h"
#include "ike/replica.h"

static uint32_t seconds_left(uint64_t until_ms, uint64_t now_ms)
{
	return until_ms > now_ms ? (uint32_t)((until_ms - now_ms + 999) / 1000) : 0;
}

static const struct ike_sa *sa_after(const struct ike *ike, uint32_t after)
{
	const struct ike_sa *sa = after ? ike_sa_by_id(ike, after) : NULL;

	if (sa)
		return TAILQ_NEXT(sa, link);
	TAILQ_FOREACH (sa, &ike->sas, link)
		if (sa->id > after)
			return sa;
	return NULL;
}

bool ike_sa_next(const struct ike *ike, uint32_t after, struct ike_sa_info *out)
{
	const struct ike_sa *sa = sa_after(ike, after);
	uint64_t now = ike->env.now_ms(ike->env.ctx);

	if (!sa)
		return false;
	*out = (struct ike_sa_info){
		.id = sa->id,
		.version = sa->ops->number,
		.local = sa->local,
		.remote = sa->remote,
		.local_port = sa->local_port,
		.remote_port = sa->remote_port,
		.established = sa->established,
		.initiator = sa->initiator,
		.deleted = sa->superseded,
		.replicated = sa->ha.group != 0,
		.standby = !replica_works(ike, replica_group(ike, &sa->local)),
		.icookie = sa->icookie,
		.rcookie = sa->rcookie,
		.encr = sa->suite.encr,
		.aes_bits = sa->suite.aes_bits,
		.hash = sa->suite.hash,
		.auth = sa->suite.auth,
		.group = sa->suite.group,
		.lifetime_s = sa->suite.lifetime_s,
		.lifetime_left_s = sa->established ? seconds_left(sa->expires_ms, now) : 0,
		.established_ms = sa->established_ms,
		.natt = sa->natt,
		.dpd = sa->peer_dpd,
		.nat_local = sa->nat_local,
		.nat_remote = sa->nat_remote,
		.children = sa->children,
	};
	snprintf(out->state, sizeof(out->state), "%s", sa->ops->state_name(sa));
	snprintf(out->local_id, sizeof(out->local_id), "%s", sa->local_id);
	snprintf(out->remote_id, sizeof(out->remote_id), "%s", sa->remote_id);
	return true;
}

static const struct child_sa *child_after(const struct ike *ike, uint32_t after)
{
	const struct child_sa *c = after ? child_sa_by_id(ike, after) : NULL;

	if (c) {
		c = TAILQ_NEXT(c, link);
	} else {
		TAILQ_FOREACH (c, &ike->children, link)
			if (c->id > after)
				break;
	}
	while (c && !c->up)
		c = TAILQ_NEXT(c, link);
	return c;
}

static uint64_t volume_left_kb(const struct child_sa *c)
{
	const struct ike_env *env = &c->ike->env;
	struct dp_sa_stats s;
	uint64_t used = 0;

	if (c->lifetime_kb == 0)
		return 0;
	if (env->sa_stats(env->ctx, c->sa_in, &s) == 0)
		used = s.bytes;
	if (env->sa_stats(env->ctx, c->sa_out, &s) == 0 && s.bytes > used)
		used = s.bytes;
	used /= 1024;
	return used < c->lifetime_kb ? c->lifetime_kb - used : 0;
}

bool ike_child_next(const struct ike *ike, uint32_t after, struct ike_child_info *out)
{
	const struct child_sa *c = child_after(ike, after);
	const struct tunnel_flow *f;

	if (!c)
		return false;
	f = ike->tunnels ? tunnels_flow(ike->tunnels, c->policy) : NULL;
	*out = (struct ike_child_info){
		.id = c->id,
		.ike_id = c->ike_id,
		.policy = c->policy,
		.seq = c->seq,
		.local = c->local,
		.remote = c->remote,
		.sel = c->sel,
		.spi_in = c->spi_in,
		.spi_out = c->spi_out,
		.sa_in = c->sa_in,
		.sa_out = c->sa_out,
		.transform = c->transform,
		.udp_encap = c->udp_encap,
		.local_port = c->local_port,
		.remote_port = c->remote_port,
		.pfs_group = c->pfs_group,
		.replay_window = c->replay_window,
		.rekeying = c->rekeying,
		.old = c->old,
		.replicated = c->ha.group != 0,
		.lifetime_s = c->lifetime_s,
		.left_s = seconds_left(c->hard_ms, ike->env.now_ms(ike->env.ctx)),
		.lifetime_kb = c->lifetime_kb,
		.left_kb = volume_left_kb(c),
		.up_ms = c->up_ms,
	};
	memcpy(out->map, c->map, sizeof(out->map));
	memcpy(out->interface, c->interface, sizeof(out->interface));
	if (f) {
		memcpy(out->dynamic_map, f->tunnel->dynamic_map, sizeof(out->dynamic_map));
		out->dynamic_seq = f->tunnel->dynamic_seq;
	}
	return true;
}

void ike_get_counters(const struct ike *ike, struct ike_counters *out)
{
	*out = ike->n;
	out->half_open = ike->half_open;
}

unsigned ike_clear_isakmp(struct ike *ike, uint32_t id)
{
	struct ike_sa *sa, *next;
	uint32_t last;
	unsigned n = 0;

	ike_enter(ike);
	last = ike->last_sa_id;  // not those that waiting flows begin meanwhile
	for (sa = TAILQ_FIRST(&ike->sas); sa && sa->id <= last; sa = next) {
		next = TAILQ_NEXT(sa, link);
		if ((id != 0 && sa->id != id) || sa->ha.asleep)
			continue;
		ike_sa_kill(sa, "cleared", true);
		n++;
	}
	ike_leave(ike);
	return n;
}

unsigned ike_clear_sa(struct ike *ike, const struct ip_addr *peer, const char *map)
{
	struct child_sa *c, *next;
	unsigned n = 0;

	ike_enter(ike);
	for (c = TAILQ_FIRST(&ike->children); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->up || c->ha.asleep || (peer && !addr_equal(&c->remote, peer)) ||
		    (map && strcmp(c->map, map) != 0))
			continue;
		child_sa_delete(c, "cleared", true);
		n++;
	}
	ike_leave(ike);
	return n;
}

unsigned ike_clear_replicated(struct ike *ike, unsigned what)
{
	uint32_t last = ike->last_sa_id;
	struct child_sa *c, *next_child;
	struct ike_sa *sa, *next;
	unsigned n = 0;

	ike_enter(ike);
	for (c = TAILQ_FIRST(&ike->children); c && (what & IKE_CLEAR_CHILD); c = next_child) {
		next_child = TAILQ_NEXT(c, link);
		if (!c->up || c->ha.group == 0 || c->ha.asleep)
			continue;
		child_sa_delete(c, "cleared", true);
		n++;
	}
	for (sa = TAILQ_FIRST(&ike->sas); sa && (what & IKE_CLEAR_IKE) && sa->id <= last;
	     sa = next) {
		next = TAILQ_NEXT(sa, link);
		if (sa->ha.group == 0 || sa->ha.asleep)
			continue;
		ike_sa_kill(sa, "cleared", true);
		n++;
	}
	ike_leave(ike);
	return n;
}

unsigned ike_clear_session(struct ike *ike, const struct ip_addr *remote)
{
	struct ike_sa *sa, *next;
	uint32_t last;
	unsigned n;

	ike_enter(ike);
	n = ike_clear_sa(ike, remote, NULL);
	last = ike->last_sa_id;
	for (sa = TAILQ_FIRST(&ike->sas); sa && sa->id <= last; sa = next) {
		next = TAILQ_NEXT(sa, link);
		if ((remote && !addr_equal(&sa->remote, remote)) || sa->ha.asleep)
			continue;
		ike_sa_kill(sa, "cleared", true);
		n++;
	}
	ike_leave(ike);
	return n;
}
