// Inbound policy for clear packets (RFC 4301 5.2 step 3b): what arrives in clear on a port with
// a crypto map, but matches a PROTECT policy in the other direction, is dropped and counted.
#include "flow.h"
#include "pipeline.h"
#include "port.h"
#include "spd.h"
#include "spd_key.h"

void spd_in(struct worker *w, struct burst *in, uint32_t port)
{
	uint32_t kept = 0, generation = spd_generation();

	if (likely(port && port_policy_group(port) == 0))
		return;
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		uint32_t group = port_policy_group(p->in_port);

		if (likely(group == 0 || p->flags & (PKT_OPENED | PKT_FROM_HOST | PKT_OURS))) {
			in->pkt[kept++] = m;
			continue;
		}
		struct flow_key key;

		spd_key(&key, m, p, group, true);
		struct spd_result r = flow_lookup(w, &key, generation);
		if (r.verdict == SPD_PROTECT)
			pkt_drop(w, m, DROP_POLICY_CLEAR);
		else if (r.verdict == SPD_DROP_FRAGMENT)
			pkt_drop(w, m, DROP_POLICY_FRAGMENT);
		else if (r.verdict == SPD_DROP_UNBUILT)
			pkt_drop(w, m, DROP_POLICY_UNBUILT);
		else
			in->pkt[kept++] = m;
	}
	in->n = kept;
}
