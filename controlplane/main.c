// tandemd: options, the boot table, the loop, shutdown in reverse. The only file that knows all.

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "frr.h"
#include "gateway.h"
#include "log.h"
#include "realtime.h"
#include "rights.h"
#include "rri.h"
#include "secret.h"
#include "startup.h"

#define RUNDIR_DEFAULT    "/run/tandem"
#define KERNEL_SYNC_TURNS 200
#define GOODBYE_TURNS     5
#define GATEWAY_NICE      (-10)

struct gateway gateway = {
	.lock_fd = -1,
	.namespace_fd = -1,
	.rundir = RUNDIR_DEFAULT,
	.frr_dir = FRR_DIR_DEFAULT,
	.standby_process = true,
	.active = standby_interface_active,
	.interfaces = TAILQ_HEAD_INITIALIZER(gateway.interfaces),
	.routes = TAILQ_HEAD_INITIALIZER(gateway.routes),
	.manual = TAILQ_HEAD_INITIALIZER(gateway.manual),
	.warnings = STAILQ_HEAD_INITIALIZER(gateway.warnings),
};

// ---- boot steps ------------------------------------------------------------------------------
static int rundir_init(struct gateway *g, struct err *err)
{
	char path[256], pid[32];

	if (strlen(g->rundir) > sizeof(((struct sockaddr_un *)0)->sun_path) - 20)
		return err_set(err, -ENAMETOOLONG, "The path %s is too long for a socket in it",
			       g->rundir);
	if (mkdir(g->rundir, 0750) && errno != EEXIST)
		return err_set(err, -errno, "Cannot create %s: %s", g->rundir, strerror(errno));
	snprintf(path, sizeof(path), "%s/lock", g->rundir);
	g->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (g->lock_fd < 0)
		return err_set(err, -errno, "Cannot write in %s: %s", g->rundir, strerror(errno));
	if (flock(g->lock_fd, LOCK_EX | LOCK_NB)) {
		ssize_t n = read(g->lock_fd, pid, sizeof(pid) - 1);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return err_set(err, -EADDRINUSE,
			       "Another tandemd (process %s) already runs in %s; choose another "
			       "directory with -r",
			       pid[0] ? pid : "unknown", g->rundir);
	}
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(g->lock_fd, 0) || pwrite(g->lock_fd, pid, (size_t)n, 0) != n)
		return err_set(err, -errno, "Cannot write in %s: %s", g->rundir, strerror(errno));
	return 0;
}

// The lock file stays: removing it would let two instances lock two files of one name.
static void rundir_fini(struct gateway *g)
{
	if (g->lock_fd >= 0)
		close(g->lock_fd);
	g->lock_fd = -1;
}

static int loop_step_init(struct gateway *g, struct err *err)
{
	g->loop = loop_create(err);
	return g->loop ? 0 : -ENOMEM;
}

static void loop_step_fini(struct gateway *g)
{
	loop_destroy(g->loop);
	g->loop = NULL;
}

static void on_stop(void *ctx, int signo)
{
	struct gateway *g = ctx;
	log_event("SYS", LOG_L_NOTICE, "STOP", "Stopping (%s)", strsignal(signo));
	loop_stop(g->loop);
}

static void on_hangup(void *ctx, int signo)
{
	log_event("SYS", LOG_L_INFO, "HANGUP",
		  "Hangup ignored: the configuration changes by command line, not by reloading");
}

static int signals_init(struct gateway *g, struct err *err)
{
	signal(SIGPIPE, SIG_IGN);
	if (loop_signal(g->loop, SIGTERM, on_stop, g) || loop_signal(g->loop, SIGINT, on_stop, g) ||
	    loop_signal(g->loop, SIGHUP, on_hangup, g))
		return err_set(err, -EIO, "Cannot take signals");
	return 0;
}

static int cli_step_init(struct gateway *g, struct err *err)
{
	return cli_init(err);
}

static void cli_step_fini(struct gateway *g)
{
	cli_fini();
}

static void kernel_link_op(void *ctx, const struct kernel_link *link, bool gone)
{
	struct gateway *g = ctx;
	interface_link_event(g, link, gone);
	if (g->rri)
		rri_link_changed(g->rri, link->name);
	dp_links_check();
	track_links_changed(g);
	if (!TAILQ_EMPTY(&g->routes))
		apply_retry_soon(g);
}

static void kernel_route_op(void *ctx, const struct ip_prefix *dst)
{
	struct gateway *g = ctx;
	track_route_changed(g, dst);
	if (g->rri)
		rri_paths_changed(g->rri, dst);
}

static void kernel_addr_op(void *ctx, int ifindex, const struct ip_prefix *addr, bool gone)
{
	struct gateway *g = ctx;
	track_links_changed(g);
	if (!TAILQ_EMPTY(&g->routes))
		apply_retry_soon(g);
}

static uint32_t port_of_host_if(const char *ifname)
{
	return dp_running() ? dp_port_by_host_if(ifname) : 0;
}

// What carries our marks in the kernel may belong to another instance that lives in this network
// namespace. Abstract socket names are per namespace, and free again when their owner is gone.
static bool namespace_claim(struct gateway *g)
{
	static const char name[] = "tandemd-in-this-namespace";
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	memcpy(sun.sun_path + 1, name, sizeof(name) - 1);
	g->namespace_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (g->namespace_fd < 0)
		return false;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name));
	if (bind(g->namespace_fd, (struct sockaddr *)&sun, len) == 0)
		return true;
	close(g->namespace_fd);
	g->namespace_fd = -1;
	return false;
}

static int kernel_step_init(struct gateway *g, struct err *err)
{
	const struct kernel_ops ops = {
		.ctx = g,
		.route_set = dp_route_set,
		.route_del = dp_route_del,
		.neigh_set = dp_neigh_set,
		.port_of = port_of_host_if,
		.link = kernel_link_op,
		.addr = kernel_addr_op,
		.route_seen = kernel_route_op,
	};
	g->kernel = kernel_create(g->loop, &ops, err);
	if (!g->kernel)
		return err->code ? err->code : -EIO;
	int rc = 0;
	if (namespace_claim(g)) {
		rc = kernel_route_sweep(g->kernel, KERNEL_PROTO_STATIC, err);
		if (!rc)
			rc = kernel_route_sweep(g->kernel, KERNEL_PROTO_RRI, err);
		if (!rc)
			rc = kernel_addr_sweep(g->kernel, err);
	}
	struct kernel_stats stats = {0};
	for (int i = 0; !rc && !stats.synced && i < KERNEL_SYNC_TURNS; i++) {
		rc = loop_turn(g->loop, 10);
		kernel_get_stats(g->kernel, &stats);
	}
	return rc;
}

static void kernel_step_fini(struct gateway *g)
{
	kernel_destroy(g->kernel);
	g->kernel = NULL;
	if (g->namespace_fd >= 0)
		close(g->namespace_fd);
	g->namespace_fd = -1;
}

static void dataplane_fini(struct gateway *g)
{
	if (!dp_running())
		return;
	kernel_feed(g->kernel, false);
	dp_stop();
}

static int apply_step_init(struct gateway *g, struct err *err)
{
	int rc = track_start(g, err);
	return rc ? rc : apply_register(g, err);
}

// Takes everything of ours out of the kernel again: routes, addresses, host interfaces.
static void apply_step_fini(struct gateway *g)
{
	struct config *nothing = config_create();
	struct err err = {0};

	loop_timer_fini(&g->retry);
	dynamic_fini(g);
	if (nothing) {
		(void)route_apply(g, nothing, &err);
		manual_sa_clear(g);
		(void)interface_ports_apply(g, nothing, &err);
	}
	config_destroy(nothing);
	tunnels_destroy(g->tunnels);
	g->tunnels = NULL;
	track_stop(g);
}

static int ike_step_init(struct gateway *g, struct err *err)
{
	return ike_net_init(g, err);
}

static void ike_step_fini(struct gateway *g)
{
	ike_net_fini(g);
	for (int i = 0; i < GOODBYE_TURNS && dp_running(); i++)
		(void)loop_turn(g->loop, 10);  // lets the workers send the deletes
}

static int displays_init(struct gateway *g, struct err *err)
{
	int (*const all[])(struct gateway *, struct err *) = {
		show_interfaces_register,  show_dataplane_register, show_map_register,
		show_isakmp_register,      show_ipsec_register,     show_session_register,
		show_track_register,       show_standby_register,   show_redundancy_register,
		show_replication_register, show_route_register,     show_system_register};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int rc = all[i](g, err);
		if (rc)
			return rc;
	}
	return rri_show_register(&g->rri, err);
}

static int socket_step_init(struct gateway *g, struct err *err)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/cli.sock", g->rundir);
	g->cli = cli_server_create(g->loop, path, err);
	return g->cli ? 0 : (err->code ? err->code : -EIO);
}

static void socket_step_fini(struct gateway *g)
{
	cli_server_destroy(g->cli);
	g->cli = NULL;
}

// In order; stopping runs it backwards. IKE stops while ports still carry its deletes.
static const struct boot_step {
	const char *name;
	int (*init)(struct gateway *g, struct err *err);
	void (*fini)(struct gateway *g);
} boot[] = {
	{"run directory", rundir_init, rundir_fini},
	{"event loop", loop_step_init, loop_step_fini},
	{"signals", signals_init, NULL},
	{"command line", cli_step_init, cli_step_fini},
	{"kernel mirror", kernel_step_init, kernel_step_fini},
	{"data plane", NULL, dataplane_fini},  // started by the commit that needs it
	{"commit hooks", apply_step_init, apply_step_fini},
	{"standby groups", standby_start, standby_stop},
	{"IKE", ike_step_init, ike_step_fini},
	{"reverse routes", rri_step_init, rri_step_fini},
	{"redundancy", redundancy_start, redundancy_stop},
	{"displays", displays_init, NULL},
	{"configuration", startup_load, NULL},
	{"command socket", socket_step_init, socket_step_fini},
};
#define BOOT_STEPS (sizeof(boot) / sizeof(boot[0]))

static void stop_from(struct gateway *g, size_t step)
{
	g->stopping = true;
	while (step-- > 0)
		if (boot[step].fini)
			boot[step].fini(g);
}

// sd_notify(3) in its simplest form; nothing happens outside systemd.
static void service_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (!path || !path[0] || strlen(path) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, strlen(path));
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
		log_event("SYS", LOG_L_WARNING, "NOTIFY", "The service manager does not listen");
	close(fd);
}

static int run(struct gateway *g)
{
	struct err err = {0};
	char missing[128];

	g->started_us = loop_clock_us();
	if (rights_missing(missing, sizeof(missing))[0])
		log_event("SYS", LOG_L_WARNING, "RIGHTS",
			  "This process lacks %s: devices, addresses or routes will be refused",
			  missing);
	// Before what else runs on these cores, also while starting; not permitted: as before.
	(void)setpriority(PRIO_PROCESS, 0, GATEWAY_NICE);
	for (size_t i = 0; i < BOOT_STEPS; i++) {
		if (!boot[i].init || boot[i].init(g, &err) == 0)
			continue;
		fprintf(stderr, "tandemd: %s\n", err.msg[0] ? err.msg : boot[i].name);
		stop_from(g, i + 1);
		return 1;
	}
	log_event("SYS", LOG_L_NOTICE, "RESTART", "tandemd %s runs in %s", TANDEM_VERSION,
		  g->rundir);
	// Only the loop: starting may take seconds, and is no reason to keep others off a core.
	int rt = realtime_self(REALTIME_CONTROL, false);
	if (rt)
		log_event("SYS", LOG_L_WARNING, "REALTIME",
			  "No real-time scheduling (%s): hellos may be late on a busy core",
			  strerror(-rt));
	service_notify("READY=1");
	int rc = loop_run(g->loop);
	service_notify("STOPPING=1");
	stop_from(g, BOOT_STEPS);
	return rc ? 1 : 0;
}

// ---- options ---------------------------------------------------------------------------------
static void usage(FILE *to)
{
	fputs("usage: tandemd [-c FILE] [-r RUNDIR] [--check] [--no-standby] [--frr-dir DIR]\n"
	      "               [-- EAL ARGUMENTS]\n"
	      "  -c FILE       start-up configuration; without it the gateway starts unconfigured\n"
	      "  -r RUNDIR     sockets and state of this instance (" RUNDIR_DEFAULT ")\n"
	      "  --check       read FILE, say what is wrong with it, exit 0 or 1\n"
	      "  --no-standby  do not start tandem-standby\n"
	      "  --frr-dir DIR command sockets of FRR's daemons (" FRR_DIR_DEFAULT ")\n"
	      "  -v, --version\n",
	      to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"check", no_argument, NULL, 'k'},         {"no-standby", no_argument, NULL, 's'},
		{"frr-dir", required_argument, NULL, 'f'}, {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
	};
	struct gateway *g = &gateway;
	int opt;

	secret_process_init();
	while ((opt = getopt_long(argc, argv, "+c:r:vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c': g->config_file = optarg; break;
		case 'r': g->rundir = optarg; break;
		case 'k': g->check = true; break;
		case 's': g->standby_process = false; break;
		case 'f': g->frr_dir = optarg; break;
		case 'v': puts("tandemd " TANDEM_VERSION); return 0;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 2;
		}
	}
	bool separator = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
	if (optind < argc && !separator) {
		fprintf(stderr, "tandemd: unexpected argument %s\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	if (optind < argc)
		g->eal_extra = &argv[optind];
	return g->check ? startup_check(g) : run(g);
}
