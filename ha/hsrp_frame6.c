// HSRP's frames with IPv6: hellos to ff02::66, neighbour solicitations for a virtual address, and
// advertisements of it (RFC 4861). Extension headers are nobody's who speaks either.
#include "hsrp_frame6.h"

#include <string.h>

#include "buf.h"
#include "hsrp.h"

#define ETH_LEN        14
#define IP_LEN         40
#define UDP_LEN        8
#define NS_LEN         24  // without options
#define NA_LEN         32  // with the target link-layer address
#define PROTO_UDP      17
#define PROTO_ICMPV6   58
#define ICMP_NS        135
#define ICMP_NA        136
#define OPT_SOURCE_MAC 1
#define OPT_TARGET_MAC 2
#define NA_ROUTER      0x80
#define NA_SOLICITED   0x40
#define NA_OVERRIDE    0x20
#define TRAFFIC_CLASS  0xc0  // internetwork control, as routers send it

static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

// Over the pseudo header (RFC 8200 8.1) and the upper layer's packet.
static uint16_t checksum(const uint8_t *ip, uint8_t proto, const uint8_t *upper, size_t len)
{
	uint32_t s = hsrp_sum(ip + 8, 32, proto + (uint32_t)len);

	return hsrp_sum_fold(hsrp_sum(upper, len, s));
}

static bool is_group_mac(const uint8_t *frame, const uint8_t *dst)
{
	return frame[0] == 0x33 && frame[1] == 0x33 && memcmp(frame + 2, dst + 12, 4) == 0;
}

static void hello_parse(const uint8_t *frame, const uint8_t *ip, size_t len, struct hsrp_frame *out)
{
	const uint8_t *udp = ip + IP_LEN;
	struct ip_addr group = hsrp_multicast(2, 6);

	if (len < UDP_LEN || memcmp(ip + 24, group.bytes, 16) != 0 || be16(udp + 2) != HSRP_PORT_V6)
		return;
	out->kind = HSRP_FRAME_BAD;
	size_t udp_len = be16(udp + 4);
	// A checksum is not optional in IPv6 (RFC 8200 8.1).
	if (udp_len < UDP_LEN || udp_len > len || be16(udp + 6) == 0 ||
	    checksum(ip, PROTO_UDP, udp, udp_len) != 0xffff || !is_group_mac(frame, ip + 24))
		return;
	out->kind = HSRP_FRAME_HELLO;
	out->payload = udp + UDP_LEN;
	out->len = udp_len - UDP_LEN;
}

// The validation of RFC 4861 7.1.1; what fails it is silently not ours.
static void ns_parse(const uint8_t *frame, const uint8_t *ip, size_t len, struct hsrp_frame *out)
{
	const uint8_t *m = ip + IP_LEN;
	struct rbuf options, body;
	uint8_t type, units;

	if (len < NS_LEN || m[0] != ICMP_NS || m[1] != 0 || ip[7] != 255 ||
	    checksum(ip, PROTO_ICMPV6, m, len) != 0xffff)
		return;
	out->target = addr_from_bytes(6, m + 8);
	if (addr_is_multicast(&out->target))
		return;
	memcpy(out->sender_mac, frame + 6, 6);
	rbuf_init(&options, m + NS_LEN, len - NS_LEN);
	while (rbuf_left(&options) > 0) {
		if (rbuf_get_u8(&options, &type) || rbuf_get_u8(&options, &units) || units == 0 ||
		    rbuf_get_sub(&options, &body, units * 8u - 2))
			return;
		if (type == OPT_SOURCE_MAC && addr_is_zero(&out->sender))
			return;
		if (type == OPT_SOURCE_MAC && rbuf_get_bytes(&body, out->sender_mac, 6))
			return;
	}
	out->kind = HSRP_FRAME_NS;
}

// RFC 4861 7.1.2, as far as it matters here: it is an answer to what this station asked.
static void na_parse(const uint8_t *ip, size_t len, struct hsrp_frame *out)
{
	const uint8_t *m = ip + IP_LEN;

	if (len < NS_LEN || m[0] != ICMP_NA || m[1] != 0 || ip[7] != 255 ||
	    !(m[4] & NA_SOLICITED) || checksum(ip, PROTO_ICMPV6, m, len) != 0xffff)
		return;
	out->target = addr_from_bytes(6, ip + 24);
	out->kind = HSRP_FRAME_NA;
}

void hsrp_frame6_parse(const uint8_t *frame, size_t len, struct hsrp_frame *out)
{
	const uint8_t *ip = frame + ETH_LEN;

	if (len < ETH_LEN + IP_LEN || ip[0] >> 4 != 6)
		return;
	size_t upper = be16(ip + 4);
	bool cut = upper > len - ETH_LEN - IP_LEN;

	out->sender = addr_from_bytes(6, ip + 8);
	out->ttl = ip[7];
	if (ip[6] == PROTO_UDP) {
		out->target = addr_from_bytes(6, ip + 24);
		hello_parse(frame, ip, cut ? len - ETH_LEN - IP_LEN : upper, out);
	} else if (ip[6] == PROTO_ICMPV6 && !cut) {
		ns_parse(frame, ip, upper, out);
		na_parse(ip, upper, out);
	}
	if (cut && out->kind == HSRP_FRAME_HELLO)
		out->kind = HSRP_FRAME_BAD;
}

static uint8_t *headers_put(uint8_t *buf, const uint8_t to_mac[6], const uint8_t src_mac[6],
			    const uint8_t src[16], const uint8_t dst[16], uint8_t proto, size_t len)
{
	uint8_t *ip = buf + ETH_LEN;

	memset(buf, 0, ETH_LEN + IP_LEN + len);
	memcpy(buf, to_mac, 6);
	memcpy(buf + 6, src_mac, 6);
	buf[12] = 0x86;
	buf[13] = 0xdd;
	ip[0] = 0x60 | TRAFFIC_CLASS >> 4;
	ip[1] = (uint8_t)(TRAFFIC_CLASS << 4);
	ip[4] = (uint8_t)(len >> 8);
	ip[5] = (uint8_t)len;
	ip[6] = proto;
	ip[7] = 255;
	memcpy(ip + 8, src, 16);
	memcpy(ip + 24, dst, 16);
	return ip + IP_LEN;
}

size_t hsrp_frame6_hello(uint8_t *buf, size_t cap, const uint8_t src_mac[6],
			 const struct ip_addr *src, const struct ip_addr *dst,
			 const uint8_t *payload, size_t len)
{
	const uint8_t to[6] = {0x33,           0x33,           dst->bytes[12],
			       dst->bytes[13], dst->bytes[14], dst->bytes[15]};
	size_t total = ETH_LEN + IP_LEN + UDP_LEN + len;

	if (total > cap)
		return 0;
	uint8_t *udp =
		headers_put(buf, to, src_mac, src->bytes, dst->bytes, PROTO_UDP, UDP_LEN + len);
	udp[0] = udp[2] = HSRP_PORT_V6 >> 8;
	udp[1] = udp[3] = HSRP_PORT_V6 & 0xff;
	udp[4] = (uint8_t)((UDP_LEN + len) >> 8);
	udp[5] = (uint8_t)(UDP_LEN + len);
	memcpy(udp + UDP_LEN, payload, len);
	uint16_t check = (uint16_t)~checksum(buf + ETH_LEN, PROTO_UDP, udp, UDP_LEN + len);
	check = check != 0 ? check : 0xffff;
	udp[6] = (uint8_t)(check >> 8);
	udp[7] = (uint8_t)check;
	return total;
}

size_t hsrp_frame_na(uint8_t *buf, size_t cap, const uint8_t mac[6], const struct ip_addr *addr,
		     const uint8_t to_mac[6], const struct ip_addr *to)
{
	static const uint8_t all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	bool solicited = to && !addr_is_zero(to);  // RFC 4861 7.2.4
	size_t total = ETH_LEN + IP_LEN + NA_LEN;

	if (total > cap || addr->family != 6)
		return 0;
	uint8_t *m = headers_put(buf, solicited ? to_mac : all_mac, mac, addr->bytes,
				 solicited ? to->bytes : all_nodes, PROTO_ICMPV6, NA_LEN);
	m[0] = ICMP_NA;
	m[4] = NA_ROUTER | NA_OVERRIDE | (solicited ? NA_SOLICITED : 0);
	memcpy(m + 8, addr->bytes, 16);
	m[24] = OPT_TARGET_MAC;
	m[25] = 1;
	memcpy(m + 26, mac, 6);
	uint16_t check = (uint16_t)~checksum(buf + ETH_LEN, PROTO_ICMPV6, m, NA_LEN);
	m[2] = (uint8_t)(check >> 8);
	m[3] = (uint8_t)check;
	return total;
}

size_t hsrp_frame6_ask(uint8_t *buf, size_t cap, const uint8_t mac[6], const struct ip_addr *own,
		       const struct ip_addr *target)
{
	const uint8_t *t = target->bytes;
	// RFC 4291 2.7.1: the solicited-node address
	const uint8_t to[16] = {0xff, 0x02, [11] = 1, [12] = 0xff, t[13], t[14], t[15]};
	const uint8_t to_mac[6] = {0x33, 0x33, 0xff, t[13], t[14], t[15]};
	size_t total = ETH_LEN + IP_LEN + NA_LEN;

	if (total > cap)
		return 0;
	uint8_t *m = headers_put(buf, to_mac, mac, own->bytes, to, PROTO_ICMPV6, NA_LEN);
	m[0] = ICMP_NS;
	memcpy(m + 8, t, 16);
	m[24] = OPT_SOURCE_MAC;
	m[25] = 1;
	memcpy(m + 26, mac, 6);
	uint16_t check = (uint16_t)~checksum(buf + ETH_LEN, PROTO_ICMPV6, m, NA_LEN);
	m[2] = (uint8_t)(check >> 8);
	m[3] = (uint8_t)check;
	return total;
}

bool hsrp_frame_nd_mend(uint8_t *frame, size_t len, const struct ip_addr *addr,
			const uint8_t mac[6])
{
	uint8_t *ip = frame + ETH_LEN, *m = ip + IP_LEN;

	if (len < ETH_LEN + IP_LEN + NS_LEN + 8 || be16(frame + 12) != 0x86dd ||
	    ip[6] != PROTO_ICMPV6 || (m[0] != ICMP_NS && m[0] != ICMP_NA))
		return false;
	size_t upper = be16(ip + 4);
	// A solicitation speaks of its sender, an advertisement of its target.
	const uint8_t *whom = m[0] == ICMP_NS ? ip + 8 : m + 8;
	uint8_t type = m[0] == ICMP_NS ? OPT_SOURCE_MAC : OPT_TARGET_MAC;

	if (upper > len - ETH_LEN - IP_LEN || upper < NS_LEN + 8 ||
	    memcmp(whom, addr->bytes, 16) != 0)
		return false;
	for (size_t at = NS_LEN; at + 8 <= upper && m[at + 1] != 0; at += m[at + 1] * 8u)
		if (m[at] == type)
			memcpy(m + at + 2, mac, 6);
	m[2] = m[3] = 0;
	uint16_t check = (uint16_t)~checksum(ip, PROTO_ICMPV6, m, upper);
	m[2] = (uint8_t)(check >> 8);
	m[3] = (uint8_t)check;
	return true;
}
