// Control thread's side of the adjacencies: shared by routes with the same port and gateway.
#pragma once

#include "fib.h"

void adj_init(void);
// The adjacency of (port, gateway), one more route on it; ADJ_NONE when the table is full.
uint32_t adj_get(uint32_t port, const struct ip_addr *gateway);
void adj_put(uint32_t adj);  // one route less; the last one retires it
