// Internal to the replication link: addresses as the socket calls want them.
#pragma once

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "addr.h"

union link_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage ss;
};

static inline socklen_t sockaddr_from(union link_sockaddr *out, const struct ip_addr *a,
				      uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(port);
		memcpy(&out->in.sin_addr, a->bytes, 4);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	memcpy(&out->in6.sin6_addr, a->bytes, 16);
	return sizeof(out->in6);
}

// Reads no more than the family's size: lists of addresses are packed.
static inline struct ip_addr sockaddr_addr(const struct sockaddr *sa, uint16_t *port, size_t *size)
{
	union link_sockaddr u = {0};

	*port = 0;
	*size = 0;
	if (sa->sa_family == AF_INET) {
		memcpy(&u.in, sa, sizeof(u.in));
		*port = ntohs(u.in.sin_port);
		*size = sizeof(u.in);
		return addr_from_bytes(4, (const uint8_t *)&u.in.sin_addr);
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&u.in6, sa, sizeof(u.in6));
		*port = ntohs(u.in6.sin6_port);
		*size = sizeof(u.in6);
		if (IN6_IS_ADDR_V4MAPPED(&u.in6.sin6_addr))
			return addr_from_bytes(4, (const uint8_t *)&u.in6.sin6_addr + 12);
		return addr_from_bytes(6, (const uint8_t *)&u.in6.sin6_addr);
	}
	return addr_none();
}

// A list for bindx and connectx: packed, each address in its family's size. Returns the bytes.
static inline size_t sockaddr_list(uint8_t *out, const struct ip_addr *list, unsigned n,
				   uint16_t port)
{
	size_t used = 0;

	for (unsigned i = 0; i < n; i++) {
		union link_sockaddr u;
		socklen_t len = sockaddr_from(&u, &list[i], port);

		memcpy(out + used, &u, len);
		used += len;
	}
	return used;
}
#define SOCKADDR_LIST_MAX (LINK_ADDRS_MAX * sizeof(struct sockaddr_in6))
