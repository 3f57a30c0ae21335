// Outbound ESP (RFC 4303 3.3): one burst, three passes.
//
// 1. Per run of packets of one SA: state, limits, one reservation of sequence numbers; then per
//    packet padding, trailer, ESP header, IV and outer header.
// 2. Crypto over the whole burst.
// 3. Only if the crypto library refused something: those packets are dropped.
#include "esp.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

#include <string.h>

#define IP4_DF     0x4000u
#define PLAIN_TMPL 28u                // IPv4 and ESP header
#define PLAIN_HEAD (PLAIN_TMPL + 8u)  // and the IV

static const uint8_t padding[32] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
				    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};

struct seal {
	struct worker *w;
	struct crypto_ctx *ctx;
	struct burst *out;
	uint32_t n;  // packets that go on
};

// ---- outer header ------------------------------------------------------------------------------
static inline void store16(uint8_t *p, uint16_t v)
{
	v = rte_cpu_to_be_16(v);
	memcpy(p, &v, 2);
}

static inline uint16_t df_of(const struct sa *sa, const uint8_t *inner, uint8_t family)
{
	if (sa->df)
		return sa->df == 2 ? IP4_DF : 0;
	return family == 6 || (inner[6] & 0x40) ? IP4_DF
						: 0;  // IPv6 is never fragmented on its way
}

// tmpl_len bytes that end at `end`. Copies whole lines into the headroom when it is there.
static inline void tmpl_copy(const struct sa *sa, const struct sa_outer *o, uint8_t *end,
			     uint32_t headroom)
{
	const uint8_t *tmpl_end = o->tmpl + sizeof(o->tmpl);

	if (likely(headroom >= 64)) {
		if (sa->tmpl_len > 32)
			memcpy(end - 64, tmpl_end - 64, 64);
		else
			memcpy(end - 32, tmpl_end - 32, 32);
		return;
	}
	memcpy(end - sa->tmpl_len, tmpl_end - sa->tmpl_len, sa->tmpl_len);
}

static inline void outer_ip4(const struct sa *sa, const struct sa_outer *o, uint8_t *ip,
			     uint16_t total, uint16_t id, uint8_t tos, uint16_t df)
{
	// words in memory order, so that the sum needs no swapping (RFC 1071 2B)
	uint16_t len_be = rte_cpu_to_be_16(total), id_be = rte_cpu_to_be_16(id);
	uint16_t df_be = rte_cpu_to_be_16(df), tos_be = rte_cpu_to_be_16(tos);
	uint32_t sum = o->ip4_sum + len_be + id_be + df_be + tos_be;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[1] = tos;
	memcpy(ip + 2, &len_be, 2);
	memcpy(ip + 4, &id_be, 2);
	memcpy(ip + 6, &df_be, 2);
	memcpy(ip + 10, &sum, 2);
	(void)sa;
}

static inline void outer_finish(const struct sa *sa, const struct sa_outer *o, uint8_t *outer,
				uint32_t total, uint32_t seq, uint8_t tos, uint16_t df)
{
	uint32_t ip_len = sa->family == 4 ? 20 : 40;

	// DSCP as inside (RFC 4301 5.1.2.1), ECN in normal mode: copied (RFC 6040 4.1)
	if (likely(sa->family == 4)) {
		outer_ip4(sa, o, outer, (uint16_t)total, (uint16_t)seq, tos, df);
	} else {
		outer[0] = 0x60 | tos >> 4;
		outer[1] = (uint8_t)(tos << 4);
		store16(outer + 4, (uint16_t)(total - 40));
	}
	if (sa->udp)
		store16(outer + ip_len + 4, (uint16_t)(total - ip_len));
}

// ---- ESP ---------------------------------------------------------------------------------------
static inline void iv_write(struct crypto_ctx *ctx, struct sa *sa, uint8_t *iv)
{
	if (likely(sa->counter_iv)) {  // ha-protocol rule 1
		uint64_t v = rte_cpu_to_be_64(sa->iv_prefix | sa->iv_counter++);

		memcpy(iv, &v, 8);
	} else if (sa->iv_len) {
		memcpy(iv, crypto_iv_next(ctx, sa->iv_len), sa->iv_len);
	}
}

// Padding, pad length and next header behind len bytes at data; returns bytes added.
static inline uint32_t trailer_write(const struct sa *sa, uint8_t *data, uint32_t len, uint8_t nh)
{
	uint32_t pad = (0u - (len + 2)) & (sa->block - 1u);

	memcpy(data + len, padding, 16);  // block <= 16; SA_TAILROOM has room
	data[len + pad] = (uint8_t)pad;
	data[len + pad + 1] = nh;
	return pad + 2;
}

static inline void op_add(struct seal *s, struct sa *sa, struct rte_mbuf *m, uint8_t *esp,
			  uint32_t len, uint64_t seq)
{
	struct crypto_op *op = &s->ctx->ops[s->n];

	sa_op_fill(sa, op);
	op->esp = esp;
	op->len = len;
	op->seq_hi_be = rte_cpu_to_be_32((uint32_t)(seq >> 32));
	crypto_op_nonce(op, sa->salt);
	s->out->pkt[s->n++] = m;
}

// One packet of tunnel mode. false: no room around it.
static inline bool seal_tunnel(struct seal *s, struct sa *sa, const struct sa_outer *o,
			       struct rte_mbuf *m, uint64_t seq)
{
	struct pkt *p = pkt_of(m);
	uint32_t inner_len = p->l3_total, head = sa->tmpl_len + sa->iv_len, len, total;
	uint8_t *inner = rte_pktmbuf_mtod(m, uint8_t *), *outer = inner - head;
	uint8_t *esp = inner - sa->iv_len - 8;
	uint8_t tos = p->family == 4 ? inner[1] : (uint8_t)(inner[0] << 4 | inner[1] >> 4);
	uint16_t df = df_of(sa, inner, p->family);
	uint32_t room = rte_pktmbuf_headroom(m), seq_be = rte_cpu_to_be_32((uint32_t)seq);

	if (unlikely(m->nb_segs > 1 || inner_len > m->data_len || room < head ||
		     m->buf_len - m->data_off - inner_len < SA_TAILROOM))
		return false;
	len = inner_len + trailer_write(sa, inner, inner_len, p->family == 4 ? 4 : 41);
	tmpl_copy(sa, o, esp + 8, room - sa->iv_len);
	memcpy(esp + 4, &seq_be, 4);
	iv_write(s->ctx, sa, esp + 8);
	total = head + len + sa->icv_len;
	outer_finish(sa, o, outer, total, (uint32_t)seq, tos, df);
	m->data_off = (uint16_t)(m->data_off - head);
	m->data_len = (uint16_t)total;
	m->pkt_len = total;
	p->family = sa->family;
	p->l3_len = sa->family == 4 ? 20 : 40;
	p->l3_total = (uint16_t)total;
	p->proto = sa->udp ? IPPROTO_UDP : IPPROTO_ESP;
	p->udp_len = sa->udp;
	p->flags |= PKT_ENCAP;
	op_add(s, sa, m, esp, len, seq);
	return true;
}

// Transport mode (RFC 4303 3.1.1): the IP header moves forward, ESP goes behind it.
static bool seal_transport(struct seal *s, struct sa *sa, const struct sa_outer *o,
			   struct rte_mbuf *m, uint64_t seq)
{
	struct pkt *p = pkt_of(m);
	uint32_t l3 = p->l3_len, head = sa->tmpl_len + sa->iv_len, inner_len = p->l3_total;
	uint32_t seq_be = rte_cpu_to_be_32((uint32_t)seq), payload, len;
	uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *), *data = ip + l3, *new_ip = ip - head;
	uint8_t nh = p->proto, *esp;

	if (m->nb_segs > 1 || inner_len > m->data_len || inner_len < l3 ||
	    rte_pktmbuf_headroom(m) < head || m->buf_len - m->data_off - inner_len < SA_TAILROOM ||
	    p->family != sa->family)
		return false;
	payload = inner_len - l3;
	len = payload + trailer_write(sa, data, payload, nh);
	memmove(new_ip, ip, l3);
	if (!esp_transport_header(new_ip, l3, head + len + sa->icv_len, sa->family,
				  sa->udp ? IPPROTO_UDP : IPPROTO_ESP))
		return false;
	esp = data - sa->iv_len - 8;
	memcpy(esp + 8 - sa->tmpl_len, o->tmpl + sizeof(o->tmpl) - sa->tmpl_len, sa->tmpl_len);
	if (sa->udp)
		store16(esp - 4, (uint16_t)(head + len + sa->icv_len));
	memcpy(esp + 4, &seq_be, 4);
	iv_write(s->ctx, sa, esp + 8);
	m->data_off = (uint16_t)(m->data_off - head);
	m->data_len = (uint16_t)(l3 + head + len + sa->icv_len);
	m->pkt_len = m->data_len;
	p->l3_total = m->data_len;
	p->proto = sa->udp ? IPPROTO_UDP : IPPROTO_ESP;
	p->udp_len = sa->udp;
	p->flags |= PKT_ENCAP;
	op_add(s, sa, m, esp, len, seq);
	return true;
}

// ---- limits ------------------------------------------------------------------------------------
// A take-over raises the ceilings of a whole group with one word (ha-protocol rule 7). An SA takes
// its share when it comes to the end of what it has itself; the control thread may set a limit
// meanwhile, then that one stands.
static __attribute__((noinline)) uint64_t limit_share(struct sa *sa, uint64_t lim)
{
	uint64_t by = __atomic_load_n(&sa_group_raised[sa->state >> 1], __ATOMIC_RELAXED);

	if (by == 0 || sa->start == SA_NO_START || sa->start + by <= lim)
		return lim;
	uint64_t raised = sa->start + by;
	if (!sa->esn)
		raised = RTE_MIN(raised, (uint64_t)UINT32_MAX);
	if (raised <= lim)
		return lim;
	return __atomic_compare_exchange_n(&sa->lim, &lim, raised, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED)
		       ? raised
		       : lim;
}

// How many of n packets may be sent: the ceiling (ha-protocol rule 7, RFC 4303 3.3.3) and the
// 40 bits of the IV counter. Raises the events around the ceiling.
static uint32_t numbers_reserve(struct seal *s, struct sa *sa, uint64_t *may_to, uint32_t n)
{
	uint64_t lim = *may_to;

	if (unlikely(lim < sa->seq + n))
		*may_to = lim = limit_share(sa, lim);
	uint64_t left = lim > sa->seq ? lim - sa->seq : 0;

	if (sa->counter_iv && SA_IV_COUNTER_MAX - sa->iv_counter < left)
		left = SA_IV_COUNTER_MAX - sa->iv_counter;
	if (unlikely(left <= n + (uint64_t)__atomic_load_n(&sa->lim_margin, __ATOMIC_RELAXED))) {
		if (sa->lim_low_at != lim && esp_event(s->w, sa, DP_EVENT_LIM_LOW))
			sa->lim_low_at = lim;
		if (left < n && sa->lim_reached_at != lim &&
		    esp_event(s->w, sa, DP_EVENT_LIM_REACHED))
			sa->lim_reached_at = lim;
	}
	return left < n ? (uint32_t)left : n;
}

static void run_drop(struct seal *s, struct sa *sa, struct rte_mbuf *const *pkts, uint32_t n,
		     enum drop why, enum dp_sa_drop sa_why)
{
	for (uint32_t i = 0; i < n; i++)
		esp_drop(s->w, sa, pkts[i], why, sa_why);
}

static void run_held(struct seal *s, struct sa *sa, struct rte_mbuf *const *pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		esp_held(s->w, sa, pkts[i], false);
}

// ---- the plain case ----------------------------------------------------------------------------
// An IPv4 tunnel without UDP, an AEAD with 4-byte alignment and the counter as its IV.
static inline bool sa_plain(const struct sa *sa)
{
	return sa->tmpl_len == PLAIN_TMPL && sa->iv_len == 8 && sa->counter_iv && sa->block == 4;
}

// Padding, pad length and next header (IPv4) for each number of padding bytes, as one word.
static const uint64_t plain_trailer[4] = {0x0400, 0x040101, 0x04020201, 0x0403030201};

// Its packets, as far as they are plain too: IPv4 in one piece with room around. Headers are put
// together in registers and written as whole words. Returns how many; the SA has what changed.
static inline uint32_t run_plain(struct seal *s, struct sa *sa, const struct sa_outer *o,
				 struct rte_mbuf **pkts, uint32_t n, uint64_t *bytes)
{
	const uint8_t *tmpl = o->tmpl + sizeof(o->tmpl) - PLAIN_TMPL;
	const uint64_t df = sa->df ? 0 : 0x40ull << 48, df_set = sa->df == 2 ? 0x40ull << 48 : 0;
	const uint32_t salt = sa->salt, icv_len = sa->icv_len, tmpl_sum = o->ip4_sum;
	struct crypto_op *op = &s->ctx->ops[s->n];
	uint64_t ttl_src, dst_spi, seq = sa->seq, iv = sa->iv_prefix | sa->iv_counter;
	struct crypto_op form;
	uint32_t i;

	memcpy(&ttl_src, tmpl + 8, 8);
	memcpy(&dst_spi, tmpl + 16, 8);
	sa_op_fill(sa, &form);
	for (i = 0; i < n; i++, op++) {
		struct rte_mbuf *m = pkts[i];
		struct pkt *p = pkt_of(m);
		uint32_t inner_len = p->l3_total, off = m->data_off;
		uint8_t *inner = (uint8_t *)m->buf_addr + off, *esp = inner - 16;
		uint64_t front, iv_be, word;

		if (unlikely(m->nb_segs != 1 || p->family != 4 || inner_len > m->data_len ||
			     off < PLAIN_HEAD || m->buf_len < off + inner_len + SA_TAILROOM))
			break;
		uint32_t pad = (2 - inner_len) & 3, len = inner_len + pad + 2;
		uint32_t total = PLAIN_HEAD + len + icv_len;

		memcpy(inner + inner_len, &plain_trailer[pad], 8);
		// version, TOS as inside (RFC 4301 5.1.2.1, RFC 6040 4.1), length, id, DF
		memcpy(&front, inner, 8);
		front = (front & df) | df_set | (front & 0xff00) | 0x45 |
			(uint64_t)rte_cpu_to_be_16((uint16_t)total) << 16 |
			(uint64_t)rte_cpu_to_be_16((uint16_t)++seq) << 32;
		// the template's sum has the first word without TOS (RFC 1071 2B)
		uint32_t sum = tmpl_sum + (uint32_t)(front & 0xff00) + (uint16_t)(front >> 16) +
			       (uint16_t)(front >> 32) + (uint16_t)(front >> 48);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = ~((sum & 0xffff) + (sum >> 16));
		word = ttl_src | (uint64_t)(uint16_t)sum << 16;
		memcpy(esp - 20, &front, 8);
		memcpy(esp - 12, &word, 8);
		memcpy(esp - 4, &dst_spi, 8);
		uint32_t seq_be = rte_cpu_to_be_32((uint32_t)seq);
		memcpy(esp + 4, &seq_be, 4);
		iv_be = rte_cpu_to_be_64(iv++);
		memcpy(esp + 8, &iv_be, 8);

		m->data_off = (uint16_t)(off - PLAIN_HEAD);
		m->data_len = (uint16_t)total;
		m->pkt_len = total;
		p->l3_len = 20;
		p->l3_total = (uint16_t)total;
		p->proto = IPPROTO_ESP;
		p->udp_len = 0;
		p->flags |= PKT_ENCAP;
		*bytes += inner_len;

		op->key = form.key;
		op->esp = esp;
		memcpy(op->nonce, &salt, 4);
		memcpy(op->nonce + 4, &iv_be, 8);
		op->len = len;
		op->seq_hi_be = rte_cpu_to_be_32((uint32_t)(seq >> 32));
		memcpy(&op->iv_len, &form.iv_len, 4);
		s->out->pkt[s->n + i] = m;
	}
	s->n += i;
	sa->seq = seq;
	sa->iv_counter += i;
	return i;
}

// ---- runs --------------------------------------------------------------------------------------
// Packets of any kind. Returns how many were sealed.
static __attribute__((noinline)) uint32_t run_any(struct seal *s, struct sa *sa,
						  const struct sa_outer *o, struct rte_mbuf **pkts,
						  uint32_t n, uint64_t *bytes)
{
	uint32_t sent = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t inner_len = pkt_of(m)->l3_total;

		if (unlikely(m->nb_segs > 1) && !(m = pkt_flatten(s->w, m))) {
			sa->drops[DP_SA_DROP_ENCAP]++;
			continue;
		}
		if (unlikely(!(sa->mode == DP_TUNNEL ? seal_tunnel(s, sa, o, m, sa->seq + 1)
						     : seal_transport(s, sa, o, m, sa->seq + 1)))) {
			esp_drop(s->w, sa, m, DROP_ESP_ROOM, DP_SA_DROP_ENCAP);
			continue;
		}
		sa->seq++;
		sent++;
		*bytes += inner_len;
	}
	return sent;
}

static inline __attribute__((always_inline)) void run_seal(struct seal *s, struct sa *sa,
							   struct rte_mbuf **pkts, uint32_t n)
{
	const struct sa_outer *o = __atomic_load_n(&sa->outer, __ATOMIC_ACQUIRE);
	uint64_t lim = __atomic_load_n(&sa->lim, __ATOMIC_RELAXED), iv = sa->iv_counter;
	uint32_t may = numbers_reserve(s, sa, &lim, n), plain = 0, sent;
	uint64_t bytes = 0;

	esp_group(s->ctx, sa->crypt, s->n);
	if (likely(sa_plain(sa)))
		plain = run_plain(s, sa, o, pkts, may, &bytes);
	sent = plain;
	if (unlikely(plain < may))
		sent += run_any(s, sa, o, pkts + plain, may - plain, &bytes);
	esp_invariants(s->w, sa, sent, lim, sa->seq, iv);
	sa->packets += sent;
	s->w->group_sent[sa->state >> 1] += sent;
	sa->bytes += bytes;
	sa->last_used_s = s->w->now_s;
	if (unlikely(may < n))
		run_drop(s, sa, pkts + may, n - may, DROP_ESP_LIM, DP_SA_DROP_LIM);
}

// A lifetime ends somewhere in this run: packet by packet.
static __attribute__((noinline)) void run_seal_slow(struct seal *s, struct sa *sa,
						    struct rte_mbuf **pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (sa->expired) {
			esp_lifetime(s->w, sa);  // the event, if the ring was full
			run_drop(s, sa, pkts + i, n - i, DROP_ESP_EXPIRED, DP_SA_DROP_EXPIRED);
			return;
		}
		run_seal(s, sa, pkts + i, 1);
		if (sa->packets >= sa->check_packets || sa->bytes >= sa->check_bytes)
			esp_lifetime(s->w, sa);
	}
}

static inline bool run_near_lifetime(const struct sa *sa, uint32_t n)
{
	return sa->packets + n >= sa->check_packets ||
	       sa->bytes + (uint64_t)n * UINT16_MAX >= sa->check_bytes;
}

static void sealed_sweep(struct seal *s)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (likely(s->ctx->ops[i].ok))
			s->out->pkt[kept++] = s->out->pkt[i];
		else
			esp_drop(s->w, pkt_of(s->out->pkt[i])->sa, s->out->pkt[i], DROP_ESP_CRYPTO,
				 DP_SA_DROP_ENCAP);
	}
	s->n = kept;
}

void esp_out(struct worker *w, struct burst *in)
{
	struct seal s = {.w = w, .ctx = w->crypto, .out = in};
	uint32_t ok = 1;

	s.ctx->groups = 0;
	for (uint32_t i = 0, j; i < in->n; i = j) {
		struct sa *sa = pkt_of(in->pkt[i])->sa;

		j = esp_run_end(in, i);
		esp_key_prefetch(sa);
		if (unlikely(sa_held(sa)))
			run_held(&s, sa, in->pkt + i, j - i);
		else if (unlikely(run_near_lifetime(sa, j - i)))
			run_seal_slow(&s, sa, in->pkt + i, j - i);
		else
			run_seal(&s, sa, in->pkt + i, j - i);
	}
	esp_crypt(s.ctx, s.n);
	for (uint32_t i = 0; i < s.n; i++)
		ok &= s.ctx->ops[i].ok;
	if (unlikely(!ok))
		sealed_sweep(&s);
	in->n = s.n;
}
