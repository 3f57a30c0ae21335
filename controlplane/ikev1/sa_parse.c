// The SA payload: proposals, transforms, attributes (RFC 2408 3.4-3.6, 3.3).
//
// ikev1_sa_decode walks everything once and refuses the payload at the first wrong byte; what it
// let through, the iterators walk again without a way to fail. Nothing is stored.
#include <errno.h>

#include "ikev1/msg.h"

// One attribute. A basic one has its value in place of the length.
struct attr {
	uint16_t type;
	bool basic;
	uint32_t value;  // basic, or variable of at most eight bytes; saturated at UINT32_MAX
	bool has_value;  // false: variable and longer, or empty
};

static int attr_get(struct rbuf *b, struct attr *a)
{
	uint16_t type, len;
	struct rbuf body;
	uint8_t byte;
	uint64_t v = 0;

	if (rbuf_get_u16(b, &type) || rbuf_get_u16(b, &len))
		return -EBADMSG;
	a->type = type & (uint16_t)~ISAKMP_ATTR_AF;
	a->basic = type & ISAKMP_ATTR_AF;
	a->has_value = true;
	a->value = len;
	if (a->basic)
		return 0;
	if (rbuf_get_sub(b, &body, len))
		return -EBADMSG;
	a->has_value = len >= 1 && len <= 8;
	while (a->has_value && rbuf_get_u8(&body, &byte) == 0)
		v = v << 8 | byte;
	a->value = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
	return 0;
}

static int attrs_check(struct rbuf b)
{
	struct attr a;

	for (unsigned n = 0; rbuf_left(&b) > 0; n++) {
		if (n == IKEV1_ATTRS_MAX)
			return -E2BIG;
		if (attr_get(&b, &a))
			return -EBADMSG;
	}
	return 0;
}

// Header common to proposals and transforms: next (`more`, or 0 for the last), reserved, length.
static int entry_get(struct rbuf *b, uint8_t more, bool *last, struct rbuf *body)
{
	uint8_t next, reserved;
	uint16_t len;

	if (rbuf_get_u8(b, &next) || rbuf_get_u8(b, &reserved) || rbuf_get_u16(b, &len) ||
	    reserved != 0 || (next != more && next != 0) || len < ISAKMP_PAYLOAD_HDR_LEN ||
	    rbuf_get_sub(b, body, len - ISAKMP_PAYLOAD_HDR_LEN))
		return -EBADMSG;
	*last = next == 0;
	return 0;
}

static int transform_get(struct rbuf *b, struct ikev1_transform *t, bool *last)
{
	uint16_t reserved;

	if (entry_get(b, ISAKMP_PAYLOAD_T, last, &t->attrs) || rbuf_get_u8(&t->attrs, &t->number) ||
	    rbuf_get_u8(&t->attrs, &t->id) || rbuf_get_u16(&t->attrs, &reserved) || reserved != 0)
		return -EBADMSG;
	return 0;
}

static int proposal_get(struct rbuf *b, struct ikev1_proposal *p, bool *last)
{
	struct rbuf spi;

	if (entry_get(b, ISAKMP_PAYLOAD_P, last, &p->transforms) ||
	    rbuf_get_u8(&p->transforms, &p->number) || rbuf_get_u8(&p->transforms, &p->protocol) ||
	    rbuf_get_u8(&p->transforms, &p->spi_len) ||
	    rbuf_get_u8(&p->transforms, &p->transform_count) ||
	    rbuf_get_sub(&p->transforms, &spi, p->spi_len))
		return -EBADMSG;
	p->spi = spi.pos;
	return 0;
}

// The transforms of one proposal: as many as announced, "last" where the last one is.
static int transforms_check(const struct ikev1_proposal *p, unsigned *total)
{
	struct rbuf b = p->transforms;
	bool last = false;
	unsigned n = 0;

	for (; !last; n++) {
		struct ikev1_transform t;
		if (*total + n >= IKEV1_TRANSFORMS_MAX)
			return -E2BIG;
		int rc = transform_get(&b, &t, &last);
		if (rc == 0)
			rc = attrs_check(t.attrs);
		if (rc != 0)
			return rc;
	}
	*total += n;
	return n == p->transform_count ? rbuf_expect_end(&b) : -EBADMSG;
}

int ikev1_sa_decode(const struct ikev1_payload *payload, struct ikev1_sa *sa)
{
	struct rbuf b;
	bool last = false;

	*sa = (struct ikev1_sa){0};
	rbuf_init(&b, payload->body, payload->len);
	if (rbuf_get_u32(&b, &sa->doi))
		return -EBADMSG;
	// The rest of another DOI has another shape (RFC 2408 3.4); situations beyond identity only
	// carry secrecy and integrity labels first (RFC 2407 4.6.1).
	if (sa->doi != IPSEC_DOI)
		return -EPROTONOSUPPORT;
	if (rbuf_get_u32(&b, &sa->situation))
		return -EBADMSG;
	if (sa->situation != SIT_IDENTITY_ONLY)
		return -EPROTONOSUPPORT;
	sa->proposals = b;
	while (!last) {
		struct ikev1_proposal p;
		if (sa->proposal_count == IKEV1_PROPOSALS_MAX)
			return -E2BIG;
		int rc = proposal_get(&b, &p, &last);
		if (rc == 0)
			rc = transforms_check(&p, &sa->transform_count);
		if (rc != 0)
			return rc;
		sa->proposal_count++;
	}
	return rbuf_expect_end(&b);
}

bool ikev1_proposal_next(struct ikev1_sa *sa, struct ikev1_proposal *out)
{
	bool last;

	return rbuf_left(&sa->proposals) > 0 && proposal_get(&sa->proposals, out, &last) == 0;
}

bool ikev1_transform_next(struct ikev1_proposal *p, struct ikev1_transform *out)
{
	bool last;

	return rbuf_left(&p->transforms) > 0 && transform_get(&p->transforms, out, &last) == 0;
}

uint32_t ikev1_proposal_spi(const struct ikev1_proposal *p)
{
	struct rbuf b;
	uint32_t spi;

	rbuf_init(&b, p->spi, p->spi_len);
	// RFC 4303 2.1: 1 to 255 are reserved, 0 is never sent.
	if (p->protocol != PROTO_IPSEC_ESP || p->spi_len != 4 || rbuf_get_u32(&b, &spi) ||
	    spi < 256)
		return 0;
	return spi;
}

// Stores an attribute that may occur once and must fit 16 bits. 0 as value is as good as unknown.
static void attr_store(uint16_t *field, const struct attr *a, bool *unknown)
{
	if (*field != 0 || !a->has_value || a->value == 0 || a->value > UINT16_MAX) {
		*unknown = true;
		return;
	}
	*field = (uint16_t)a->value;
}

// A duration belongs to the life type before it (RFC 2407 4.5: "MUST always follow").
struct life {
	uint32_t type;  // 0 = none pending
};

static void life_type(struct life *l, const struct attr *a, bool *unknown)
{
	if (l->type != 0 || !a->has_value ||
	    (a->value != IPSEC_LIFE_SECONDS && a->value != IPSEC_LIFE_KILOBYTES))
		*unknown = true;
	l->type = a->has_value ? a->value : 0;
}

static void life_duration(struct life *l, const struct attr *a, uint32_t *seconds,
			  uint32_t *kilobytes, bool *unknown)
{
	uint32_t *field = l->type == IPSEC_LIFE_SECONDS     ? seconds
			  : l->type == IPSEC_LIFE_KILOBYTES ? kilobytes
							    : NULL;

	if (!field || *field != 0 || !a->has_value || a->value == 0)
		*unknown = true;
	else
		*field = a->value;
	l->type = 0;
}

int ikev1_isakmp_attrs_decode(const struct ikev1_transform *t, struct ikev1_isakmp_attrs *out)
{
	struct rbuf b = t->attrs;
	struct life life = {0};
	struct attr a;

	*out = (struct ikev1_isakmp_attrs){0};
	while (rbuf_left(&b) > 0) {
		if (attr_get(&b, &a))
			return -EBADMSG;
		switch (a.type) {
		case OAKLEY_ENCRYPTION_ALGORITHM: attr_store(&out->encr, &a, &out->unknown); break;
		case OAKLEY_HASH_ALGORITHM: attr_store(&out->hash, &a, &out->unknown); break;
		case OAKLEY_AUTHENTICATION_METHOD: attr_store(&out->auth, &a, &out->unknown); break;
		case OAKLEY_GROUP_DESCRIPTION: attr_store(&out->group, &a, &out->unknown); break;
		case OAKLEY_KEY_LENGTH: attr_store(&out->key_len, &a, &out->unknown); break;
		case OAKLEY_LIFE_TYPE: life_type(&life, &a, &out->unknown); break;
		case OAKLEY_LIFE_DURATION:
			life_duration(&life, &a, &out->life_s, &out->life_kb, &out->unknown);
			break;
		default: out->unknown = true;
		}
	}
	out->unknown |= life.type != 0;
	return 0;
}

int ikev1_ipsec_attrs_decode(const struct ikev1_transform *t, struct ikev1_ipsec_attrs *out)
{
	struct rbuf b = t->attrs;
	struct life life = {0};
	struct attr a;

	*out = (struct ikev1_ipsec_attrs){0};
	while (rbuf_left(&b) > 0) {
		if (attr_get(&b, &a))
			return -EBADMSG;
		switch (a.type) {
		case IPSEC_ENCAPSULATION_MODE: attr_store(&out->mode, &a, &out->unknown); break;
		case IPSEC_AUTHENTICATION_ALGORITHM:
			attr_store(&out->auth, &a, &out->unknown);
			break;
		case IPSEC_GROUP_DESCRIPTION: attr_store(&out->group, &a, &out->unknown); break;
		case IPSEC_KEY_LENGTH: attr_store(&out->key_len, &a, &out->unknown); break;
		case IPSEC_ESN: attr_store(&out->esn, &a, &out->unknown); break;
		case IPSEC_SA_LIFE_TYPE: life_type(&life, &a, &out->unknown); break;
		case IPSEC_SA_LIFE_DURATION:
			life_duration(&life, &a, &out->life_s, &out->life_kb, &out->unknown);
			break;
		default: out->unknown = true;
		}
	}
	out->unknown |= life.type != 0;
	return 0;
}
