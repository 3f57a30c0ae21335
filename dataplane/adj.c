// Adjacencies: found again by a chained index over (port, gateway), freed a grace period after
// their last route, so that a worker never sees one change its meaning.
#include "adj.h"
#include "rcu.h"

#include <rte_hash_crc.h>
#include <stdint.h>
#include <string.h>

#define HEADS 4096

struct adj adj_table[ADJ_MAX];
static uint32_t head[HEADS];
static uint32_t free_list, fresh;

void adj_init(void)
{
	memset(adj_table, 0, sizeof(adj_table));
	memset(head, 0, sizeof(head));
	free_list = 0;
	fresh = ADJ_FIRST;
}

static uint32_t *head_of(uint32_t port, const struct ip_addr *gateway)
{
	uint64_t v[2];

	memcpy(v, gateway->bytes, 16);
	uint32_t h = rte_hash_crc_8byte(v[0], port);
	return &head[rte_hash_crc_8byte(v[1], h) % HEADS];
}

uint32_t adj_get(uint32_t port, const struct ip_addr *gateway)
{
	uint32_t *h = head_of(port, gateway), i;

	for (i = *h; i; i = adj_table[i].next)
		if (adj_table[i].port == port && addr_equal(&adj_table[i].gateway, gateway)) {
			adj_table[i].routes++;
			return i;
		}
	if (free_list) {
		i = free_list;
		free_list = adj_table[i].next;
	} else if (fresh < ADJ_MAX) {
		i = fresh++;
	} else {
		return ADJ_NONE;
	}
	struct adj *a = &adj_table[i];
	*a = (struct adj){
		.port = port,
		.attached = !addr_is_set(gateway),
		.gateway = *gateway,
		.routes = 1,
		.next = *h,
	};
	if (!a->attached)
		a->neigh = neigh_lookup(port, gateway->family, gateway->bytes);
	*h = i;
	return i;
}

static void adj_free(void *obj)
{
	struct adj *a = obj;

	a->next = free_list;
	free_list = (uint32_t)(a - adj_table);
}

void adj_put(uint32_t i)
{
	struct adj *a = &adj_table[i];

	if (i < ADJ_FIRST || --a->routes > 0)
		return;
	uint32_t *at = head_of(a->port, &a->gateway);
	while (*at != i)
		at = &adj_table[*at].next;
	*at = a->next;
	a->dead = 1;
	rcu_defer(adj_free, a);
}

void fib_neigh_changed(uint32_t port, const struct ip_addr *addr, struct neigh *n)
{
	for (uint32_t i = *head_of(port, addr); i; i = adj_table[i].next)
		if (adj_table[i].port == port && addr_equal(&adj_table[i].gateway, addr))
			__atomic_store_n(&adj_table[i].neigh, n, __ATOMIC_RELEASE);
}
