// Messages between the pairs of two boxes: fields, encoding, decoding.
//
//   0       1       2               4                               8
//   +-------+-------+---------------+-------------------------------+----------------
//   |version| type  |     group     |  length of the whole message  | TLVs ...
//   +-------+-------+---------------+-------------------------------+----------------
//   TLV: number(16) length(16) value. A number that is not known is skipped: another software
//   release. The four fields of the head are the same in every version.
// Pure; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "ha_sa.h"

// Another version is not understood at all, another release is: unknown messages and fields are
// skipped. Tests build other ones.
#ifndef PAIR_VERSION
#define PAIR_VERSION 1
#endif
#ifndef PAIR_RELEASE
#define PAIR_RELEASE 1  // of the messages' contents; told in HELLO
#endif
#define PAIR_HEAD 8

enum pair_type {
	PAIR_HELLO = 1,
	PAIR_JOIN,
	PAIR_STATE,
	PAIR_SNAP_END,
	PAIR_UPSERT,
	PAIR_DELETE,
	PAIR_TAINT,
	PAIR_APPLIED,
	PAIR_RAISE,
	PAIR_ACK,
	PAIR_CKPT,
	PAIR_PING,
	PAIR_LEASE,
	PAIR_CLAIM,
	PAIR_GRANT,
	PAIR_DENY,
	PAIR_BUSY,
	PAIR_OFFER,   // a planned switchover begins (rule 9: the sender may become fresh)
	PAIR_SWITCH,  // standby to active: exchange the roles
	PAIR_TYPES
};

// TLV numbers: never given a second meaning.
enum pair_tlv {
	TLV_SESSION = 1,
	TLV_ENDS,
	TLV_NONCE,
	TLV_BOOT,
	TLV_ROLE,
	TLV_PRIORITY,
	TLV_ADDRESS,
	TLV_DIGEST,
	TLV_FRESH,
	TLV_SLOT,
	TLV_JOINS,
	TLV_LSN,
	TLV_RECORD,  // may come several times
	TLV_IDS,
	TLV_LIMITS,
	TLV_EDGES,
	TLV_NEXTS,
	TLV_HELD,
	TLV_STAMP,
	TLV_TERM,
	TLV_SUM,
	TLV_KIND,
	TLV_MORE,
	TLV_RELEASE,
	TLV_WORKING,
	TLV_LOAD,
	TLV_NUMBERS
};
#define HAS(tlv) (1u << (tlv))

enum pair_grant { GRANT_STALE, GRANT_FRESH, GRANT_AUTHORITATIVE, GRANT_PLANNED };
enum pair_denial { DENY_ACTIVE = 1, DENY_JOINING, DENY_STATELESS, DENY_CLAIMING, DENY_SWITCH };

struct pair_session {
	uint64_t lineage;
	uint64_t number;  // counter << 1 | slot of the box that assigned it
};

struct pair_msg {
	enum pair_type type;
	uint16_t group;
	uint32_t has;  // HAS() of each field that is there
	struct pair_session session, ends;
	uint8_t nonce[16];
	uint64_t boot;
	uint8_t role, priority, slot, kind, more, working;
	uint8_t address[16], digest[32];
	uint64_t fresh;  // microseconds that the lease of the sender still runs
	uint32_t join[2];
	uint64_t lsn;  // of the first record in it
	uint64_t stamp, term;
	uint64_t sum[2];  // records, sum of their ceilings
	uint32_t release;
	uint32_t load;  // packets per second of the group, both directions
	// decoded only; borrow the message
	struct rbuf body;  // for pair_msg_record()
	struct rbuf list;  // items of the one list that it has
	unsigned records;  // in body
};

// One entry of TLV_IDS (id), LIMITS (id, value), EDGES (id, edge), NEXTS (id, value, edge), HELD
// (id, value, edge, taint | gone << 1).
struct pair_item {
	uint64_t id, value, edge;
	bool taint, gone;  // gone: deleted while both boxes were active
};

// 0; -EBADMSG malformed; -EPROTONOSUPPORT other version; -ENOMSG a type of another release.
int pair_msg_decode(const uint8_t *bytes, size_t len, struct pair_msg *m);
// The next record of an UPSERT; *it starts as m->body. payload borrows. false: no more.
bool pair_msg_record(const struct pair_msg *m, struct rbuf *it, struct ha_sa *sa);
unsigned pair_msg_records(const struct pair_msg *m);
// The next entry of the list; *it starts as m->list.
bool pair_msg_item(const struct pair_msg *m, struct rbuf *it, struct pair_item *item);

// Head and single fields; what follows is appended, then pair_msg_finish.
void pair_msg_begin(struct wbuf *b, const struct pair_msg *m);
void pair_msg_put_record(struct wbuf *b, const struct ha_sa *sa);
size_t pair_msg_record_size(const struct ha_sa *sa);
size_t pair_msg_list_begin(struct wbuf *b, enum pair_tlv tlv);  // returns a mark for list_end
void pair_msg_put_item(struct wbuf *b, enum pair_tlv tlv, const struct pair_item *item);
void pair_msg_list_end(struct wbuf *b, size_t mark);
size_t pair_msg_item_size(enum pair_tlv tlv);
BUF_MUST int pair_msg_finish(struct wbuf *b);  // 0 or -EMSGSIZE
const char *pair_type_name(unsigned type);
