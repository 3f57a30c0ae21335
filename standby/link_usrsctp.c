// SCTP in user space (usrsctp over a raw IP socket) as a driver of the replication link. The
// library has threads of its own; they only write an eventfd ("something happened"), everything
// else is done on the loop's thread by non-blocking calls, so what waits is bounded by SCTP's own
// buffers.
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <usrsctp.h>

#include "link_driver.h"
#include "link_sockaddr.h"
#include "link_usrsctp.h"
#include "loop.h"

#define SOCKETS_MAX (LINK_BACKLOG + 4)

struct link_sock {
	struct link_stack *stack;
	struct socket *so;
	bool used, listening;
};
struct link_stack {
	struct loop *loop;
	const struct link_socket_params *p;
	link_ready_fn ready;
	void *ctx;
	struct loop_fd wake;
	bool stopped;                        // the library, once, for addresses it did not know
	struct link_sock sock[SOCKETS_MAX];  // stay in place: a wake-up may be on its way
};

// The library is one per process, and so are its wake-ups; both live until the process ends, for a
// thread of the library may be about to write at any moment.
static int wake_fd = -1;
static atomic_bool woken;

static void wake(void)
{
	const uint64_t one = 1;

	if (!atomic_exchange(&woken, true))
		(void)!write(wake_fd, &one, sizeof(one));
}

static void upcall(struct socket *so, void *arg, int flags)
{
	wake();
}

static void wake_fired(void *ctx, int fd, unsigned events)
{
	struct link_stack *st = ctx;
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	atomic_store(&woken, false);
	for (unsigned i = 0; i < SOCKETS_MAX; i++) {
		if (st->sock[i].used)
			st->ready(st->ctx, &st->sock[i]);
	}
}

static struct link_stack *stack_open(struct loop *loop, const struct link_socket_params *p,
				     link_ready_fn ready, void *ctx, struct err *err)
{
	struct link_stack *st;

	if (usrsctp_check(p->link->local[0].family == 4 ? AF_INET : AF_INET6, err) < 0)
		return NULL;
	if (wake_fd < 0)
		wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	st = wake_fd < 0 ? NULL : calloc(1, sizeof(*st));
	if (!st ||
	    loop_fd_add(&st->wake, loop, "usrsctp", wake_fd, LOOP_READ, wake_fired, st) < 0) {
		err_set(err, -ENOMEM, "no memory for SCTP");
		free(st);
		return NULL;
	}
	st->loop = loop;
	st->p = p;
	st->ready = ready;
	st->ctx = ctx;
	atomic_store(&woken, false);
	return st;
}

static void sock_abort(struct link_sock *s);

static void stack_close(struct link_stack *st)
{
	for (unsigned i = 0; i < SOCKETS_MAX; i++) {
		if (st->sock[i].used)
			sock_abort(&st->sock[i]);
	}
	loop_fd_del(&st->wake);
	free(st);
}

static struct link_sock *slot_take(struct link_stack *st, struct socket *so)
{
	for (unsigned i = 0; i < SOCKETS_MAX; i++) {
		struct link_sock *s = &st->sock[i];

		if (s->used)
			continue;
		*s = (struct link_sock){.stack = st, .so = so, .used = true};
		return s;
	}
	return NULL;
}

// ---- what link_sctp.h needs ---------------------------------------------------------------------

typedef struct socket *sctp_handle;

static int option(struct socket *so, int name, const void *value, size_t len)
{
	return usrsctp_setsockopt(so, IPPROTO_SCTP, name, value, (socklen_t)len) < 0 ? -errno : 0;
}

static int socket_option(struct socket *so, int name, const void *value, size_t len)
{
	return usrsctp_setsockopt(so, SOL_SOCKET, name, value, (socklen_t)len) < 0 ? -errno : 0;
}

static int option_get(struct socket *so, int name, void *value, size_t len)
{
	socklen_t n = (socklen_t)len;

	return usrsctp_getsockopt(so, IPPROTO_SCTP, name, value, &n) < 0 ? -errno : 0;
}

static int addresses_get(struct socket *so, bool local, struct sockaddr **list)
{
	return local ? usrsctp_getladdrs(so, 0, list) : usrsctp_getpaddrs(so, 0, list);
}

static void addresses_free(bool local, struct sockaddr *list)
{
	if (local)
		usrsctp_freeladdrs(list);
	else
		usrsctp_freepaddrs(list);
}

#include "link_sctp.h"

// ---- sockets ------------------------------------------------------------------------------------

// An address that was added to the box after the library's start is unknown to it. A new start
// takes up to 0.2 s, so only then, and only once: the next attempt is a second away.
static int sock_bind(struct link_stack *st, struct socket *so, struct err *err)
{
	const struct link_params *l = st->p->link;
	uint8_t list[SOCKADDR_LIST_MAX];

	(void)sockaddr_list(list, l->local, l->locals, l->local_port);
	if (usrsctp_bindx(so, (struct sockaddr *)(void *)list, (int)l->locals,
			  SCTP_BINDX_ADD_ADDR) == 0)
		return 0;
	int ret = -errno;

	err_set(err, ret, "cannot bind the local addresses, port %u: %s", l->local_port,
		strerror(-ret));
	return ret;
}

static struct link_sock *sock_create(struct link_stack *st, struct err *err)
{
	const struct link_params *l = st->p->link;

	if (usrsctp_addresses_present(l, err) < 0)
		return NULL;
	usrsctp_library_start(st->p);
	struct socket *so = usrsctp_socket(l->local[0].family == 4 ? AF_INET : AF_INET6,
					   SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);

	if (!so) {
		err_set(err, -errno, "no SCTP socket: %s", strerror(errno));
		return NULL;
	}
	int ret = socket_set(so, st->p);

	if (ret == 0 && usrsctp_set_non_blocking(so, 1) < 0)
		ret = -errno;
	if (ret < 0)
		err_set(err, ret, "SCTP does not take the parameters: %s", strerror(-ret));
	else
		ret = sock_bind(st, so, err);
	struct link_sock *s = ret < 0 ? NULL : slot_take(st, so);

	if (!s) {
		usrsctp_close(so);
		if (ret == -EADDRNOTAVAIL && !st->stopped) {
			st->stopped = true;
			usrsctp_library_stop();
		}
		return NULL;
	}
	usrsctp_set_upcall(so, upcall, NULL);
	return s;
}

static struct link_sock *sock_listen(struct link_stack *st, struct err *err)
{
	struct link_sock *s = sock_create(st, err);

	if (!s)
		return NULL;
	if (usrsctp_listen(s->so, LINK_BACKLOG) < 0) {
		err_set(err, -errno, "cannot listen: %s", strerror(errno));
		sock_abort(s);
		return NULL;
	}
	s->listening = true;
	wake();
	return s;
}

static struct link_sock *sock_connect(struct link_stack *st, struct err *err)
{
	const struct link_params *l = st->p->link;
	struct link_sock *s = sock_create(st, err);
	uint8_t list[SOCKADDR_LIST_MAX];

	if (!s)
		return NULL;
	(void)sockaddr_list(list, l->remote, l->remotes, l->remote_port);
	if (usrsctp_connectx(s->so, (struct sockaddr *)(void *)list, (int)l->remotes, NULL) < 0 &&
	    errno != EINPROGRESS) {
		err_set(err, -errno, "cannot connect: %s", strerror(errno));
		sock_abort(s);
		return NULL;
	}
	wake();
	return s;
}

static struct link_sock *sock_accept(struct link_sock *listener)
{
	union link_sockaddr from;
	socklen_t len = sizeof(from);
	struct socket *so = usrsctp_accept(listener->so, &from.sa, &len);

	if (!so)
		return NULL;
	struct link_sock *s = slot_take(listener->stack, so);

	if (!s || usrsctp_set_non_blocking(so, 1) < 0 || accepted_set(so) < 0) {
		usrsctp_close(so);
		if (s)
			s->used = false;
		return NULL;
	}
	usrsctp_set_upcall(so, upcall, NULL);
	wake();
	return s;
}

static void sock_abort(struct link_sock *s)
{
	usrsctp_set_upcall(s->so, NULL, NULL);
	usrsctp_close(s->so);  // SO_LINGER 0: ABORT
	s->so = NULL;
	s->used = false;
}

static void sock_prefer(struct link_sock *s, const struct ip_addr *peer)
{
	prefer_set(s->so, peer, s->stack->p->link->remote_port);
}

// Every wake-up tries to send: nothing to switch.
static void sock_want_room(struct link_sock *s, bool on)
{
}

static void sock_again(struct link_sock *s)
{
	wake();
}

// ---- data ---------------------------------------------------------------------------------------

static int sock_send(struct link_sock *s, unsigned stream, uint32_t ppid, const void *bytes,
		     size_t len)
{
	struct sctp_sndinfo info = {.snd_sid = (uint16_t)stream, .snd_ppid = htonl(ppid)};

	if (usrsctp_sendv(s->so, bytes, len, NULL, 0, &info, sizeof(info), SCTP_SENDV_SNDINFO, 0) >=
	    0)
		return 0;
	return errno == EWOULDBLOCK || errno == EINPROGRESS ? -EAGAIN : -errno;
}

static int sock_receive(struct link_sock *s, void *buf, size_t cap, struct link_rx *rx)
{
	union link_sockaddr from;
	struct sctp_rcvinfo info = {0};
	socklen_t fromlen = sizeof(from), infolen = sizeof(info);
	unsigned type = SCTP_RECVV_NOINFO;
	int flags = 0;
	ssize_t n =
		usrsctp_recvv(s->so, buf, cap, &from.sa, &fromlen, &info, &infolen, &type, &flags);

	if (n < 0 && (errno == EWOULDBLOCK || errno == ENOTCONN))
		return -EAGAIN;
	return received(rx, buf, n, flags, type, &info);
}

static int sock_status(struct link_sock *s, struct link_status *out)
{
	return status_read(s->so, out);
}

const struct link_driver_ops link_usrsctp = {
	.name = "usrsctp",
	.guarded = true,
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
