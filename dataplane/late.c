// A planned switchover's last packets (ha-protocol rule 20): from the moment that a group stops
// here until the other box is heard as active, ESP for us and clear packets for an SA of the group
// wait in a queue; then, and for some time after, they go back by the port they came in by, as they
// came, to the virtual MAC that the other box has now. Nothing is decrypted or encrypted for it,
// and no clear packet leaves by a port with a crypto map.
#include "late.h"
#include "counters.h"
#include "dp.h"
#include "drop.h"
#include "loop.h"
#include "pkt.h"
#include "port.h"
#include "punt.h"
#include "sad.h"

#include <errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct late {
	STAILQ_ENTRY(late) next;
	struct rte_mbuf *m;
	uint64_t since_ms;
};
STAILQ_HEAD(late_queue, late);

static struct {
	struct late_queue queue;
	uint32_t n, generation;  // generation: the stop that all of this is of
	uint64_t until_ms;       // passed on until then, 0 = nobody to pass it to yet
	unsigned targets;
	struct dp_forward target[DP_FORWARD_MAX];
	struct ip_addr address;
} groups[DP_GROUPS];

static uint64_t now_ms(void)
{
	return loop_clock_us() / 1000;
}

static void late_drop(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
	counters_control_drop(DROP_ESP_HANDED);
}

static struct rte_mbuf *first_take(struct late_queue *q, unsigned group)
{
	struct late *l = STAILQ_FIRST(q);
	struct rte_mbuf *m = l->m;

	STAILQ_REMOVE_HEAD(q, next);
	free(l);
	groups[group].n--;
	return m;
}

static void queue_drop(unsigned group)
{
	while (!STAILQ_EMPTY(&groups[group].queue))
		late_drop(first_take(&groups[group].queue, group));
}

void late_init(void)
{
	memset(groups, 0, sizeof(groups));
	for (unsigned i = 0; i < DP_GROUPS; i++)
		STAILQ_INIT(&groups[i].queue);
}

void late_fini(void)
{
	for (unsigned i = 1; i < DP_GROUPS; i++)
		queue_drop(i);
}

unsigned late_count(unsigned group)
{
	return group < DP_GROUPS ? groups[group].n : 0;
}

// What is kept is of the stop before this one, or of no stop at all.
static void generation_check(unsigned group)
{
	uint32_t generation = sad_group_generation(group);

	if (groups[group].generation == generation)
		return;
	queue_drop(group);
	groups[group].generation = generation;
	groups[group].until_ms = 0;
	groups[group].targets = 0;
}

static const struct dp_forward *target_find(unsigned group, const struct pkt *p)
{
	for (unsigned i = 0; i < groups[group].targets; i++) {
		const struct dp_forward *t = &groups[group].target[i];
		if (t->port == p->in_port && t->family == p->family)
			return t;
	}
	return NULL;
}

// Out of an SA or not for one: it may be read by whoever listens at a port with a crypto map.
static bool may_leave(const struct rte_mbuf *m, const struct pkt *p, const struct port *port)
{
	bool sealed = p->hand_in && !(p->flags & PKT_OPENED);

	return rte_pktmbuf_pkt_len(m) <= port->mtu &&
	       (sealed || port_policy_group(p->in_port) == 0);
}

static void pass_on(struct rte_mbuf *m, const struct dp_forward *t)
{
	struct pkt *p = pkt_of(m);
	const struct port *port = port_find(t->port);
	uint16_t type = p->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	uint8_t *f = NULL;

	if (port && may_leave(m, p, port))
		f = (uint8_t *)rte_pktmbuf_prepend(m, RTE_ETHER_HDR_LEN);
	if (!f) {
		late_drop(m);
		return;
	}
	memcpy(f, t->mac, 6);
	memcpy(f + 6, port->mac, 6);
	f[12] = (uint8_t)(type >> 8);
	f[13] = (uint8_t)type;
	*p = (struct pkt){.in_port = t->port, .out_port = t->port, .mtu = port->mtu};
	(void)inject(m, t->port % worker_count);
}

void late_add(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	unsigned group = p->policy;
	const struct dp_forward *t;
	struct late *l = NULL;

	if (group == 0 || group >= DP_GROUPS || !dp_group_handed(group)) {
		late_drop(m);
		return;
	}
	generation_check(group);
	t = target_find(group, p);
	if (t) {
		pass_on(m, t);
		return;
	}
	if (groups[group].n < LATE_MAX && port_find(p->in_port))
		l = malloc(sizeof(*l));
	if (!l) {
		late_drop(m);
		return;
	}
	*l = (struct late){.m = m, .since_ms = now_ms()};
	STAILQ_INSERT_TAIL(&groups[group].queue, l, next);
	groups[group].n++;
}

int dp_group_address(unsigned group, const struct ip_addr *addr)
{
	if (group == 0 || group >= DP_GROUPS)
		return -EINVAL;
	groups[group].address = *addr;
	return 0;
}

bool late_next_hop(struct rte_mbuf *m, const struct ip_addr *next)
{
	struct pkt *p = pkt_of(m);

	for (unsigned i = 1; p->in_port == p->out_port && i < DP_GROUPS; i++) {
		if (!dp_group_handed(i) || !addr_equal(&groups[i].address, next))
			continue;
		p->policy = i;
		p->hand_in = 1;
		late_add(m);
		return true;
	}
	return false;
}

// What has a way now, in order; the rest stays.
static void queue_pass_on(unsigned group)
{
	struct late_queue stay = STAILQ_HEAD_INITIALIZER(stay);
	struct late *l;

	while ((l = STAILQ_FIRST(&groups[group].queue))) {
		const struct dp_forward *t = target_find(group, pkt_of(l->m));
		if (t) {
			pass_on(first_take(&groups[group].queue, group), t);
		} else {
			STAILQ_REMOVE_HEAD(&groups[group].queue, next);
			STAILQ_INSERT_TAIL(&stay, l, next);
		}
	}
	STAILQ_CONCAT(&groups[group].queue, &stay);
}

int dp_group_forward(unsigned group, const struct dp_forward *to, size_t n, uint32_t grace_ms)
{
	if (group == 0 || group >= DP_GROUPS || n > DP_FORWARD_MAX)
		return -EINVAL;
	if (!dp_group_handed(group))
		return -ENOENT;
	generation_check(group);
	if (!groups[group].until_ms)
		groups[group].until_ms = now_ms() + grace_ms;
	memcpy(groups[group].target, to, n * sizeof(*to));
	groups[group].targets = (unsigned)n;
	queue_pass_on(group);
	return 0;
}

void late_expire(void)
{
	uint64_t now = now_ms();

	for (unsigned i = 1; i < DP_GROUPS; i++) {
		struct late_queue *q = &groups[i].queue;

		generation_check(i);
		if (groups[i].until_ms && now >= groups[i].until_ms) {
			queue_drop(i);
			groups[i].until_ms = 0;
			groups[i].targets = 0;
			sad_group_close(i);
		}
		while (!STAILQ_EMPTY(q) && now - STAILQ_FIRST(q)->since_ms >= LATE_AGE_MS)
			late_drop(first_take(q, i));
	}
}
