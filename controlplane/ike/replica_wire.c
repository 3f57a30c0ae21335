// Reading and writing the pieces of a replicated SA's payload. See replica_wire.h.

#include "ike/replica_wire.h"

#include <errno.h>
#include <string.h>

void replica_head_put(struct wbuf *w, uint8_t kind)
{
	wbuf_put_u8(w, REPLICA_VERSION);
	wbuf_put_u8(w, kind);
	wbuf_put_u16(w, 0);
}

int replica_tlvs_get(const uint8_t *payload, size_t len, uint8_t kind, struct replica_tlvs *out)
{
	uint8_t version, what;
	uint16_t spare, type, n;
	struct rbuf b, sub;

	memset(out, 0, sizeof(*out));
	rbuf_init(&b, payload, len);
	if (rbuf_get_u8(&b, &version) < 0 || rbuf_get_u8(&b, &what) < 0 ||
	    rbuf_get_u16(&b, &spare) < 0)
		return -EBADMSG;
	if (version != REPLICA_VERSION || what != kind)
		return -EPROTONOSUPPORT;
	while (rbuf_left(&b)) {
		if (rbuf_get_u16(&b, &type) < 0 || rbuf_get_u16(&b, &n) < 0 ||
		    rbuf_get_sub(&b, &sub, n) < 0)
			return -EBADMSG;
		if (type >= REPLICA_TLV_MAX)
			continue;
		if (out->v[type].data)
			return -EBADMSG;
		out->v[type] = (struct chunk){sub.pos, n};
	}
	return 0;
}

size_t replica_begin_tlv(struct wbuf *w, enum replica_tlv type)
{
	wbuf_put_u16(w, (uint16_t)type);
	return wbuf_reserve(w, 2);
}

void replica_end_tlv(struct wbuf *w, size_t at)
{
	size_t len = w->len - at - 2;

	if (len > UINT16_MAX)
		w->overflow = true;
	wbuf_set_u16(w, at, (uint16_t)len);
}

void replica_put_addr(struct wbuf *w, const struct ip_addr *a)
{
	wbuf_put_u8(w, a->family);
	wbuf_put_bytes(w, a->bytes, sizeof(a->bytes));
}

int replica_get_addr(struct rbuf *b, struct ip_addr *a)
{
	static const uint8_t zero[sizeof(a->bytes)];

	if (rbuf_get_u8(b, &a->family) < 0 || rbuf_get_bytes(b, a->bytes, sizeof(a->bytes)) < 0)
		return -EBADMSG;
	if (a->family == 6)
		return 0;
	return a->family == 4 && memcmp(a->bytes + 4, zero, 12) == 0 ? 0 : -EBADMSG;
}

void replica_put_selector(struct wbuf *w, const struct selector *s)
{
	wbuf_put_u8(w, s->proto);
	replica_put_addr(w, &s->src.addr);
	wbuf_put_u8(w, s->src.len);
	replica_put_addr(w, &s->dst.addr);
	wbuf_put_u8(w, s->dst.len);
	wbuf_put_u16(w, s->sport.lo);
	wbuf_put_u16(w, s->sport.hi);
	wbuf_put_u16(w, s->dport.lo);
	wbuf_put_u16(w, s->dport.hi);
}

int replica_get_selector(struct rbuf *b, struct selector *s)
{
	*s = (struct selector){0};
	if (rbuf_get_u8(b, &s->proto) < 0 || replica_get_addr(b, &s->src.addr) < 0 ||
	    rbuf_get_u8(b, &s->src.len) < 0 || replica_get_addr(b, &s->dst.addr) < 0 ||
	    rbuf_get_u8(b, &s->dst.len) < 0 || rbuf_get_u16(b, &s->sport.lo) < 0 ||
	    rbuf_get_u16(b, &s->sport.hi) < 0 || rbuf_get_u16(b, &s->dport.lo) < 0 ||
	    rbuf_get_u16(b, &s->dport.hi) < 0)
		return -EBADMSG;
	unsigned max = s->src.addr.family == 4 ? 32 : 128;

	if (s->src.addr.family != s->dst.addr.family || s->src.len > max || s->dst.len > max ||
	    s->sport.lo > s->sport.hi || s->dport.lo > s->dport.hi)
		return -EBADMSG;
	return 0;
}

void replica_put_bytes(struct wbuf *w, const void *bytes, size_t len)
{
	if (len > UINT16_MAX) {
		w->overflow = true;
		return;
	}
	wbuf_put_u16(w, (uint16_t)len);
	if (len)
		wbuf_put_bytes(w, bytes, len);
}

int replica_get_chunk(struct rbuf *b, struct chunk *c, size_t min, size_t max)
{
	struct rbuf sub;
	uint16_t n;

	if (rbuf_get_u16(b, &n) < 0 || n < min || n > max || rbuf_get_sub(b, &sub, n) < 0)
		return -EBADMSG;
	*c = (struct chunk){sub.pos, n};
	return 0;
}

void replica_put_text(struct wbuf *w, const char *s)
{
	replica_put_bytes(w, s, strlen(s));
}

int replica_get_text(struct rbuf *b, char *s, size_t cap)
{
	struct chunk c;

	if (replica_get_chunk(b, &c, 0, cap - 1) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < c.len; i++) {
		uint8_t ch = ((const uint8_t *)c.data)[i];

		if (ch < 0x20 || ch == 0x7f)
			return -EBADMSG;
		s[i] = (char)ch;
	}
	s[c.len] = '\0';
	return 0;
}

int replica_get_bool(struct rbuf *b, bool *v)
{
	unsigned n;

	if (replica_get_enum(b, &n, 2) < 0)
		return -EBADMSG;
	*v = n;
	return 0;
}

int replica_get_enum(struct rbuf *b, unsigned *v, unsigned below)
{
	uint8_t n;

	if (rbuf_get_u8(b, &n) < 0 || n >= below)
		return -EBADMSG;
	*v = n;
	return 0;
}
