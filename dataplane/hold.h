// Packets that wait in the control thread: for an SA (by policy) or for a neighbour (by
// address). Bounded per key and in total, aged, released in order.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HOLD_POLICY_MAX   32    // packets per policy
#define HOLD_NEIGH_MAX    64    // packets per neighbour
#define HOLD_TOTAL        4096  // packets altogether
#define HOLD_AGE_MS       10000
#define HOLD_NEIGH_AGE_MS 3000

struct rte_mbuf;

enum hold_kind { HOLD_POLICY, HOLD_NEIGH };
typedef void (*hold_release_fn)(void *ctx, struct rte_mbuf *m);

int hold_init(void);
void hold_fini(void);  // frees what waits
// Takes m, or drops and counts it. true when it is the first of its key or the key has not been
// asked about for a second: the caller then asks (again) for the SA or the link address.
bool hold_add(enum hold_kind kind, uint64_t key, struct rte_mbuf *m, uint64_t now_ms);
// Hands everything of the key to fn, oldest first.
unsigned hold_release(enum hold_kind kind, uint64_t key, hold_release_fn fn, void *ctx);
unsigned hold_flush(enum hold_kind kind, uint64_t key);  // drops and counts
void hold_expire(uint64_t now_ms);
uint32_t hold_count(void);
uint64_t hold_dropped(enum hold_kind kind);
