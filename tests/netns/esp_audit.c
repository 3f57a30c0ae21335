// Observer of ESP on a wire: does a gateway, or a pair of them, ever use a number twice?
//
// esp_audit watch -i IF [-s SOURCE] [-v IV-LENGTH] [-w SAMPLE]   until SIGTERM or SIGINT
// esp_audit read FILE [-s SOURCE] [-v IV-LENGTH]
// esp_audit verify FILE -k KEYS [-s SOURCE]               opens each packet with its SA's key
// esp_audit replay -i IF FILE [-r PACKETS/S]          sends the file's frames again
// esp_audit seal -i IF FILE -k KEYS -w RECORD -a INNER-SOURCE -d INNER-DESTINATION -p PORT
//                [-r PACKETS/S] [-t SECONDS] [-z SIZE]  goes on with the last SA of FILE
//
// Plain ESP and ESP in UDP over IPv4. A SA is destination and SPI; each SA has keys of its own
// (verify says so: keys_shared), so an IV is compared within its SA. SOURCE: only packets from that
// address. -v: length of the explicit IV, 16 (CBC, the default) or 8 (GCM); of the latter the life
// (slot, join, restart) is counted, too. One JSON object: packets, sas, duplicate_sequences,
// duplicate_ivs, lives, dropped (frames that the capture lost: the audit is complete only with 0)
// and the first few offenders. SIGUSR1: a line with the figures since the last such line. SAMPLE:
// whole packets of each SA, the first ones, those after each silence, one in SAMPLE_ONE_IN of the
// others and all offenders.
#include "esp_audit.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	OFFENDERS_MAX = 8,
	CAPTURE_BUFFER = 64 << 20,
	SAMPLE_FIRST = 2000,
	SAMPLE_AFTER_SILENCE = 1000,
	SAMPLE_ONE_IN = 64,
	SAMPLE_MAX = 500000,
	SILENCE_US = 20000,
	PHASE_SECONDS = 900
};

struct offender {
	uint32_t spi, seq;
	bool iv;
};

struct counts {
	uint64_t packets, sequences, ivs;
};

static struct {
	struct counts all, before;  // before: up to the last mark
	uint64_t short_ones, sampled;
	struct offender offender[OFFENDERS_MAX];
	unsigned offenders, dropped;
	pcap_dumper_t *sample;
	uint64_t phase_s;  // second of the first packet since the last mark
	uint32_t second[PHASE_SECONDS];
} audit;

struct esp_options esp_options = {.iv_len = 16, .rate = 20000, .seconds = 3600, .size = 100};
pcap_t *esp_capture;
volatile bool esp_stopped;
static volatile bool marked;

static void on_stop(int signo)
{
	esp_stopped = true;
	if (esp_capture)
		pcap_breakloop(esp_capture);
}

static void on_mark(int signo)
{
	marked = true;
	if (esp_capture)
		pcap_breakloop(esp_capture);
}

void *esp_room(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		err(1, "calloc");
	return p;
}

static void offend(uint32_t spi, uint32_t seq, bool iv)
{
	if (audit.offenders < OFFENDERS_MAX)
		audit.offender[audit.offenders++] = (struct offender){spi, seq, iv};
}

// ---- packets ------------------------------------------------------------------------------------
struct esp_seen esp_find(const struct pcap_pkthdr *h, const uint8_t *f)
{
	struct esp_seen none = {0};
	const uint8_t *ip = f + ETHER;

	if (h->caplen < ETHER + 20 || f[12] != 0x08 || f[13] != 0x00 || ip[0] >> 4 != 4)
		return none;
	size_t header = (size_t)(ip[0] & 15) * 4, len = h->caplen - ETHER;
	size_t total = (size_t)ip[2] << 8 | ip[3];
	len = total < len ? total : len;  // Ethernet pads short frames
	if (header < 20 || len < header + UDP_HEADER || ((ip[6] & 0x1f) | ip[7]) != 0)
		return none;  // later fragments carry no header
	if (esp_options.source && get32(ip + 12) != esp_options.source)
		return none;
	struct esp_seen e = {.esp = ip + header, .len = len - header, .dst = get32(ip + 16)};
	if (ip[9] == IPPROTO_ESP)
		return e;
	if (ip[9] != IPPROTO_UDP || len - header - UDP_HEADER <= 1 ||  // keepalive
	    (get32(e.esp) >> 16 != NATT_PORT && (get32(e.esp) & 0xffff) != NATT_PORT))
		return none;
	e.esp += UDP_HEADER;
	e.len -= UDP_HEADER;
	return e;
}

static void sample_take(struct esp_sa *sa, const struct pcap_pkthdr *h, const uint8_t *f,
			bool offends)
{
	uint64_t us = (uint64_t)h->ts.tv_sec * 1000000 + (uint64_t)h->ts.tv_usec;

	if (us > sa->last_us + SILENCE_US)
		sa->after_silence = SAMPLE_AFTER_SILENCE;
	sa->last_us = us;
	if (!audit.sample || (audit.sampled >= SAMPLE_MAX && !offends))
		return;
	if (offends || sa->packets <= SAMPLE_FIRST || sa->after_silence > 0 ||
	    sa->packets % SAMPLE_ONE_IN == 0) {
		pcap_dump((u_char *)audit.sample, h, f);
		sa->after_silence -= sa->after_silence > 0;
		sa->sampled++;
		audit.sampled++;
	}
}

static void second_note(const struct pcap_pkthdr *h)
{
	uint64_t s = (uint64_t)h->ts.tv_sec;

	if (!audit.phase_s)
		audit.phase_s = s;
	if (s >= audit.phase_s && s - audit.phase_s < PHASE_SECONDS)
		audit.second[s - audit.phase_s]++;
}

static void frame_check(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *f)
{
	struct esp_seen e = esp_find(h, f);

	if (!e.esp)
		return;
	if (e.len < ESP_HEADER + esp_options.iv_len) {
		audit.short_ones++;
		return;
	}
	uint32_t spi = get32(e.esp), seq = get32(e.esp + 4);
	if (spi == 0 || spi == UINT32_MAX)
		return;  // IKE, keepalive
	struct esp_sa *sa = esp_sa_of(e.dst, spi);
	bool seq_seen = esp_sequence_seen(sa, seq), iv_seen = esp_iv_seen(sa, e.esp + ESP_HEADER);
	sa->packets++;
	sa->seen++;
	audit.all.packets++;
	audit.all.sequences += seq_seen;
	audit.all.ivs += iv_seen;
	if (seq_seen)
		offend(spi, seq, false);
	if (iv_seen)
		offend(spi, seq, true);
	second_note(h);
	sample_take(sa, h, f, seq_seen || iv_seen);
}

// ---- reports ------------------------------------------------------------------------------------
static int count_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

// the median of the phase's seconds, its first and last ones, which are cut, and silent ones left
// out
static uint32_t phase_rate(void)
{
	unsigned last = PHASE_SECONDS - 1, n = 0;

	while (last > 0 && audit.second[last] == 0)
		last--;
	for (unsigned i = 1; i < last; i++) {
		if (audit.second[i])
			audit.second[n++] = audit.second[i];
	}
	qsort(audit.second, n, sizeof(audit.second[0]), count_order);
	return n ? audit.second[n / 2] : 0;
}

static void mark(void)
{
	struct counts *b = &audit.before, *a = &audit.all;
	struct esp_sa *sa;
	unsigned sas = 0;

	for (unsigned i = 0; (sa = esp_sa_at(i)); i++) {
		sas += sa->seen > 0;
		sa->seen = 0;
	}
	printf("{\"packets\":%lu,\"sas\":%u,\"duplicate_sequences\":%lu,\"duplicate_ivs\":%lu,"
	       "\"rate\":%u}\n",
	       a->packets - b->packets, sas, a->sequences - b->sequences, a->ivs - b->ivs,
	       phase_rate());
	fflush(stdout);
	*b = *a;
	audit.phase_s = 0;
	memset(audit.second, 0, sizeof(audit.second));
}

static int report(void)
{
	struct esp_sa *sa;
	unsigned sas = 0;

	while (esp_sa_at(sas))
		sas++;
	printf("{\"packets\":%lu,\"sas\":%u,\"duplicate_sequences\":%lu,\"duplicate_ivs\":%lu,"
	       "\"lives\":%u,\"short\":%lu,\"dropped\":%u,\"sampled\":%lu,\"offenders\":[",
	       audit.all.packets, sas, audit.all.sequences, audit.all.ivs, esp_lives(),
	       audit.short_ones, audit.dropped, audit.sampled);
	for (unsigned i = 0; i < audit.offenders; i++)
		printf("%s{\"spi\":\"%08x\",\"sequence\":%u,\"what\":\"%s\"}", i ? "," : "",
		       audit.offender[i].spi, audit.offender[i].seq,
		       audit.offender[i].iv ? "iv" : "sequence");
	printf("],\"list\":[");
	for (unsigned i = 0; (sa = esp_sa_at(i)); i++)
		printf("%s{\"spi\":\"%08x\",\"packets\":%lu,\"highest\":%u,\"sampled\":%lu}",
		       i ? "," : "", sa->spi, sa->packets, sa->highest, sa->sampled);
	printf("]}\n");
	return audit.all.sequences || audit.all.ivs ? 3 : 0;
}

// ---- commands -----------------------------------------------------------------------------------
pcap_t *esp_interface_open(int snap)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create(esp_options.interface, why);

	if (!p)
		errx(1, "%s", why);
	pcap_set_snaplen(p, snap);
	pcap_set_promisc(p, 1);
	pcap_set_timeout(p, 50);
	pcap_set_buffer_size(p, CAPTURE_BUFFER);
	if (pcap_activate(p) < 0)
		errx(1, "%s: %s", esp_options.interface, pcap_geterr(p));
	return p;
}

pcap_t *esp_file_open(void)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(esp_options.file, why);

	if (!p)
		errx(1, "%s", why);
	return p;
}

static int audit_watch(void)
{
	struct pcap_stat st = {0};
	struct bpf_program filter;

	esp_capture = esp_interface_open(esp_options.out ? SNAP_WHOLE : SNAP);
	if (pcap_compile(esp_capture, &filter, "esp or udp port 4500", 1, PCAP_NETMASK_UNKNOWN) <
		    0 ||
	    pcap_setfilter(esp_capture, &filter) < 0)
		errx(1, "%s", pcap_geterr(esp_capture));
	pcap_freecode(&filter);
	if (esp_options.out && !(audit.sample = pcap_dump_open(esp_capture, esp_options.out)))
		errx(1, "%s", pcap_geterr(esp_capture));
	fprintf(stderr, "listening on %s\n", esp_options.interface);
	while (!esp_stopped) {
		if (pcap_loop(esp_capture, -1, frame_check, NULL) == PCAP_ERROR)
			errx(1, "%s", pcap_geterr(esp_capture));
		if (marked) {
			marked = false;
			mark();
		}
	}
	(void)pcap_stats(esp_capture, &st);
	if (audit.sample)
		pcap_dump_close(audit.sample);
	pcap_close(esp_capture);
	audit.dropped = st.ps_drop + st.ps_ifdrop;
	return report();
}

static int audit_read(void)
{
	esp_capture = esp_file_open();
	(void)pcap_loop(esp_capture, -1, frame_check, NULL);
	pcap_close(esp_capture);
	return report();
}

// Every packet of the file is opened; one that no key is known of is as bad as one that does not
// open.
static int audit_verify(void)
{
	uint64_t good = 0, bad = 0, without = 0;
	pcap_t *from = esp_file_open();
	struct pcap_pkthdr *h;
	struct esp_key *k;
	const uint8_t *f;
	char print[17];
	unsigned n = 0;

	esp_keys_read(esp_options.keys);
	while (pcap_next_ex(from, &h, &f) == 1) {
		struct esp_seen e = esp_find(h, f);
		if (!e.esp || e.len < ESP_HEADER || get32(e.esp) == 0 || get32(e.esp) == UINT32_MAX)
			continue;
		k = esp_key_of(get32(e.esp));
		if (!k) {
			without++;
		} else if (h->caplen == h->len && esp_open(k, e.esp, e.len)) {
			k->good++;
			good++;
		} else {
			k->bad++;
			bad++;
		}
	}
	pcap_close(from);
	printf("{\"opened\":%lu,\"bad\":%lu,\"without_key\":%lu,\"keys_shared\":%u,\"keys\":[",
	       good, bad, without, esp_keys_shared());
	for (unsigned i = 0; (k = esp_key_at(i)); i++) {
		if (!k->good && !k->bad)
			continue;
		esp_key_print(k, print);
		printf("%s{\"spi\":\"%08x\",\"key\":\"%s\",\"opened\":%lu,\"bad\":%lu}",
		       n++ ? "," : "", k->spi, print, k->good, k->bad);
	}
	printf("]}\n");
	return bad || without || esp_keys_shared() ? 3 : 0;
}

static void options_read(int argc, char **argv)
{
	struct in_addr a;
	int c;

	while ((c = getopt(argc, argv, "i:s:v:r:k:w:a:d:p:t:z:")) != -1) {
		unsigned n = (unsigned)strtoul(optarg ? optarg : "", NULL, 10);

		switch (c) {
		case 'i': esp_options.interface = optarg; break;
		case 's':
			if (inet_pton(AF_INET, optarg, &a) != 1)
				errx(2, "not an address: %s", optarg);
			esp_options.source = ntohl(a.s_addr);
			break;
		case 'v': esp_options.iv_len = n; break;
		case 'r': esp_options.rate = n; break;
		case 'k': esp_options.keys = optarg; break;
		case 'w': esp_options.out = optarg; break;
		case 'a': esp_options.inner_src = optarg; break;
		case 'd': esp_options.inner_dst = optarg; break;
		case 'p': esp_options.port = n; break;
		case 't': esp_options.seconds = n; break;
		case 'z': esp_options.size = n; break;
		default: exit(2);
		}
	}
	esp_options.file = argv[optind];
}

int main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_stop}, note = {.sa_handler = on_mark};
	const struct esp_options *o = &esp_options;

	if (argc < 2)
		errx(2, "usage: esp_audit watch|read|verify|replay|seal ...");
	const char *what = argv[1];
	bool watch = strcmp(what, "watch") == 0, replay = strcmp(what, "replay") == 0;
	bool seal = strcmp(what, "seal") == 0, verify = strcmp(what, "verify") == 0;
	options_read(argc - 1, argv + 1);
	if ((o->iv_len != 8 && o->iv_len != IV_MAX) || o->rate < 1 || o->size < 24 ||
	    o->size > 1400 || ((watch || replay || seal) && !o->interface) ||
	    (!watch && !o->file) || ((seal || verify) && !o->keys) ||
	    (seal && (!o->out || !o->inner_src || !o->inner_dst || !o->port)))
		errx(2, "option missing or out of range");
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGUSR1, &note, NULL);
	if (seal)
		esp_keys_read(o->keys);
	if (watch)
		return audit_watch();
	if (verify)
		return audit_verify();
	return replay ? esp_replay() : seal ? esp_seal_stream() : audit_read();
}
