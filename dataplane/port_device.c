// DPDK devices: probing by description, configuration of queues and offloads, start and stop.
// Only offloads that every stage can live without are used: checksum verification on receive.
//
// Packet sockets (net_af_packet, for labs) need care: the kernel puts IPv4 fragments together
// before it hands them over, so frames and buffers are large, and the kernel's own stack must
// not answer on the interface beside us.
#include "port_device.h"
#include "eal.h"
#include "log.h"

#include <errno.h>
#include <net/if.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <string.h>

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
#define FRAME_MAX      10240  // of a packet socket: jumbo frames and most IKE datagrams
#define FRAME_ARGS     ",framesz=10240,blocksz=20480,framecnt=512"
#define SMALL_MTU      1984  // IP bytes that fit the ordinary buffers with link header and tag
#define BIG_MBUFS      4095
#define ROOM_BEHIND    64  // for padding and ICV

static struct rte_mempool *big_pool;  // for ports with large frames, made when the first comes

// The kernel interface that a packet-socket device names, checked before DPDK tries.
static int iface_check(struct port *p, const char *args, struct err *err)
{
	const char *at = strstr(args, "iface=");
	size_t len = at ? strcspn(at + 6, ",") : 0;

	p->kernel_if[0] = 0;
	if (!at || (strncmp(args, "net_af_packet", 13) && strncmp(args, "net_af_xdp", 10)))
		return 0;
	if (len == 0 || len >= sizeof(p->kernel_if))
		return err_set(err, -EINVAL, "device \"%s\" names no interface", p->device);
	snprintf(p->kernel_if, sizeof(p->kernel_if), "%.*s", (int)len, at + 6);
	if (if_nametoindex(p->kernel_if) == 0)
		return err_set(err, -ENODEV,
			       "there is no kernel interface %s in this network namespace for %s",
			       p->kernel_if, p->name);
	return 0;
}

static int sysctl_write(const char *family, const char *iface, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, iface, key);
	FILE *f = fopen(path, "w");
	if (!f)
		return -errno;
	int rc = fputs(value, f) < 0 ? -EIO : 0;
	return fclose(f) ? -errno : rc;
}

// The kernel's stack keeps quiet on an interface that is ours: no ARP answers, no IPv6, and
// strict source validation refuses every packet, since no route leads there.
static void kernel_silence(const char *iface)
{
	static const struct {
		const char *family, *key, *value;
	} set[] = {
		{"ipv4", "arp_ignore", "8"},
		{"ipv4", "rp_filter", "1"},
		{"ipv4", "forwarding", "0"},
		{"ipv6", "disable_ipv6", "1"},
	};

	static char refused[64];
	bool again = strcmp(refused, iface) == 0;  // a device that does not come up is tried again

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		if (sysctl_write(set[i].family, iface, set[i].key, set[i].value) == 0 || again)
			continue;
		snprintf(refused, sizeof(refused), "%s", iface);
		log_event("DATAPLANE", LOG_L_WARNING, "KERNEL_IF",
			  "Cannot set %s %s of %s: the kernel may answer beside us", set[i].family,
			  set[i].key, iface);
	}
}

static int big_pool_get(struct err *err)
{
	if (!big_pool)
		big_pool = rte_pktmbuf_pool_create("big", BIG_MBUFS, 128, 64,
						   RTE_PKTMBUF_HEADROOM + FRAME_MAX + ROOM_BEHIND,
						   (int)rte_socket_id());
	return big_pool ? 0 : err_set(err, -ENOMEM, "no memory for %d large buffers", BIG_MBUFS);
}

struct rte_mempool *port_device_big_pool(void)
{
	return big_pool;
}

void port_device_fini(void)
{
	rte_mempool_free(big_pool);
	big_pool = NULL;
}

int port_device_probe(struct port *p, struct err *err)
{
	char name[64], full[256];
	const char *args;
	bool vdev = strncmp(p->device, "vdev ", 5) == 0;

	if (!vdev && strncmp(p->device, "pci ", 4) != 0)
		return err_set(err, -EINVAL,
			       "device \"%s\" is neither \"vdev ...\" nor \"pci ...\"", p->device);
	args = p->device + (vdev ? 5 : 4);
	int rc = vdev ? iface_check(p, args, err) : 0;
	if (rc)
		return rc;
	size_t len = strcspn(args, ",");
	if (len == 0 || len >= sizeof(name))
		return err_set(err, -EINVAL, "device \"%s\" has no name", p->device);
	snprintf(name, sizeof(name), "%.*s", (int)len, args);
	if (rte_eth_dev_get_port_by_name(name, &p->dpdk) == 0 && !vdev)
		return 0;  // found at start
	if (!vdev && !eal_hugepages())
		return err_set(err, -ENOTSUP,
			       "device %s of %s needs hugepages, and too few were free when the "
			       "data plane started",
			       name, p->name);
	bool packet_socket = strncmp(name, "net_af_packet", 13) == 0 && !strstr(args, "framesz=");
	p->big_frames = packet_socket || p->mtu > SMALL_MTU;
	snprintf(full, sizeof(full), "%s%s", args[len] ? args + len + 1 : "",
		 packet_socket ? FRAME_ARGS : "");
	if (p->kernel_if[0])
		kernel_silence(p->kernel_if);
	eal_error_reset();
	rc = rte_eal_hotplug_add(vdev ? "vdev" : "pci", name, full);
	if (rc == -EEXIST)
		return err_set(err, rc, "device %s is in use by another port", name);
	if (rc || rte_eth_dev_get_port_by_name(name, &p->dpdk) != 0)
		return err_set(err, rc ? rc : -ENODEV, "device %s of %s cannot be used%s%s", name,
			       p->name, eal_error()[0] ? ": " : "", eal_error());
	return 0;
}

static uint16_t queue_count(unsigned workers, uint16_t max)
{
	return workers < max ? (uint16_t)workers : max ? max : 1;
}

static int queues_setup(struct port *p, unsigned socket, struct rte_mempool *pool)
{
	uint16_t rxd = RX_DESCRIPTORS, txd = TX_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->dpdk, &rxd, &txd);

	if (rc == -ENOTSUP)
		rc = 0;
	for (uint16_t q = 0; q < p->rx_queues && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->dpdk, q, rxd, socket, NULL, pool);
	for (uint16_t q = 0; q < p->tx_queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->dpdk, q, txd, socket, NULL);
	return rc;
}

int port_device_start(struct port *p, unsigned workers, struct rte_mempool *pool, struct err *err)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int socket = rte_eth_dev_socket_id(p->dpdk);
	struct rte_ether_addr mac;
	int rc = p->big_frames ? big_pool_get(err) : 0;

	if (rc)
		return rc;
	rc = rte_eth_dev_info_get(p->dpdk, &info);
	if (rc)
		return err_set(err, rc, "device of %s does not answer", p->name);
	p->rx_queues = queue_count(workers, info.max_rx_queues);
	p->tx_queues = queue_count(workers, info.max_tx_queues);
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	if (p->rx_queues > 1 && info.flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_ESP);
	}
	rc = rte_eth_dev_configure(p->dpdk, p->rx_queues, p->tx_queues, &conf);
	if (rc == 0)
		rc = queues_setup(p, socket < 0 ? 0 : (unsigned)socket,
				  p->big_frames ? big_pool : pool);
	// Not every device can; then its own default stays and the tap's limit still holds.
	if (rc == 0 && rte_eth_dev_set_mtu(p->dpdk, p->mtu) != 0 && p->mtu > 1500)
		rc = -EMSGSIZE;
	if (rc == 0)
		rc = rte_eth_dev_start(p->dpdk);
	if (rc)
		return err_set(err, rc, "device of %s does not start: %s", p->name,
			       rte_strerror(-rc));
	// The kernel side of the host interface joins groups that the device does not know.
	rte_eth_allmulticast_enable(p->dpdk);
	rte_eth_macaddr_get(p->dpdk, &mac);
	memcpy(p->mac, mac.addr_bytes, 6);
	snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name ? info.driver_name : "");
	return 0;
}

void port_device_close(struct port *p)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(p->dpdk, &info) != 0)
		return;
	rte_eth_dev_stop(p->dpdk);
	rte_eth_dev_close(p->dpdk);
	rte_dev_remove(info.device);
}
