// The own gateway process: a socket that says that it lives and rings the bell, and the two rings
// in the mirror's file that carry the words.
//
// Order at a connection: what the predecessor left in its ring is taken first, then the ring
// towards the gateway is made anew, then one message says that both may be used, and which words
// are known here. Until then the new process keeps its hands off. The socket is for our own user
// only.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ha_ring.h"
#include "log.h"
#include "process.h"

#define DRAIN_TURN 512  // words per loop turn
#define TURN       16   // ... between two looks at the clock

static void gateway_gone(struct process *p)
{
	if (p->gateway_fd < 0)
		return;
	loop_fd_del(&p->gateway);
	close(p->gateway_fd);
	p->gateway_fd = -1;
	p->rung = p->stalled = false;
	while (gateway_drain(p, DRAIN_TURN))
		;
	bool was = p->attached;
	p->attached = false;
	if (was)
		pairing_gateway_lost(p);
}

static void drain_again(void *ctx)
{
	struct process *p = ctx;

	if (gateway_drain(p, DRAIN_TURN))
		(void)loop_defer(p->loop, drain_again, p);
	pairing_rearm(p);
	gateway_ring(p);
}

static bool words_take(struct process *p, unsigned max)
{
	struct ha_ring *r = mirror_ring_to_standby(p->mirror);
	struct ha_word w;
	uint64_t now = 0;
	// it may have found its ring full, and waits for a bell then
	bool crowded = ha_ring_room(r) < MIRROR_RING_BYTES / 2;

	for (unsigned n = 0; n < max; n++) {
		int rc = ha_ring_peek(r, &w);
		if (rc == 0)
			return false;
		if (rc < 0) {
			log_event("REDUNDANCY", LOG_L_ERR, "RING",
				  "The ring of the gateway process is damaged; all is told anew");
			ha_ring_format(r, MIRROR_RING_BYTES);
			gateway_gone(p);
			return false;
		}
		// a word that cannot be taken now stays first; pairing_writable comes back for it
		if (n % TURN == 0) {
			uint64_t ids[TURN];

			now = process_now();
			mirror_prefetch(p->mirror, ids, ha_ring_ahead(r, ids, TURN));
		}
		if (pairing_word(p, &w, now) == -EAGAIN)
			return false;
		ha_ring_next(r);
		p->rung |= crowded;
	}
	return true;
}

bool gateway_drain(struct process *p, unsigned max)
{
	bool more = words_take(p, max);

	pairing_flush(p);
	return more;
}

static void on_gateway(void *ctx, int fd, unsigned events)
{
	struct process *p = ctx;
	uint8_t bell[64];

	for (;;) {
		ssize_t n = recv(fd, bell, sizeof(bell), MSG_DONTWAIT);
		if (n > 0)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		gateway_gone(p);
		if (p->leaving)
			loop_stop(p->loop);
		return;
	}
	drain_again(p);
	// it took words from its ring, perhaps: there is room again
	if (p->stalled) {
		p->stalled = false;
		pairing_writable(p);
	}
}

static void on_connect(void *ctx, int fd, unsigned events)
{
	struct process *p = ctx;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (s < 0)
		return;
	if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len) || cred.uid != geteuid()) {
		log_event("REDUNDANCY", LOG_L_WARNING, "SOCKET",
			  "A process of another user was refused on standby.sock");
		close(s);
		return;
	}
	// The newer process counts: the old one is dead or about to be.
	gateway_gone(p);
	while (gateway_drain(p, DRAIN_TURN))
		;
	ha_ring_format(mirror_ring_to_gateway(p->mirror), MIRROR_RING_BYTES);
	p->gateway_fd = s;
	uint8_t ready[1 + sizeof(uint32_t)] = {'r'};
	const uint32_t release = ha_words_release();
	memcpy(ready + 1, &release, sizeof(release));
	if (loop_fd_add(&p->gateway, p->loop, "gateway process", s, LOOP_READ, on_gateway, p) ||
	    send(s, ready, sizeof(ready), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(ready))
		gateway_gone(p);
}

int gateway_tell(struct process *p, const struct ha_word *w)
{
	if (p->gateway_fd < 0 || !p->attached)
		return -ENOTCONN;
	int rc = ha_ring_put(mirror_ring_to_gateway(p->mirror), w);
	if (rc == -ENOSPC) {
		p->stalled = true;
		gateway_ring(p);
		return -EAGAIN;
	}
	if (rc == 0)
		p->rung = true;
	return rc;
}

static void bell(void *ctx)
{
	struct process *p = ctx;

	p->ringing = p->rung = false;
	// a full socket means that it has enough bells to wake up by
	if (p->gateway_fd >= 0)
		(void)!send(p->gateway_fd, "b", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Behind what is under way: one bell for all words of many messages, or it would be woken up for
// each, and we put off.
void gateway_ring(struct process *p)
{
	if ((!p->rung && !p->stalled) || p->ringing)
		return;
	p->ringing = loop_defer(p->loop, bell, p) == 0;
	if (!p->ringing)
		bell(p);
}

int gateway_port_open(struct process *p, struct err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	p->gateway_fd = p->listen_fd = -1;
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/standby.sock", p->rundir);
	if (n >= (int)sizeof(sun.sun_path))
		return err_set(err, -ENAMETOOLONG, "The path %s is too long for a socket in it",
			       p->rundir);
	(void)unlink(sun.sun_path);
	p->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(077);
	int rc = p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&sun, sizeof(sun)) ||
		 listen(p->listen_fd, 4);
	int why = errno;
	umask(old);
	if (rc)
		return err_set(err, -why, "Cannot listen on %s: %s", sun.sun_path, strerror(why));
	return loop_fd_add(&p->listener, p->loop, "standby.sock", p->listen_fd, LOOP_READ,
			   on_connect, p);
}

void gateway_port_close(struct process *p)
{
	char path[256];

	gateway_gone(p);
	if (p->listen_fd < 0)
		return;
	loop_fd_del(&p->listener);
	close(p->listen_fd);
	p->listen_fd = -1;
	snprintf(path, sizeof(path), "%s/standby.sock", p->rundir);
	(void)unlink(path);
}
