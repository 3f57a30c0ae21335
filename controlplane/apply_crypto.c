// Commit hook for crypto maps: tunnels, security policies, IKE's configuration, manual SAs.
//
// Nothing may pass in clear while a map changes: first the data plane gets the union of old and
// new policies, then the ports switch their groups, then the old groups go. SAs come last.
// Large sets are built aside: until one is in force, ports keep the old policies of their group,
// and a port whose group is new passes nothing.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"
#include "rri.h"

int crypto_validate(const struct config *c, struct err *err)
{
	const struct crypto_map *m;
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		if (m->local_interface[0] && !config_interface(c, m->local_interface))
			return err_set(err, -EINVAL,
				       "Crypto map %s: local-address interface %s does not exist",
				       m->name, m->local_interface);
	}
	return manual_sa_validate(c, err);
}

// The policy group an interface has in these tunnels, 0 = none.
static uint32_t group_of(const struct tunnels *t, const char *interface)
{
	for (unsigned i = 0; t && i < t->count; i++)
		if (strcmp(t->all[i]->interface, interface) == 0)
			return t->all[i]->group;
	return 0;
}

static bool group_in(const struct tunnels *t, uint32_t group)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->all[i]->group == group)
			return true;
	return false;
}

// The data plane passes nothing on a port whose group it has no policies of: they may still be
// being built. A group that will never have any is told as none.
static uint32_t group_with_policies(const struct tunnels *t, uint32_t group)
{
	for (size_t i = 0; i < t->policy_count; i++)
		if (t->policies[i].group == group)
			return group;
	return 0;
}

static int policies_set_union(const struct tunnels *old, const struct tunnels *now, struct err *err)
{
	size_t max = old->policy_count + now->policy_count;
	struct dp_policy *all = calloc(max ? max : 1, sizeof(*all));
	if (!all)
		return err_set(err, -ENOMEM, "Not enough memory for %zu policies", max);
	size_t n = now->policy_count;
	if (n)
		memcpy(all, now->policies, n * sizeof(*all));
	for (size_t i = 0; i < old->policy_count; i++)
		if (!group_in(now, old->policies[i].group))
			all[n++] = old->policies[i];
	int rc = dp_policies_set(all, n, err);
	free(all);
	return rc;
}

static int policies_apply(struct gateway *g, const struct tunnels *now, struct err *err)
{
	if (!dp_running())
		return 0;
	bool vanishing = false;
	for (unsigned i = 0; g->tunnels && i < g->tunnels->count; i++)
		vanishing |= !group_in(now, g->tunnels->all[i]->group);
	int rc = vanishing ? policies_set_union(g->tunnels, now, err)
			   : dp_policies_set(now->policies, now->policy_count, err);
	if (rc)
		return rc;
	struct if_state *s;
	TAILQ_FOREACH (s, &g->interfaces, link) {
		if (!s->port)
			continue;
		uint32_t group = group_with_policies(now, group_of(now, s->name));
		rc = dp_port_set_policy(s->port, group);
		if (rc)
			return err_set(err, rc, "Interface %s does not take its crypto map",
				       s->name);
	}
	return vanishing ? dp_policies_set(now->policies, now->policy_count, err) : 0;
}

static void tunnel_warn(void *ctx, const char *text)
{
	apply_warn(ctx, "%s", text);
}

static void tunnels_rest(struct tunnel **all, unsigned count, const char *interface, bool rest)
{
	for (unsigned k = 0; k < count; k++) {
		struct tunnel *t = all[k];

		if (t->rests == rest || strcmp(t->interface, interface) != 0)
			continue;
		if (rest) {
			t->awake_complete = t->complete;
			t->awake_peers = t->peer_count;
		}
		t->complete = !rest && t->awake_complete;
		t->peer_count = rest ? 0 : t->awake_peers;
		t->rests = rest;
	}
}

// On a standby box the tunnels of the group stand without a peer: their policies drop what they
// select, nothing is negotiated, and what was up goes with a Delete to the peer.
static void roles_apply(struct gateway *g, const struct config *c, struct tunnels *now)
{
	bool rest;

	const struct interface_config *i;

	TAILQ_FOREACH (i, &c->interfaces, link) {
		struct ip_addr virtual = tunnel_virtual_address(c, i->redundancy);
		if (!i->redundancy[0])
			continue;
		if (!addr_is_set(&virtual))
			apply_warn(g,
				   "Interface %s: there is no standby group %s with a virtual "
				   "address; the crypto map uses the interface's own address",
				   i->name, i->redundancy);
		// replicated: policies and SAs stand ready on the standby box too
		rest = addr_is_set(&virtual) && !redundancy_group_of(i->redundancy) &&
		       !standby_active(i->redundancy);
		tunnels_rest(now->all, now->count, i->name, rest);
		tunnels_rest(now->instances, now->instance_count, i->name, rest);
	}
}

// A change of roles is no new configuration: flows, ids and policies stay as they are.
int crypto_roles_apply(struct gateway *g, const struct config *c, struct err *err)
{
	if (!g->tunnels)
		return crypto_apply(g, c, err);
	roles_apply(g, c, g->tunnels);
	int rc = g->ike ? ike_tunnels_changed(g->ike, err) : 0;
	return rc ? rc : manual_sa_apply(g, g->tunnels, err);
}

int crypto_apply(struct gateway *g, const struct config *c, struct err *err)
{
	struct tunnels *now = tunnels_build(c, g->tunnels, interface_port, g, tunnel_warn, g);
	if (!now)
		return err_set(err, -errno, "The crypto maps cannot be resolved: %s",
			       strerror(errno));
	roles_apply(g, c, now);
	int rc = policies_apply(g, now, err);
	if (!rc && g->ike)
		rc = ike_configure(g->ike, c, now, err);
	if (rc) {
		// the old tunnels are still what IKE and the data plane know, or are told again
		struct err ignored = {0};
		if (g->tunnels && dp_running())
			(void)dp_policies_set(g->tunnels->policies, g->tunnels->policy_count,
					      &ignored);
		if (g->tunnels && g->ike)
			(void)ike_configure(g->ike, commit_running(), g->tunnels, &ignored);
		tunnels_destroy(now);
		return rc;
	}
	tunnels_destroy(g->tunnels);
	g->tunnels = now;
	g->tunnels_generation++;
	dynamic_tunnels_changed(g);
	if (g->rri)
		rri_configure(g->rri, now);
	return manual_sa_apply(g, now, err);
}
