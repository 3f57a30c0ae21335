// Inbound ESP (RFC 4303 3.4): one burst, three passes.
//
// 1. Per packet: state, lengths, sequence number (upper half inferred), replay pre-check.
// 2. Crypto over the whole burst.
// 3. Per packet: ICV, replay update, padding, next header, inner header, selectors, counters.
// Nothing about an SA changes before the ICV of a packet was found right.
#include "esp.h"

#include <rte_byteorder.h>

#include <string.h>

#include "replay.h"

#define PROTO_IP4  4
#define PROTO_IP6  41
#define PROTO_NONE 59  // dummy packet (RFC 4303 2.6)

struct open {
	struct worker *w;
	struct crypto_ctx *ctx;
	struct burst *in;
	uint32_t n;  // packets in the crypto pass
	uint64_t seq[BURST_MAX];
};

// ---- pass 1 ------------------------------------------------------------------------------------
static inline uint64_t seq_of(const struct sa *sa, const uint8_t *esp)
{
	uint32_t lo;

	memcpy(&lo, esp + 4, 4);
	lo = rte_be_to_cpu_32(lo);
	return sa->esn ? replay_infer_esn(sa->seq, sa->window, lo) : lo;
}

static inline void op_fill(struct open *o, const struct sa *sa, uint8_t *esp, uint32_t len,
			   uint64_t seq)
{
	struct crypto_op *op = &o->ctx->ops[o->n];

	sa_op_fill(sa, op);
	op->esp = esp;
	op->len = len;
	op->seq_hi_be = rte_cpu_to_be_32((uint32_t)(seq >> 32));
	crypto_op_nonce(op, sa->salt);
	esp_group(o->ctx, sa->crypt, o->n);
	o->seq[o->n] = seq;
}

static inline void packet_check(struct open *o, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	struct sa *sa = p->sa;
	uint32_t at = p->l3_len + p->udp_len, fixed = 8u + sa->iv_len + sa->icv_len, len;
	uint8_t *esp = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
	uint64_t seq;

	// at least pad length and next header
	if (unlikely(p->l3_total > m->data_len || p->l3_total < at + fixed + 2)) {
		esp_drop(o->w, sa, m, DROP_ESP_RUNT, DP_SA_DROP_ENCAP);
		return;
	}
	len = p->l3_total - at - fixed;
	// RFC 4303 2.4: to 4 bytes whatever the cipher, so that pad length and next header align
	if (unlikely(len & (sa->block - 1u))) {
		esp_drop(o->w, sa, m, DROP_ESP_ALIGN, DP_SA_DROP_PAD);
		return;
	}
	seq = seq_of(sa, esp);
	if (unlikely(!replay_check(sa->window_bits, sa->window, sa->seq, seq))) {
		esp_drop(o->w, sa, m, DROP_ESP_REPLAY, DP_SA_DROP_REPLAY);
		return;
	}
	if (!o->n || o->ctx->ops[o->n - 1].key != sa->key)
		esp_key_prefetch(sa);
	op_fill(o, sa, esp, len, seq);
	o->in->pkt[o->n++] = m;
}

// sad_in asked for the two lines that every packet needs; these come next.
static inline void sa_prefetch(const struct burst *in)
{
	const struct sa *last = NULL;

	for (uint32_t i = 0; i < in->n; i++) {
		const struct sa *sa = pkt_of(in->pkt[i])->sa;

		if (sa == last)
			continue;
		last = sa;
		__builtin_prefetch(sa);
		__builtin_prefetch((const uint8_t *)sa + 64, 1);
		__builtin_prefetch(&sa->check[0]);
		__builtin_prefetch(sa + 1);  // window, if there is one
	}
}

static inline void burst_check(struct open *o)
{
	uint32_t count = o->in->n;

	sa_prefetch(o->in);
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = o->in->pkt[i];
		struct sa *sa = pkt_of(m)->sa;

		if (unlikely(sa_held(sa))) {
			esp_drop(o->w, sa, m, esp_held_why(sa), DP_SA_DROP_STANDBY);
			continue;
		}
		if (unlikely(sa->expired)) {
			esp_lifetime(o->w, sa);
			esp_drop(o->w, sa, m, DROP_ESP_EXPIRED, DP_SA_DROP_EXPIRED);
			continue;
		}
		if (unlikely(m->nb_segs > 1) && !(m = pkt_flatten(o->w, m))) {
			sa->drops[DP_SA_DROP_ENCAP]++;
			continue;
		}
		packet_check(o, m);
	}
}

// ---- pass 3 ------------------------------------------------------------------------------------
// RFC 4303 2.4: the padding of every algorithm here is 1, 2, 3, ...
static inline bool padding_right(const uint8_t *pad, uint32_t n)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < n; i++)
		wrong |= pad[i] ^ (uint8_t)(i + 1);
	return !wrong;
}

// The newest authenticated packet of a UDP-encapsulated SA decides where the peer is (RFC 7296
// 2.23). At most one event per second; the control thread changes the endpoint.
static __attribute__((noinline)) void peer_moved(struct open *o, struct sa *sa, const uint8_t *ip,
						 const struct pkt *p)
{
	struct dp_event ev = {.type = DP_EVENT_PEER_MOVED, .sa = sa->handle, .spi = sa->conf.spi};

	if (sa->moved_s == o->w->now_s + 1)
		return;
	ev.remote = addr_from_bytes(p->family, ip + (p->family == 4 ? 12 : 8));
	ev.local = addr_from_bytes(p->family, ip + (p->family == 4 ? 16 : 24));
	ev.remote_port = (uint16_t)(ip[p->l3_len] << 8 | ip[p->l3_len + 1]);
	if (worker_event(o->w, &ev))
		sa->moved_s = o->w->now_s + 1;
}

static inline void peer_check(struct open *o, struct sa *sa, const uint8_t *ip, const struct pkt *p)
{
	uint64_t from[2] = {0, 0};
	uint16_t port_be;

	if (p->family == 4)
		memcpy(from, ip + 12, 4);
	else
		memcpy(from, ip + 8, 16);
	memcpy(&port_be, ip + p->l3_len, 2);
	if (unlikely(from[0] != __atomic_load_n(&sa->remote[0], __ATOMIC_RELAXED) ||
		     from[1] != __atomic_load_n(&sa->remote[1], __ATOMIC_RELAXED) ||
		     port_be != __atomic_load_n(&sa->remote_port_be, __ATOMIC_RELAXED)))
		peer_moved(o, sa, ip, p);
}

// Tunnel mode: the inner packet becomes the packet. false: dropped.
static inline bool open_tunnel(struct open *o, struct sa *sa, struct rte_mbuf *m, uint8_t *data,
			       uint32_t len, uint8_t nh, uint32_t *inner_len)
{
	const uint8_t *outer = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t family = nh == PROTO_IP4 ? 4 : 6, tos;

	if (unlikely(nh != PROTO_IP4 && nh != PROTO_IP6)) {
		esp_drop(o->w, sa, m, DROP_ESP_NEXT_HEADER, DP_SA_DROP_INNER);
		return false;
	}
	if (unlikely(!esp_inner_length(data, len, family, inner_len))) {
		esp_drop(o->w, sa, m, DROP_ESP_INNER, DP_SA_DROP_INNER);
		return false;
	}
	if (sa->sels && unlikely(!esp_inner_allowed(sa, data, *inner_len, family))) {
		esp_drop(o->w, sa, m, DROP_ESP_SELECTOR, DP_SA_DROP_SELECTOR);
		return false;
	}
	tos = pkt_of(m)->family == 4 ? outer[1] : (uint8_t)(outer[0] << 4 | outer[1] >> 4);
	if (unlikely(!esp_inner_ecn(data, family, tos))) {
		esp_drop(o->w, sa, m, DROP_ESP_ECN, DP_SA_DROP_INNER);
		return false;
	}
	m->data_off = (uint16_t)(m->data_off + (data - outer));
	m->data_len = (uint16_t)*inner_len;  // what follows is traffic flow padding (RFC 4303 2.7)
	m->pkt_len = *inner_len;
	pkt_of(m)->family = family;
	return true;
}

static bool open_transport(struct open *o, struct sa *sa, struct rte_mbuf *m, uint8_t *data,
			   uint32_t len, uint8_t nh, uint32_t *inner_len)
{
	struct pkt *p = pkt_of(m);
	uint32_t l3 = p->l3_len;
	uint8_t *outer = rte_pktmbuf_mtod(m, uint8_t *), *ip = data - l3;

	memmove(ip, outer, l3);
	if (!esp_transport_header(ip, l3, len, p->family, nh)) {
		esp_drop(o->w, sa, m, DROP_ESP_INNER, DP_SA_DROP_INNER);
		return false;
	}
	if (sa->sels && !esp_inner_allowed(sa, ip, l3 + len, p->family)) {
		esp_drop(o->w, sa, m, DROP_ESP_SELECTOR, DP_SA_DROP_SELECTOR);
		return false;
	}
	if (sa->udp)
		esp_transport_checksum(ip, l3, len, p->family, nh);
	m->data_off = (uint16_t)(m->data_off + (ip - outer));
	m->data_len = (uint16_t)(l3 + len);
	m->pkt_len = m->data_len;
	*inner_len = l3 + len;
	return true;
}

// ICV, replay window, padding: what must hold before anybody looks inside. false: dropped.
static inline bool packet_authentic(struct open *o, struct sa *sa, struct rte_mbuf *m,
				    const struct crypto_op *op, uint64_t seq, uint32_t *pad)
{
	const uint8_t *data = op->esp + 8 + op->iv_len;

	if (unlikely(!op->ok)) {
		esp_drop(o->w, sa, m, DROP_ESP_ICV, DP_SA_DROP_ICV);
		return false;
	}
	if (unlikely(!replay_update(sa->window_bits, sa->window, &sa->seq, seq))) {
		esp_drop(o->w, sa, m, DROP_ESP_REPLAY, DP_SA_DROP_REPLAY);
		return false;
	}
	*pad = data[op->len - 2];
	if (unlikely(*pad + 2 > op->len || !padding_right(data + op->len - 2 - *pad, *pad))) {
		esp_drop(o->w, sa, m, DROP_ESP_PAD, DP_SA_DROP_PAD);
		return false;
	}
	return true;
}

static inline bool packet_open(struct open *o, struct rte_mbuf *m, const struct crypto_op *op,
			       uint64_t seq)
{
	struct pkt *p = pkt_of(m);
	struct sa *sa = p->sa;
	uint8_t *data = op->esp + 8 + op->iv_len, nh;
	uint32_t pad, inner_len;

	if (unlikely(sa->expired)) {  // by an earlier packet of this burst
		esp_drop(o->w, sa, m, DROP_ESP_EXPIRED, DP_SA_DROP_EXPIRED);
		return false;
	}
	if (!packet_authentic(o, sa, m, op, seq, &pad))
		return false;
	if (unlikely(!__atomic_load_n(&sa->noted, __ATOMIC_RELAXED)))
		checkpoint_note(o->w, sa);
	if (sa->udp && seq == sa->seq)
		peer_check(o, sa, rte_pktmbuf_mtod(m, const uint8_t *), p);
	nh = data[op->len - 1];
	if (unlikely(nh == PROTO_NONE)) {
		pkt_drop(o->w, m, DROP_ESP_DUMMY);
		return false;
	}
	if (unlikely(
		    !(sa->mode == DP_TUNNEL
			      ? open_tunnel(o, sa, m, data, op->len - 2 - pad, nh, &inner_len)
			      : open_transport(o, sa, m, data, op->len - 2 - pad, nh, &inner_len))))
		return false;
	p->flags = (uint8_t)(p->flags | PKT_OPENED);
	p->udp_len = 0;
	sa->packets++;
	sa->bytes += inner_len;
	sa->last_used_s = o->w->now_s;
	if (unlikely(sa->packets >= sa->check_packets || sa->bytes >= sa->check_bytes))
		esp_lifetime(o->w, sa);
	return true;
}

void esp_in(struct worker *w, struct burst *in)
{
	struct open o;
	uint32_t kept = 0;

	o.w = w;
	o.ctx = w->crypto;
	o.in = in;
	o.n = 0;
	o.ctx->groups = 0;
	burst_check(&o);
	esp_crypt(o.ctx, o.n);
	for (uint32_t i = 0; i < o.n; i++) {
		struct rte_mbuf *m = in->pkt[i];

		if (likely(packet_open(&o, m, &o.ctx->ops[i], o.seq[i])))
			in->pkt[kept++] = m;
	}
	in->n = kept;
}
