// corpus-ike in parts. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tally.h"

enum decoded {
	DECODED_V1,         // header and payload chain are sound
	DECODED_ENCRYPTED,  // header sound, the rest needs a key
	DECODED_REFUSED,
	DECODED_V2,  // another version: refused by the header decoder, as it must be
};
// Through the header decoder, the payload chain and every typed getter. payloads: how many, or
// NULL.
enum decoded ike_decode_all(const uint8_t *data, size_t len, unsigned *payloads);
// Strips the non-ESP marker of port 4500. False: not IKE (ESP, keepalive, too short).
bool ike_unmark(const uint8_t **data, size_t *len);

void ike_capture(struct tally *t, const char *path, const char *name);  // pcap, pcapng
void ike_hash_r(struct tally *t, const char *path, const char *name);   // v1_hash_r/*.json

// A live responder. 0, or a negative errno when the engine cannot be started.
int ike_live_start(void);
// Feeds a UDP payload; false (and why) when it breaks a rule. natt: it came to port 4500.
bool ike_live_feed(const uint8_t *data, size_t len, bool natt, char *why, size_t cap);
// The smallest first message that is acceptable: its answer has the least room.
bool ike_live_smallest(char *why, size_t cap);
// Everything fed to one engine must have left bounded state behind.
bool ike_live_stop(char *why, size_t cap);
