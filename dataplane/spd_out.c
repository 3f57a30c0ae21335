// What becomes of a packet that is to leave, in one pass: one hop less to live (RFC 1812 5.3.1),
// outbound policy (RFC 4301 5.1: first match in order; PROTECT goes to its SA, or waits for one),
// and whether it will fit the path once it is encapsulated. Ports without a map cost one load.
//
// Packets of the host's own stack and of ours were never received, so they lose no hop; packets
// that waited lost it before they did.
#include "esp.h"
#include "flow.h"
#include "pipeline.h"
#include "port.h"
#include "spd.h"
#include "spd_key.h"

#include <rte_byteorder.h>
#include <rte_ip.h>

#define ENCAP_MOST 128  // no SA adds more bytes: 40 + 8 + 8 outer headers, IV, padding, ICV

_Static_assert(sizeof(((struct sa_outer *)0)->tmpl) + CRYPTO_IV_MAX + 16 + 1 + CRYPTO_ICV_MAX <=
		       ENCAP_MOST,
	       "template, IV, padding and its length, ICV");

// RFC 1624: the TTL is the high byte of its word, so 0x0100 less there is as much more in the
// complement sum, with the carry wrapped around.
static inline void ttl_less(struct rte_ipv4_hdr *ip)
{
	uint32_t sum = (uint32_t)ip->hdr_checksum + RTE_BE16(0x0100);

	ip->hdr_checksum = (uint16_t)(sum + (sum >= 0xffff));
	ip->time_to_live--;
}

// false: this was the last hop.
static inline bool hop_less(struct rte_mbuf *m, const struct pkt *p)
{
	const uint8_t stays = PKT_FROM_HOST | PKT_OURS | PKT_HELD | PKT_ENCAP | PKT_BYPASS;
	uint8_t *h = rte_pktmbuf_mtod(m, uint8_t *), *ttl = h + (p->family == 4 ? 8 : 7);

	if (unlikely(p->flags & stays))
		return true;
	if (unlikely(*ttl <= 1))
		return false;
	if (likely(p->family == 4))
		ttl_less((struct rte_ipv4_hdr *)h);
	else
		(*ttl)--;
	return true;
}

static __attribute__((noinline)) void expired(struct worker *w, struct rte_mbuf *m)
{
	icmp_error(w, m, ICMP_TTL, 0);
	pkt_drop(w, m, DROP_IP_TTL);
}

static __attribute__((noinline)) void refused(struct worker *w, struct rte_mbuf *m, uint8_t verdict)
{
	pkt_drop(w, m,
		 verdict == SPD_DROP_FRAGMENT  ? DROP_POLICY_FRAGMENT
		 : verdict == SPD_DROP_UNBUILT ? DROP_POLICY_UNBUILT
					       : DROP_POLICY_BACK);
}

// What this box says itself, in clear: not about what is protected. false: it is gone.
static __attribute__((noinline)) bool quote_passes(struct worker *w, struct rte_mbuf *m,
						   const struct pkt *p, uint32_t group)
{
	if (!icmp_quotes_protected(m, p, group))
		return true;
	pkt_drop(w, m, DROP_POLICY_QUOTE);
	return false;
}

// Most packets fit whatever the SA; of others the SA is asked, and few are reckoned out.
static inline bool fits(const struct rte_mbuf *m, const struct pkt *p)
{
	const struct sa *sa = p->sa;
	uint32_t len = rte_pktmbuf_pkt_len(m), mtu = p->mtu;

	if (likely(len + ENCAP_MOST <= mtu))
		return true;
	return len + sa->tmpl_len + sa->iv_len + sa->block + 1 + sa->icv_len <= mtu ||
	       protect_fits(m, p);
}

struct sort {
	struct worker *w;
	uint32_t generation;  // of the policies, once for a burst
	uint32_t group;       // the answer before: whose, and what; 0 = none or not IPv4
	uint64_t addresses, upper;
	struct spd_result result;
	struct sa *sa;  // its lines were asked for
	struct spd_out *to;
};

// The flow is the one before: of a burst, many packets are.
static inline bool same_flow(struct sort *s, struct rte_mbuf *m, const struct pkt *p,
			     uint32_t group)
{
	uint64_t addresses, upper;

	memcpy(&addresses, rte_pktmbuf_mtod_offset(m, const uint8_t *, 12), 8);
	upper = spd_key_upper(p, false);
	if (((addresses ^ s->addresses) | (upper ^ s->upper) | (group ^ s->group)) == 0)
		return true;
	s->addresses = addresses;
	s->upper = upper;
	s->group = p->family == 4 ? group : 0;
	return false;
}

static inline void flow_find(struct sort *s, struct rte_mbuf *m, const struct pkt *p,
			     uint32_t group)
{
	struct flow_key key;

	spd_key(&key, m, p, group, false);
	s->result = flow_lookup(s->w, &key, s->generation);
	if (likely(s->result.verdict == SPD_PROTECT)) {
		s->sa = spd_sa(s->result.policy, &key);
		if (likely(s->sa))  // its lines are wanted soon
			esp_sa_prefetch(s->sa);
	}
}

// A packet for a port with a crypto map. true: it leaves in clear.
static inline bool sort_one(struct sort *s, struct rte_mbuf *m, struct pkt *p, uint32_t group)
{
	if (!same_flow(s, m, p, group))
		flow_find(s, m, p, group);
	p->policy = s->result.policy;
	if (unlikely(s->result.verdict != SPD_PROTECT)) {
		if (s->result.verdict < SPD_DROP_FRAGMENT)
			return !unlikely(p->flags & (PKT_OURS | PKT_FROM_HOST)) ||
			       quote_passes(s->w, m, p, group);
		refused(s->w, m, s->result.verdict);
		return false;
	}
	p->sa = s->sa;
	if (unlikely(!s->sa))
		burst_add(&s->to->acquire, m);
	else
		burst_add(likely(fits(m, p)) ? &s->to->protect : &s->to->big, m);
	return false;
}

void spd_out(struct worker *w, struct burst *in, struct spd_out *to)
{
	struct sort s = {.w = w, .generation = spd_generation(), .to = to};
	uint32_t kept = 0, n = in->n;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		uint32_t group = port_policy_group(p->out_port);

		if (unlikely(!hop_less(m, p)))
			expired(w, m);
		else if (group == 0 || unlikely(p->flags & (PKT_BYPASS | PKT_ENCAP)) ||
			 sort_one(&s, m, p, group))
			in->pkt[kept++] = m;
	}
	in->n = kept;
}
