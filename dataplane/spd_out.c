// Outbound policy (RFC 4301 5.1): packets routed to a port with a crypto map are matched in
// order; PROTECT goes to its SA, or waits for one. Ports without a map cost one load.
#include "esp.h"
#include "flow.h"
#include "pipeline.h"
#include "port.h"
#include "spd.h"
#include "spd_key.h"

static void refused(struct worker *w, struct rte_mbuf *m, uint8_t verdict)
{
	pkt_drop(w, m, verdict == SPD_DROP_FRAGMENT ? DROP_POLICY_FRAGMENT : DROP_POLICY_UNBUILT);
}

void spd_out(struct worker *w, struct burst *in, struct burst *protect, struct burst *acquire)
{
	uint32_t kept = 0, generation = spd_generation();
	const struct sa *last = NULL;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		uint32_t group = port_policy_group(p->out_port);

		if (group == 0 || unlikely(p->flags & (PKT_BYPASS | PKT_ENCAP))) {
			in->pkt[kept++] = m;
			continue;
		}
		struct flow_key key;

		spd_key(&key, m, p, group, false);
		struct spd_result r = flow_lookup(w, &key, generation);
		p->policy = r.policy;
		if (likely(r.verdict == SPD_PROTECT)) {
			p->sa = spd_sa(r.policy, &key);
			if (p->sa != last)  // its lines are wanted three stages later
				esp_sa_prefetch(last = p->sa);
			burst_add(p->sa ? protect : acquire, m);
		} else if (unlikely(r.verdict >= SPD_DROP_FRAGMENT)) {
			refused(w, m, r.verdict);
		} else {
			in->pkt[kept++] = m;
		}
	}
	in->n = kept;
}
