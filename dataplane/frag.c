// Reassembly of ESP and UDP fragments for our own addresses, per worker and bounded: a table of
// fixed size, at most eight pieces per datagram (rte_ip_frag), two seconds each. Overlaps never
// come together (RFC 5722 demands that for IPv6, we do it for both): the library accepts only
// pieces that join exactly. The result is copied into one segment if it fits.
#define ALLOW_EXPERIMENTAL_API  // rte_ip_frag_table_del_expired_entries
#include "pipeline.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_ip_frag.h>
#include <stdlib.h>

#define WAIT_S    2
#define BUCKET    8
#define PREFETCH  3
#define FIRST_MIN 16  // payload bytes of a piece that is not the last (RFC 1858: no tiny ones)

struct frag_ctx {
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row death;
};

struct frag_ctx *frag_create(uint32_t entries, unsigned socket)
{
	struct frag_ctx *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->table = rte_ip_frag_table_create(entries / BUCKET, BUCKET, entries,
					    rte_get_tsc_hz() * WAIT_S, (int)socket);
	if (!f->table) {
		free(f);
		return NULL;
	}
	return f;
}

static void bury(struct worker *w)
{
	w->drop[DROP_FRAG_LIMIT] += w->frag->death.cnt;
	rte_ip_frag_free_death_row(&w->frag->death, PREFETCH);
}

void frag_destroy(struct frag_ctx *f)
{
	if (!f)
		return;
	rte_ip_frag_free_death_row(&f->death, PREFETCH);
	rte_ip_frag_table_destroy(f->table);
	free(f);
}

void frag_expire(struct worker *w)
{
	rte_ip_frag_table_del_expired_entries(w->frag->table, &w->frag->death, w->now_tsc);
	bury(w);
}

// Header and metadata of the joined datagram; NULL and counted when they make no sense.
static struct rte_mbuf *renew(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);

	if (p->family == 4) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, p->l3_len);
	}
	enum drop bad = ip_parse(m, p);
	if (bad == DROP_COUNT)
		return m;
	pkt_drop(w, m, bad);
	return NULL;
}

// One segment with everything, if a buffer holds it. The received link header comes along, the
// host may want it.
static struct rte_mbuf *whole(struct worker *w, struct rte_mbuf *m)
{
	uint32_t len = rte_pktmbuf_pkt_len(m), l2 = rte_pktmbuf_headroom(m) >= 14 ? 14 : 0;
	struct rte_mbuf *one = rte_pktmbuf_alloc(w->pool);

	if (!one) {
		pkt_drop(w, m, DROP_NO_MBUF);
		return NULL;
	}
	if (len > rte_pktmbuf_tailroom(one)) {
		rte_pktmbuf_free(one);
		return renew(w, m);  // a chain: IKE and the host take it, ESP flattens it
	}
	uint8_t *to = (uint8_t *)rte_pktmbuf_append(one, (uint16_t)len);
	const void *from = rte_pktmbuf_read(m, 0, len, to);
	if (from != to)
		memcpy(to, from, len);
	memcpy(to - l2, rte_pktmbuf_mtod(m, uint8_t *) - l2, l2);
	*pkt_of(one) = *pkt_of(m);
	rte_pktmbuf_free(m);
	return renew(w, one);
}

static struct rte_mbuf *add4(struct worker *w, struct rte_mbuf *m, const struct pkt *p)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	uint32_t payload = p->l3_total - p->l3_len;
	bool more = ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG);
	uint32_t at = (rte_be_to_cpu_16(ip->fragment_offset) & RTE_IPV4_HDR_OFFSET_MASK) * 8u;

	if (m->nb_segs != 1 || payload == 0 || (more && (payload < FIRST_MIN || payload % 8)) ||
	    at + payload + p->l3_len > UINT16_MAX) {
		pkt_drop(w, m, DROP_IP_FRAGMENT);
		return NULL;
	}
	m->l2_len = 0;
	m->l3_len = p->l3_len;
	return rte_ipv4_frag_reassemble_packet(w->frag->table, &w->frag->death, m, w->now_tsc, ip);
}

static struct rte_mbuf *add6(struct worker *w, struct rte_mbuf *m, const struct pkt *p)
{
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv6_hdr *);
	struct rte_ipv6_fragment_ext *ext = (struct rte_ipv6_fragment_ext *)(ip + 1);
	uint32_t head = sizeof(*ip) + sizeof(*ext), payload = p->l3_total - head;
	uint32_t at = rte_be_to_cpu_16(ext->frag_data) & 0xfff8;
	bool more = ext->frag_data & RTE_BE16(1);

	// Headers between the IPv6 header and the fragment header: nobody sends that to a gateway.
	if (m->nb_segs != 1 || p->l3_total <= head ||
	    (more && (payload < FIRST_MIN || payload % 8)) ||
	    at + payload > UINT16_MAX - sizeof(*ip)) {
		pkt_drop(w, m, DROP_IP_FRAGMENT);
		return NULL;
	}
	m->l2_len = 0;
	m->l3_len = head;
	return rte_ipv6_frag_reassemble_packet(w->frag->table, &w->frag->death, m, w->now_tsc, ip,
					       ext);
}

struct rte_mbuf *frag_reassemble(struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);

	m = p->family == 4 ? add4(w, m, p) : add6(w, m, p);
	if (w->frag->death.cnt)
		bury(w);
	return m ? whole(w, m) : NULL;
}
