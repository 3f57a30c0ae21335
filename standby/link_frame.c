// Framing of messages inside a stream of the replication link: a four-byte header with type and
// length. The decoder takes the stream in pieces of any size, hands complete frames out without
// copying them, and keeps only a frame that is cut. What it keeps may hold keys and is wiped.
#include "link_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "secret.h"

#define GREETING_MAGIC 0x544e444du  // "TNDM"

static int header_decode(struct rbuf *r, enum frame_type *type, size_t *len)
{
	uint8_t t, zero;
	uint16_t n;

	if (rbuf_get_u8(r, &t) < 0 || rbuf_get_u8(r, &zero) < 0 || rbuf_get_u16(r, &n) < 0)
		return -EBADMSG;
	if (zero != 0)
		return -EPROTO;
	switch (t) {
	case FRAME_GREETING:
		// a later version may say more
		if (n < FRAME_GREETING_LEN || n > 1024)
			return -EPROTO;
		break;
	case FRAME_HEARTBEAT:
		if (n != 0)
			return -EPROTO;
		break;
	case FRAME_MESSAGE:
		if (n == 0 || n > LINK_MESSAGE_MAX)
			return -EPROTO;
		break;
	default: return -EPROTO;
	}
	*type = t;
	*len = n;
	return 0;
}

// Frames that lie complete in the input. Sets *used; 0, -EPROTO or what fn returned.
static int whole_frames(const uint8_t *bytes, size_t len, size_t *used, frame_fn fn, void *ctx)
{
	*used = 0;
	while (len - *used >= FRAME_HEADER) {
		struct frame f;
		struct rbuf r;

		rbuf_init(&r, bytes + *used, len - *used);
		int ret = header_decode(&r, &f.type, &f.len);

		if (ret < 0)
			return ret;
		if (rbuf_left(&r) < f.len)
			return 0;
		f.bytes = r.pos;
		*used += FRAME_HEADER + f.len;
		ret = fn(ctx, &f);
		if (ret)
			return ret;
	}
	return 0;
}

// Moves bytes into the part until it has `need`; returns how many.
static size_t part_fill(struct frame_rx *rx, const uint8_t *bytes, size_t len)
{
	size_t n = rx->need - rx->have;

	if (n > len)
		n = len;
	if (n > 0)
		memcpy(rx->part + rx->have, bytes, n);
	rx->have += n;
	return n;
}

static int part_begin(struct frame_rx *rx)
{
	if (!rx->part)
		rx->part = malloc(FRAME_HEADER + LINK_MESSAGE_MAX);
	if (!rx->part)
		return -ENOMEM;
	rx->have = 0;
	rx->need = FRAME_HEADER;
	return 0;
}

static void part_end(struct frame_rx *rx)
{
	if (rx->part)
		secret_wipe(rx->part, rx->have);
	rx->have = 0;
	rx->need = 0;
}

int frame_rx_feed(struct frame_rx *rx, const uint8_t *bytes, size_t len, frame_fn fn, void *ctx)
{
	while (len > 0) {
		size_t used;
		int ret;

		if (rx->need == 0) {
			ret = whole_frames(bytes, len, &used, fn, ctx);
			bytes += used;
			len -= used;
			if (ret || len == 0)
				return ret;
			ret = part_begin(rx);
			if (ret < 0)
				return ret;
		}
		used = part_fill(rx, bytes, len);
		bytes += used;
		len -= used;
		if (rx->have == FRAME_HEADER && rx->need == FRAME_HEADER) {
			enum frame_type type;
			struct rbuf r;
			size_t n;

			rbuf_init(&r, rx->part, rx->have);
			ret = header_decode(&r, &type, &n);
			if (ret < 0)
				return ret;
			rx->need = FRAME_HEADER + n;
		}
		if (rx->have < rx->need)
			continue;
		ret = whole_frames(rx->part, rx->have, &used, fn, ctx);
		part_end(rx);
		if (ret)
			return ret;
	}
	return 0;
}

void frame_rx_fini(struct frame_rx *rx)
{
	part_end(rx);
	free(rx->part);
	rx->part = NULL;
}

void frame_header_encode(uint8_t out[FRAME_HEADER], enum frame_type type, size_t len)
{
	struct wbuf w;

	wbuf_init(&w, out, FRAME_HEADER);
	wbuf_put_u8(&w, (uint8_t)type);
	wbuf_put_u8(&w, 0);
	wbuf_put_u16(&w, (uint16_t)len);
}

void frame_greeting_encode(uint8_t out[FRAME_GREETING_LEN], const struct frame_greeting *g)
{
	struct wbuf w;

	wbuf_init(&w, out, FRAME_GREETING_LEN);
	wbuf_put_u32(&w, GREETING_MAGIC);
	wbuf_put_u16(&w, g->version);
	wbuf_put_u16(&w, g->streams);
	wbuf_put_u32(&w, g->heartbeat_ms);
}

int frame_greeting_decode(const uint8_t *bytes, size_t len, struct frame_greeting *g)
{
	struct rbuf r;
	uint32_t magic;

	rbuf_init(&r, bytes, len);
	if (rbuf_get_u32(&r, &magic) < 0 || magic != GREETING_MAGIC ||
	    rbuf_get_u16(&r, &g->version) < 0 || rbuf_get_u16(&r, &g->streams) < 0 ||
	    rbuf_get_u32(&r, &g->heartbeat_ms) < 0)
		return -EPROTO;
	return 0;
}
