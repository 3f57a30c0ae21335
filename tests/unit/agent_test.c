// One agent: gates, a full ring, raises, and the order of a switchover.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
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
	uint64_t lim[16], next[16];
	uint64_t raised;
	unsigned tainted, told_of[128], activated, deactivated, resigned;
	struct ha_word told[128];
	uint16_t order[64];
	unsigned orders;
};

static int op_tell(void *ctx, const struct ha_word *w)
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
static int op_encode(void *ctx, uint64_t id, struct ha_sa *sa)
{
	struct bed *b = ctx;

	if (!b->there[id])
		return -ENOENT;
	*sa = (struct ha_sa){.id = id, .group = 1, .kind = HA_CHILD_SA, .ceiling = 65536};
	return 0;
}
static bool op_each(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id)
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
static int op_install(void *ctx, const struct ha_sa *sa)
{
	((struct bed *)ctx)->there[sa->id] = true;
	return 0;
}
static void op_remove(void *ctx, uint64_t id)
{
	((struct bed *)ctx)->there[id] = false;
}
static void op_group(void *ctx, unsigned group)
{
}
static void op_limit(void *ctx, uint64_t id, uint64_t lim)
{
	((struct bed *)ctx)->lim[id] = lim;
}
static void op_sequence(void *ctx, uint64_t id, uint64_t next, uint64_t edge)
{
	((struct bed *)ctx)->next[id] = next;
}
static void op_taint(void *ctx, uint64_t id, bool on)
{
	((struct bed *)ctx)->tainted += on;
}
static void op_activate(void *ctx, unsigned group)
{
	((struct bed *)ctx)->activated++;
}
static void op_raised(void *ctx, unsigned group, uint64_t step)
{
	const struct bed *b = ctx;

	assert_int_equal(b->activated, b->deactivated);  // before it works
	((struct bed *)ctx)->raised = step;
}
static void op_deactivate(void *ctx, unsigned group)
{
	((struct bed *)ctx)->deactivated++;
}
static void op_release(void *ctx, unsigned group, uint64_t seq)
{
}
static void op_claimed(void *ctx, unsigned group, bool granted, enum ha_refusal why)
{
}
static void op_resign(void *ctx, unsigned group)
{
	((struct bed *)ctx)->resigned++;
}

static int setup(void **state)
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
				.resign = op_resign};

	b->now = 1000000;
	b->a = agent_create(1, &ops, b->now);
	assert_non_null(b->a);
	agent_attach(b->a, true, b->now);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	agent_destroy(b->a);
	free(b);
	return 0;
}

static void word(struct bed *b, uint16_t type, uint64_t id, uint64_t a)
{
	struct ha_word w = {.type = type, .group = 1, .id = id, .a = a};

	agent_word(b->a, &w, b->now);
}

static void role(struct bed *b, enum ha_role_kind mine)
{
	struct ha_role r = {.mine = (uint8_t)mine, .link = 1, .hot = 1, .fresh = 1};
	struct ha_word w = {
		.type = HA_ROLE, .group = 1, .len = sizeof(r), .payload = (const uint8_t *)&r};

	agent_word(b->a, &w, b->now);
}

static void work(struct bed *b)
{
	role(b, HA_ROLE_ACTIVE);
	word(b, HA_ACTIVATE, 0, 0);
	assert_int_equal(b->activated, 1);
}

// What all SAs were given is known before the first of them works; nothing of it stays.
static void all_raised(void **state)
{
	struct bed *b = *state;
	uint64_t step = 65536;
	struct ha_word w = {.type = HA_ACTIVATE,
			    .group = 1,
			    .id = 1,
			    .b = 1,
			    .len = sizeof(step),
			    .payload = (const uint8_t *)&step};

	role(b, HA_ROLE_ACTIVE);
	agent_word(b->a, &w, b->now);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->raised, step);
	role(b, HA_ROLE_STANDBY);
	assert_int_equal(b->deactivated, 1);
	role(b, HA_ROLE_ACTIVE);
	w.id = 2;
	w.len = 0;
	agent_word(b->a, &w, b->now);
	assert_int_equal(b->activated, 2);
	assert_int_equal(b->raised, 0);
}

static void gates(void **state)
{
	struct bed *b = *state;

	assert_true(agent_open(b->a, agent_seq(b->a)));  // nothing works here yet
	work(b);
	b->there[3] = true;
	uint64_t seq = agent_upsert(b->a, 3);
	assert_true(seq != 0 && seq == b->told[HA_UPSERT].seq && seq == agent_seq(b->a));
	assert_false(agent_open(b->a, seq));
	assert_int_equal(b->lim[3], 0);
	word(b, HA_APPLIED, 0, seq);
	assert_true(agent_open(b->a, seq));
	assert_int_equal(b->lim[3], 65536);  // acknowledged: now it may send (rule 7)
}

// It slept through two changes of the role: it works with numbers that count no more. It stops as
// after a crash; limits of the new time are not for what it still sends.
static void sleeps_through_two_changes(void **state)
{
	struct bed *b = *state;
	struct ha_limit l = {.id = 3, .lim = 131072};
	struct ha_word limits = {.type = HA_LIMITS,
				 .group = 1,
				 .b = 1,
				 .len = sizeof(l),
				 .payload = (const uint8_t *)&l};
	struct ha_word again = {.type = HA_ACTIVATE, .group = 1, .a = 1, .b = 1, .id = 9};
	struct ha_word begin = {.type = HA_FEED_DELETE, .group = 1, .a = 1, .b = 9};
	struct ha_word feed = {.type = HA_FEED, .group = 1, .sa = {.id = 5, .group = 1}};

	work(b);
	b->there[3] = true;
	agent_word(b->a, &limits, b->now);
	assert_int_equal(b->lim[3], 0);
	agent_word(b->a, &again, b->now);
	assert_int_equal(b->deactivated, 1);
	assert_int_equal(b->activated, 1);
	assert_false(agent_active(b->a));
	agent_stopped(b->a, b->now);
	(void)agent_writable(b->a, b->now);
	assert_int_equal(b->told_of[HA_STOPPED], 1);
	assert_int_equal(b->told[HA_STOPPED].b, 1);
	assert_int_equal(b->told_of[HA_NEXT], 0);  // what it says of its numbers does not count
	// neither does what it has of SAs: it waits until it has been fed, and says so again
	assert_int_equal(b->told[HA_STOPPED].a, 1);
	agent_word(b->a, &again, b->now);
	assert_int_equal(b->activated, 1);
	(void)agent_writable(b->a, b->now);
	assert_int_equal(b->told_of[HA_STOPPED], 2);
	b->there[4] = true;
	agent_word(b->a, &begin, b->now);
	agent_word(b->a, &feed, b->now);
	feed.sa.id = 3;
	agent_word(b->a, &feed, b->now);
	word(b, HA_FEED_END, 0, 0);
	assert_false(b->there[4]);
	assert_true(b->there[3] && b->there[5]);
	assert_int_equal(b->told_of[HA_DELETE], 0);
	agent_word(b->a, &again, b->now);
	assert_int_equal(b->activated, 2);
	// the answer to a claim that has crossed it: it goes on
	again.b = 2;
	limits.b = 2;
	agent_word(b->a, &again, b->now);
	assert_true(agent_active(b->a));
	assert_int_equal(b->deactivated, 1);
	agent_word(b->a, &limits, b->now);
	assert_int_equal(b->lim[3], 131072);
}

// It had stopped, and not said so yet, when its standby process came back and fed it: what it was
// fed before it had said so is not missing at the end of the feed.
static void stops_while_it_is_fed(void **state)
{
	struct bed *b = *state;
	struct ha_word feed = {.type = HA_FEED, .group = 1, .sa = {.id = 4, .group = 1}};

	work(b);
	b->there[4] = b->there[5] = true;
	word(b, HA_PREPARE, 0, 0);
	agent_attach(b->a, false, b->now);
	agent_stopped(b->a, b->now);
	b->full = true;
	agent_attach(b->a, true, b->now);
	word(b, HA_FEED_DELETE, 0, 1);
	agent_word(b->a, &feed, b->now);
	b->full = false;
	for (unsigned i = 0; i < 8; i++)
		(void)agent_writable(b->a, b->now);
	assert_int_equal(b->told_of[HA_STOPPED], 1);
	feed.sa.id = 5;
	agent_word(b->a, &feed, b->now);
	word(b, HA_FEED_END, 0, 0);
	assert_true(b->there[4]);
	assert_true(b->there[5]);
}

// The copies of a standby box, dropped by the operator: not tainted when they come again in a new
// life, but so when one comes twice in the same.
static void fetches_anew(void **state)
{
	struct bed *b = *state;
	struct ha_word feed = {.type = HA_FEED, .group = 1, .sa = {.id = 4, .group = 1}};
	struct ha_word all = {.type = HA_FEED_DELETE, .group = 1, .a = 2};

	assert_int_equal(agent_resync(b->a, b->now), -EPERM);  // no state yet
	role(b, HA_ROLE_STANDBY);
	agent_word(b->a, &feed, b->now);
	assert_true(b->there[4]);
	assert_int_equal(agent_resync(b->a, b->now), 0);
	assert_int_equal(b->told_of[HA_RESYNC], 1);
	assert_true(b->there[4]);  // until the new life is there
	agent_word(b->a, &all, b->now);
	assert_false(b->there[4]);
	agent_word(b->a, &feed, b->now);
	assert_true(b->there[4]);
	assert_int_equal(b->tainted, 0);
	all.id = 4;
	all.a = 0;
	agent_word(b->a, &all, b->now);
	agent_word(b->a, &feed, b->now);
	assert_int_equal(b->tainted, 1);
	b->full = true;
	assert_int_equal(agent_resync(b->a, b->now), -EBUSY);
	b->full = false;
	agent_attach(b->a, false, b->now);
	assert_int_equal(agent_resync(b->a, b->now), -ENOTCONN);
	agent_attach(b->a, true, b->now);
	work(b);
	assert_int_equal(agent_resync(b->a, b->now), -EPERM);
}

static void full_ring(void **state)
{
	struct bed *b = *state;

	work(b);
	b->there[1] = b->there[2] = true;
	b->full = true;
	(void)agent_upsert(b->a, 1);
	uint64_t first = agent_upsert(b->a, 2), again = agent_upsert(b->a, 1);
	assert_true(again >= first);
	b->there[2] = false;
	uint64_t seq = agent_delete(b->a, 2);
	b->full = false;
	b->orders = 0;
	while (agent_writable(b->a, b->now))
		;
	assert_int_equal(b->orders, 2);
	assert_int_equal(b->order[0], HA_UPSERT);
	assert_int_equal(b->order[1], HA_DELETE);
	assert_int_equal(b->told[HA_DELETE].seq, seq);
	assert_int_equal(agent_seq(b->a), seq);
}

// The standby process is gone and comes back: everything anew, and nobody's gate opens before.
static void told_anew(void **state)
{
	struct bed *b = *state;

	work(b);
	b->there[1] = b->there[2] = true;
	(void)agent_upsert(b->a, 1);
	agent_attach(b->a, false, b->now);
	uint64_t seq = agent_upsert(b->a, 2);
	assert_false(agent_open(b->a, seq));
	memset(b->told_of, 0, sizeof(b->told_of));
	agent_attach(b->a, true, b->now);
	while (agent_writable(b->a, b->now))
		;
	assert_int_equal(b->told[HA_ATTACH].b, HA_ROLE_ACTIVE);
	assert_int_equal(b->told_of[HA_UPSERT], 2);
	assert_int_equal(b->told_of[HA_FLUSH], 1);
	word(b, HA_APPLIED, 0, b->told[HA_UPSERT].seq);
	assert_false(agent_open(b->a, seq));
	word(b, HA_APPLIED, 0, b->told[HA_FLUSH].seq);
	assert_true(agent_open(b->a, seq));
	// the mirror has one that we have not
	struct ha_word feed = {.type = HA_FEED, .sa = {.id = 9, .group = 1, .kind = HA_CHILD_SA}};
	agent_word(b->a, &feed, b->now);
	assert_int_equal(b->told[HA_DELETE].id, 9);
	assert_false(b->there[9]);
}

static void raises(void **state)
{
	struct bed *b = *state;
	struct ha_hello h = {.hello_ms = 50, .hold_ms = 150};

	agent_hello(b->a, &h, b->now);
	work(b);
	b->there[4] = true;
	agent_low(b->a, 4, 1000, 100);
	assert_int_equal(b->told[HA_RAISE].a, 1000 + 65536);
	agent_low(b->a, 4, 1100, 100);
	assert_int_equal(b->told_of[HA_RAISE], 1);  // one is under way
	b->now += 100000;
	assert_true(agent_due(b->a) <= b->now);
	agent_tick(b->a, b->now);
	assert_int_equal(b->told_of[HA_RAISE], 2);  // no answer: again
	word(b, HA_LIMIT, 4, 66536);
	assert_int_equal(b->lim[4], 66536);
	b->now += 200000;
	agent_tick(b->a, b->now);
	assert_int_equal(b->told_of[HA_RAISE], 2);
	// 4 * Ta of traffic: Ta is 1.25 * (150 + 30 + 50) ms
	agent_low(b->a, 4, 66000, 1000000);
	assert_in_range(b->told[HA_RAISE].a, 66000 + 1140000, 66000 + 1160000);
}

// Rule 10: stop, drain, numbers, stopped; HSRP is left when the grant has gone.
static void hands_over(void **state)
{
	struct bed *b = *state;

	work(b);
	b->there[1] = true;
	assert_int_equal(agent_switch(b->a, b->now), 0);
	assert_int_equal(b->told_of[HA_SWITCH], 1);
	word(b, HA_PREPARE, 0, 0);
	assert_int_equal(b->deactivated, 1);
	assert_int_equal(b->told_of[HA_STOPPED], 0);
	b->orders = 0;
	agent_next(b->a, 1, 4711, 12);
	agent_stopped(b->a, b->now);
	assert_int_equal(b->order[0], HA_NEXT);
	assert_int_equal(b->order[1], HA_STOPPED);
	assert_int_equal(b->told[HA_NEXT].a, 4711);
	assert_int_equal(b->resigned, 0);
	role(b, HA_ROLE_STANDBY);
	assert_int_equal(b->resigned, 1);
	assert_false(agent_active(b->a));
	// and back, with the other box's numbers; those of a take-over without a grant do not count
	word(b, HA_NEXT, 1, 5000);
	word(b, HA_ACTIVATE, 0, 0);
	assert_int_equal(b->next[1], 0);
}

static void takes_numbers(void **state)
{
	struct bed *b = *state;

	role(b, HA_ROLE_STANDBY);
	b->there[1] = true;
	word(b, HA_NEXT, 1, 5000);
	word(b, HA_ACTIVATE, 0, 1);
	assert_int_equal(b->next[1], 5000);
	assert_true(agent_active(b->a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gates, setup, teardown),
		cmocka_unit_test_setup_teardown(all_raised, setup, teardown),
		cmocka_unit_test_setup_teardown(sleeps_through_two_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(stops_while_it_is_fed, setup, teardown),
		cmocka_unit_test_setup_teardown(fetches_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(full_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(told_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(raises, setup, teardown),
		cmocka_unit_test_setup_teardown(hands_over, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_numbers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
