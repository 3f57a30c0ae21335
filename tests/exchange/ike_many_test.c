// Thousands of tunnels that want an IKE SA at once, to peers that do not answer: the work grows
// with their number, not with its square.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ike_bed.h"
#include "log.h"

// One entry per peer, all with the same access list.
static void entries_add(struct config *c, unsigned count)
{
	struct crypto_map *m = config_crypto_map(c, "MAP", false);
	const struct crypto_map_entry *like = TAILQ_FIRST(&m->entries);

	bed_add_key(c, "tuttifrutti", "0.0.0.0/0");
	for (unsigned i = 0; i < count; i++) {
		struct crypto_map_entry *e = arena_alloc(c->arena, sizeof(*e));
		struct map_peer *p = arena_alloc(c->arena, sizeof(*p));

		*e = *like;
		e->seq = 20 + i;
		TAILQ_INIT(&e->peers);
		p->addr = addr_from_v4(0x0a640000 + i);
		TAILQ_INSERT_TAIL(&e->peers, p, link);
		TAILQ_INSERT_TAIL(&m->entries, e, link);
	}
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Processor time of asking for all and of giving all up again, after 31 s without an answer.
static double run(unsigned count)
{
	struct bed bed;
	double began;

	bed_init(&bed, 5, NULL);
	entries_add(bed.a.config, count);
	bed_start(&bed);
	bed.loss = 100;
	began = seconds();
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(ike_initiate(bed.a.ike, bed.a.tunnels->all[i]->flows[0].policy),
				 0);
	assert_int_equal(bed_counters(&bed.a).initiated, count);
	bed_run(&bed, 40000);
	double took = seconds() - began;
	assert_int_equal(bed_ike_count(&bed.a, false), 0);
	assert_int_equal(bed_counters(&bed.a).failed_timeout, count);
	assert_int_equal(bed.a.flushed, count);
	bed_fini(&bed);
	return took;
}

static void test_all_at_once(void **state)
{
	log_set_stderr_level(LOG_L_EMERG);
	double few = run(4000), many = run(16000);

	print_message("4000: %.3f s, 16000: %.3f s\n", few, many);
	assert_true(many < 8 * few + 0.1);
}

// All flows of one peer wait for the same IKE SA.
static void test_flows_of_one_peer(void **state)
{
	struct bed bed;
	struct bed_params p = {.flows = 4};

	bed_init(&bed, 6, &p);
	for (unsigned i = 0; i < 55; i++) {
		char net[32];

		snprintf(net, sizeof(net), "10.200.%u.0/24", i);
		bed_add_ace(bed.a.config, "ACL", "10.1.0.0/16", net);
		bed_add_ace(bed.b.config, "ACL", net, "10.1.0.0/16");
	}
	bed_start(&bed);
	for (uint32_t policy = 1; policy <= 59; policy++)
		assert_int_equal(ike_initiate(bed.a.ike, policy), 0);
	bed_run(&bed, 5000);
	assert_int_equal(bed_counters(&bed.a).initiated, 1);
	assert_int_equal(bed_child_count(&bed.a, true), 59);
	for (uint32_t policy = 1; policy <= 59; policy++)
		assert_true(bed_ping(&bed, &bed.a, &bed.b, policy));
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_flows_of_one_peer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
