// Outbound policy (RFC 4301 5.1): packets routed to a port with a crypto map are matched in
// order; PROTECT goes to its SA, or waits for one. Ports without a map cost one load.
#include "pipeline.h"
#include "port.h"
#include "spd.h"
#include "spd_key.h"

void spd_out(struct worker *w, struct burst *in, struct burst *protect, struct burst *acquire)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		uint32_t group = port_get(p->out_port)->policy_group;

		if (group == 0 || p->flags & (PKT_BYPASS | PKT_ENCAP)) {
			in->pkt[kept++] = m;
			continue;
		}
		struct flow_key key;

		spd_key(&key, m, p, group, false);
		struct spd_result r = spd_lookup(w, &key);
		p->policy = r.policy;
		if (r.verdict == SPD_PROTECT) {
			p->sa = spd_sa(r.policy);
			burst_add(p->sa ? protect : acquire, m);
		} else if (r.verdict == SPD_DROP_FRAGMENT) {
			pkt_drop(w, m, DROP_POLICY_FRAGMENT);
		} else {
			in->pkt[kept++] = m;
		}
	}
	in->n = kept;
}
