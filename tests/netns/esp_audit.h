// What the parts of esp_audit share: finding ESP in a frame, the sets of numbers that were used,
// the keys of the SAs. One process, one thread.
#pragma once

#include <pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	ETHER = 14,
	UDP_HEADER = 8,
	ESP_HEADER = 8,
	NATT_PORT = 4500,
	SNAP = 128,
	SNAP_WHOLE = 2048,
	IV_MAX = 16,
	KEY_MAX = 64
};

struct esp_options {
	const char *interface, *file, *keys, *out;
	const char *inner_src, *inner_dst;
	uint32_t source;  // 0: any
	unsigned iv_len, rate, seconds, port, size;
};
extern struct esp_options esp_options;
extern pcap_t *esp_capture;
extern volatile bool esp_stopped;

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

// The ESP of a frame, in UDP or not; `esp` is NULL when there is none from the source that counts.
struct esp_seen {
	const uint8_t *esp;
	size_t len;  // captured octets of it
	uint32_t dst;
};
struct esp_seen esp_find(const struct pcap_pkthdr *h, const uint8_t *frame);
pcap_t *esp_interface_open(int snap);
pcap_t *esp_file_open(void);
void *esp_room(size_t count, size_t size);

// ---- esp_numbers.c: which were used
// ---------------------------------------------------------------
struct esp_sa {
	uint32_t dst, spi, highest;
	uint64_t packets, last_us, sampled;
	uint64_t seen;  // in the present phase
	unsigned after_silence;
	uint8_t **page;
};
struct esp_sa *esp_sa_of(uint32_t dst, uint32_t spi);
struct esp_sa *esp_sa_at(unsigned n);  // NULL: no more
bool esp_sequence_seen(struct esp_sa *sa, uint32_t seq);
bool esp_iv_seen(const struct esp_sa *sa, const uint8_t *iv);
unsigned esp_lives(void);

// ---- esp_keys.c: the real keys
// -------------------------------------------------------------------- A line of the file: SPI (8
// hex digits), aes-cbc or aes-gcm, the key in hex (of GCM with the salt behind it), the key of
// HMAC-SHA1 in hex or `-`.
struct esp_key {
	uint32_t spi;
	bool gcm;
	uint8_t key[KEY_MAX], auth[KEY_MAX];
	size_t key_len, auth_len;
	uint64_t good, bad;
};
void esp_keys_read(const char *file);
struct esp_key *esp_key_of(uint32_t spi);  // NULL: none
struct esp_key *esp_key_at(unsigned n);    // NULL: no more
unsigned esp_keys_shared(void);            // SAs that have the key of another one
void esp_key_print(const struct esp_key *k, char print[17]);  // 16 digits of its SHA-256
// esp_open: is the ICV right, and what is inside an IPv4 packet? esp_seal: writes header, IV,
// sealed `inner` and ICV to `out`; returns the length.
bool esp_open(const struct esp_key *k, const uint8_t *esp, size_t len);
size_t esp_seal(const struct esp_key *k, uint32_t seq, const uint8_t *inner, size_t len,
		uint8_t *out);

// ---- esp_send.c
// -----------------------------------------------------------------------------------
int esp_replay(void);
int esp_seal_stream(void);
