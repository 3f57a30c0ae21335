// HSRP messages: bytes to struct and back, and their authentication. Pure; any thread.
#pragma once

#include "hsrp.h"
#include "hsrp_wire.h"

enum hsrp_content {
	HSRP_HAS_GROUP,      // hello, coup, resign
	HSRP_HAS_INTERFACE,  // advertisement or version 2's interface state: about no group
};

struct hsrp_msg {
	uint8_t version;  // 1 or 2
	enum hsrp_content content;
	enum hsrp_op op;  // ADVERT for HAS_INTERFACE
	enum hsrp_state state;
	uint16_t group;
	uint8_t family;  // 4 or 6
	uint8_t priority;
	uint32_t hello_ms, hold_ms;
	struct ip_addr virtual_ip;  // 0.0.0.0 or :: = unknown to the sender
	uint8_t identifier[6];      // version 2
	// HAS_INTERFACE
	uint16_t advert_type, advert_len;  // version 1
	uint8_t advert_state;              // version 1: 1 dormant, 2 passive, 3 active
	uint16_t active_groups, passive_groups;
	// authentication; digest_at is the digest's offset in the payload
	bool has_text, has_md5;
	uint8_t text[HSRP_TEXT_LEN];
	uint8_t md5_source[4];
	uint32_t md5_key_id;
	uint16_t md5_flags;
	uint8_t digest[HSRP_DIGEST_LEN];
	size_t digest_at;
	bool has_stamp;
	uint64_t stamp;
};

// HSRP_RX_OK, or why not (the message is then undefined).
enum hsrp_rx hsrp_decode(const uint8_t *data, size_t len, struct hsrp_msg *out);
// A group message with the authentication that `auth` asks for at `now`; returns its length, or a
// negative errno: -EMSGSIZE, -ENOKEY when no key may be sent now. m->text and the md5 fields are
// taken from `auth`; `local` goes into the MD5 TLV.
int hsrp_encode(const struct hsrp_msg *m, const struct hsrp_auth *auth, const struct ip_addr *local,
		uint64_t now, uint8_t *buf, size_t cap);

// MD5(key | its padding to whole 64-octet blocks | payload with the digest zeroed | key), RFC 1828.
int hsrp_digest(const struct hsrp_key *key, const uint8_t *data, size_t len, size_t digest_at,
		uint8_t out[HSRP_DIGEST_LEN]);
// The message m (decoded from data) against what is configured.
enum hsrp_rx hsrp_auth_check(const struct hsrp_auth *auth, const struct hsrp_msg *m,
			     const struct hsrp_packet *p, uint64_t now);
