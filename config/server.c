// The command socket: a UNIX stream socket, one session per client, nothing that blocks.
//
// Client to daemon, one request per line:   X text = run, J text = run and answer in JSON,
//   H text = help for `?`, T text = completion, I = interrupt what runs.
// Daemon to client, one frame per line:     O text = output line, P text = output without line end,
//   E text = error sentence, A column = the caret before it,
//   R status length prompt = the request is finished, ready for the next one.
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server_private.h"

#define STALL_MS 30000

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
		log_event_limited(&cli_server_limit, "CLI", LOG_L_WARNING, "SESSIONS",
				  "Command session refused: %d are open", CLIENTS_MAX);
		return;
	}
	s->client[slot] = c;
	client_greet(c);
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
