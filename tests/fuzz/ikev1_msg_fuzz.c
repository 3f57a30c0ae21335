// Any datagram through the IKEv1 message decoder and every typed getter. The first byte chooses
// what happens: plain, padded, or decrypted first with a fixed key.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ike/cipher.h"
#include "ikev1/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void bytes_touch(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sink ^= p[i];
}

static void sa_touch(const struct ikev1_payload *p)
{
	struct ikev1_sa sa;
	struct ikev1_proposal prop;
	struct ikev1_transform t;
	unsigned proposals = 0, transforms = 0;

	if (ikev1_sa_decode(p, &sa) != 0)
		return;
	struct ikev1_sa it = sa;
	while (ikev1_proposal_next(&it, &prop)) {
		bytes_touch(prop.spi, prop.spi_len);
		(void)ikev1_proposal_spi(&prop);
		proposals++;
		while (ikev1_transform_next(&prop, &t)) {
			struct ikev1_isakmp_attrs a;
			struct ikev1_ipsec_attrs b;
			transforms++;
			// What sa_decode let through cannot fail any more.
			if (ikev1_isakmp_attrs_decode(&t, &a) || ikev1_ipsec_attrs_decode(&t, &b))
				abort();
		}
	}
	if (proposals != sa.proposal_count || transforms != sa.transform_count)
		abort();
}

static void payload_touch(const struct ikev1_payload *p)
{
	struct ikev1_id id;
	struct ikev1_notify n;
	struct ikev1_delete d;
	struct ikev1_fragment f;
	struct ip_prefix prefix;
	struct ip_addr addr;

	bytes_touch(p->body, p->len);
	sa_touch(p);
	if (ikev1_nonce_check(p) == 0)
		bytes_touch(p->body, p->len);
	if (ikev1_id_decode(p, &id) == 0) {
		bytes_touch(id.data, id.len);
		if (ikev1_id_to_prefix(&id, &prefix) == 0 && prefix.len > 128)
			abort();
	}
	if (ikev1_notify_decode(p, &n) == 0) {
		bytes_touch(n.spi, n.spi_len);
		bytes_touch(n.data, n.len);
	}
	if (ikev1_delete_decode(p, &d) == 0) {
		bytes_touch(d.spis, (size_t)d.count * d.spi_len);
		for (unsigned i = 0; i <= d.count; i++)
			(void)ikev1_delete_spi(&d, i);
	}
	if (ikev1_natoa_decode(p, &addr) == 0)
		bytes_touch(addr.bytes, addr_len(&addr));
	if (ikev1_fragment_decode(p, &f) == 0)
		bytes_touch(f.data, f.len);
	(void)ikev1_vendor_lookup(p->body, p->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ikev1_hdr h;
	struct ikev1_msg m;
	const uint8_t iv[CIPHER_BLOCK_MAX] = {0};
	uint8_t next[CIPHER_BLOCK_MAX];

	if (size < 1)
		return 0;
	const uint8_t how = data[0] % 3;
	// A copy of the exact size, so that a read past the end is seen.
	uint8_t *copy = malloc(size - 1 ? size - 1 : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (ikev1_hdr_decode(copy, size - 1, &h) != 0)
		goto out;
	if (how == 2) {
		struct secret key = {0};
		if (secret_set(&key, "0123456789abcdef", 16) != 0)
			goto out;
		const int rc = ikev1_msg_decrypt(copy, &h, IKE_ENCR_AES, &key, iv, next);
		secret_clear(&key);
		if (rc != 0)
			goto out;
	}
	if (ikev1_msg_decode(copy, &h, how != 0, &m) == 0) {
		const uint8_t *from;
		size_t len;
		if (m.count > IKEV1_PAYLOADS_MAX || m.end > copy + size - 1)
			abort();
		for (unsigned i = 0; i < m.count; i++)
			payload_touch(&m.payloads[i]);
		if (ikev1_msg_after_hash(&m, &from, &len) == 0)
			bytes_touch(from, len);
		(void)ikev1_msg_vendors(&m);
	}
out:
	free(copy);
	return 0;
}
