// Redundancy groups of SAs, numbers of SAs that rest, SPIs of the other box, checkpoints.
#include "sa_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include "rcu.h"

#define GROUP 3

static uint32_t out_h, in_h;
static struct sa *out, *in;

static void pair_make(enum dp_sa_state state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, dp_spi_alloc(0)), q;

	p.group = GROUP;
	p.state = state;
	p.id = 77;
	p.next = 1, p.lim = 1000;
	q = bed_mirror(&p);
	out = add(&p, &out_h);
	in = add(&q, &in_h);
}

static void pair_del(void)
{
	dp_sa_del(out_h);
	dp_sa_del(in_h);
	rcu_poll();
	bed_reset();
	assert_int_equal(dp_group_set(GROUP, DP_SA_STANDBY), 0);
	rcu_poll();
}

// Whether a packet goes out and comes in again.
static bool through(void)
{
	struct rte_mbuf *m = send_one(out);

	if (!m)
		return false;
	m = bed_in(m, NULL);
	rte_pktmbuf_free(m);
	return m != NULL;
}

static unsigned stopped;
static void on_stopped(void *ctx, unsigned group)
{
	assert_ptr_equal(ctx, &stopped);
	assert_int_equal(group, GROUP);
	stopped++;
}

static void one_byte_turns_a_group(void **state)
{
	struct dp_sa_stats st;

	(void)state;
	pair_make(DP_SA_ACTIVE);
	assert_false(through());  // groups begin in standby
	assert_int_equal(bed.w.drop[DROP_ESP_STANDBY], 1);
	assert_int_equal(dp_sa_get_stats(out_h, &st), 0);
	assert_int_equal(st.state, DP_SA_STANDBY);
	assert_int_equal(dp_group_set(GROUP, DP_SA_ACTIVE), 0);
	assert_true(through());
	assert_int_equal(dp_sa_get_stats(out_h, &st), 0);
	assert_int_equal(st.state, DP_SA_ACTIVE);
	// the SA's own state stays its own: taint
	assert_int_equal(dp_sa_set_state(in_h, DP_SA_STANDBY), 0);
	assert_false(through());
	assert_int_equal(dp_group_set(GROUP, DP_SA_STANDBY), 0);
	assert_int_equal(dp_sa_set_state(in_h, DP_SA_ACTIVE), 0);
	assert_false(through());
	assert_int_equal(dp_group_set(GROUP + 1, DP_SA_ACTIVE), 0);
	assert_false(through());
	assert_int_equal(dp_group_set(GROUP + 1, DP_SA_STANDBY), 0);
	assert_int_equal(dp_group_set(GROUP, DP_SA_ACTIVE), 0);
	assert_true(through());
	assert_int_equal(dp_group_set(0, DP_SA_STANDBY), -EINVAL);
	assert_int_equal(dp_group_set(DP_GROUPS, DP_SA_STANDBY), -EINVAL);
	pair_del();
}

// A worker that has not been between two turns holds everything up.
static void stop_waits_for_workers(void **state)
{
	(void)state;
	assert_int_equal(rte_rcu_qsbr_thread_register(rcu_qsbr(), 0), 0);
	rte_rcu_qsbr_thread_online(rcu_qsbr(), 0);
	pair_make(DP_SA_ACTIVE);
	assert_int_equal(dp_group_stop(GROUP, on_stopped, &stopped), -EALREADY);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_true(through());
	assert_int_equal(dp_sa_set_next(out_h, 500), -EBUSY);
	assert_int_equal(dp_sa_set_edge(in_h, 500), -EBUSY);
	stopped = 0;
	assert_int_equal(dp_group_stop(GROUP, on_stopped, &stopped), 0);
	assert_false(through());
	assert_int_equal(bed.w.drop[DROP_ESP_HANDED], 1);
	rcu_poll();
	assert_int_equal(stopped, 0);
	assert_false(dp_group_resting(GROUP));
	assert_int_equal(dp_sa_set_next(out_h, 500), -EBUSY);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(stopped, 1);
	assert_true(dp_group_resting(GROUP));
	assert_int_equal(dp_sa_set_next(out_h, 500), 0);
	assert_int_equal(dp_sa_set_edge(in_h, 400), 0);
	// on again before the next stop is through: nobody is told
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_int_equal(dp_group_stop(GROUP, on_stopped, &stopped), 0);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(stopped, 1);
	assert_false(dp_group_resting(GROUP));
	assert_true(through());
	assert_int_equal(out->seq, 500);
	// one SA: held, but only at rest when the worker has passed
	dp_sa_set_state(out_h, DP_SA_STANDBY);
	assert_int_equal(dp_sa_set_next(out_h, 600), -EBUSY);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(dp_sa_set_next(out_h, 600), 0);
	rte_rcu_qsbr_thread_offline(rcu_qsbr(), 0);
	rte_rcu_qsbr_thread_unregister(rcu_qsbr(), 0);
	pair_del();
}

static void numbers_of_resting_sas(void **state)
{
	struct dp_invariants before, after;
	uint64_t prefix;

	(void)state;
	pair_make(DP_SA_STANDBY);
	prefix = out->iv_prefix;
	assert_int_equal(dp_sa_set_next(out_h, 70000), 0);
	assert_int_equal(dp_sa_set_next(out_h, 5000), 0);  // a grant says less than the ceiling
	assert_int_equal(dp_sa_set_next(in_h, 5), -EINVAL);
	assert_int_equal(dp_sa_set_edge(out_h, 5), -EINVAL);
	assert_int_equal(dp_sa_set_next(out_h + 99, 5), -ENOENT);
	assert_int_equal(dp_sa_set_edge(in_h, 4990), 0);
	assert_int_equal(dp_sa_set_lim(out_h, 5002), 0);
	assert_int_equal(dp_sa_set_margin(out_h, 1), 0);
	dp_sa_set_state(out_h, DP_SA_ACTIVE);
	dp_sa_set_state(in_h, DP_SA_ACTIVE);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_true(through());
	assert_int_equal(out->seq, 5000);
	assert_int_equal(in->seq, 5000);
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 0);
	assert_true(through());
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 1);
	assert_true(through());
	assert_false(through());  // at lim
	assert_true(dp_sa_rate(out_h) > 0);
	assert_int_equal(dp_sa_rate(in_h), 0);
	// what this box has sent it never sends again, whoever says so
	dp_group_set(GROUP, DP_SA_STANDBY);
	rcu_poll();
	dp_invariants(&before);
	assert_int_equal(dp_sa_set_next(out_h, 5002), -EINVAL);
	dp_invariants(&after);
	assert_int_equal(after.i4, before.i4 + 1);
	assert_int_equal(dp_sa_set_next(out_h, 9000), 0);
	assert_int_equal(dp_sa_set_next(out_h, 5003), 0);
	// an edge never goes back; one that goes on refuses what is at or below
	assert_int_equal(dp_sa_set_edge(in_h, 10), 0);
	assert_int_equal(in->seq, 5002);
	assert_int_equal(dp_sa_set_edge(in_h, 5003), 0);
	dp_sa_set_lim(out_h, 6000);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_false(through());
	assert_int_equal(bed.w.drop[DROP_ESP_REPLAY], 1);
	assert_true(through());
	// lives
	dp_group_set(GROUP, DP_SA_STANDBY);
	rcu_poll();
	assert_int_equal(dp_sa_set_life(out_h, prefix), 0);
	assert_true(out->iv_counter > 0);
	assert_int_equal(dp_sa_set_life(out_h, prefix + (1ull << 40)), 0);
	assert_int_equal(out->iv_counter, 0);
	assert_int_equal(dp_sa_set_life(out_h, prefix), -ESTALE);
	dp_invariants(&after);
	assert_int_equal(after.i1, before.i1 + 1);
	assert_int_equal(dp_sa_set_life(out_h, 1), -EINVAL);
	pair_del();
}

// The limit came near just before the role went away: nobody has raised it since, so it is told
// anew.
static void a_limit_is_told_again(void **state)
{
	(void)state;
	pair_make(DP_SA_ACTIVE);
	assert_int_equal(dp_sa_set_next(out_h, 101), 0);
	assert_int_equal(dp_sa_set_edge(in_h, 100), 0);
	assert_int_equal(dp_sa_set_lim(out_h, 110), 0);
	assert_int_equal(dp_sa_set_margin(out_h, 20), 0);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_true(through());
	assert_true(through());
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 1);
	dp_group_set(GROUP, DP_SA_STANDBY);
	rcu_poll();
	assert_int_equal(dp_sa_set_next(out_h, 104), 0);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_true(through());
	assert_int_equal(bed_events_of(DP_EVENT_LIM_LOW), 2);
	pair_del();
}

// A take-over: each SA has more than it was told itself, from where it was put while it rested.
static void a_group_is_raised(void **state)
{
	struct dp_invariants before, after;

	(void)state;
	pair_make(DP_SA_ACTIVE);
	dp_invariants(&before);
	assert_int_equal(dp_sa_set_next(out_h, 5001), 0);
	assert_int_equal(dp_sa_set_lim(out_h, 5000), 0);
	assert_int_equal(dp_group_raise(GROUP, 3), 0);
	assert_int_equal(dp_group_raise(0, 3), -EINVAL);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_int_equal(dp_group_raise(GROUP, 9), -EBUSY);
	assert_int_equal(out->lim, 5000);
	for (unsigned i = 0; i < 3; i++)
		assert_true(through());
	assert_int_equal(out->seq, 5003);
	assert_int_equal(out->lim, 5003);
	assert_false(through());
	// one by one they are told the same later, or more
	assert_int_equal(dp_sa_set_lim(out_h, 5003), 0);
	assert_false(through());
	assert_int_equal(dp_sa_set_lim(out_h, 5004), 0);
	assert_true(through());
	assert_false(through());
	// it stops, and with it what was given
	dp_group_set(GROUP, DP_SA_STANDBY);
	rcu_poll();
	assert_int_equal(dp_sa_set_next(out_h, 6001), 0);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_false(through());
	// an SA that was put somewhere while the group worked has nothing of it
	dp_group_set(GROUP, DP_SA_STANDBY);
	rcu_poll();
	assert_int_equal(dp_group_raise(GROUP, 65536), 0);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	dp_sa_set_state(out_h, DP_SA_STANDBY);
	rcu_poll();
	assert_int_equal(dp_sa_set_next(out_h, 6500), 0);
	dp_sa_set_state(out_h, DP_SA_ACTIVE);
	assert_false(through());
	// nor goes any beyond the last number that there is
	dp_group_set(GROUP, DP_SA_STANDBY);
	rcu_poll();
	assert_int_equal(dp_sa_set_next(out_h, UINT32_MAX - 1), 0);
	assert_int_equal(dp_group_raise(GROUP, 65536), 0);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_true(through());
	assert_int_equal(out->lim, UINT32_MAX);
	dp_invariants(&after);
	assert_int_equal(after.i4, before.i4);
	pair_del();
}

static void a_working_sa_advances(void **state)
{
	(void)state;
	assert_int_equal(rte_rcu_qsbr_thread_register(rcu_qsbr(), 0), 0);
	rte_rcu_qsbr_thread_online(rcu_qsbr(), 0);
	pair_make(DP_SA_ACTIVE);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_true(through());
	assert_int_equal(dp_sa_advance(out_h, 300, 0), 0);
	assert_int_equal(dp_sa_advance(in_h, 0, 200), 0);
	assert_false(through());  // held until the worker has passed
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(in->seq, 200);
	assert_true(through());
	assert_int_equal(out->seq, 300);
	assert_int_equal(dp_sa_advance(out_h, 20, 0), 0);  // lower: no effect
	assert_int_equal(dp_sa_set_state(out_h, DP_SA_STANDBY), 0);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(out->seq, 300);
	assert_false(through());  // held by its own state meanwhile
	// numbers that were only skipped are free for a planned switchover; those sent are not
	assert_int_equal(dp_sa_set_state(out_h, DP_SA_ACTIVE), 0);
	assert_int_equal(dp_sa_advance(out_h, 500, 0), 0);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(out->seq, 499);
	assert_int_equal(dp_sa_set_state(out_h, DP_SA_STANDBY), 0);
	rte_rcu_qsbr_quiescent(rcu_qsbr(), 0);
	rcu_poll();
	assert_int_equal(dp_sa_set_next(out_h, 300), -EINVAL);
	assert_int_equal(dp_sa_set_next(out_h, 301), 0);
	rte_rcu_qsbr_thread_offline(rcu_qsbr(), 0);
	rte_rcu_qsbr_thread_unregister(rcu_qsbr(), 0);
	pair_del();
}

static struct {
	unsigned calls;
	uint64_t edge;
} told;
static void on_edge(void *ctx, uint64_t id, uint16_t group, uint64_t edge)
{
	assert_int_equal(id, 77);
	assert_int_equal(group, GROUP);
	assert_true(edge > told.edge);
	told.calls++;
	told.edge = edge;
}

static unsigned poll_edges(void)
{
	memset(&told, 0, sizeof(told));
	return dp_checkpoint_poll(on_edge, NULL, 100);
}

static void edges_are_told(void **state)
{
	(void)state;
	bed.w.noted = rte_ring_create_elem("noted-test", sizeof(uint32_t), 64, SOCKET_ID_ANY,
					   RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(bed.w.noted);
	checkpoint_worker_set(0, &bed.w);
	pair_make(DP_SA_ACTIVE);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	assert_int_equal(poll_edges(), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_true(through());
	assert_int_equal(rte_ring_count(bed.w.noted), 1);  // once, however many packets
	assert_int_equal(poll_edges(), 1);
	assert_int_equal(told.edge, 10);
	assert_int_equal(poll_edges(), 0);
	assert_true(through());
	assert_int_equal(poll_edges(), 1);
	assert_int_equal(told.edge, 11);
	// a worker that saw the flag as it was before its clearing: the next look finds it
	in->noted = 1;
	assert_true(through());
	assert_int_equal(rte_ring_count(bed.w.noted), 0);
	assert_int_equal(poll_edges(), 1);
	assert_int_equal(told.edge, 12);
	in->noted = 0;
	// a full ring: the next packet tries again
	uint32_t junk = 0;
	while (rte_ring_sp_enqueue_elem(bed.w.noted, &junk, sizeof(junk)) == 0)
		;
	assert_true(through());
	assert_int_equal(in->noted, 0);
	assert_int_equal(poll_edges(), 0);
	assert_true(through());
	assert_int_equal(poll_edges(), 1);
	assert_int_equal(told.edge, 14);
	// gone before it is looked at
	assert_true(through());
	pair_del();
	assert_int_equal(poll_edges(), 0);
	checkpoint_worker_set(0, NULL);
	rte_ring_free(bed.w.noted);
	bed.w.noted = NULL;
}

static void spis_of_the_other_box(void **state)
{
	struct dp_sa p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0), q;
	uint32_t theirs = 1u << 31 | 5u << 18 | 4321, h;

	(void)state;
	assert_int_equal(dp_spi_take(theirs), 0);
	assert_int_equal(dp_spi_take(theirs), -EEXIST);
	assert_int_equal(dp_spi_take(200), -EINVAL);
	p.spi = theirs;
	q = bed_mirror(&p);
	add(&q, &h);
	assert_int_equal(dp_spi_take(theirs), -EEXIST);
	// another SPI on the same index: the SA finds a place in the hash
	assert_int_equal(dp_spi_take(theirs ^ 1u << 20), 0);
	dp_sa_del(h);
	rcu_poll();
	assert_int_equal(dp_spi_take(theirs), 0);
	dp_spi_free(theirs);
	assert_int_equal(dp_spi_take(theirs), 0);
	// this box, in that slot one day, does not give it out meanwhile
	for (unsigned i = 0; i < 5000; i++) {
		uint32_t spi = dp_spi_alloc(1);

		assert_int_not_equal(spi & SA_INDEX_MASK, theirs & SA_INDEX_MASK);
		dp_spi_free(spi);
	}
	dp_spi_free(theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_turns_a_group), cmocka_unit_test(stop_waits_for_workers),
		cmocka_unit_test(numbers_of_resting_sas), cmocka_unit_test(a_working_sa_advances),
		cmocka_unit_test(a_group_is_raised),      cmocka_unit_test(edges_are_told),
		cmocka_unit_test(spis_of_the_other_box),  cmocka_unit_test(a_limit_is_told_again),
	};
	int rc;

	bed_start();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	bed_stop();
	return rc;
}
