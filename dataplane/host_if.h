// The host interface of a port: a tap through which the kernel sees the port.
//
// Carries ARP/ND, ICMP to our addresses, routing protocols and whatever else is the host's.
// Control thread only: workers reach it through the punt and inject rings.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"

struct rte_mbuf;

struct host_if {
	int fd;  // -1 = none
	uint32_t port;
	char name[16];
	struct loop_fd watch;
	uint64_t rx_frames, tx_frames, tx_refused;
};

void host_if_set_loop(struct loop *loop);
// Creates the tap (down) with this MAC and MTU. An empty name = no host interface.
int host_if_open(struct host_if *h, const char *name, uint32_t port, const uint8_t mac[6],
		 uint16_t mtu, struct err *err);
void host_if_close(struct host_if *h);
// Writes the frame (link header first) and frees it. false when the kernel refused it.
bool host_if_write(struct host_if *h, struct rte_mbuf *m);
int host_if_set_up(struct host_if *h, bool up);
void host_if_set_carrier(struct host_if *h, bool on);
// 1 = the kernel interface is up with carrier, 0 = not, negative errno = no such interface.
int host_if_running(const char *name);
