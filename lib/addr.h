// IP addresses, prefixes, wildcard masks and port ranges: parse, format, compare.
// Pure; any thread. Addresses are stored as wire bytes (network order).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct ip_addr {
	uint8_t family;     // 0 = none, 4 or 6
	uint8_t bytes[16];  // family 4 uses the first four; the rest is zero
};

struct ip_prefix {
	struct ip_addr addr;  // host bits may be set (an interface address) unless said otherwise
	uint8_t len;          // bits
};

struct port_range {
	uint16_t lo, hi;  // host order, inclusive; 0-65535 = any
};

#define ADDR_STR_MAX   46  // longest address text with NUL
#define PREFIX_STR_MAX 50  // longest "address/len" with NUL

static inline struct ip_addr addr_none(void)
{
	return (struct ip_addr){0};
}
// v is in host order: 0x0a000001 = 10.0.0.1
struct ip_addr addr_from_v4(uint32_t v);
uint32_t addr_to_v4(const struct ip_addr *a);  // host order; a->family must be 4
struct ip_addr addr_from_bytes(uint8_t family, const uint8_t *bytes);  // 4 or 16 bytes
static inline size_t addr_len(const struct ip_addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}
static inline bool addr_is_set(const struct ip_addr *a)
{
	return a->family != 0;
}
bool addr_equal(const struct ip_addr *a, const struct ip_addr *b);
int addr_compare(const struct ip_addr *a, const struct ip_addr *b);  // family first; <0 0 >0
bool addr_is_zero(const struct ip_addr *a);                          // 0.0.0.0 or ::
bool addr_is_multicast(const struct ip_addr *a);

// Strict parsers: the whole string, no names. 0 or -EINVAL.
int addr_parse(const char *s, struct ip_addr *out);
int prefix_parse(const char *s, struct ip_prefix *out);     // "10.0.0.0/8", "2001:db8::/32"
int prefix_parse_mask(const char *mask, uint8_t *len);      // "255.255.255.0" -> 24
int prefix_parse_wildcard(const char *mask, uint8_t *len);  // "0.0.0.255" -> 24; contiguous only
// Return buf.
const char *addr_format(const struct ip_addr *a, char *buf, size_t cap);      // "(none)" if unset
const char *prefix_format(const struct ip_prefix *p, char *buf, size_t cap);  // "10.0.0.0/8"
const char *mask_format(uint8_t len, char *buf, size_t cap);      // 24 -> "255.255.255.0"
const char *wildcard_format(uint8_t len, char *buf, size_t cap);  // 24 -> "0.0.0.255"

bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner);
bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);  // after masking
struct ip_prefix prefix_mask(const struct ip_prefix *p);                  // host bits cleared
static inline bool port_range_is_any(const struct port_range *r)
{
	return r->lo == 0 && r->hi == 65535;
}

// What a crypto ACL line, a policy and a traffic selector have in common (RFC 4301 4.4.1.1).
struct selector {
	uint8_t proto;  // 0 = any IP protocol
	struct ip_prefix src, dst;
	struct port_range sport, dport;  // meaningful for TCP, UDP, SCTP; else 0-65535
};
struct selector selector_reverse(const struct selector *s);
bool selector_equal(const struct selector *a, const struct selector *b);
bool selector_covers(const struct selector *outer, const struct selector *inner);
#define SELECTOR_STR_MAX 160
// "ip 10.0.0.0/8 10.1.0.0/16", "tcp 10.0.0.0/8 eq 80 ..." for logs. Returns buf.
const char *selector_format(const struct selector *s, char *buf, size_t cap);
