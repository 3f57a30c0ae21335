// One end of a replication link, for the namespace tests: takes commands from standard input, tells
// what happens on standard output, one line each.
//   link_peer KEY=VALUE...   local remote (comma lists) lport rport driver (auto kernel user)
//                            security (psk certificate none) secret pki rto-min rto-max path assoc
//                            hb
//   send STREAM COUNT SIZE   numbered messages, as fast as the link takes them
//   info                     what link_get_info says
//   again [LOCAL REMOTE]     a new link in the same process
//   quit
// A message carries its number and the time it was given to the link; the receiver checks the order
// on each stream and tells when a run of COUNT is complete.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link.h"
#include "loop.h"

#define HEAD 20

struct run {
	uint32_t count, sent, size;
	bool active;
};
static struct loop *loop;
static struct link *the_link;
static struct run run[LINK_STREAMS];
static struct {
	uint32_t next;
	uint64_t first_us, bytes;
} got[LINK_STREAMS];
static struct loop_fd input;
static struct link_params params = {.local_port = 5000, .remote_port = 5000};
static char at_up[256];
static bool no_input;

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}
static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void pump(void)
{
	static uint8_t bytes[LINK_MESSAGE_MAX];
	bool some = true;

	while (some) {
		some = false;
		for (unsigned s = 0; s < LINK_STREAMS; s++) {
			struct run *r = &run[s];

			if (!r->active)
				continue;
			put32(bytes, r->sent);
			put32(bytes + 4, r->count);
			int ret = link_send(the_link, s, bytes, r->size);

			if (ret == -EAGAIN)
				return;
			if (ret < 0) {
				printf("send failed stream=%u at=%u: %s\n", s, r->sent,
				       strerror(-ret));
				r->active = false;
				continue;
			}
			some = true;
			if (++r->sent == r->count)
				r->active = false;
		}
	}
}

static void command(char *line);

static void on_up(void *ctx)
{
	char commands[sizeof(at_up)];
	struct link_info i;

	link_get_info(the_link, &i);
	memset(got, 0, sizeof(got));
	printf("up %ju driver=%s security=\"%s\"\n", (uintmax_t)i.ups, i.driver, i.security);
	memcpy(commands, at_up, sizeof(commands));
	for (char *save = NULL, *c = strtok_r(commands, ";", &save); c;
	     c = strtok_r(NULL, ";", &save))
		command(c);
}

static void on_down(void *ctx, const char *why)
{
	memset(run, 0, sizeof(run));
	printf("down: %s\n", why);
}

static void on_message(void *ctx, unsigned stream, const uint8_t *bytes, size_t len)
{
	uint64_t now_us = loop_clock_us();

	if (len < HEAD) {
		printf("short message stream=%u\n", stream);
		return;
	}
	uint32_t seq = get32(bytes), count = get32(bytes + 4);

	if (seq == 0) {
		got[stream].next = 0;
		got[stream].bytes = 0;
		got[stream].first_us = now_us;
	}
	if (seq != got[stream].next)
		printf("order broken stream=%u got=%u wanted=%u\n", stream, seq, got[stream].next);
	got[stream].next = seq + 1;
	got[stream].bytes += len;
	if (seq + 1 < count)
		return;
	uint64_t us = now_us - got[stream].first_us;

	printf("received stream=%u count=%u bytes=%ju ms=%ju\n", stream, count,
	       (uintmax_t)got[stream].bytes, (uintmax_t)us / 1000);
}

static void on_writable(void *ctx)
{
	pump();
}

static void info_print(void)
{
	struct link_info i;
	char primary[ADDR_STR_MAX];

	link_get_info(the_link, &i);
	printf("info up=%d driver=%s security=\"%s\" primary=%s paths=%u paths_up=%u rto=%u "
	       "srtt=%u",
	       i.up, i.driver, i.security, addr_format(&i.primary, primary, sizeof(primary)),
	       i.paths, i.paths_up, i.rto_ms, i.srtt_ms);
	printf(" rto_min=%u rto_max=%u rto_initial=%u path=%u assoc=%u path_hb=%u sack=%u "
	       "locals=%u",
	       i.rto_min_ms, i.rto_max_ms, i.rto_initial_ms, i.path_retransmit, i.assoc_retransmit,
	       i.path_heartbeat_ms, i.sack_delay_ms, i.locals);
	printf(" ups=%ju tx=%ju rx=%ju queued=%ju refused=%ju trouble=\"%s\"\n", (uintmax_t)i.ups,
	       (uintmax_t)i.tx, (uintmax_t)i.rx, (uintmax_t)i.queued, (uintmax_t)i.refused,
	       i.trouble);
}

static unsigned addresses(char *list, struct ip_addr *out);
static bool link_open(void);

static void command(char *line)
{
	char local[128], remote[128];
	unsigned stream, count, size;

	if (strcmp(line, "quit") == 0) {
		loop_stop(loop);
	} else if (strcmp(line, "info") == 0) {
		info_print();
	} else if (strncmp(line, "again", 5) == 0) {
		if (sscanf(line, "again %127s %127s", local, remote) == 2) {
			params.locals = addresses(local, params.local);
			params.remotes = addresses(remote, params.remote);
		}
		link_destroy(the_link);
		memset(run, 0, sizeof(run));
		if (!link_open())
			loop_stop(loop);
	} else if (sscanf(line, "send %u %u %u", &stream, &count, &size) == 3 &&
		   stream < LINK_STREAMS && size >= HEAD && size <= LINK_MESSAGE_MAX) {
		run[stream] = (struct run){.count = count, .size = size, .active = true};
		pump();
	} else {
		printf("what? %s\n", line);
	}
}

static void input_ready(void *ctx, int fd, unsigned events)
{
	static char buf[1024];
	static size_t have;
	ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);

	if (n <= 0) {
		loop_stop(loop);
		return;
	}
	have += (size_t)n;
	buf[have] = '\0';
	char *end, *line = buf;

	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		command(line);
		line = end + 1;
	}
	have = strlen(line);
	memmove(buf, line, have);
}

static unsigned addresses(char *list, struct ip_addr *out)
{
	unsigned n = 0;

	for (char *save = NULL, *a = strtok_r(list, ",", &save); a && n < LINK_ADDRS_MAX;
	     a = strtok_r(NULL, ",", &save)) {
		if (addr_parse(a, &out[n++]) < 0) {
			fprintf(stderr, "address %s\n", a);
			exit(2);
		}
	}
	return n;
}

static void parameter(struct link_params *p, const char *key, char *v)
{
	uint32_t n = (uint32_t)strtoul(v, NULL, 10);

	if (strcmp(key, "local") == 0)
		p->locals = addresses(v, p->local);
	else if (strcmp(key, "remote") == 0)
		p->remotes = addresses(v, p->remote);
	else if (strcmp(key, "lport") == 0)
		p->local_port = (uint16_t)n;
	else if (strcmp(key, "rport") == 0)
		p->remote_port = (uint16_t)n;
	else if (strcmp(key, "driver") == 0)
		p->driver = v[0] == 'k' ? LINK_KERNEL : v[0] == 'u' ? LINK_USER : LINK_AUTO;
	else if (strcmp(key, "security") == 0)
		p->security = v[0] == 'c' ? LINK_CERTIFICATE : v[0] == 'n' ? LINK_PLAIN : LINK_PSK;
	else if (strcmp(key, "secret") == 0)
		snprintf(p->secret, sizeof(p->secret), "%s", v);
	else if (strcmp(key, "pki") == 0)
		p->pki_dir = v;
	else if (strcmp(key, "rto-min") == 0)
		p->rto_min_ms = n;
	else if (strcmp(key, "rto-max") == 0)
		p->rto_max_ms = n;
	else if (strcmp(key, "path") == 0)
		p->path_retransmit = n;
	else if (strcmp(key, "assoc") == 0)
		p->assoc_retransmit = n;
	else if (strcmp(key, "up") == 0)
		snprintf(at_up, sizeof(at_up), "%s", v);
	else if (strcmp(key, "stdin") == 0)
		no_input = v[0] == 'n';
	else if (strcmp(key, "hb") == 0)
		p->heartbeat_ms = n;
	else
		fprintf(stderr, "parameter %s\n", key);
}

static bool link_open(void)
{
	static const struct link_ops ops = {
		.up = on_up, .down = on_down, .message = on_message, .writable = on_writable};
	struct err err = {0};

	the_link = link_create(loop, &params, &ops, &err);
	if (!the_link)
		printf("no link: %s\n", err.msg);
	return the_link != NULL;
}

int main(int argc, char **argv)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		char *v = strchr(argv[i], '=');

		if (v) {
			*v = '\0';
			parameter(&params, argv[i], v + 1);
		}
	}
	loop = loop_create(NULL);
	if (!loop || !link_open()) {
		loop_destroy(loop);
		return 1;
	}
	if (!no_input)
		(void)loop_fd_add(&input, loop, "input", 0, LOOP_READ, input_ready, NULL);
	(void)loop_run(loop);
	loop_fd_del(&input);
	link_destroy(the_link);
	loop_destroy(loop);
	return 0;
}
