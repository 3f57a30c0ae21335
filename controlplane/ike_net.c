// IKE's outside world in the daemon: struct ike_env over the data plane, the loop and the pool.
//
// Datagrams come from the data plane's punt ring and leave through its inject ring. They are
// queued (bounded) and handed to the engine a few per loop turn, so a flood of them never keeps
// the loop from its other timers. First messages, which anybody can send under any address, wait
// in a queue of their own: they neither fill nor delay that of the IKE SAs there are.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "ike/ike_pool.h"
#include "log.h"
#include "rand.h"
#include "redundancy_work.h"

#define QUEUE_MAX      512  // datagrams waiting for the engine; beyond: dropped and counted
#define FIRST_MAX      128  // of them first messages
#define FIRST_SHARE    8    // one of these after so many others
#define TURN_BUDGET_US 2000
#define DATAGRAM_MAX   65535

struct datagram {
	STAILQ_ENTRY(datagram) link;
	struct dp_udp meta;
	size_t len;
	uint8_t payload[];
};

struct queue {
	STAILQ_HEAD(, datagram) list;
	unsigned count, max;
	uint64_t dropped;
};

static struct {
	struct queue known, first;
	unsigned turn;
	bool scheduled;
	uint64_t next_sa_identity;
} net = {.known = {.list = STAILQ_HEAD_INITIALIZER(net.known.list), .max = QUEUE_MAX},
	 .first = {.list = STAILQ_HEAD_INITIALIZER(net.first.list), .max = FIRST_MAX}};

// ---- from the data plane ---------------------------------------------------------------------
static struct datagram *queue_take(void)
{
	bool first = !STAILQ_FIRST(&net.known.list) || ++net.turn % FIRST_SHARE == 0;
	struct queue *q = first && STAILQ_FIRST(&net.first.list) ? &net.first : &net.known;
	struct datagram *d = STAILQ_FIRST(&q->list);

	if (d) {
		STAILQ_REMOVE_HEAD(&q->list, link);
		q->count--;
	}
	return d;
}

static void queue_run(void *ctx)
{
	struct gateway *g = ctx;
	uint64_t end = loop_clock_us() + TURN_BUDGET_US;
	struct datagram *d;

	net.scheduled = false;
	while ((d = queue_take())) {
		if (g->ike)
			ike_rx(g->ike, &d->meta, d->payload, d->len);
		free(d);
		if (loop_clock_us() >= end)
			break;
	}
	if (net.known.count + net.first.count && loop_defer(g->loop, queue_run, g) == 0)
		net.scheduled = true;
}

// Without a responder's cookie: the first message of an exchange.
static bool is_first(const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	static const uint8_t none[8];
	size_t at = 8 + (meta->local_port == 4500 ? 4 : 0);  // behind the non-ESP marker

	return len < at + sizeof(none) || memcmp(payload + at, none, sizeof(none)) == 0;
}

static void ike_rx_op(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	struct gateway *g = ctx;
	struct queue *q = is_first(meta, payload, len) ? &net.first : &net.known;
	struct datagram *d =
		q->count < q->max && len <= DATAGRAM_MAX ? malloc(sizeof(*d) + len) : NULL;

	if (!d) {
		q->dropped++;
		log_event_limited(
			&rl, "CRYPTO", LOG_L_WARNING, "IKE_OVERLOAD",
			"IKE datagrams arrive faster than they can be handled; %llu first "
			"messages and %llu others dropped",
			(unsigned long long)net.first.dropped,
			(unsigned long long)net.known.dropped);
		return;
	}
	d->meta = *meta;
	d->len = len;
	memcpy(d->payload, payload, len);
	STAILQ_INSERT_TAIL(&q->list, d, link);
	q->count++;
	if (!net.scheduled && loop_defer(g->loop, queue_run, g) == 0)
		net.scheduled = true;
}

static void event_op(void *ctx, const struct dp_event *ev)
{
	struct gateway *g = ctx;
	work_event(ev);
	if (g->ike)
		ike_event(g->ike, ev);
}

static bool frame_op(void *ctx, uint32_t port, const uint8_t *frame, size_t len)
{
	return standby_frame(ctx, port, frame, len);
}

static void host_frame_op(void *ctx, uint32_t port, uint8_t *frame, size_t len)
{
	standby_host_frame(port, frame, len);
}

static void link_op(void *ctx, uint32_t port, bool up)
{
	struct dp_port_info info;

	track_links_changed(ctx);
	if (dp_port_info(port, &info) == 0)
		log_event("LINEPROTO", LOG_L_NOTICE, "UPDOWN",
			  "Line protocol on Interface %s, changed state to %s", info.name,
			  up ? "up" : "down");
}

const struct dp_ops *ike_net_dp_ops(void)
{
	static const struct dp_ops ops = {.event = event_op,
					  .ike_rx = ike_rx_op,
					  .link = link_op,
					  .frame = frame_op,
					  .host_frame = host_frame_op,
					  .ctx = &gateway};
	return &ops;
}

// ---- struct ike_env --------------------------------------------------------------------------
static uint64_t env_now_ms(void *ctx)
{
	return loop_now_ms(((struct gateway *)ctx)->loop);
}

static void env_timer(void *ctx, uint64_t due_ms)
{
	struct gateway *g = ctx;
	uint64_t now = loop_now_ms(g->loop), delay = due_ms > now ? due_ms - now : 0;
	if (due_ms == UINT64_MAX)
		loop_timer_stop(&g->ike_timer);
	else
		loop_timer_start(&g->ike_timer, delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay);
}

static void ike_timer(void *ctx, uint64_t now_ms)
{
	struct gateway *g = ctx;
	if (g->ike)
		ike_tick(g->ike, now_ms);
}

static int env_send(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	return dp_running() ? dp_udp_send(meta, payload, len) : -ENETDOWN;
}

static void env_offload(void *ctx, struct ike_task *t)
{
	ike_pool_submit(((struct gateway *)ctx)->pool, t);
}

static uint32_t env_spi_alloc(void *ctx)
{
	return dp_running() ? dp_spi_alloc(0) : 0;
}

static void env_spi_free(void *ctx, uint32_t spi)
{
	if (dp_running())
		dp_spi_free(spi);
}

static int env_sa_add(void *ctx, const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	if (!dp_running())
		return err_set(err, -ENETDOWN, "The data plane does not run");
	return dp_sa_add(p, sa, err);
}

static int env_sa_del(void *ctx, uint32_t sa)
{
	return dp_running() ? dp_sa_del(sa) : -ENOENT;
}

static int env_sa_set_lim(void *ctx, uint32_t sa, uint64_t lim)
{
	return dp_running() ? dp_sa_set_lim(sa, lim) : -ENOENT;
}

static int env_sa_set_remote(void *ctx, uint32_t sa, const struct ip_addr *remote, uint16_t port)
{
	return dp_running() ? dp_sa_set_remote(sa, remote, port) : -ENOENT;
}

static int env_sa_stats(void *ctx, uint32_t sa, struct dp_sa_stats *out)
{
	return dp_running() ? dp_sa_get_stats(sa, out) : -ENOENT;
}

static int env_policy_bind(void *ctx, uint32_t policy, uint32_t sa)
{
	return dp_running() ? dp_policy_bind(policy, sa) : -ENOENT;
}

static void env_policy_flush_held(void *ctx, uint32_t policy)
{
	if (dp_running())
		dp_policy_flush_held(policy);
}

static void env_policies_changed(void *ctx)
{
	dynamic_policies_changed(ctx);
}

// Random start, then counting: never the same number twice in a life, nor (but for a chance of
// 2^-32 or so) one of an earlier life.
static uint64_t env_sa_identity(void *ctx)
{
	return net.next_sa_identity++;
}

// A box without a partner is its own founder (ha-protocol rule 2), and no IKE key survives the
// process, so restart stays 0.
static void env_life(void *ctx, unsigned *slot, uint32_t *join, uint8_t *restart)
{
	*slot = 0;
	*join = 1;
	*restart = 0;
}

int ike_net_init(struct gateway *g, struct err *err)
{
	struct ike_env env = {
		.ctx = g,
		.now_ms = env_now_ms,
		.timer = env_timer,
		.send = env_send,
		.offload = env_offload,
		.spi_alloc = env_spi_alloc,
		.spi_free = env_spi_free,
		.sa_add = env_sa_add,
		.sa_del = env_sa_del,
		.sa_set_lim = env_sa_set_lim,
		.sa_set_remote = env_sa_set_remote,
		.sa_stats = env_sa_stats,
		.policy_bind = env_policy_bind,
		.policy_flush_held = env_policy_flush_held,
		.policies_changed = env_policies_changed,
		.sa_identity = env_sa_identity,
		.life = env_life,
	};

	net.next_sa_identity = rand_u64() | 1;
	loop_timer_init(&g->ike_timer, g->loop, "ike", ike_timer, g);
	g->pool = ike_pool_create(g->loop, 0, err);
	if (!g->pool)
		return err && err->code ? err->code : -ENOMEM;
	work_env(&env);
	g->ike = ike_create(&env, err);
	if (!g->ike)
		return err && err->code ? err->code : -ENOMEM;
	return 0;
}

void ike_net_fini(struct gateway *g)
{
	struct datagram *d;

	// The engine first: it says goodbye to its peers and starts nothing new; what the pool
	// still computes finds its owner gone.
	ike_destroy(g->ike);
	g->ike = NULL;
	ike_pool_destroy(g->pool);
	g->pool = NULL;
	loop_timer_fini(&g->ike_timer);
	while ((d = queue_take()))
		free(d);
}
