// The replication link: keeps one association with the other box alive. The box with the lower
// address connects, again a second after every failure; the other listens. A new association takes
// the place of the old one only when it is authenticated.
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link_guard.h"
#include "link_private.h"
#include "log.h"
#include "secret.h"

#define RETRY_MS     1000
#define HANDSHAKE_MS 5000
#define FAREWELL_MS  300  // for the alert that tells the other box why
#define ACCEPTS_MAX  4    // per turn

static void attempt(struct link *l);
static void conn_run(struct link *l, struct conn *c);

static void trouble_set(struct link *l, const char *why)
{
	snprintf(l->trouble, sizeof(l->trouble), "%s", why);
}

static void refuse(struct link *l, const char *who, const char *why)
{
	// a flood of strangers' does not hide what the other box's are refused for
	static struct log_ratelimit stranger = LOG_RATELIMIT(3), other = LOG_RATELIMIT(3);

	l->refused++;
	log_event_limited(*who ? &stranger : &other, "REDUNDANCY", LOG_L_WARNING, "LINK_REFUSED",
			  "Replication link: association%s%s refused: %s", *who ? " of " : "", who,
			  why);
}

// ---- the association in use ---------------------------------------------------------------------

static void counts_keep(struct link *l, const struct conn *c)
{
	struct conn_counts n;

	conn_counts(c, &n);
	l->before.tx += n.tx;
	l->before.rx += n.rx;
	l->before.tx_bytes += n.tx_bytes;
	l->before.rx_bytes += n.rx_bytes;
}

// The association in use is over; c->sock lives on when `keep`.
static struct link_sock *cur_end(struct link *l, const char *why, bool keep)
{
	struct conn *c = l->cur;
	struct link_sock *sock = NULL;
	char text[ERR_MSG_MAX];

	snprintf(text, sizeof(text), "%s", why);
	l->cur = NULL;
	loop_timer_stop(&l->beat);
	counts_keep(l, c);
	if (keep)
		sock = conn_release(c);
	else
		conn_destroy(c);
	trouble_set(l, text);
	log_event("REDUNDANCY", LOG_L_NOTICE, "LINK_STATE", "Replication link is down: %s", text);
	l->ops.down(l->ops.ctx, text);
	return sock;
}

static void on_up(void *ctx, struct conn *c)
{
	struct link *l = ctx;

	loop_timer_stop(&l->handshake);
	l->pending = NULL;
	if (l->cur)
		cur_end(l, "the other box opened a new association", false);
	l->cur = c;
	l->ups++;
	l->trouble[0] = '\0';
	loop_timer_repeat(&l->beat, l->p.heartbeat_ms);
	log_event("REDUNDANCY", LOG_L_NOTICE, "LINK_STATE", "Replication link is up: %s SCTP, %s",
		  l->driver->name, l->tls ? link_tls_name(l->tls) : "no protection");
	l->ops.up(l->ops.ctx);
}

static void on_message(void *ctx, struct conn *c, unsigned stream, const uint8_t *bytes, size_t len)
{
	struct link *l = ctx;

	if (c == l->cur)
		l->ops.message(l->ops.ctx, stream, bytes, len);
}

// ---- the association to be ----------------------------------------------------------------------

static void retry_later(struct link *l)
{
	if (l->client || !l->listener)
		loop_timer_start(&l->retry, RETRY_MS);
}

static void pending_drop(struct link *l)
{
	loop_timer_stop(&l->handshake);
	conn_destroy(l->pending);
	l->pending = NULL;
	retry_later(l);
}

static bool pending_begin(struct link *l, struct link_sock *sock)
{
	const struct conn_setup setup = {
		.driver = l->driver,
		.sock = sock,
		.tls = l->tls,
		.client = l->client,
		.heartbeat_ms = l->p.heartbeat_ms,
		.prefer = &l->p.remote[0],
		.ops = &l->conn_ops,
	};

	l->pending = conn_create(&setup);
	if (!l->pending) {
		l->driver->abort(sock);
		retry_later(l);
		return false;
	}
	loop_timer_start(&l->handshake, HANDSHAKE_MS);
	return true;
}

// The handshake failed with c, which is l->pending.
static void pending_failed(struct link *l, int code)
{
	struct conn *c = l->pending;

	if (!l->cur)
		trouble_set(l, conn_why(c));
	if (code == -ECONNREFUSED)
		refuse(l, "", conn_why(c));
	// An alert may be waiting: the other box shall know why.
	if (code != -ECONNREFUSED || conn_flush(c) < 0)
		pending_drop(l);
	else
		loop_timer_start(&l->handshake, FAREWELL_MS);
}

static void handshake_expired(void *ctx, uint64_t now_ms)
{
	struct link *l = ctx;
	struct conn *c = l->pending;

	if (!c)
		return;
	if (conn_state(c) == CONN_HANDSHAKE)
		refuse(l, "", "the handshake took too long");
	if (!l->cur && conn_state(c) != CONN_FAILED)
		trouble_set(l, conn_state(c) == CONN_CONNECTING ? "the other box does not answer"
								: "the handshake took too long");
	pending_drop(l);
}

// The other box began anew on the same association: whoever it is now has to show the key.
static void restarted(struct link *l, struct conn *c)
{
	struct link_sock *sock;

	if (c == l->cur) {
		sock = cur_end(l, conn_why(c), true);
		if (l->pending)
			pending_drop(l);
	} else {
		sock = conn_release(c);
		l->pending = NULL;
	}
	if (!pending_begin(l, sock))
		return;
	if (conn_start(l->pending) < 0)
		pending_failed(l, -ECONNRESET);
	else
		conn_run(l, l->pending);
}

// ---- events -------------------------------------------------------------------------------------

static void kick(struct link *l)
{
	const uint64_t one = 1;

	if (l->kicked)
		return;
	l->kicked = true;
	(void)!write(l->kick_fd, &one, sizeof(one));
}

static void conn_over(struct link *l, struct conn *c, int code)
{
	if (code == -ESTALE && !l->client) {
		restarted(l, c);
	} else if (c == l->cur) {
		if (code == -ECONNREFUSED)
			refuse(l, "", conn_why(c));
		(void)cur_end(l, conn_why(c), false);
		if (!l->pending)
			retry_later(l);
	} else if (c == l->pending) {
		pending_failed(l, code);
	}
}

static void flush(struct link *l, struct conn *c)
{
	int ret = conn_flush(c);

	if (ret < 0) {
		conn_over(l, c, ret);
		return;
	}
	l->driver->want_room(conn_sock(c), ret == CONN_BLOCKED);
	if (ret == CONN_MORE)
		kick(l);
	if (c == l->cur && conn_relieved(c))
		l->ops.writable(l->ops.ctx);
}

// Receives and sends what can be.
static void conn_run(struct link *l, struct conn *c)
{
	if (conn_state(c) == CONN_FAILED) {  // only its alert is still to go
		struct link_rx rx;
		uint8_t sink[512];

		if (l->driver->receive(conn_sock(c), sink, sizeof(sink), &rx) == 0 &&
		    rx.kind == LINK_RX_CLOSED)
			pending_drop(l);
		return;
	}
	l->busy = true;
	int ret = conn_receive(c);

	l->busy = false;
	if (ret < 0) {
		conn_over(l, c, ret);
		return;
	}
	if (ret == CONN_MORE)
		kick(l);
	flush(l, c);
}

static void accept_all(struct link *l)
{
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		struct link_sock *s = l->driver->accept(l->listener);
		struct link_status st = {0};
		char why[128] = "it is gone already", who[ADDR_STR_MAX] = "";

		if (!s)
			return;
		int ret = l->driver->status(s, &st);

		if (ret == 0)
			(void)addr_format(&st.primary, who, sizeof(who));
		if (ret < 0 || !link_peer_allowed(&l->p, &st, why, sizeof(why))) {
			refuse(l, who, why);
			l->driver->abort(s);
			continue;
		}
		if (l->pending) {
			refuse(l, who, "another one is in its handshake");
			l->driver->abort(s);
			continue;
		}
		if (!pending_begin(l, s))
			continue;
		ret = conn_start(l->pending);
		if (ret < 0)
			pending_failed(l, ret);
		else
			conn_run(l, l->pending);
	}
	l->driver->again(l->listener);
}

static void on_ready(void *ctx, struct link_sock *s)
{
	struct link *l = ctx;

	if (s == l->listener)
		accept_all(l);
	else if (l->cur && conn_sock(l->cur) == s)
		conn_run(l, l->cur);
	else if (l->pending && conn_sock(l->pending) == s)
		conn_run(l, l->pending);
}

static void kick_fired(void *ctx, int fd, unsigned events)
{
	struct link *l = ctx;
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	l->kicked = false;
	if (l->pending)
		conn_run(l, l->pending);
	if (l->cur && conn_state(l->cur) == CONN_FAILED)
		conn_over(l, l->cur, -ENOMEM);
	else if (l->cur)
		conn_run(l, l->cur);
}

static void beat_expired(void *ctx, uint64_t now_ms)
{
	struct link *l = ctx;
	struct conn *c = l->cur;

	// what waits is heard before silence is counted: timers come first in a turn
	if (c)
		conn_run(l, c);
	if (!c || l->cur != c)
		return;
	if (conn_silence(l->cur) > conn_silence_max(l->cur)) {
		(void)cur_end(l, "the other box is silent", false);
		if (!l->pending)
			retry_later(l);
		return;
	}
	conn_prefer(l->cur);
	conn_heartbeat(l->cur);
	flush(l, l->cur);
}

static void retry_expired(void *ctx, uint64_t now_ms)
{
	attempt(ctx);
}

// The listener opens its socket, the client begins an association.
static void attempt(struct link *l)
{
	struct err err = {0};

	if (l->client ? l->cur || l->pending : l->listener != NULL)
		return;
	struct link_sock *s =
		l->client ? l->driver->connect(l->stack, &err) : l->driver->listen(l->stack, &err);

	if (!s) {
		trouble_set(l, err.msg);
		loop_timer_start(&l->retry, RETRY_MS);
		return;
	}
	if (l->client)
		(void)pending_begin(l, s);
	else
		l->listener = s;
}

// ---- the interface ------------------------------------------------------------------------------

// Without rules of its own for its packets the association is bound to its interface, if it has but
// one.
static void guard_open(struct link *l)
{
	struct err why = {0};
	char device[64];

	l->guard = link_guard_create(l->loop, &l->p, &why);
	if (l->guard)
		return;
	l->socket.bind_device = true;
	bool one = link_guard_device(&l->p, device, sizeof(device)) == 0;

	log_event("REDUNDANCY", LOG_L_WARNING, "LINK_GUARD",
		  "Replication link: no rules for its packets (%s): they %s%s", why.msg,
		  one ? "are bound to " : "may leave by other interfaces when theirs are down",
		  one ? device : "");
}

static int link_open(struct link *l, struct err *err)
{
	if (l->driver->guarded)
		guard_open(l);
	if (l->p.security != LINK_PLAIN) {
		l->tls = link_tls_create(&l->p, l->client, err);
		if (!l->tls)
			return err->code;
	}
	secret_wipe(l->p.secret, sizeof(l->p.secret));
	l->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->kick_fd < 0 || loop_fd_add(&l->kick, l->loop, "replication link", l->kick_fd,
					  LOOP_READ, kick_fired, l) < 0)
		return err_set(err, -ENOMEM, "no descriptor for the replication link");
	l->stack = l->driver->open(l->loop, &l->socket, on_ready, l, err);
	return l->stack ? 0 : err->code;
}

struct link *link_create_on(struct loop *loop, const struct link_params *p,
			    const struct link_ops *ops, const struct link_driver_ops *driver,
			    struct err *err)
{
	struct link *l = calloc(1, sizeof(*l));
	struct err ignored;

	if (!err)
		err = &ignored;
	if (!l) {
		err_set(err, -ENOMEM, "no memory for the replication link");
		return NULL;
	}
	l->loop = loop;
	l->ops = *ops;
	l->p = *p;
	l->driver = driver;
	l->kick_fd = -1;
	l->conn_ops = (struct conn_ops){.ctx = l, .up = on_up, .message = on_message};
	loop_timer_init(&l->retry, loop, "replication link", retry_expired, l);
	loop_timer_init(&l->handshake, loop, "replication link", handshake_expired, l);
	loop_timer_init(&l->beat, loop, "replication link", beat_expired, l);
	if (link_params_check(&l->p, err) < 0) {
		link_destroy(l);
		return NULL;
	}
	l->client = link_is_client(&l->p);
	l->socket = (struct link_socket_params){
		.link = &l->p,
		.rto_initial_ms = l->p.rto_min_ms,
		.sndbuf = LINK_SNDBUF,
		.rcvbuf = 2 * LINK_SNDBUF,
	};
	if (link_open(l, err) < 0) {
		link_destroy(l);
		return NULL;
	}
	attempt(l);
	return l;
}

struct link *link_create(struct loop *loop, const struct link_params *p, const struct link_ops *ops,
			 struct err *err)
{
	const struct link_driver_ops *driver = &link_kernel;

	if (p->driver == LINK_USER || (p->driver == LINK_AUTO && !link_kernel_works()))
		driver = &link_usrsctp;
	return link_create_on(loop, p, ops, driver, err);
}

void link_destroy(struct link *l)
{
	if (!l)
		return;
	loop_timer_fini(&l->retry);
	loop_timer_fini(&l->handshake);
	loop_timer_fini(&l->beat);
	conn_destroy(l->cur);
	conn_destroy(l->pending);
	if (l->listener)
		l->driver->abort(l->listener);
	if (l->stack)
		l->driver->close(l->stack);
	link_guard_destroy(l->guard);
	loop_fd_del(&l->kick);
	if (l->kick_fd >= 0)
		close(l->kick_fd);
	link_tls_destroy(l->tls);
	secret_wipe(l, sizeof(*l));
	free(l);
}

int link_send(struct link *l, unsigned stream, const void *bytes, size_t len)
{
	if (!l->cur)
		return -ENOTCONN;
	int ret = conn_send(l->cur, stream, bytes, len);

	if (ret != -EMSGSIZE && !l->busy)  // busy: flushed at the end of receiving
		kick(l);
	return ret;
}
