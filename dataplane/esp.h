// What esp_in and esp_out share. Worker only.
#pragma once

#include <rte_debug.h>
#include <rte_mbuf.h>

#include <string.h>

#include "pkt.h"
#include "sa.h"
#include "worker.h"

// Makes a packet one piece (in place, or in a fresh buffer). NULL: it fits nowhere, dropped.
struct rte_mbuf *pkt_flatten(struct worker *w, struct rte_mbuf *m);

static inline void esp_drop(struct worker *w, struct sa *sa, struct rte_mbuf *m, enum drop why,
			    enum dp_sa_drop sa_why)
{
	sa->drops[sa_why]++;
	pkt_drop(w, m, why);
}

// A packet of an SA that is held: of a group that was handed over it goes to the control thread, to
// be passed on (late.h); else it is dropped.
void esp_held(struct worker *w, struct sa *sa, struct rte_mbuf *m, bool inbound);

// ha-protocol I1 and I4, once per run: sent numbers were allowed, IV counters went up one by one.
static inline void esp_invariants(struct worker *w, const struct sa *sa, uint32_t sent,
				  uint64_t lim, uint64_t seq, uint64_t iv_before)
{
	bool i4 = sent && seq > lim;
	bool i1 = sa->counter_iv &&
		  (sa->iv_counter != iv_before + sent || sa->iv_counter > SA_IV_COUNTER_MAX + 1);

	if (likely(!i4 && !i1))
		return;
	w->invariant_i1 += i1;
	w->invariant_i4 += i4;
#ifndef __OPTIMIZE__  // a debug build
	rte_panic("ha-protocol invariant: I1 %d, I4 %d", i1, i4);
#endif
}

// The edge of this SA moved: the control thread's next dp_checkpoint_poll() will tell it.
void checkpoint_note(struct worker *w, struct sa *sa);

// Raises an event of this SA; false when the ring was full (try again later).
bool esp_event(struct worker *w, const struct sa *sa, enum dp_event_type type);
// A lifetime threshold was crossed: events once each, sa->expired at the hard limit.
void esp_lifetime(struct worker *w, struct sa *sa);

// An SA's key is read a burst later, in the crypto pass: front (round keys) and end (the low powers
// of H, the ones that short packets use) start on their way now.
static inline void esp_key_prefetch(const struct sa *sa)
{
	const uint8_t *key = sa->key, *end = key + sa->key_lines * 64u;

	__builtin_prefetch(key);
	__builtin_prefetch(key + 64);
	__builtin_prefetch(key + 128);
	__builtin_prefetch(end - 64);
	__builtin_prefetch(end - 128);
}

// Outbound: the lines of an SA that every packet needs.
static inline void esp_sa_prefetch(const struct sa *sa)
{
	__builtin_prefetch(sa);
	__builtin_prefetch((const uint8_t *)sa + 64, 1);
	__builtin_prefetch((const uint8_t *)sa + offsetof(struct sa, outer0));
}

// End of the run of packets of one SA that begins at i.
static inline uint32_t esp_run_end(const struct burst *b, uint32_t i)
{
	const struct sa *sa = pkt_of(b->pkt[i])->sa;
	uint32_t j = i + 1;

	while (j < b->n && pkt_of(b->pkt[j])->sa == sa)
		j++;
	return j;
}

// ops[at] and those behind it are of this function.
static inline void esp_group(struct crypto_ctx *ctx, crypto_fn fn, uint32_t at)
{
	struct crypto_group *g = &ctx->group[ctx->groups];

	if (ctx->groups && g[-1].fn == fn)
		return;
	if (ctx->groups && g[-1].from == at)
		g--;  // nothing came of that one: as many groups as ops suffice
	else
		ctx->groups++;
	*g = (struct crypto_group){.fn = fn, .from = at};
}

// Crypto pass over ops[0..n): consecutive ops with the same function go together.
static inline void esp_crypt(struct crypto_ctx *ctx, uint32_t n)
{
	for (uint32_t i = 0; i < ctx->groups; i++) {
		const struct crypto_group *g = &ctx->group[i];
		uint32_t end = i + 1 < ctx->groups ? g[1].from : n;

		if (likely(end > g->from))
			g->fn(ctx, ctx->ops + g->from, end - g->from);
	}
}

// ---- esp_inner.c: what must be true of a packet that came out of an SA --------------------------
static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

// len bytes at ip, version as next header said. *total: length by its own header (<= len).
static inline bool esp_inner_length(const uint8_t *ip, uint32_t len, uint8_t family,
				    uint32_t *total)
{
	if (likely(family == 4)) {
		uint32_t ihl;

		if (len < 20 || ip[0] >> 4 != 4)
			return false;
		ihl = (ip[0] & 15u) * 4;
		*total = get16(ip + 2);
		return ihl >= 20 && *total >= ihl && *total <= len;
	}
	if (len < 40 || ip[0] >> 4 != 6)
		return false;
	*total = 40u + get16(ip + 4);
	return *total <= len;
}

// Selectors of an SA against an inner packet whose lengths were checked.
bool esp_inner_allowed_any(const struct sa *sa, const uint8_t *ip, uint32_t total, uint8_t family);
static inline bool esp_inner_allowed(const struct sa *sa, const uint8_t *ip, uint32_t total,
				     uint8_t family)
{
	const struct sa_check *c = &sa->check[0];
	uint32_t src, dst;

	// most SAs: one IPv4 network on each side, any protocol
	if (likely(sa->sels && c->family == 4 && family == 4 && !c->proto && !c->ports)) {
		memcpy(&src, ip + 12, 4);
		memcpy(&dst, ip + 16, 4);
		if (likely((src & c->v4.src_mask) == c->v4.src &&
			   (dst & c->v4.dst_mask) == c->v4.dst))
			return true;
	}
	return esp_inner_allowed_any(sa, ip, total, family);
}

// RFC 6040 4.2: false = outer congestion mark on a packet that cannot carry it, to be dropped.
bool esp_inner_ecn_set(uint8_t *ip, uint8_t family, uint8_t outer);
static inline bool esp_inner_ecn(uint8_t *ip, uint8_t family, uint8_t outer_tos)
{
	// neither mark nor ECT(1) outside: the inner field stays as it is
	return likely(!(outer_tos & 1)) || esp_inner_ecn_set(ip, family, outer_tos & 3);
}

// Transport mode: the IP header in front of payload of `len` bytes gets protocol nh and lengths.
bool esp_transport_header(uint8_t *ip, uint32_t l3_len, uint32_t len, uint8_t family, uint8_t nh);
// Transport mode behind NAT: TCP and UDP checksums cover addresses that changed (RFC 3948 3.1.2).
void esp_transport_checksum(uint8_t *ip, uint32_t l3_len, uint32_t len, uint8_t family, uint8_t nh);
