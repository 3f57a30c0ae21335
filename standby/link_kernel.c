// The kernel's SCTP (RFC 6458 sockets, libsctp) as a driver of the replication link. Each socket is
// a descriptor of the loop; room to send is only asked for while something waits.
#include "link_sockaddr.h"  // <netinet/in.h> has to come before <netinet/sctp.h>

#include <errno.h>
#include <netinet/sctp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "link_driver.h"
#include "link_guard.h"
#include "loop.h"

struct link_sock {
	LIST_ENTRY(link_sock) link;
	struct link_stack *stack;
	struct loop_fd fd;
};
struct link_stack {
	struct loop *loop;
	const struct link_socket_params *p;
	link_ready_fn ready;
	void *ctx;
	LIST_HEAD(, link_sock) socks;
};

bool link_kernel_works(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static struct link_stack *stack_open(struct loop *loop, const struct link_socket_params *p,
				     link_ready_fn ready, void *ctx, struct err *err)
{
	struct link_stack *st;

	if (!link_kernel_works()) {
		err_set(err, -EPROTONOSUPPORT,
			"the kernel has no SCTP (module sctp): transport user or auto");
		return NULL;
	}
	st = calloc(1, sizeof(*st));
	if (!st) {
		err_set(err, -ENOMEM, "no memory for SCTP");
		return NULL;
	}
	st->loop = loop;
	st->p = p;
	st->ready = ready;
	st->ctx = ctx;
	LIST_INIT(&st->socks);
	return st;
}

static void sock_abort(struct link_sock *s)
{
	int fd = s->fd.fd;

	loop_fd_del(&s->fd);
	close(fd);  // SO_LINGER 0: ABORT
	LIST_REMOVE(s, link);
	free(s);
}

static void stack_close(struct link_stack *st)
{
	struct link_sock *s;

	while ((s = LIST_FIRST(&st->socks)))
		sock_abort(s);
	free(st);
}

static void fd_ready(void *ctx, int fd, unsigned events)
{
	struct link_sock *s = ctx;

	s->stack->ready(s->stack->ctx, s);
}

static struct link_sock *sock_wrap(struct link_stack *st, int fd)
{
	struct link_sock *s = calloc(1, sizeof(*s));

	if (!s || loop_fd_add(&s->fd, st->loop, "kernel SCTP", fd, LOOP_READ, fd_ready, s) < 0) {
		free(s);
		close(fd);
		return NULL;
	}
	s->stack = st;
	LIST_INSERT_HEAD(&st->socks, s, link);
	return s;
}

// ---- what link_sctp.h needs ---------------------------------------------------------------------

typedef int sctp_handle;

static int option(int fd, int name, const void *value, size_t len)
{
	return setsockopt(fd, IPPROTO_SCTP, name, value, (socklen_t)len) < 0 ? -errno : 0;
}

static int socket_option(int fd, int name, const void *value, size_t len)
{
	return setsockopt(fd, SOL_SOCKET, name, value, (socklen_t)len) < 0 ? -errno : 0;
}

static int option_get(int fd, int name, void *value, size_t len)
{
	socklen_t n = (socklen_t)len;

	return getsockopt(fd, IPPROTO_SCTP, name, value, &n) < 0 ? -errno : 0;
}

static int addresses_get(int fd, bool local, struct sockaddr **list)
{
	return local ? sctp_getladdrs(fd, 0, list) : sctp_getpaddrs(fd, 0, list);
}

static void addresses_free(bool local, struct sockaddr *list)
{
	(void)(local ? sctp_freeladdrs(list) : sctp_freepaddrs(list));
}

#include "link_sctp.h"

static int device_bind(int fd, const struct link_params *l)
{
	char name[64];

	if (link_guard_device(l, name, sizeof(name)) < 0)
		return 0;
	return socket_option(fd, SO_BINDTODEVICE, name, strlen(name) + 1);
}

// RFC 7829: the first time-out diverts new data to another path.
static int failover_set(int fd, const struct link_params *l)
{
	struct sctp_paddrthlds failover = {.spt_pathmaxrxt = (uint16_t)l->path_retransmit,
					   .spt_pathpfthld = 0};

	failover.spt_address.ss_family = l->local[0].family == 4 ? AF_INET : AF_INET6;
	return option(fd, SCTP_PEER_ADDR_THLDS, &failover, sizeof(failover));
}

// ---- sockets ------------------------------------------------------------------------------------

static struct link_sock *sock_create(struct link_stack *st, struct err *err)
{
	const struct link_params *l = st->p->link;
	uint8_t list[SOCKADDR_LIST_MAX];
	int fd = socket(l->local[0].family == 4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd < 0) {
		err_set(err, -errno, "no SCTP socket: %s", strerror(errno));
		return NULL;
	}
	int ret = socket_set(fd, st->p);

	if (ret == 0)
		ret = failover_set(fd, l);
	if (ret == 0 && st->p->bind_device)
		ret = device_bind(fd, l);
	(void)sockaddr_list(list, l->local, l->locals, l->local_port);
	if (ret < 0)
		err_set(err, ret, "SCTP does not take the parameters: %s", strerror(-ret));
	else if (sctp_bindx(fd, (struct sockaddr *)(void *)list, (int)l->locals,
			    SCTP_BINDX_ADD_ADDR) < 0)
		ret = err_set(err, -errno, "cannot bind the local addresses, port %u: %s",
			      l->local_port, strerror(errno));
	if (ret < 0) {
		close(fd);
		return NULL;
	}
	return sock_wrap(st, fd);
}

static struct link_sock *sock_listen(struct link_stack *st, struct err *err)
{
	struct link_sock *s = sock_create(st, err);

	if (s && listen(s->fd.fd, LINK_BACKLOG) < 0) {
		err_set(err, -errno, "cannot listen: %s", strerror(errno));
		sock_abort(s);
		return NULL;
	}
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
	if (sctp_connectx(s->fd.fd, (struct sockaddr *)(void *)list, (int)l->remotes, NULL) < 0 &&
	    errno != EINPROGRESS) {
		err_set(err, -errno, "cannot connect: %s", strerror(errno));
		sock_abort(s);
		return NULL;
	}
	return s;
}

static struct link_sock *sock_accept(struct link_sock *listener)
{
	int fd = accept4(listener->fd.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (accepted_set(fd) < 0) {
		close(fd);
		return NULL;
	}
	return sock_wrap(listener->stack, fd);
}

static void sock_prefer(struct link_sock *s, const struct ip_addr *peer)
{
	prefer_set(s->fd.fd, peer, s->stack->p->link->remote_port);
}

static void sock_want_room(struct link_sock *s, bool on)
{
	(void)loop_fd_events(&s->fd, on ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

// Level-triggered: what is left comes again by itself.
static void sock_again(struct link_sock *s)
{
}

// ---- data ---------------------------------------------------------------------------------------

static int sock_send(struct link_sock *s, unsigned stream, uint32_t ppid, const void *bytes,
		     size_t len)
{
	struct sctp_sndinfo info = {.snd_sid = (uint16_t)stream, .snd_ppid = htonl(ppid)};
	const struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

	if (sctp_sendv(s->fd.fd, &iov, 1, NULL, 0, &info, sizeof(info), SCTP_SENDV_SNDINFO,
		       MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EWOULDBLOCK || errno == EINPROGRESS ? -EAGAIN : -errno;
}

static int sock_receive(struct link_sock *s, void *buf, size_t cap, struct link_rx *rx)
{
	struct sctp_rcvinfo info = {0};
	socklen_t infolen = sizeof(info), fromlen = 0;
	const struct iovec iov = {.iov_base = buf, .iov_len = cap};
	unsigned type = SCTP_RECVV_NOINFO;
	int flags = 0;
	int n = sctp_recvv(s->fd.fd, &iov, 1, NULL, &fromlen, &info, &infolen, &type, &flags);

	if (n < 0 && errno == EWOULDBLOCK)
		return -EAGAIN;
	return received(rx, buf, n, flags, type, &info);
}

static int sock_status(struct link_sock *s, struct link_status *out)
{
	return status_read(s->fd.fd, out);
}

const struct link_driver_ops link_kernel = {
	.name = "kernel",
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
