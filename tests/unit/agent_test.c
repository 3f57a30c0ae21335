// One agent: gates, a full ring, raises, and the order of a switchover.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent_bed.h"

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

	b->tenure = w.id;
	role(b, HA_ROLE_ACTIVE);
	agent_word(b->a, &w, b->now);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->raised, step);
	role(b, HA_ROLE_STANDBY);
	assert_int_equal(b->deactivated, 1);
	role(b, HA_ROLE_ACTIVE);
	w.id = b->tenure = 2;
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
	// told again for another reason: it may send that far already; half of it is not enough
	b->lim[3] = 0;
	b->granted = 65536;
	seq = agent_upsert(b->a, 3);
	word(b, HA_APPLIED, 0, seq);
	assert_int_equal(b->lim[3], 0);
	b->granted = 65535;
	seq = agent_upsert(b->a, 3);
	word(b, HA_APPLIED, 0, seq);
	assert_int_equal(b->lim[3], 65536);
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
	uint64_t step = 65536;

	work(b);
	b->there[3] = true;
	agent_word(b->a, &limits, b->now);
	assert_int_equal(b->lim[3], 0);
	b->tenure = 9;
	agent_word(b->a, &again, b->now);
	assert_int_equal(b->deactivated, 1);
	assert_int_equal(b->activated, 1);
	assert_false(agent_active(b->a));
	agent_word(b->a, &feed, b->now);  // too early: it is not that it has deleted this one
	agent_word(b->a, &again, b->now);
	assert_int_equal(b->activated, 1);
	agent_stopped(b->a, b->now);
	(void)agent_writable(b->a, b->now);
	assert_int_equal(b->told_of[HA_STOPPED], 1);
	assert_int_equal(b->told[HA_STOPPED].b, 1);
	assert_int_equal(b->told_of[HA_NEXT], 0);  // what it says of its numbers does not count
	// neither does what it has of SAs: it waits until it has been fed, and says so again
	assert_int_equal(b->told[HA_STOPPED].a, 1);
	// what all were given counts from numbers that it does not have yet
	again.len = sizeof(step);
	again.payload = (const uint8_t *)&step;
	agent_word(b->a, &again, b->now);
	again.len = 0;
	assert_int_equal(b->raised, 0);
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

// The words of a switchover that came to nothing are old when it hears them: the role was away
// since. Nothing begins before it has been fed.
static void hears_too_late(struct bed *b, bool resume)
{
	struct ha_word again = {.type = HA_ACTIVATE, .group = 1, .b = 2, .id = 9};
	struct ha_word begin = {.type = HA_FEED_DELETE, .group = 1, .a = 1, .b = 9};

	work(b);
	b->there[3] = true;
	b->tenure = 9;
	word(b, HA_PREPARE, 0, 0);
	if (resume)
		word(b, HA_RESUME, 0, 0);
	else
		agent_word(b->a, &again, b->now);
	assert_int_equal(b->activated, 1);
	agent_next(b->a, 3, 4711, 0);
	agent_stopped(b->a, b->now);
	agent_word(b->a, &again, b->now);
	(void)agent_writable(b->a, b->now);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->told[HA_STOPPED].a, 1);
	assert_int_equal(b->told[HA_STOPPED].b, 2);
	assert_int_equal(b->told_of[HA_NEXT], 0);
	agent_word(b->a, &begin, b->now);
	word(b, HA_FEED_END, 0, 0);
	assert_false(b->there[3]);
	agent_word(b->a, &again, b->now);
	assert_int_equal(b->activated, 2);
	// what it tells from now on says by what it works
	(void)agent_upsert(b->a, 4);
	assert_int_equal(b->told[HA_DELETE].b, 9);
}

static void resumes_too_late(void **state)
{
	hears_too_late(*state, true);
}

static void activated_while_it_stops(void **state)
{
	hears_too_late(*state, false);
}

// It waits for the other box to take the role in order, and hears that it was away: it asks to be
// fed at once.
static void waits_no_longer(void **state)
{
	struct bed *b = *state;
	struct ha_word again = {.type = HA_ACTIVATE, .group = 1, .b = 2, .id = 9};

	work(b);
	agent_lost(b->a, b->now);
	agent_stopped(b->a, b->now);
	agent_tick(b->a, b->now);
	assert_int_equal(b->told_of[HA_SWITCH], 1);
	assert_int_equal(b->told_of[HA_STOPPED], 0);
	b->tenure = 9;
	agent_word(b->a, &again, b->now);
	agent_tick(b->a, b->now);
	assert_int_equal(b->told_of[HA_STOPPED], 1);
	assert_int_equal(b->told[HA_STOPPED].a, 1);
}

// Its standby process dies, and gave the role away before: nobody else will say so.
static void loses_role_unheard(void **state)
{
	struct bed *b = *state;

	work(b);
	agent_attach(b->a, false, b->now);
	assert_true(agent_active(b->a));  // it goes on without
	agent_attach(b->a, true, b->now);
	b->role = HA_ROLE_STANDBY;
	agent_attach(b->a, false, b->now);
	assert_false(agent_active(b->a));
	assert_int_equal(b->resigned, 1);
	agent_attach(b->a, true, b->now);
	assert_int_equal(b->told[HA_ATTACH].b, HA_ROLE_STANDBY);
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
	feed.sa.taint = 1;
	feed.sa.ceiling = 500;
	agent_word(b->a, &feed, b->now);
	assert_int_equal(b->tainted, 1);
	assert_int_equal(b->next[4], 501);
	feed.sa.taint = 0;
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

// The same, but it has said so before the feed begins: it was fed from before it told what it has.
static void stops_before_it_is_fed(void **state)
{
	struct bed *b = *state;

	work(b);
	agent_attach(b->a, false, b->now);
	agent_attach(b->a, true, b->now);
	b->there[6] = true;
	(void)agent_upsert(b->a, 6);
	word(b, HA_PREPARE, 0, 0);
	agent_stopped(b->a, b->now);
	(void)agent_writable(b->a, b->now);
	assert_int_equal(b->told_of[HA_STOPPED], 1);
	word(b, HA_FEED_DELETE, 0, 1);
	word(b, HA_FEED_END, 0, 0);
	assert_true(b->there[6]);
	word(b, HA_FEED_DELETE, 0, 1);  // of a later one it is missing
	word(b, HA_FEED_END, 0, 0);
	assert_false(b->there[6]);
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

// It works, and has not heard yet that the mirror has a new life: what it gives up has perhaps been
// used in it. When it is fed again, it must not send.
static void given_up_in_the_new_life(void **state)
{
	struct bed *b = *state;
	struct ha_word feed = {.type = HA_FEED, .group = 1, .sa = {.group = 1}};

	b->life = 1;
	work(b);
	(void)agent_delete(b->a, 4);
	b->life = 2;
	(void)agent_delete(b->a, 5);
	struct ha_role r = {.mine = HA_ROLE_STANDBY, .join = {2, 1}};
	struct ha_word w = {
		.type = HA_ROLE, .group = 1, .len = sizeof(r), .payload = (const uint8_t *)&r};
	agent_word(b->a, &w, b->now);
	feed.sa.id = 4;
	agent_word(b->a, &feed, b->now);
	assert_int_equal(b->tainted, 0);
	feed.sa.id = 5;
	agent_word(b->a, &feed, b->now);
	assert_int_equal(b->tainted, 1);
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

// A claim is answered with what the mirror has: what it has not yet been told goes before it.
static void claims_behind_its_records(void **state)
{
	struct bed *b = *state;

	work(b);
	b->full = true;
	agent_checkpoint(b->a, 1, 77);
	b->there[1] = true;
	(void)agent_upsert(b->a, 1);
	agent_claim(b->a, b->now);
	b->full = false;
	b->orders = 0;
	while (agent_writable(b->a, b->now))
		;
	assert_int_equal(b->orders, 3);
	assert_int_equal(b->order[0], HA_UPSERT);
	assert_int_equal(b->order[1], HA_CHECKPOINT);
	assert_int_equal(b->order[2], HA_CLAIM);
	agent_claim(b->a, b->now);  // nothing waits
	assert_int_equal(b->told_of[HA_CLAIM], 2);
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
	assert_int_equal(b->told[HA_SWITCH].a, HA_SWITCH_EITHER);
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
		cmocka_unit_test_setup_teardown(resumes_too_late, setup, teardown),
		cmocka_unit_test_setup_teardown(activated_while_it_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_no_longer, setup, teardown),
		cmocka_unit_test_setup_teardown(loses_role_unheard, setup, teardown),
		cmocka_unit_test_setup_teardown(stops_while_it_is_fed, setup, teardown),
		cmocka_unit_test_setup_teardown(stops_before_it_is_fed, setup, teardown),
		cmocka_unit_test_setup_teardown(fetches_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(given_up_in_the_new_life, setup, teardown),
		cmocka_unit_test_setup_teardown(full_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(claims_behind_its_records, setup, teardown),
		cmocka_unit_test_setup_teardown(told_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(raises, setup, teardown),
		cmocka_unit_test_setup_teardown(hands_over, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_numbers, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
