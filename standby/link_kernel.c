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

// ---- parameters ---------------------------------------------------------------------------------

static int option(int fd, int name, const void *value, size_t len)
{
	return setsockopt(fd, IPPROTO_SCTP, name, value, (socklen_t)len) < 0 ? -errno : 0;
}

static int timers_set(int fd, const struct link_socket_params *p)
{
	const struct link_params *l = p->link;
	const struct sctp_rtoinfo rto = {.srto_initial = p->rto_initial_ms,
					 .srto_max = l->rto_max_ms,
					 .srto_min = l->rto_min_ms};
	const struct sctp_assocparams assoc = {.sasoc_asocmaxrxt = (uint16_t)l->assoc_retransmit,
					       .sasoc_cookie_life = LINK_COOKIE_MS};
	const struct sctp_sack_info sack = {.sack_delay = LINK_SACK_DELAY_MS, .sack_freq = 2};
	struct sctp_paddrparams path = {.spp_hbinterval = link_path_heartbeat_ms(l),
					.spp_pathmaxrxt = (uint16_t)l->path_retransmit,
					.spp_flags = SPP_HB_ENABLE | SPP_PMTUD_ENABLE};
	// RFC 7829: the first time-out diverts new data to another path
	struct sctp_paddrthlds failover = {.spt_pathmaxrxt = (uint16_t)l->path_retransmit,
					   .spt_pathpfthld = 0};
	int ret = option(fd, SCTP_RTOINFO, &rto, sizeof(rto));

	path.spp_address.ss_family = l->local[0].family == 4 ? AF_INET : AF_INET6;
	failover.spt_address.ss_family = path.spp_address.ss_family;
	if (ret == 0)
		ret = option(fd, SCTP_ASSOCINFO, &assoc, sizeof(assoc));
	if (ret == 0)
		ret = option(fd, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path));
	if (ret == 0)
		ret = option(fd, SCTP_PEER_ADDR_THLDS, &failover, sizeof(failover));
	return ret ? ret : option(fd, SCTP_DELAYED_SACK, &sack, sizeof(sack));
}

static int socket_set(int fd, const struct link_socket_params *p)
{
	const int one = 1, sndbuf = (int)p->sndbuf, rcvbuf = (int)p->rcvbuf;
	const struct linger at_once = {.l_onoff = 1};
	const struct sctp_initmsg init = {.sinit_num_ostreams = LINK_STREAMS,
					  .sinit_max_instreams = LINK_STREAMS,
					  .sinit_max_attempts = 8,
					  .sinit_max_init_timeo = 1000};
	const struct sctp_event ev = {.se_type = SCTP_ASSOC_CHANGE, .se_on = 1};
	int ret = timers_set(fd, p);

	if (ret == 0)
		ret = option(fd, SCTP_INITMSG, &init, sizeof(init));
	if (ret == 0)
		ret = option(fd, SCTP_NODELAY, &one, sizeof(one));
	if (ret == 0)
		ret = option(fd, SCTP_RECVRCVINFO, &one, sizeof(one));
	if (ret == 0)
		ret = option(fd, SCTP_EVENT, &ev, sizeof(ev));
	if (ret == 0 && (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0 ||
			 setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)) < 0 ||
			 setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0))
		ret = -errno;
	return ret;
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
	const int one = 1;
	const struct linger at_once = {.l_onoff = 1};
	int fd = accept4(listener->fd.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0 ||
	    option(fd, SCTP_NODELAY, &one, sizeof(one)) < 0 ||
	    option(fd, SCTP_RECVRCVINFO, &one, sizeof(one)) < 0) {
		close(fd);
		return NULL;
	}
	return sock_wrap(listener->stack, fd);
}

static void sock_prefer(struct link_sock *s, const struct ip_addr *peer)
{
	struct sctp_setprim prim = {0};
	union link_sockaddr u;
	socklen_t len = sockaddr_from(&u, peer, s->stack->p->link->remote_port);

	memcpy(&prim.ssp_addr, &u, len);
	(void)option(s->fd.fd, SCTP_PRIMARY_ADDR, &prim, sizeof(prim));
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

static enum link_rx_kind notification_kind(const void *buf, size_t len)
{
	struct sctp_assoc_change change = {0};

	if (len < sizeof(change))
		return LINK_RX_OTHER;
	memcpy(&change, buf, sizeof(change));
	if (change.sac_type != SCTP_ASSOC_CHANGE)
		return LINK_RX_OTHER;
	switch (change.sac_state) {
	case SCTP_COMM_UP: return LINK_RX_UP;
	case SCTP_RESTART: return LINK_RX_RESTART;
	default: return LINK_RX_CLOSED;
	}
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
	if (n <= 0) {
		rx->kind = LINK_RX_CLOSED;
		return 0;
	}
	rx->len = (size_t)n;
	if (flags & MSG_NOTIFICATION) {
		rx->kind = notification_kind(buf, rx->len);
		return 0;
	}
	if (type != SCTP_RECVV_RCVINFO)
		return -EPROTO;
	rx->kind = LINK_RX_DATA;
	rx->stream = info.rcv_sid;
	rx->ppid = ntohl(info.rcv_ppid);
	return 0;
}

// ---- what SCTP says about itself ----------------------------------------------------------------

static void paths_read(struct link_sock *s, struct link_status *out)
{
	struct sockaddr *list = NULL;
	int n = sctp_getpaddrs(s->fd.fd, 0, &list);
	const uint8_t *pos = (const uint8_t *)list;

	for (int i = 0; i < n; i++) {
		struct sctp_paddrinfo info = {0};
		socklen_t len = sizeof(info);
		size_t size;
		struct ip_addr a = sockaddr_addr((const struct sockaddr *)(const void *)pos,
						 &out->peer_port, &size);

		if (size == 0)
			break;
		memcpy(&info.spinfo_address, pos, size);
		pos += size;
		if (out->paths < LINK_PEERS_MAX)
			out->peer[out->paths] = a;
		out->paths++;
		if (getsockopt(s->fd.fd, IPPROTO_SCTP, SCTP_GET_PEER_ADDR_INFO, &info, &len) == 0 &&
		    info.spinfo_state == SCTP_ACTIVE)
			out->paths_up++;
	}
	if (n > 0)
		(void)sctp_freepaddrs(list);
}

static int sock_status(struct link_sock *s, struct link_status *out)
{
	struct sctp_status st = {0};
	struct sctp_rtoinfo rto = {0};
	socklen_t len = sizeof(st), rlen = sizeof(rto);
	uint16_t port;
	size_t size;

	*out = (struct link_status){0};
	if (getsockopt(s->fd.fd, IPPROTO_SCTP, SCTP_STATUS, &st, &len) < 0 ||
	    getsockopt(s->fd.fd, IPPROTO_SCTP, SCTP_RTOINFO, &rto, &rlen) < 0)
		return -errno;
	paths_read(s, out);
	out->streams_in = st.sstat_instrms;
	out->streams_out = st.sstat_outstrms;
	out->rto_ms = st.sstat_primary.spinfo_rto;
	out->srtt_ms = st.sstat_primary.spinfo_srtt;
	out->rto_min_ms = rto.srto_min;
	out->rto_max_ms = rto.srto_max;
	out->primary = sockaddr_addr(
		(const struct sockaddr *)(const void *)&st.sstat_primary.spinfo_address, &port,
		&size);
	return 0;
}

const struct link_driver_ops link_kernel = {
	.name = "kernel",
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
