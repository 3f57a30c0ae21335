// The passive pair that a record of the other box makes here (ha-protocol rules 1, 6, 10): SPI
// reserved, both directions in the data plane with the next number above the ceiling, policy bound.
// A take-over then changes nothing but the state of the group.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_life.h"
#include "ike/child_record.h"
#include "ike/dynamic.h"
#include "ike/flow_index.h"
#include "ike/peer_list.h"

// The instance of a template for this peer and traffic, if some pair has it already.
static const struct tunnel_flow *dynamic_by_peer(const struct ike *ike, const struct ip_addr *local,
						 const struct ip_addr *remote,
						 const struct selector *sel)
{
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(remote));

	for (; n; n = ike_table_next(n)) {
		const struct child_sa *c = n->owner;
		const struct tunnel_flow *f = tunnels_flow(ike->tunnels, c->policy);

		if (f && f->tunnel->role == TUNNEL_INSTANCE && addr_equal(&c->remote, remote) &&
		    addr_equal(&f->tunnel->local, local) && selector_equal(&f->sel, sel))
			return f;
	}
	return NULL;
}

static const struct tunnel_flow *instance_make(struct ike *ike, const struct child_record *r,
					       const struct ike_sa *sa)
{
	const struct tunnel_flow *f = NULL;
	const struct tunnel *t = tunnels_template(ike->tunnels, r->interface, r->map, r->seq,
						  r->dynamic_map, r->dynamic_seq);

	if (!t || tunnels_instance_add(ike->tunnels, t, &r->remote, &r->flow, &f) < 0)
		return NULL;
	if (sa)
		tunnels_instance_named(ike->tunnels, f->policy, sa->remote_id, sa->id_named);
	if (ike->env.policies_changed)
		ike->env.policies_changed(ike->env.ctx);
	return f;
}

// The flow of the same names here; an instance of a template is made anew if it is not there.
static const struct tunnel_flow *flow_find(struct ike *ike, const struct child_record *r,
					   const struct ike_sa *sa)
{
	const struct tunnel_flow *f;

	if (!ike->tunnels)
		return NULL;
	if (!r->dynamic_map[0])
		return flow_index_find(ike, r->map, r->seq, &r->local, &r->flow);
	f = dynamic_by_peer(ike, &r->local, &r->remote, &r->flow);
	return f ? f : instance_make(ike, r, sa);
}

static struct child_sa *passive_create(struct ike *ike, const struct ha_sa *in,
				       const struct child_record *r)
{
	struct child_sa *c = calloc(1, sizeof(*c));
	int rc = c ? 0 : -ENOMEM;

	if (rc == 0)
		rc = ike->env.spi_take ? ike->env.spi_take(ike->env.ctx, in->spi_in) : -ENOTSUP;
	if (rc < 0) {
		free(c);
		errno = -rc;
		return NULL;
	}
	c->ike = ike;
	c->id = ++ike->last_child_id;
	c->spi_in = in->spi_in;
	c->local = r->local;
	c->remote = r->remote;
	c->wake_soft_ms = c->wake_overlap_ms = RECORD_NEVER;
	child_life_init(c);
	replica_take(ike, &c->ha, in, c);
	child_sa_register(c);
	return c;
}

static void policy_set(struct child_sa *c, const struct tunnel_flow *f)
{
	uint32_t policy = f ? f->policy : 0;

	if (policy == c->policy)
		return;
	c->policy = policy;
	ike_table_del(&c->policy_node);
	ike_table_add(&c->ike->child_by_policy, &c->policy_node, policy, c);
}

static void record_apply(struct child_sa *c, const struct ha_sa *in, struct child_record *r)
{
	struct ike *ike = c->ike;

	record_times_age(ike, &r->times);
	memcpy(c->map, r->map, sizeof(c->map));
	memcpy(c->interface, r->interface, sizeof(c->interface));
	memcpy(c->dynamic_map, r->dynamic_map, sizeof(c->dynamic_map));
	memcpy(c->rank, r->rank, sizeof(c->rank));
	c->dynamic_seq = r->dynamic_seq;
	c->flow = r->flow;
	c->seq = r->seq;
	c->sel = r->sel;
	c->spi_out = in->spi_out;
	c->initiator = r->initiator;
	c->up = r->up;
	c->old = r->old;
	c->rekeying = r->rekeying;
	c->udp_encap = r->udp_encap;
	c->narrowed = r->narrowed;
	c->fragment_after = r->fragment_after;
	c->df = r->df;
	c->local_port = r->local_port;
	c->pfs_group = r->pfs_group;
	c->replay_window = r->replay_window;
	c->idle_time_s = r->idle_time_s;
	c->lifetime_s = r->lifetime_s;
	c->lifetime_kb = r->lifetime_kb;
	c->transform = r->transform;
	c->up_ms = record_since(ike, r->times.age_ms);
	c->begun_ms = record_since(ike, r->times.begun_ms);
	c->hard_ms = record_due(ike, r->times.hard_ms);
	c->wake_soft_ms = record_due(ike, r->times.renew_ms);
	c->wake_overlap_ms = record_due(ike, r->times.replaced_ms);
	if (!c->sa_in && !c->sa_out)
		c->bytes_before = r->bytes;
	if (c->remote_port != r->remote_port || !addr_equal(&c->remote, &r->remote)) {
		if (c->sa_in || c->sa_out)
			child_sa_moved(c, &r->remote, r->remote_port);
		c->remote = r->remote;
		c->remote_port = r->remote_port;
	}
}

// What both boxes know of its numbers (rule 10); of one that is there already only upwards.
static int numbers_set(struct child_sa *c, const struct ha_sa *in)
{
	struct ike *ike = c->ike;

	if (in->ceiling > c->ceiling)
		c->ceiling = in->ceiling;
	if (replica_works(ike, in->group))
		return 0;
	(void)child_sa_life_set(c);
	// A group that has only just stopped is not at rest: the numbers come with its next word.
	(void)ike_replica_sequence(ike, c->ha.id, c->ceiling + 1, in->edge);
	if (c->granted < c->ceiling)
		(void)ike_replica_limit(ike, c->ha.id, c->ceiling, 0);
	return 0;
}

static int install(struct child_sa *c, const struct ha_sa *in, const struct child_record *r,
		   struct err *err)
{
	uint32_t *const handles[] = {[DP_IN] = &c->sa_in, [DP_OUT] = &c->sa_out};
	int rc = 0;

	if (in->ceiling > c->ceiling)
		c->ceiling = in->ceiling;
	c->first = c->ceiling + 1;
	c->granted = c->ceiling;  // rule 10; a planned switchover goes on below it
	c->edge = in->edge;
	for (unsigned dir = DP_IN; dir <= DP_OUT && rc == 0; dir++)
		if (r->keys[dir].len && !*handles[dir])
			rc = child_sa_install(c, (enum dp_dir)dir, r->keys[dir].data,
					      r->keys[dir].len, err);
	return rc;
}

static void parent_set(struct child_sa *c, const struct ha_sa *in)
{
	struct replica *p = in->parent ? replica_find(c->ike, in->parent) : NULL;
	struct ike_sa *sa = p && p->kind == HA_IKE_SA ? p->owner : NULL;

	c->ha_parent = in->parent;
	if ((sa ? sa->id : 0) != c->ike_id)
		child_sa_attach(c, sa);
}

static int half_done_set(struct child_sa *c, const struct child_record *r)
{
	struct chunk x = r->tlv.v[TLV_V1_QUICK];
	struct ike_sa *sa = ike_sa_by_id(c->ike, c->ike_id);

	if (sa)  // this box's own memory of it, from when it worked
		sa->ops->child_forget(sa, c);
	if (x.len)
		return secret_set(&c->half_done, x.data, x.len);
	secret_clear(&c->half_done);
	return 0;
}

static struct child_sa *get_or_make(struct ike *ike, const struct ha_sa *in,
				    const struct child_record *r)
{
	struct replica *known = replica_find(ike, in->id);
	struct child_sa *c;

	if (!known)
		return passive_create(ike, in, r);
	c = known->kind == HA_CHILD_SA ? known->owner : NULL;
	if (!c || known->group != in->group || c->spi_in != in->spi_in ||
	    (c->sa_out && c->spi_out != in->spi_out) || !addr_equal(&c->local, &r->local)) {
		errno = EEXIST;  // rule 6: an identity is used once
		return NULL;
	}
	child_sa_sleep(c);
	errno = EEXIST;
	return c->dead ? NULL : c;  // dead: ours, and never told
}

static int take(struct ike *ike, const struct ha_sa *in, struct child_record *r, struct err *err)
{
	struct child_sa *c = get_or_make(ike, in, r);
	bool was_up, there;
	int rc;

	if (!c)
		return -errno;
	was_up = c->up && c->sa_out;
	there = c->sa_in || c->sa_out;
	record_apply(c, in, r);
	parent_set(c, in);
	policy_set(c, flow_find(ike, r, ike_sa_by_id(ike, c->ike_id)));
	replica_taint(ike, &c->ha, in->taint);
	rc = half_done_set(c, r);
	if (rc == 0)
		rc = install(c, in, r, err);
	if (rc == 0 && there)
		rc = numbers_set(c, in);
	if (rc < 0) {
		child_sa_delete(c, "cannot be taken over", false);
		return rc;
	}
	if (c->policy && c->up) {
		const struct tunnel_flow *f = tunnels_flow(ike->tunnels, c->policy);

		child_sa_rebind(ike, c->policy, &c->sel);
		peer_list_worked(ike, f->tunnel, &c->remote);
	}
	if (c->up && !was_up)
		child_sa_notice(c, IKE_CHILD_UP, c->old, NULL);
	if (replica_works(ike, in->group))
		child_sa_wake(c);
	return 0;
}

int child_sa_take(struct ike *ike, const struct ha_sa *in, struct err *err)
{
	struct child_record *r = calloc(1, sizeof(*r));
	struct err why = {0};
	int rc = -ENOMEM;

	if (r)
		rc = child_record_get(in, r);
	if (rc == 0 && replica_group(ike, &r->local) != in->group)
		rc = -EADDRNOTAVAIL;  // not the group's address here
	if (rc == 0)
		rc = take(ike, in, r, &why);
	free(r);
	return rc < 0 ? err_set(err, rc, "IPsec SAs of the other box: %s",
				why.msg[0] ? why.msg : strerror(-rc))
		      : 0;
}

// A new configuration: passive pairs whose flow came, went, or has another number.
void child_sa_refind(struct ike *ike)
{
	struct child_sa *c;

	TAILQ_FOREACH (c, &ike->children, link) {
		const struct tunnel_flow *f = NULL;

		if (!c->ha.asleep)
			continue;
		if (c->dynamic_map[0])
			f = dynamic_by_peer(ike, &c->local, &c->remote, &c->flow);
		else
			f = flow_index_find(ike, c->map, c->seq, &c->local, &c->flow);
		if ((f ? f->policy : 0) == c->policy)
			continue;
		policy_set(c, f);
		if (c->policy && c->up)
			child_sa_rebind(ike, c->policy, &c->sel);
	}
}
