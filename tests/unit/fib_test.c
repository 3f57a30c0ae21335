// Forwarding tables at their limit: what does not fit is refused and counted, what is in stays,
// room that gets free is used; and tables made larger than the default.
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fib.h"
#include "rcu.h"

static struct dp_route route4(uint32_t addr, uint8_t len)
{
	return (struct dp_route){.dst = {.addr = addr_from_v4(addr), .len = len},
				 .kind = DP_ROUTE_FORWARD,
				 .port = pbed.out};
}

static struct dp_route route6(uint32_t n)
{
	uint8_t b[16] = {0x20, 0x01, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	return (struct dp_route){.dst = {.addr = addr_from_bytes(6, b), .len = 48},
				 .kind = DP_ROUTE_DROP};
}

static uint64_t lookup4(uint32_t addr)
{
	uint64_t adj;

	fib_lookup4(&addr, &adj, 1);
	return adj;
}

static uint64_t lookup6(uint32_t n)
{
	struct dp_route r = route6(n);
	uint64_t adj;

	fib_lookup6((const uint8_t(*)[16])r.dst.addr.bytes, &adj, 1);
	return adj;
}

static void tables_of(uint32_t max)
{
	struct err err = {0};

	fib_fini();
	if (fib_init(&(struct fib_params){.routes_max = max}, &err))
		fail_msg("%s", err.msg);
}

static void a_full_table_refuses_and_stays_whole(void **state)
{
	const uint32_t net = 20u << 24;
	struct err err = {0};
	uint32_t n = 0, fit;

	(void)state;
	tables_of(1024);
	for (;; n++) {
		struct dp_route r = route4(net + (n << 8), 24);

		if (fib_set(&r, &err))
			break;
		assert_true(n < 10000);
	}
	fit = n;
	assert_true(fit >= 1024);
	assert_non_null(strstr(err.msg, "dataplane routes"));
	assert_int_equal(fib_refused(), 1);
	assert_int_equal(fib_routes(), fit);
	for (uint32_t i = 0; i < 1000; i++) {
		struct dp_route r = route4((21u << 24) + (i << 8), 24);

		assert_true(fib_set(&r, &err) < 0);
	}
	assert_int_equal(fib_refused(), 1001);
	for (uint32_t i = 0; i < fit; i++)
		assert_true(lookup4(net + (i << 8) + 9) >= ADJ_FIRST);
	assert_int_equal(lookup4(21u << 24), ADJ_NONE);
	// a change of one that is in, and the default route, need no place
	struct dp_route change = route4(net, 24), all = route4(0, 0);
	change.kind = DP_ROUTE_DROP;
	assert_int_equal(fib_set(&change, &err), 0);
	assert_int_equal(lookup4(net + 1), ADJ_DROP);
	assert_int_equal(fib_set(&all, &err), 0);
	assert_true(lookup4(21u << 24) >= ADJ_FIRST);
	// room that gets free is used
	for (uint32_t i = 1; i < 5; i++) {
		struct dp_route r = route4(net + (i << 8), 24);

		assert_int_equal(fib_del(&r.dst), 0);
	}
	struct dp_route r = route4(22u << 24, 24);
	r.kind = DP_ROUTE_DROP;
	assert_int_equal(fib_set(&r, &err), 0);
	assert_int_equal(lookup4((22u << 24) + 200), ADJ_DROP);
}

static void tables_larger_than_the_default(void **state)
{
	const uint32_t n = FIB_ROUTES_DEFAULT * 5 / 4;
	struct err err = {0};

	(void)state;
	assert_int_equal(fib_memory_mb(FIB_ROUTES_DEFAULT), 0);
	assert_int_equal(fib_memory_mb(0), 0);
	assert_in_range(fib_memory_mb(DP_ROUTE_MAX), 1200, 1600);
	tables_of(n);
	for (uint32_t i = 0; i < n; i++) {
		struct dp_route r = route4((30u << 24) + (i << 8), 24), s = route6(i);

		if (fib_set(&r, &err) || (i < n / 4 && fib_set(&s, &err)))
			fail_msg("route %u: %s", i, err.msg);
	}
	assert_int_equal(fib_routes(), n + n / 4);
	assert_int_equal(fib_refused(), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(lookup4((30u << 24) + (i << 8) + 77) >= ADJ_FIRST);
		assert_int_equal(lookup6(i), i < n / 4 ? ADJ_DROP : ADJ_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_table_refuses_and_stays_whole, pbed_setup,
						pbed_teardown),
		cmocka_unit_test_setup_teardown(tables_larger_than_the_default, pbed_setup,
						pbed_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
