// Instances of dynamic maps, outside IKE: their policies go to the data plane, and only when those
// are in force do routes lead traffic to them.
//
// Peers come and go one by one, the data plane takes the set of policies as a whole: changes of one
// loop turn are told together, and while a large set is being built nothing newer is sent, which
// would begin the building again and again.

#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"
#include "rri.h"

#define LOOK_AGAIN_MS 10

struct dynamic_notice {
	TAILQ_ENTRY(dynamic_notice) link;
	struct ike_notice n;  // n.flow: looked up again by policy
	uint32_t policy;
};

static TAILQ_HEAD(, dynamic_notice) waiting = TAILQ_HEAD_INITIALIZER(waiting);

static void notices_pass(struct gateway *g)
{
	struct dynamic_notice *w;

	while ((w = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, w, link);
		w->n.flow = g->tunnels ? tunnels_flow(g->tunnels, w->policy) : NULL;
		if (g->rri && w->n.flow)
			rri_notice(g->rri, &w->n);
		free(w);
	}
}

static void notice_drop(uint32_t sa_in)
{
	struct dynamic_notice *w, *next;

	for (w = TAILQ_FIRST(&waiting); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->n.sa_in != sa_in)
			continue;
		TAILQ_REMOVE(&waiting, w, link);
		free(w);
	}
}

static void run(void *ctx, uint64_t now_ms)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	struct gateway *g = ctx;
	struct err err = {0};

	if (!g->tunnels || !dp_running()) {
		g->dynamic_changed = false;
	} else if (g->dynamic_changed && !dp_policies_pending()) {
		g->dynamic_changed = false;
		if (dp_policies_set(g->tunnels->policies, g->tunnels->policy_count, &err))
			log_event_limited(&rl, "CRYPTO", LOG_L_ERR, "IPSEC_POLICIES",
					  "Policies of dynamic crypto maps are not in force: %s",
					  err.msg);
	}
	if (g->dynamic_changed || (dp_running() && dp_policies_pending()))
		loop_timer_start(&g->dynamic_timer, LOOK_AGAIN_MS);
	else
		notices_pass(g);
}

void dynamic_init(struct gateway *g)
{
	loop_timer_init(&g->dynamic_timer, g->loop, "dynamic maps", run, g);
}

void dynamic_fini(struct gateway *g)
{
	struct dynamic_notice *w;

	loop_timer_fini(&g->dynamic_timer);
	while ((w = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, w, link);
		free(w);
	}
}

void dynamic_policies_changed(struct gateway *g)
{
	if (g->stopping)
		return;
	if (!g->dynamic_changed && !g->dynamic_timer.due_ms)
		loop_timer_start(&g->dynamic_timer, 0);
	g->dynamic_changed = true;
}

bool dynamic_notice_hold(struct gateway *g, const struct ike_notice *n)
{
	if (n->type == IKE_CHILD_DOWN)
		notice_drop(n->sa_in);
	if (n->type != IKE_CHILD_UP || !n->flow || n->flow->tunnel->role != TUNNEL_INSTANCE ||
	    !dp_running() || (!g->dynamic_changed && !dp_policies_pending()))
		return false;
	struct dynamic_notice *w = calloc(1, sizeof(*w));

	if (!w)
		return false;  // the route comes early
	w->n = *n;
	w->n.reason = NULL;
	w->policy = n->flow->policy;
	TAILQ_INSERT_TAIL(&waiting, w, link);
	return true;
}
