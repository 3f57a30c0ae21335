// The command socket: a UNIX stream socket, one session per client, nothing that blocks.
//
// Client to daemon, one request per line:   X text = run, J text = run and answer in JSON,
//   H text = help for `?`, T text = completion, I = interrupt what runs.
// Daemon to client, one frame per line:     O text = output line, P text = output without line end,
//   E text = error sentence, A column = the caret before it,
//   R status length prompt = the request is finished, ready for the next one.
// A client that does not read fills its buffer; it is dropped when that is full, or when it has
// taken nothing for half a minute. Long handlers wait for the buffer to drain (CLI_MORE).
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "log.h"
#include "loop.h"
#include "secret.h"
#include "session.h"

#define CLIENTS_MAX   64
#define BUFFER_SOFT   (64u << 10)  // CLI_MORE waits above this
#define BUFFER_MAX    (4u << 20)   // and the client is dropped above this
#define REQUEST_MAX   (LEX_LINE_MAX + 64)
#define STALL_MS      30000
#define POLL_MS       5   // a handler that waits for a helper is asked again after this
#define REQUESTS_TURN 16  // lines of one client per loop turn

struct client {
	struct cli_server *server;
	struct cli *session;
	struct loop_fd fd;
	struct loop_timer timer;  // goes on with CLI_MORE, and with more requests in `in`
	int sock;
	bool closing;  // no more requests; close when the buffer is empty
	bool eof;      // it sends no more; what it sent is still answered
	bool running;  // a request is not finished
	char in[REQUEST_MAX + 1];
	size_t in_len;
	bool skipping;  // an overlong line is being thrown away
	char *out;      // pending output; owned
	size_t out_len, out_sent, out_cap;
	uint64_t progress_ms;  // last time the client took something
	bool dead;             // dropped; freed at the end of the callback
};

struct cli_server {
	struct loop *loop;
	struct loop_fd fd;
	struct loop_timer sweep;
	int sock;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client *client[CLIENTS_MAX];
};

static struct log_ratelimit limit = LOG_RATELIMIT(3);

static void client_free(struct client *c)
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

static void client_drop(struct client *c, const char *why)
{
	if (c->dead)
		return;
	c->dead = true;
	if (why != NULL)
		log_event_limited(&limit, "CLI", LOG_L_WARNING, "CLIENT_DROPPED",
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

// ---- accepting -----------------------------------------------------------------------------

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

static struct client *client_create(struct cli_server *s, int sock)
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

static void server_accept(void *ctx, int fd, unsigned events)
{
	struct cli_server *s = ctx;
	static const char full[] = "Etoo many command sessions\nR -11 0 \n";
	size_t slot = 0;

	(void)fd;
	(void)events;
	int sock = accept4(s->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0)
		return;
	while (slot < CLIENTS_MAX && s->client[slot] != NULL)
		slot++;
	struct client *c = slot < CLIENTS_MAX ? client_create(s, sock) : NULL;
	if (c == NULL) {
		if (send(sock, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			log_debug(DEBUG_CLI, "a refused client did not wait for the reason");
		close(sock);
		log_event_limited(&limit, "CLI", LOG_L_WARNING, "SESSIONS",
				  "Command session refused: %d are open", CLIENTS_MAX);
		return;
	}
	s->client[slot] = c;
	request_done(c);  // the greeting is the first prompt
	client_turn(c);
}

// Drops clients that took nothing of their output for too long, and buries those that were dropped
// while a log line was shown to them.
static void server_sweep(void *ctx, uint64_t now_ms)
{
	struct cli_server *s = ctx;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = s->client[i];
		if (c == NULL)
			continue;
		if (c->out_sent < c->out_len && now_ms - c->progress_ms >= STALL_MS)
			client_drop(c, "it does not read its output");
		if (c->dead)
			client_free(c);
	}
}

// A socket file nobody listens behind is left over from a crash.
static int socket_claim(const struct sockaddr_un *sun, struct err *err)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return err_set(err, -errno, "%s: %s", sun->sun_path, strerror(errno));
	int rc = connect(probe, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ? 0 : errno;
	close(probe);
	if (rc == 0 || rc == EAGAIN)
		return err_set(err, -EADDRINUSE,
			       "%s: another tandemd is running there (use another -r RUNDIR)",
			       sun->sun_path);
	struct stat st;
	if (lstat(sun->sun_path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s: exists and is not a socket", sun->sun_path);
	return unlink(sun->sun_path) == 0
		       ? 0
		       : err_set(err, -errno, "%s: %s", sun->sun_path, strerror(errno));
}

static int server_listen(struct cli_server *s, struct err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	memcpy(sun.sun_path, s->path, sizeof(sun.sun_path));
	int rc = socket_claim(&sun, err);
	if (rc != 0)
		return rc;
	s->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	// The file exists with the final mode from its first moment on.
	mode_t old = umask(0117);
	if (s->sock < 0 || bind(s->sock, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(s->sock, 16) != 0)
		rc = err_set(err, -errno, "%s: %s", s->path, strerror(errno));
	umask(old);
	if (rc != 0)
		return rc;
	const struct group *g = getgrnam("tandem");
	if (g != NULL && chown(s->path, (uid_t)-1, g->gr_gid) != 0)
		log_event("CLI", LOG_L_WARNING, "SOCKET_GROUP",
			  "%s: cannot give the socket to the group tandem: %s", s->path,
			  strerror(errno));
	return 0;
}

struct cli_server *cli_server_create(struct loop *loop, const char *path, struct err *err)
{
	struct cli_server *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		err_set(err, -ENOMEM, "no memory for the command socket");
		return NULL;
	}
	s->loop = loop;
	s->sock = -1;
	int rc = 0;
	if (snprintf(s->path, sizeof(s->path), "%s", path) >= (int)sizeof(s->path))
		rc = err_set(err, -ENAMETOOLONG, "%s: the path of a socket is at most %zu bytes",
			     path, sizeof(s->path) - 1);
	if (rc == 0)
		rc = server_listen(s, err);
	if (rc == 0 &&
	    loop_fd_add(&s->fd, loop, "cli socket", s->sock, LOOP_READ, server_accept, s) != 0)
		rc = err_set(err, -ENOMEM, "%s: no memory", path);
	if (rc != 0) {
		if (s->sock >= 0)
			close(s->sock);
		free(s);
		errno = -rc;
		return NULL;
	}
	loop_timer_init(&s->sweep, loop, "cli sweep", server_sweep, s);
	loop_timer_repeat(&s->sweep, 5000);
	return s;
}

void cli_server_destroy(struct cli_server *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (s->client[i] != NULL)
			client_free(s->client[i]);
	}
	loop_timer_fini(&s->sweep);
	loop_fd_del(&s->fd);
	close(s->sock);
	unlink(s->path);
	free(s);
}
