// Addresses, prefixes and selectors as values. Text forms are the C library's (inet_pton and
// inet_ntop: no names, no leading zeros, no zone identifiers); masks and wildcards are IPv4 only,
// as in the configuration language.
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct ip_addr addr_from_v4(uint32_t v)
{
	return (struct ip_addr){
		.family = 4,
		.bytes = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v},
	};
}

uint32_t addr_to_v4(const struct ip_addr *a)
{
	return (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 |
	       (uint32_t)a->bytes[2] << 8 | a->bytes[3];
}

struct ip_addr addr_from_bytes(uint8_t family, const uint8_t *bytes)
{
	struct ip_addr a = {.family = family};

	memcpy(a.bytes, bytes, addr_len(&a));
	return a;
}

bool addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return addr_compare(a, b) == 0;
}

int addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, addr_len(a));
}

bool addr_is_zero(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	return addr_is_set(a) && memcmp(a->bytes, zero, addr_len(a)) == 0;
}

bool addr_is_multicast(const struct ip_addr *a)
{
	if (a->family == 4)
		return a->bytes[0] >> 4 == 14;         // RFC 5771: 224.0.0.0/4
	return a->family == 6 && a->bytes[0] == 0xff;  // RFC 4291 2.7
}

int addr_parse(const char *s, struct ip_addr *out)
{
	struct ip_addr a = {.family = 4};

	if (inet_pton(AF_INET, s, a.bytes) != 1) {
		a = (struct ip_addr){.family = 6};
		if (inet_pton(AF_INET6, s, a.bytes) != 1)
			return -EINVAL;
	}
	*out = a;
	return 0;
}

// Decimal digits only, no sign, no leading zero.
static int length_parse(const char *s, unsigned max, uint8_t *out)
{
	unsigned v = 0;

	if (*s == '\0' || (*s == '0' && s[1] != '\0'))
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (unsigned)(*s - '0');
		if (v > max)
			return -EINVAL;
	}
	*out = (uint8_t)v;
	return 0;
}

int prefix_parse(const char *s, struct ip_prefix *out)
{
	char text[ADDR_STR_MAX];
	struct ip_prefix p;
	const char *slash = strchr(s, '/');

	if (!slash || (size_t)(slash - s) >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	if (addr_parse(text, &p.addr) < 0 ||
	    length_parse(slash + 1, p.addr.family == 4 ? 32 : 128, &p.len) < 0)
		return -EINVAL;
	*out = p;
	return 0;
}

static uint32_t mask_of(uint8_t len)
{
	return len == 0 ? 0 : UINT32_MAX << (32 - len);
}

// invert: all ones for a wildcard (0.0.0.255), zero for a mask.
static int mask_parse(const char *s, uint32_t invert, uint8_t *len)
{
	struct ip_addr a;

	if (addr_parse(s, &a) < 0 || a.family != 4)
		return -EINVAL;
	uint32_t mask = addr_to_v4(&a) ^ invert;
	uint8_t ones = mask == UINT32_MAX ? 32 : (uint8_t)__builtin_clz(~mask);

	if (mask != mask_of(ones))
		return -EINVAL;
	*len = ones;
	return 0;
}

int prefix_parse_mask(const char *mask, uint8_t *len)
{
	return mask_parse(mask, 0, len);
}

int prefix_parse_wildcard(const char *mask, uint8_t *len)
{
	return mask_parse(mask, UINT32_MAX, len);
}

const char *addr_format(const struct ip_addr *a, char *buf, size_t cap)
{
	int af = a->family == 4 ? AF_INET : AF_INET6;

	if (cap == 0)
		return buf;
	if (!addr_is_set(a) || !inet_ntop(af, a->bytes, buf, (socklen_t)cap))
		(void)snprintf(buf, cap, "(none)");
	return buf;
}

const char *prefix_format(const struct ip_prefix *p, char *buf, size_t cap)
{
	char text[ADDR_STR_MAX];

	if (!addr_is_set(&p->addr))
		return addr_format(&p->addr, buf, cap);
	(void)snprintf(buf, cap, "%s/%u", addr_format(&p->addr, text, sizeof(text)), p->len);
	return buf;
}

const char *mask_format(uint8_t len, char *buf, size_t cap)
{
	struct ip_addr a = addr_from_v4(mask_of(len > 32 ? 32 : len));

	return addr_format(&a, buf, cap);
}

const char *wildcard_format(uint8_t len, char *buf, size_t cap)
{
	struct ip_addr a = addr_from_v4(~mask_of(len > 32 ? 32 : len));

	return addr_format(&a, buf, cap);
}

struct ip_prefix prefix_mask(const struct ip_prefix *p)
{
	struct ip_prefix out = *p;

	for (size_t i = 0; i < addr_len(&p->addr); i++) {
		unsigned first = (unsigned)i * 8;  // number of the byte's first bit

		if (p->len <= first)
			out.addr.bytes[i] = 0;
		else if (p->len < first + 8)
			out.addr.bytes[i] &= (uint8_t)(0xff00 >> (p->len - first));
	}
	return out;
}

bool prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	struct ip_prefix other = {.addr = *a, .len = p->len};

	return addr_is_set(a) && prefix_equal(p, &other);
}

bool prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return outer->len <= inner->len && prefix_contains(outer, &inner->addr);
}

bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	struct ip_prefix x = prefix_mask(a), y = prefix_mask(b);

	return x.len == y.len && addr_equal(&x.addr, &y.addr);
}

static bool range_covers(const struct port_range *outer, const struct port_range *inner)
{
	return outer->lo <= inner->lo && outer->hi >= inner->hi;
}

struct selector selector_reverse(const struct selector *s)
{
	return (struct selector){
		.proto = s->proto,
		.src = s->dst,
		.dst = s->src,
		.sport = s->dport,
		.dport = s->sport,
	};
}

bool selector_equal(const struct selector *a, const struct selector *b)
{
	return a->proto == b->proto && prefix_equal(&a->src, &b->src) &&
	       prefix_equal(&a->dst, &b->dst) && a->sport.lo == b->sport.lo &&
	       a->sport.hi == b->sport.hi && a->dport.lo == b->dport.lo &&
	       a->dport.hi == b->dport.hi;
}

bool selector_covers(const struct selector *outer, const struct selector *inner)
{
	return (outer->proto == 0 || outer->proto == inner->proto) &&
	       prefix_covers(&outer->src, &inner->src) && prefix_covers(&outer->dst, &inner->dst) &&
	       range_covers(&outer->sport, &inner->sport) &&
	       range_covers(&outer->dport, &inner->dport);
}

// The names of the configuration language; a number for the rest.
static const char *proto_format(uint8_t proto, char *buf, size_t cap)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{0, "ip"},    {1, "icmp"},  {2, "igmp"},   {6, "tcp"},    {17, "udp"},
		{47, "gre"},  {50, "esp"},  {51, "ahp"},   {58, "icmp6"}, {88, "eigrp"},
		{89, "ospf"}, {103, "pim"}, {132, "sctp"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].number == proto)
			return names[i].name;
	}
	(void)snprintf(buf, cap, "%u", proto);
	return buf;
}

static const char *range_format(const struct port_range *r, char *buf, size_t cap)
{
	if (port_range_is_any(r))
		buf[0] = '\0';
	else if (r->lo == r->hi)
		(void)snprintf(buf, cap, " eq %u", r->lo);
	else
		(void)snprintf(buf, cap, " range %u %u", r->lo, r->hi);
	return buf;
}

const char *selector_format(const struct selector *s, char *buf, size_t cap)
{
	char proto[4], src[PREFIX_STR_MAX], dst[PREFIX_STR_MAX], sport[24], dport[24];

	(void)snprintf(buf, cap, "%s %s%s %s%s", proto_format(s->proto, proto, sizeof(proto)),
		       prefix_format(&s->src, src, sizeof(src)),
		       range_format(&s->sport, sport, sizeof(sport)),
		       prefix_format(&s->dst, dst, sizeof(dst)),
		       range_format(&s->dport, dport, sizeof(dport)));
	return buf;
}
