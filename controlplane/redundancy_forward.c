// What still arrives here after a planned switchover: once HSRP has heard the other box as active,
// the data plane passes it on to the virtual MAC, port by port as their groups change hands
// (ha-protocol rule 20).
#include "redundancy.h"
#include "redundancy_work.h"
#include "standby.h"

#include <string.h>

#define LINGER_MS 300   // virtual MACs of roles that were given up
#define GRACE_MS  1000  // longer than neighbours and switches need to learn where the address is

// The virtual MACs that another router has now.
static size_t targets(struct dp_forward *to, size_t max)
{
	const struct standby *s;
	size_t n = 0;

	TAILQ_FOREACH (s, &standby_all, link) {
		struct hsrp_snapshot v;

		if (n == max || !s->group)
			continue;
		hsrp_group_snapshot(s->group, standby_now(), &v);
		if (s->raised || v.active.local || !addr_is_set(&v.active.addr))
			continue;
		to[n] = (struct dp_forward){.port = s->port, .family = v.family};
		memcpy(to[n++].mac, v.virtual_mac, 6);
	}
	return n;
}

void forward_wanted(bool wanted)
{
	standby_linger(wanted ? LINGER_MS : 0);
}

void forward_poll(void)
{
	struct dp_forward to[DP_FORWARD_MAX];
	struct standby_view v;

	standby_macs_check();
	for (unsigned i = 1; dp_running() && i <= HA_GROUPS_MAX; i++) {
		const struct redundancy_group *r = redundancy_get(i);

		if (r)
			(void)dp_group_address(i, &r->virtual);
		if (r && !r->working && dp_group_handed(i) && standby_view(r->name, &v) &&
		    v.state != HSRP_STATE_ACTIVE && v.other_active)
			(void)dp_group_forward(i, to, targets(to, DP_FORWARD_MAX), GRACE_MS);
	}
}
