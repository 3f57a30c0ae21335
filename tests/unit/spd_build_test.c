// Large policy sets: built by the helper thread, the old set in force until then, the newest of
// several wins, the control thread's pieces are bounded, and nothing passes in clear meanwhile.
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "port.h"
#include "rcu.h"
#include "spd.h"
#include "spd_build.h"

#define MANY 10000

static struct flow_key key_of(uint32_t dst)
{
	struct flow_key k = {.proto = IPPROTO_UDP, .family = 4, .group = 1};

	k.src[0] = 10, k.src[2] = 1, k.src[3] = 2;
	k.dst[0] = 10, k.dst[1] = (uint8_t)(dst >> 16), k.dst[2] = (uint8_t)(dst >> 8);
	k.dst[3] = (uint8_t)dst;
	return k;
}

// Hosts 10.x.y.z, x.y.z = first .. first + n - 1.
static void set_hosts(uint32_t first, uint32_t n, enum dp_policy_action action)
{
	struct dp_policy *p = calloc(n, sizeof(*p));
	struct err err = {0};

	assert_non_null(p);
	for (uint32_t i = 0; i < n; i++) {
		p[i] = pbed_policy(i + 1, n - i, action, "10.0.1.0/24", "10.0.0.0/8");
		p[i].sel.dst.addr = addr_from_v4(10u << 24 | (first + i));
		p[i].sel.dst.len = 32;
	}
	assert_int_equal(spd_set(p, n, &err), 0);
	free(p);
}

static unsigned poll_until_done(void)
{
	unsigned entered = 0;

	for (unsigned i = 0; i < 60000 && spd_pending(); i++) {
		entered += spd_poll();
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	assert_false(spd_pending());
	return entered;
}

static enum spd_verdict verdict(uint32_t dst)
{
	struct flow_key k = key_of(dst);

	return spd_lookup(pbed.w[0], &k).verdict;
}

static void small_sets_are_in_force_at_once(void **state)
{
	(void)state;
	set_hosts(1, SPD_BUILD_NOW, DP_POLICY_PROTECT);
	assert_false(spd_pending());
	assert_int_equal(verdict(1), SPD_PROTECT);
}

static void the_old_set_stays_until_the_new_one_is_built(void **state)
{
	(void)state;
	set_hosts(1, 10, DP_POLICY_PROTECT);
	uint32_t generation = spd_generation();
	set_hosts(100000, MANY, DP_POLICY_PROTECT);
	assert_true(spd_pending());
	assert_int_equal(spd_generation(), generation);
	assert_int_equal(verdict(5), SPD_PROTECT);
	assert_int_equal(poll_until_done(), 1);
	assert_int_not_equal(spd_generation(), generation);
	assert_int_equal(spd_count(), MANY);
	assert_int_equal(verdict(5), SPD_NONE);
	assert_int_equal(verdict(100000), SPD_PROTECT);
	assert_int_equal(verdict(100000 + MANY - 1), SPD_PROTECT);
	assert_int_equal(verdict(100000 + MANY), SPD_NONE);
}

// A map that is new: its port passes nothing until its first set is in force.
static void nothing_leaves_before_the_first_set(void **state)
{
	struct pbed_ip to = {.src = "10.0.1.2", .dst = "10.9.0.1"};
	struct rte_mbuf *m;

	(void)state;
	set_hosts(9u << 16, MANY, DP_POLICY_PROTECT);
	port_get(pbed.out)->policy_group = 1;
	assert_true(spd_pending());
	pbed_send(&to);
	assert_int_equal(pbed_sent_count(pbed.out), 0);
	assert_int_equal(pbed_drop(DROP_POLICY_UNBUILT), 1);
	poll_until_done();
	pbed_send(&to);
	m = pbed_punted(PUNT_ACQUIRE);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(pbed_drops(), 1);
	// and in the other direction
	port_get(pbed.in)->policy_group = 2;
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.1.1", .dport = 53});
	assert_int_equal(pbed_drop(DROP_POLICY_UNBUILT), 2);
}

static void the_newest_of_several_wins(void **state)
{
	unsigned entered;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		set_hosts(i * MANY, MANY, DP_POLICY_PROTECT);
	entered = poll_until_done();
	assert_in_range(entered, 1, 2);  // not twenty builds
	assert_int_equal(verdict(19 * MANY), SPD_PROTECT);
	assert_int_equal(verdict(18 * MANY), SPD_NONE);
	// a small one overtakes what is being built
	set_hosts(0, MANY, DP_POLICY_PROTECT);
	set_hosts(1, 3, DP_POLICY_BYPASS);
	assert_false(spd_pending());
	for (unsigned i = 0; i < 100; i++) {
		assert_false(spd_poll());
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	assert_int_equal(spd_count(), 3);
	assert_int_equal(verdict(1), SPD_BYPASS);
}

// One call looks at no more bindings than its budget.
static void pieces_are_bounded(void **state)
{
	unsigned polls = 0;

	(void)state;
	set_hosts(0, MANY, DP_POLICY_PROTECT);
	while (!spd_poll()) {
		if (spd_pending())
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
		polls++;
	}
	assert_true(polls >= DP_POLICY_MAX / SPD_POLL_BUDGET - 1);
}

// Stopping while a set is being built, and while one waits.
static void stopped_in_the_middle(void **state)
{
	(void)state;
	set_hosts(0, MANY, DP_POLICY_PROTECT);
	nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	set_hosts(MANY, MANY, DP_POLICY_PROTECT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, pbed_setup, pbed_teardown)
	const struct CMUnitTest tests[] = {
		TEST(small_sets_are_in_force_at_once),
		TEST(the_old_set_stays_until_the_new_one_is_built),
		TEST(nothing_leaves_before_the_first_set),
		TEST(the_newest_of_several_wins),
		TEST(pieces_are_bounded),
		TEST(stopped_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
