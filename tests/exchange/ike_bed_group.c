// What a bed's end brings for stateful switchover (struct ike_env): groups, lives, SPIs of the
// other box, numbers of SAs that rest. See ike_bed.h.

#include "ike_bed.h"

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint16_t env_group_of(void *ctx, const struct ip_addr *local)
{
	struct bed_end *e = ctx;

	return addr_equal(local, &e->addr) ? e->group : 0;
}

static void env_group_life(void *ctx, uint16_t group, struct ike_life *out)
{
	*out = ((struct bed_end *)ctx)->life;
}

static uint32_t env_group_spi_alloc(void *ctx, uint16_t group)
{
	struct bed_end *e = ctx;

	e->spis++;
	return e->life.slot << 31 | 0x10000000u | bed_random(e->bed, 0x6fffffff);
}

static int env_spi_take(void *ctx, uint32_t spi)
{
	struct bed_end *e = ctx;

	for (unsigned i = 0; i < BED_SAS; i++)
		assert_false(e->sas[i].alive && e->sas[i].p.dir == DP_IN && e->sas[i].p.spi == spi);
	e->spis++;
	return 0;
}

static int env_sa_set_next(void *ctx, uint32_t sa, uint64_t next)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	assert_int_equal(s->p.dir, DP_OUT);
	s->p.next = next;
	s->stats.seq = next - 1;
	return 0;
}

static int env_sa_set_edge(void *ctx, uint32_t sa, uint64_t edge)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	assert_int_equal(s->p.dir, DP_IN);
	if (edge > s->stats.seq)
		s->stats.seq = edge;
	return 0;
}

static int env_sa_set_life(void *ctx, uint32_t sa, uint64_t iv_prefix)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	s->p.iv_prefix = iv_prefix;
	return 0;
}

static int env_sa_set_margin(void *ctx, uint32_t sa, uint64_t margin)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	s->p.lim_low_margin = margin;
	return 0;
}

static int env_sa_set_state(void *ctx, uint32_t sa, enum dp_sa_state state)
{
	struct bed_sa *s = bed_sa_get(ctx, sa);

	assert_non_null(s);
	s->p.state = state;
	return 0;
}

static uint64_t env_wall(void *ctx)
{
	return 1700000000000ull + ((struct bed_end *)ctx)->bed->now_ms;
}

void bed_env_pair(struct ike_env *env)
{
	env->group_of = env_group_of;
	env->group_life = env_group_life;
	env->group_spi_alloc = env_group_spi_alloc;
	env->spi_take = env_spi_take;
	env->sa_set_next = env_sa_set_next;
	env->sa_set_edge = env_sa_set_edge;
	env->sa_set_life = env_sa_set_life;
	env->sa_set_margin = env_sa_set_margin;
	env->sa_set_state = env_sa_set_state;
	env->wall_ms = env_wall;
}
