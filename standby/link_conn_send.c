// The sending side of an association: messages wait in one queue per stream, and leave in turn, a
// TLS record of up to 16 KiB and one SCTP message at a time, so that small messages share both and
// no stream waits for another's queue.
#include <errno.h>
#include <string.h>

#include "link_conn.h"
#include "link_conn_private.h"
#include "loop.h"

int conn_frame_put(struct conn *c, unsigned stream, unsigned type, const void *bytes, size_t len)
{
	uint8_t header[FRAME_HEADER];

	frame_header_encode(header, type, len);
	if (queue_put(&c->stream[stream].out, header, sizeof(header), bytes, len) < 0)
		return conn_fail(c, -ENOMEM, "no memory for a message");
	c->queued += sizeof(header) + len;
	return 0;
}

int conn_send(struct conn *c, unsigned stream, const void *bytes, size_t len)
{
	if (stream >= LINK_STREAMS || len == 0 || len > LINK_MESSAGE_MAX)
		return -EMSGSIZE;
	if (c->state != CONN_UP)
		return -ENOTCONN;
	size_t need = FRAME_HEADER + len;

	if (c->queued + need > CONN_QUEUE_MAX &&
	    c->stream[stream].out.bytes + need > CONN_QUEUE_RESERVE) {
		c->denied = true;
		return -EAGAIN;
	}
	if (conn_frame_put(c, stream, FRAME_MESSAGE, bytes, len) < 0)
		return -ENOTCONN;  // conn_flush says why
	c->count.tx++;
	c->count.tx_bytes += len;
	return 0;
}

void conn_heartbeat(struct conn *c)
{
	// one that waits is enough
	if (c->state == CONN_UP && c->stream[0].out.bytes < FRAME_HEADER)
		(void)conn_frame_put(c, 0, FRAME_HEARTBEAT, NULL, 0);
}

// SCTP takes only an address that it has probed: asked for again until it has.
void conn_prefer(struct conn *c)
{
	struct link_status st;

	if (c->s.driver->status(c->s.sock, &st) == 0 && !addr_equal(&st.primary, c->s.prefer))
		c->s.driver->prefer(c->s.sock, c->s.prefer);
}

unsigned conn_silence(struct conn *c)
{
	return ++c->silence;
}

// Four periods of the slower side, counted in ours, and one for the phase.
unsigned conn_silence_max(const struct conn *c)
{
	uint64_t slow =
		c->peer_heartbeat_ms > c->s.heartbeat_ms ? c->peer_heartbeat_ms : c->s.heartbeat_ms;

	return (unsigned)((4 * slow + c->s.heartbeat_ms - 1) / c->s.heartbeat_ms) + 1;
}

size_t conn_queued(const struct conn *c)
{
	return c->queued;
}

bool conn_relieved(struct conn *c)
{
	if (!c->denied || c->state != CONN_UP || c->queued > CONN_QUEUE_MAX / 2)
		return false;
	c->denied = false;
	return true;
}

static int driver_send(struct conn *c, unsigned stream, const uint8_t *bytes, size_t len)
{
	int ret =
		c->s.driver->send(c->s.sock, stream, c->s.tls ? PPID_TLS : PPID_PLAIN, bytes, len);

	if (ret < 0 && ret != -EAGAIN)
		return conn_fail(c, -ECONNRESET, "the association failed: %s", strerror(-ret));
	return ret;
}

static void queue_taken(struct conn *c, unsigned stream, size_t len)
{
	queue_drop(&c->stream[stream].out, len);
	c->queued -= len;
}

// Ciphertext that waits: 1 = one message went, 0 = none was there.
static int wire_send(struct conn *c, unsigned stream)
{
	struct tls_end *e = c->stream[stream].end;
	const uint8_t *bytes;
	size_t len = tls_end_pending(e, &bytes);

	if (len == 0)
		return 0;
	if (len > TLS_RECORD_MAX + 512)
		len = TLS_RECORD_MAX + 512;
	int ret = driver_send(c, stream, bytes, len);

	if (ret < 0)
		return ret;
	tls_end_taken(e, len);
	return 1;
}

// At most one SCTP message of the stream. 1 sent, 0 nothing to send, -EAGAIN, or it is over.
static int stream_send(struct conn *c, unsigned stream)
{
	struct conn_stream *s = &c->stream[stream];
	const uint8_t *bytes;
	int ret;

	if (c->s.tls) {
		if (!s->end)
			return 0;
		ret = wire_send(c, stream);
		if (ret || !tls_end_established(s->end))
			return ret;
	}
	size_t len = queue_peek(&s->out, &bytes);

	if (len == 0)
		return 0;
	if (!c->s.tls) {
		ret = driver_send(c, stream, bytes, len);
		if (ret == 0)
			queue_taken(c, stream, len);
		return ret < 0 ? ret : 1;
	}
	if (tls_end_write(s->end, bytes, len) < 0)
		return conn_fail(c, -ECONNRESET, "%s", tls_end_why(s->end));
	queue_taken(c, stream, len);
	return wire_send(c, stream);
}

int conn_flush(struct conn *c)
{
	uint64_t until = loop_clock_us() + CONN_BUDGET_US;
	unsigned idle = 0;

	if (c->state == CONN_CONNECTING)
		return 0;
	while (idle < LINK_STREAMS) {
		int ret = stream_send(c, c->turn);

		if (ret == -EAGAIN)
			return CONN_BLOCKED;
		if (ret < 0)
			return ret;
		idle = ret ? 0 : idle + 1;
		c->turn = (c->turn + 1) % LINK_STREAMS;
		if (ret && loop_clock_us() >= until)
			return CONN_MORE;
	}
	return 0;
}
