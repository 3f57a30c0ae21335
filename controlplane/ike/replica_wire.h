// The payload of a replicated SA: version, kind, then type-length-value records in network byte
// order. Types have one meaning for ever; a reader passes over those it does not know, so a newer
// release may add some. Enumerations of the configuration's model (ciphers, hashes) are written as
// their values: new ones go to the end there. Pure; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "buf.h"
#include "ike/hash.h"

#define REPLICA_VERSION 1
#define REPLICA_TLV_MAX 96  // types below this

enum replica_tlv {
	TLV_LOCAL = 1,  // addresses
	TLV_REMOTE,
	TLV_TIMES,
	// IKE SA
	TLV_IKE = 10,
	TLV_LOCAL_ID,
	TLV_REMOTE_ID,
	TLV_DPD,
	TLV_REPLACED,  // how long ago; may be absent
	// child SA
	TLV_CHILD = 20,
	TLV_SELECTOR,
	TLV_FLOW,  // map, sequence, interface, dynamic map, its sequence, selector
	TLV_TRANSFORM,
	TLV_KEYS_IN,
	TLV_KEYS_OUT,
	TLV_RANK,
	// IKEv1
	TLV_V1_KEYS = 40,
	TLV_V1_PHASE1,
	TLV_V1_IDS,
	TLV_V1_MAIN,
	TLV_V1_QUICK,
};

struct replica_tlvs {
	struct chunk v[REPLICA_TLV_MAX];  // borrowed; data NULL: not there
};
// 0; -EBADMSG: malformed, a type twice; -EPROTONOSUPPORT: another version or kind.
BUF_MUST int replica_tlvs_get(const uint8_t *payload, size_t len, uint8_t kind,
			      struct replica_tlvs *out);
static inline bool replica_has(const struct replica_tlvs *t, enum replica_tlv type)
{
	return t->v[type].data != NULL;
}
static inline void replica_rbuf(const struct replica_tlvs *t, enum replica_tlv type, struct rbuf *b)
{
	rbuf_init(b, t->v[type].data, t->v[type].len);
}

void replica_head_put(struct wbuf *w, uint8_t kind);
size_t replica_begin_tlv(struct wbuf *w, enum replica_tlv type);  // returns what end wants
void replica_end_tlv(struct wbuf *w, size_t at);

// Pieces. Strings and blobs: length (16 bit), bytes.
void replica_put_addr(struct wbuf *w, const struct ip_addr *a);
BUF_MUST int replica_get_addr(struct rbuf *b, struct ip_addr *a);
void replica_put_selector(struct wbuf *w, const struct selector *s);
BUF_MUST int replica_get_selector(struct rbuf *b, struct selector *s);
void replica_put_bytes(struct wbuf *w, const void *bytes, size_t len);
BUF_MUST int replica_get_chunk(struct rbuf *b, struct chunk *c, size_t min, size_t max);
void replica_put_text(struct wbuf *w, const char *s);
BUF_MUST int replica_get_text(struct rbuf *b, char *s, size_t cap);  // printable, terminated
BUF_MUST int replica_get_bool(struct rbuf *b, bool *v);              // 0 or 1
BUF_MUST int replica_get_enum(struct rbuf *b, unsigned *v, unsigned below);
