// Behind a port: the DPDK device, from its description to running queues and back.
#pragma once

#include <stdint.h>

#include "err.h"
#include "port.h"

struct rte_mempool;
// "vdev NAME,ARGS" or "pci ADDRESS" -> device id. One sentence when it is not there.
int port_device_probe(struct port *p, struct err *err);
// Queues for `workers` workers as far as the device can, started, MAC and driver read.
int port_device_start(struct port *p, unsigned workers, struct rte_mempool *pool, struct err *err);
struct rte_mempool *port_device_big_pool(void);  // of ports with big_frames
void port_device_fini(void);                     // all ports are closed
void port_device_close(struct port *p);          // stops and detaches
