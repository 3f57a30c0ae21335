// Neighbour table: (port, address) to link address. One writer (control thread), lock-free
// readers. Entries never change: a new link address is a new entry, the old one is freed after
// a grace period.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define NEIGH_MAX 65536  // entries; the table has twice as many slots

struct neigh {
	uint64_t where;    // family << 32 | port
	uint64_t addr[2];  // as on the wire; IPv4: first four bytes, rest zero
	uint8_t l2[16];    // destination MAC, source MAC; the type follows per packet
};

int neigh_init(void);
void neigh_fini(void);
// valid false removes. 0, -ENOSPC, -ENOMEM.
int neigh_set(uint32_t port, const struct ip_addr *addr, const uint8_t mac[6], bool valid);
uint32_t neigh_count(void);
void neigh_flush_port(uint32_t port);
// Worker and control: NULL = unknown. addr: 4 or 16 bytes by family.
struct neigh *neigh_lookup(uint32_t port, uint8_t family, const uint8_t *addr);
