// Ports: a DPDK device, its queues, and what the stages need to know of it.
//
// The table is written by the control thread; a worker reads the fields marked "w: ro" without
// a lock. A port disappears in two steps: `up` false and out of every rx_set, then, a grace
// period later, device and entry are released (port_del).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dp.h"
#include "host_if.h"
#include "worker.h"

#define PORT_SINK     UINT16_MAX  // no device: frames sent here are freed (tests, bench)
#define PORT_VIA_RING UINT8_MAX   // this worker has no transmit queue of the port

struct port {
	// c: wo, w: ro (relaxed; a torn mixture of old and new lasts one burst at most)
	uint8_t used;  // entry is taken
	uint8_t up;    // administratively up and started
	uint8_t mac[6];
	uint16_t mtu;                  // IP bytes
	uint16_t dpdk;                 // device id or PORT_SINK
	uint32_t policy_group;         // 0 = no crypto map
	uint8_t tx_queue[WORKER_MAX];  // per worker, or PORT_VIA_RING
	uint8_t tx_owner;              // whose queue the others' frames leave by
	uint32_t addr4_be;  // one of our addresses there (source of ICMP errors); 0 = none
	uint8_t addr6[16];
	// Virtual MACs; an entry is written before the count that covers it, and deleting one
	// puts the last in its place: a worker sees it twice for a moment, or misses that one.
	uint32_t vmacs;
	uint8_t vmac[DP_PORT_MACS_MAX][6];

	// control thread only
	bool closing;
	bool big_frames;  // receives into large buffers
	bool admin_up, link_up;
	uint16_t rx_queues, tx_queues;
	uint32_t speed_mbps;
	char name[64], device[128], driver[32];
	char kernel_if[16];  // kernel interface behind an af_packet device, else empty
	struct host_if host;
};
extern struct port port_table[WORKER_PORT_MAX];  // index = port id, entry 0 unused

static inline struct port *port_get(uint32_t id)
{
	return &port_table[id & (WORKER_PORT_MAX - 1)];
}
// Worker: the control thread may change it at any time.
static inline uint32_t port_policy_group(uint32_t id)
{
	return __atomic_load_n(&port_get(id)->policy_group, __ATOMIC_RELAXED);
}

int port_add(const struct dp_port_params *p, uint32_t *id, struct err *err);
int port_del(uint32_t id, struct err *err);
int port_admin(uint32_t id, bool up, struct err *err);
int port_info(uint32_t id, struct dp_port_info *out);
struct port *port_find(uint32_t id);  // NULL when not a live port
// Further addresses whose frames are ours; the device is told where it filters.
int port_mac_add(uint32_t id, const uint8_t mac[6]);
int port_mac_del(uint32_t id, const uint8_t mac[6]);
// Polls link states (control timer) and tells ops.link about changes.
void port_poll_links(const struct dp_ops *ops);
void port_close_all(void);  // workers have stopped
// A port without device for tests and bench: what is sent there stays in w->tx until flushed.
uint32_t port_add_sink(const uint8_t mac[6], uint16_t mtu);
void port_del_sink(uint32_t id);
void port_set_pool(struct rte_mempool *pool);
struct rte_mbuf *port_mbuf(uint32_t id);  // control thread: holds the port's frames, or NULL
// One of our addresses on the port came or went: source of ICMP errors.
void port_set_addr(uint32_t id, const struct ip_addr *addr, bool present);
