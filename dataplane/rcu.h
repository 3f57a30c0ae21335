// Freeing what workers may still see, without ever waiting: grace periods by rte_rcu_qsbr.
//
// Order for a removal (control thread): unlink from every table, mark dead, rcu_defer(free).
// Many deferred objects share one grace period. Workers register once, report a quiescent state
// every loop (rte_rcu_qsbr_quiescent) and go offline before any sleep.
#pragma once

#include <rte_rcu_qsbr.h>

#include "err.h"

int rcu_init(unsigned max_readers, struct err *err);
void rcu_fini(void);                  // workers have stopped: frees everything deferred
struct rte_rcu_qsbr *rcu_qsbr(void);  // for the workers' own calls (thread id = worker id)
// fn(obj) runs on the control thread after every worker passed a quiescent state.
void rcu_defer(void (*fn)(void *obj), void *obj);
void rcu_poll(void);  // control timer: frees what is due; never waits
unsigned rcu_pending(void);
