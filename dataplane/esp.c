// Small things that both ESP stages need and that are off the straight path: packets in several
// pieces, SA events and lifetimes.
#include "esp.h"
#include "pipeline.h"

#include <string.h>

struct rte_mbuf *pkt_flatten(struct worker *w, struct rte_mbuf *m)
{
	uint32_t len = rte_pktmbuf_pkt_len(m);
	struct rte_mbuf *flat;
	char *to;

	if (m->nb_segs == 1 || rte_pktmbuf_linearize(m) == 0)
		return m;
	// the first piece has no room behind it: a fresh buffer, if the packet fits one at all
	flat = w->pool ? rte_pktmbuf_alloc(w->pool) : NULL;
	if (!flat) {
		pkt_drop(w, m, DROP_NO_MBUF);
		return NULL;
	}
	to = rte_pktmbuf_append(flat, (uint16_t)RTE_MIN(len, (uint32_t)UINT16_MAX));
	if (!to || len > UINT16_MAX) {
		rte_pktmbuf_free(flat);
		pkt_drop(w, m, DROP_ESP_ROOM);
		return NULL;
	}
	for (const struct rte_mbuf *s = m; s; s = s->next) {
		memcpy(to, rte_pktmbuf_mtod(s, const void *), rte_pktmbuf_data_len(s));
		to += rte_pktmbuf_data_len(s);
	}
	*pkt_of(flat) = *pkt_of(m);
	flat->port = m->port;
	rte_pktmbuf_free(m);
	return flat;
}

// IKE and hellos share the ring: half of it is not for these. What is needed to pass the packet on
// must outlast the SA.
static bool late_punt(struct worker *w, const struct sa *sa, struct rte_mbuf *m, bool inbound)
{
	struct pkt *p = pkt_of(m);
	unsigned group = sa->state >> 1;

	if (__atomic_load_n(&sa_group_state[group], __ATOMIC_RELAXED) != GROUP_HANDED || !w->punt ||
	    rte_ring_free_count(w->punt) < rte_ring_get_capacity(w->punt) / 2)
		return false;
	p->policy = group;
	p->hand_in = inbound;
	p->punt = PUNT_LATE;
	p->worker = (uint16_t)w->id;
	return rte_ring_sp_enqueue(w->punt, m) == 0;
}

void esp_held(struct worker *w, struct sa *sa, struct rte_mbuf *m, bool inbound)
{
	bool handed = sa_group_state[sa->state >> 1] == GROUP_HANDED;

	if (late_punt(w, sa, m, inbound))
		return;
	esp_drop(w, sa, m, handed ? DROP_ESP_HANDED : DROP_ESP_STANDBY, DP_SA_DROP_STANDBY);
}

bool esp_event(struct worker *w, const struct sa *sa, enum dp_event_type type)
{
	const struct dp_event ev = {.type = type, .sa = sa->handle, .spi = sa->conf.spi};

	return worker_event(w, &ev);
}

static bool reached(uint64_t value, uint64_t limit)
{
	return limit && value >= limit;
}

void esp_lifetime(struct worker *w, struct sa *sa)
{
	const uint8_t soft = 1u << DP_EVENT_SOFT_EXPIRE, hard = 1u << DP_EVENT_HARD_EXPIRE;

	if (!(sa->events_sent & soft) &&
	    (reached(sa->packets, sa->soft_packets) || reached(sa->bytes, sa->soft_bytes))) {
		if (esp_event(w, sa, DP_EVENT_SOFT_EXPIRE))
			sa->events_sent |= soft;
	}
	if (reached(sa->packets, sa->hard_packets) || reached(sa->bytes, sa->hard_bytes)) {
		sa->expired = 1;
		if (!(sa->events_sent & hard) && esp_event(w, sa, DP_EVENT_HARD_EXPIRE))
			sa->events_sent |= hard;
	}
	sa_check_arm(sa);
}
