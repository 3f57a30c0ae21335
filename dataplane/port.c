// The port table: creation, deletion without waiting, which worker polls which queue, link
// states. A port's id names its entry until a grace period after its deletion.
#include "port.h"
#include "fib.h"
#include "port_device.h"
#include "rcu.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <string.h>

struct port port_table[WORKER_PORT_MAX];
static struct rte_mempool *pool;

void port_set_pool(struct rte_mempool *p)
{
	pool = p;
}

struct rte_mbuf *port_mbuf(uint32_t id)
{
	return rte_pktmbuf_alloc(port_get(id)->big_frames ? port_device_big_pool() : pool);
}

struct port *port_find(uint32_t id)
{
	if (id == 0 || id >= WORKER_PORT_MAX || !port_table[id].used || port_table[id].closing)
		return NULL;
	return &port_table[id];
}

static uint32_t slot_free(void)
{
	for (uint32_t i = 1; i < WORKER_PORT_MAX; i++)
		if (!port_table[i].used)
			return i;
	return 0;
}

// Gives every worker a new set of queues: one of each port when it has enough, otherwise the
// port's queues go to the workers in turn, starting at its id.
static int queues_publish(void)
{
	struct rx_set *set[WORKER_MAX] = {0};

	for (unsigned i = 0; i < worker_count; i++) {
		set[i] = rte_zmalloc_socket("rx_set", sizeof(*set[i]), 64,
					    (int)worker_table[i]->socket);
		if (!set[i]) {
			while (i--)
				rte_free(set[i]);
			return -ENOMEM;
		}
	}
	for (uint32_t id = 1; id < WORKER_PORT_MAX; id++) {
		const struct port *p = &port_table[id];

		if (!p->used || !p->up || p->closing || p->dpdk == PORT_SINK)
			continue;
		for (uint16_t q = 0; q < p->rx_queues; q++) {
			unsigned w = p->rx_queues >= worker_count ? q : (id + q) % worker_count;

			set[w]->queue[set[w]->n++] = (struct rx_queue){p->dpdk, q, id};
		}
	}
	for (unsigned i = 0; i < worker_count; i++) {
		struct rx_set *old = worker_table[i]->rx_set;

		__atomic_store_n(&worker_table[i]->rx_set, set[i], __ATOMIC_RELEASE);
		rcu_defer(rte_free, old);
	}
	return 0;
}

static void tx_assign(struct port *p, uint32_t id)
{
	p->tx_owner = (uint8_t)(worker_count ? id % worker_count : 0);
	for (unsigned i = 0; i < WORKER_MAX; i++)
		p->tx_queue[i] = i < p->tx_queues && p->tx_queues >= worker_count ? (uint8_t)i
										  : PORT_VIA_RING;
	if (p->tx_queues < worker_count)
		p->tx_queue[p->tx_owner] = 0;
}

int port_add(const struct dp_port_params *params, uint32_t *id, struct err *err)
{
	uint32_t slot = slot_free();
	struct port *p = &port_table[slot];

	if (slot == 0)
		return err_set(err, -ENOSPC, "no room for port %s: there are %d already",
			       params->name, WORKER_PORT_MAX - 1);
	*p = (struct port){.mtu = params->mtu ? params->mtu : 1500, .host.fd = -1};
	snprintf(p->name, sizeof(p->name), "%s", params->name);
	snprintf(p->device, sizeof(p->device), "%s", params->device);
	int rc = port_device_probe(p, err);
	if (rc)
		return rc;
	rc = port_device_start(p, worker_count, pool, err);
	if (rc == 0)
		rc = host_if_open(&p->host, params->host_if, slot, p->mac, p->mtu, err);
	if (rc) {
		port_device_close(p);
		return rc;
	}
	tx_assign(p, slot);
	p->used = 1;
	*id = slot;
	return 0;
}

static void port_release(void *obj)
{
	struct port *p = obj;

	if (p->dpdk != PORT_SINK)
		port_device_close(p);
	memset(p, 0, sizeof(*p));
}

int port_del(uint32_t id, struct err *err)
{
	struct port *p = port_find(id);

	if (!p)
		return err_set(err, -ENOENT, "there is no port %u", id);
	p->up = 0;
	p->closing = true;
	int rc = queues_publish();
	if (rc) {
		p->closing = false;
		return err_set(err, rc, "no memory to release port %s", p->name);
	}
	host_if_close(&p->host);
	neigh_flush_port(id);
	rcu_defer(port_release, p);
	return 0;
}

int port_admin(uint32_t id, bool up, struct err *err)
{
	struct port *p = port_find(id);

	if (!p)
		return err_set(err, -ENOENT, "there is no port %u", id);
	p->admin_up = up;
	p->up = up;
	if (!up)
		rte_eth_dev_set_link_down(p->dpdk);
	else
		rte_eth_dev_set_link_up(p->dpdk);
	int rc = queues_publish();
	if (rc == 0)
		rc = host_if_set_up(&p->host, up);
	return rc ? err_set(err, rc, "cannot turn port %s %s", p->name, up ? "up" : "down") : 0;
}

int port_info(uint32_t id, struct dp_port_info *out)
{
	const struct port *p = port_find(id);
	struct rte_eth_stats s = {0};

	if (!p)
		return -ENOENT;
	if (p->dpdk != PORT_SINK)
		rte_eth_stats_get(p->dpdk, &s);
	*out = (struct dp_port_info){
		.port = id,
		.mtu = p->mtu,
		.admin_up = p->admin_up,
		.link_up = p->link_up,
		.speed_mbps = p->speed_mbps,
		.rx_packets = s.ipackets,
		.rx_bytes = s.ibytes,
		.tx_packets = s.opackets,
		.tx_bytes = s.obytes,
		.rx_missed = s.imissed,
		.rx_errors = s.ierrors + s.rx_nombuf,
		.tx_errors = s.oerrors,
	};
	memcpy(out->mac, p->mac, 6);
	snprintf(out->name, sizeof(out->name), "%s", p->name);
	snprintf(out->device, sizeof(out->device), "%s", p->device);
	snprintf(out->driver, sizeof(out->driver), "%s", p->driver);
	snprintf(out->host_if, sizeof(out->host_if), "%s", p->host.name);
	return 0;
}

static uint32_t vmac_find(const struct port *p, const uint8_t mac[6])
{
	uint32_t i = 0;

	while (i < p->vmacs && memcmp(p->vmac[i], mac, 6) != 0)
		i++;
	return i;
}

// A device without a filter for further addresses receives everything (packet sockets), or is told
// to: a virtual MAC that does not arrive would be a black hole.
static void device_mac_add(const struct port *p, const uint8_t mac[6])
{
	struct rte_ether_addr a;

	memcpy(a.addr_bytes, mac, 6);
	if (p->dpdk != PORT_SINK && rte_eth_dev_mac_addr_add(p->dpdk, &a, 0) != 0)
		rte_eth_promiscuous_enable(p->dpdk);
}

int port_mac_add(uint32_t id, const uint8_t mac[6])
{
	struct port *p = port_find(id);

	if (!p)
		return -ENODEV;
	if (vmac_find(p, mac) < p->vmacs)
		return -EEXIST;
	if (p->vmacs == DP_PORT_MACS_MAX)
		return -ENOSPC;
	memcpy(p->vmac[p->vmacs], mac, 6);
	__atomic_store_n(&p->vmacs, p->vmacs + 1, __ATOMIC_RELEASE);
	device_mac_add(p, mac);
	return 0;
}

int port_mac_del(uint32_t id, const uint8_t mac[6])
{
	struct port *p = port_find(id);
	struct rte_ether_addr a;

	if (!p)
		return -ENODEV;
	uint32_t i = vmac_find(p, mac);
	if (i == p->vmacs)
		return -ENOENT;
	memcpy(p->vmac[i], p->vmac[p->vmacs - 1], 6);
	__atomic_store_n(&p->vmacs, p->vmacs - 1, __ATOMIC_RELEASE);
	memcpy(a.addr_bytes, mac, 6);
	if (p->dpdk != PORT_SINK)
		rte_eth_dev_mac_addr_remove(p->dpdk, &a);
	return 0;
}

static bool link_now(struct port *p)
{
	struct rte_eth_link l = {0};

	if (rte_eth_link_get_nowait(p->dpdk, &l) != 0 || !l.link_status)
		return false;
	p->speed_mbps = l.link_speed;
	// A packet socket reports a link always; its kernel interface knows better.
	return p->kernel_if[0] == 0 || host_if_running(p->kernel_if) == 1;
}

void port_poll_links(const struct dp_ops *ops)
{
	for (uint32_t id = 1; id < WORKER_PORT_MAX; id++) {
		struct port *p = port_find(id);

		if (!p || p->dpdk == PORT_SINK)
			continue;
		bool up = p->admin_up && link_now(p);
		if (up == p->link_up)
			continue;
		p->link_up = up;
		host_if_set_carrier(&p->host, up);
		if (ops->link)
			ops->link(ops->ctx, id, up);
	}
}

void port_close_all(void)
{
	for (uint32_t id = 1; id < WORKER_PORT_MAX; id++) {
		struct port *p = port_find(id);

		if (!p)
			continue;
		host_if_close(&p->host);
		port_release(p);
	}
}

uint32_t port_add_sink(const uint8_t mac[6], uint16_t mtu)
{
	uint32_t id = slot_free();
	struct port *p = &port_table[id];

	if (id == 0)
		return 0;
	*p = (struct port){.used = 1, .up = 1, .mtu = mtu, .dpdk = PORT_SINK, .host.fd = -1};
	memcpy(p->mac, mac, 6);
	return id;
}

void port_del_sink(uint32_t id)
{
	memset(&port_table[id], 0, sizeof(port_table[id]));
}

void port_set_addr(uint32_t id, const struct ip_addr *addr, bool present)
{
	struct port *p = port_find(id);
	uint32_t be;

	if (!p || addr_is_multicast(addr) || (addr->family == 6 && addr->bytes[0] == 0xfe))
		return;
	memcpy(&be, addr->bytes, 4);
	if (addr->family == 4 && (present ? p->addr4_be == 0 : p->addr4_be == be))
		p->addr4_be = present ? be : 0;
	if (addr->family == 6 &&
	    (present ? p->addr6[0] == 0 : memcmp(p->addr6, addr->bytes, 16) == 0))
		memcpy(p->addr6, present ? addr->bytes : (uint8_t[16]){0}, 16);
}
