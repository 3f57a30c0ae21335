// HSRP's frames on Ethernet with IPv4: taking hellos apart down to their payload, putting them
// together, ARP for virtual addresses (RFC 826, RFC 5227). IPv6 is hsrp_frame6.c's.
#include "hsrp_frame.h"

#include <string.h>

#include "hsrp.h"
#include "hsrp_frame6.h"

#define ETH_LEN     14
#define IP_LEN      20
#define UDP_LEN     8
#define ARP_LEN     28
#define FRAME_MIN   60  // without the checksum: devices need not pad
#define TYPE_IPV4   0x0800
#define TYPE_ARP    0x0806
#define TYPE_IPV6   0x86dd
#define ARP_REQUEST 1
#define ARP_REPLY   2
#define PROTO_UDP   17
#define FRAGMENT    0x3fff  // more fragments, or an offset
#define TOS_CONTROL 0xc0    // internetwork control, as routers send it

uint32_t hsrp_sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len & 1)
		s += (uint32_t)p[len - 1] << 8;
	return s;
}

uint16_t hsrp_sum_fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

// Over the pseudo header and the datagram; 0xffff when the checksum in it is right.
static uint16_t udp_sum(const uint8_t *src_dst, const uint8_t *udp, size_t len)
{
	return hsrp_sum_fold(hsrp_sum(udp, len, hsrp_sum(src_dst, 8, PROTO_UDP + (uint32_t)len)));
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void arp_parse(const uint8_t *a, size_t len, struct hsrp_frame *out)
{
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};

	if (len < ARP_LEN || memcmp(a, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return;
	uint16_t op = be16(a + 6);
	if (op != ARP_REQUEST && op != ARP_REPLY)
		return;
	out->kind = op == ARP_REQUEST ? HSRP_FRAME_ARP_REQUEST : HSRP_FRAME_ARP_REPLY;
	memcpy(out->sender_mac, a + 8, 6);
	out->sender = addr_from_bytes(4, a + 14);
	out->target = addr_from_bytes(4, a + 24);
}

// Only what goes to HSRP's groups is looked at closely: the rest is the host's, whatever it is.
static bool is_hello(const uint8_t *ip, size_t len, size_t *header)
{
	static const uint8_t group[3] = {224, 0, 0};

	if (len < IP_LEN || ip[0] >> 4 != 4 || ip[9] != PROTO_UDP ||
	    memcmp(ip + 16, group, sizeof(group)) != 0 || (ip[19] != 2 && ip[19] != 102))
		return false;
	*header = (ip[0] & 15u) * 4u;
	return *header >= IP_LEN && len >= *header + UDP_LEN && be16(ip + *header + 2) == HSRP_PORT;
}

// RFC 1112 6.4: the lower 23 bits of the group. A hello to one station's MAC address would be heard
// by that one alone, not by the router in whose name it speaks.
static bool is_group_mac(const uint8_t *frame, const uint8_t *dst)
{
	const uint8_t want[6] = {0x01, 0, 0x5e, dst[1] & 0x7f, dst[2], dst[3]};

	return memcmp(frame, want, sizeof(want)) == 0;
}

static void hello_parse(const uint8_t *frame, const uint8_t *ip, size_t len, struct hsrp_frame *out)
{
	size_t header;

	if (!is_hello(ip, len, &header))
		return;
	const uint8_t *udp = ip + header;
	size_t total = be16(ip + 2), udp_len = be16(udp + 4);

	out->kind = HSRP_FRAME_BAD;
	out->sender = addr_from_bytes(4, ip + 12);
	out->target = addr_from_bytes(4, ip + 16);
	if (total > len || (be16(ip + 6) & FRAGMENT) != 0 ||
	    hsrp_sum_fold(hsrp_sum(ip, header, 0)) != 0xffff || udp_len < UDP_LEN ||
	    header + udp_len > total || !is_group_mac(frame, ip + 16))
		return;
	if (be16(udp + 6) != 0 && udp_sum(ip + 12, udp, udp_len) != 0xffff)
		return;
	out->kind = HSRP_FRAME_HELLO;
	out->ttl = ip[8];
	out->payload = udp + UDP_LEN;
	out->len = udp_len - UDP_LEN;
}

void hsrp_frame_parse(const uint8_t *frame, size_t len, struct hsrp_frame *out)
{
	*out = (struct hsrp_frame){.kind = HSRP_FRAME_OTHER};
	if (len < ETH_LEN)
		return;
	if (be16(frame + 12) == TYPE_ARP)
		arp_parse(frame + ETH_LEN, len - ETH_LEN, out);
	else if (be16(frame + 12) == TYPE_IPV4)
		hello_parse(frame, frame + ETH_LEN, len - ETH_LEN, out);
	else if (be16(frame + 12) == TYPE_IPV6)
		hsrp_frame6_parse(frame, len, out);
}

size_t hsrp_frame_hello(uint8_t *buf, size_t cap, const uint8_t src_mac[6],
			const struct ip_addr *src, const struct ip_addr *dst,
			const uint8_t *payload, size_t len)
{
	size_t total = ETH_LEN + IP_LEN + UDP_LEN + len;
	uint8_t *ip = buf + ETH_LEN, *udp = ip + IP_LEN;

	if (src->family == 6 && dst->family == 6)
		return hsrp_frame6_hello(buf, cap, src_mac, src, dst, payload, len);
	if (total > cap || src->family != 4 || dst->family != 4)
		return 0;
	memset(buf, 0, total);
	// RFC 1112 6.4: the lower 23 bits of the group
	const uint8_t to[6] = {0x01, 0, 0x5e, dst->bytes[1] & 0x7f, dst->bytes[2], dst->bytes[3]};
	memcpy(buf, to, 6);
	memcpy(buf + 6, src_mac, 6);
	put16(buf + 12, TYPE_IPV4);
	ip[0] = 0x45;
	ip[1] = TOS_CONTROL;
	put16(ip + 2, (uint16_t)(total - ETH_LEN));
	ip[8] = HSRP_TTL_V4;
	ip[9] = PROTO_UDP;
	memcpy(ip + 12, src->bytes, 4);
	memcpy(ip + 16, dst->bytes, 4);
	put16(ip + 10, (uint16_t)~hsrp_sum_fold(hsrp_sum(ip, IP_LEN, 0)));
	put16(udp, HSRP_PORT);
	put16(udp + 2, HSRP_PORT);
	put16(udp + 4, (uint16_t)(UDP_LEN + len));
	memcpy(udp + UDP_LEN, payload, len);
	uint16_t check = (uint16_t)~udp_sum(ip + 12, udp, UDP_LEN + len);
	put16(udp + 6, check != 0 ? check : 0xffff);
	return total;
}

static uint8_t *arp_put(uint8_t *buf, uint16_t op, const uint8_t to_mac[6], const uint8_t mac[6],
			const struct ip_addr *addr, const struct ip_addr *target)
{
	uint8_t *a = buf + ETH_LEN;

	memset(buf, 0, FRAME_MIN);
	memcpy(buf, to_mac, 6);
	memcpy(buf + 6, mac, 6);
	put16(buf + 12, TYPE_ARP);
	put16(a, 1);
	put16(a + 2, TYPE_IPV4);
	a[4] = 6;
	a[5] = 4;
	put16(a + 6, op);
	memcpy(a + 8, mac, 6);
	memcpy(a + 14, addr->bytes, 4);
	memcpy(a + 24, target->bytes, 4);
	return a;
}

static const uint8_t all_stations[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

size_t hsrp_frame_arp(uint8_t *buf, size_t cap, bool reply, const uint8_t mac[6],
		      const struct ip_addr *addr, const uint8_t to_mac[6], const struct ip_addr *to)
{
	if (cap < FRAME_MIN || addr->family != 4 || (reply && to->family != 4))
		return 0;
	if (!reply) {
		(void)arp_put(buf, ARP_REQUEST, all_stations, mac, addr, addr);
		return FRAME_MIN;
	}
	uint8_t *a = arp_put(buf, ARP_REPLY, to_mac, mac, addr, to);
	memcpy(a + 18, to_mac, 6);
	return FRAME_MIN;
}

size_t hsrp_frame_ask(uint8_t *buf, size_t cap, const uint8_t mac[6], const struct ip_addr *own,
		      const struct ip_addr *target)
{
	if (own->family == 6 && target->family == 6)
		return hsrp_frame6_ask(buf, cap, mac, own, target);
	if (cap < FRAME_MIN || own->family != 4 || target->family != 4)
		return 0;
	(void)arp_put(buf, ARP_REQUEST, all_stations, mac, own, target);
	return FRAME_MIN;
}
