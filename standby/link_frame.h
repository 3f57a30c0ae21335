// Framing inside one stream: type(8) 0(8) length(16), then length bytes. Pure.
//
// A stream begins with nothing but frames; stream 0 begins with a GREETING that says which version
// of this framing its sender speaks. Bytes of unknown shape end the association: after
// authentication they are an error of the other box's program, before it an attack.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "link.h"

#define FRAME_HEADER 4
#ifndef FRAME_VERSION  // tests build another one
#define FRAME_VERSION 1
#endif
#define FRAME_GREETING_LEN 12

enum frame_type {
	FRAME_GREETING = 1,   // magic(32) version(16) streams(16) heartbeat ms(32)
	FRAME_HEARTBEAT = 2,  // empty; stream 0
	FRAME_MESSAGE = 3,    // 1..LINK_MESSAGE_MAX bytes
};

struct frame {
	enum frame_type type;
	const uint8_t *bytes;  // borrowed until the callback returns
	size_t len;
};
// Not 0 ends the feeding and is returned by it.
typedef int (*frame_fn)(void *ctx, const struct frame *f);

struct frame_rx {
	uint8_t *part;  // a frame that is not complete; NULL while there is none
	size_t have, need;
};
// Decodes; a frame that lies across two calls is kept. 0, -EPROTO (no frame can begin so), -ENOMEM,
// or what fn returned. After an error only frame_rx_fini may follow.
int frame_rx_feed(struct frame_rx *rx, const uint8_t *bytes, size_t len, frame_fn fn, void *ctx);
void frame_rx_fini(struct frame_rx *rx);  // wipes

void frame_header_encode(uint8_t out[FRAME_HEADER], enum frame_type type, size_t len);

struct frame_greeting {
	uint16_t version, streams;
	uint32_t heartbeat_ms;
};
void frame_greeting_encode(uint8_t out[FRAME_GREETING_LEN], const struct frame_greeting *g);
int frame_greeting_decode(const uint8_t *bytes, size_t len, struct frame_greeting *g);
