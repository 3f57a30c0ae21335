// The engine's life, its clock and timer, and the way in for everything from outside. What an
// IKE SA, a child SA, a waiting flow does stands in the files of those names.

#include "ike/ike_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/flow_index.h"
#include "ike/ike_sa.h"
#include "ike/ike_want.h"
#include "ike/key_index.h"
#include "ike/peer_list.h"
#include "rand.h"

#define MARKER_LEN 4
#define SEND_MAX   (65507 - MARKER_LEN)

static int tables_init(struct ike *ike)
{
	struct ike_table *all[] = {&ike->sa_by_id,        &ike->sa_by_cookie,  &ike->sa_by_first,
				   &ike->sa_by_peer,      &ike->child_by_id,   &ike->child_by_sa,
				   &ike->child_by_policy, &ike->child_by_peer, &ike->want_by_policy,
				   &ike->want_by_ike,     &ike->peer_lists};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (ike_table_init(all[i]) < 0)
			return -ENOMEM;
	return replica_state_init(ike);
}

static void tables_fini(struct ike *ike)
{
	ike_table_fini(&ike->sa_by_id);
	ike_table_fini(&ike->sa_by_cookie);
	ike_table_fini(&ike->sa_by_first);
	ike_table_fini(&ike->sa_by_peer);
	ike_table_fini(&ike->child_by_id);
	ike_table_fini(&ike->child_by_sa);
	ike_table_fini(&ike->child_by_policy);
	ike_table_fini(&ike->child_by_peer);
	ike_table_fini(&ike->want_by_policy);
	ike_table_fini(&ike->want_by_ike);
	ike_table_fini(&ike->peer_lists);
	replica_state_fini(ike);
}

struct ike *ike_create(const struct ike_env *env, struct err *err)
{
	struct ike *ike = calloc(1, sizeof(*ike));

	if (ike)
		ike->anchor = calloc(1, sizeof(*ike->anchor));
	if (!ike || !ike->anchor || tables_init(ike) < 0) {
		if (ike) {
			tables_fini(ike);
			free(ike->anchor);
		}
		free(ike);
		err_set(err, -ENOMEM, "no memory for the IKE engine");
		errno = ENOMEM;
		return NULL;
	}
	ike->env = *env;
	ike->anchor->ike = ike;
	ike->anchor->refs = 1;
	ike->last_sa_id = 1000;
	ike->armed_ms = UINT64_MAX;
	TAILQ_INIT(&ike->sas);
	TAILQ_INIT(&ike->children);
	TAILQ_INIT(&ike->wants);
	return ike;
}

void ike_destroy(struct ike *ike)
{
	if (!ike)
		return;
	ike_enter(ike);
	ike->stopping = true;
	ike_want_clear(ike, 0);
	replica_leave_all(ike);  // another box goes on with those
	while (!TAILQ_EMPTY(&ike->children))
		child_sa_delete(TAILQ_FIRST(&ike->children), "shutdown", true);
	while (!TAILQ_EMPTY(&ike->sas))
		ike_sa_kill(TAILQ_FIRST(&ike->sas), "shutdown", true);
	peer_list_fini(ike);
	ike_leave(ike);
	ike->anchor->ike = NULL;
	ike_anchor_put(ike->anchor);
	ike_timers_fini(&ike->timers);
	tables_fini(ike);
	free(ike->strangers);
	key_index_fini(ike);
	flow_index_fini(ike);
	free(ike);
}

void ike_enter(struct ike *ike)
{
	if (ike->depth++ == 0)
		ike->now_ms = ike->env.now_ms(ike->env.ctx);
}

void ike_leave(struct ike *ike)
{
	if (ike->depth > 1) {
		ike->depth--;
		return;
	}
	replica_flush(ike);
	while (!SLIST_EMPTY(&ike->dead)) {
		struct ike_dead *d = SLIST_FIRST(&ike->dead);

		SLIST_REMOVE_HEAD(&ike->dead, link);
		d->free(d);
	}
	uint64_t next = ike_timers_next(&ike->timers);

	if (next != ike->armed_ms && next != UINT64_MAX && !ike->stopping)
		ike->env.timer(ike->env.ctx, next);
	ike->armed_ms = next;
	ike->depth--;
}

void ike_bury(struct ike *ike, struct ike_dead *d, void (*fn)(struct ike_dead *d))
{
	d->free = fn;
	SLIST_INSERT_HEAD(&ike->dead, d, link);
}

struct ike_anchor *ike_anchor_get(struct ike *ike)
{
	ike->anchor->refs++;
	return ike->anchor;
}

struct ike *ike_anchor_put(struct ike_anchor *a)
{
	struct ike *ike = a->ike;

	if (--a->refs == 0)
		free(a);
	return ike;
}

uint64_t ike_jittered(uint64_t whole, unsigned part, unsigned jitter)
{
	unsigned permille = part * 10 - (jitter ? rand_below(jitter * 10 + 1) : 0);

	// In two steps, so that large volumes do not overflow.
	return whole / 1000 * permille + whole % 1000 * permille / 1000;
}

int ike_send(struct ike *ike, const struct dp_udp *meta, const uint8_t *msg, size_t len)
{
	int rc;

	if (len > SEND_MAX)
		return -EMSGSIZE;
	if (!replica_works(ike, replica_group(ike, &meta->local)))
		return -EPERM;  // the other box speaks here
	replica_flush(ike);     // ha-protocol rule 18: first the other box, then the peer
	ike->n.tx++;
	if (meta->local_port != IKE_PORT_NATT)
		return ike->env.send(ike->env.ctx, meta, msg, len);
	uint8_t *marked = calloc(1, len + MARKER_LEN);

	if (!marked)
		return -ENOMEM;
	memcpy(marked + MARKER_LEN, msg, len);
	rc = ike->env.send(ike->env.ctx, meta, marked, len + MARKER_LEN);
	free(marked);
	return rc;
}

int ike_offload(struct ike *ike, struct ike_task *t)
{
	if (ike->tasks >= IKE_TASKS_MAX) {
		ike->n.rx_dropped_limit++;
		return -EBUSY;
	}
	ike->tasks++;
	ike->env.offload(ike->env.ctx, t);
	return 0;
}

void ike_rx(struct ike *ike, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	ike_enter(ike);
	ike->n.rx++;
	if (!replica_works(ike, replica_group(ike, &meta->local))) {
		ike->n.rx_standby++;
		ike_leave(ike);
		return;
	}
	if (meta->local_port == IKE_PORT_NATT) {
		// RFC 3948 2.2: four zero bytes tell IKE from ESP; ESP never comes here.
		static const uint8_t marker[MARKER_LEN];

		if (len < MARKER_LEN || memcmp(payload, marker, MARKER_LEN) != 0) {
			ike->n.rx_malformed++;
			ike_leave(ike);
			return;
		}
		payload += MARKER_LEN;
		len -= MARKER_LEN;
	}
	ikev1_version.rx(ike, meta, payload, len);
	ike_leave(ike);
}

void ike_tick(struct ike *ike, uint64_t now_ms)
{
	ike_enter(ike);
	if (now_ms > ike->now_ms)
		ike->now_ms = now_ms;
	ike->armed_ms = UINT64_MAX;  // this request is used up
	ike_timers_run(&ike->timers, ike->now_ms, IKE_TICK_BUDGET);
	ike_leave(ike);
}

static void unknown_spi(struct ike *ike, const struct dp_event *ev)
{
	struct ike_sa *sa = ike_sa_usable(ike, &ev->local, &ev->remote);

	if (!replica_works(ike, replica_group(ike, &ev->local)))
		return;
	if (sa) {
		// ha-protocol rule 19: tell the peer, in the IKE SA it has, at most once a second.
		if (sa->spi_notice_ms && ike->now_ms - sa->spi_notice_ms < 1000)
			return;
		sa->spi_notice_ms = ike->now_ms;
		sa->ops->spi_delete(sa, ev->spi);
		return;
	}
	// The peer has SAs of a former life of ours: a new IKE SA with INITIAL-CONTACT ends them.
	if (!ike->config || !ike->config->isakmp.invalid_spi_recovery ||
	    ike_sa_pending(ike, &ev->local, &ev->remote))
		return;
	for (unsigned i = 0; i < ike->tunnels->count; i++) {
		if (!tunnel_has_peer(ike->tunnels->all[i], &ev->local, &ev->remote))
			continue;
		ike_sa_initiate(ike, &ev->local, &ev->remote, NULL);
		return;
	}
}

void ike_event(struct ike *ike, const struct dp_event *ev)
{
	struct child_sa *c;

	ike_enter(ike);
	switch (ev->type) {
	case DP_EVENT_ACQUIRE: ike_want_add(ike, ev->policy, 0, &ev->packet); break;
	case DP_EVENT_UNKNOWN_SPI: unknown_spi(ike, ev); break;
	case DP_EVENT_SOFT_EXPIRE:
	case DP_EVENT_HARD_EXPIRE:
	case DP_EVENT_LIM_LOW:
	case DP_EVENT_LIM_REACHED:
	case DP_EVENT_PEER_MOVED:
		c = child_sa_by_handle(ike, ev->sa);
		if (c)
			child_sa_event(c, ev);
		break;
	case DP_EVENT_IDLE:
	case DP_EVENT_POLICIES: break;
	}
	ike_leave(ike);
}

int ike_initiate(struct ike *ike, uint32_t policy)
{
	int rc;

	ike_enter(ike);
	rc = child_sa_current(ike, policy) ? -EEXIST : ike_want_add(ike, policy, 0, NULL);
	ike_leave(ike);
	return rc;
}

int ike_observe(struct ike *ike, ike_notice_fn fn, void *ctx)
{
	for (int i = 0; i < IKE_OBSERVERS_MAX; i++) {
		if (ike->observers[i].fn)
			continue;
		ike->observers[i].fn = fn;
		ike->observers[i].ctx = ctx;
		return 0;
	}
	return -ENOSPC;
}

void ike_notice(struct ike *ike, const struct ike_notice *n)
{
	for (int i = 0; i < IKE_OBSERVERS_MAX; i++)
		if (ike->observers[i].fn)
			ike->observers[i].fn(ike->observers[i].ctx, n);
}
