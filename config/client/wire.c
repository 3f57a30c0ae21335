// Blocking socket input and output of the client; an interrupt (Ctrl-C) is passed on to the daemon.
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

volatile int wire_interrupted;

int wire_open(struct wire *w, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	*w = (struct wire){.fd = -1};
	if (strlen(path) >= sizeof(sun.sun_path)) {
		fprintf(stderr, "tandem: %s: the path of the socket is too long\n", path);
		return -ENAMETOOLONG;
	}
	strcpy(sun.sun_path, path);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || connect(w->fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		int rc = -errno;
		fprintf(stderr, "tandem: %s: %s%s\n", path, strerror(-rc),
			rc == -ENOENT || rc == -ECONNREFUSED ? " (is tandemd running?)" : "");
		wire_close(w);
		return rc;
	}
	return 0;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->buf != NULL)
		explicit_bzero(w->buf, w->cap);
	free(w->buf);
	*w = (struct wire){.fd = -1};
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_send(struct wire *w, char verb, const char *text)
{
	size_t len = strcspn(text, "\n");
	char *line = malloc(len + 2);

	if (line == NULL)
		return -ENOMEM;
	line[0] = verb;
	memcpy(line + 1, text, len);
	line[len + 1] = '\n';
	int rc = send_all(w->fd, line, len + 2);
	explicit_bzero(line, len + 2);
	free(line);
	return rc;
}

// More bytes into the buffer. 1, 0 at the end, -errno.
static int fill(struct wire *w, bool block)
{
	if (w->len == w->cap) {
		size_t cap = w->cap == 0 ? 65536 : w->cap * 2;
		char *grown = realloc(w->buf, cap);
		if (grown == NULL)
			return -ENOMEM;
		w->buf = grown;
		w->cap = cap;
	}
	for (;;) {
		// Looked at before the call, too: while output pours in, no call is ever
		// interrupted.
		if (block && wire_interrupted) {
			wire_interrupted = 0;
			send_all(w->fd, "I\n", 2);
		}
		ssize_t n = recv(w->fd, w->buf + w->len, w->cap - w->len, block ? 0 : MSG_DONTWAIT);
		if (n >= 0) {
			w->len += (size_t)n;
			return n > 0;
		}
		if (errno != EINTR)
			return -errno;
	}
}

char *wire_frame(struct wire *w, bool block, bool *idle)
{
	static char *frame;  // the last one handed out
	char *nl;

	if (idle != NULL)
		*idle = false;
	while ((nl = w->len > 0 ? memchr(w->buf, '\n', w->len) : NULL) == NULL) {
		int rc = fill(w, block);
		if (rc == -EAGAIN && idle != NULL)
			*idle = true;
		if (rc <= 0)
			return NULL;
	}
	size_t len = (size_t)(nl - w->buf);
	char *copy = realloc(frame, len + 1);
	if (copy == NULL)
		return NULL;
	frame = copy;
	memcpy(frame, w->buf, len);
	frame[len] = '\0';
	w->len -= len + 1;
	memmove(w->buf, nl + 1, w->len);
	return frame;
}
