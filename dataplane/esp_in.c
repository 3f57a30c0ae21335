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
	o->seq[o->n] = seq;
}

// A packet of any kind and SA.
static __attribute__((noinline)) void packet_any(struct open *o, struct rte_mbuf *m)
{
	struct sa *sa = pkt_of(m)->sa;
	uint64_t seq;

	if (unlikely(sa_held(sa))) {
		esp_held(o->w, sa, m, true);
		return;
	}
	if (unlikely(sa->expired)) {
		esp_lifetime(o->w, sa);
		esp_drop(o->w, sa, m, DROP_ESP_EXPIRED, DP_SA_DROP_EXPIRED);
		return;
	}
	if (unlikely(m->nb_segs > 1) && !(m = pkt_flatten(o->w, m))) {
		sa->drops[DP_SA_DROP_ENCAP]++;
		return;
	}
	const struct pkt *p = pkt_of(m);
	uint32_t at = p->l3_len + p->udp_len, fixed = 8u + sa->iv_len + sa->icv_len, len;
	uint8_t *esp = rte_pktmbuf_mtod_offset(m, uint8_t *, at);

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
	esp_group(o->ctx, sa->crypt, o->n);
	op_fill(o, sa, esp, len, seq);
	o->in->pkt[o->n++] = m;
}

// What a run of packets of one SA has in common, read once.
struct check_run {
	const struct sa *sa;
	struct crypto_op form;
	uint64_t edge;
	uint32_t fixed, block, salt;
	bool plain;  // active, no extended numbers
};

static inline void check_begin(struct open *o, struct check_run *r, const struct sa *sa)
{
	r->sa = sa;
	sa_op_fill(sa, &r->form);
	r->edge = sa->seq;
	r->fixed = 8u + sa->iv_len + sa->icv_len;
	r->block = sa->block - 1u;
	r->salt = sa->salt;
	r->plain = !sa_held(sa) && !sa->expired && !sa->esn;
	esp_key_prefetch(sa);
	esp_group(o->ctx, sa->crypt, o->n);
}

// A packet in one piece with a number ahead of all that were seen. false: it is not, and untouched.
static inline bool packet_plain(struct open *o, const struct check_run *r, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	uint32_t at = (uint32_t)p->l3_len + p->udp_len, total = p->l3_total, seq_be, seq;
	uint32_t len = total - at - r->fixed;
	uint8_t *esp = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
	struct crypto_op *op = &o->ctx->ops[o->n];

	if (unlikely(m->nb_segs != 1 || total > m->data_len || total < at + r->fixed + 2 ||
		     len & r->block))
		return false;
	memcpy(&seq_be, esp + 4, 4);
	seq = rte_be_to_cpu_32(seq_be);
	if (unlikely(seq <= r->edge))
		return false;
	op->key = r->form.key;
	op->esp = esp;
	op->len = len;
	op->seq_hi_be = 0;
	memcpy(&op->iv_len, &r->form.iv_len, 4);
	crypto_op_nonce(op, r->salt);
	o->seq[o->n] = seq;
	o->in->pkt[o->n++] = m;
	return true;
}

static inline void burst_check(struct open *o)
{
	struct check_run r = {.sa = NULL};
	uint32_t count = o->in->n;

	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = o->in->pkt[i];
		const struct sa *sa = pkt_of(m)->sa;

		if (unlikely(sa != r.sa))
			check_begin(o, &r, sa);
		if (unlikely(!r.plain || !packet_plain(o, &r, m)))
			packet_any(o, m);
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

static __attribute__((noinline)) bool packet_open(struct open *o, struct rte_mbuf *m,
						  const struct crypto_op *op, uint64_t seq)
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

// ---- pass 3, the plain case --------------------------------------------------------------------
// Tunnel mode over IPv4; the next number in line; IPv4 without options inside, allowed by the
// SA's first selector; little padding; no outer congestion mark. All of it is asked before
// anything changes, so that any other packet can still go through packet_open().
struct open_run {
	struct sa *sa;
	uint64_t *bits;
	uint64_t select, select_mask;  // inner addresses
	uint64_t packets, bytes;       // not yet in the SA
	uint32_t window;               // less one
	bool plain, udp;
	uint64_t off;  // what is written where there is no window
};

static inline void open_end(struct open *o, struct open_run *r)
{
	struct sa *sa = r->sa;

	if (!sa || !r->packets)
		return;
	sa->packets += r->packets;
	sa->bytes += r->bytes;
	sa->last_used_s = o->w->now_s;
	if (unlikely(!__atomic_load_n(&sa->noted, __ATOMIC_RELAXED)))
		checkpoint_note(o->w, sa);
}

// n: packets of the burst from here on. Near the end of a lifetime packets are taken one by one.
static inline void open_begin(struct open_run *r, struct sa *sa, uint32_t n)
{
	const struct sa_check *c = &sa->check[0];
	bool any = sa->sels == 0;

	r->sa = sa;
	r->packets = r->bytes = 0;
	r->bits = sa->window ? sa->window_bits : &r->off;
	r->window = sa->window ? sa->window - 1u : 63;
	r->udp = sa->udp;
	r->select = any ? 0 : c->v4.src | (uint64_t)c->v4.dst << 32;
	r->select_mask = any ? 0 : c->v4.src_mask | (uint64_t)c->v4.dst_mask << 32;
	r->plain = sa->mode == DP_TUNNEL && sa->family == 4 && !sa->expired &&
		   (any || (c->family == 4 && !c->proto && !c->ports)) &&
		   sa->packets + n < sa->check_packets &&
		   sa->bytes + (uint64_t)n * UINT16_MAX < sa->check_bytes;
}

// The last n + 1 bytes of 1, 2, ... n, n: padding and its length.
static const uint64_t pad_words[8] = {
	0x00,         0x0101,         0x020201,         0x03030201,
	0x0404030201, 0x050504030201, 0x06060504030201, 0x0707060504030201,
};

static inline bool open_plain(struct open *o, struct open_run *r, struct rte_mbuf *m,
			      const struct crypto_op *op, uint64_t seq)
{
	struct sa *sa = r->sa;
	struct pkt *p = pkt_of(m);
	uint8_t *data = op->esp + 8 + op->iv_len, *outer = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t len = op->len, pad, total;
	uint64_t end, front, addresses;

	memcpy(&end, data + len - 9, 8);  // up to the pad length; begins behind the SPI at worst
	pad = (uint32_t)(end >> 56);
	if (unlikely(!op->ok || seq != sa->seq + 1 || pad > 7 || pad + 2 > len ||
		     end >> (56 - 8 * (pad & 7)) != pad_words[pad & 7]))
		return false;
	memcpy(&front, data, 8);
	memcpy(&addresses, data + 12, 8);
	total = rte_be_to_cpu_16((uint16_t)(front >> 16));
	if (unlikely(data[len - 1] != PROTO_IP4 || (uint8_t)front != 0x45 || total < 20 ||
		     total > len - 2 - pad || (addresses & r->select_mask) != r->select ||
		     (outer[1] & 1)))
		return false;
	sa->seq = seq;
	r->bits[(seq & r->window) >> 6] |= 1ull << (seq & 63);
	r->packets++;
	r->bytes += total;
	if (r->udp)
		peer_check(o, sa, outer, p);
	m->data_off = (uint16_t)(m->data_off + (data - outer));
	m->data_len = (uint16_t)total;  // what follows is traffic flow padding (RFC 4303 2.7)
	m->pkt_len = total;
	p->flags |= PKT_OPENED;
	p->udp_len = 0;
	return true;
}

void esp_in(struct worker *w, struct burst *in)
{
	struct open_run r = {.sa = NULL};
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
		const struct crypto_op *op = &o.ctx->ops[i];
		struct sa *sa = pkt_of(m)->sa;

		if (unlikely(sa != r.sa)) {
			open_end(&o, &r);
			open_begin(&r, sa, o.n - i);
		}
		if (likely(r.plain && open_plain(&o, &r, m, op, o.seq[i])) ||
		    packet_open(&o, m, op, o.seq[i]))
			in->pkt[kept++] = m;
	}
	open_end(&o, &r);
	in->n = kept;
}
