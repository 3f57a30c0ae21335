// From the control thread to a worker: frames of the host interfaces, IKE datagrams, packets
// that waited. Each port's frames always take the same ring, so their order is kept.
#define ALLOW_EXPERIMENTAL_API  // rte_ipv4_udptcp_cksum_mbuf
#include "pipeline.h"
#include "port.h"
#include "punt.h"
#include "rand.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <string.h>

#define HOPS 64

static uint64_t dropped;

uint64_t inject_dropped(void)
{
	return dropped;
}

int inject(struct rte_mbuf *m, unsigned worker)
{
	struct worker *w = worker_table[worker < worker_count ? worker : 0];

	if (w && rte_ring_sp_enqueue(w->inject, m) == 0)
		return 0;
	rte_pktmbuf_free(m);
	dropped++;
	return -ENOBUFS;
}

void inject_frame(struct rte_mbuf *m, uint32_t port)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	struct pkt *p = pkt_of(m);

	if (rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN) {
		rte_pktmbuf_free(m);
		return;
	}
	uint16_t type = (uint16_t)(f[12] << 8 | f[13]);
	*p = (struct pkt){.in_port = port, .out_port = port, .mtu = port_get(port)->mtu};
	if (!(f[0] & 1) && (type == RTE_ETHER_TYPE_IPV4 || type == RTE_ETHER_TYPE_IPV6)) {
		p->family = type == RTE_ETHER_TYPE_IPV4 ? 4 : 6;
		p->flags = PKT_FROM_HOST;
		rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	}
	inject(m, worker_count ? port % worker_count : 0);
}

// Copies bytes into a chain of buffers behind what m holds already.
static int chain_append(struct rte_mbuf *m, struct rte_mempool *pool, const uint8_t *data,
			size_t len)
{
	struct rte_mbuf *last = m;

	for (;;) {
		uint16_t room = (uint16_t)RTE_MIN((size_t)rte_pktmbuf_tailroom(last), len);

		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), data, room);
		last->data_len = (uint16_t)(last->data_len + room);
		m->pkt_len += room;
		data += room, len -= room;
		if (len == 0)
			return 0;
		struct rte_mbuf *next = rte_pktmbuf_alloc(pool);
		if (!next)
			return -ENOBUFS;
		last->next = next;
		m->nb_segs++;
		last = next;
	}
}

static void headers4(uint8_t *h, const struct dp_udp *meta, size_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)h;

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + 8 + len)),
		.packet_id = (uint16_t)rand_u32(),
		.time_to_live = HOPS,
		.next_proto_id = IPPROTO_UDP,
	};
	memcpy(&ip->src_addr, meta->local.bytes, 4);
	memcpy(&ip->dst_addr, meta->remote.bytes, 4);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void headers6(uint8_t *h, const struct dp_udp *meta, size_t len)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)h;

	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16((uint16_t)(8 + len)),
		.proto = IPPROTO_UDP,
		.hop_limits = HOPS,
	};
	memcpy(&ip->src_addr, meta->local.bytes, 16);
	memcpy(&ip->dst_addr, meta->remote.bytes, 16);
}

static void headers_fill(struct rte_mbuf *m, const struct dp_udp *meta, size_t len)
{
	uint8_t *h = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t ip_len = meta->local.family == 4 ? 20 : 40;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(h + ip_len);

	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(meta->local_port),
		.dst_port = rte_cpu_to_be_16(meta->remote_port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(8 + len)),
	};
	if (meta->local.family == 4) {
		headers4(h, meta, len);
		udp->dgram_cksum = rte_ipv4_udptcp_cksum_mbuf(m, (const void *)h, ip_len);
	} else {
		headers6(h, meta, len);
		udp->dgram_cksum = rte_ipv6_udptcp_cksum_mbuf(m, (const void *)h, ip_len);
	}
}

int inject_udp(const struct dp_udp *meta, const uint8_t *payload, size_t len,
	       struct rte_mempool *pool)
{
	uint8_t family = meta->local.family;
	uint16_t head = family == 4 ? 28 : 48;

	if ((family != 4 && family != 6) || meta->remote.family != family)
		return -EINVAL;
	if (len + head > UINT16_MAX)
		return -EMSGSIZE;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	if (!m)
		return -ENOBUFS;
	if (!rte_pktmbuf_append(m, head) || chain_append(m, pool, payload, len)) {
		rte_pktmbuf_free(m);
		return -ENOBUFS;
	}
	*pkt_of(m) = (struct pkt){
		.family = family,
		.flags = PKT_BYPASS | PKT_OURS | PKT_NO_L2,
	};
	headers_fill(m, meta, len);
	return inject(m, 0);
}
