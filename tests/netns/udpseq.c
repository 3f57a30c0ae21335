// Numbered UDP datagrams at a steady rate, and a receiver that counts what became of them.
//
// udpseq send -d ADDRESS -p PORT [-n FLOWS] [-r PACKETS/S] [-t SECONDS] [-s SIZE]
// udpseq recv -p PORT [-w SECONDS] [-g MILLISECONDS]
// udpseq stall [-w SECONDS]
//
// SIGTERM ends either early, the sender with its markers, the receiver with its report. SIGUSR1:
// the receiver's report so far, a line of its own. A flow is one source port. Each datagram carries
// its flow and its number; the sender ends each flow with markers that say how many it sent. The
// receiver ends when every flow's marker came (or after -w seconds) and prints one JSON object:
// sent, received, lost, duplicated, reordered (came after a higher number of its flow), gap_ms
// (longest silence), and the same per flow. With -g every silence longer than that is listed:
// `gaps`, from and to in milliseconds since the epoch, and how many numbers are missing between the
// two packets around it; and of the first flow what never came: `holes`, when the first of the run
// was sent (the same clock), and how many. stall: on each processor a process that wants to run
// every 5 ms; reports the longest time by which one of them came too late (stall_ms): what load, or
// a host under this machine, did to everybody.
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FLOW_MAX = 256, MARKERS = 20, MARKER_GAP_MS = 50, SETTLE_MS = 300, GAPS_MAX = 256 };
static const uint32_t magic = 0x54535131;   // a test's datagram
static const uint64_t marker = UINT64_MAX;  // `seq` of an end marker; its `count` is the total

struct message {  // big-endian would not matter: both ends are this program on this machine
	uint32_t magic, flow;
	uint64_t seq, count;  // count of a numbered one: when it was sent, us since the epoch
};

struct flow {
	uint64_t sent, received, duplicated, reordered, highest;
	uint64_t first, first_us,
		highest_us;  // the lowest and the highest number: when they were sent
	bool ended;
	uint8_t *seen;  // one bit per number
	uint64_t room;  // numbers that fit into seen
};

struct gap {
	uint64_t from_us, to_us, missing;  // CLOCK_REALTIME
};

struct options {
	const char *address;
	unsigned port, flows, rate, seconds, size, gap_ms;
};

static volatile sig_atomic_t stopped, asked;

static void on_term(int signo)
{
	stopped = 1;
}

static void on_usr1(int signo)
{
	asked = 1;
}

static uint64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t epoch_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void sleep_until(uint64_t us)
{
	struct timespec t = {.tv_sec = (time_t)(us / 1000000),
			     .tv_nsec = (long)(us % 1000000) * 1000};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void flow_open(int fd[], unsigned flows, const struct sockaddr_in *to)
{
	for (unsigned i = 0; i < flows; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (fd[i] < 0 || connect(fd[i], (const struct sockaddr *)to, sizeof(*to)) < 0)
			err(1, "connect");
	}
}

static void markers_send(const int fd[], const uint64_t sent[], unsigned flows)
{
	// a test may cut the link for a moment: the markers outlast that
	for (int n = 0; n < MARKERS; n++) {
		for (unsigned i = 0; i < flows; i++) {
			struct message m = {
				.magic = magic, .flow = i, .seq = marker, .count = sent[i]};
			(void)!send(fd[i], &m, sizeof(m), 0);
		}
		sleep_until(now_us() + MARKER_GAP_MS * 1000);
	}
}

static int seq_send(const struct options *o)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
	uint8_t packet[2048] = {0};
	uint64_t sent[FLOW_MAX] = {0};
	int fd[FLOW_MAX];

	if (o->address == NULL || inet_pton(AF_INET, o->address, &to.sin_addr) != 1)
		errx(2, "no destination address");
	flow_open(fd, o->flows, &to);
	uint64_t total = (uint64_t)o->rate * o->seconds, start = now_us();
	unsigned burst = o->rate > 5000 ? o->rate / 1000 : 1;
	for (uint64_t n = 0; n < total && !stopped; n++) {
		unsigned i = (unsigned)(n % o->flows);
		struct message m = {.magic = magic, .flow = i, .seq = sent[i]};

		// fast streams in bursts of a millisecond: a sleep for each would be the load
		if (n % burst == 0)
			sleep_until(start + n * 1000000 / o->rate);
		m.count = epoch_us();
		memcpy(packet, &m, sizeof(m));
		// a datagram that never left (an ICMP error is pending, no buffer) is not a lost
		// one
		for (int tries = 0; send(fd[i], packet, o->size, 0) < 0; tries++) {
			if (tries == 100)
				err(1, "send");
			if (errno == ENOBUFS)
				sleep_until(now_us() + 100);
		}
		sent[i]++;
	}
	markers_send(fd, sent, o->flows);
	return 0;
}

static void flow_room(struct flow *f, uint64_t seq)
{
	uint64_t room = f->room ? f->room : 65536;

	if (seq < f->room)
		return;
	while (room <= seq)
		room *= 2;
	f->seen = realloc(f->seen, room / 8);
	if (f->seen == NULL)
		err(1, "realloc");
	memset(f->seen + f->room / 8, 0, (room - f->room) / 8);
	f->room = room;
}

static void flow_count(struct flow *f, const struct message *m)
{
	if (m->seq == marker) {
		f->ended = true;
		f->sent = m->count;
		return;
	}
	if (m->seq > UINT32_MAX)
		return;
	flow_room(f, m->seq);
	uint8_t bit = (uint8_t)(1u << (m->seq % 8));
	if (f->seen[m->seq / 8] & bit) {
		f->duplicated++;
		return;
	}
	f->seen[m->seq / 8] |= bit;
	if (f->received == 0 || m->seq < f->first) {
		f->first = m->seq;
		f->first_us = m->count;
	}
	if (m->seq >= f->highest)
		f->highest_us = m->count;
	if (f->received++ > 0 && m->seq < f->highest)
		f->reordered++;
	if (m->seq > f->highest)
		f->highest = m->seq;
}

static bool flows_ended(const struct flow *f, unsigned flows)
{
	for (unsigned i = 0; i < flows; i++) {
		if (!f[i].ended)
			return false;
	}
	return flows > 0;
}

static struct gap gaps[GAPS_MAX];
static unsigned gap_count;

static void gap_note(uint64_t silence_us, uint64_t missing)
{
	uint64_t now = epoch_us();

	if (gap_count < GAPS_MAX)
		gaps[gap_count++] = (struct gap){now - silence_us, now, missing};
}

static void report_gaps(void)
{
	printf("{\"gaps\":[");
	for (unsigned i = 0; i < gap_count; i++)
		printf("%s{\"from\":%lu,\"to\":%lu,\"missing\":%lu}", i ? "," : "",
		       gaps[i].from_us / 1000, gaps[i].to_us / 1000, gaps[i].missing);
	printf("],");
}

static bool flow_seen(const struct flow *f, uint64_t seq)
{
	return seq < f->room && (f->seen[seq / 8] & (1u << (seq % 8)));
}

static void report_holes(const struct flow *f)
{
	uint64_t end = f->received ? f->highest : 0;
	double each = 0;

	if (end > f->first)
		each = (double)(f->highest_us - f->first_us) / (double)(end - f->first);
	printf("\"holes\":[");
	for (uint64_t n = f->first, holes = 0; n < end && holes < GAPS_MAX; n++) {
		uint64_t from = n;

		while (n < end && !flow_seen(f, n))
			n++;
		if (n == from)
			continue;
		double sent_us = (double)f->first_us + (double)(from - f->first) * each;
		printf("%s{\"sent\":%.0f,\"missing\":%lu}", holes++ ? "," : "", sent_us / 1000,
		       n - from);
	}
	printf("],");
}

static void report(const struct flow *f, unsigned flows, uint64_t gap_us)
{
	struct flow sum = {0};

	report_gaps();
	report_holes(&f[0]);
	printf("\"flows\":[");
	for (unsigned i = 0; i < flows; i++) {
		uint64_t sent = f[i].ended ? f[i].sent : f[i].highest + 1;

		printf("%s{\"flow\":%u,\"sent\":%lu,\"received\":%lu,\"duplicated\":%lu,"
		       "\"reordered\":%lu,\"ended\":%s}",
		       i ? "," : "", i, sent, f[i].received, f[i].duplicated, f[i].reordered,
		       f[i].ended ? "true" : "false");
		sum.sent += sent;
		sum.received += f[i].received;
		sum.duplicated += f[i].duplicated;
		sum.reordered += f[i].reordered;
	}
	printf("],\"sent\":%lu,\"received\":%lu,\"lost\":%ld,\"duplicated\":%lu,\"reordered\":%lu,"
	       "\"gap_ms\":%lu,\"ended\":%s}\n",
	       sum.sent, sum.received, (long)(sum.sent - sum.received), sum.duplicated,
	       sum.reordered, gap_us / 1000, flows_ended(f, flows) ? "true" : "false");
	fflush(stdout);
}

static int seq_recv(const struct options *o)
{
	static struct flow flow[FLOW_MAX];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 16 << 20;
	uint64_t end = now_us() + (uint64_t)o->seconds * 1000000, last = 0, gap = 0;
	unsigned flows = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(1, "bind");
	while (now_us() < end && !stopped) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		struct message m;

		if (asked) {
			asked = 0;
			report(flow, flows, gap);
		}
		if (poll(&p, 1, flows_ended(flow, flows) ? SETTLE_MS : 100) <= 0) {
			if (flows_ended(flow, flows) && !stopped)
				break;
			continue;
		}
		if (recv(fd, &m, sizeof(m), MSG_TRUNC) < (ssize_t)sizeof(m) || m.magic != magic ||
		    m.flow >= FLOW_MAX)
			continue;
		if (m.flow >= flows)
			flows = m.flow + 1;
		uint64_t before = flow[m.flow].highest;
		flow_count(&flow[m.flow], &m);
		if (m.seq == marker)
			continue;
		uint64_t now = now_us(), silence = last ? now - last : 0;
		if (silence > gap)
			gap = silence;
		if (o->gap_ms && silence > o->gap_ms * 1000ull)
			gap_note(silence, m.seq > before ? m.seq - before - 1 : 0);
		last = now;
	}
	if (stopped && last && o->gap_ms && now_us() - last > o->gap_ms * 1000ull)
		gap_note(now_us() - last, 0);  // a silence that did not end
	report(flow, flows, gap);
	return flows_ended(flow, flows) ? 0 : 3;
}

static uint64_t stall_on(int cpu, uint64_t end)
{
	cpu_set_t set;
	uint64_t longest = 0;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return 0;
	while (!stopped && now_us() < end) {
		uint64_t due = now_us() + 5000;
		sleep_until(due);
		uint64_t late = now_us() - due;
		if (!stopped && late > longest)
			longest = late;
	}
	return longest;
}

static int seq_stall(const struct options *o)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t end = now_us() + (uint64_t)o->seconds * 1000000, longest = 0;
	uint64_t *late = mmap(NULL, (size_t)cpus * sizeof(*late), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (late == MAP_FAILED)
		err(1, "mmap");
	pid_t child[64] = {0};
	for (int cpu = 1; cpu < cpus && cpu < 64; cpu++) {
		child[cpu] = fork();
		if (child[cpu] == 0) {
			late[cpu] = stall_on(cpu, end);
			_exit(0);
		}
	}
	late[0] = stall_on(0, end);
	for (int cpu = 0; cpu < cpus && cpu < 64; cpu++) {
		if (child[cpu] > 0) {
			kill(child[cpu], SIGTERM);
			while (waitpid(child[cpu], NULL, 0) < 0 && errno == EINTR)
				;
		}
		longest = late[cpu] > longest ? late[cpu] : longest;
	}
	printf("{\"stall_ms\":%lu}\n", longest / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {.port = 7000, .flows = 1, .rate = 1000, .seconds = 5, .size = 200};
	int c;

	if (argc < 2)
		errx(2, "usage: udpseq send|recv|stall ...");
	while ((c = getopt(argc - 1, argv + 1, "d:p:n:r:t:s:w:g:")) != -1) {
		unsigned n = (unsigned)(optarg ? strtoul(optarg, NULL, 10) : 0);

		switch (c) {
		case 'd': o.address = optarg; break;
		case 'p': o.port = n; break;
		case 'n': o.flows = n; break;
		case 'r': o.rate = n; break;
		case 't':
		case 'w': o.seconds = n; break;
		case 's': o.size = n; break;
		case 'g': o.gap_ms = n; break;
		default: return 2;
		}
	}
	if (o.flows < 1 || o.flows > FLOW_MAX || o.rate < 1 || o.size < sizeof(struct message) ||
	    o.size > 2048)
		errx(2, "option out of range");
	// a reception that a signal interrupts counts as an empty one
	struct sigaction end = {.sa_handler = on_term};
	struct sigaction ask = {.sa_handler = on_usr1};
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGUSR1, &ask, NULL);
	if (strcmp(argv[1], "stall") == 0)
		return seq_stall(&o);
	return strcmp(argv[1], "send") == 0 ? seq_send(&o) : seq_recv(&o);
}
