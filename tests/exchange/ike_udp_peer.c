// The IKE engine on real UDP sockets (500 and 4500) with a data plane that only remembers: to talk
// to other implementations before, and without, the gateway around it.
//
//   ike_udp_peer LOCAL REMOTE PSK LOCAL-NET REMOTE-NET [key=value]...
//     pfs=0|1 ike_life=S child_life=S keepalive=S periodic=0|1 encr=des|3des|aes128|aes256
//     hash=md5|sha|sha256|sha512 group=N esp=aes128-sha1|aes256-sha256|gcm128|3des-md5
//
// Commands on standard input, one per line: initiate, traffic (counts packets on every SA, so that
// they are rekeyed), rekey, status, clear, quit. Prints one line per event.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike.h"
#include "ike/ike_pool.h"
#include "ike_bed_config.h"
#include "ike_env.h"
#include "log.h"
#include "loop.h"
#include "rand.h"

#define SAS 256

static struct {
	struct loop *loop;
	struct ike *ike;
	struct ike_pool *pool;
	struct loop_timer timer;
	struct loop_fd fd500, fd4500, fd_in;
	struct ip_addr local;
	struct config *config;
	struct tunnels *tunnels;
	struct {
		bool alive;
		struct dp_sa p;
		struct dp_sa_stats s;
	} sas[SAS];
	uint32_t bound;
} peer;

static uint64_t env_now(void *ctx)
{
	return loop_clock_us() / 1000;
}

static void env_timer(void *ctx, uint64_t due_ms)
{
	uint64_t now = env_now(NULL);

	loop_timer_start(&peer.timer, due_ms > now ? (uint32_t)(due_ms - now) : 0);
}

static void on_timer(void *ctx, uint64_t now_ms)
{
	ike_tick(peer.ike, env_now(NULL));
}

static int env_send(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(meta->remote_port)};
	int fd = meta->local_port == 4500 ? peer.fd4500.fd : peer.fd500.fd;

	memcpy(&to.sin_addr, meta->remote.bytes, 4);
	return sendto(fd, payload, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static void env_offload(void *ctx, struct ike_task *t)
{
	ike_pool_submit(peer.pool, t);
}

static int env_sa_add(void *ctx, const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	for (uint32_t i = 0; i < SAS; i++) {
		if (peer.sas[i].alive)
			continue;
		memset(&peer.sas[i], 0, sizeof(peer.sas[i]));
		peer.sas[i].alive = true;
		peer.sas[i].p = *p;
		*sa = i + 1;
		return 0;
	}
	return -ENOSPC;
}

static int env_sa_del(void *ctx, uint32_t sa)
{
	peer.sas[sa - 1].alive = false;
	if (peer.bound == sa)
		peer.bound = 0;
	return 0;
}

static int env_sa_stats(void *ctx, uint32_t sa, struct dp_sa_stats *out)
{
	if (sa == 0 || sa > SAS || !peer.sas[sa - 1].alive)
		return -ENOENT;
	*out = peer.sas[sa - 1].s;
	return 0;
}

static int env_policy_bind(void *ctx, uint32_t policy, uint32_t sa)
{
	peer.bound = sa;
	return 0;
}

static void env_flush_held(void *ctx, uint32_t policy)
{
	printf("flushed\n");
}

static void on_notice(void *ctx, const struct ike_notice *n)
{
	static const char *const names[] = {"ike-up", "ike-down", "child-up", "child-down"};

	printf("%s%s%s%s\n", names[n->type], n->rekey ? " rekey" : "", n->reason ? " " : "",
	       n->reason ? n->reason : "");
}

static void on_udp(void *ctx, int fd, unsigned events)
{
	struct sockaddr_in from;
	socklen_t flen = sizeof(from);
	uint8_t buf[65536];
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &flen);
	struct dp_udp meta = {.local = peer.local};

	if (n < 0)
		return;
	meta.local_port = fd == peer.fd4500.fd ? 4500 : 500;
	meta.remote = addr_from_bytes(4, (const uint8_t *)&from.sin_addr);
	meta.remote_port = ntohs(from.sin_port);
	// What the data plane keeps to itself: keepalives and UDP-encapsulated ESP.
	if (meta.local_port == 4500 && (n < 4 || memcmp(buf, "\0\0\0\0", 4) != 0))
		return;
	ike_rx(peer.ike, &meta, buf, (size_t)n);
}

static void status(void)
{
	struct ike_sa_info sa = {0};
	struct ike_child_info c = {0};
	char a[ADDR_STR_MAX], sel[SELECTOR_STR_MAX];

	while (ike_sa_next(peer.ike, sa.id, &sa))
		printf("ike %u %s %s:%u %s%s id %s left %u children %u\n", sa.id, sa.state,
		       addr_format(&sa.remote, a, sizeof(a)), sa.remote_port,
		       sa.natt ? "natt" : "plain", sa.deleted ? " replaced" : "", sa.remote_id,
		       sa.lifetime_left_s, sa.children);
	while (ike_child_next(peer.ike, c.id, &c))
		printf("child %u ike %u in %08x out %08x %s%s left %u pfs %u %s\n", c.id, c.ike_id,
		       c.spi_in, c.spi_out, selector_format(&c.sel, sel, sizeof(sel)),
		       c.udp_encap ? " udp" : "", c.left_s, c.pfs_group, c.old ? "old" : "current");
	printf("end bound %u\n", peer.bound);
}

static void on_stdin(void *ctx, int fd, unsigned events)
{
	char line[128];
	ssize_t n = read(fd, line, sizeof(line) - 1);

	if (n <= 0 || strncmp(line, "quit", 4) == 0) {
		loop_stop(peer.loop);
		return;
	}
	line[n] = '\0';
	if (strncmp(line, "initiate", 8) == 0)
		printf("initiate %d\n", ike_initiate(peer.ike, 1));
	else if (strncmp(line, "status", 6) == 0)
		status();
	else if (strncmp(line, "clear", 5) == 0)
		printf("cleared %u\n", ike_clear_session(peer.ike, NULL));
	else if (strncmp(line, "traffic", 7) == 0)
		for (int i = 0; i < SAS; i++)
			peer.sas[i].s.packets++;
	else if (strncmp(line, "rekey", 5) == 0) {
		struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = peer.bound};

		ike_event(peer.ike, &ev);
	}
}

static int socket_open(const struct ip_addr *local, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&a.sin_addr, local->bytes, 4);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror("bind");
		exit(2);
	}
	return fd;
}

static bool option(const char *arg, const char *key, uint32_t *out)
{
	size_t n = strlen(key);

	if (strncmp(arg, key, n) != 0 || arg[n] != '=')
		return false;
	*out = (uint32_t)strtoul(arg + n + 1, NULL, 10);
	return true;
}

static void suite_set(struct config *c, const char *arg)
{
	struct isakmp_policy *p = TAILQ_FIRST(&c->isakmp_policies);
	struct transform_set *t = TAILQ_FIRST(&c->transform_sets);
	uint32_t group = 0;

	if (strncmp(arg, "encr=", 5) == 0) {
		p->encr = arg[5] == 'd'   ? IKE_ENCR_DES
			  : arg[5] == '3' ? IKE_ENCR_3DES
					  : IKE_ENCR_AES;
		p->aes_bits = arg[5] == 'a' ? (uint16_t)atoi(arg + 8) : 0;
	} else if (strncmp(arg, "hash=", 5) == 0) {
		p->hash = strcmp(arg + 5, "md5") == 0      ? IKE_HASH_MD5
			  : strcmp(arg + 5, "sha") == 0    ? IKE_HASH_SHA
			  : strcmp(arg + 5, "sha256") == 0 ? IKE_HASH_SHA256
							   : IKE_HASH_SHA512;
	} else if (option(arg, "group", &group)) {
		p->group = (uint16_t)group;
	} else if (strcmp(arg, "esp=aes256-sha256") == 0) {
		t->key_bits = 256;
		t->auth = ESP_AUTH_SHA256;
	} else if (strcmp(arg, "esp=gcm128") == 0) {
		t->cipher = ESP_CIPHER_AES_GCM;
		t->gcm_icv = 16;
		t->auth = ESP_AUTH_NONE;
	} else if (strcmp(arg, "esp=3des-md5") == 0) {
		t->cipher = ESP_CIPHER_3DES;
		t->key_bits = 0;
		t->auth = ESP_AUTH_MD5;
	}
}

static struct config *config_from(int argc, char **argv, const struct ip_addr *remote)
{
	struct bed_params p = {0};
	uint32_t v;
	struct config *c;
	struct acl_entry *e;

	for (int i = 6; i < argc; i++) {
		if (option(argv[i], "pfs", &v))
			p.pfs = v;
		else if (option(argv[i], "periodic", &v))
			p.keepalive_periodic = v;
		else if (!option(argv[i], "ike_life", &p.ike_life_s) &&
			 !option(argv[i], "child_life", &p.child_life_s))
			option(argv[i], "keepalive", &p.keepalive_s);
	}
	c = bed_config(&p, &peer.local, remote, argv[3], false);
	for (int i = 6; i < argc; i++)
		suite_set(c, argv[i]);
	e = TAILQ_FIRST(&TAILQ_FIRST(&c->acls)->entries);
	if (prefix_parse(argv[4], &e->sel.src) < 0 || prefix_parse(argv[5], &e->sel.dst) < 0)
		exit(2);
	return c;
}

int main(int argc, char **argv)
{
	struct ike_env env = ike_env_stand_in(NULL);
	struct ip_addr remote;
	struct err err = {0};

	if (argc < 6 || addr_parse(argv[1], &peer.local) < 0 || addr_parse(argv[2], &remote) < 0) {
		fprintf(stderr, "usage: ike_udp_peer LOCAL REMOTE PSK LOCAL-NET REMOTE-NET ...\n");
		return 2;
	}
	setlinebuf(stdout);
	env.now_ms = env_now;
	env.timer = env_timer;
	env.send = env_send;
	env.offload = env_offload;
	env.sa_add = env_sa_add;
	env.sa_del = env_sa_del;
	env.sa_stats = env_sa_stats;
	env.policy_bind = env_policy_bind;
	env.policy_flush_held = env_flush_held;
	peer.loop = loop_create(&err);
	peer.pool = peer.loop ? ike_pool_create(peer.loop, 1, &err) : NULL;
	peer.ike = peer.pool ? ike_create(&env, &err) : NULL;
	if (!peer.ike) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	loop_timer_init(&peer.timer, peer.loop, "ike", on_timer, NULL);
	peer.config = config_from(argc, argv, &remote);
	peer.tunnels = tunnels_build(peer.config, NULL, NULL, NULL, NULL, NULL);
	ike_observe(peer.ike, on_notice, NULL);
	ike_configure(peer.ike, peer.config, peer.tunnels, NULL);
	loop_fd_add(&peer.fd500, peer.loop, "500", socket_open(&peer.local, 500), LOOP_READ, on_udp,
		    NULL);
	loop_fd_add(&peer.fd4500, peer.loop, "4500", socket_open(&peer.local, 4500), LOOP_READ,
		    on_udp, NULL);
	loop_fd_add(&peer.fd_in, peer.loop, "stdin", 0, LOOP_READ, on_stdin, NULL);
	if (getenv("IKE_DEBUG"))
		log_debug_set(DEBUG_ISAKMP, true);
	printf("ready\n");
	loop_run(peer.loop);
	ike_pool_destroy(peer.pool);
	ike_destroy(peer.ike);
	loop_timer_fini(&peer.timer);
	loop_fd_del(&peer.fd500);
	loop_fd_del(&peer.fd4500);
	loop_fd_del(&peer.fd_in);
	loop_destroy(peer.loop);
	tunnels_destroy(peer.tunnels);
	config_destroy(peer.config);
	return 0;
}
