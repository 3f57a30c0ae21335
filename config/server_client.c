// A client of the command socket: its buffers, its requests one after the other, what runs.
//
// A client that does not read fills its buffer; it is dropped when that is full, or when it has
// taken nothing for half a minute (server.c). Long handlers wait for the buffer to drain
// (CLI_MORE).
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "secret.h"
#include "server_private.h"

#define BUFFER_SOFT   (64u << 10)  // CLI_MORE waits above this
#define BUFFER_MAX    (4u << 20)   // and the client is dropped above this
#define POLL_MS       5            // a handler that waits for a helper is asked again after this
#define REQUESTS_TURN 16           // lines of one client per loop turn

struct log_ratelimit cli_server_limit = LOG_RATELIMIT(3);

void client_free(struct client *c)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (c->server->client[i] == c)
			c->server->client[i] = NULL;
	}
	c->dead = true;  // what the session still prints goes nowhere
	session_destroy(c->session);
	loop_timer_fini(&c->timer);
	loop_fd_del(&c->fd);
	close(c->sock);
	if (c->out != NULL)
		secret_wipe(c->out, c->out_cap);
	free(c->out);
	secret_wipe(c->in, sizeof(c->in));
	free(c);
}

void client_drop(struct client *c, const char *why)
{
	if (c->dead)
		return;
	c->dead = true;
	if (why != NULL)
		log_event_limited(&cli_server_limit, "CLI", LOG_L_WARNING, "CLIENT_DROPPED",
				  "Command client (%s) dropped: %s", cli_peer_name(c->session),
				  why);
}

// Room for len more bytes, or the client is dropped.
static bool out_reserve(struct client *c, size_t len)
{
	if (c->dead)
		return false;
	if (c->out_sent > 0 && c->out_sent == c->out_len)
		c->out_sent = c->out_len = 0;
	if (c->out_len + len <= c->out_cap)
		return true;
	size_t cap = c->out_cap == 0 ? 8192 : c->out_cap * 2;
	while (cap < c->out_len + len)
		cap *= 2;
	char *grown = cap <= BUFFER_MAX ? malloc(cap) : NULL;
	if (grown == NULL) {
		client_drop(c, "it does not read its output");
		return false;
	}
	if (c->out != NULL) {
		memcpy(grown, c->out + c->out_sent, c->out_len - c->out_sent);
		secret_wipe(c->out, c->out_cap);
		free(c->out);
	}
	c->out_len -= c->out_sent;
	c->out_sent = 0;
	c->out = grown;
	c->out_cap = cap;
	return true;
}

static void out_frame(struct client *c, char tag, const char *text, size_t len)
{
	if (!out_reserve(c, len + 2))
		return;
	if (c->out_len == c->out_sent)
		c->progress_ms = loop_now_ms(c->server->loop);
	c->out[c->out_len++] = tag;
	memcpy(c->out + c->out_len, text, len);
	c->out_len += len;
	c->out[c->out_len++] = '\n';
}

static void sink_line(void *ctx, const char *text, size_t len)
{
	struct client *c = ctx;
	out_frame(c, 'O', text, len);
	// A monitored log line comes from outside this client's own callback: have it sent.
	if (!c->dead && !c->running && !c->closing)
		loop_fd_events(&c->fd, LOOP_READ | LOOP_WRITE);
}

static void sink_part(void *ctx, const char *text, size_t len)
{
	out_frame(ctx, 'P', text, len);
}

static void sink_error(void *ctx, const char *text)
{
	out_frame(ctx, 'E', text, strlen(text));
}

static void sink_caret(void *ctx, unsigned column)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", column);
	out_frame(ctx, 'A', text, (size_t)n);
}

static bool sink_full(void *ctx)
{
	const struct client *c = ctx;
	return c->out_len - c->out_sent >= BUFFER_SOFT;
}

static void request_done(struct client *c)
{
	char text[256], prompt[96];

	c->running = false;
	c->closing |= c->session->closing;
	session_prompt(c->session, prompt, sizeof(prompt));
	// No prompt: there will be no further reply.
	int n = snprintf(text, sizeof(text), "%d %u %s", c->session->status,
			 c->session->terminal_length, c->closing ? "" : prompt);
	out_frame(c, 'R', text, (size_t)n);
}

static void request_run(struct client *c, const char *line, size_t len)
{
	char verb = len > 0 ? line[0] : '\0';

	if (verb != '\0') {
		line++;
		len--;
	}
	switch (verb) {
	case 'X':
	case 'J':
		c->running = true;
		if (session_execute(c->session, line, len, verb == 'J') == CLI_DONE)
			request_done(c);
		return;
	case 'H':
	case 'T':
		session_help(c->session, line, len, verb == 'T');
		request_done(c);
		return;
	case 'I': return;  // nothing runs
	default: client_drop(c, "it does not speak the protocol of the command socket");
	}
}

static void out_send(struct client *c)
{
	while (!c->dead && c->out_sent < c->out_len) {
		ssize_t n = send(c->sock, c->out + c->out_sent, c->out_len - c->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			client_drop(c, NULL);  // it went away
		if (n <= 0)
			break;
		c->out_sent += (size_t)n;
		c->progress_ms = loop_now_ms(c->server->loop);
	}
	if (c->closing && c->out_sent == c->out_len)
		client_drop(c, NULL);
}

// While a command runs only an interrupt is looked at; other requests wait in the buffer.
static bool take_interrupt(struct client *c)
{
	if (c->in_len < 2 || c->in[0] != 'I' || c->in[1] != '\n')
		return false;
	c->in_len -= 2;
	memmove(c->in, c->in + 2, c->in_len);
	session_interrupt(c->session);
	request_done(c);
	return true;
}

static void requests_run(struct client *c)
{
	for (int i = 0; i < REQUESTS_TURN && !c->dead && !c->closing && !c->running; i++) {
		char *nl = memchr(c->in, '\n', c->in_len);
		if (nl == NULL && c->in_len < REQUEST_MAX)
			return;
		size_t len = nl != NULL ? (size_t)(nl - c->in) : c->in_len;
		size_t used = nl != NULL ? len + 1 : len;
		bool skip = c->skipping;
		// Without a newline this is the head of an overlong line: answered once, the
		// rest of it thrown away.
		c->skipping = nl == NULL;
		if (!skip)
			request_run(c, c->in, len);
		c->in_len -= used;
		memmove(c->in, c->in + used, c->in_len);
	}
}

// After anything happened: go on, send, decide what to wait for, or die.
static void client_turn(struct client *c)
{
	if (c->running && !c->dead && !take_interrupt(c) &&
	    session_continue(c->session) == CLI_DONE)
		request_done(c);
	if (!c->dead)
		requests_run(c);
	bool more = c->running || memchr(c->in, '\n', c->in_len) != NULL;
	c->closing |= c->eof && !more;
	out_send(c);
	if (c->dead) {
		client_free(c);
		return;
	}
	bool pending = c->out_sent < c->out_len;
	if (more && !(pending && sink_full(c)))
		loop_timer_start(&c->timer, c->running && !pending ? POLL_MS : 0);
	loop_fd_events(&c->fd, (c->in_len < REQUEST_MAX && !c->closing && !c->eof ? LOOP_READ : 0) |
				       (pending ? LOOP_WRITE : 0));
}

static void client_timer(void *ctx, uint64_t now_ms)
{
	(void)now_ms;
	client_turn(ctx);
}

static void client_event(void *ctx, int fd, unsigned events)
{
	struct client *c = ctx;

	(void)fd;
	if ((events & LOOP_READ) != 0) {
		ssize_t n = recv(c->sock, c->in + c->in_len, REQUEST_MAX - c->in_len, MSG_DONTWAIT);
		if (n > 0)
			c->in_len += (size_t)n;
		else if (n == 0)
			c->eof = true;
		else if (errno != EAGAIN && errno != EINTR)
			client_drop(c, NULL);
	}
	client_turn(c);
}

// ---- beginning -------------------------------------------------------------------------------
static bool in_group_tandem(int sock, gid_t gid)
{
	const struct group *g = getgrnam("tandem");
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (g == NULL)
		return false;
	if (g->gr_gid == gid)
		return true;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++) {
		if (groups[i] == g->gr_gid)
			return true;
	}
	return false;
}

struct client *client_create(struct cli_server *s, int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char name[64];
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL || getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
		free(c);
		return NULL;
	}
	const struct session_sink sink = {sink_line, sink_error, sink_caret,
					  sink_part, sink_full,  c};
	bool owner = peer.uid == 0 || peer.uid == geteuid();
	snprintf(name, sizeof(name), "uid %u", (unsigned)peer.uid);
	c->server = s;
	c->sock = sock;
	c->progress_ms = loop_now_ms(s->loop);
	c->session = session_create(&sink, owner || in_group_tandem(sock, peer.gid), name);
	if (c->session == NULL) {
		free(c);
		return NULL;
	}
	c->session->owner = owner;
	loop_timer_init(&c->timer, s->loop, "cli client", client_timer, c);
	if (loop_fd_add(&c->fd, s->loop, "cli client", sock, LOOP_READ, client_event, c) != 0) {
		session_destroy(c->session);
		free(c);
		return NULL;
	}
	return c;
}

void client_greet(struct client *c)
{
	request_done(c);
	client_turn(c);
}
