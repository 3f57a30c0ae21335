// Codec of the messages between two boxes (pair_msg.h). Single fields are read and written by one
// table; a second table says which of them a message cannot do without.

#include <errno.h>
#include <string.h>

#include "pair.h"
#include "pair_msg.h"

enum width { W8 = 1, W32 = 4, W64 = 8 };

struct field {
	uint8_t tlv, width, count;
	uint16_t at;
};
#define FIELD(tlv, width, count, member)                             \
	{                                                            \
		tlv, width, count, offsetof(struct pair_msg, member) \
	}
static const struct field fields[] = {
	FIELD(TLV_SESSION, W64, 2, session), FIELD(TLV_ENDS, W64, 2, ends),
	FIELD(TLV_NONCE, W8, 16, nonce),     FIELD(TLV_BOOT, W64, 1, boot),
	FIELD(TLV_ROLE, W8, 1, role),        FIELD(TLV_PRIORITY, W8, 1, priority),
	FIELD(TLV_ADDRESS, W8, 16, address), FIELD(TLV_DIGEST, W8, 32, digest),
	FIELD(TLV_FRESH, W64, 1, fresh),     FIELD(TLV_SLOT, W8, 1, slot),
	FIELD(TLV_JOINS, W32, 2, join),      FIELD(TLV_LSN, W64, 1, lsn),
	FIELD(TLV_STAMP, W64, 1, stamp),     FIELD(TLV_TERM, W64, 1, term),
	FIELD(TLV_SUM, W64, 2, sum),         FIELD(TLV_KIND, W8, 1, kind),
	FIELD(TLV_MORE, W8, 1, more),        FIELD(TLV_RELEASE, W32, 1, release),
	FIELD(TLV_WORKING, W8, 1, working),  FIELD(TLV_LOAD, W32, 1, load),
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

#define IN_SESSION (HAS(TLV_SESSION) | HAS(TLV_LSN))
static const struct {
	const char *name;
	uint32_t needs;
} types[PAIR_TYPES] = {
	[PAIR_HELLO] = {"HELLO", HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION)},
	[PAIR_JOIN] = {"JOIN", HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION)},
	[PAIR_STATE] = {"STATE", HAS(TLV_NONCE) | HAS(TLV_SESSION) | HAS(TLV_SLOT) |
					 HAS(TLV_JOINS) | HAS(TLV_ROLE) | HAS(TLV_FRESH)},
	[PAIR_SNAP_END] = {"SNAP_END", IN_SESSION},
	[PAIR_UPSERT] = {"UPSERT", IN_SESSION | HAS(TLV_RECORD)},
	[PAIR_DELETE] = {"DELETE", IN_SESSION | HAS(TLV_IDS)},
	[PAIR_TAINT] = {"TAINT", IN_SESSION | HAS(TLV_KIND)},
	[PAIR_APPLIED] = {"APPLIED", IN_SESSION},
	[PAIR_RAISE] = {"RAISE", IN_SESSION | HAS(TLV_LIMITS)},
	[PAIR_ACK] = {"ACK", HAS(TLV_SESSION) | HAS(TLV_LIMITS)},
	[PAIR_CKPT] = {"CKPT", IN_SESSION | HAS(TLV_EDGES)},
	[PAIR_PING] = {"PING", HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM)},
	[PAIR_LEASE] = {"LEASE", IN_SESSION | HAS(TLV_STAMP) | HAS(TLV_SUM)},
	[PAIR_CLAIM] = {"CLAIM", IN_SESSION | HAS(TLV_NONCE) | HAS(TLV_FRESH) | HAS(TLV_SLOT)},
	[PAIR_GRANT] = {"GRANT", HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) | HAS(TLV_MORE)},
	[PAIR_DENY] = {"DENY", HAS(TLV_NONCE) | HAS(TLV_KIND)},
	[PAIR_BUSY] = {"BUSY", HAS(TLV_NONCE)},
	[PAIR_OFFER] = {"OFFER", IN_SESSION},
	[PAIR_SWITCH] = {"SWITCH", HAS(TLV_SESSION) | HAS(TLV_NONCE)},
};

const char *pair_type_name(unsigned type)
{
	return type > 0 && type < PAIR_TYPES ? types[type].name : "unknown";
}

size_t pair_msg_item_size(enum pair_tlv tlv)
{
	switch (tlv) {
	case TLV_IDS: return 8;
	case TLV_LIMITS:
	case TLV_EDGES: return 16;
	case TLV_NEXTS: return 24;
	case TLV_HELD: return 25;
	default: return 0;
	}
}

// ---- records ----------------------------------------------------------------------------------
#define RECORD_FIXED (8 + 8 + 1 + 1 + 2 + 4 * 4 + 8 + 8)

static int record_get(struct rbuf *v, uint16_t group, struct ha_sa *sa)
{
	uint8_t taint;
	uint16_t spare;

	*sa = (struct ha_sa){.group = group};
	if (rbuf_get_u64(v, &sa->id) || rbuf_get_u64(v, &sa->parent) || rbuf_get_u8(v, &sa->kind) ||
	    rbuf_get_u8(v, &taint) || rbuf_get_u16(v, &spare) || rbuf_get_u32(v, &sa->spi_in) ||
	    rbuf_get_u32(v, &sa->spi_out) || rbuf_get_u32(v, &sa->birth[0]) ||
	    rbuf_get_u32(v, &sa->birth[1]) || rbuf_get_u64(v, &sa->ceiling) ||
	    rbuf_get_u64(v, &sa->edge))
		return -EBADMSG;
	if (sa->id == 0 || sa->kind == 0 || sa->kind >= HA_KINDS || taint > 1 ||
	    rbuf_left(v) > HA_PAYLOAD_MAX)
		return -EBADMSG;
	sa->taint = taint;
	sa->len = (uint32_t)rbuf_left(v);
	sa->payload = v->pos;
	return 0;
}

size_t pair_msg_record_size(const struct ha_sa *sa)
{
	return 4 + RECORD_FIXED + sa->len;
}

void pair_msg_put_record(struct wbuf *b, const struct ha_sa *sa)
{
	wbuf_put_u16(b, TLV_RECORD);
	wbuf_put_u16(b, (uint16_t)(RECORD_FIXED + sa->len));
	wbuf_put_u64(b, sa->id);
	wbuf_put_u64(b, sa->parent);
	wbuf_put_u8(b, sa->kind);
	wbuf_put_u8(b, sa->taint);
	wbuf_put_u16(b, 0);
	wbuf_put_u32(b, sa->spi_in);
	wbuf_put_u32(b, sa->spi_out);
	wbuf_put_u32(b, sa->birth[0]);
	wbuf_put_u32(b, sa->birth[1]);
	wbuf_put_u64(b, sa->ceiling);
	wbuf_put_u64(b, sa->edge);
	wbuf_put_bytes(b, sa->payload, sa->len);
}

// ---- decoding ---------------------------------------------------------------------------------
static int field_get(struct pair_msg *m, unsigned tlv, struct rbuf *v)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		const struct field *f = &fields[i];
		if (f->tlv != tlv)
			continue;
		if (rbuf_left(v) != (size_t)f->width * f->count)
			return -EBADMSG;
		uint8_t *to = (uint8_t *)m + f->at;
		for (unsigned n = 0; n < f->count; n++, to += f->width) {
			int rc = f->width == W8    ? rbuf_get_u8(v, to)
				 : f->width == W32 ? rbuf_get_u32(v, (uint32_t *)to)
						   : rbuf_get_u64(v, (uint64_t *)to);
			if (rc)
				return rc;
		}
		m->has |= HAS(tlv);
		return 0;
	}
	return 0;  // not ours: another release
}

static int tlv_get(struct pair_msg *m, unsigned tlv, struct rbuf *v)
{
	size_t item = tlv < TLV_NUMBERS ? pair_msg_item_size(tlv) : 0;
	struct ha_sa sa;

	if (item) {
		if (rbuf_left(v) % item || m->list.pos)
			return -EBADMSG;
		m->list = *v;
		m->has |= HAS(tlv);
		return 0;
	}
	if (tlv == TLV_RECORD) {
		m->has |= HAS(tlv);
		m->records++;
		return record_get(v, m->group, &sa);
	}
	return field_get(m, tlv, v);
}

int pair_msg_decode(const uint8_t *bytes, size_t len, struct pair_msg *m)
{
	struct rbuf b, v;
	uint8_t version, type;
	uint32_t length;

	memset(m, 0, sizeof(*m));
	rbuf_init(&b, bytes, len);
	if (rbuf_get_u8(&b, &version) || rbuf_get_u8(&b, &type) || rbuf_get_u16(&b, &m->group) ||
	    rbuf_get_u32(&b, &length) || length != len || len > PAIR_MESSAGE_MAX)
		return -EBADMSG;
	if (version != PAIR_VERSION)
		return -EPROTONOSUPPORT;
	if (m->group == 0 || m->group > HA_GROUPS_MAX)
		return -EBADMSG;
	if (type == 0 || type >= PAIR_TYPES)
		return -ENOMSG;
	m->type = type;
	m->body = b;
	while (rbuf_left(&b)) {
		uint16_t tlv, size;
		if (rbuf_get_u16(&b, &tlv) || rbuf_get_u16(&b, &size) ||
		    rbuf_get_sub(&b, &v, size) || tlv_get(m, tlv, &v))
			return -EBADMSG;
	}
	return (types[type].needs & ~m->has) ? -EBADMSG : 0;
}

bool pair_msg_record(const struct pair_msg *m, struct rbuf *it, struct ha_sa *sa)
{
	struct rbuf v;
	uint16_t tlv, size;

	while (rbuf_left(it)) {
		if (rbuf_get_u16(it, &tlv) || rbuf_get_u16(it, &size) || rbuf_get_sub(it, &v, size))
			return false;
		if (tlv == TLV_RECORD)
			return record_get(&v, m->group, sa) == 0;
	}
	return false;
}

unsigned pair_msg_records(const struct pair_msg *m)
{
	struct rbuf it = m->body;
	struct ha_sa sa;
	unsigned n = 0;

	while (pair_msg_record(m, &it, &sa))
		n++;
	return n;
}

bool pair_msg_item(const struct pair_msg *m, struct rbuf *it, struct pair_item *item)
{
	uint8_t taint = 0;

	*item = (struct pair_item){0};
	if (rbuf_left(it) == 0 || rbuf_get_u64(it, &item->id))
		return false;
	if ((m->has & HAS(TLV_LIMITS)) && rbuf_get_u64(it, &item->value))
		return false;
	if ((m->has & HAS(TLV_EDGES)) && rbuf_get_u64(it, &item->edge))
		return false;
	if ((m->has & (HAS(TLV_NEXTS) | HAS(TLV_HELD))) &&
	    (rbuf_get_u64(it, &item->value) || rbuf_get_u64(it, &item->edge)))
		return false;
	if ((m->has & HAS(TLV_HELD)) && rbuf_get_u8(it, &taint))
		return false;
	item->taint = taint & 1;
	item->gone = taint >> 1 & 1;
	return true;
}

// ---- encoding ---------------------------------------------------------------------------------
static void field_put(struct wbuf *b, const struct pair_msg *m, const struct field *f)
{
	const uint8_t *from = (const uint8_t *)m + f->at;

	wbuf_put_u16(b, f->tlv);
	wbuf_put_u16(b, (uint16_t)(f->width * f->count));
	for (unsigned n = 0; n < f->count; n++, from += f->width) {
		if (f->width == W8)
			wbuf_put_u8(b, *from);
		else if (f->width == W32)
			wbuf_put_u32(b, *(const uint32_t *)from);
		else
			wbuf_put_u64(b, *(const uint64_t *)from);
	}
}

void pair_msg_begin(struct wbuf *b, const struct pair_msg *m)
{
	wbuf_put_u8(b, PAIR_VERSION);
	wbuf_put_u8(b, m->type);
	wbuf_put_u16(b, m->group);
	wbuf_put_u32(b, 0);
	for (unsigned i = 0; i < FIELDS; i++) {
		if (m->has & HAS(fields[i].tlv))
			field_put(b, m, &fields[i]);
	}
}

size_t pair_msg_list_begin(struct wbuf *b, enum pair_tlv tlv)
{
	wbuf_put_u16(b, tlv);
	wbuf_put_u16(b, 0);
	return b->len;
}

void pair_msg_put_item(struct wbuf *b, enum pair_tlv tlv, const struct pair_item *item)
{
	wbuf_put_u64(b, item->id);
	if (tlv == TLV_LIMITS || tlv == TLV_NEXTS || tlv == TLV_HELD)
		wbuf_put_u64(b, item->value);
	if (tlv == TLV_EDGES || tlv == TLV_NEXTS || tlv == TLV_HELD)
		wbuf_put_u64(b, item->edge);
	if (tlv == TLV_HELD)
		wbuf_put_u8(b, (uint8_t)(item->taint | item->gone << 1));
}

void pair_msg_list_end(struct wbuf *b, size_t mark)
{
	if (!b->overflow)
		wbuf_set_u16(b, mark - 2, (uint16_t)(b->len - mark));
}

int pair_msg_finish(struct wbuf *b)
{
	if (!b->overflow)
		wbuf_set_u32(b, 4, (uint32_t)b->len);
	return wbuf_check(b);
}
