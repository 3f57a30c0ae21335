// Helper threads for public-key work: what stands behind ike_env.offload in the daemon.
//
// compute() runs on a helper thread, done() on the loop's thread in a later turn, in any order.
// One queue, first in first out; its length is bounded by the callers (half-open limit).
// Create, submit and destroy: the loop's thread. The helpers inherit the creator's CPU affinity:
// create the pool before dp_start pins the control thread.
#pragma once

#include "err.h"
#include "ike.h"
#include "loop.h"

struct ike_pool;
// threads: 0 = one per core, at most 4. The loop is borrowed and must outlive the pool.
struct ike_pool *ike_pool_create(struct loop *l, unsigned threads, struct err *err);
// Lets the running computations finish and calls done() of everything that was submitted, also of
// tasks that never ran (their compute() is run here first): owners free their tasks as always.
void ike_pool_destroy(struct ike_pool *p);
// Signature of ike_env.offload; ctx is the pool.
void ike_pool_submit(void *ctx, struct ike_task *t);
unsigned ike_pool_pending(const struct ike_pool *p);  // submitted and not yet done
