// tandem-bench ike: many initiators against one gateway. Each has an address of its own, does one
// main mode and one quick mode with the real engine on real sockets, and keeps quiet afterwards.
// They start at a steady rate, whatever the gateway answers; what it achieved is counted.
//
// All initiators live in this process and share one socket for UDP 500: their addresses have to be
// local (`ip route add local 10.1.0.0/16 dev lo`) and routed here. With IKE_DEBUG in the
// environment every step of the engine is logged.
#include "bench_ike.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "ike.h"
#include "ike/ike_pool.h"
#include "log.h"
#include "loop.h"
#include "rand.h"

#define COUNT_MAX    60000
#define RX_BATCH     64
#define SOCKET_BYTES (16 << 20)

static struct {
	struct bench_ike_options o;
	struct loop *loop;
	struct ike *ike;
	struct ike_pool *pool;
	struct loop_timer timer, pace, end;
	struct loop_fd udp;
	struct tunnels *tunnels;
	unsigned count, started, ike_up, child_up, ike_down;
	uint64_t begin_us, last_up_us, *start_us;
	double *latency_ms;
	uint32_t next_sa;
} b;

static const char usage[] = "usage: tandem-bench ike --gateway A --source A [options]\n"
			    "  --source A    first initiator's address; the others follow\n"
			    "  --rate N      initiators per second (1000)\n"
			    "  --seconds N   for how long (10)\n"
			    "  --wait N      seconds for the last answers (5)\n"
			    "  --psk KEY     pre-shared key (cisco)\n"
			    "  --group N     Diffie-Hellman group of phase 1 (2)\n"
			    "  --net A/LEN   network behind the gateway (6.6.16.0/24)\n"
			    "  --json FILE   write {machine, rows} there\n";

// ---- the engine's surroundings ---------------------------------------------------------------
static uint64_t env_now(void *ctx)
{
	return loop_clock_us() / 1000;
}

static void env_timer(void *ctx, uint64_t due_ms)
{
	uint64_t now = env_now(NULL);
	loop_timer_start(&b.timer, due_ms > now ? (uint32_t)(due_ms - now) : 0);
}

static void on_timer(void *ctx, uint64_t now_ms)
{
	ike_tick(b.ike, env_now(NULL));
}

static int env_send(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(meta->remote_port)};
	struct iovec iov = {(void *)(uintptr_t)payload, len};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = {0};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct in_pktinfo info = {0};

	memcpy(&to.sin_addr, meta->remote.bytes, 4);
	memcpy(&info.ipi_spec_dst, meta->local.bytes, 4);
	control.head.cmsg_level = IPPROTO_IP;
	control.head.cmsg_type = IP_PKTINFO;
	control.head.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(&control.head), &info, sizeof(info));
	return sendmsg(b.udp.fd, &m, 0) < 0 ? -errno : 0;
}

static void env_offload(void *ctx, struct ike_task *t)
{
	ike_pool_submit(b.pool, t);
}

static uint32_t env_spi_alloc(void *ctx)
{
	return 0x1000 + rand_below(0x7fffffff);
}

static void env_spi_free(void *ctx, uint32_t spi)
{
}

static int env_sa_add(void *ctx, const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	*sa = ++b.next_sa;
	return 0;
}

static int env_ok(void *ctx, uint32_t sa)
{
	return 0;
}

static int env_set_lim(void *ctx, uint32_t sa, uint64_t lim)
{
	return 0;
}

static int env_set_remote(void *ctx, uint32_t sa, const struct ip_addr *a, uint16_t port)
{
	return 0;
}

static int env_sa_stats(void *ctx, uint32_t sa, struct dp_sa_stats *out)
{
	*out = (struct dp_sa_stats){0};
	return 0;
}

static int env_bind(void *ctx, uint32_t policy, uint32_t sa)
{
	return 0;
}

static void env_flush(void *ctx, uint32_t policy)
{
}

static uint64_t env_identity(void *ctx)
{
	return rand_u64();
}

static void env_life(void *ctx, unsigned *slot, uint32_t *join, uint8_t *restart)
{
	*slot = 0;
	*join = 0;
	*restart = 1;
}

// ---- what comes back -------------------------------------------------------------------------
static void on_notice(void *ctx, const struct ike_notice *n)
{
	b.ike_up += n->type == IKE_SA_UP;
	b.ike_down += n->type == IKE_SA_DOWN;
	if (n->type != IKE_CHILD_UP || !n->flow)
		return;
	unsigned i = n->flow->tunnel->seq - 1;
	b.last_up_us = loop_clock_us();
	b.latency_ms[b.child_up++] = (double)(b.last_up_us - b.start_us[i]) / 1000;
	if (b.child_up == b.count)
		loop_stop(b.loop);
}

static bool datagram_in(int fd)
{
	struct sockaddr_in from = {0};
	uint8_t bytes[4096];
	struct iovec iov = {bytes, sizeof(bytes)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct dp_udp meta = {.local_port = 500};
	struct in_pktinfo info;

	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return false;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != IP_PKTINFO)
		return true;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	meta.local = addr_from_bytes(4, (const uint8_t *)&info.ipi_addr);
	meta.remote = addr_from_bytes(4, (const uint8_t *)&from.sin_addr);
	meta.remote_port = ntohs(from.sin_port);
	ike_rx(b.ike, &meta, bytes, (size_t)n);
	return true;
}

static void on_udp(void *ctx, int fd, unsigned events)
{
	for (int i = 0; i < RX_BATCH && datagram_in(fd); i++)
		;
}

// ---- the rate --------------------------------------------------------------------------------
static void on_pace(void *ctx, uint64_t now_ms)
{
	uint64_t now = loop_clock_us(), due = (now - b.begin_us) * b.o.rate / 1000000;

	for (; b.started < b.count && b.started < due; b.started++) {
		b.start_us[b.started] = now;
		if (ike_initiate(b.ike, b.tunnels->all[b.started]->flows[0].policy))
			break;
	}
	if (b.started == b.count) {
		loop_timer_stop(&b.pace);
		loop_timer_start(&b.end, b.o.wait_s * 1000);
	}
}

static void on_end(void *ctx, uint64_t now_ms)
{
	loop_stop(b.loop);
}

static int socket_open(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(500)};
	int one = 1, size = SOCKET_BYTES, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one))) {
		perror("UDP port 500");
		exit(1);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static int start(struct config **c, struct err *err)
{
	const struct ike_env env = {.now_ms = env_now,
				    .timer = env_timer,
				    .send = env_send,
				    .offload = env_offload,
				    .spi_alloc = env_spi_alloc,
				    .spi_free = env_spi_free,
				    .sa_add = env_sa_add,
				    .sa_del = env_ok,
				    .sa_set_lim = env_set_lim,
				    .sa_set_remote = env_set_remote,
				    .sa_stats = env_sa_stats,
				    .policy_bind = env_bind,
				    .policy_flush_held = env_flush,
				    .sa_identity = env_identity,
				    .life = env_life};

	*c = bench_ike_config(&b.o, b.count);
	b.start_us = calloc(b.count, sizeof(*b.start_us));
	b.latency_ms = calloc(b.count, sizeof(*b.latency_ms));
	b.loop = loop_create(err);
	b.pool = b.loop ? ike_pool_create(b.loop, 1, err) : NULL;
	b.ike = b.pool ? ike_create(&env, err) : NULL;
	b.tunnels = *c ? tunnels_build(*c, NULL, NULL, NULL, NULL, NULL) : NULL;
	if (!b.ike || !b.tunnels || !b.start_us || !b.latency_ms)
		return err->code ? err->code : err_set(err, -ENOMEM, "Not enough memory");
	uint32_t first = addr_to_v4(&b.o.source);
	for (unsigned i = 0; i < b.tunnels->count; i++)
		b.tunnels->all[i]->local = addr_from_v4(first + i);
	loop_timer_init(&b.timer, b.loop, "ike", on_timer, NULL);
	loop_timer_init(&b.pace, b.loop, "pace", on_pace, NULL);
	loop_timer_init(&b.end, b.loop, "end", on_end, NULL);
	(void)ike_observe(b.ike, on_notice, NULL);
	int rc = ike_configure(b.ike, *c, b.tunnels, err);
	return rc ? rc : loop_fd_add(&b.udp, b.loop, "udp", socket_open(), LOOP_READ, on_udp, NULL);
}

// ---- the result ------------------------------------------------------------------------------
static int latency_order(const void *x, const void *y)
{
	double p = *(const double *)x, q = *(const double *)y;
	return p < q ? -1 : p > q;
}

static double latency_at(double share)
{
	return b.child_up ? b.latency_ms[(unsigned)(share * (b.child_up - 1))] : 0;
}

static void report(void)
{
	struct ike_counters n;
	double seconds = (double)(b.last_up_us - b.begin_us) / 1e6;
	FILE *f = b.o.json ? fopen(b.o.json, "w") : NULL;

	qsort(b.latency_ms, b.child_up, sizeof(*b.latency_ms), latency_order);
	ike_get_counters(b.ike, &n);
	double rate = b.child_up ? b.child_up / seconds : 0;
	printf("initiators %u, IKE SAs %u, IPsec SAs %u, %.0f/s, latency ms p50 %.1f p99 %.1f max "
	       "%.1f, retransmissions %lu\n",
	       b.started, b.ike_up, b.child_up, rate, latency_at(0.5), latency_at(0.99),
	       latency_at(1), n.retransmits);
	if (b.o.json && !f)
		perror(b.o.json);
	if (!f)
		return;
	fprintf(f,
		"{\"machine\":{\"cores\":%ld},\"rows\":[{\"asked_per_s\":%u,\"group\":%u,"
		"\"started\":%u,\"ike_up\":%u,\"child_up\":%u,\"per_s\":%.1f,\"p50_ms\":%.2f,"
		"\"p99_ms\":%.2f,\"max_ms\":%.2f,\"retransmits\":%lu}]}\n",
		sysconf(_SC_NPROCESSORS_ONLN), b.o.rate, b.o.group, b.started, b.ike_up, b.child_up,
		rate, latency_at(0.5), latency_at(0.99), latency_at(1), n.retransmits);
	fclose(f);
}

static bool option_set(int c, const char *arg)
{
	unsigned n = (unsigned)strtoul(arg, NULL, 10);

	switch (c) {
	case 'g': return addr_parse(arg, &b.o.gateway) == 0 && b.o.gateway.family == 4;
	case 's': return addr_parse(arg, &b.o.source) == 0 && b.o.source.family == 4;
	case 'n': return prefix_parse(arg, &b.o.net) == 0;
	case 'r': b.o.rate = n; return n > 0;
	case 't': b.o.seconds = n; return n > 0;
	case 'w': b.o.wait_s = n; return true;
	case 'p': b.o.psk = arg; return true;
	case 'd': b.o.group = (uint16_t)n; return n > 0;
	case 'j': b.o.json = arg; return true;
	default: return false;
	}
}

static bool options_read(int argc, char **argv)
{
	static const struct option longs[] = {{"gateway", 1, NULL, 'g'}, {"source", 1, NULL, 's'},
					      {"net", 1, NULL, 'n'},     {"rate", 1, NULL, 'r'},
					      {"seconds", 1, NULL, 't'}, {"wait", 1, NULL, 'w'},
					      {"psk", 1, NULL, 'p'},     {"group", 1, NULL, 'd'},
					      {"json", 1, NULL, 'j'},    {NULL, 0, NULL, 0}};
	int c;

	b.o = (struct bench_ike_options){
		.psk = "cisco", .rate = 1000, .seconds = 10, .wait_s = 5, .group = 2};
	(void)prefix_parse("6.6.16.0/24", &b.o.net);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!option_set(c, optarg ? optarg : ""))
			return false;
	b.count = b.o.rate * b.o.seconds;
	return optind == argc && addr_is_set(&b.o.gateway) && addr_is_set(&b.o.source) &&
	       b.o.rate <= COUNT_MAX && b.o.seconds <= COUNT_MAX && b.count <= COUNT_MAX;
}

int bench_ike(int argc, char **argv)
{
	struct config *c = NULL;
	struct err err = {0};

	if (!options_read(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	log_set_stderr_level(getenv("IKE_DEBUG") ? LOG_L_DEBUG : LOG_L_ERR);
	log_debug_set(DEBUG_ISAKMP, getenv("IKE_DEBUG") != NULL);
	if (start(&c, &err)) {
		fprintf(stderr, "tandem-bench ike: %s\n", err.msg);
		return 1;
	}
	b.begin_us = loop_clock_us();
	loop_timer_repeat(&b.pace, 1);
	(void)loop_run(b.loop);
	report();
	// at exit OpenSSL takes away what a helper may still be using
	ike_pool_destroy(b.pool);
	// no word to the gateway: its SAs stay, as those of peers that lost their power
	return b.child_up == b.count ? 0 : 1;
}
