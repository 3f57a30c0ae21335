// The standby process, seen from the daemon: starting it, finding it again, and the words between.
//
// It is started when stateful redundancy is configured and nobody listens on standby.sock, and
// again whenever it ends; it survives us. At an attachment its first message says that the rings
// are ours; the restart number in the mirror is raised before anything else, once per life of this
// process (ha-protocol rule 4).

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ha_ring.h"
#include "log.h"
#include "mirror.h"
#include "redundancy.h"

#define RETRY_FIRST_MS 10
#define RETRY_MAX_MS   1000
#define FOREIGN_END_MS 2000  // until then one of another release may answer once more
#define TURN_WORDS     256   // taken per loop turn,
#define TURN_US        2000  // and so long at most; then others have their turn:
#define TURN_PAUSE_MS  1     // the standby process, if it shares our processor, is one of them

extern char **environ;

static struct {
	struct loop_timer retry, more;
	struct loop_fd socket;
	int fd;
	bool running, ready, restarted, rung, stalled, draining;
	uint32_t retry_ms;
	pid_t child;
	struct mirror *mirror;
} port = {.fd = -1};

struct mirror *redundancy_mirror(void)
{
	return port.ready ? port.mirror : NULL;
}

bool redundancy_port_running(void)
{
	return port.ready;
}

// ---- the process ------------------------------------------------------------------------------
// Beside our own program, where it is installed; or where a build directory has it.
static bool program_find(char *path, size_t cap)
{
	static const char *const where[] = {"tandem-standby", "../standby/tandem-standby"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = '\0';
	for (unsigned i = 0; i < 2; i++) {
		int len = snprintf(path, cap, "%s/%s", self, where[i]);
		if (len > 0 && (size_t)len < cap && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static void process_start(struct gateway *g)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	char path[PATH_MAX], option[] = "-r";
	char *argv[] = {path, option, (char *)g->rundir, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;

	if (!program_find(path, sizeof(path))) {
		log_event_limited(&rl, "REDUNDANCY", LOG_L_ERR, "PROCESS",
				  "The program tandem-standby is not there");
		return;
	}
	posix_spawn_file_actions_init(&actions);
	// taps, ports and sockets of ours must not live on in it
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	int rc = posix_spawn(&port.child, path, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (rc) {
		port.child = 0;
		log_event_limited(&rl, "REDUNDANCY", LOG_L_ERR, "PROCESS", "Cannot start %s: %s",
				  path, strerror(rc));
	}
}

static void on_child(void *ctx, int signo)
{
	int status;

	if (port.child && waitpid(port.child, &status, WNOHANG) == port.child)
		port.child = 0;
}

// ---- words ------------------------------------------------------------------------------------
static void bell(void *ctx)
{
	port.rung = false;
	if (port.fd >= 0)
		(void)!send(port.fd, "b", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// One bell for all words of a turn.
static void bell_soon(struct gateway *g)
{
	if (port.rung)
		return;
	if (loop_defer(g->loop, bell, NULL) == 0)
		port.rung = true;
	else
		bell(NULL);
}

int redundancy_tell(const struct ha_word *w)
{
	if (!port.ready)
		return -ENOTCONN;
	int rc = ha_ring_put(mirror_ring_to_standby(port.mirror), w);
	if (rc == 0 && redundancy_debugging())
		redundancy_debug_word(w, true);
	if (rc == -ENOSPC) {
		port.stalled = true;
		rc = -EAGAIN;
	}
	bell_soon(&gateway);
	return rc;
}

static void port_lost(struct gateway *g, const char *why)
{
	if (port.fd >= 0) {
		loop_fd_del(&port.socket);
		close(port.fd);
		port.fd = -1;
	}
	bool was = port.ready;
	port.ready = port.stalled = false;
	if (was) {
		log_event("REDUNDANCY", LOG_L_WARNING, "PROCESS", "%s", why);
		redundancy_attached(g, false, false);  // looks at the role in the mirror
	}
	mirror_close(port.mirror);
	port.mirror = NULL;
	if (port.running)
		loop_timer_start(&port.retry, port.retry_ms);
}

static void drain(void *ctx);

static void drain_more(void *ctx, uint64_t now_ms)
{
	drain(ctx);
}

static void drain(void *ctx)
{
	struct gateway *g = ctx;
	struct ha_word w;

	port.draining = false;
	if (!port.ready)
		return;
	struct ha_ring *r = mirror_ring_to_gateway(port.mirror);
	uint64_t until = loop_clock_us() + TURN_US;
	bool more = true;
	unsigned n;
	for (n = 0; n < TURN_WORDS && (n % 8 || loop_clock_us() < until); n++) {
		int rc = ha_ring_peek(r, &w);
		if (rc < 0) {
			port_lost(
				g,
				"The ring of the standby process is damaged; it is attached anew");
			return;
		}
		more = rc > 0;
		if (!more)
			break;
		redundancy_word(g, &w);
		if (!port.ready)  // the word made us let go
			return;
		ha_ring_next(r);
	}
	if (n)
		bell_soon(g);  // there is room again in it
	port.draining = more;
	if (more && (loop_clock_us() >= until || loop_defer(g->loop, drain, g)))
		loop_timer_start(&port.more, TURN_PAUSE_MS);
	redundancy_rearm(g);
}

static void attach(struct gateway *g)
{
	struct err err = {0};
	char path[256];
	bool first = !port.restarted;

	snprintf(path, sizeof(path), "%s/mirror", g->rundir);
	port.mirror = mirror_join(path, &err);
	if (!port.mirror) {
		log_event("REDUNDANCY", LOG_L_ERR, "MIRROR", "%s", err.msg);
		port_lost(g, "");
		return;
	}
	if (first && mirror_restart_add(port.mirror)) {
		// The numbers that keep IVs apart are used up: this mirror must not be gone on
		// with.
		log_event(
			"REDUNDANCY", LOG_L_ERR, "RESTARTS",
			"Restarted too often to go on with the SAs of before; they are made anew");
		struct ha_word w = {.type = HA_LEAVE};
		(void)ha_ring_put(mirror_ring_to_standby(port.mirror), &w);
		port_lost(g, "");
		return;
	}
	port.restarted = true;
	port.ready = true;
	port.retry_ms = RETRY_FIRST_MS;
	redundancy_attached(g, true, first);
}

// The software was changed under one of the two. The standby process is asked to end: the next one
// goes on with the mirror, as after a crash. Once only: should this process be the old one, nothing
// helps but to start it anew.
static void port_foreign(struct gateway *g)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	static uint64_t ended_ms;
	uint64_t now = loop_now_ms(g->loop);
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	if (!ended_ms && getsockopt(port.fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	    cred.pid > 0 && kill(cred.pid, SIGTERM) == 0) {
		ended_ms = now;
		log_event("REDUNDANCY", LOG_L_NOTICE, "RELEASE",
			  "The standby process is of another release than this one: it is ended, "
			  "to be started anew");
	} else if (!ended_ms || now > ended_ms + FOREIGN_END_MS) {
		port.retry_ms = RETRY_MAX_MS;
		log_event_limited(&rl, "REDUNDANCY", LOG_L_ERR, "RELEASE",
				  "The standby process is of another release than this one, there "
				  "is no stateful redundancy: restart tandemd and tandem-standby");
	}
	port_lost(g, "");
}

static bool ready_is_ours(const char *bytes, size_t len)
{
	uint32_t release;

	if (len != 1 + sizeof(release))
		return false;
	memcpy(&release, bytes + 1, sizeof(release));
	return release == ha_words_release();
}

static void room_found(void *ctx)
{
	if (!port.ready || !port.stalled)
		return;
	port.stalled = false;
	redundancy_writable(ctx);
}

static void on_socket(void *ctx, int fd, unsigned events)
{
	struct gateway *g = ctx;
	char bells[64];

	for (;;) {
		ssize_t n = recv(fd, bells, sizeof(bells), MSG_DONTWAIT);
		if (n > 0) {
			if (!port.ready && bells[0] == 'r' && !ready_is_ours(bells, (size_t)n))
				port_foreign(g);
			else if (!port.ready && bells[0] == 'r')
				attach(g);
			if (port.fd < 0)
				return;
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		port_lost(g, "The standby process has ended; it is started again");
		return;
	}
	if (!port.draining)
		drain(g);
	// in a turn of its own: what was taken may have used up this one's time
	if (port.ready && port.stalled && loop_defer(g->loop, room_found, g))
		room_found(g);
}

// ---- finding it -------------------------------------------------------------------------------
static void try_connect(void *ctx, uint64_t now_ms)
{
	struct gateway *g = ctx;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/standby.sock", g->rundir);
	port.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port.fd >= 0 && connect(port.fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    loop_fd_add(&port.socket, g->loop, "standby process", port.fd, LOOP_READ, on_socket,
			g) == 0)
		return;
	if (port.fd >= 0)
		close(port.fd);
	port.fd = -1;
	if (g->standby_process && port.child == 0)
		process_start(g);
	port.retry_ms = port.retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : port.retry_ms * 2;
	loop_timer_start(&port.retry, port.retry_ms);
}

int redundancy_port_start(struct gateway *g, struct err *err)
{
	static bool handler;

	if (port.running)
		return 0;
	if (!handler && loop_signal(g->loop, SIGCHLD, on_child, g))
		return err_set(err, -EIO, "Cannot take signals");
	handler = true;
	loop_timer_init(&port.retry, g->loop, "standby process", try_connect, g);
	loop_timer_init(&port.more, g->loop, "words", drain_more, g);
	port.running = true;
	port.retry_ms = RETRY_FIRST_MS;
	try_connect(g, 0);
	return 0;
}

void redundancy_port_stop(struct gateway *g, bool leave)
{
	if (!port.running)
		return;
	port.running = false;
	if (port.ready && leave) {
		struct ha_word w = {.type = HA_LEAVE};
		(void)ha_ring_put(mirror_ring_to_standby(port.mirror), &w);
		bell(NULL);
	}
	port.ready = false;  // no more words: whoever hears of the loss need not answer
	port_lost(g, "");
	loop_timer_fini(&port.retry);
	loop_timer_fini(&port.more);
}
