// Capabilities (capabilities(7)), read from /proc: one line at the start says which are missing,
// since what fails without them says only what it was about to do.
#include "rights.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *rights_missing_in(const char *status, char *buf, size_t cap)
{
	static const struct {
		unsigned bit;
		const char *name;
	} needed[] = {
		{12, "CAP_NET_ADMIN"},  // taps, addresses, routes, neighbours
		{13, "CAP_NET_RAW"},    // packet sockets, SCTP in user space
		{14, "CAP_IPC_LOCK"},   // rings of packet sockets count as locked memory
	};
	const char *line = strstr(status, "\nCapEff:");
	size_t n = 0;

	buf[0] = '\0';
	if (!line)
		return buf;
	uint64_t have = strtoull(line + strlen("\nCapEff:"), NULL, 16);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (have >> needed[i].bit & 1)
			continue;
		int len = snprintf(buf + n, cap - n, "%s%s", n ? " " : "", needed[i].name);
		if (len < 0 || (size_t)len >= cap - n)
			break;
		n += (size_t)len;
	}
	return buf;
}

const char *rights_missing(char *buf, size_t cap)
{
	char status[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);

	if (fd >= 0)
		close(fd);
	status[n > 0 ? n : 0] = '\0';
	return rights_missing_in(status, buf, cap);
}
