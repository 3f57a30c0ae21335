// Internal to link_conn*.c: what receiving and sending share.
#pragma once

#include "link_conn.h"
#include "link_frame.h"
#include "link_queue.h"

// Tells at once that one box wants TLS and the other does not.
#define PPID_TLS   0x544e4401u
#define PPID_PLAIN 0x544e4400u

#define CONN_BUDGET_US 1000

struct conn_stream {
	struct tls_end *end;
	struct frame_rx rx;
	struct queue out;
};
struct conn {
	struct conn_setup s;
	enum conn_state state;
	struct conn_stream stream[LINK_STREAMS];
	unsigned ends_done;
	unsigned begun;  // streams beside 0 whose handshake the client has begun
	bool greeting_sent, greeting_seen;
	size_t early_bytes;  // received before it was up
	size_t queued;
	bool denied;    // conn_send said -EAGAIN
	unsigned turn;  // the stream whose turn it is to send
	unsigned silence;
	uint32_t peer_heartbeat_ms;
	struct conn_counts count;
	char why[ERR_MSG_MAX];
	uint8_t wire[65536];
	uint8_t plain[TLS_RECORD_MAX];
};

int conn_fail(struct conn *c, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int conn_frame_put(struct conn *c, unsigned stream, unsigned type, const void *bytes, size_t len);
// Bytes of one stream after authentication, or in plain mode.
int conn_plain_in(struct conn *c, unsigned stream, const uint8_t *bytes, size_t len);
int conn_advance(struct conn *c);  // whatever of the handshake has become possible
