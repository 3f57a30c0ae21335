// To the control thread. The host gets frames as they were received; what came out of a tunnel
// or was made here gets a plausible header. IKE and HSRP have the last quarter of the ring for
// themselves, so that a flood for the host cannot keep them out.
#include "pipeline.h"
#include "port.h"

#include <rte_ether.h>
#include <string.h>

// Locally administered: nobody's address, the kernel only needs one that is not its own.
static const uint8_t nobody[6] = {0x02, 0, 0, 0, 0, 0x01};

// false: no room in front (never with buffers of ours).
static bool frame_restore(struct rte_mbuf *m, const struct pkt *p)
{
	if (p->l3_total == 0)
		return true;  // never stripped
	uint8_t *f = (uint8_t *)rte_pktmbuf_prepend(m, RTE_ETHER_HDR_LEN);
	if (!f)
		return false;
	// The kernel takes only what is sent to the port's own address, not to a virtual one.
	memcpy(f, port_get(p->in_port)->mac, 6);
	if (!(p->flags & (PKT_OPENED | PKT_OURS | PKT_NO_L2 | PKT_FROM_HOST | PKT_ENCAP)))
		return true;
	memcpy(f + 6, nobody, 6);
	f[12] = p->family == 4 ? 0x08 : 0x86;
	f[13] = p->family == 4 ? 0x00 : 0xdd;
	return true;
}

// HSRP's multicast addresses (version 1, version 2): a flood for the host must not cost the role.
static bool is_hello(struct rte_mbuf *m)
{
	static const uint8_t v1[6] = {0x01, 0, 0x5e, 0, 0, 0x02},
			     v2[6] = {0x01, 0, 0x5e, 0, 0, 0x66};
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);

	return memcmp(f, v1, 6) == 0 || memcmp(f, v2, 6) == 0;
}

void punt(struct worker *w, struct burst *in, enum punt_kind kind)
{
	if (likely(in->n == 0))
		return;
	unsigned room = rte_ring_free_count(w->punt), keep = rte_ring_get_capacity(w->punt) / 4;

	if (kind == PUNT_IKE)
		keep = 0;
	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);

		bool urgent = kind == PUNT_HOST && p->l3_total == 0 && is_hello(m);

		p->punt = kind;
		p->worker = (uint16_t)w->id;
		if (room <= (urgent ? 0 : keep) || (kind == PUNT_HOST && !frame_restore(m, p)) ||
		    rte_ring_sp_enqueue(w->punt, m) != 0) {
			pkt_drop(w, m, DROP_PUNT_FULL);
			continue;
		}
		room--;
	}
	in->n = 0;
}
