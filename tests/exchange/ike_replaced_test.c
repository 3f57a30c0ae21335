// IKE SAs that another one has replaced: they stay while the peer may have an IPsec SA on them,
// serve again when the peer goes on with them, and end without a word that would make it negotiate
// anew.

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/ike_sa.h"
#include "ike/replaced.h"
#include "ike_pair_bed.h"
#include "ikev1/wire.h"
#include "log.h"

#define EXCHANGE_AT 18  // in an ISAKMP header

static unsigned informational;

static bool tap_count(struct bed *bed, struct bed_packet *p)
{
	size_t at = p->meta.local_port == IKE_PORT ? 0 : 4;  // the non-ESP marker

	informational += p->len > at + EXCHANGE_AT &&
			 p->bytes[at + EXCHANGE_AT] == ISAKMP_XCHG_INFORMATIONAL;
	return true;
}

static struct ike_sa *first_sa(struct bed_end *e)
{
	struct ike_sa *sa = TAILQ_FIRST(&e->ike->sas);

	assert_non_null(sa);
	return sa;
}

static struct ike_sa *last_sa(struct bed_end *e)
{
	struct ike_sa *sa, *last = NULL;

	TAILQ_FOREACH (sa, &e->ike->sas, link)
		last = sa;
	assert_non_null(last);
	return last;
}

static void renew(struct bed *bed, struct bed_end *e)
{
	struct ike_sa *sa = last_sa(e);

	ike_enter(e->ike);
	assert_non_null(ike_sa_initiate(e->ike, &sa->local, &sa->remote, sa));
	ike_leave(e->ike);
	bed_run(bed, 2000);
}

static void soft_expire(struct bed_end *e)
{
	struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = e->bound[1]};

	ike_event(e->ike, &ev);
}

// Up, and phase 1 renewed by `e` of the bed: the first IKE SA is replaced at both ends.
static void replaced_up(struct bed *bed, const struct bed_params *p, bool by_b)
{
	bed_init(bed, 3, p);
	bed_start(bed);
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, bed_both_up));
	bed_run(bed, 60000);
	renew(bed, by_b ? &bed->b : &bed->a);
	assert_int_equal(bed_ike_count(&bed->a, true), 1);
	assert_int_equal(bed_ike_count(&bed->b, true), 1);
	assert_true(first_sa(&bed->a)->superseded);
	bed->lost = 0;
	bed->tap = tap_count;
	informational = 0;
}

// The peer's choice.
static void negotiate_on_first(struct bed *bed)
{
	first_sa(&bed->b)->superseded = false;
	last_sa(&bed->b)->superseded = true;
	soft_expire(&bed->b);
	bed_ping_always(bed, 2000, 10);
	first_sa(&bed->b)->superseded = true;
	last_sa(&bed->b)->superseded = false;
}

// Nothing is deleted while the IPsec SAs of before are there, and it is when they have been
// renewed.
static void test_kept_while_it_bears(void **state)
{
	for (int by_b = 0; by_b < 2; by_b++) {
		struct bed bed;

		replaced_up(&bed, NULL, by_b);
		bed_ping_always(&bed, 300000, 500);
		assert_int_equal(informational, 0);
		assert_int_equal(bed_ike_count(&bed.a, false), 2);
		assert_int_equal(bed_ike_count(&bed.b, false), 2);
		soft_expire(&bed.a);
		bed_ping_always(&bed, 180000, 500);
		assert_int_equal(bed_ike_count(&bed.a, false), 1);
		assert_int_equal(bed_ike_count(&bed.b, false), 1);
		assert_int_equal(bed.a.child_up, 2);
		assert_int_equal(bed.lost, 0);
		bed_fini(&bed);
	}
}

// Its lifetime ends before that of what is on it: nothing is said about it.
static void test_lifetime_says_nothing(void **state)
{
	struct bed_params p = {.ike_life_s = 300};
	struct bed bed;

	replaced_up(&bed, &p, false);
	bed_ping_always(&bed, 900000, 500);
	assert_int_equal(informational, 0);
	assert_in_range(bed.a.up, 4, 6);
	assert_in_range(bed_ike_count(&bed.a, false), 1, 2);
	assert_int_equal(bed.a.child_up, 1);
	assert_int_equal(bed.lost, 0);
	bed_fini(&bed);
}

// The peer deletes the one that serves here and goes on with the one before.
static void test_peer_goes_back(void **state)
{
	struct bed bed;

	replaced_up(&bed, NULL, true);
	bed_run(&bed, 20000);
	first_sa(&bed.b)->superseded = false;
	ike_enter(bed.b.ike);
	ike_sa_kill(last_sa(&bed.b), "chosen otherwise", true);
	ike_leave(bed.b.ike);
	bed_run(&bed, 1000);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	assert_int_equal(bed_ike_count(&bed.a, false), 1);
	soft_expire(&bed.a);
	bed_ping_always(&bed, 120000, 500);
	assert_int_equal(bed.a.up, 2);  // no new one was needed
	assert_int_equal(bed.a.child_up, 2);
	assert_int_equal(bed_ike_count(&bed.b, false), 1);
	assert_int_equal(bed.lost, 0);
	bed_fini(&bed);
}

// The peer negotiates on the one before: both serve, and it is renewed in time.
static void test_peer_uses_it(void **state)
{
	struct bed_params p = {.ike_life_s = 600};
	struct bed bed;

	replaced_up(&bed, &p, true);
	bed_run(&bed, 20000);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	negotiate_on_first(&bed);
	assert_int_equal(bed_ike_count(&bed.a, true), 2);
	assert_true(first_sa(&bed.a)->rekey.pos != 0);
	assert_int_equal(first_sa(&bed.a)->linger.pos, 0);
	bed_ping_always(&bed, 560000, 500);
	assert_in_range(bed.a.up, 3, 5);
	assert_int_equal(bed.a.child_up, 2);
	assert_int_equal(bed.lost, 0);
	bed_fini(&bed);
}

// What the peer negotiates at the moment of the change says nothing.
static void test_late_use_says_nothing(void **state)
{
	struct bed bed;

	replaced_up(&bed, NULL, true);
	negotiate_on_first(&bed);
	assert_int_equal(bed.a.child_up, 2);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	bed_fini(&bed);
}

// The peer has a pair on each of two IKE SAs: neither is deleted because of the other one, and each
// goes when it has been renewed where it is.
static void test_pairs_of_two(void **state)
{
	struct bed bed;

	replaced_up(&bed, NULL, true);
	bed_run(&bed, 20000);
	negotiate_on_first(&bed);
	assert_int_equal(bed_ike_count(&bed.a, true), 2);
	bed_ping_always(&bed, 120000, 500);
	assert_int_equal(informational, 0);
	assert_int_equal(bed_child_count(&bed.a, false), 2);
	assert_int_equal(bed_child_count(&bed.a, true), 1);
	negotiate_on_first(&bed);
	bed_ping_always(&bed, 120000, 500);
	assert_int_equal(bed_child_count(&bed.a, false), 2);
	assert_int_equal(bed.a.child_up, 3);
	assert_int_equal(bed.lost, 0);
	bed_fini(&bed);
}

// A peer that is dead is dead on all of them; one that was heard of on another one is not.
static void test_dead_peer(void **state)
{
	struct bed_params p = {.keepalive_s = 10, .keepalive_periodic = true};

	for (int lives = 0; lives < 2; lives++) {
		struct bed bed;

		replaced_up(&bed, &p, true);
		negotiate_on_first(&bed);
		bed_run(&bed, 20000);
		if (lives) {
			first_sa(&bed.b)->superseded = false;
			dpd_start(first_sa(&bed.b));
			dpd_ask_now(first_sa(&bed.b));
			bed_run(&bed, 1000);
			assert_int_equal(bed_ike_count(&bed.a, true), 2);
			ike_enter(bed.b.ike);
			ike_sa_kill(last_sa(&bed.b), "forgotten", false);
			ike_leave(bed.b.ike);
		} else {
			bed.b.dead = true;
		}
		bed_run(&bed, 90000);
		assert_in_range(bed_counters(&bed.a).dpd_dead, 1, 2);  // of one after the other
		assert_int_equal(bed_ike_count(&bed.a, false), lives);
		assert_int_equal(bed_child_count(&bed.a, true), lives);
		assert_true(lives || bed_child_count(&bed.a, false) == 0);
		if (lives)
			assert_true(bed_both_up(&bed));
		bed_fini(&bed);
	}
}

// A peer may have an IPsec SA on one IKE SA only: where its renewal was tried last, it is not next.
static void test_renewal_turns(void **state)
{
	struct child_sa *c;
	struct bed bed;

	replaced_up(&bed, NULL, true);
	c = TAILQ_FIRST(&bed.a.ike->children);
	assert_ptr_equal(child_sa_renewal_ike(c), last_sa(&bed.a));
	assert_ptr_equal(child_sa_renewal_ike(c), first_sa(&bed.a));
	assert_ptr_equal(child_sa_renewal_ike(c), last_sa(&bed.a));
	bed_fini(&bed);
}

// However often the peer renews phase 1, few of them stay.
static void test_bounded(void **state)
{
	struct bed bed;

	replaced_up(&bed, NULL, true);
	for (int i = 0; i < 30; i++)
		renew(&bed, &bed.b);
	assert_in_range(bed_ike_count(&bed.a, false), 2, 10);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	bed_run(&bed, 5000);
	assert_true(bed_both_up(&bed));
	assert_int_equal(bed.a.child_up, 1);
	bed_fini(&bed);
}

// Both ends begin at once: neither says INITIAL-CONTACT, with which the peer would forget the other
// one of the two.
static void test_no_first_contact_at_once(void **state)
{
	struct bed bed;

	bed_init(&bed, 9, NULL);
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(ike_sa_other(first_sa(&bed.a)));
	assert_int_equal(ike_initiate(bed.b.ike, 1), 0);
	while (first_sa(&bed.a) == last_sa(&bed.a) || last_sa(&bed.a)->stranger)
		bed_run(&bed, 1);
	assert_false(first_sa(&bed.a)->established);
	assert_true(ike_sa_other(first_sa(&bed.a)));
	assert_true(ike_sa_other(last_sa(&bed.a)));
	assert_true(bed_until(&bed, 5000, bed_both_up));
	bed_fini(&bed);
}

// The other box keeps it as well, and lets it go when its time has come.
static void test_takeover(void **state)
{
	struct pair *p = pair_new(5, NULL);

	assert_int_equal(ike_initiate(p->active->ike, 1), 0);
	assert_true(pair_up(p, 10000));
	assert_int_equal(pair_run(p, 30000, 500), 0);
	renew(&p->bed, &p->bed.b);
	assert_int_equal(pair_run(p, 30000, 500), 0);
	pair_kill(p);
	pair_takeover(p);
	p->bed.tap = tap_count;
	informational = 0;
	assert_int_equal(pair_run(p, 120000, 500), 0);
	assert_int_equal(informational, 0);
	assert_int_equal(bed_ike_count(p->active, false), 2);
	assert_int_equal(bed_ike_count(p->active, true), 1);
	soft_expire(p->active);
	assert_int_equal(pair_run(p, 180000, 500), 0);
	assert_int_equal(bed_ike_count(p->active, false), 1);
	assert_int_equal(bed_ike_count(&p->bed.b, false), 1);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_while_it_bears),
		cmocka_unit_test(test_lifetime_says_nothing),
		cmocka_unit_test(test_peer_goes_back),
		cmocka_unit_test(test_peer_uses_it),
		cmocka_unit_test(test_late_use_says_nothing),
		cmocka_unit_test(test_pairs_of_two),
		cmocka_unit_test(test_dead_peer),
		cmocka_unit_test(test_renewal_turns),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_no_first_contact_at_once),
		cmocka_unit_test(test_takeover),
	};

	log_set_stderr_level(LOG_L_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
