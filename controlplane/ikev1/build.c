// Writing IKEv1 messages. The writer chains payloads: each begun payload stores its type where the
// one before (or the header) wants it, each ended one gets its length. Overflow is sticky in the
// wbuf and found in finish or encrypt.
#include <errno.h>
#include <string.h>

#include "ike/cipher.h"
#include "ikev1/msg.h"

#define HDR_NEXT_AT   16
#define HDR_FLAGS_AT  19
#define HDR_LENGTH_AT 24

void ikev1_build_init(struct ikev1_build *b, void *mem, size_t cap, const struct ikev1_hdr *h)
{
	wbuf_init(&b->w, mem, cap);
	b->next_at = HDR_NEXT_AT;
	b->payload_at = 0;
	b->hash_at = 0;
	wbuf_put_u64(&b->w, h->icookie);
	wbuf_put_u64(&b->w, h->rcookie);
	wbuf_put_u8(&b->w, ISAKMP_PAYLOAD_NONE);
	wbuf_put_u8(&b->w, ISAKMP_VERSION);
	wbuf_put_u8(&b->w, h->exchange);
	wbuf_put_u8(&b->w, h->flags);
	wbuf_put_u32(&b->w, h->message_id);
	wbuf_put_u32(&b->w, 0);
}

void ikev1_build_begin(struct ikev1_build *b, uint8_t type)
{
	if (!b->w.overflow)
		wbuf_set_u8(&b->w, b->next_at, type);
	b->payload_at = wbuf_reserve(&b->w, ISAKMP_PAYLOAD_HDR_LEN);
	b->next_at = b->payload_at;
}

// Stores the length of what began at `at`, two bytes in: payloads, proposals, transforms alike.
static void length_set(struct wbuf *w, size_t at)
{
	if (w->overflow)
		return;
	if (w->len - at > UINT16_MAX) {
		w->overflow = true;
		return;
	}
	wbuf_set_u16(w, at + 2, (uint16_t)(w->len - at));
}

void ikev1_build_end(struct ikev1_build *b)
{
	length_set(&b->w, b->payload_at);
	b->payload_at = 0;
}

size_t ikev1_build_payload(struct ikev1_build *b, uint8_t type, const void *body, size_t len)
{
	ikev1_build_begin(b, type);
	const size_t at = b->w.len;
	wbuf_put_bytes(&b->w, body, len);
	ikev1_build_end(b);
	return at;
}

size_t ikev1_build_hash(struct ikev1_build *b, size_t len)
{
	ikev1_build_begin(b, ISAKMP_PAYLOAD_HASH);
	const size_t at = wbuf_reserve(&b->w, len);
	ikev1_build_end(b);
	b->hash_at = b->w.len;
	return at;
}

int ikev1_build_after_hash(const struct ikev1_build *b, const uint8_t **from, size_t *len)
{
	int rc = wbuf_check(&b->w);
	if (rc != 0)
		return rc;
	if (b->hash_at == 0)
		return -EINVAL;
	*from = b->w.base + b->hash_at;
	*len = b->w.len - b->hash_at;
	return 0;
}

void ikev1_build_set(struct ikev1_build *b, size_t at, const void *bytes, size_t len)
{
	if (!b->w.overflow && at <= b->w.len && len <= b->w.len - at)
		memcpy(b->w.base + at, bytes, len);
	else
		b->w.overflow = true;
}

void ikev1_build_id(struct ikev1_build *b, uint8_t type, uint8_t protocol, uint16_t port,
		    const void *data, size_t len)
{
	ikev1_build_begin(b, ISAKMP_PAYLOAD_ID);
	wbuf_put_u8(&b->w, type);
	wbuf_put_u8(&b->w, protocol);
	wbuf_put_u16(&b->w, port);
	wbuf_put_bytes(&b->w, data, len);
	ikev1_build_end(b);
}

void ikev1_build_id_prefix(struct ikev1_build *b, const struct ip_prefix *p, uint8_t protocol,
			   uint16_t port)
{
	const struct ip_prefix net = prefix_mask(p);
	const size_t bytes = addr_len(&net.addr);
	const bool v6 = bytes == 16;
	uint8_t data[32] = {0};

	memcpy(data, net.addr.bytes, bytes);
	if (net.len == bytes * 8) {
		ikev1_build_id(b, v6 ? ID_IPV6_ADDR : ID_IPV4_ADDR, protocol, port, data, bytes);
		return;
	}
	for (size_t i = 0; i < net.len; i++)
		data[bytes + i / 8] |= (uint8_t)(0x80u >> i % 8);
	ikev1_build_id(b, v6 ? ID_IPV6_ADDR_SUBNET : ID_IPV4_ADDR_SUBNET, protocol, port, data,
		       2 * bytes);
}

void ikev1_build_notify(struct ikev1_build *b, uint8_t protocol, uint16_t type, const void *spi,
			size_t spi_len, const void *data, size_t len)
{
	ikev1_build_begin(b, ISAKMP_PAYLOAD_N);
	wbuf_put_u32(&b->w, IPSEC_DOI);
	wbuf_put_u8(&b->w, protocol);
	wbuf_put_u8(&b->w, (uint8_t)spi_len);
	wbuf_put_u16(&b->w, type);
	wbuf_put_bytes(&b->w, spi, spi_len);
	wbuf_put_bytes(&b->w, data, len);
	ikev1_build_end(b);
}

static void delete_begin(struct ikev1_build *b, uint8_t protocol, uint8_t spi_len, uint16_t count)
{
	ikev1_build_begin(b, ISAKMP_PAYLOAD_D);
	wbuf_put_u32(&b->w, IPSEC_DOI);
	wbuf_put_u8(&b->w, protocol);
	wbuf_put_u8(&b->w, spi_len);
	wbuf_put_u16(&b->w, count);
}

void ikev1_build_delete_esp(struct ikev1_build *b, const uint32_t *spis, unsigned count)
{
	delete_begin(b, PROTO_IPSEC_ESP, 4, (uint16_t)count);
	for (unsigned i = 0; i < count; i++)
		wbuf_put_u32(&b->w, spis[i]);
	ikev1_build_end(b);
}

void ikev1_build_delete_isakmp(struct ikev1_build *b, uint64_t icookie, uint64_t rcookie)
{
	delete_begin(b, PROTO_ISAKMP, 16, 1);
	wbuf_put_u64(&b->w, icookie);
	wbuf_put_u64(&b->w, rcookie);
	ikev1_build_end(b);
}

void ikev1_build_natoa(struct ikev1_build *b, uint8_t type, const struct ip_addr *addr)
{
	ikev1_build_begin(b, type);
	wbuf_put_u8(&b->w, addr->family == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR);
	wbuf_put_zero(&b->w, 3);
	wbuf_put_bytes(&b->w, addr->bytes, addr_len(addr));
	ikev1_build_end(b);
}

int ikev1_build_finish(struct ikev1_build *b, size_t *len)
{
	int rc = wbuf_check(&b->w);
	if (rc != 0)
		return rc;
	if (b->w.len > IKEV1_MSG_MAX)
		return -EMSGSIZE;
	struct wbuf length;
	wbuf_init(&length, b->w.base + HDR_LENGTH_AT, 4);
	wbuf_put_u32(&length, (uint32_t)b->w.len);
	*len = b->w.len;
	return 0;
}

int ikev1_build_encrypt(struct ikev1_build *b, enum ike_encr encr, const struct secret *key,
			const uint8_t *iv, uint8_t *next_iv, size_t *len)
{
	const size_t block = cipher_block_len(encr);

	if (block == 0 || b->w.len < ISAKMP_HDR_LEN)
		return -EINVAL;
	wbuf_put_zero(&b->w, (block - (b->w.len - ISAKMP_HDR_LEN) % block) % block);
	int rc = ikev1_build_finish(b, len);
	if (rc != 0)
		return rc;
	if (*len == ISAKMP_HDR_LEN)
		return -EINVAL;  // nothing to encrypt
	b->w.base[HDR_FLAGS_AT] |= ISAKMP_FLAG_ENCRYPTION;
	rc = cipher_cbc_encrypt(encr, key->bytes, key->len, iv, b->w.base + ISAKMP_HDR_LEN,
				*len - ISAKMP_HDR_LEN);
	if (rc == 0 && next_iv)
		memcpy(next_iv, b->w.base + *len - block, block);
	return rc;
}
