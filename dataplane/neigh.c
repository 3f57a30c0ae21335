// The neighbour table: open addressing with linear probing over pointers. A removed entry
// leaves a mark behind, so that a reader's probe never stops early; marks are used again.
#include "neigh.h"
#include "fib.h"
#include "port.h"
#include "rcu.h"

#include <errno.h>
#include <rte_hash_crc.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (NEIGH_MAX * 2)

static struct neigh **slot;  // c: wo (release), w: ro
static struct neigh gone;    // the mark
static uint32_t used;

int neigh_init(void)
{
	used = 0;
	slot = calloc(SLOTS, sizeof(*slot));
	return slot ? 0 : -ENOMEM;
}

void neigh_fini(void)
{
	for (uint32_t i = 0; slot && i < SLOTS; i++)
		if (slot[i] != &gone)
			free(slot[i]);
	free(slot);
	slot = NULL;
	used = 0;
}

uint32_t neigh_count(void)
{
	return used;
}

static inline uint32_t hash_of(uint32_t port, uint8_t family, const uint8_t *addr)
{
	uint64_t v[2] = {0};

	memcpy(v, addr, family == 4 ? 4 : 16);
	uint32_t h = rte_hash_crc_8byte(v[0], port);
	return family == 4 ? h : rte_hash_crc_8byte(v[1], h);
}

static inline bool is(const struct neigh *n, uint32_t port, uint8_t family, const uint8_t *addr)
{
	return n->port == port && n->family == family &&
	       memcmp(n->addr, addr, family == 4 ? 4 : 16) == 0;
}

struct neigh *neigh_lookup(uint32_t port, uint8_t family, const uint8_t *addr)
{
	uint32_t at = hash_of(port, family, addr);

	for (uint32_t i = 0; i < SLOTS; i++, at++) {
		struct neigh *n = __atomic_load_n(&slot[at % SLOTS], __ATOMIC_ACQUIRE);

		if (!n)
			return NULL;
		if (is(n, port, family, addr))
			return n;
	}
	return NULL;
}

// The entry's slot, or the one to put it in, or NULL when the table is full.
static struct neigh **slot_find(uint32_t port, uint8_t family, const uint8_t *addr)
{
	uint32_t at = hash_of(port, family, addr);
	struct neigh **free_slot = NULL;

	for (uint32_t i = 0; i < SLOTS; i++, at++) {
		struct neigh **s = &slot[at % SLOTS];

		if (!*s)
			return free_slot ? free_slot : s;
		if (*s == &gone)
			free_slot = free_slot ? free_slot : s;
		else if (is(*s, port, family, addr))
			return s;
	}
	return free_slot;
}

// After the last entry of a probe run, marks are of no use: turn them back into free slots.
static void marks_clear(struct neigh **s)
{
	uint32_t at = (uint32_t)(s - slot);

	if (slot[(at + 1) % SLOTS])
		return;
	for (; slot[at % SLOTS] == &gone; at = (at + SLOTS - 1) % SLOTS)
		__atomic_store_n(&slot[at % SLOTS], NULL, __ATOMIC_RELEASE);
}

int neigh_set(uint32_t port, const struct ip_addr *addr, const uint8_t mac[6], bool valid)
{
	struct neigh **s = slot_find(port, addr->family, addr->bytes);
	struct neigh *old = s && *s != &gone ? *s : NULL, *n = NULL;

	if (!valid && !old)
		return 0;
	if (valid && (!s || (!old && used >= NEIGH_MAX)))
		return -ENOSPC;
	if (valid) {
		if (old && memcmp(old->l2, mac, 6) == 0)
			return 0;
		n = aligned_alloc(64, 64);
		if (!n)
			return -ENOMEM;
		memset(n, 0, sizeof(*n));
		n->port = port;
		n->family = addr->family;
		memcpy(n->addr, addr->bytes, 16);
		memcpy(n->l2, mac, 6);
		memcpy(n->l2 + 6, port_get(port)->mac, 6);
	}
	__atomic_store_n(s, n ? n : &gone, __ATOMIC_RELEASE);
	used += (n != NULL) - (uint32_t)(old != NULL);
	fib_neigh_changed(port, addr, n);
	if (!n)
		marks_clear(s);
	if (old)
		rcu_defer(free, old);
	return 0;
}

void neigh_flush_port(uint32_t port)
{
	for (uint32_t i = 0; slot && i < SLOTS; i++) {
		const struct neigh *n = slot[i];

		if (!n || n == &gone || n->port != port)
			continue;
		struct ip_addr addr = addr_from_bytes(n->family, n->addr);
		neigh_set(port, &addr, NULL, false);
	}
}
