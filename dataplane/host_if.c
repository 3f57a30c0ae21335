// Host interfaces: one tap per port. Reads are bounded per turn, so that a busy host cannot keep
// the loop from its timers; what the kernel does not take is counted.
#include "host_if.h"
#include "counters.h"
#include "port.h"
#include "punt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READS_PER_TURN 64
#define SEGMENTS_MAX   8

static struct loop *loop;

void host_if_set_loop(struct loop *l)
{
	loop = l;
}

static int if_ioctl(unsigned long what, struct ifreq *r)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0)
		return -errno;
	int rc = ioctl(s, what, r) ? -errno : 0;
	close(s);
	return rc;
}

static struct ifreq request(const char *name)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

static void frame_discard(int fd)
{
	uint8_t byte;

	if (read(fd, &byte, 1) < 0)
		return;
}

static void on_readable(void *ctx, int fd, unsigned events)
{
	struct host_if *h = ctx;

	for (int i = 0; i < READS_PER_TURN; i++) {
		struct rte_mbuf *m = port_mbuf(h->port);

		if (!m) {  // read it all the same: a waiting frame would wake the loop for ever
			counters_control_drop(DROP_NO_MBUF);
			frame_discard(fd);
			return;
		}
		ssize_t n = read(fd, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));
		if (n <= 0) {
			rte_pktmbuf_free(m);
			return;
		}
		m->data_len = (uint16_t)n;
		m->pkt_len = (uint32_t)n;
		h->rx_frames++;
		if (punt_ctx.ops && punt_ctx.ops->host_frame)
			punt_ctx.ops->host_frame(punt_ctx.ops->ctx, h->port,
						 rte_pktmbuf_mtod(m, uint8_t *), (size_t)n);
		inject_frame(m, h->port);
	}
}

static int tap_create(struct host_if *h, struct err *err)
{
	struct ifreq r = request(h->name);

	h->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (h->fd < 0)
		return err_set(err, -errno, "cannot open /dev/net/tun for host interface %s: %s",
			       h->name, strerror(errno));
	r.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(h->fd, TUNSETIFF, &r))
		return err_set(err, -errno, "cannot create host interface %s: %s", h->name,
			       strerror(errno));
	return 0;
}

static int tap_setup(struct host_if *h, const uint8_t mac[6], uint16_t mtu, struct err *err)
{
	struct ifreq r = request(h->name);

	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, mac, 6);
	int rc = if_ioctl(SIOCSIFHWADDR, &r);
	if (rc == 0) {
		r = request(h->name);
		r.ifr_mtu = mtu;
		rc = if_ioctl(SIOCSIFMTU, &r);
	}
	return rc ? err_set(err, rc, "cannot set up host interface %s: %s", h->name, strerror(-rc))
		  : 0;
}

int host_if_open(struct host_if *h, const char *name, uint32_t port, const uint8_t mac[6],
		 uint16_t mtu, struct err *err)
{
	*h = (struct host_if){.fd = -1, .port = port};
	if (!name || !*name)
		return 0;
	if (strlen(name) >= sizeof(h->name))
		return err_set(err, -EINVAL, "\"%s\" is too long for a host interface", name);
	snprintf(h->name, sizeof(h->name), "%s", name);
	int rc = tap_create(h, err);
	if (rc == 0)
		rc = tap_setup(h, mac, mtu, err);
	if (rc == 0 && loop)
		rc = loop_fd_add(&h->watch, loop, "host_if", h->fd, LOOP_READ, on_readable, h);
	if (rc) {
		if (h->fd >= 0)
			close(h->fd);
		h->fd = -1;
	}
	return rc;
}

void host_if_close(struct host_if *h)
{
	if (h->fd < 0)
		return;
	if (h->watch.loop)
		loop_fd_del(&h->watch);
	close(h->fd);
	h->fd = -1;
}

bool host_if_write(struct host_if *h, struct rte_mbuf *m)
{
	struct iovec iov[SEGMENTS_MAX];
	const int segments = m->nb_segs;
	int n = 0;
	ssize_t rc = -1;

	for (struct rte_mbuf *s = m; s && n < SEGMENTS_MAX; s = s->next)
		iov[n++] = (struct iovec){rte_pktmbuf_mtod(s, void *), s->data_len};
	if (h->fd >= 0 && n == segments)
		rc = writev(h->fd, iov, n);
	rte_pktmbuf_free(m);
	if (rc < 0) {
		h->tx_refused++;
		counters_control_drop(DROP_HOST_FULL);
		return false;
	}
	h->tx_frames++;
	return true;
}

int host_if_set_up(struct host_if *h, bool up)
{
	struct ifreq r = request(h->name);

	if (h->fd < 0)
		return 0;
	int rc = if_ioctl(SIOCGIFFLAGS, &r);
	if (rc)
		return rc;
	r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
	return if_ioctl(SIOCSIFFLAGS, &r);
}

void host_if_set_carrier(struct host_if *h, bool on)
{
	int carrier = on;

	// Kernels before 5.0 have no such request; the interface then shows carrier always.
	if (h->fd >= 0 && ioctl(h->fd, TUNSETCARRIER, &carrier) != 0)
		return;
}

int host_if_running(const char *name)
{
	struct ifreq r = request(name);
	struct ethtool_value carrier = {.cmd = ETHTOOL_GLINK};
	int rc = if_ioctl(SIOCGIFFLAGS, &r);

	if (rc || (r.ifr_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING))
		return rc;
	// The kernel sets the flag up to a second late (it looks at links that change often once a
	// second); the driver knows. One without such a question has the flag only.
	r.ifr_data = (char *)&carrier;
	return if_ioctl(SIOCETHTOOL, &r) || carrier.data;
}
