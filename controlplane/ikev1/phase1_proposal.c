// Phase 1 proposals: `crypto isakmp policy` <-> SA payload, and the choice.
//
// A transform is compared with a policy by what it means (encryption, key length, hash, method,
// group); one attribute we do not know makes a transform unusable, never half-understood.
#include <errno.h>

#include "ikev1/proposal.h"
#include "ikev1/sa_build.h"

#define POLICIES_MAX 64

static uint16_t encr_wire(enum ike_encr e)
{
	switch (e) {
	case IKE_ENCR_DES: return OAKLEY_DES_CBC;
	case IKE_ENCR_3DES: return OAKLEY_3DES_CBC;
	case IKE_ENCR_AES: return OAKLEY_AES_CBC;
	}
	return 0;
}

static uint16_t hash_wire(enum ike_hash h)
{
	switch (h) {
	case IKE_HASH_MD5: return OAKLEY_MD5;
	case IKE_HASH_SHA: return OAKLEY_SHA;
	case IKE_HASH_SHA256: return OAKLEY_SHA2_256;
	case IKE_HASH_SHA384: return OAKLEY_SHA2_384;
	case IKE_HASH_SHA512: return OAKLEY_SHA2_512;
	}
	return 0;
}

static uint16_t auth_wire(enum ike_auth a)
{
	switch (a) {
	case IKE_AUTH_RSA_SIG: return OAKLEY_RSA_SIG;
	case IKE_AUTH_PRE_SHARE: return OAKLEY_PRESHARED_KEY;
	}
	return 0;
}

// Only AES has a key length attribute (RFC 2409 appendix A: "MUST NOT be used when the
// encryption algorithm uses a fixed-length key").
static uint16_t policy_key_len(const struct isakmp_policy *p)
{
	return p->encr == IKE_ENCR_AES ? p->aes_bits : 0;
}

static void transform_put(struct wbuf *w, uint8_t number, bool last, const struct isakmp_policy *p)
{
	const size_t at = sa_transform_begin(w, number, KEY_IKE, last);

	sa_attr_put(w, OAKLEY_ENCRYPTION_ALGORITHM, encr_wire(p->encr));
	if (policy_key_len(p))
		sa_attr_put(w, OAKLEY_KEY_LENGTH, policy_key_len(p));
	sa_attr_put(w, OAKLEY_HASH_ALGORITHM, hash_wire(p->hash));
	sa_attr_put(w, OAKLEY_AUTHENTICATION_METHOD, auth_wire(p->auth));
	sa_attr_put(w, OAKLEY_GROUP_DESCRIPTION, p->group);
	sa_attr_put(w, OAKLEY_LIFE_TYPE, OAKLEY_LIFE_SECONDS);
	sa_attr_put(w, OAKLEY_LIFE_DURATION, p->lifetime_s);
	sa_length_set(w, at);
}

void ikev1_build_sa_phase1(struct ikev1_build *b, const struct ikev1_policies *p)
{
	const unsigned count = p->count < POLICIES_MAX ? p->count : POLICIES_MAX;

	sa_begin(b);
	const size_t at = sa_proposal_begin(&b->w, 1, PROTO_ISAKMP, NULL, 0, (uint8_t)count, true);
	for (unsigned i = 0; i < count; i++)
		transform_put(&b->w, (uint8_t)(i + 1), i + 1 == count, p->list[i]);
	sa_length_set(&b->w, at);
	ikev1_build_end(b);
}

int ikev1_build_sa_phase1_answer(struct ikev1_build *b, const struct ikev1_sa *offer,
				 const struct ikev1_phase1_choice *c)
{
	struct ikev1_proposal p;
	struct ikev1_transform t;

	if (!sa_transform_at(offer, c->proposal_at, c->transform_at, &p, &t))
		return -ENOENT;
	sa_begin(b);
	const size_t at = sa_proposal_begin(&b->w, p.number, PROTO_ISAKMP, NULL, 0, 1, true);
	sa_transform_copy(&b->w, &t);
	sa_length_set(&b->w, at);
	ikev1_build_end(b);
	return wbuf_check(&b->w);
}

static bool policy_matches(const struct isakmp_policy *p, const struct ikev1_isakmp_attrs *a)
{
	return !a->unknown && a->encr == encr_wire(p->encr) && a->key_len == policy_key_len(p) &&
	       a->hash == hash_wire(p->hash) && a->auth == auth_wire(p->auth) &&
	       a->group == p->group;
}

static void choice_set(struct ikev1_phase1_choice *c, const struct isakmp_policy *p,
		       const struct ikev1_isakmp_attrs *a)
{
	c->encr = p->encr;
	c->aes_bits = policy_key_len(p);
	c->hash = p->hash;
	c->auth = p->auth;
	c->group = p->group;
	c->priority = p->priority;
	c->lifetime_s = a->life_s && a->life_s < p->lifetime_s ? a->life_s : p->lifetime_s;
	c->lifetime_kb = a->life_kb;
}

// One pass over the offer; `best` is the index of the best policy that matched so far.
int ikev1_phase1_choose(const struct ikev1_sa *offer, const struct ikev1_policies *policies,
			struct ikev1_phase1_choice *out)
{
	struct ikev1_sa sa = *offer;
	struct ikev1_proposal p;
	struct ikev1_transform t;
	unsigned best = policies->count;

	for (unsigned pi = 0; ikev1_proposal_next(&sa, &p); pi++) {
		for (unsigned ti = 0; ikev1_transform_next(&p, &t); ti++) {
			struct ikev1_isakmp_attrs a;
			if (ikev1_isakmp_attrs_decode(&t, &a) != 0)
				return -EBADMSG;
			if (p.protocol != PROTO_ISAKMP || t.id != KEY_IKE)
				continue;
			for (unsigned i = 0; i < best; i++) {
				if (!policy_matches(policies->list[i], &a))
					continue;
				best = i;
				choice_set(out, policies->list[i], &a);
				out->proposal = p.number;
				out->transform = t.number;
				out->proposal_at = (uint8_t)pi;
				out->transform_at = (uint8_t)ti;
			}
		}
	}
	return best < policies->count ? 0 : -ENOENT;
}

int ikev1_phase1_verify(const struct ikev1_sa *answer, const struct ikev1_policies *policies,
			struct ikev1_phase1_choice *out)
{
	if (answer->proposal_count != 1 || answer->transform_count != 1)
		return -EBADMSG;
	return ikev1_phase1_choose(answer, policies, out);
}
