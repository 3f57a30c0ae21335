// HSRP's frames with IPv6, called by hsrp_frame.c.
#pragma once

#include "hsrp_frame.h"

// Ones' complement sums (RFC 1071), shared with hsrp_frame.c.
uint32_t hsrp_sum(const uint8_t *p, size_t len, uint32_t s);
uint16_t hsrp_sum_fold(uint32_t s);

// frame has an Ethernet header and says that it is IPv6; out says OTHER.
void hsrp_frame6_parse(const uint8_t *frame, size_t len, struct hsrp_frame *out);
size_t hsrp_frame6_hello(uint8_t *buf, size_t cap, const uint8_t src_mac[6],
			 const struct ip_addr *src, const struct ip_addr *dst,
			 const uint8_t *payload, size_t len);
size_t hsrp_frame6_ask(uint8_t *buf, size_t cap, const uint8_t mac[6], const struct ip_addr *own,
		       const struct ip_addr *target);
