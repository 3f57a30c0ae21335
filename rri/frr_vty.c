// The command socket of an FRR daemon: queue, framing, back-pressure.
#include "frr_vty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WINDOW     128  // commands under way with FRR_PIPE
#define ANSWER_MAX (32u << 20)
#define READ_TURN  8  // buffers read per loop turn

struct frr_command {
	TAILQ_ENTRY(frr_command) link;
	uint64_t id;
	unsigned flags;
	size_t len;  // with NUL
	char text[];
};

void frr_vty_init(struct frr_vty *v, struct loop *loop, const struct frr_vty_ops *ops)
{
	*v = (struct frr_vty){.loop = loop, .ops = *ops};
	v->fd.fd = -1;
	TAILQ_INIT(&v->queue);
	TAILQ_INIT(&v->sent);
}

static void commands_free(struct frr_commands *list)
{
	struct frr_command *c;
	while ((c = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, c, link);
		free(c);
	}
}

void frr_vty_close(struct frr_vty *v)
{
	if (!v->open)
		return;
	int fd = v->fd.fd;
	loop_fd_del(&v->fd);
	close(fd);
	commands_free(&v->queue);
	commands_free(&v->sent);
	free(v->in);
	free(v->out);
	struct frr_vty_ops ops = v->ops;
	frr_vty_init(v, v->loop, &ops);
}

static void fail(struct frr_vty *v)
{
	frr_vty_close(v);
	v->ops.gone(v->ops.ctx, v);
}

static int reserve(char **buf, size_t *cap, size_t need)
{
	if (need <= *cap)
		return 0;
	size_t grown = *cap ? *cap : 4096;
	while (grown < need)
		grown *= 2;
	char *p = realloc(*buf, grown);
	if (!p)
		return -ENOMEM;
	*buf = p;
	*cap = grown;
	return 0;
}

// ---- out -------------------------------------------------------------------------------------
static bool may_send(const struct frr_vty *v, const struct frr_command *c)
{
	const struct frr_command *last = TAILQ_LAST(&v->sent, frr_commands);
	return !last ||
	       ((c->flags & FRR_PIPE) && (last->flags & FRR_PIPE) && v->outstanding < WINDOW);
}

// 0 or -errno. What may go out goes into the buffer, what the socket takes leaves it.
static int push(struct frr_vty *v)
{
	struct frr_command *c;

	while ((c = TAILQ_FIRST(&v->queue)) && may_send(v, c)) {
		TAILQ_REMOVE(&v->queue, c, link);
		if (v->skipping && (c->flags & FRR_BODY)) {
			v->ops.answer(v->ops.ctx, v, c->id, -1, "");
			free(c);
			continue;
		}
		v->skipping = false;
		if (reserve(&v->out, &v->out_cap, v->out_len + c->len)) {
			free(c);
			return -ENOMEM;
		}
		memcpy(v->out + v->out_len, c->text, c->len);
		v->out_len += c->len;
		TAILQ_INSERT_TAIL(&v->sent, c, link);
		v->outstanding++;
	}
	while (v->out_at < v->out_len) {
		ssize_t n = send(v->fd.fd, v->out + v->out_at, v->out_len - v->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return -errno;
		v->out_at += (size_t)n;
	}
	bool left = v->out_at < v->out_len;
	if (!left)
		v->out_at = v->out_len = 0;
	v->writing = left;
	return loop_fd_events(&v->fd, LOOP_READ | (left ? LOOP_WRITE : 0));
}

int frr_vty_send(struct frr_vty *v, const char *command, uint64_t id, unsigned flags)
{
	size_t len = strlen(command) + 1;
	struct frr_command *c = v->open ? malloc(sizeof(*c) + len) : NULL;
	if (!c)
		return v->open ? -ENOMEM : -ENOTCONN;
	c->id = id;
	c->flags = flags;
	c->len = len;
	memcpy(c->text, command, len);
	TAILQ_INSERT_TAIL(&v->queue, c, link);
	// goes out when the loop finds the socket writable: never recursion, never gone() in here
	if (v->writing)
		return 0;
	v->writing = true;
	return loop_fd_events(&v->fd, LOOP_READ | LOOP_WRITE);
}

bool frr_vty_idle(const struct frr_vty *v)
{
	return TAILQ_EMPTY(&v->queue) && TAILQ_EMPTY(&v->sent);
}

// ---- in --------------------------------------------------------------------------------------
// Takes whole answers from the buffer. 0 or -errno (an answer nobody asked for).
static int answers_take(struct frr_vty *v)
{
	size_t at = 0;
	int rc = 0;

	while (at < v->in_len && !rc) {
		const char *nul = memchr(v->in + at, 0, v->in_len - at);
		if (!nul || v->in_len - (size_t)(nul - v->in) < 4)
			break;
		struct frr_command *c = TAILQ_FIRST(&v->sent);
		if (!c || nul[1] || nul[2]) {
			rc = -EBADMSG;
			break;
		}
		int status = (unsigned char)nul[3];
		TAILQ_REMOVE(&v->sent, c, link);
		v->outstanding--;
		if (c->flags & FRR_HEADER)
			v->skipping = status != 0;
		v->ops.answer(v->ops.ctx, v, c->id, status, v->in + at);
		free(c);
		at = (size_t)(nul - v->in) + 4;
	}
	memmove(v->in, v->in + at, v->in_len - at);
	v->in_len -= at;
	return rc;
}

static void ready(void *ctx, int fd, unsigned events)
{
	struct frr_vty *v = ctx;
	int rc = 0;

	for (int i = 0; i < READ_TURN && !rc; i++) {
		if (v->in_len > ANSWER_MAX || reserve(&v->in, &v->in_cap, v->in_len + 65536)) {
			rc = -ENOMEM;
			break;
		}
		ssize_t n = recv(fd, v->in + v->in_len, v->in_cap - v->in_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			rc = -ECONNRESET;
			break;
		}
		v->in_len += (size_t)n;
		rc = answers_take(v);
	}
	if (!rc)
		rc = push(v);
	if (rc)
		fail(v);
}

int frr_vty_open(struct frr_vty *v, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	// a full backlog (EAGAIN) counts as absent: the caller tries again later
	int rc = connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
	if (!rc)
		rc = loop_fd_add(&v->fd, v->loop, "FRR", fd, LOOP_READ, ready, v);
	if (rc) {
		close(fd);
		v->fd.fd = -1;
		return rc;
	}
	v->open = true;
	return 0;
}
