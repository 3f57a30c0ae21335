// Worker's end of the inject ring. The host's unicast IP packets keep the port and link header
// that the kernel gave them, but meet the policy first; its other frames (ARP, ND, multicast)
// leave as they are; the control thread's own packets are routed.
#include "pipeline.h"

void inject_in(struct worker *w, struct burst *in, struct burst *framed)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);

		if (p->family == 0)
			tx_add(w, m, p->out_port);
		else if ((p->flags & (PKT_FROM_HOST | PKT_ENCAP)) == PKT_FROM_HOST)
			burst_add(framed, m);
		else
			in->pkt[kept++] = m;
	}
	in->n = kept;
}
