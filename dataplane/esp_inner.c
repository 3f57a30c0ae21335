// Checks and repairs of a packet that came out of an SA: inner lengths, selectors (RFC 4301 5.2),
// congestion marks (RFC 6040), and the IP header of transport mode. Pure functions over bytes whose
// number was checked by the caller.
#include "esp.h"

#include <rte_ip.h>

#include <string.h>

#define IP6_LEN 40

// Upper-layer protocol and where it starts. false: not the first fragment, so no ports.
static bool upper_find(const uint8_t *ip, uint32_t total, uint8_t family, uint8_t *proto,
		       uint32_t *at)
{
	uint8_t nh;
	uint32_t off = IP6_LEN;

	if (family == 4) {
		*proto = ip[9];
		*at = (ip[0] & 15u) * 4;
		return (get16(ip + 6) & 0x1fff) == 0;
	}
	nh = ip[6];
	for (unsigned hops = 0; hops < 8; hops++) {
		*proto = nh;
		*at = off;
		if (nh != 0 && nh != 43 && nh != 44 && nh != 60)
			return true;
		if (off + 8 > total)
			return false;
		if (nh == 44 && (get16(ip + off + 2) & 0xfff8)) {
			*proto = ip[off];
			return false;
		}
		nh = ip[off];
		off += *proto == 44 ? 8 : (ip[off + 1] + 1u) * 8;
	}
	return false;
}

static bool addresses_match(const struct sa_check *c, const uint8_t *ip)
{
	uint64_t a[4];
	uint32_t src, dst;

	if (c->family == 4) {
		memcpy(&src, ip + 12, 4);
		memcpy(&dst, ip + 16, 4);
		return (src & c->v4.src_mask) == c->v4.src && (dst & c->v4.dst_mask) == c->v4.dst;
	}
	memcpy(a, ip + 8, 32);
	return ((((a[0] & c->v6.src_mask[0]) ^ c->v6.src[0]) |
		 ((a[1] & c->v6.src_mask[1]) ^ c->v6.src[1]) |
		 ((a[2] & c->v6.dst_mask[0]) ^ c->v6.dst[0]) |
		 ((a[3] & c->v6.dst_mask[1]) ^ c->v6.dst[1])) == 0);
}

static bool upper_match(const struct sa_check *c, const uint8_t *ip, uint32_t total, uint8_t family)
{
	uint16_t sport, dport;
	uint8_t proto;
	uint32_t at;
	bool first = upper_find(ip, total, family, &proto, &at);

	if (c->proto && c->proto != proto)
		return false;
	if (!c->ports)
		return true;
	// RFC 4301 4.4.1.1: ports that cannot be seen match only "any"
	if (!first || at + 4 > total || (proto != 6 && proto != 17 && proto != 132 && proto != 33))
		return false;
	sport = get16(ip + at);
	dport = get16(ip + at + 2);
	return sport >= c->sport_lo && sport <= c->sport_hi && dport >= c->dport_lo &&
	       dport <= c->dport_hi;
}

bool esp_inner_allowed_any(const struct sa *sa, const uint8_t *ip, uint32_t total, uint8_t family)
{
	for (unsigned i = 0; i < sa->sels; i++) {
		const struct sa_check *c = &sa->check[i];

		if (c->family && (c->family != family || !addresses_match(c, ip)))
			continue;
		if (likely(!c->proto && !c->ports))
			return true;
		if (upper_match(c, ip, total, family))
			return true;
	}
	return sa->sels == 0;
}

// RFC 1624: one word of the header changed.
static void ip4_checksum_adjust(uint8_t *ip, uint16_t old_word, uint16_t new_word)
{
	uint32_t sum = (uint16_t)~get16(ip + 10) + (uint32_t)(uint16_t)~old_word + new_word;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
}

bool esp_inner_ecn_set(uint8_t *ip, uint8_t family, uint8_t outer)
{
	enum { NOT_ECT = 0, ECT1 = 1, CE = 3 };
	uint8_t inner, set;

	inner = family == 4 ? ip[1] & 3 : (ip[1] >> 4) & 3;
	if (inner == NOT_ECT)
		return outer != CE;
	set = inner == CE || outer == CE ? CE : ECT1;
	if (set == inner)
		return true;
	if (family == 4) {
		uint16_t old_word = get16(ip);

		ip[1] = (uint8_t)((ip[1] & ~3) | set);
		ip4_checksum_adjust(ip, old_word, get16(ip));
	} else {
		ip[1] = (uint8_t)((ip[1] & ~0x30) | set << 4);
	}
	return true;
}

bool esp_transport_header(uint8_t *ip, uint32_t l3_len, uint32_t len, uint8_t family, uint8_t nh)
{
	uint8_t *field = &ip[6];
	uint16_t sum;

	if (l3_len + len > UINT16_MAX)
		return false;
	if (family == 4) {
		if ((ip[0] & 15u) * 4 != l3_len)
			return false;
		ip[2] = (uint8_t)((l3_len + len) >> 8);
		ip[3] = (uint8_t)(l3_len + len);
		ip[9] = nh;
		ip[10] = ip[11] = 0;
		sum = (uint16_t)~rte_raw_cksum(ip, l3_len);
		memcpy(ip + 10, &sum, 2);
		return true;
	}
	// the last header before ESP names the protocol that follows
	for (uint32_t off = IP6_LEN; off < l3_len;) {
		uint8_t type = *field;

		if (off + 8 > l3_len)
			return false;
		field = &ip[off];
		off += type == 44 ? 8 : (ip[off + 1] + 1u) * 8;
		if (off > l3_len)
			return false;
	}
	*field = nh;
	ip[4] = (uint8_t)((l3_len - IP6_LEN + len) >> 8);
	ip[5] = (uint8_t)(l3_len - IP6_LEN + len);
	return true;
}

void esp_transport_checksum(uint8_t *ip, uint32_t l3_len, uint32_t len, uint8_t family, uint8_t nh)
{
	uint32_t at = nh == 6 ? 16 : 6, sum;
	uint8_t *upper = ip + l3_len, pseudo[8];
	uint16_t word;

	if ((nh != 6 && nh != 17) || len < (nh == 6 ? 20u : 8u))
		return;
	if (nh == 17 && family == 4 && !upper[6] && !upper[7])
		return;  // sender made none
	// The ICV vouches for the bytes; only the addresses differ, so a fresh sum is right.
	upper[at] = upper[at + 1] = 0;
	memset(pseudo, 0, sizeof(pseudo));
	pseudo[2] = (uint8_t)(len >> 8);
	pseudo[3] = (uint8_t)len;
	pseudo[7] = nh;
	sum = rte_raw_cksum(pseudo, 8);
	sum += rte_raw_cksum(family == 4 ? ip + 12 : ip + 8, family == 4 ? 8 : 32);
	sum += rte_raw_cksum(upper, len);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	word = (uint16_t)~sum;
	if (!word)
		word = 0xffff;
	memcpy(upper + at, &word, 2);
}
