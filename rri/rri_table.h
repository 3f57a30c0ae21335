// What reverse routes are wanted and which of them stand, counted.
//
// Pure: no I/O, no clock. Several SAs may want the same kernel route; it is added for the first
// and deleted for the last. Whoever wants a route owns a struct rri_want and must release it.
// Thread: control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "addr.h"

// A route as the kernel knows it. Without a gateway the destination is on the link.
struct rri_spec {
	struct ip_prefix dst;
	struct ip_addr gateway;
	char interface[16];  // kernel name
};

// How other routers hear of a route.
struct rri_label {
	uint32_t tag;        // 0 = none
	struct ip_addr via;  // next hop that they are told; unset = this box
};

struct rri_entry;
struct rri_want {
	TAILQ_ENTRY(rri_want) link;
	struct rri_entry *entry;  // NULL = holds nothing
	struct rri_label label;
	bool by_acl;  // from an access list, not from an SA; the caller's
};

struct rri_entry {
	LIST_ENTRY(rri_entry) next;
	TAILQ_ENTRY(rri_entry) work;
	struct rri_spec spec;
	TAILQ_HEAD(, rri_want) wants;  // oldest first: its label counts
	unsigned refs;
	struct rri_label label;  // of the first want; what was installed when there is none
	struct rri_label sent;   // as installed
	bool queued, waiting;    // on the work list; refused, tried again by rri_table_retry()
	bool installed, again;   // again: the kernel may have lost it, add it once more
};

enum rri_op { RRI_NONE, RRI_ADD, RRI_DEL, RRI_RETAG };

struct rri_table {
	LIST_HEAD(rri_bucket, rri_entry) * buckets;
	TAILQ_HEAD(, rri_entry) work, waiting;
	unsigned entries, installed, waits;
	uint64_t adds, dels;
};

int rri_table_init(struct rri_table *t);
void rri_table_fini(struct rri_table *t);  // every want must have been released
// want must hold nothing. 0 or -ENOMEM.
int rri_table_hold(struct rri_table *t, struct rri_want *want, const struct rri_spec *spec,
		   const struct rri_label *label);
void rri_table_release(struct rri_table *t, struct rri_want *want);  // nothing held is fine
// Next difference between wanted and installed, first come first served; NULL when none is left.
struct rri_entry *rri_table_pop(struct rri_table *t, enum rri_op *op);
// How it went. After a successful delete of what nobody wants, and after a failed add of it, the
// entry is gone. A failed add waits, a failed delete counts as done (what is not there is gone).
void rri_table_done(struct rri_table *t, struct rri_entry *e, enum rri_op op, bool ok);
void rri_table_retry(struct rri_table *t);  // what waits goes back to work
// The kernel may have lost this route (its link went down): it is added again if still wanted.
void rri_table_lost(struct rri_table *t, struct rri_entry *e);
bool rri_table_idle(const struct rri_table *t);
// Iterates over buckets: the entries of bucket *cursor, which is advanced; false at the end.
bool rri_table_bucket(const struct rri_table *t, uint32_t *cursor, struct rri_entry **first);
// The entries of dst are in one bucket.
struct rri_entry *rri_table_first(const struct rri_table *t, const struct ip_prefix *dst);
uint32_t rri_dst_hash(const struct ip_prefix *dst);
bool rri_spec_equal(const struct rri_spec *a, const struct rri_spec *b);
bool rri_label_equal(const struct rri_label *a, const struct rri_label *b);
