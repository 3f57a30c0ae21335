// Writing proposals, transforms and attributes (RFC 2408 3.3-3.6).
#include "ikev1/sa_build.h"

void sa_begin(struct ikev1_build *b)
{
	ikev1_build_begin(b, ISAKMP_PAYLOAD_SA);
	wbuf_put_u32(&b->w, IPSEC_DOI);
	wbuf_put_u32(&b->w, SIT_IDENTITY_ONLY);
}

size_t sa_proposal_begin(struct wbuf *w, uint8_t number, uint8_t protocol, const void *spi,
			 uint8_t spi_len, uint8_t transforms, bool last)
{
	const size_t at = w->len;

	wbuf_put_u8(w, last ? 0 : ISAKMP_PAYLOAD_P);
	wbuf_put_u8(w, 0);
	wbuf_put_u16(w, 0);
	wbuf_put_u8(w, number);
	wbuf_put_u8(w, protocol);
	wbuf_put_u8(w, spi_len);
	wbuf_put_u8(w, transforms);
	wbuf_put_bytes(w, spi, spi_len);
	return at;
}

size_t sa_transform_begin(struct wbuf *w, uint8_t number, uint8_t id, bool last)
{
	const size_t at = w->len;

	wbuf_put_u8(w, last ? 0 : ISAKMP_PAYLOAD_T);
	wbuf_put_u8(w, 0);
	wbuf_put_u16(w, 0);
	wbuf_put_u8(w, number);
	wbuf_put_u8(w, id);
	wbuf_put_u16(w, 0);
	return at;
}

void sa_length_set(struct wbuf *w, size_t at)
{
	if (!w->overflow && w->len - at <= UINT16_MAX)
		wbuf_set_u16(w, at + 2, (uint16_t)(w->len - at));
	else
		w->overflow = true;
}

void sa_attr_put(struct wbuf *w, uint16_t type, uint32_t value)
{
	if (value <= UINT16_MAX) {
		wbuf_put_u16(w, type | ISAKMP_ATTR_AF);
		wbuf_put_u16(w, (uint16_t)value);
		return;
	}
	wbuf_put_u16(w, type);
	wbuf_put_u16(w, 4);
	wbuf_put_u32(w, value);
}

void sa_transform_copy(struct wbuf *w, const struct ikev1_transform *t)
{
	const size_t at = sa_transform_begin(w, t->number, t->id, true);

	wbuf_put_bytes(w, t->attrs.pos, rbuf_left(&t->attrs));
	sa_length_set(w, at);
}

bool sa_transform_at(const struct ikev1_sa *sa, unsigned proposal_at, unsigned transform_at,
		     struct ikev1_proposal *p, struct ikev1_transform *t)
{
	struct ikev1_sa it = *sa;

	for (unsigned i = 0; i <= proposal_at; i++) {
		if (!ikev1_proposal_next(&it, p))
			return false;
	}
	struct ikev1_proposal transforms = *p;
	for (unsigned i = 0; i <= transform_at; i++) {
		if (!ikev1_transform_next(&transforms, t))
			return false;
	}
	return true;
}
