// What the parts of corpus-hsrp share: a capture's HSRP packets and what is expected of them.
#pragma once

#include "corpus_json.h"
#include "hsrp_packet.h"
#include "tally.h"

#define FRAMES_MAX  8192
#define KEYS_MAX    8
#define PAYLOAD_MAX 2048

struct frame {
	unsigned number;  // in the capture, from 1
	uint64_t ms;      // since the first frame
	uint8_t smac[6];
	struct hsrp_packet packet;  // of payload
	uint8_t payload[PAYLOAD_MAX];
	enum hsrp_rx decoded;
	struct hsrp_msg msg;
	int key;  // index of the key whose digest fits, -1 none
};

struct capture {
	const char *name;
	struct tally *t;
	const json_t *expected;
	struct frame *frames;  // HSRP only
	unsigned count;
	char key[KEYS_MAX][HSRP_KEY_LEN + 1];  // named in the expectation
	unsigned keys;
};

__attribute__((format(printf, 3, 4))) void corpus_line(struct capture *c, const char *what,
						       const char *why, ...);
const char *corpus_op_name(const struct frame *f);  // as the expectation spells it
// "none", "md5-ok key=K", "md5-bad"
const char *corpus_auth_name(const struct capture *c, const struct frame *f, char *buf, size_t cap);
struct hsrp_key corpus_key(const char *text);

// corpus_hsrp_listen.c: one more router on the LAN, with each of the credentials.
void corpus_listen(struct capture *c);
