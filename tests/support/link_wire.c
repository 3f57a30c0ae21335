// The wire in memory: a list of sockets, each with a queue of what its other end sent. An eventfd
// in the loop calls `ready` for every socket that has something.
#include "link_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

struct item {
	STAILQ_ENTRY(item) link;
	enum link_rx_kind kind;
	struct wire_message m;
};
struct link_sock {
	LIST_ENTRY(link_sock) link;
	struct link_stack *stack;  // NULL: raw
	struct link_sock *other;   // NULL: closed by it
	bool client, listening, accepted;
	bool lost;  // its other end went while the wire was cut: nobody told it
	struct ip_addr peer;
	uint16_t peer_port;
	STAILQ_HEAD(, item) rx;
	size_t waiting;
};
struct link_stack {
	const struct link_socket_params *p;
	link_ready_fn ready;
	void *ctx;
};

struct wire wire;
static LIST_HEAD(, link_sock) socks = LIST_HEAD_INITIALIZER(socks);
static struct loop_fd event;
static int event_fd = -1;

static void wake(void)
{
	const uint64_t one = 1;

	(void)!write(event_fd, &one, sizeof(one));
}

// A callback may free any socket: begin again after each.
static void fired(void *ctx, int fd, unsigned events)
{
	struct link_sock *s, *list[32];
	unsigned n = 0;
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	LIST_FOREACH (s, &socks, link) {
		if (s->stack && n < 32)
			list[n++] = s;
	}
	for (unsigned i = 0; i < n; i++) {
		LIST_FOREACH (s, &socks, link) {
			if (s == list[i])
				break;
		}
		if (s && s->stack)
			s->stack->ready(s->stack->ctx, s);
	}
}

void wire_up(struct loop *loop)
{
	wire = (struct wire){0};
	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	(void)loop_fd_add(&event, loop, "wire", event_fd, LOOP_READ, fired, NULL);
}

static struct link_sock *sock_new(struct link_stack *st)
{
	struct link_sock *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->stack = st;
	STAILQ_INIT(&s->rx);
	LIST_INSERT_HEAD(&socks, s, link);
	return s;
}

static void item_put(struct link_sock *to, enum link_rx_kind kind, const struct wire_message *m)
{
	struct item *i = malloc(sizeof(*i));

	if (!i)
		abort();
	i->kind = kind;
	if (m)
		i->m = *m;
	STAILQ_INSERT_TAIL(&to->rx, i, link);
	if (m)
		to->waiting += m->len;
	wake();
}

static void sock_abort(struct link_sock *s)
{
	struct item *i;

	while ((i = STAILQ_FIRST(&s->rx))) {
		STAILQ_REMOVE_HEAD(&s->rx, link);
		free(i);
	}
	if (s->other) {
		s->other->other = NULL;
		s->other->lost = wire.cut;
	}
	wake();
	LIST_REMOVE(s, link);
	free(s);
}

void wire_down(void)
{
	struct link_sock *s;

	while ((s = LIST_FIRST(&socks)))
		sock_abort(s);
	loop_fd_del(&event);
	close(event_fd);
}

static struct link_stack *stack_open(struct loop *loop, const struct link_socket_params *p,
				     link_ready_fn ready, void *ctx, struct err *err)
{
	struct link_stack *st = calloc(1, sizeof(*st));

	if (!st)
		abort();
	*st = (struct link_stack){.p = p, .ready = ready, .ctx = ctx};
	return st;
}

static void stack_close(struct link_stack *st)
{
	free(st);
}

static struct link_sock *sock_listen(struct link_stack *st, struct err *err)
{
	struct link_sock *s = sock_new(st);

	s->listening = true;
	return s;
}

static struct link_sock *pair_new(struct link_stack *st, const struct ip_addr *from, uint16_t port)
{
	struct link_sock *l, *a, *b;

	wire.connects++;
	LIST_FOREACH (l, &socks, link) {
		if (l->listening)
			break;
	}
	if (!l || wire.cut)
		return NULL;
	a = sock_new(st);
	b = sock_new(l->stack);
	a->client = true;
	a->other = b;
	b->other = a;
	b->peer = *from;
	b->peer_port = port;
	if (st) {
		a->peer = st->p->link->remote[0];
		a->peer_port = st->p->link->remote_port;
		item_put(a, LINK_RX_UP, NULL);
	}
	wake();
	return a;
}

static struct link_sock *sock_connect(struct link_stack *st, struct err *err)
{
	struct link_sock *s = pair_new(st, &st->p->link->local[0], st->p->link->local_port);

	if (!s)
		err_set(err, -ECONNREFUSED, "nobody listens");
	return s;
}

struct link_sock *wire_connect(const struct ip_addr *from, uint16_t port)
{
	return pair_new(NULL, from, port);
}

static struct link_sock *sock_accept(struct link_sock *listener)
{
	struct link_sock *s;

	LIST_FOREACH (s, &socks, link) {
		if (s->stack == listener->stack && s != listener && !s->accepted && !s->client) {
			s->accepted = true;
			return s;
		}
	}
	return NULL;
}

struct link_sock *wire_listen(void)
{
	return sock_listen(NULL, NULL);
}

struct link_sock *wire_accept(struct link_sock *listener)
{
	return sock_accept(listener);
}

int wire_send(struct link_sock *s, unsigned stream, uint32_t ppid, const void *bytes, size_t len)
{
	struct wire_message *m;
	enum wire_verdict v = WIRE_PASS;

	if (!s->other)
		return s->lost ? 0 : -EPIPE;
	if (s->other->waiting > 0 &&
	    s->other->waiting + len > (wire.capacity ? wire.capacity : 512u << 10))
		return -EAGAIN;
	if (wire.cut)
		return 0;
	m = malloc(sizeof(*m));
	if (!m || len > sizeof(m->bytes))
		abort();
	m->stream = stream;
	m->ppid = ppid;
	m->len = len;
	memcpy(m->bytes, bytes, len);
	if (wire.look)
		v = wire.look(s->client, m);
	for (int n = v == WIRE_DROP ? 0 : v == WIRE_TWICE ? 2 : 1; n > 0; n--)
		item_put(s->other, LINK_RX_DATA, m);
	free(m);
	return 0;
}

bool wire_is_closed(const struct link_sock *s)
{
	return s->other == NULL;
}

void wire_close(struct link_sock *s)
{
	sock_abort(s);
}

void wire_restart_all(void)
{
	struct link_sock *s;

	LIST_FOREACH (s, &socks, link) {
		if (s->accepted)
			item_put(s, LINK_RX_RESTART, NULL);
	}
}

static int fails(int *error)
{
	int ret = *error;

	*error = 0;
	return ret;
}

static int sock_send(struct link_sock *s, unsigned stream, uint32_t ppid, const void *bytes,
		     size_t len)
{
	int ret = fails(&wire.fail_send);

	return ret ? ret : wire_send(s, stream, ppid, bytes, len);
}

static int sock_receive(struct link_sock *s, void *buf, size_t cap, struct link_rx *rx)
{
	struct item *i = STAILQ_FIRST(&s->rx);
	int ret = fails(&wire.fail_receive);

	if (ret)
		return ret;
	if (!i && (s->other || s->lost))
		return -EAGAIN;
	if (!i) {
		rx->kind = LINK_RX_CLOSED;
		return 0;
	}
	rx->kind = i->kind;
	if (i->kind == LINK_RX_DATA) {
		rx->stream = i->m.stream;
		rx->ppid = i->m.ppid;
		rx->len = i->m.len < cap ? i->m.len : cap;
		memcpy(buf, i->m.bytes, rx->len);
		s->waiting -= i->m.len;
		wake();  // room for the other side
	}
	STAILQ_REMOVE_HEAD(&s->rx, link);
	free(i);
	return 0;
}

static int sock_status(struct link_sock *s, struct link_status *out)
{
	int ret = fails(&wire.fail_status);

	if (ret)
		return ret;
	*out = (struct link_status){
		.paths = 1,
		.paths_up = 1,
		.streams_in = wire.streams ? wire.streams : LINK_STREAMS,
		.streams_out = wire.streams ? wire.streams : LINK_STREAMS,
		.primary = s->peer,
		.peer = {s->peer},
		.peer_port = s->peer_port,
	};
	return 0;
}

static void sock_prefer(struct link_sock *s, const struct ip_addr *peer)
{
}
static void sock_want_room(struct link_sock *s, bool on)
{
}
static void sock_again(struct link_sock *s)
{
	wake();
}

const struct link_driver_ops link_wire = {
	.name = "wire",
	.open = stack_open,
	.close = stack_close,
	.listen = sock_listen,
	.connect = sock_connect,
	.accept = sock_accept,
	.send = sock_send,
	.receive = sock_receive,
	.status = sock_status,
	.prefer = sock_prefer,
	.want_room = sock_want_room,
	.again = sock_again,
	.abort = sock_abort,
};
