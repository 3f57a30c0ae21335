// NAT detection hashes. The order of the fields and their sizes are RFC 3947 3.2.
#include "ike/natd.h"

#include <errno.h>

#include "buf.h"
#include "secret.h"

int natd_hash(enum ike_hash h, uint64_t cky_i, uint64_t cky_r, const struct ip_addr *addr,
	      uint16_t port, uint8_t *out)
{
	uint8_t in[8 + 8 + 16 + 2];
	struct wbuf w;

	if (!addr_is_set(addr))
		return -EINVAL;
	wbuf_init(&w, in, sizeof(in));
	wbuf_put_u64(&w, cky_i);
	wbuf_put_u64(&w, cky_r);
	wbuf_put_bytes(&w, addr->bytes, addr_len(addr));
	wbuf_put_u16(&w, port);
	int rc = wbuf_check(&w);
	if (rc != 0)
		return rc;
	return hash_compute(h, &(struct chunk){in, w.len}, 1, out);
}

bool natd_matches(enum ike_hash h, uint64_t cky_i, uint64_t cky_r, const struct ip_addr *addr,
		  uint16_t port, const uint8_t *value, size_t len)
{
	uint8_t want[HASH_LEN_MAX];

	return len == hash_len(h) && natd_hash(h, cky_i, cky_r, addr, port, want) == 0 &&
	       secret_equal(want, value, len);
}
