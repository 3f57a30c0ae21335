// Deferred freeing: a FIFO of {token, function, object} in front of rte_rcu_qsbr. A timer of the
// control thread asks whether the oldest token's grace period has passed and frees what is due;
// nobody ever waits for a worker. Control thread only, except the reports that workers make
// directly on rcu_qsbr().
#include "rcu.h"

#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

struct deferred {
	STAILQ_ENTRY(deferred) next;
	uint64_t token;
	void (*fn)(void *obj);
	void *obj;
};

static STAILQ_HEAD(, deferred) queue = STAILQ_HEAD_INITIALIZER(queue);
static struct rte_rcu_qsbr *qsbr;
static unsigned pending;

int rcu_init(unsigned max_readers, struct err *err)
{
	size_t size = rte_rcu_qsbr_get_memsize(max_readers);

	if (size <= 1 || qsbr)
		return err_set(err, -EINVAL, "cannot prepare grace periods for %u readers",
			       max_readers);
	qsbr = rte_zmalloc("rcu", size, RTE_CACHE_LINE_SIZE);
	if (!qsbr)
		return err_set(err, -ENOMEM, "no memory for grace periods");
	if (rte_rcu_qsbr_init(qsbr, max_readers)) {
		rte_free(qsbr);
		qsbr = NULL;
		return err_set(err, -EINVAL, "cannot prepare grace periods for %u readers",
			       max_readers);
	}
	return 0;
}

struct rte_rcu_qsbr *rcu_qsbr(void)
{
	return qsbr;
}

static void run_first(void)
{
	struct deferred *d = STAILQ_FIRST(&queue);

	STAILQ_REMOVE_HEAD(&queue, next);
	pending--;
	d->fn(d->obj);
	free(d);
}

void rcu_fini(void)
{
	while (!STAILQ_EMPTY(&queue))
		run_first();
	rte_free(qsbr);
	qsbr = NULL;
}

void rcu_defer(void (*fn)(void *obj), void *obj)
{
	struct deferred *d;

	if (!qsbr) {  // no worker can exist
		fn(obj);
		return;
	}
	d = malloc(sizeof(*d));
	if (!d) {
		// The one exception to "never wait": with no memory for 40 bytes the choice is this
		// or leaking keys. Workers report every loop, so it is short.
		rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
		fn(obj);
		return;
	}
	*d = (struct deferred){.token = rte_rcu_qsbr_start(qsbr), .fn = fn, .obj = obj};
	STAILQ_INSERT_TAIL(&queue, d, next);
	pending++;
}

void rcu_poll(void)
{
	const struct deferred *d;

	// Tokens only grow along the queue: the first that has not passed ends the round.
	while ((d = STAILQ_FIRST(&queue)) && rte_rcu_qsbr_check(qsbr, d->token, false) == 1)
		run_first();
}

unsigned rcu_pending(void)
{
	return pending;
}
