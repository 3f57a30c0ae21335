// Observer of ESP on a wire: does a gateway, or a pair of them, ever use a number twice?
//
// esp_audit watch -i IF [-s SOURCE] [-v IV-LENGTH]   until SIGTERM or SIGINT
// esp_audit read FILE [-s SOURCE] [-v IV-LENGTH]
// esp_audit replay -i IF FILE [-r PACKETS/S]          sends the file's frames again
//
// Plain ESP and ESP in UDP over IPv4. A SA is destination and SPI; each SA has keys of its own, so
// an IV is compared within its SA. SOURCE: only packets from that address. -v: length of the
// explicit IV, 16 (CBC, the default) or 8 (GCM); of the latter the life (slot, join, restart) is
// counted, too. One JSON object: packets, sas, duplicate_sequences, duplicate_ivs, lives, dropped
// (frames that the capture lost: the audit is complete only with 0) and the first few offenders.
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pcap.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ETHER = 14,
	UDP_HEADER = 8,
	ESP_HEADER = 8,
	NATT_PORT = 4500,
	SAS_MAX = 1024,
	LIVES_MAX = 256,
	OFFENDERS_MAX = 8,
	PAGES = 65536,  // of 65536 sequence numbers each
	CAPTURE_BUFFER = 64 << 20,
	SNAP = 128,
	IV_MAX = 16
};

struct sa {
	uint32_t dst, spi;
	uint64_t packets;
	uint32_t highest;
	uint8_t **page;
};

struct offender {
	uint32_t spi, seq;
	bool iv;
};

struct slot {
	uint64_t hi, lo;  // both 0: free
};

static struct audit {
	struct sa sa[SAS_MAX];
	unsigned sas;
	struct slot *slot;
	uint64_t slots, used;
	uint64_t life[LIVES_MAX];
	unsigned lives;
	uint64_t packets, sequences, ivs, short_ones;
	struct offender offender[OFFENDERS_MAX];
	unsigned offenders;
} audit;

static struct options {
	const char *interface, *file;
	uint32_t source;
	unsigned iv_len, rate;
} options = {.iv_len = 16, .rate = 20000};

static pcap_t *capture;

static void on_stop(int signo)
{
	if (capture)
		pcap_breakloop(capture);
}

static void *room(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		err(1, "calloc");
	return p;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static void offend(uint32_t spi, uint32_t seq, bool iv)
{
	if (audit.offenders < OFFENDERS_MAX)
		audit.offender[audit.offenders++] = (struct offender){spi, seq, iv};
}

// ---- sequence numbers: one bit each ------------------------------------------------------------
static struct sa *sa_of(uint32_t dst, uint32_t spi)
{
	for (unsigned i = audit.sas; i-- > 0;) {
		if (audit.sa[i].spi == spi && audit.sa[i].dst == dst)
			return &audit.sa[i];
	}
	if (audit.sas == SAS_MAX)
		errx(1, "more than %d SAs", SAS_MAX);
	struct sa *sa = &audit.sa[audit.sas++];
	*sa = (struct sa){.dst = dst, .spi = spi, .page = room(PAGES, sizeof(sa->page[0]))};
	return sa;
}

static bool sequence_seen(struct sa *sa, uint32_t seq)
{
	uint8_t **page = &sa->page[seq >> 16];
	unsigned bit = seq & 0xffff;

	if (!*page)
		*page = room(65536 / 8, 1);
	bool seen = (*page)[bit / 8] & (1u << bit % 8);
	(*page)[bit / 8] |= (uint8_t)(1u << bit % 8);
	sa->highest = seq > sa->highest ? seq : sa->highest;
	return seen;
}

// ---- IVs: a set ---------------------------------------------------------------------------------
static bool slot_take(struct slot *table, uint64_t slots, struct slot v)
{
	uint64_t at = (v.hi * 0x9e3779b97f4a7c15u ^ v.lo * 0xc2b2ae3d27d4eb4fu) >> 7;

	for (;; at++) {
		struct slot *s = &table[at & (slots - 1)];

		if (s->hi == v.hi && s->lo == v.lo)
			return false;
		if (s->hi == 0 && s->lo == 0) {
			*s = v;
			return true;
		}
	}
}

static void set_grow(void)
{
	uint64_t slots = audit.slots ? audit.slots * 2 : 1 << 20;
	struct slot *table = room(slots, sizeof(*table));

	for (uint64_t i = 0; i < audit.slots; i++) {
		if (audit.slot[i].hi || audit.slot[i].lo)
			(void)slot_take(table, slots, audit.slot[i]);
	}
	free(audit.slot);
	audit.slot = table;
	audit.slots = slots;
}

static void life_note(uint64_t iv)
{
	uint64_t life = iv >> 40;  // slot(1) join(15) restart(8)

	for (unsigned i = 0; i < audit.lives; i++) {
		if (audit.life[i] == life)
			return;
	}
	if (audit.lives < LIVES_MAX)
		audit.life[audit.lives++] = life;
}

static bool iv_seen(const struct sa *sa, const uint8_t *iv)
{
	uint64_t sa_id = (uint64_t)sa->dst << 32 | sa->spi;
	struct slot v = {.hi = (uint64_t)get32(iv) << 32 | get32(iv + 4), .lo = sa_id};

	if (options.iv_len == 8)
		life_note(v.hi);
	else  // random: the SA's identity only separates equal ones of two SAs
		v.lo = ((uint64_t)get32(iv + 8) << 32 | get32(iv + 12)) ^ sa_id;
	if (audit.used * 2 >= audit.slots)
		set_grow();
	if (!slot_take(audit.slot, audit.slots, v))
		return true;
	audit.used++;
	return false;
}

// ---- packets ------------------------------------------------------------------------------------
static void esp_check(uint32_t dst, const uint8_t *esp, size_t len)
{
	if (len < ESP_HEADER + options.iv_len) {
		audit.short_ones++;
		return;
	}
	uint32_t spi = get32(esp), seq = get32(esp + 4);
	if (spi == 0 || spi == UINT32_MAX)
		return;  // IKE, keepalive
	struct sa *sa = sa_of(dst, spi);
	sa->packets++;
	audit.packets++;
	if (sequence_seen(sa, seq)) {
		audit.sequences++;
		offend(spi, seq, false);
	}
	if (iv_seen(sa, esp + ESP_HEADER)) {
		audit.ivs++;
		offend(spi, seq, true);
	}
}

static void frame_check(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *f)
{
	const uint8_t *ip = f + ETHER;

	if (h->caplen < ETHER + 20 || f[12] != 0x08 || f[13] != 0x00 || ip[0] >> 4 != 4)
		return;
	size_t header = (size_t)(ip[0] & 15) * 4, len = h->caplen - ETHER;
	if (header < 20 || len < header + UDP_HEADER || ((ip[6] & 0x1f) | ip[7]) != 0)
		return;  // later fragments carry no header
	if (options.source && get32(ip + 12) != options.source)
		return;
	uint32_t dst = get32(ip + 16);
	if (ip[9] == IPPROTO_ESP) {
		esp_check(dst, ip + header, len - header);
	} else if (ip[9] == IPPROTO_UDP && (get32(ip + header) >> 16 == NATT_PORT ||
					    (get32(ip + header) & 0xffff) == NATT_PORT)) {
		if (len - header - UDP_HEADER > 1)  // not a keepalive
			esp_check(dst, ip + header + UDP_HEADER, len - header - UDP_HEADER);
	}
}

static void report(unsigned dropped)
{
	printf("{\"packets\":%lu,\"sas\":%u,\"duplicate_sequences\":%lu,\"duplicate_ivs\":%lu,"
	       "\"lives\":%u,\"short\":%lu,\"dropped\":%u,\"offenders\":[",
	       audit.packets, audit.sas, audit.sequences, audit.ivs, audit.lives, audit.short_ones,
	       dropped);
	for (unsigned i = 0; i < audit.offenders; i++)
		printf("%s{\"spi\":\"%08x\",\"sequence\":%u,\"what\":\"%s\"}", i ? "," : "",
		       audit.offender[i].spi, audit.offender[i].seq,
		       audit.offender[i].iv ? "iv" : "sequence");
	printf("],\"list\":[");
	for (unsigned i = 0; i < audit.sas; i++)
		printf("%s{\"spi\":\"%08x\",\"packets\":%lu,\"highest\":%u}", i ? "," : "",
		       audit.sa[i].spi, audit.sa[i].packets, audit.sa[i].highest);
	printf("]}\n");
}

static pcap_t *interface_open(void)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create(options.interface, why);

	if (!p)
		errx(1, "%s", why);
	pcap_set_snaplen(p, SNAP);
	pcap_set_promisc(p, 1);
	pcap_set_timeout(p, 50);
	pcap_set_buffer_size(p, CAPTURE_BUFFER);
	if (pcap_activate(p) < 0)
		errx(1, "%s: %s", options.interface, pcap_geterr(p));
	return p;
}

static int audit_watch(void)
{
	struct pcap_stat st = {0};
	struct bpf_program filter;

	capture = interface_open();
	if (pcap_compile(capture, &filter, "esp or udp port 4500", 1, PCAP_NETMASK_UNKNOWN) < 0 ||
	    pcap_setfilter(capture, &filter) < 0)
		errx(1, "%s", pcap_geterr(capture));
	pcap_freecode(&filter);
	fprintf(stderr, "listening on %s\n", options.interface);
	if (pcap_loop(capture, -1, frame_check, NULL) == PCAP_ERROR)
		errx(1, "%s", pcap_geterr(capture));
	(void)pcap_stats(capture, &st);
	pcap_close(capture);
	report(st.ps_drop + st.ps_ifdrop);
	return audit.sequences || audit.ivs ? 3 : 0;
}

static pcap_t *file_open(void)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(options.file, why);

	if (!p)
		errx(1, "%s", why);
	return p;
}

static int audit_read(void)
{
	capture = file_open();
	(void)pcap_loop(capture, -1, frame_check, NULL);
	pcap_close(capture);
	report(0);
	return audit.sequences || audit.ivs ? 3 : 0;
}

static int audit_replay(void)
{
	pcap_t *from = file_open(), *to = interface_open();
	struct timespec pause = {.tv_nsec = 1000000};
	unsigned burst = options.rate / 1000 ? options.rate / 1000 : 1;
	const struct pcap_pkthdr *h;
	struct pcap_pkthdr *header;
	const uint8_t *frame;
	uint64_t sent = 0;

	while (pcap_next_ex(from, &header, &frame) == 1) {
		h = header;
		if (h->caplen != h->len)
			errx(1, "a frame of the file is cut off");
		while (pcap_inject(to, frame, h->caplen) < 0) {
			if (errno != ENOBUFS)
				errx(1, "%s", pcap_geterr(to));
			nanosleep(&pause, NULL);
		}
		if (++sent % burst == 0)
			nanosleep(&pause, NULL);
	}
	pcap_close(from);
	pcap_close(to);
	printf("{\"replayed\":%lu}\n", sent);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_stop};
	struct in_addr a;
	int c;

	if (argc < 2)
		errx(2, "usage: esp_audit watch|read|replay ...");
	while ((c = getopt(argc - 1, argv + 1, "i:s:v:r:")) != -1) {
		switch (c) {
		case 'i': options.interface = optarg; break;
		case 's':
			if (inet_pton(AF_INET, optarg, &a) != 1)
				errx(2, "not an address: %s", optarg);
			options.source = ntohl(a.s_addr);
			break;
		case 'v': options.iv_len = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'r': options.rate = (unsigned)strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	options.file = argv[1 + optind];
	if ((options.iv_len != 8 && options.iv_len != IV_MAX) ||
	    (strcmp(argv[1], "read") != 0 && !options.interface) ||
	    (strcmp(argv[1], "watch") != 0 && !options.file))
		errx(2, "option missing or out of range");
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	if (strcmp(argv[1], "watch") == 0)
		return audit_watch();
	return strcmp(argv[1], "read") == 0 ? audit_read() : audit_replay();
}
