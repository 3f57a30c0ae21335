// Instances of dynamic maps, outside IKE: their policies go to the data plane, and only when those
// are in force do routes lead traffic to them.
//
// Peers come and go one by one, and so do the policies, at once. A policy that the data plane does
// not take by itself goes into the set, which it takes as a whole: changes of one loop turn are
// told together, and while a large set is being built nothing newer is sent, which would begin the
// building again and again.
//
// After a commit both sides are compared, in slices: what the new templates did not take over goes
// when the new set is in force, not before, or packets could pass in clear in between.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"
#include "rri.h"

#define LOOK_AGAIN_MS 10
#define COMPARE_SLICE 1000

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

static const struct tunnel *instance_of(const struct gateway *g, uint32_t policy)
{
	const struct tunnel_flow *f = tunnels_flow(g->tunnels, policy);

	return f && f->tunnel->role == TUNNEL_INSTANCE ? f->tunnel : NULL;
}

static void policy_add(struct gateway *g, const struct tunnel *i, bool anew)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	const struct dp_policy p = tunnel_instance_policy(i);

	if (i->in_set)
		return;
	if (anew)
		(void)dp_policy_del(p.id);
	int rc = dp_policy_add(&p, i->anchor);
	if (!rc || rc == -EEXIST)
		return;
	if (tunnels_instance_in_set(g->tunnels, p.id) == 0)
		g->dynamic_changed = true;
	else
		log_event_limited(&rl, "CRYPTO", LOG_L_ERR, "IPSEC_POLICIES",
				  "Policy %u of a dynamic crypto map is not in force: %s", p.id,
				  strerror(ENOMEM));
}

static void compare_begin(struct gateway *g)
{
	g->dynamic_compare = DYNAMIC_DEL;
	g->dynamic_cursor = 0;
}

// Goes on with the comparison. First those that nobody knows any more, then those that are missing.
static void compare(struct gateway *g)
{
	const struct tunnel *i;

	for (unsigned n = 0; n < COMPARE_SLICE && g->dynamic_compare == DYNAMIC_DEL; n++) {
		g->dynamic_cursor = dp_policy_next(g->dynamic_cursor);
		if (!g->dynamic_cursor)
			g->dynamic_compare = DYNAMIC_ADD;
		else if (!(i = instance_of(g, g->dynamic_cursor)) || i->in_set)
			(void)dp_policy_del(g->dynamic_cursor);
	}
	for (unsigned n = 0; n < COMPARE_SLICE && g->dynamic_compare == DYNAMIC_ADD; n++) {
		i = tunnels_instance_next(g->tunnels, g->dynamic_cursor);
		g->dynamic_cursor = i ? i->flows[0].policy : 0;
		if (i)
			policy_add(g, i, false);
		else
			g->dynamic_compare = DYNAMIC_SAME;
	}
}

// true: something is left that the timer has to do.
static bool changes_pass(struct gateway *g)
{
	const struct tunnel *i;
	uint32_t id;

	while (g->tunnels && (id = tunnels_changed_next(g->tunnels))) {
		if (!dp_running())
			continue;
		if ((i = id == TUNNELS_CHANGED_ALL ? NULL : instance_of(g, id)))
			policy_add(g, i, true);
		else if (id == TUNNELS_CHANGED_ALL || g->dynamic_compare)
			compare_begin(g);
		else if (dp_policy_del(id))
			g->dynamic_changed = true;  // it was one of the set
	}
	return g->dynamic_changed || g->dynamic_compare;
}

static void run(void *ctx, uint64_t now_ms)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	struct gateway *g = ctx;
	struct err err = {0};

	if (!g->tunnels || !dp_running()) {
		g->dynamic_changed = false;
		g->dynamic_compare = DYNAMIC_SAME;
	} else if (g->dynamic_compare && !dp_policies_pending()) {
		compare(g);
	} else if (g->dynamic_changed && !dp_policies_pending()) {
		g->dynamic_changed = false;
		if (dp_policies_set(g->tunnels->policies, g->tunnels->policy_count, &err))
			log_event_limited(&rl, "CRYPTO", LOG_L_ERR, "IPSEC_POLICIES",
					  "Policies of dynamic crypto maps are not in force: %s",
					  err.msg);
	}
	if (dp_running() && dp_policies_pending())
		loop_timer_start(&g->dynamic_timer, LOOK_AGAIN_MS);
	else if (g->dynamic_changed || g->dynamic_compare)
		loop_timer_start(&g->dynamic_timer, 0);
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
	if (!g->stopping && changes_pass(g) && !g->dynamic_timer.due_ms)
		loop_timer_start(&g->dynamic_timer, 0);
}

void dynamic_tunnels_changed(struct gateway *g)
{
	if (!dp_running() || (!g->tunnels->instance_count && !dp_policy_next(0)))
		return;
	compare_begin(g);
	if (!g->dynamic_timer.due_ms)
		loop_timer_start(&g->dynamic_timer, 0);
}

bool dynamic_notice_hold(struct gateway *g, const struct ike_notice *n)
{
	if (n->type == IKE_CHILD_DOWN)
		notice_drop(n->sa_in);
	if (n->type != IKE_CHILD_UP || !n->flow || n->flow->tunnel->role != TUNNEL_INSTANCE ||
	    !dp_running() || dp_policy_in_force(n->flow->policy) ||
	    (!g->dynamic_changed && !dp_policies_pending()))
		return false;
	if (!g->dynamic_timer.due_ms)
		loop_timer_start(&g->dynamic_timer, LOOK_AGAIN_MS);
	struct dynamic_notice *w = calloc(1, sizeof(*w));

	if (!w)
		return false;  // the route comes early
	w->n = *n;
	w->n.reason = NULL;
	w->policy = n->flow->policy;
	TAILQ_INSERT_TAIL(&waiting, w, link);
	return true;
}
