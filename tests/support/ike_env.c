// See ike_env.h.

#include "ike_env.h"

#include <errno.h>

#include "rand.h"

static uint64_t now(void *ctx)
{
	return 0;
}

static void timer(void *ctx, uint64_t due_ms)
{
}

static int send_nowhere(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	return 0;
}

// At once: compute() on the control thread.
static void offload(void *ctx, struct ike_task *t)
{
	t->compute(t);
	t->done(t);
}

static uint32_t spi_alloc(void *ctx)
{
	return 0x10000000u + rand_below(0x7fffffff);
}

static void spi_free(void *ctx, uint32_t spi)
{
}

static int sa_add(void *ctx, const struct dp_sa *p, uint32_t *sa, struct err *err)
{
	return err_set(err, -ENOSPC, "this data plane holds nothing");
}

static int sa_del(void *ctx, uint32_t sa)
{
	return 0;
}

static int sa_set_lim(void *ctx, uint32_t sa, uint64_t lim)
{
	return 0;
}

static int sa_set_remote(void *ctx, uint32_t sa, const struct ip_addr *remote, uint16_t port)
{
	return 0;
}

static int sa_stats(void *ctx, uint32_t sa, struct dp_sa_stats *out)
{
	return -ENOENT;
}

static int policy_bind(void *ctx, uint32_t policy, uint32_t sa)
{
	return 0;
}

static void policy_flush_held(void *ctx, uint32_t policy)
{
}

static uint64_t sa_identity(void *ctx)
{
	return rand_u64();
}

static void life(void *ctx, unsigned *slot, uint32_t *join, uint8_t *restart)
{
	*slot = 1;
	*join = 7;
	*restart = 5;
}

struct ike_env ike_env_stand_in(void *ctx)
{
	return (struct ike_env){
		.ctx = ctx,
		.now_ms = now,
		.timer = timer,
		.send = send_nowhere,
		.offload = offload,
		.spi_alloc = spi_alloc,
		.spi_free = spi_free,
		.sa_add = sa_add,
		.sa_del = sa_del,
		.sa_set_lim = sa_set_lim,
		.sa_set_remote = sa_set_remote,
		.sa_stats = sa_stats,
		.policy_bind = policy_bind,
		.policy_flush_held = policy_flush_held,
		.sa_identity = sa_identity,
		.life = life,
	};
}
