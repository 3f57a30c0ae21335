// The invariants of the fail-over protocol that only this process can look at: I1 and I4 in the
// workers, I8 at the SAs that are to be renewed. They join those that the standby process counts.

#include "dp.h"
#include "gateway.h"
#include "ike_replica.h"
#include "log.h"
#include "redundancy.h"

static void add(struct redundancy_group *r, struct pair_counters *c, unsigned i, uint64_t broken)
{
	if (broken > r->counters.invariant[i])
		log_event("REDUNDANCY", LOG_L_ERR, "INVARIANT",
			  "Group %s: I%u of the fail-over protocol does not hold", r->name, i);
	c->invariant[i] = broken;
}

// c: as the standby process has told them; r->counters: those of a second ago.
void redundancy_invariants(struct gateway *g, struct redundancy_group *r, struct pair_counters *c)
{
	struct ike_replica_counts count = {0};
	struct dp_invariants dp;

	dp_invariants(&dp);
	if (g->ike)
		ike_replica_count(g->ike, (uint16_t)r->number, &count);
	add(r, c, 1, dp.i1);
	add(r, c, 4, c->invariant[4] + dp.i4);
	add(r, c, 8, count.broken_i8);
}
