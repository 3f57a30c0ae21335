// The data plane's front: start and stop in order, the control timer, and the calls of dp.h
// that need more than one module.
#include "dp.h"
#include "counters.h"
#include "crypto.h"
#include "eal.h"
#include "fib.h"
#include "hold.h"
#include "late.h"
#include "log.h"
#include "loop.h"
#include "pkt.h"
#include "port.h"
#include "port_device.h"
#include "punt.h"
#include "rcu.h"
#include "sad.h"
#include "spd.h"
#include "spd_single.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <string.h>

#define MBUFS      16383
#define MBUF_CACHE 256
#define MBUF_DATA  (RTE_PKTMBUF_HEADROOM + 2048 + 64)
// "Relaxed tail": nobody waits for another thread in the middle of its own put or get. With the
// ordinary ring the control thread, which is a real-time one, would spin for a worker that it has
// itself put off on a core they share.
#define MBUF_RING    "ring_mt_rts"
#define FLOW_ENTRIES 65536
#define FRAG_ENTRIES 256
#define PUNT_BUDGET  256  // packets per control turn
#define TICK_MS      1
#define LINK_TICKS   8
#define AGE_TICKS    500

static bool running;
static struct rte_mempool *pool;
static struct dp_ops ops;
static struct loop_timer tick;
static struct loop *main_loop;

static void on_tick(void *ctx, uint64_t now_ms)
{
	static unsigned n;

	punt_drain(PUNT_BUDGET, now_ms);
	late_expire();
	rcu_poll();
	if (spd_poll() && ops.event)
		ops.event(ops.ctx, &(struct dp_event){.type = DP_EVENT_POLICIES});
	n++;
	if (n % LINK_TICKS == 0)
		port_poll_links(&ops);
	if (n % AGE_TICKS == 0)
		hold_expire(now_ms);
}

static int tables_start(const struct dp_params *p, struct err *err)
{
	struct fib_params fib = {.routes_max = p->routes ? p->routes : FIB_ROUTES_DEFAULT,
				 .socket = rte_socket_id()};

	pool = rte_pktmbuf_pool_create_by_ops("packets", MBUFS, MBUF_CACHE,
					      sizeof(struct pkt) <= 64 ? 64 : 0, MBUF_DATA,
					      (int)rte_socket_id(), MBUF_RING);
	if (!pool)
		return err_set(err, -ENOMEM, "no memory for %d packet buffers (memory_mb %u)",
			       MBUFS, p->memory_mb);
	port_set_pool(pool);
	late_init();
	int rc = rcu_init(p->workers, err);
	if (rc == 0 && neigh_init() + spd_init() + hold_init() != 0)
		rc = err_set(err, -ENOMEM, "no memory for the policy tables");
	if (rc == 0)
		rc = fib_init(&fib, err);
	return rc ? rc : sad_init(err);
}

static int workers_start(const struct dp_params *p, struct err *err)
{
	unsigned socket[WORKER_MAX];

	for (unsigned i = 0; i < p->workers; i++) {
		struct worker_params wp = {
			.id = i,
			.workers = p->workers,
			.core = eal_worker_core(i),
			.socket = rte_lcore_to_socket_id(i + 1),
			.idle_sleep_us = p->idle_sleep_us > 0 ? (uint32_t)p->idle_sleep_us : 0,
			.flow_entries = FLOW_ENTRIES,
			.frag_entries = FRAG_ENTRIES,
			.pool = pool,
		};

		socket[i] = wp.socket;
		worker_table[i] = worker_create(&wp, err);
		if (!worker_table[i])
			return err ? err->code : -ENOMEM;
		worker_count = i + 1;
	}
	int rc = worker_connect(worker_table, worker_count, err);
	if (rc)
		return rc;
	sad_workers(worker_count, socket);
	for (unsigned i = 0; i < worker_count; i++)
		rte_eal_remote_launch(worker_main, worker_table[i], i + 1);
	return 0;
}

static void workers_stop(void)
{
	for (unsigned i = 0; i < worker_count; i++)
		__atomic_store_n(&worker_table[i]->stop, true, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
}

static void tables_stop(void)
{
	unsigned n = worker_count;

	port_close_all();
	hold_fini();
	late_fini();
	worker_count = 0;
	for (unsigned i = 0; i < n; i++)
		worker_destroy(worker_table[i]);
	sad_fini();
	rcu_fini();
	port_device_fini();
	fib_fini();
	spd_fini();
	neigh_fini();
	rte_mempool_free(pool);
	pool = NULL;
}

int dp_start(struct loop *loop, const struct dp_params *p, const struct dp_ops *o, struct err *err)
{
	if (p->workers == 0 || p->workers > WORKER_MAX)
		return err_set(err, -EINVAL, "%u workers: there may be 1 to %d", p->workers,
			       WORKER_MAX);
	if (p->routes > DP_ROUTE_MAX)
		return err_set(err, -EINVAL, "%u routes: there may be %u", p->routes, DP_ROUTE_MAX);
	int rc = eal_start(p, err);
	if (rc)
		return rc;
	ops = *o;
	punt_ctx.ops = &ops;
	main_loop = loop;
	host_if_set_loop(loop);
	rc = tables_start(p, err);
	if (rc == 0)
		rc = workers_start(p, err);
	if (rc) {
		workers_stop();
		tables_stop();
		return rc;
	}
	loop_timer_init(&tick, loop, "dataplane", on_tick, NULL);
	loop_timer_repeat(&tick, TICK_MS);
	running = true;
	log_event("DATAPLANE", LOG_L_INFO, "STARTED", "%u workers, %s, %s, %s memory", worker_count,
		  crypto_library_name(), crypto_architecture(),
		  eal_hugepages() ? "hugepage" : "ordinary");
	return 0;
}

void dp_stop(void)
{
	if (!running)
		return;
	running = false;
	loop_timer_stop(&tick);
	loop_timer_fini(&tick);
	workers_stop();
	tables_stop();
	rte_eal_cleanup();
}

bool dp_running(void)
{
	return running;
}

unsigned dp_workers(void)
{
	return worker_count;
}

// ---- ports -----------------------------------------------------------------------------------
int dp_port_add(const struct dp_port_params *p, uint32_t *port, struct err *err)
{
	return port_add(p, port, err);
}

int dp_port_del(uint32_t port, struct err *err)
{
	return port_del(port, err);
}

int dp_port_admin(uint32_t port, bool up, struct err *err)
{
	return port_admin(port, up, err);
}

int dp_port_info(uint32_t port, struct dp_port_info *out)
{
	return port_info(port, out);
}

void dp_links_check(void)
{
	if (running)
		port_poll_links(&ops);
}

uint32_t dp_port_next(uint32_t after)
{
	for (uint32_t i = after + 1; i < WORKER_PORT_MAX; i++)
		if (port_find(i))
			return i;
	return 0;
}

uint32_t dp_port_by_host_if(const char *host_if)
{
	for (uint32_t i = 1; i < WORKER_PORT_MAX; i++)
		if (port_find(i) && strcmp(port_table[i].host.name, host_if) == 0)
			return i;
	return 0;
}

int dp_port_set_policy(uint32_t port, uint32_t policy_group)
{
	struct port *p = port_find(port);

	if (!p)
		return -ENOENT;
	__atomic_store_n(&p->policy_group, policy_group, __ATOMIC_RELAXED);
	return 0;
}

// ---- forwarding ------------------------------------------------------------------------------
int dp_route_set(const struct dp_route *r, struct err *err)
{
	if (r->kind == DP_ROUTE_FORWARD && !port_find(r->port))
		return err_set(err, -ENODEV, "route by port %u that does not exist", r->port);
	if (r->kind == DP_ROUTE_LOCAL && r->port)
		port_set_addr(r->port, &r->dst.addr, true);
	return fib_set(r, err);
}

int dp_route_del(const struct ip_prefix *dst)
{
	if (dst->len == (dst->addr.family == 4 ? 32 : 128))
		for (uint32_t i = 1; i < WORKER_PORT_MAX; i++)
			port_set_addr(i, &dst->addr, false);
	return fib_del(dst);
}

int dp_neigh_set(uint32_t port, const struct ip_addr *addr, const uint8_t mac[6], bool valid)
{
	if (!port_find(port))
		return -ENODEV;
	int rc = neigh_set(port, addr, mac, valid);

	if (rc == 0)
		punt_neigh_resolved(port, addr, valid);
	return rc;
}

void dp_set_resolver(dp_resolve_fn fn, void *ctx)
{
	punt_ctx.resolve = fn;
	punt_ctx.resolve_ctx = ctx;
}

// ---- policies --------------------------------------------------------------------------------
int dp_policies_set(const struct dp_policy *p, size_t n, struct err *err)
{
	return spd_set(p, n, err);
}

int dp_policy_add(const struct dp_policy *p, uint32_t anchor)
{
	return spd_add(p, anchor);
}

int dp_policy_del(uint32_t id)
{
	return spd_del(id);
}

bool dp_policy_in_force(uint32_t id)
{
	return spd_in_force(id);
}

uint32_t dp_policy_next(uint32_t after)
{
	return spd_single_next(after);
}

bool dp_policies_pending(void)
{
	return spd_pending();
}

int dp_policy_bind(uint32_t policy, uint32_t handle)
{
	struct sa *sa = handle ? sad_get(handle) : NULL;

	if (handle && !sa)
		return -ENOENT;
	int rc = spd_bind(policy, sa);
	if (rc == 0 && sa)
		punt_policy_bound(policy);
	return rc;
}

void dp_policy_flush_held(uint32_t policy)
{
	hold_flush(HOLD_POLICY, policy);
}

int dp_port_mac_add(uint32_t port, const uint8_t mac[6])
{
	return port_mac_add(port, mac);
}

int dp_port_mac_del(uint32_t port, const uint8_t mac[6])
{
	return port_mac_del(port, mac);
}

int dp_frame_send(uint32_t port, const uint8_t *frame, size_t len)
{
	const struct port *p = running ? port_find(port) : NULL;

	if (!p)
		return -ENODEV;
	if (len < RTE_ETHER_HDR_LEN || len > (size_t)p->mtu + RTE_ETHER_HDR_LEN)
		return -EMSGSIZE;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *to = m && len <= rte_pktmbuf_tailroom(m)
			      ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len)
			      : NULL;
	if (!to) {
		rte_pktmbuf_free(m);
		return -ENOBUFS;
	}
	memcpy(to, frame, len);
	*pkt_of(m) = (struct pkt){.in_port = port, .out_port = port, .mtu = p->mtu};
	return inject(m, port % worker_count);
}

// ---- packets and displays ----------------------------------------------------------------------
int dp_udp_send(const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	return running ? inject_udp(meta, payload, len, pool) : -ENETUNREACH;
}

void dp_engine_info(struct dp_engine_info *out)
{
	*out = (struct dp_engine_info){
		.crypto_library = crypto_library_name(),
		.architecture = crypto_architecture(),
		.hugepages = eal_hugepages(),
		.sa_max = SA_MAX,
		.sa_used = sad_count(),
		.policy_max = DP_POLICY_MAX,
		.policy_used = spd_count(),
		.route_max = fib_routes_max(),
		.route_used = fib_routes(),
		.route_refused = fib_refused(),
		.mbufs = MBUFS,
		.mbufs_used = pool ? rte_mempool_in_use_count(pool) : 0,
		.held_packets = hold_count(),
		.held_max = HOLD_TOTAL,
	};
}
