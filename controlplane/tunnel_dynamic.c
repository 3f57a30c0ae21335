// Dynamic maps in a build: the templates of a map entry, and what of the instances of the previous
// build the new templates still allow.
//
// Policies of one entry, in this order: all instances of all its templates (they exclude each
// other, so one order number does), then the access lists of the templates, which drop what has no
// instance. A policy that nothing matches, the anchor, stands for the instances: the data plane
// knows the group from the beginning, and gets the policies of instances one by one.

#include "tunnel_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int anchor_add(struct build *b, uint32_t group, uint32_t id)
{
	static const struct ip_prefix nowhere = {{4, {255, 255, 255, 255}}, 32};
	struct dp_policy *p = id ? tunnel_policy_add(b) : NULL;

	if (!p)
		return id ? -ENOMEM : -ENOSPC;
	p->id = id;
	p->group = group;
	p->action = DP_POLICY_SKIP;
	p->next_order = b->order;
	p->anchor = true;
	p->sel = (struct selector){.proto = 255,
				   .src = nowhere,
				   .dst = nowhere,
				   .sport = {0, 65535},
				   .dport = {0, 65535}};
	return 0;
}

static int aces_copy(struct tunnel *t, const struct acl *acl)
{
	const struct acl_entry *a;
	unsigned n = 0;

	TAILQ_FOREACH (a, &acl->entries, link)
		n += !a->is_remark;
	t->has_acl = true;
	t->aces = calloc(n ? n : 1, sizeof(*t->aces));
	if (!t->aces)
		return -ENOMEM;
	TAILQ_FOREACH (a, &acl->entries, link)
		if (!a->is_remark && selector_families_agree(&a->sel))
			t->aces[t->ace_count++] = (struct tunnel_ace){a->permit, a->sel};
	return 0;
}

static void template_judge(struct build *b, struct tunnel *t, const struct crypto_map_entry *e,
			   const struct acl *acl)
{
	const char *why = NULL;

	if (!addr_is_set(&t->local))
		why = "has no local address: the interface has none";
	else if (!TAILQ_EMPTY(&e->peers) && !t->peer_count)
		why = "has no peer address that fits the local address";
	else if (e->acl[0] && !acl)
		why = "refers to an access list that does not exist";
	else if (!t->proposal_count)
		why = "has no transform set";
	t->complete = !why;
	if (why)
		tunnel_warn(b, "Crypto dynamic-map %s %u in map %s %u on %s answers nobody: it %s",
			    t->dynamic_map, t->dynamic_seq, t->map, t->seq, t->interface, why);
}

static int template_add(struct build *b, struct tunnel *t, const struct crypto_map_entry *e)
{
	const struct acl *acl = e->acl[0] ? tunnel_acl_find(b, e->acl) : NULL;
	size_t first = b->out->policy_count;
	int rc = 0;

	template_judge(b, t, e, acl);
	t->has_acl = e->acl[0];
	if (acl)
		rc = aces_copy(t, acl);
	if (!rc && acl)
		rc = tunnel_flows(b, t, acl);
	if (!rc)
		rc = tunnel_keep(b, t);
	if (rc) {
		b->out->policy_count = first;
		return rc;
	}
	for (size_t i = first; i < b->out->policy_count; i++)
		if (b->out->policies[i].action == DP_POLICY_SKIP)
			b->out->policies[i].next_order = b->order;
	return 0;
}

void tunnel_templates_build(struct build *b, const struct interface_config *ifc,
			    const struct crypto_map *m, const struct crypto_map_entry *e,
			    uint32_t group)
{
	const struct crypto_map *d = config_crypto_map(b->c, e->dynamic_map, true);
	const struct crypto_map_entry *de;
	uint32_t order = b->order;

	if (!d) {
		tunnel_warn(b,
			    "Crypto map %s %u on %s is left out: it refers to dynamic map %s, "
			    "which does not exist",
			    m->name, e->seq, ifc->name, e->dynamic_map);
		return;
	}
	uint32_t anchor = tunnel_anchor_for(b, ifc->name, m->name, e->seq);
	b->failed = anchor_add(b, group, anchor);
	TAILQ_FOREACH (de, &d->entries, link) {
		struct tunnel *t = b->failed ? NULL : tunnel_new(b, ifc, m, e, de);

		if (!t)
			return;
		t->group = group;
		t->order = order;
		t->anchor = anchor;
		b->failed = template_add(b, t, de);
		if (b->failed)
			tunnel_free(t);
	}
}

// With the id it had: its SAs and what they are bound to stay as they are.
static int instance_carry(struct build *b, const struct tunnel *was)
{
	struct tunnels *out = b->out;
	const struct tunnel *t = tunnels_template(out, was->interface, was->map, was->seq,
						  was->dynamic_map, was->dynamic_seq);

	if (!t || !addr_equal(&t->local, &was->local) ||
	    !tunnel_template_accepts(t, &was->peers[0], &was->flows[0].sel))
		return 0;
	int rc = tunnel_instance_put(out, t, &was->peers[0], &was->flows[0].sel,
				     was->flows[0].policy);
	if (!rc)
		tunnels_instance_named(out, was->flows[0].policy, was->peer_id, was->peer_named);
	return rc || !was->in_set ? rc : tunnels_instance_in_set(out, was->flows[0].policy);
}

int tunnel_instances_carry(struct build *b)
{
	const struct tunnels *p = b->previous;
	int rc = 0;

	for (unsigned i = 0; p && i < p->instance_count && !rc; i++)
		rc = instance_carry(b, p->instances[i]);
	return rc;
}
