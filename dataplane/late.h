// Packets for the SAs of a redundancy group that was handed to the other box, kept until they can
// be passed on to it. Control thread; bounded per group and in time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LATE_MAX    1024  // packets per group
#define LATE_AGE_MS 1000  // nobody has taken the group over: given up

struct ip_addr;
struct rte_mbuf;

void late_init(void);
void late_fini(void);  // frees what waits
// A packet as it came in, data pointer at its IP header; pkt->policy is the group, pkt->hand_in
// says that it is ESP for us. Takes m.
void late_add(struct rte_mbuf *m);
// A packet that policy lets out, towards a link address that nobody knows. Taken (true) if it came
// by the same port and is for the virtual address of a group that was handed over: the address is
// about to be the other box's.
bool late_next_hop(struct rte_mbuf *m, const struct ip_addr *next);
void late_expire(void);
unsigned late_count(unsigned group);
