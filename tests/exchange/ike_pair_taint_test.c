// SAs whose counters may be old (ha-protocol rule 12): held, replaced, and the peer loses nothing
// but time.

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ike/ike_sa.h"
#include "ike_pair_bed.h"
#include "log.h"

static void up(struct pair *p)
{
	assert_int_equal(ike_initiate(p->active->ike, 1), 0);
	assert_true(pair_up(p, 10000));
}

static void test_taint(void **state)
{
	struct pair *p = pair_new(7, NULL);
	unsigned lost;

	up(p);
	pair_kill(p);
	ike_taint(p->standby->ike, PAIR_GROUP, 0, true);
	pair_takeover(p);
	uint32_t out = p->active->bound[1];
	assert_int_equal(p->active->sas[out - 1].p.state, DP_SA_STANDBY);
	uint64_t sent = p->active->sas[out - 1].stats.packets;
	lost = pair_run(p, 3000, 5);
	assert_true(lost > 0 && lost < 200);  // until replaced
	assert_int_equal(
		p->active->sas[out - 1].alive ? p->active->sas[out - 1].stats.packets : sent, sent);
	assert_int_equal(pair_run(p, 120000, 50), 0);
	assert_int_equal(bed_child_count(p->active, false), 1);
	assert_int_equal(bed_child_count(&p->bed.b, false), 1);
	assert_int_equal(bed_ike_count(&p->bed.b, true), 1);
	struct ike_replica_counts n;
	ike_replica_count(p->active->ike, PAIR_GROUP, &n);
	assert_int_equal(n.tainted, 0);
	// a taint that ends by itself (rule 16)
	pair_join(p);
	pair_taint(p, true);
	assert_false(pair_ping(p));
	pair_taint(p, false);
	assert_true(pair_ping(p));
	pair_free(p);
}

// The peer makes a child SA with the tainted IKE SA while that is being replaced: it must not hear
// INITIAL-CONTACT, or it forgets that child SA while we keep it.
static void test_taint_is_no_first_contact(void **state)
{
	for (unsigned at = 0; at < 120; at += 2) {
		struct pair *p = pair_new(60 + at, NULL);

		up(p);
		pair_kill(p);
		ike_taint(p->standby->ike, PAIR_GROUP, 0, true);
		pair_takeover(p);
		bed_run(&p->bed, at);
		(void)ike_clear_sa(p->bed.b.ike, NULL, NULL);
		(void)ike_initiate(p->bed.b.ike, 1);
		assert_true(pair_up(p, 10000));
		assert_int_equal(p->bed.b.forgotten, 0);
		assert_int_equal(pair_run(p, 60000, 100), 0);
		pair_free(p);
	}
}

// The peer began the tainted one, we begin the next within half a minute: as if both had begun at
// once. Whatever their cookies say, the tainted one does not serve, and the new one is looked
// after.
static void test_tainted_never_serves(void **state)
{
	struct bed_params params = {.keepalive_s = 10, .keepalive_periodic = true};

	for (uint64_t seed = 1; seed < 12; seed++) {
		struct pair *p = pair_new(seed, &params);
		struct ike_sa *sa;

		assert_int_equal(ike_initiate(p->bed.b.ike, 1), 0);
		assert_true(pair_up(p, 10000));
		pair_kill(p);
		ike_taint(p->standby->ike, PAIR_GROUP, 0, true);
		pair_takeover(p);
		assert_true(pair_up(p, 10000));
		sa = TAILQ_FIRST(&p->active->ike->sas);
		assert_non_null(sa);
		assert_null(TAILQ_NEXT(sa, link));
		assert_false(sa->superseded);
		assert_int_not_equal(sa->dpd.timer.pos, 0);
		assert_int_equal(pair_run(p, 60000, 100), 0);
		pair_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taint),
		cmocka_unit_test(test_taint_is_no_first_contact),
		cmocka_unit_test(test_tainted_never_serves),
	};

	log_set_stderr_level(LOG_L_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
