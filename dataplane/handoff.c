// Hand-over by SA: sequence numbers and replay windows have one writer, the SA's owner. Packets
// of another worker's SA travel by ring, in order. On arrival the SA is looked up again: the
// ring may outlast it.
#include "pipeline.h"
#include "sa.h"
#include "spd.h"
#include "spd_key.h"

static void ring_flush(struct worker *w, uint32_t to)
{
	struct burst *b = &w->handoff_out[to];
	struct worker *owner = worker_table[to];
	unsigned sent = 0;

	if (likely(owner && owner->handoff_in[w->id]))
		sent = rte_ring_sp_enqueue_burst(owner->handoff_in[w->id], (void **)b->pkt, b->n,
						 NULL);
	w->handoff_out_packets += sent;
	for (uint32_t i = sent; i < b->n; i++)
		pkt_drop(w, b->pkt[i], DROP_HANDOFF_FULL);
	b->n = 0;
	w->handoff_pending &= ~(1u << to);
}

void handoff_flush(struct worker *w)
{
	while (w->handoff_pending)
		ring_flush(w, (uint32_t)__builtin_ctz(w->handoff_pending));
}

void handoff(struct worker *w, struct burst *in, bool inbound)
{
	uint32_t kept = 0;

	if (worker_count == 1)
		return;  // one worker owns all
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		uint32_t owner = p->sa->owner;

		if (likely(owner == w->id)) {
			in->pkt[kept++] = m;
			continue;
		}
		p->hand_in = inbound;
		w->handoff_pending |= 1u << owner;
		burst_add(&w->handoff_out[owner], m);
		if (w->handoff_out[owner].n == BURST_MAX)
			ring_flush(w, owner);
	}
	in->n = kept;
}

// A piece that was cut off before the ring has no ports any more: where several SAs serve the
// policy, the choice made then stands as long as that SA does.
static struct sa *sa_again(struct rte_mbuf *m, const struct pkt *p)
{
	uintptr_t bound = __atomic_load_n(&spd_bound[p->policy], __ATOMIC_ACQUIRE);
	struct flow_key key;

	if (likely((bound & 1) == 0))
		return (struct sa *)bound;
	if (spd_choice_has(bound, p->sa))
		return p->sa;
	spd_key(&key, m, p, 0, false);
	return spd_choose(bound, &key);
}

void handoff_take(struct worker *w, struct burst *in, struct burst *inbound, struct burst *acquire)
{
	uint32_t kept = 0;

	w->handoff_in_packets += in->n;
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);

		if (p->hand_in) {
			burst_add(inbound, m);
			continue;
		}
		p->sa = sa_again(m, p);
		if (likely(p->sa))
			in->pkt[kept++] = m;
		else
			burst_add(acquire, m);
	}
	in->n = kept;
}
