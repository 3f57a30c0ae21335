// HSRP messages, both versions: decoding and encoding (layouts in hsrp_wire.h).
//
// Decoding is strict about what we act on (lengths, op code, state, timers) and lenient about what
// we do not: unknown TLVs are skipped by length, advertisements of unknown type are accepted as
// such. Every byte is read through an rbuf. What the message means is hsrp_group.c's business,
// whether it is believed hsrp_auth.c's.
#include "hsrp_packet.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

static const uint8_t v1_state[HSRP_STATES] = {
	HSRP_V1_INITIAL, HSRP_V1_LEARN,   HSRP_V1_LISTEN,
	HSRP_V1_SPEAK,   HSRP_V1_STANDBY, HSRP_V1_ACTIVE,
};

struct ip_addr hsrp_multicast(uint8_t version, uint8_t family)
{
	struct ip_addr a = addr_none();

	if (family == 6)
		(void)addr_parse(HSRP_V2_MULTICAST_V6, &a);
	else
		a = addr_from_v4(version == 2 ? HSRP_V2_MULTICAST : HSRP_V1_MULTICAST);
	return a;
}

static enum hsrp_rx op_check(uint8_t op, struct hsrp_msg *m)
{
	if (op > HSRP_OP_RESIGN)
		return HSRP_RX_BAD_OPCODE;
	m->op = (enum hsrp_op)op;
	return HSRP_RX_OK;
}

static enum hsrp_rx values_check(const struct hsrp_msg *m)
{
	if (m->hello_ms == 0 || m->hold_ms <= m->hello_ms || m->hold_ms > HSRP_HOLD_MAX_MS)
		return HSRP_RX_BAD_TIMERS;
	if (addr_is_multicast(&m->virtual_ip) ||
	    (m->virtual_ip.family == 4 && m->virtual_ip.bytes[0] == 127))
		return HSRP_RX_BAD_VIRTUAL;
	return HSRP_RX_OK;
}

static enum hsrp_rx md5_decode(struct rbuf *b, const uint8_t *data, struct hsrp_msg *m)
{
	uint8_t algorithm, pad;

	if (rbuf_left(b) != HSRP_MD5_LEN)
		return HSRP_RX_BAD_LENGTH;
	if (m->has_md5)
		return HSRP_RX_DUPLICATE_TLV;
	if (rbuf_get_u8(b, &algorithm) || rbuf_get_u8(b, &pad) || rbuf_get_u16(b, &m->md5_flags) ||
	    rbuf_get_bytes(b, m->md5_source, sizeof(m->md5_source)) ||
	    rbuf_get_u32(b, &m->md5_key_id))
		return HSRP_RX_TRUNCATED;
	m->digest_at = (size_t)(b->pos - data);
	if (rbuf_get_bytes(b, m->digest, sizeof(m->digest)))
		return HSRP_RX_TRUNCATED;
	if (algorithm != HSRP_MD5_ALGORITHM)
		return HSRP_RX_AUTH_TYPE;
	m->has_md5 = true;
	return HSRP_RX_OK;
}

static enum hsrp_rx text_decode(struct rbuf *b, struct hsrp_msg *m)
{
	if (rbuf_left(b) != HSRP_TEXT_LEN)
		return HSRP_RX_BAD_LENGTH;
	if (m->has_text)
		return HSRP_RX_DUPLICATE_TLV;
	m->has_text = true;
	return rbuf_get_bytes(b, m->text, sizeof(m->text)) ? HSRP_RX_TRUNCATED : HSRP_RX_OK;
}

// Another maker's TLV of this number is not ours to judge.
static enum hsrp_rx stamp_decode(struct rbuf *b, struct hsrp_msg *m)
{
	uint32_t magic;

	if (rbuf_left(b) != HSRP_STAMP_LEN || rbuf_get_u32(b, &magic) || magic != HSRP_STAMP_MAGIC)
		return HSRP_RX_OK;
	if (m->has_stamp)
		return HSRP_RX_DUPLICATE_TLV;
	m->has_stamp = true;
	return rbuf_get_u64(b, &m->stamp) ? HSRP_RX_TRUNCATED : HSRP_RX_OK;
}

static enum hsrp_rx state_decode(uint8_t wire, struct hsrp_msg *m)
{
	if (wire < HSRP_V2_INITIAL || wire >= HSRP_V2_INITIAL + HSRP_STATES)
		return HSRP_RX_BAD_STATE;
	m->state = (enum hsrp_state)(wire - HSRP_V2_INITIAL);
	return HSRP_RX_OK;
}

static enum hsrp_rx group_decode(struct rbuf *b, struct hsrp_msg *m)
{
	uint8_t version, op, state, family, addr[16];
	uint32_t priority;
	enum hsrp_rx r;

	// A longer TLV of a later release starts with the fields we know.
	if (rbuf_left(b) < HSRP_GROUP_LEN)
		return HSRP_RX_BAD_LENGTH;
	if (rbuf_get_u8(b, &version) || rbuf_get_u8(b, &op) || rbuf_get_u8(b, &state) ||
	    rbuf_get_u8(b, &family) || rbuf_get_u16(b, &m->group) ||
	    rbuf_get_bytes(b, m->identifier, sizeof(m->identifier)) || rbuf_get_u32(b, &priority) ||
	    rbuf_get_u32(b, &m->hello_ms) || rbuf_get_u32(b, &m->hold_ms) ||
	    rbuf_get_bytes(b, addr, sizeof(addr)))
		return HSRP_RX_TRUNCATED;
	if (version != HSRP_V2_VERSION)
		return HSRP_RX_BAD_VERSION;
	if ((r = op_check(op, m)) || (r = state_decode(state, m)))
		return r;
	if (family != 4 && family != 6)
		return HSRP_RX_BAD_FAMILY;
	if (m->group > HSRP_V2_GROUP_MAX)
		return HSRP_RX_WRONG_GROUP;
	if (priority > UINT8_MAX)
		return HSRP_RX_BAD_PRIORITY;
	m->priority = (uint8_t)priority;
	m->family = family;
	m->virtual_ip = addr_from_bytes(family, addr);
	return values_check(m);
}

static enum hsrp_rx interface_decode(struct rbuf *b, struct hsrp_msg *m)
{
	if (rbuf_left(b) < HSRP_INTERFACE_LEN)
		return HSRP_RX_BAD_LENGTH;
	if (rbuf_get_u16(b, &m->active_groups) || rbuf_get_u16(b, &m->passive_groups))
		return HSRP_RX_TRUNCATED;
	return HSRP_RX_OK;
}

// TLVs up to the end. `first`: the kinds of message 2 may stand here, and one must.
static enum hsrp_rx tlvs_decode(struct rbuf *b, const uint8_t *data, bool first, struct hsrp_msg *m)
{
	bool group = false, interface = false;
	enum hsrp_rx r = HSRP_RX_OK;
	uint8_t type, len;
	struct rbuf v;

	while (rbuf_left(b) > 0 && r == HSRP_RX_OK) {
		if (rbuf_get_u8(b, &type) || rbuf_get_u8(b, &len) || rbuf_get_sub(b, &v, len))
			return HSRP_RX_TRUNCATED;
		if (type == HSRP_TLV_GROUP && first) {
			r = group ? HSRP_RX_DUPLICATE_TLV : group_decode(&v, m);
			group = true;
		} else if (type == HSRP_TLV_INTERFACE && first) {
			r = interface ? HSRP_RX_DUPLICATE_TLV : interface_decode(&v, m);
			interface = true;
		} else if (type == HSRP_TLV_TEXT && first) {
			r = text_decode(&v, m);
		} else if (type == HSRP_TLV_MD5) {
			r = md5_decode(&v, data, m);
		} else if (type == HSRP_TLV_STAMP) {
			r = stamp_decode(&v, m);
		}
	}
	if (r != HSRP_RX_OK || !first)
		return r;
	m->content = group ? HSRP_HAS_GROUP : HSRP_HAS_INTERFACE;
	if (!group)
		m->op = HSRP_OP_ADVERT;
	return HSRP_RX_OK;
}

static enum hsrp_rx advert_decode(struct rbuf *b, struct hsrp_msg *m)
{
	uint8_t reserved;

	m->content = HSRP_HAS_INTERFACE;
	m->op = HSRP_OP_ADVERT;
	if (rbuf_get_u16(b, &m->advert_type) || rbuf_get_u16(b, &m->advert_len))
		return HSRP_RX_TRUNCATED;
	if (m->advert_type != HSRP_ADVERT_INTERFACE)
		return HSRP_RX_OK;
	if (rbuf_get_u8(b, &m->advert_state) || rbuf_get_u8(b, &reserved) ||
	    rbuf_get_u16(b, &m->active_groups) || rbuf_get_u16(b, &m->passive_groups) ||
	    rbuf_skip(b, 4))
		return HSRP_RX_TRUNCATED;
	return HSRP_RX_OK;
}

static enum hsrp_rx v1_state_decode(uint8_t wire, struct hsrp_msg *m)
{
	for (unsigned i = 0; i < HSRP_STATES; i++) {
		if (v1_state[i] == wire) {
			m->state = (enum hsrp_state)i;
			return HSRP_RX_OK;
		}
	}
	return HSRP_RX_BAD_STATE;
}

static enum hsrp_rx v1_decode(struct rbuf *b, const uint8_t *data, struct hsrp_msg *m)
{
	uint8_t version, op, state, hello, hold, group, reserved, addr[4];
	enum hsrp_rx r;

	m->version = 1;
	if (rbuf_get_u8(b, &version) || rbuf_get_u8(b, &op))
		return HSRP_RX_TRUNCATED;
	if (op == HSRP_OP_ADVERT)
		return advert_decode(b, m);
	if ((r = op_check(op, m)))
		return r;
	if (rbuf_get_u8(b, &state) || rbuf_get_u8(b, &hello) || rbuf_get_u8(b, &hold) ||
	    rbuf_get_u8(b, &m->priority) || rbuf_get_u8(b, &group) || rbuf_get_u8(b, &reserved) ||
	    rbuf_get_bytes(b, m->text, sizeof(m->text)) || rbuf_get_bytes(b, addr, sizeof(addr)))
		return HSRP_RX_TRUNCATED;
	m->content = HSRP_HAS_GROUP;
	m->has_text = true;
	m->family = 4;
	m->group = group;
	m->hello_ms = hello * 1000u;
	m->hold_ms = hold * 1000u;
	m->virtual_ip = addr_from_bytes(4, addr);
	if ((r = v1_state_decode(state, m)) || (r = values_check(m)))
		return r;
	return tlvs_decode(b, data, false, m);
}

enum hsrp_rx hsrp_decode(const uint8_t *data, size_t len, struct hsrp_msg *out)
{
	struct rbuf b;

	*out = (struct hsrp_msg){0};
	rbuf_init(&b, data, len);
	if (len == 0)
		return HSRP_RX_TRUNCATED;
	if (data[0] == HSRP_V1_VERSION)
		return v1_decode(&b, data, out);
	// Version 2 has no version of its own in front; its first TLV says what follows.
	if (data[0] != HSRP_TLV_GROUP && data[0] != HSRP_TLV_INTERFACE)
		return HSRP_RX_BAD_VERSION;
	out->version = 2;
	return tlvs_decode(&b, data, true, out);
}

enum hsrp_rx hsrp_packet_group(const uint8_t *data, size_t len, uint16_t *number, uint8_t *family)
{
	struct hsrp_msg m;
	enum hsrp_rx r = hsrp_decode(data, len, &m);

	if (r != HSRP_RX_OK)
		return r;
	if (m.content != HSRP_HAS_GROUP)
		return HSRP_RX_IGNORED;
	*number = m.group;
	*family = m.family;
	return HSRP_RX_OK;
}

static void group_encode(struct wbuf *b, const struct hsrp_msg *m)
{
	wbuf_put_u8(b, HSRP_TLV_GROUP);
	wbuf_put_u8(b, HSRP_GROUP_LEN);
	wbuf_put_u8(b, HSRP_V2_VERSION);
	wbuf_put_u8(b, (uint8_t)m->op);
	wbuf_put_u8(b, (uint8_t)(m->state + HSRP_V2_INITIAL));
	wbuf_put_u8(b, m->family);
	wbuf_put_u16(b, m->group);
	wbuf_put_bytes(b, m->identifier, sizeof(m->identifier));
	wbuf_put_u32(b, m->priority);
	wbuf_put_u32(b, m->hello_ms);
	wbuf_put_u32(b, m->hold_ms);
	wbuf_put_bytes(b, m->virtual_ip.bytes, 16);
}

static uint32_t seconds_up(uint32_t ms)
{
	uint32_t s = (ms + 999) / 1000;

	return s > UINT8_MAX ? UINT8_MAX : s;
}

static void v1_encode(struct wbuf *b, const struct hsrp_msg *m, const struct hsrp_auth *auth)
{
	static const uint8_t none[HSRP_TEXT_LEN];
	// Millisecond timers have no place in version 1: rounded up, and hold still above hello.
	uint32_t hello = seconds_up(m->hello_ms), hold = seconds_up(m->hold_ms);

	if (hello == UINT8_MAX)
		hello--;
	if (hold <= hello)
		hold = hello + 1;
	wbuf_put_u8(b, HSRP_V1_VERSION);
	wbuf_put_u8(b, (uint8_t)m->op);
	wbuf_put_u8(b, v1_state[m->state]);
	wbuf_put_u8(b, (uint8_t)hello);
	wbuf_put_u8(b, (uint8_t)hold);
	wbuf_put_u8(b, m->priority);
	wbuf_put_u8(b, (uint8_t)m->group);
	wbuf_put_u8(b, 0);
	wbuf_put_bytes(b, auth->kind == HSRP_AUTH_TEXT ? auth->text : none, HSRP_TEXT_LEN);
	wbuf_put_bytes(b, m->virtual_ip.bytes, 4);
}

static const struct hsrp_key *key_to_send(const struct hsrp_auth *auth, uint64_t now)
{
	for (unsigned i = 0; i < auth->keys; i++) {
		if (now >= auth->key[i].send_from && now < auth->key[i].send_until)
			return &auth->key[i];
	}
	return NULL;
}

static int md5_encode(struct wbuf *b, const struct hsrp_key *key, const struct ip_addr *local)
{
	static const uint8_t no_source[4];

	wbuf_put_u8(b, HSRP_TLV_MD5);
	wbuf_put_u8(b, HSRP_MD5_LEN);
	wbuf_put_u8(b, HSRP_MD5_ALGORITHM);
	wbuf_put_u8(b, 0);
	wbuf_put_u16(b, 0);
	// The field has no room for an IPv6 address.
	wbuf_put_bytes(b, local->family == 4 ? local->bytes : no_source, 4);
	wbuf_put_u32(b, key->id);
	size_t at = wbuf_reserve(b, HSRP_DIGEST_LEN);
	if (wbuf_check(b))
		return -EMSGSIZE;
	return hsrp_digest(key, b->base, b->len, at, b->base + at);
}

int hsrp_encode(const struct hsrp_msg *m, const struct hsrp_auth *auth, const struct ip_addr *local,
		uint64_t now, uint8_t *buf, size_t cap)
{
	struct wbuf b;
	int rc;

	wbuf_init(&b, buf, cap);
	if (m->version == 1)
		v1_encode(&b, m, auth);
	else
		group_encode(&b, m);
	if (m->has_stamp) {
		wbuf_put_u8(&b, HSRP_TLV_STAMP);
		wbuf_put_u8(&b, HSRP_STAMP_LEN);
		wbuf_put_u32(&b, HSRP_STAMP_MAGIC);
		wbuf_put_u64(&b, m->stamp);
	}
	if (auth->kind == HSRP_AUTH_MD5) {
		const struct hsrp_key *key = key_to_send(auth, now);

		if (key == NULL)
			return -ENOKEY;
		if ((rc = md5_encode(&b, key, local)))
			return rc;
	} else if (m->version == 2) {
		wbuf_put_u8(&b, HSRP_TLV_TEXT);
		wbuf_put_u8(&b, HSRP_TEXT_LEN);
		wbuf_put_bytes(&b, auth->text, HSRP_TEXT_LEN);
	}
	return wbuf_check(&b) ? -EMSGSIZE : (int)b.len;
}
