// IKEv1 messages: header, payload chain, and the payloads that are not proposals (those are in
// sa_parse.c). Order of the checks is that of RFC 2408 section 5.
#include <errno.h>
#include <string.h>

#include "ike/cipher.h"
#include "ikev1/msg.h"

int ikev1_hdr_decode(const uint8_t *data, size_t len, struct ikev1_hdr *h)
{
	struct rbuf b;
	uint8_t version;

	rbuf_init(&b, data, len);
	if (rbuf_get_u64(&b, &h->icookie) || rbuf_get_u64(&b, &h->rcookie) ||
	    rbuf_get_u8(&b, &h->next_payload) || rbuf_get_u8(&b, &version) ||
	    rbuf_get_u8(&b, &h->exchange) || rbuf_get_u8(&b, &h->flags) ||
	    rbuf_get_u32(&b, &h->message_id) || rbuf_get_u32(&b, &h->length))
		return -EBADMSG;
	if (version != ISAKMP_VERSION)
		return -EPROTONOSUPPORT;
	// RFC 2408 5.1: a length that is not that of the datagram discards the message.
	if (h->length != len || h->icookie == 0)
		return -EBADMSG;
	// RFC 2408 5.2 (5): flags nobody defined.
	if (h->flags &
	    ~(ISAKMP_FLAG_ENCRYPTION | ISAKMP_FLAG_COMMIT | ISAKMP_FLAG_AUTHENTICATION_ONLY))
		return -EBADMSG;
	return 0;
}

int ikev1_msg_decrypt(uint8_t *data, const struct ikev1_hdr *h, enum ike_encr encr,
		      const struct secret *key, const uint8_t *iv, uint8_t *next_iv)
{
	const size_t block = cipher_block_len(encr);
	uint8_t last[CIPHER_BLOCK_MAX];

	if (block == 0)
		return -EINVAL;
	if (h->length < ISAKMP_HDR_LEN + block || (h->length - ISAKMP_HDR_LEN) % block != 0)
		return -EBADMSG;
	// next_iv may be where iv lies: keep the block until the old one has been used.
	memcpy(last, data + h->length - block, block);
	int rc = cipher_cbc_decrypt(encr, key->bytes, key->len, iv, data + ISAKMP_HDR_LEN,
				    h->length - ISAKMP_HDR_LEN);
	if (rc == 0 && next_iv)
		memcpy(next_iv, last, block);
	return rc;
}

// RFC 2408 5.3: a payload type we do not know is INVALID-PAYLOAD-TYPE, discard. Private types
// (128 and up) of vendors we do not speak are passed over by whoever looks for his own; they cannot
// hurt, their length is checked like any other's.
static bool payload_type_known(uint8_t type)
{
	switch (type) {
	case ISAKMP_PAYLOAD_SA:
	case ISAKMP_PAYLOAD_KE:
	case ISAKMP_PAYLOAD_ID:
	case ISAKMP_PAYLOAD_CERT:
	case ISAKMP_PAYLOAD_CR:
	case ISAKMP_PAYLOAD_HASH:
	case ISAKMP_PAYLOAD_SIG:
	case ISAKMP_PAYLOAD_NONCE:
	case ISAKMP_PAYLOAD_N:
	case ISAKMP_PAYLOAD_D:
	case ISAKMP_PAYLOAD_VID:
	case ISAKMP_PAYLOAD_ATTR:
	case ISAKMP_PAYLOAD_NAT_D_DRAFT_04:
	case ISAKMP_PAYLOAD_NAT_OA_DRAFT_04:
	case ISAKMP_PAYLOAD_NAT_D:
	case ISAKMP_PAYLOAD_NAT_OA: return true;
	default: return type >= 128;
	}
}

int ikev1_msg_decode(const uint8_t *data, const struct ikev1_hdr *h, bool padded,
		     struct ikev1_msg *m)
{
	struct rbuf b;
	uint8_t type = h->next_payload;

	m->hdr = *h;
	m->data = data;
	m->count = 0;
	if (h->length < ISAKMP_HDR_LEN)
		return -EBADMSG;
	rbuf_init(&b, data + ISAKMP_HDR_LEN, h->length - ISAKMP_HDR_LEN);

	while (type != ISAKMP_PAYLOAD_NONE) {
		uint8_t next, reserved;
		uint16_t len;
		struct rbuf body;

		// Each turn consumes at least the generic header, so a chain cannot loop.
		if (m->count == IKEV1_PAYLOADS_MAX)
			return -E2BIG;
		if (!payload_type_known(type) || rbuf_get_u8(&b, &next) ||
		    rbuf_get_u8(&b, &reserved) || rbuf_get_u16(&b, &len) || reserved != 0 ||
		    len < ISAKMP_PAYLOAD_HDR_LEN ||
		    rbuf_get_sub(&b, &body, len - ISAKMP_PAYLOAD_HDR_LEN))
			return -EBADMSG;
		m->payloads[m->count++] = (struct ikev1_payload){
			.type = type,
			.len = (uint16_t)rbuf_left(&body),
			.body = body.pos,
		};
		type = next;
	}
	m->end = b.pos;
	if (m->count == 0)
		return -EBADMSG;
	return padded ? 0 : rbuf_expect_end(&b);
}

const struct ikev1_payload *ikev1_msg_find(const struct ikev1_msg *m, uint8_t type, unsigned n)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (m->payloads[i].type == type && n-- == 0)
			return &m->payloads[i];
	}
	return NULL;
}

unsigned ikev1_msg_count(const struct ikev1_msg *m, uint8_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->count; i++)
		n += m->payloads[i].type == type;
	return n;
}

int ikev1_msg_after_hash(const struct ikev1_msg *m, const uint8_t **from, size_t *len)
{
	if (m->count == 0 || m->payloads[0].type != ISAKMP_PAYLOAD_HASH)
		return -EBADMSG;
	*from = m->payloads[0].body + m->payloads[0].len;
	*len = (size_t)(m->end - *from);
	return 0;
}

int ikev1_nonce_check(const struct ikev1_payload *p)
{
	return p->len >= IKEV1_NONCE_MIN && p->len <= IKEV1_NONCE_MAX ? 0 : -EBADMSG;
}

static bool id_len_ok(uint8_t type, size_t len)
{
	switch (type) {
	case ID_IPV4_ADDR: return len == 4;
	case ID_IPV4_ADDR_SUBNET:
	case ID_IPV4_ADDR_RANGE: return len == 8;
	case ID_IPV6_ADDR: return len == 16;
	case ID_IPV6_ADDR_SUBNET:
	case ID_IPV6_ADDR_RANGE: return len == 32;
	default: return len >= 1;
	}
}

int ikev1_id_decode(const struct ikev1_payload *p, struct ikev1_id *out)
{
	struct rbuf b;

	rbuf_init(&b, p->body, p->len);
	if (rbuf_get_u8(&b, &out->type) || rbuf_get_u8(&b, &out->protocol) ||
	    rbuf_get_u16(&b, &out->port))
		return -EBADMSG;
	if (rbuf_left(&b) > IKEV1_ID_DATA_MAX)
		return -E2BIG;
	if (!id_len_ok(out->type, rbuf_left(&b)))
		return -EBADMSG;
	out->data = b.pos;
	out->len = (uint16_t)rbuf_left(&b);
	return 0;
}

// Leading ones of a mask; -1 when a one follows a zero.
static int mask_len(const uint8_t *mask, size_t bytes)
{
	int len = 0;
	bool zero_seen = false;

	for (size_t i = 0; i < bytes * 8; i++) {
		const bool one = mask[i / 8] >> (7 - i % 8) & 1;
		if (one && zero_seen)
			return -1;
		zero_seen |= !one;
		len += one;
	}
	return len;
}

// Is first..last exactly one prefix? Common leading bits, then zeros in first and ones in last.
static int range_len(const uint8_t *first, const uint8_t *last, size_t bytes)
{
	size_t common = 0;
	const size_t bits = bytes * 8;

	while (common < bits && !((first[common / 8] ^ last[common / 8]) >> (7 - common % 8) & 1))
		common++;
	for (size_t i = common; i < bits; i++) {
		if (first[i / 8] >> (7 - i % 8) & 1 || !(last[i / 8] >> (7 - i % 8) & 1))
			return -1;
	}
	return (int)common;
}

int ikev1_id_to_prefix(const struct ikev1_id *id, struct ip_prefix *out)
{
	const bool v6 = id->type == ID_IPV6_ADDR || id->type == ID_IPV6_ADDR_SUBNET ||
			id->type == ID_IPV6_ADDR_RANGE;
	const size_t bytes = v6 ? 16 : 4;
	int len;

	switch (id->type) {
	case ID_IPV4_ADDR:
	case ID_IPV6_ADDR: len = (int)bytes * 8; break;
	case ID_IPV4_ADDR_SUBNET:
	case ID_IPV6_ADDR_SUBNET: len = mask_len(id->data + bytes, bytes); break;
	case ID_IPV4_ADDR_RANGE:
	case ID_IPV6_ADDR_RANGE: len = range_len(id->data, id->data + bytes, bytes); break;
	default: return -ENOTSUP;
	}
	if (len < 0)
		return -EBADMSG;
	*out = (struct ip_prefix){addr_from_bytes(v6 ? 6 : 4, id->data), (uint8_t)len};
	return 0;
}

int ikev1_notify_decode(const struct ikev1_payload *p, struct ikev1_notify *out)
{
	struct rbuf b, spi;

	rbuf_init(&b, p->body, p->len);
	if (rbuf_get_u32(&b, &out->doi) || rbuf_get_u8(&b, &out->protocol) ||
	    rbuf_get_u8(&b, &out->spi_len) || rbuf_get_u16(&b, &out->type) ||
	    rbuf_get_sub(&b, &spi, out->spi_len))
		return -EBADMSG;
	out->spi = spi.pos;
	out->data = b.pos;
	out->len = (uint16_t)rbuf_left(&b);
	return 0;
}

int ikev1_delete_decode(const struct ikev1_payload *p, struct ikev1_delete *out)
{
	struct rbuf b;

	rbuf_init(&b, p->body, p->len);
	if (rbuf_get_u32(&b, &out->doi) || rbuf_get_u8(&b, &out->protocol) ||
	    rbuf_get_u8(&b, &out->spi_len) || rbuf_get_u16(&b, &out->count))
		return -EBADMSG;
	// RFC 2408 3.15; an ISAKMP SA is named by both cookies, an IPsec SA by four bytes.
	const size_t want = out->protocol == PROTO_ISAKMP ? 16 : 4;
	if (out->count == 0 || out->spi_len != want || rbuf_left(&b) != out->count * want)
		return -EBADMSG;
	out->spis = b.pos;
	return 0;
}

uint32_t ikev1_delete_spi(const struct ikev1_delete *d, unsigned i)
{
	struct rbuf b;
	uint32_t spi = 0;

	rbuf_init(&b, d->spis, (size_t)d->count * d->spi_len);
	if (d->spi_len != 4 || rbuf_skip(&b, (size_t)i * 4) || rbuf_get_u32(&b, &spi))
		return 0;
	return spi;
}

int ikev1_natoa_decode(const struct ikev1_payload *p, struct ip_addr *out)
{
	struct rbuf b;
	uint8_t type;

	// RFC 3947 5.2: ID type, three reserved bytes, address.
	rbuf_init(&b, p->body, p->len);
	if (rbuf_get_u8(&b, &type) || rbuf_skip(&b, 3))
		return -EBADMSG;
	const uint8_t family = type == ID_IPV4_ADDR ? 4 : type == ID_IPV6_ADDR ? 6 : 0;
	if (family == 0 || rbuf_left(&b) != (family == 4 ? 4 : 16))
		return -EBADMSG;
	*out = addr_from_bytes(family, b.pos);
	return 0;
}

int ikev1_fragment_decode(const struct ikev1_payload *p, struct ikev1_fragment *out)
{
	struct rbuf b;
	uint8_t flags;

	// The vendor fragment payload: id, number from 1, a flags byte whose low bit says "last".
	rbuf_init(&b, p->body, p->len);
	if (rbuf_get_u16(&b, &out->id) || rbuf_get_u8(&b, &out->number) ||
	    rbuf_get_u8(&b, &flags) || out->number == 0 || rbuf_left(&b) == 0)
		return -EBADMSG;
	out->last = flags & 1;
	out->data = b.pos;
	out->len = (uint16_t)rbuf_left(&b);
	return 0;
}
