// One association of the replication link: its handshake as a sequence of conditions that
// conn_advance looks at, and the receiving side.
#include "link_conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_conn_private.h"
#include "loop.h"
#include "secret.h"

#define EARLY_BYTES_MAX  (256u << 10)  // 17 handshakes with a long chain of certificates
#define HEARTBEAT_MAX_MS 60000

struct conn *conn_create(const struct conn_setup *setup)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->s = *setup;
	c->state = CONN_CONNECTING;
	c->peer_heartbeat_ms = setup->heartbeat_ms;
	for (unsigned i = 0; i < LINK_STREAMS; i++)
		queue_init(&c->stream[i].out);
	return c;
}

struct link_sock *conn_release(struct conn *c)
{
	struct link_sock *s = c->s.sock;

	for (unsigned i = 0; i < LINK_STREAMS; i++) {
		tls_end_destroy(c->stream[i].end);
		frame_rx_fini(&c->stream[i].rx);
		queue_fini(&c->stream[i].out);
	}
	secret_wipe(c, sizeof(*c));
	free(c);
	return s;
}

void conn_destroy(struct conn *c)
{
	if (!c)
		return;
	const struct link_driver_ops *driver = c->s.driver;

	driver->abort(conn_release(c));
}

enum conn_state conn_state(const struct conn *c)
{
	return c->state;
}

struct link_sock *conn_sock(const struct conn *c)
{
	return c->s.sock;
}

const char *conn_why(const struct conn *c)
{
	return c->why;
}

void conn_counts(const struct conn *c, struct conn_counts *out)
{
	*out = c->count;
}

int conn_fail(struct conn *c, int code, const char *fmt, ...)
{
	va_list ap;

	if (c->state == CONN_FAILED)
		return code;
	va_start(ap, fmt);
	(void)vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	c->state = CONN_FAILED;
	return code;
}

// ---- handshake ----------------------------------------------------------------------------------

static int greeting_send(struct conn *c)
{
	const struct frame_greeting g = {
		.version = FRAME_VERSION,
		.streams = LINK_STREAMS,
		.heartbeat_ms = c->s.heartbeat_ms,
	};
	uint8_t bytes[FRAME_GREETING_LEN];

	frame_greeting_encode(bytes, &g);
	c->greeting_sent = true;
	return conn_frame_put(c, 0, FRAME_GREETING, bytes, sizeof(bytes));
}

static int ends_create(struct conn *c)
{
	for (unsigned i = 1; i < LINK_STREAMS; i++) {
		if (c->stream[i].end)
			continue;
		c->stream[i].end = tls_end_create(c->s.tls, i, c->stream[0].end);
		if (!c->stream[i].end)
			return conn_fail(c, -ENOMEM, "no memory for TLS");
	}
	return 0;
}

static int end_step(struct conn *c, unsigned stream)
{
	struct tls_end *e = c->stream[stream].end;

	if (tls_end_established(e))
		return 0;
	int ret = tls_end_step(e);

	if (ret < 0)
		return conn_fail(c, -ECONNREFUSED, "%s", tls_end_why(e));
	if (ret == 1)
		c->ends_done++;
	return 0;
}

static int up(struct conn *c)
{
	c->state = CONN_UP;
	c->silence = 0;
	if (!c->s.client)
		conn_heartbeat(c);  // the client is up when it hears this
	c->s.ops->up(c->s.ops->ctx, c);
	return 0;
}

int conn_advance(struct conn *c)
{
	unsigned ends = c->s.tls ? LINK_STREAMS : 0;
	int ret = 0;

	if (c->state != CONN_HANDSHAKE || (ends && !tls_end_established(c->stream[0].end)))
		return 0;
	if (!c->greeting_sent && (!c->s.client || c->greeting_seen))
		ret = greeting_send(c);
	// The server answers on them as soon as the client may have begun; not before it is known.
	if (ret == 0 && ends && (!c->s.client || c->greeting_seen) && !c->stream[1].end)
		ret = ends_create(c);
	if (ret == 0 && !c->s.client && c->greeting_seen && c->ends_done == ends)
		ret = up(c);
	return ret;
}

// Only the other box's configured addresses come this far.
int conn_start(struct conn *c)
{
	struct link_status st;

	if (c->state != CONN_CONNECTING)
		return 0;
	if (c->s.driver->status(c->s.sock, &st) < 0)
		return conn_fail(c, -ECONNRESET, "the association is gone");
	if (st.streams_in < LINK_STREAMS || st.streams_out < LINK_STREAMS)
		return conn_fail(c, -ECONNREFUSED, "the other box has %u streams, we have %u",
				 st.streams_in, LINK_STREAMS);
	c->state = CONN_HANDSHAKE;
	// A client says at once that it comes without TLS: a server that wants it would wait.
	if (!c->s.tls && c->s.client)
		return conn_frame_put(c, 0, FRAME_HEARTBEAT, NULL, 0);
	if (!c->s.tls)
		return conn_advance(c);
	c->stream[0].end = tls_end_create(c->s.tls, 0, NULL);
	if (!c->stream[0].end)
		return conn_fail(c, -ENOMEM, "no memory for TLS");
	return end_step(c, 0);
}

// ---- frames -------------------------------------------------------------------------------------

static int greeting_in(struct conn *c, const struct frame *f)
{
	struct frame_greeting g;

	if (c->greeting_seen || frame_greeting_decode(f->bytes, f->len, &g) < 0)
		return conn_fail(c, -ECONNREFUSED, "a greeting that makes no sense");
	if (g.version != FRAME_VERSION)
		return conn_fail(c, -ECONNREFUSED,
				 "the other box speaks version %u of the replication link, we %u",
				 g.version, FRAME_VERSION);
	if (g.streams != LINK_STREAMS)
		return conn_fail(c, -ECONNREFUSED, "the other box has %u streams, we have %u",
				 g.streams, LINK_STREAMS);
	c->greeting_seen = true;
	if (g.heartbeat_ms > HEARTBEAT_MAX_MS)
		g.heartbeat_ms = HEARTBEAT_MAX_MS;
	c->peer_heartbeat_ms = g.heartbeat_ms;
	return conn_advance(c);
}

struct frame_ctx {
	struct conn *c;
	unsigned stream;
};

static int frame_in(void *ctx, const struct frame *f)
{
	struct frame_ctx *fc = ctx;
	struct conn *c = fc->c;

	if (f->type == FRAME_GREETING && fc->stream == 0)
		return greeting_in(c, f);
	// The server is up before it sends anything else: so may we be.
	if (c->state == CONN_HANDSHAKE && c->s.client && c->greeting_seen &&
	    c->ends_done == (c->s.tls ? LINK_STREAMS : 0))
		(void)up(c);
	if (c->state != CONN_UP && f->type == FRAME_HEARTBEAT && !c->s.client && !c->s.tls)
		return 0;
	if (c->state != CONN_UP)
		return conn_fail(c, -ECONNREFUSED, "a message before the handshake was complete");
	c->silence = 0;
	if (f->type == FRAME_HEARTBEAT && fc->stream == 0)
		return 0;
	if (f->type != FRAME_MESSAGE)
		return conn_fail(c, -ECONNREFUSED, "a frame on the wrong stream");
	c->count.rx++;
	c->count.rx_bytes += f->len;
	c->s.ops->message(c->s.ops->ctx, c, fc->stream, f->bytes, f->len);
	return 0;
}

int conn_plain_in(struct conn *c, unsigned stream, const uint8_t *bytes, size_t len)
{
	struct frame_ctx fc = {.c = c, .stream = stream};
	int ret = frame_rx_feed(&c->stream[stream].rx, bytes, len, frame_in, &fc);

	if (ret == -EPROTO)
		return conn_fail(c, -ECONNREFUSED, "bytes that are no frame on stream %u", stream);
	if (ret == -ENOMEM)
		return conn_fail(c, -ENOMEM, "no memory for a message");
	return ret;
}

// ---- receiving ----------------------------------------------------------------------------------

static int tls_in(struct conn *c, unsigned stream, size_t len)
{
	struct tls_end *e = c->stream[stream].end;
	int ret;

	if (!e)
		return conn_fail(c, -ECONNREFUSED, "stream %u before its time", stream);
	if (tls_end_feed(e, c->wire, len) < 0)
		return conn_fail(c, -ENOMEM, "no memory for TLS");
	ret = end_step(c, stream);
	if (ret < 0)
		return ret;
	ret = conn_advance(c);
	if (ret < 0 || !tls_end_established(e))
		return ret;
	while ((ret = tls_end_read(e, c->plain, sizeof(c->plain))) > 0) {
		size_t n = (size_t)ret;

		ret = conn_plain_in(c, stream, c->plain, n);
		secret_wipe(c->plain, n);
		if (ret < 0)
			return ret;
	}
	if (ret == -ECONNRESET)
		return conn_fail(c, ret, "%s", tls_end_why(e));
	return ret < 0 ? conn_fail(c, -ECONNREFUSED, "%s", tls_end_why(e)) : 0;
}

static int data_in(struct conn *c, const struct link_rx *rx)
{
	uint32_t want = c->s.tls ? PPID_TLS : PPID_PLAIN;

	if (c->state == CONN_CONNECTING)
		return conn_fail(c, -ECONNREFUSED, "data before the association was up");
	if (rx->stream >= LINK_STREAMS)
		return conn_fail(c, -ECONNREFUSED, "data on stream %u", rx->stream);
	if (rx->ppid != want)
		return conn_fail(c, -ECONNREFUSED, "%s",
				 rx->ppid == PPID_PLAIN ? "the other box runs without protection "
							  "(security none), here a key is wanted"
				 : rx->ppid == PPID_TLS
					 ? "the other box wants a key, here security "
					   "none is configured"
					 : "the other box speaks another protocol");
	if (c->state != CONN_UP) {
		c->early_bytes += rx->len;
		if (c->early_bytes > EARLY_BYTES_MAX)
			return conn_fail(c, -ECONNREFUSED, "the handshake is too long");
	}
	return c->s.tls ? tls_in(c, rx->stream, rx->len)
			: conn_plain_in(c, rx->stream, c->wire, rx->len);
}

static int receive_one(struct conn *c)
{
	struct link_rx rx = {0};
	int ret = c->s.driver->receive(c->s.sock, c->wire, sizeof(c->wire), &rx);

	if (ret < 0)
		return ret == -EAGAIN ? ret
				      : conn_fail(c, -ECONNRESET, "the association failed: %s",
						  strerror(-ret));
	switch (rx.kind) {
	case LINK_RX_DATA: return data_in(c, &rx);
	case LINK_RX_UP: return conn_start(c);
	case LINK_RX_RESTART: return conn_fail(c, -ESTALE, "the other box restarted");
	case LINK_RX_CLOSED:
		return conn_fail(c, -ECONNRESET,
				 c->state == CONN_CONNECTING  ? "the other box does not answer"
				 : c->state == CONN_HANDSHAKE ? "the other box ended the handshake"
							      : "the association was lost");
	default: return 0;
	}
}

// The client's part of the other streams' handshakes, one at a time: each is a key generation.
static int client_begin(struct conn *c)
{
	if (!c->s.client || !c->stream[1].end || c->begun >= LINK_STREAMS - 1)
		return -EAGAIN;
	return end_step(c, ++c->begun);
}

int conn_receive(struct conn *c)
{
	uint64_t until = loop_clock_us() + CONN_BUDGET_US;

	while (c->state != CONN_FAILED) {
		int ret = client_begin(c);

		if (ret == -EAGAIN)
			ret = receive_one(c);
		if (ret == -EAGAIN)
			return 0;
		if (ret < 0)
			return ret;
		if (loop_clock_us() >= until)
			return CONN_MORE;
	}
	return -ECONNRESET;
}
