// Bounds-checked big-endian access to wire bytes. The getters compare lengths, never pointers
// past the end, so that no length from the wire can wrap.
#include "buf.h"

#include <errno.h>
#include <string.h>

int rbuf_get_u8(struct rbuf *b, uint8_t *v)
{
	if (rbuf_left(b) < 1)
		return -EBADMSG;
	*v = *b->pos++;
	return 0;
}

int rbuf_get_u16(struct rbuf *b, uint16_t *v)
{
	if (rbuf_left(b) < 2)
		return -EBADMSG;
	*v = (uint16_t)(b->pos[0] << 8 | b->pos[1]);
	b->pos += 2;
	return 0;
}

int rbuf_get_u32(struct rbuf *b, uint32_t *v)
{
	if (rbuf_left(b) < 4)
		return -EBADMSG;
	*v = (uint32_t)b->pos[0] << 24 | (uint32_t)b->pos[1] << 16 | (uint32_t)b->pos[2] << 8 |
	     b->pos[3];
	b->pos += 4;
	return 0;
}

int rbuf_get_u64(struct rbuf *b, uint64_t *v)
{
	uint32_t hi, lo;

	if (rbuf_left(b) < 8 || rbuf_get_u32(b, &hi) < 0 || rbuf_get_u32(b, &lo) < 0)
		return -EBADMSG;
	*v = (uint64_t)hi << 32 | lo;
	return 0;
}

int rbuf_get_bytes(struct rbuf *b, void *dst, size_t len)
{
	if (rbuf_left(b) < len)
		return -EBADMSG;
	if (len == 0)  // dst and pos may be NULL then
		return 0;
	memcpy(dst, b->pos, len);
	b->pos += len;
	return 0;
}

int rbuf_skip(struct rbuf *b, size_t len)
{
	if (rbuf_left(b) < len)
		return -EBADMSG;
	if (len > 0)
		b->pos += len;
	return 0;
}

int rbuf_get_sub(struct rbuf *b, struct rbuf *sub, size_t len)
{
	const uint8_t *start = b->pos;

	if (rbuf_skip(b, len) < 0)
		return -EBADMSG;
	sub->pos = start;
	sub->end = b->pos;
	return 0;
}

int rbuf_expect_end(const struct rbuf *b)
{
	return rbuf_left(b) == 0 ? 0 : -EBADMSG;
}

// Room for len more bytes, or NULL with the overflow flag set.
static uint8_t *wbuf_room(struct wbuf *b, size_t len)
{
	if (b->overflow || b->cap - b->len < len) {
		b->overflow = true;
		return NULL;
	}
	uint8_t *at = b->base + b->len;

	b->len += len;
	return at;
}

// Bytes already written, or NULL with the overflow flag set.
static uint8_t *wbuf_written(struct wbuf *b, size_t at, size_t len)
{
	if (b->overflow || at > b->len || b->len - at < len) {
		b->overflow = true;
		return NULL;
	}
	return b->base + at;
}

static void store_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void store_u32(uint8_t *p, uint32_t v)
{
	store_u16(p, (uint16_t)(v >> 16));
	store_u16(p + 2, (uint16_t)v);
}

void wbuf_put_u8(struct wbuf *b, uint8_t v)
{
	uint8_t *p = wbuf_room(b, 1);

	if (p)
		*p = v;
}

void wbuf_put_u16(struct wbuf *b, uint16_t v)
{
	uint8_t *p = wbuf_room(b, 2);

	if (p)
		store_u16(p, v);
}

void wbuf_put_u32(struct wbuf *b, uint32_t v)
{
	uint8_t *p = wbuf_room(b, 4);

	if (p)
		store_u32(p, v);
}

void wbuf_put_u64(struct wbuf *b, uint64_t v)
{
	uint8_t *p = wbuf_room(b, 8);

	if (p) {
		store_u32(p, (uint32_t)(v >> 32));
		store_u32(p + 4, (uint32_t)v);
	}
}

void wbuf_put_bytes(struct wbuf *b, const void *src, size_t len)
{
	if (len == 0)
		return;
	uint8_t *p = wbuf_room(b, len);

	if (p)
		memcpy(p, src, len);
}

void wbuf_put_zero(struct wbuf *b, size_t len)
{
	(void)wbuf_reserve(b, len);
}

size_t wbuf_reserve(struct wbuf *b, size_t len)
{
	size_t at = b->len;

	if (len == 0)
		return at;
	uint8_t *p = wbuf_room(b, len);

	if (!p)
		return 0;  // later sets see the overflow flag and do nothing
	memset(p, 0, len);
	return at;
}

void wbuf_set_u8(struct wbuf *b, size_t at, uint8_t v)
{
	uint8_t *p = wbuf_written(b, at, 1);

	if (p)
		*p = v;
}

void wbuf_set_u16(struct wbuf *b, size_t at, uint16_t v)
{
	uint8_t *p = wbuf_written(b, at, 2);

	if (p)
		store_u16(p, v);
}

void wbuf_set_u32(struct wbuf *b, size_t at, uint32_t v)
{
	uint8_t *p = wbuf_written(b, at, 4);

	if (p)
		store_u32(p, v);
}

int wbuf_check(const struct wbuf *b)
{
	return b->overflow ? -EMSGSIZE : 0;
}
