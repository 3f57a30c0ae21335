// Cuts a packet that is too big (RFC 791 3.2, RFC 8200 4.5) by copying, so that every piece is
// one segment and the pieces share nothing with the original.
#include "pipeline.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <string.h>

#define V6_EXT      8   // fragment header
#define ROOM_BEHIND 64  // for padding and ICV of a piece that is encrypted

// RFC 791: only options with the copied bit belong into later fragments; the others become
// no-operations, so that the header keeps its length.
static void options_thin(uint8_t *h, uint32_t hlen)
{
	uint32_t i = sizeof(struct rte_ipv4_hdr);

	while (i < hlen && h[i] != 0) {
		uint32_t len = h[i] == 1 ? 1 : i + 1 < hlen ? h[i + 1] : 0;

		if (len == 0 || (h[i] != 1 && len < 2) || i + len > hlen)
			break;
		if (!(h[i] & 0x80))
			memset(h + i, 1, len);
		i += len;
	}
}

static void header4(uint8_t *h, uint32_t hlen, uint32_t at, uint32_t len, bool last)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)h;
	uint16_t was = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t offset = (was & RTE_IPV4_HDR_OFFSET_MASK) + at / 8;

	// The cut packet may itself be a fragment of something.
	uint16_t more = !last || (was & RTE_IPV4_HDR_MF_FLAG) ? RTE_IPV4_HDR_MF_FLAG : 0;
	if (at > 0)
		options_thin(h, hlen);
	ip->fragment_offset = rte_cpu_to_be_16((uint16_t)(offset | more));
	ip->total_length = rte_cpu_to_be_16((uint16_t)(hlen + len));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(h, hlen);
}

// Fragment header behind the IPv6 header; id and the original's next header are given.
static void header6(uint8_t *h, uint32_t at, uint32_t len, bool last, uint8_t next, uint32_t id)
{
	uint16_t offset = rte_cpu_to_be_16((uint16_t)(at | !last));

	h[4] = (uint8_t)((len + V6_EXT) >> 8), h[5] = (uint8_t)(len + V6_EXT);
	h[6] = IPPROTO_FRAGMENT;
	h[40] = next, h[41] = 0;
	memcpy(h + 42, &offset, 2);
	memcpy(h + 44, &id, 4);
}

static struct rte_mbuf *piece(struct worker *w, struct rte_mbuf *m, uint32_t at, uint32_t len,
			      bool last, uint32_t id)
{
	const struct pkt *p = pkt_of(m);
	uint32_t hlen = p->family == 4 ? p->l3_len : sizeof(struct rte_ipv6_hdr);
	uint32_t ext = p->family == 4 ? 0 : V6_EXT;
	struct rte_mbuf *f = rte_pktmbuf_alloc(w->pool);
	uint8_t *h = f ? (uint8_t *)rte_pktmbuf_append(f, (uint16_t)(hlen + ext + len)) : NULL;

	if (!h) {
		rte_pktmbuf_free(f);
		return NULL;
	}
	memcpy(h, rte_pktmbuf_mtod(m, void *), hlen);
	const void *from = rte_pktmbuf_read(m, hlen + at, len, h + hlen + ext);
	if (from != h + hlen + ext)
		memcpy(h + hlen + ext, from, len);
	if (p->family == 4)
		header4(h, hlen, at, len, last);
	else
		header6(h, at, len, last, rte_pktmbuf_mtod(m, uint8_t *)[6], id);
	*pkt_of(f) = *p;
	pkt_of(f)->l3_total = (uint16_t)(hlen + ext + len);
	if (at > 0 || (p->flags & PKT_FRAGMENT))
		pkt_of(f)->flags |= PKT_FRAGMENT;
	return f;
}

bool fragment(struct worker *w, struct rte_mbuf *m, uint32_t mtu, struct burst *out)
{
	const struct pkt *p = pkt_of(m);
	uint32_t hlen = p->family == 4 ? p->l3_len : sizeof(struct rte_ipv6_hdr);
	uint32_t head = hlen + (p->family == 4 ? 0 : V6_EXT);
	uint32_t room = rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM - ROOM_BEHIND;
	uint32_t total = rte_pktmbuf_pkt_len(m) - hlen, first = out->n;
	uint32_t size = RTE_MIN(mtu, room);  // a piece is one buffer, whatever the link could take
	uint32_t step = size > head ? (size - head) & ~7u : 0;

	if (step == 0 || (total + step - 1) / step > BURST_MAX - out->n) {
		pkt_drop(w, m, DROP_IP_MTU);
		return false;
	}
	uint32_t id = (uint32_t)rte_rdtsc() ^ w->id;
	for (uint32_t at = 0; at < total; at += step) {
		uint32_t len = RTE_MIN(step, total - at);
		struct rte_mbuf *f = piece(w, m, at, len, at + len == total, id);

		if (!f) {
			rte_pktmbuf_free_bulk(out->pkt + first, out->n - first);
			out->n = first;
			pkt_drop(w, m, DROP_NO_MBUF);
			return false;
		}
		burst_add(out, f);
	}
	rte_pktmbuf_free(m);
	return true;
}
