// What esp_audit sends: the frames of a file again, or numbered datagrams (those of udpseq) sealed
// with a SA's real key behind the headers of a frame that a peer had sent, faster than any peer in
// user space.
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "esp_audit.h"

enum { IP_HEADER = 20, INNER_HEADERS = IP_HEADER + UDP_HEADER, HEAD_MAX = 128, BURST_US = 1000 };

struct message {  // as in udpseq.c
	uint32_t magic, flow;
	uint64_t seq, count;
};

// ---- pace
// -----------------------------------------------------------------------------------------
static uint64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void sleep_until(uint64_t us)
{
	struct timespec t = {.tv_sec = (time_t)(us / 1000000),
			     .tv_nsec = (long)(us % 1000000) * 1000};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

// packet number n: bursts of a millisecond, a sleep for each packet would be the load
static void pace(uint64_t start, uint64_t n)
{
	uint64_t burst = (uint64_t)esp_options.rate * BURST_US / 1000000;

	if (n % (burst ? burst : 1) == 0)
		sleep_until(start + n * 1000000 / esp_options.rate);
}

static void frame_send(pcap_t *to, const uint8_t *frame, size_t len)
{
	while (pcap_inject(to, frame, len) < 0) {
		if (errno != ENOBUFS)
			errx(1, "%s", pcap_geterr(to));
		sleep_until(now_us() + 100);
	}
}

int esp_replay(void)
{
	pcap_t *from = esp_file_open(), *to = esp_interface_open(SNAP);
	struct pcap_pkthdr *h;
	const uint8_t *frame;
	uint64_t sent = 0, start = now_us();

	while (!esp_stopped && pcap_next_ex(from, &h, &frame) == 1) {
		if (h->caplen != h->len)
			errx(1, "a frame of the file is cut off");
		pace(start, sent);
		frame_send(to, frame, h->caplen);
		sent++;
	}
	pcap_close(from);
	pcap_close(to);
	printf("{\"replayed\":%lu}\n", sent);
	return 0;
}

// ---- sealed packets of our own
// ----------------------------------------------------------------------
struct stream {
	uint8_t head[HEAD_MAX];  // Ethernet, IP, perhaps UDP
	size_t head_len;
	bool udp;
	uint32_t seq;  // the highest so far
	struct esp_key *key;
};

// the last SA that the file has packets of
static void stream_learn(struct stream *s)
{
	pcap_t *from = esp_file_open();
	struct pcap_pkthdr *h;
	const uint8_t *frame;

	while (pcap_next_ex(from, &h, &frame) == 1) {
		struct esp_seen e = esp_find(h, frame);
		if (!e.esp || e.len < ESP_HEADER + 8 || get32(e.esp) == 0)
			continue;
		struct esp_key *k = esp_key_of(get32(e.esp));
		if (!k)
			errx(1, "no key of SPI %08x", get32(e.esp));
		s->seq = k == s->key && s->seq > get32(e.esp + 4) ? s->seq : get32(e.esp + 4);
		s->key = k;
		s->head_len = (size_t)(e.esp - frame);
		s->udp = frame[ETHER + 9] == IPPROTO_UDP;
		if (s->head_len > HEAD_MAX)
			errx(1, "long headers");
		memcpy(s->head, frame, s->head_len);
	}
	pcap_close(from);
	if (!s->key)
		errx(1, "%s: no ESP in it", esp_options.file);
}

static void ip_checksum(uint8_t *ip, size_t header)
{
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (size_t i = 0; i < header; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, (uint16_t)~sum);
}

static size_t inner_make(uint8_t *p, uint64_t number)
{
	struct message m = {.magic = 0x54535131, .seq = number};
	size_t len = INNER_HEADERS + esp_options.size;

	memset(p, 0, len);
	p[0] = 0x45;
	put16(p + 2, (uint16_t)len);
	p[8] = 64;
	p[9] = IPPROTO_UDP;
	if (inet_pton(AF_INET, esp_options.inner_src, p + 12) != 1 ||
	    inet_pton(AF_INET, esp_options.inner_dst, p + 16) != 1)
		errx(2, "not an address");
	ip_checksum(p, IP_HEADER);
	put16(p + IP_HEADER, (uint16_t)esp_options.port);
	put16(p + IP_HEADER + 2, (uint16_t)esp_options.port);
	put16(p + IP_HEADER + 4, (uint16_t)(len - IP_HEADER));
	memcpy(p + INNER_HEADERS, &m, sizeof(m));
	return len;
}

static size_t frame_make(struct stream *s, uint8_t *frame, uint64_t number)
{
	uint8_t inner[SNAP_WHOLE], *ip = frame + ETHER;
	size_t header = (size_t)(s->head[ETHER] & 15) * 4;
	size_t len = inner_make(inner, number);

	memcpy(frame, s->head, s->head_len);
	len = s->head_len + esp_seal(s->key, ++s->seq, inner, len, frame + s->head_len);
	put16(ip + 2, (uint16_t)(len - ETHER));
	ip_checksum(ip, header);
	if (s->udp) {
		put16(ip + header + 4, (uint16_t)(len - ETHER - header));
		put16(ip + header + 6, 0);  // RFC 3948, 2.1
	}
	return len;
}

int esp_seal_stream(void)
{
	uint64_t total = (uint64_t)esp_options.rate * esp_options.seconds, sent = 0;
	uint8_t frame[2 * SNAP_WHOLE];
	struct stream s = {0};

	stream_learn(&s);
	pcap_t *to = esp_interface_open(SNAP);
	pcap_t *form = pcap_open_dead(DLT_EN10MB, SNAP_WHOLE);
	pcap_dumper_t *record = pcap_dump_open(form, esp_options.out);
	if (!record)
		errx(1, "%s: %s", esp_options.out, pcap_geterr(form));
	fprintf(stderr, "sealing for %08x after %u\n", s.key->spi, s.seq);
	uint64_t start = now_us();
	for (; sent < total && !esp_stopped; sent++) {
		pace(start, sent);
		size_t len = frame_make(&s, frame, sent);
		uint64_t now = now_us();
		struct pcap_pkthdr h = {
			.ts = {(time_t)(now / 1000000), (suseconds_t)(now % 1000000)},
			.caplen = (uint32_t)len,
			.len = (uint32_t)len};
		pcap_dump((u_char *)record, &h, frame);
		frame_send(to, frame, len);
	}
	uint64_t took = now_us() - start;
	pcap_dump_close(record);
	pcap_close(form);
	pcap_close(to);
	printf("{\"sealed\":%lu,\"rate\":%lu}\n", sent, took ? sent * 1000000 / took : 0);
	return 0;
}
