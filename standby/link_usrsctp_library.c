// The usrsctp library as a whole: whether it can work here, and how it is set up. It is one per
// process, has threads of its own, and cannot report that its start failed.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

#include "link_guard.h"
#include "link_sockaddr.h"
#include "link_usrsctp.h"

// Twice what can be in flight (LINK_SNDBUF); more would only let a flood of forged packets delay
// the real ones.
#define RAW_BUFFER (1 << 20)

static bool running;

// usrsctp_init cannot fail loudly: what it needs is tried first.
int usrsctp_check(int family, struct err *err)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd < 0)
		return err_set(err, -errno,
			       "SCTP in user space needs a raw IP socket: %s (CAP_NET_RAW)",
			       strerror(errno));
	close(fd);
	if (access("/proc/net/sctp", F_OK) == 0)
		return err_set(err, -EBUSY,
			       "the kernel's SCTP is loaded and would answer in our place: "
			       "transport kernel, or unload the module sctp");
	return 0;
}

// The library asks for its addresses once, at its start: they have to be there by then.
int usrsctp_addresses_present(const struct link_params *p, struct err *err)
{
	for (unsigned i = 0; i < p->locals; i++) {
		union link_sockaddr u;
		socklen_t len = sockaddr_from(&u, &p->local[i], 0);
		char text[ADDR_STR_MAX];
		int fd = socket(u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		int ret = fd < 0 || bind(fd, &u.sa, len) < 0 ? -errno : 0;

		if (fd >= 0)
			close(fd);
		if (ret < 0)
			return err_set(err, ret, "no local address %s: %s",
				       addr_format(&p->local[i], text, sizeof(text)),
				       strerror(-ret));
	}
	return 0;
}

// The library does not hand its raw sockets out, so they are looked for. They have the system's
// default buffer, far less than one flight of a large window: each overflow would be a loss.
static void raw_sockets_set(int size, const char *device)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name), type = 0, proto = 0;
		socklen_t len = sizeof(int);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_RAW ||
		    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &proto, &len) < 0 ||
		    proto != IPPROTO_SCTP)
			continue;
		// the first one needs CAP_NET_ADMIN, the other is cut to net.core.rmem_max
		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
			(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		if (device)
			(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
					 (socklen_t)strlen(device) + 1);
	}
	if (d)
		(void)closedir(d);
}

void usrsctp_library_start(const struct link_socket_params *p)
{
	char device[64];

	if (running)
		return;
	usrsctp_init(0, NULL, NULL);
	usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
	// What this association has no use for is no surface for attacks either.
	usrsctp_sysctl_set_sctp_asconf_enable(0);
	usrsctp_sysctl_set_sctp_auto_asconf(0);
	usrsctp_sysctl_set_sctp_auth_enable(0);
	usrsctp_sysctl_set_sctp_pr_enable(0);
	usrsctp_sysctl_set_sctp_reconfig_enable(0);
	usrsctp_sysctl_set_sctp_nrsack_enable(0);
	usrsctp_sysctl_set_sctp_pktdrop_enable(0);
	usrsctp_sysctl_set_sctp_blackhole(0);  // a restarted box answers ABORT: it is noticed
	usrsctp_sysctl_set_sctp_max_chunks_on_queue(4096);
	usrsctp_sysctl_set_sctp_sendspace(p->sndbuf);
	usrsctp_sysctl_set_sctp_recvspace(p->rcvbuf);
	usrsctp_sysctl_set_sctp_delayed_sack_time_default(LINK_SACK_DELAY_MS);
	usrsctp_sysctl_set_sctp_path_pf_threshold(0);  // RFC 7829: the first time-out diverts
	bool bind = p->bind_device && link_guard_device(p->link, device, sizeof(device)) == 0;

	raw_sockets_set(RAW_BUFFER, bind ? device : NULL);
	running = true;
}

// Only when nothing is left of the old association; else the library goes on as it is.
void usrsctp_library_stop(void)
{
	if (running && usrsctp_finish() == 0)
		running = false;
}
