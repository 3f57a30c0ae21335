// Bounds-checked reading and writing of wire bytes (network byte order).
//
// Every byte that comes from outside the process is read through `struct rbuf`. A getter that
// would pass the end returns -EBADMSG and consumes nothing, so a parser is a chain of gets with
// one failure exit. `struct wbuf` has a sticky overflow flag: write freely, ask once at the end.
// Neither owns its bytes. Thread: any, one user at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUF_MUST __attribute__((warn_unused_result))

struct rbuf {
	const uint8_t *pos;  // next byte, borrowed
	const uint8_t *end;  // one past the last
};

static inline void rbuf_init(struct rbuf *b, const void *data, size_t len)
{
	b->pos = data;
	b->end = len ? b->pos + len : b->pos;  // NULL + 0 is undefined in C
}
static inline size_t rbuf_left(const struct rbuf *b)
{
	return (size_t)(b->end - b->pos);
}

// All: 0, or -EBADMSG with nothing consumed. Values arrive in host order.
BUF_MUST int rbuf_get_u8(struct rbuf *b, uint8_t *v);
BUF_MUST int rbuf_get_u16(struct rbuf *b, uint16_t *v);
BUF_MUST int rbuf_get_u32(struct rbuf *b, uint32_t *v);
BUF_MUST int rbuf_get_u64(struct rbuf *b, uint64_t *v);
BUF_MUST int rbuf_get_bytes(struct rbuf *b, void *dst, size_t len);
BUF_MUST int rbuf_skip(struct rbuf *b, size_t len);
// A window of len bytes into the same memory (no copy); *sub is valid as long as that memory.
BUF_MUST int rbuf_get_sub(struct rbuf *b, struct rbuf *sub, size_t len);
// 0 when nothing is left, else -EBADMSG (trailing bytes are an error).
BUF_MUST int rbuf_expect_end(const struct rbuf *b);

struct wbuf {
	uint8_t *base;  // borrowed
	size_t len;     // bytes written
	size_t cap;
	bool overflow;  // sticky: something did not fit; contents are then useless
};

static inline void wbuf_init(struct wbuf *b, void *mem, size_t cap)
{
	b->base = mem;
	b->len = 0;
	b->cap = cap;
	b->overflow = false;
}
void wbuf_put_u8(struct wbuf *b, uint8_t v);
void wbuf_put_u16(struct wbuf *b, uint16_t v);
void wbuf_put_u32(struct wbuf *b, uint32_t v);
void wbuf_put_u64(struct wbuf *b, uint64_t v);
void wbuf_put_bytes(struct wbuf *b, const void *src, size_t len);
void wbuf_put_zero(struct wbuf *b, size_t len);
// Reserves len zeroed bytes and returns their offset, to be set later (length fields).
size_t wbuf_reserve(struct wbuf *b, size_t len);
void wbuf_set_u8(struct wbuf *b, size_t at, uint8_t v);
void wbuf_set_u16(struct wbuf *b, size_t at, uint16_t v);
void wbuf_set_u32(struct wbuf *b, size_t at, uint32_t v);
// 0, or -EMSGSIZE when anything did not fit.
BUF_MUST int wbuf_check(const struct wbuf *b);
