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

struct key {
	uint64_t where, addr[2];
};

static inline struct key key_of(uint32_t port, uint8_t family, const uint8_t *addr)
{
	struct key k = {.where = (uint64_t)family << 32 | port};
	uint32_t v4;

	if (likely(family == 4)) {
		memcpy(&v4, addr, 4);
		k.addr[0] = v4;
	} else {
		memcpy(k.addr, addr, 16);
	}
	return k;
}

static inline uint32_t hash_of(const struct key *k)
{
	uint32_t h = rte_hash_crc_8byte(k->addr[0], (uint32_t)k->where);

	return likely(k->where >> 32 == 4) ? h : rte_hash_crc_8byte(k->addr[1], h);
}

static inline bool is(const struct neigh *n, const struct key *k)
{
	return ((n->where ^ k->where) | (n->addr[0] ^ k->addr[0]) | (n->addr[1] ^ k->addr[1])) == 0;
}

struct neigh *neigh_lookup(uint32_t port, uint8_t family, const uint8_t *addr)
{
	struct key k = key_of(port, family, addr);
	uint32_t at = hash_of(&k);

	for (uint32_t i = 0; i < SLOTS; i++, at++) {
		struct neigh *n = __atomic_load_n(&slot[at % SLOTS], __ATOMIC_ACQUIRE);

		if (!n)
			return NULL;
		if (is(n, &k))
			return n;
	}
	return NULL;
}

// The entry's slot, or the one to put it in, or NULL when the table is full.
static struct neigh **slot_find(const struct key *k)
{
	uint32_t at = hash_of(k);
	struct neigh **free_slot = NULL;

	for (uint32_t i = 0; i < SLOTS; i++, at++) {
		struct neigh **s = &slot[at % SLOTS];

		if (!*s)
			return free_slot ? free_slot : s;
		if (*s == &gone)
			free_slot = free_slot ? free_slot : s;
		else if (is(*s, k))
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
	struct key k = key_of(port, addr->family, addr->bytes);
	struct neigh **s = slot_find(&k);
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
		n->where = k.where;
		memcpy(n->addr, k.addr, sizeof(n->addr));
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

		if (!n || n == &gone || (uint32_t)n->where != port)
			continue;
		struct ip_addr addr =
			addr_from_bytes((uint8_t)(n->where >> 32), (const uint8_t *)n->addr);
		neigh_set(port, &addr, NULL, false);
	}
}
