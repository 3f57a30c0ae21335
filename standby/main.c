// tandem-standby: keeps the SA mirror of this box, and replicates it with the other one.
//
// Started by tandemd, or as a unit of its own. It outlives a crash of tandemd: then it answers for
// the SAs until tandemd is back and takes them from it. An orderly end of tandemd ends it too, and
// the mirror with it. It may crash itself: everything it needs is in the mirror.

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "realtime.h"
#include "secret.h"

#define RUNDIR_DEFAULT "/run/tandem"

struct process process = {
	.rundir = RUNDIR_DEFAULT,
	.lock_fd = -1,
	.listen_fd = -1,
	.gateway_fd = -1,
};

static void usage(FILE *to)
{
	fprintf(to, "usage: tandem-standby [-r RUNDIR]\n"
		    "Keeps and replicates the security associations of the tandemd in RUNDIR\n"
		    "(default " RUNDIR_DEFAULT "). See tandem-standby(8).\n");
}

static int options(int argc, char **argv)
{
	static const struct option longs[] = {{"rundir", required_argument, NULL, 'r'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "r:h", longs, NULL)) != -1) {
		switch (c) {
		case 'r': process.rundir = optarg; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); return -EINVAL;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return -EINVAL;
	}
	return 0;
}

static int lock_take(struct process *p, struct err *err)
{
	char path[256];

	if (mkdir(p->rundir, 0750) && errno != EEXIST)
		return err_set(err, -errno, "Cannot create %s: %s", p->rundir, strerror(errno));
	int n = snprintf(path, sizeof(path), "%s/standby.lock", p->rundir);
	if (n >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "The path %s is too long", p->rundir);
	p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock_fd < 0)
		return err_set(err, -errno, "Cannot write in %s: %s", p->rundir, strerror(errno));
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB))
		return err_set(err, -EADDRINUSE, "Another tandem-standby already runs in %s",
			       p->rundir);
	return 0;
}

static void on_stop(void *ctx, int signo)
{
	loop_stop(((struct process *)ctx)->loop);
}

static int run(struct process *p, struct err *err)
{
	bool made;

	if (lock_take(p, err))
		return -EADDRINUSE;
	snprintf(p->mirror_path, sizeof(p->mirror_path), "%s/mirror", p->rundir);
	p->mirror = mirror_open(p->mirror_path, 0, &made, err);
	if (!p->mirror)
		return -EIO;
	p->loop = loop_create(err);
	if (!p->loop)
		return -ENOMEM;
	signal(SIGPIPE, SIG_IGN);
	if (loop_signal(p->loop, SIGTERM, on_stop, p) || loop_signal(p->loop, SIGINT, on_stop, p))
		return err_set(err, -EIO, "Cannot take signals");
	// Leases end in tens of milliseconds; the threads of the SCTP library included.
	int rt = realtime_self(REALTIME_STANDBY, true);
	if (rt)
		log_event("SYS", LOG_L_WARNING, "REALTIME",
			  "No real-time scheduling (%s): leases may end on a busy core",
			  strerror(-rt));
	if (pairing_start(p, err) || gateway_port_open(p, err))
		return -EIO;
	log_event("REDUNDANCY", LOG_L_INFO, "START", "The standby process runs in %s, %s",
		  p->rundir, made ? "with an empty mirror" : "with the mirror it found");
	return loop_run(p->loop);
}

int main(int argc, char **argv)
{
	struct process *p = &process;
	struct err err = {0};

	secret_process_init();
	if (options(argc, argv))
		return 2;
	int rc = run(p, &err);
	if (rc)
		fprintf(stderr, "tandem-standby: %s\n", err.msg[0] ? err.msg : strerror(-rc));
	gateway_port_close(p);
	if (p->mirror)
		pairing_stop(p);
	if (p->leaving && p->mirror)
		mirror_discard(p->mirror, p->mirror_path);
	else
		mirror_close(p->mirror);
	loop_destroy(p->loop);
	return rc ? 1 : 0;
}
