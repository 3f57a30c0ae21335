// What must not take effect outside before the other box knows what stands behind it (ha-protocol
// rules 7 and 18): IKE messages, and the use of new SAs for traffic. Each waits for the number of
// the last word told when it was made; they go in their order.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "log.h"
#include "redundancy.h"
#include "secret.h"

#define GATE_MAX 4096  // waiting in a group; beyond, messages are lost as on the wire

struct waiting {
	STAILQ_ENTRY(waiting) link;
	uint64_t seq;
	uint32_t policy, sa;  // a binding, when sa is set
	struct dp_udp meta;
	size_t len;
	uint8_t payload[];
};

static struct {
	STAILQ_HEAD(waiting_list, waiting) list;
	unsigned count;
	uint64_t dropped;
} gate[HA_GROUPS_MAX + 1];

static void gate_init(uint16_t group)
{
	if (!gate[group].list.stqh_last)
		STAILQ_INIT(&gate[group].list);
}

static struct waiting *gate_add(uint16_t group, uint64_t seq, size_t len)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	struct waiting *w = NULL;

	gate_init(group);
	if (gate[group].count < GATE_MAX)
		w = calloc(1, sizeof(*w) + len);
	if (!w) {
		gate[group].dropped++;
		log_event_limited(&rl, "REDUNDANCY", LOG_L_WARNING, "GATE",
				  "The other box acknowledges too slowly; %ju IKE messages dropped",
				  (uintmax_t)gate[group].dropped);
		return NULL;
	}
	w->seq = seq;
	w->len = len;
	STAILQ_INSERT_TAIL(&gate[group].list, w, link);
	gate[group].count++;
	return w;
}

// The number to wait for, 0 = none.
static uint64_t gate_closed(uint16_t group)
{
	struct redundancy_group *r = redundancy_get(group);

	if (!r || !r->agent)
		return 0;
	uint64_t seq = agent_seq(r->agent);
	gate_init(group);
	return agent_open(r->agent, seq) && !gate[group].count ? 0 : seq ? seq : 1;
}

int redundancy_send(uint16_t group, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	uint64_t seq = group ? gate_closed(group) : 0;

	if (seq == 0)
		return dp_running() ? dp_udp_send(meta, payload, len) : -ENETDOWN;
	struct waiting *w = gate_add(group, seq, len);
	if (!w)
		return -ENOBUFS;
	w->meta = *meta;
	memcpy(w->payload, payload, len);
	return 0;
}

int redundancy_bind(uint16_t group, uint32_t policy, uint32_t sa)
{
	uint64_t seq = group && sa ? gate_closed(group) : 0;

	if (seq == 0)
		return dp_running() ? dp_policy_bind(policy, sa) : -ENOENT;
	struct waiting *w = gate_add(group, seq, 0);
	if (!w)
		return -ENOBUFS;
	w->policy = policy;
	w->sa = sa;
	return 0;
}

static void waiting_go(const struct waiting *w)
{
	if (!dp_running())
		return;
	if (w->sa)
		(void)dp_policy_bind(w->policy, w->sa);
	else
		(void)dp_udp_send(&w->meta, w->payload, w->len);
}

void redundancy_release(uint16_t group)
{
	struct redundancy_group *r = redundancy_get(group);
	struct waiting *w;

	gate_init(group);
	while ((w = STAILQ_FIRST(&gate[group].list))) {
		if (r && r->agent && !agent_open(r->agent, w->seq))
			return;
		STAILQ_REMOVE_HEAD(&gate[group].list, link);
		gate[group].count--;
		waiting_go(w);
		secret_wipe(w->payload, w->len);
		free(w);
	}
}

void redundancy_gate_clear(uint16_t group)
{
	struct waiting *w;

	gate_init(group);
	while ((w = STAILQ_FIRST(&gate[group].list))) {
		STAILQ_REMOVE_HEAD(&gate[group].list, link);
		secret_wipe(w->payload, w->len);
		free(w);
	}
	gate[group].count = 0;
}
