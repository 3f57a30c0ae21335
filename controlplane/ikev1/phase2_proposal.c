// Phase 2 proposals: transform sets <-> SA payload, and the choice. ESP alone: AH, IPCOMP and
// bundles of several protocols are passed over.
#include <errno.h>
#include <string.h>

#include "ikev1/proposal.h"
#include "ikev1/sa_build.h"

static uint8_t cipher_wire(const struct tunnel_proposal *t)
{
	switch (t->cipher) {
	case ESP_CIPHER_NULL: return ESP_NULL;
	case ESP_CIPHER_DES: return ESP_DES;
	case ESP_CIPHER_3DES: return ESP_3DES;
	case ESP_CIPHER_AES_CBC: return ESP_AES_CBC;
	case ESP_CIPHER_AES_GCM:
		return t->gcm_icv == 8    ? ESP_AES_GCM_8
		       : t->gcm_icv == 12 ? ESP_AES_GCM_12
					  : ESP_AES_GCM_16;
	case ESP_CIPHER_AES_GMAC: return ESP_NULL_AUTH_AES_GMAC;
	case ESP_CIPHER_NONE: break;
	}
	return 0;
}

static uint16_t auth_wire(enum esp_auth a)
{
	switch (a) {
	case ESP_AUTH_MD5: return AUTH_HMAC_MD5;
	case ESP_AUTH_SHA1: return AUTH_HMAC_SHA;
	case ESP_AUTH_SHA256: return AUTH_HMAC_SHA2_256;
	case ESP_AUTH_SHA384: return AUTH_HMAC_SHA2_384;
	case ESP_AUTH_SHA512: return AUTH_HMAC_SHA2_512;
	case ESP_AUTH_NONE: break;
	}
	return 0;
}

static bool cipher_is_aes(enum esp_cipher c)
{
	return c == ESP_CIPHER_AES_CBC || c == ESP_CIPHER_AES_GCM || c == ESP_CIPHER_AES_GMAC;
}

// The key length attribute is sent for AES alone (RFC 3602 5.3, RFC 4106 8.2, RFC 4543 7).
static uint16_t key_bits(const struct tunnel_proposal *t)
{
	return cipher_is_aes(t->cipher) ? t->key_bits : 0;
}

static uint16_t mode_wire(bool transport, bool udp, bool draft)
{
	if (udp && draft)
		return transport ? ENCAPSULATION_UDP_TRANSPORT_DRAFT
				 : ENCAPSULATION_UDP_TUNNEL_DRAFT;
	if (udp)
		return transport ? ENCAPSULATION_UDP_TRANSPORT : ENCAPSULATION_UDP_TUNNEL;
	return transport ? ENCAPSULATION_TRANSPORT : ENCAPSULATION_TUNNEL;
}

static void transform_put(struct wbuf *w, const struct ikev1_phase2_offer *o,
			  const struct tunnel_proposal *t)
{
	const size_t at = sa_transform_begin(w, 1, cipher_wire(t), true);

	sa_attr_put(w, IPSEC_SA_LIFE_TYPE, IPSEC_LIFE_SECONDS);
	sa_attr_put(w, IPSEC_SA_LIFE_DURATION, o->lifetime_s);
	if (o->lifetime_kb) {
		sa_attr_put(w, IPSEC_SA_LIFE_TYPE, IPSEC_LIFE_KILOBYTES);
		sa_attr_put(w, IPSEC_SA_LIFE_DURATION, o->lifetime_kb);
	}
	sa_attr_put(w, IPSEC_ENCAPSULATION_MODE, mode_wire(t->transport, o->udp, o->udp_draft));
	if (auth_wire(t->auth))
		sa_attr_put(w, IPSEC_AUTHENTICATION_ALGORITHM, auth_wire(t->auth));
	if (key_bits(t))
		sa_attr_put(w, IPSEC_KEY_LENGTH, key_bits(t));
	if (o->pfs_group)
		sa_attr_put(w, IPSEC_GROUP_DESCRIPTION, o->pfs_group);
	sa_length_set(w, at);
}

static void spi_bytes(uint32_t spi, uint8_t out[4])
{
	struct wbuf w;

	wbuf_init(&w, out, 4);
	wbuf_put_u32(&w, spi);
}

void ikev1_build_sa_phase2(struct ikev1_build *b, const struct ikev1_phase2_offer *o)
{
	uint8_t spi[4];

	spi_bytes(o->spi, spi);
	sa_begin(b);
	for (unsigned i = 0; i < o->count; i++) {
		const size_t at = sa_proposal_begin(&b->w, (uint8_t)(i + 1), PROTO_IPSEC_ESP, spi,
						    4, 1, i + 1 == o->count);
		transform_put(&b->w, o, &o->proposals[i]);
		sa_length_set(&b->w, at);
	}
	ikev1_build_end(b);
}

int ikev1_build_sa_phase2_answer(struct ikev1_build *b, const struct ikev1_sa *offer,
				 const struct ikev1_phase2_choice *c, uint32_t spi)
{
	struct ikev1_proposal p;
	struct ikev1_transform t;
	uint8_t bytes[4];

	if (!sa_transform_at(offer, c->proposal_at, c->transform_at, &p, &t))
		return -ENOENT;
	spi_bytes(spi, bytes);
	sa_begin(b);
	const size_t at = sa_proposal_begin(&b->w, p.number, PROTO_IPSEC_ESP, bytes, 4, 1, true);
	sa_transform_copy(&b->w, &t);
	sa_length_set(&b->w, at);
	ikev1_build_end(b);
	return wbuf_check(&b->w);
}

// RFC 3947 5.1 and the drafts number the UDP modes differently; peers that announced both are known
// to use either, so with a NAT both are understood.
static bool mode_matches(uint16_t mode, bool transport, bool udp)
{
	return udp ? mode == mode_wire(transport, true, false) ||
			       mode == mode_wire(transport, true, true)
		   : mode == mode_wire(transport, false, false);
}

static bool transform_matches(const struct tunnel_proposal *t,
			      const struct ikev1_phase2_offer *ours, uint16_t group, uint8_t id,
			      const struct ikev1_ipsec_attrs *a)
{
	// RFC 4304: 1 asks for extended sequence numbers, 2 says plain ones.
	return !a->unknown && id == cipher_wire(t) && a->auth == auth_wire(t->auth) &&
	       a->key_len == key_bits(t) && a->group == group && (a->esn == 0 || a->esn == 2) &&
	       mode_matches(a->mode, t->transport, ours->udp);
}

// Is the proposal alone with its number? Several of one number are a bundle, all or nothing
// (RFC 2408 4.2).
static bool proposal_is_single(const struct ikev1_sa *offer, uint8_t number)
{
	struct ikev1_sa sa = *offer;
	struct ikev1_proposal p;
	unsigned n = 0;

	while (ikev1_proposal_next(&sa, &p))
		n += p.number == number;
	return n == 1;
}

static uint32_t min_set(uint32_t ours, uint32_t theirs)
{
	return theirs && (!ours || theirs < ours) ? theirs : ours;
}

static void choice_set(struct ikev1_phase2_choice *c, const struct ikev1_phase2_offer *ours,
		       unsigned index, const struct ikev1_ipsec_attrs *a)
{
	c->index = index;
	c->transform = ours->proposals[index];
	c->transport = c->transform.transport;
	c->udp = ours->udp;
	c->peer_lifetime_s = a->life_s;
	c->peer_lifetime_kb = a->life_kb;
	c->lifetime_s = min_set(ours->lifetime_s, a->life_s);
	c->lifetime_kb = min_set(ours->lifetime_kb, a->life_kb);
}

// The transforms of one usable proposal; *best is the index of our best set so far.
static void proposal_scan(struct ikev1_proposal p, unsigned pi,
			  const struct ikev1_phase2_offer *ours, uint16_t group, unsigned *best,
			  struct ikev1_phase2_choice *out)
{
	const uint32_t spi = ikev1_proposal_spi(&p);
	struct ikev1_transform t;

	for (unsigned ti = 0; ikev1_transform_next(&p, &t); ti++) {
		struct ikev1_ipsec_attrs a;
		if (ikev1_ipsec_attrs_decode(&t, &a) != 0)
			return;
		for (unsigned i = 0; i < *best; i++) {
			if (!transform_matches(&ours->proposals[i], ours, group, t.id, &a))
				continue;
			*best = i;
			choice_set(out, ours, i, &a);
			out->peer_spi = spi;
			out->proposal = p.number;
			out->transform_number = t.number;
			out->proposal_at = (uint8_t)pi;
			out->transform_at = (uint8_t)ti;
		}
	}
}

int ikev1_phase2_choose(const struct ikev1_sa *offer, const struct ikev1_phase2_offer *ours,
			uint16_t accept_group, struct ikev1_phase2_choice *out)
{
	const uint16_t group = ours->pfs_group ? ours->pfs_group : accept_group;
	struct ikev1_sa sa = *offer;
	struct ikev1_proposal p;
	unsigned best = ours->count;

	for (unsigned pi = 0; ikev1_proposal_next(&sa, &p); pi++) {
		if (ikev1_proposal_spi(&p) != 0 && proposal_is_single(offer, p.number))
			proposal_scan(p, pi, ours, group, &best, out);
	}
	return best < ours->count ? 0 : -ENOENT;
}

int ikev1_phase2_verify(const struct ikev1_sa *answer, const struct ikev1_phase2_offer *ours,
			struct ikev1_phase2_choice *out)
{
	if (answer->proposal_count != 1 || answer->transform_count != 1)
		return -EBADMSG;
	return ikev1_phase2_choose(answer, ours, 0, out);
}

uint16_t ikev1_phase2_offered_group(const struct ikev1_sa *offer)
{
	struct ikev1_sa sa = *offer;
	struct ikev1_proposal p;
	struct ikev1_transform t;

	while (ikev1_proposal_next(&sa, &p)) {
		while (ikev1_transform_next(&p, &t)) {
			struct ikev1_ipsec_attrs a;
			if (ikev1_ipsec_attrs_decode(&t, &a) == 0 && a.group)
				return a.group;
		}
	}
	return 0;
}

size_t ikev1_keymat_salt_len(const struct tunnel_proposal *t)
{
	// RFC 4106 8.1, RFC 4543 5.4: four bytes behind the key.
	return t->cipher == ESP_CIPHER_AES_GCM || t->cipher == ESP_CIPHER_AES_GMAC ? 4 : 0;
}

size_t ikev1_keymat_cipher_len(const struct tunnel_proposal *t)
{
	const size_t key = t->cipher == ESP_CIPHER_DES    ? 8
			   : t->cipher == ESP_CIPHER_3DES ? 24
							  : key_bits(t) / 8;
	return key + ikev1_keymat_salt_len(t);
}

size_t ikev1_keymat_auth_len(const struct tunnel_proposal *t)
{
	switch (t->auth) {
	case ESP_AUTH_MD5: return 16;
	case ESP_AUTH_SHA1: return 20;
	case ESP_AUTH_SHA256: return 32;
	case ESP_AUTH_SHA384: return 48;
	case ESP_AUTH_SHA512: return 64;
	case ESP_AUTH_NONE: break;
	}
	return 0;
}
