// Workers: creation, rings, and the poll loop. A turn polls every receive queue and ring once,
// runs the pipeline per burst, and sends what came of it. A worker makes no system call but the
// idle sleep, and is offline for RCU while it sleeps.
#include "worker.h"
#include "crypto.h"
#include "flow.h"
#include "loop.h"
#include "pipeline.h"
#include "port.h"
#include "rcu.h"
#include "route_cache.h"
#include "sad.h"
#include "spd.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define RX_BURST     48  // more save less per packet than they lose to the cache
#define HANDOFF_RING 4096
#define TX_RING      2048
#define INJECT_RING  2048
#define PUNT_RING    2048
#define EVENT_RING   1024
#define NOTED_RING   262144  // every inbound SA there may be: a full ring costs a try per packet
#define EMPTY_POLLS  64      // turns without a packet before an idle worker may sleep
#define WORKER_NICE  (-10)
#define HOUSEKEEPING 1024  // turns between coarse clock readings

struct worker *worker_table[WORKER_MAX];
unsigned worker_count;

static struct rte_ring *ring_create(const char *kind, unsigned from, unsigned to, unsigned n,
				    unsigned socket)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u-%u", kind, from, to);
	return rte_ring_create(name, n, (int)socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void clock_update(struct worker *w)
{
	w->now_s = w->base_s + (uint32_t)((w->now_tsc - w->tsc_base) / w->tsc_hz);
}

static int rings_create(struct worker *w)
{
	char name[RTE_RING_NAMESIZE];

	_Static_assert(sizeof(struct dp_event) % 4 == 0, "ring elements are whole words");
	snprintf(name, sizeof(name), "events-%u", w->id);
	w->inject = ring_create("inject", 0, w->id, INJECT_RING, w->socket);
	w->punt = ring_create("punt", w->id, 0, PUNT_RING, w->socket);
	w->events = rte_ring_create_elem(name, sizeof(struct dp_event), EVENT_RING, (int)w->socket,
					 RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "noted-%u", w->id);
	w->noted = rte_ring_create_elem(name, sizeof(uint32_t), NOTED_RING, (int)w->socket,
					RING_F_SP_ENQ | RING_F_SC_DEQ);
	return w->inject && w->punt && w->events && w->noted ? 0 : -ENOMEM;
}

struct worker *worker_create(const struct worker_params *p, struct err *err)
{
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), 64, (int)p->socket);

	if (!w) {
		err_set(err, -ENOMEM, "no memory for worker %u", p->id);
		return NULL;
	}
	w->id = p->id;
	w->core = p->core;
	w->socket = p->socket;
	w->idle_sleep_us = p->idle_sleep_us;
	w->pool = p->pool;
	w->tsc_hz = rte_get_tsc_hz();
	w->tsc_base = w->now_tsc = rte_rdtsc();
	w->base_s = (uint32_t)(loop_clock_us() / 1000000);
	clock_update(w);
	w->flows = flow_cache_create(p->flow_entries, p->socket);
	w->routes = route_cache_create(p->socket);
	w->frag = frag_create(p->frag_entries, p->socket);
	w->crypto = crypto_ctx_create((int)p->socket, err);
	w->rx_set = rte_zmalloc_socket("rx_set", sizeof(*w->rx_set), 64, (int)p->socket);
	if (!w->flows || !w->routes || !w->frag || !w->crypto || !w->rx_set || rings_create(w)) {
		err_set(err, -ENOMEM, "no memory for the tables of worker %u", p->id);
		worker_destroy(w);
		return NULL;
	}
	checkpoint_worker_set(w->id, w);
	return w;
}

int worker_connect(struct worker *const *workers, unsigned n, struct err *err)
{
	for (unsigned to = 0; to < n; to++)
		for (unsigned from = 0; from < n; from++) {
			struct worker *w = workers[to];

			if (from == to)
				continue;
			w->handoff_in[from] =
				ring_create("handoff", from, w->id, HANDOFF_RING, w->socket);
			w->tx_in[from] = ring_create("tx", from, w->id, TX_RING, w->socket);
			if (!w->handoff_in[from] || !w->tx_in[from])
				return err_set(err, -ENOMEM,
					       "no memory for the rings of %u workers", n);
		}
	return 0;
}

struct worker *worker_create_for_test(unsigned id, struct rte_mempool *pool)
{
	struct worker_params p = {
		.id = id,
		.core = -1,
		.flow_entries = 8192,
		.frag_entries = 64,
		.pool = pool,
	};
	struct worker *w = worker_create(&p, NULL);

	if (w) {
		worker_table[id] = w;
		worker_count = RTE_MAX(worker_count, id + 1);
	}
	return w;
}

static void ring_empty(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r && rte_ring_sc_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	if (worker_table[w->id] == w)
		worker_table[w->id] = NULL;
	if (checkpoint_worker(w->id) == w)
		checkpoint_worker_set(w->id, NULL);
	for (unsigned i = 0; i < WORKER_MAX; i++) {
		ring_empty(w->handoff_in[i]);
		ring_empty(w->tx_in[i]);
		rte_pktmbuf_free_bulk(w->handoff_out[i].pkt, w->handoff_out[i].n);
	}
	for (unsigned i = 0; i < WORKER_PORT_MAX; i++)
		rte_pktmbuf_free_bulk(w->tx[i].pkt, w->tx[i].n);
	rte_pktmbuf_free_bulk(w->icmp.pkt, w->icmp.n);
	ring_empty(w->inject);
	ring_empty(w->punt);
	rte_ring_free(w->events);
	rte_ring_free(w->noted);
	crypto_ctx_destroy(w->crypto);
	frag_destroy(w->frag);
	flow_cache_destroy(w->flows);
	route_cache_destroy(w->routes);
	rte_free(w->rx_set);
	rte_free(w);
}

bool worker_event(struct worker *w, const struct dp_event *ev)
{
	if (rte_ring_sp_enqueue_elem(w->events, (void *)(uintptr_t)ev, sizeof(*ev)) == 0)
		return true;
	w->drop[DROP_PUNT_FULL]++;
	return false;
}

static uint32_t ports_poll(struct worker *w)
{
	const struct rx_set *s = __atomic_load_n(&w->rx_set, __ATOMIC_ACQUIRE);
	uint32_t total = 0;
	struct burst b;

	for (uint32_t i = 0; i < s->n; i++) {
		b.n = rte_eth_rx_burst(s->queue[i].dpdk, s->queue[i].queue, b.pkt, RX_BURST);
		if (b.n == 0)
			continue;
		total += b.n;
		stage_enter(w, STAGE_RX, b.n);
		pipeline_run(w, &b, s->queue[i].port);
	}
	w->rx_packets += total;
	return total;
}

static uint32_t rings_poll(struct worker *w)
{
	uint32_t total = 0;
	struct burst b;

	for (unsigned i = 0; i < worker_count; i++) {
		if (i == w->id || !w->handoff_in[i])
			continue;
		b.n = rte_ring_sc_dequeue_burst(w->handoff_in[i], (void **)b.pkt, RX_BURST, NULL);
		total += b.n;
		if (b.n)
			pipeline_handoff(w, &b);
		b.n = rte_ring_sc_dequeue_burst(w->tx_in[i], (void **)b.pkt, RX_BURST, NULL);
		total += b.n;
		for (uint32_t k = 0; k < b.n; k++)
			tx_add(w, b.pkt[k], pkt_of(b.pkt[k])->out_port);
	}
	b.n = rte_ring_sc_dequeue_burst(w->inject, (void **)b.pkt, RX_BURST, NULL);
	total += b.n;
	if (b.n)
		pipeline_inject(w, &b);
	return total;
}

void worker_flush(struct worker *w)
{
	if (unlikely(w->icmp.n)) {
		struct burst errors = w->icmp;

		w->icmp.n = 0;
		pipeline_inject(w, &errors);
	}
	handoff_flush(w);
	tx_flush(w);
}

static void housekeeping(struct worker *w)
{
	uint32_t before = w->now_s;

	clock_update(w);
	if (w->now_s != before)
		frag_expire(w);
}

uint32_t worker_turn(struct worker *w)
{
	uint64_t begin = rte_rdtsc();

	w->total_cycles += begin - w->now_tsc;
	w->now_tsc = begin;
	if (w->loops++ % HOUSEKEEPING == 0)
		housekeeping(w);
	if (unlikely(__atomic_load_n(&w->cycles_on, __ATOMIC_RELAXED)))
		w->stage_now = STAGE_RX, w->stage_tsc = begin;
	uint32_t n = ports_poll(w) + rings_poll(w);
	worker_flush(w);
	if (n) {
		w->busy_loops++;
		w->busy_cycles += rte_rdtsc() - begin;
	}
	return n;
}

// Offline first: a sleeping worker holds no pointer and delays nobody's grace period.
static void idle_sleep(struct worker *w)
{
	struct timespec t = {.tv_nsec = (long)w->idle_sleep_us * 1000};

	rte_rcu_qsbr_thread_offline(rcu_qsbr(), w->id);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	rte_rcu_qsbr_thread_online(rcu_qsbr(), w->id);
	w->sleeps++;
	w->now_tsc = rte_rdtsc();
	housekeeping(w);
}

int worker_main(void *arg)
{
	struct worker *w = arg;
	uint32_t empty = 0;

	(void)setpriority(PRIO_PROCESS, 0, WORKER_NICE);  // Linux: of this thread
	prctl(PR_SET_TIMERSLACK, 1000);  // nanoseconds; the default would double a short sleep
	rte_rcu_qsbr_thread_register(rcu_qsbr(), w->id);
	rte_rcu_qsbr_thread_online(rcu_qsbr(), w->id);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		empty = worker_turn(w) ? 0 : empty + 1;
		rte_rcu_qsbr_quiescent(rcu_qsbr(), w->id);
		if (empty > EMPTY_POLLS && w->idle_sleep_us)
			idle_sleep(w);
	}
	rte_rcu_qsbr_thread_offline(rcu_qsbr(), w->id);
	rte_rcu_qsbr_thread_unregister(rcu_qsbr(), w->id);
	return 0;
}
