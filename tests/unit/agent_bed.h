// One agent: what it tells and asks for is counted.
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent.h"

struct bed {
	struct agent *a;
	uint64_t now;
	bool full;
	bool there[16];
	uint64_t lim[16], next[16], raised, granted;
	unsigned tainted, told_of[128], activated, deactivated, resigned;
	struct ha_word told[128];
	uint16_t order[64];
	unsigned orders;
	enum ha_role_kind role;  // what the mirror says
	uint64_t tenure, life;
};

static inline int op_tell(void *ctx, const struct ha_word *w)
{
	struct bed *b = ctx;

	if (b->full)
		return -EAGAIN;
	b->told[w->type] = *w;
	b->told_of[w->type]++;
	if (b->orders < 64)
		b->order[b->orders++] = w->type;
	return 0;
}
static inline int op_encode(void *ctx, uint64_t id, struct ha_sa *sa)
{
	struct bed *b = ctx;

	if (!b->there[id])
		return -ENOENT;
	*sa = (struct ha_sa){
		.id = id, .group = 1, .kind = HA_CHILD_SA, .ceiling = 65536, .granted = b->granted};
	return 0;
}
static inline bool op_each(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id)
{
	struct bed *b = ctx;

	while (*cursor < 15) {
		if (b->there[++*cursor]) {
			*id = *cursor;
			return true;
		}
	}
	return false;
}
static inline int op_install(void *ctx, const struct ha_sa *sa)
{
	((struct bed *)ctx)->there[sa->id] = true;
	return 0;
}
static inline void op_remove(void *ctx, uint64_t id)
{
	((struct bed *)ctx)->there[id] = false;
}
static inline void op_group(void *ctx, unsigned group)
{
}
static inline void op_limit(void *ctx, uint64_t id, uint64_t lim)
{
	((struct bed *)ctx)->lim[id] = lim;
}
static inline void op_sequence(void *ctx, uint64_t id, uint64_t next, uint64_t edge)
{
	((struct bed *)ctx)->next[id] = next;
}
static inline void op_taint(void *ctx, uint64_t id, bool on)
{
	((struct bed *)ctx)->tainted += on;
}
static inline void op_activate(void *ctx, unsigned group, bool planned)
{
	((struct bed *)ctx)->activated++;
}
static inline void op_raised(void *ctx, unsigned group, uint64_t step)
{
	const struct bed *b = ctx;

	assert_int_equal(b->activated, b->deactivated);  // before it works
	((struct bed *)ctx)->raised = step;
}
static inline void op_deactivate(void *ctx, unsigned group)
{
	((struct bed *)ctx)->deactivated++;
}
static inline void op_release(void *ctx, unsigned group, uint64_t seq)
{
}
static inline void op_claimed(void *ctx, unsigned group, bool granted, enum ha_refusal why)
{
}
static inline void op_resign(void *ctx, unsigned group)
{
	((struct bed *)ctx)->resigned++;
}

static inline enum ha_role_kind op_mirror_role(void *ctx, unsigned group)
{
	return ((struct bed *)ctx)->role;
}
static inline uint64_t op_mirror_tenure(void *ctx, unsigned group)
{
	return ((struct bed *)ctx)->tenure;
}

static inline uint64_t op_mirror_life(void *ctx, unsigned group)
{
	return ((struct bed *)ctx)->life;
}

static inline int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct agent_ops ops = {.ctx = b,
				.tell = op_tell,
				.encode = op_encode,
				.each = op_each,
				.install = op_install,
				.remove = op_remove,
				.feed_done = op_group,
				.limit = op_limit,
				.sequence = op_sequence,
				.taint = op_taint,
				.raised = op_raised,
				.activate = op_activate,
				.deactivate = op_deactivate,
				.release = op_release,
				.claimed = op_claimed,
				.resign = op_resign,
				.mirror_role = op_mirror_role,
				.mirror_tenure = op_mirror_tenure,
				.mirror_life = op_mirror_life};

	b->role = HA_ROLE_ACTIVE;

	b->now = 1000000;
	b->a = agent_create(1, &ops, b->now);
	assert_non_null(b->a);
	agent_attach(b->a, true, b->now);
	*state = b;
	return 0;
}

static inline int teardown(void **state)
{
	struct bed *b = *state;

	agent_destroy(b->a);
	free(b);
	return 0;
}

static inline void word(struct bed *b, uint16_t type, uint64_t id, uint64_t a)
{
	struct ha_word w = {.type = type, .group = 1, .id = id, .a = a};

	agent_word(b->a, &w, b->now);
}

static inline void role(struct bed *b, enum ha_role_kind mine)
{
	struct ha_role r = {.mine = (uint8_t)mine, .link = 1, .hot = 1, .fresh = 1};
	struct ha_word w = {
		.type = HA_ROLE, .group = 1, .len = sizeof(r), .payload = (const uint8_t *)&r};

	agent_word(b->a, &w, b->now);
}

static inline void work(struct bed *b)
{
	role(b, HA_ROLE_ACTIVE);
	word(b, HA_ACTIVATE, 0, 0);
	assert_int_equal(b->activated, 1);
}
