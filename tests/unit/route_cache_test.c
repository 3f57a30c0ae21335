// The ways that a worker remembers by destination: the next packet after any change of a route
// goes by the new one; what does not find a place is asked for; old numbers never count again.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "fib.h"
#include "rcu.h"
#include "route_cache.h"

static void route_set(const char *dst, enum dp_route_kind kind, uint32_t port, const char *via)
{
	struct dp_route r = {.kind = kind, .port = port};
	struct err err = {0};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	assert_int_equal(via ? addr_parse(via, &r.gateway) : 0, 0);
	assert_int_equal(fib_set(&r, &err), 0);
}

static void route_del(const char *dst)
{
	struct ip_prefix p;

	assert_int_equal(prefix_parse(dst, &p), 0);
	assert_int_equal(fib_del(&p), 0);
	rcu_poll();
}

static void send(const char *dst)
{
	pbed_reset();
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = dst, .payload = 20});
}

static uint64_t asked(void)
{
	return pbed.w[0]->stage[STAGE_ROUTE].packets;
}

static void the_tables_are_asked_once(void **state)
{
	uint64_t before = asked();

	(void)state;
	for (int i = 0; i < 5; i++) {
		send("10.9.1.1");
		assert_int_equal(pbed_sent_count(pbed.out), 1);
	}
	assert_int_equal(asked() - before, 1);
	before = asked();
	for (int i = 0; i < 5; i++)
		send("10.0.2.1");  // our own address is remembered too
	assert_int_equal(asked() - before, 1);
	before = asked();
	for (int i = 0; i < 5; i++) {
		send("10.8.0.1");  // what is refused is not
		assert_int_equal(pbed_drop(DROP_IP_BLACKHOLE), 1);
	}
	assert_int_equal(asked() - before, 5);
}

static void a_change_shows_with_the_next_packet(void **state)
{
	(void)state;
	send("10.9.3.1");
	assert_int_equal(pbed_sent_count(pbed.out), 1);
	route_set("10.9.3.0/24", DP_ROUTE_FORWARD, pbed.in, "10.0.1.2");
	send("10.9.3.1");
	assert_int_equal(pbed_sent_count(pbed.in), 1);
	route_set("10.9.3.0/24", DP_ROUTE_DROP, 0, NULL);
	send("10.9.3.1");
	assert_int_equal(pbed_drop(DROP_IP_BLACKHOLE), 1);
	route_set("10.9.3.1/32", DP_ROUTE_LOCAL, pbed.out, NULL);
	send("10.9.3.1");
	struct rte_mbuf *m = pbed_punted(PUNT_HOST);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	route_del("10.9.3.1/32");
	route_del("10.9.3.0/24");
	send("10.9.3.1");
	assert_int_equal(pbed_sent_count(pbed.out), 1);
	pbed_reset();
}

// Far more destinations than there are places: each goes its own way all the same.
static void many_destinations(void **state)
{
	(void)state;
	route_set("10.9.64.0/18", DP_ROUTE_FORWARD, pbed.in, "10.0.1.2");
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 3u << ROUTE_CACHE_BITS; i++) {
			char dst[32];

			snprintf(dst, sizeof(dst), "10.9.%u.%u", i / 4 / 32, i % 128 + 1);
			send(dst);
			assert_int_equal(pbed_sent_count(i / 4 / 32 >= 64 ? pbed.in : pbed.out), 1);
		}
	route_del("10.9.64.0/18");
	pbed_reset();
}

static void old_numbers_never_count(void **state)
{
	struct route_cache *c = route_cache_create(0);
	uint32_t a = 0x0101090a, b = 0x0201090a;

	(void)state;
	assert_non_null(c);
	uint64_t epoch = route_cache_epoch(c);
	assert_int_equal(route_cache_get(c, epoch, 0), ADJ_NONE);
	assert_int_equal(route_cache_get(c, epoch, a), ADJ_NONE);
	route_cache_put(c, epoch, a, 0x7fff);
	route_cache_put(c, epoch, b, ADJ_LOCAL);
	assert_int_equal(route_cache_get(c, epoch, a), 0x7fff);
	assert_int_equal(route_cache_get(c, epoch, b), ADJ_LOCAL);
	for (uint32_t i = 1; i < 3 * 65536; i++) {  // twice around and more
		route_cache_renew(c, i);
		assert_int_not_equal(c->epoch, 0);
		assert_int_equal(route_cache_get(c, (uint64_t)c->epoch << 32, a), ADJ_NONE);
		assert_int_equal(route_cache_get(c, (uint64_t)c->epoch << 32, b), ADJ_NONE);
		if (i % 1000 == 0)
			route_cache_put(c, (uint64_t)c->epoch << 32, 0x12345678, 9);
	}
	route_cache_destroy(c);
}

// A full set gives up its older entry.
static void two_to_a_set(void **state)
{
	struct route_cache *c = route_cache_create(0);
	uint32_t dst[3], n = 0;

	(void)state;
	uint64_t epoch = route_cache_epoch(c);
	for (uint32_t a = 1; n < 3; a++)
		if (route_cache_set(c, a) == c->entry[7])
			dst[n++] = a;
	for (uint32_t i = 0; i < 3; i++)
		route_cache_put(c, epoch, dst[i], ADJ_FIRST + i);
	assert_int_equal(route_cache_get(c, epoch, dst[0]), ADJ_NONE);
	assert_int_equal(route_cache_get(c, epoch, dst[1]), ADJ_FIRST + 1);
	assert_int_equal(route_cache_get(c, epoch, dst[2]), ADJ_FIRST + 2);
	route_cache_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_are_asked_once),
		cmocka_unit_test(a_change_shows_with_the_next_packet),
		cmocka_unit_test(many_destinations),
		cmocka_unit_test(old_numbers_never_count),
		cmocka_unit_test(two_to_a_set),
	};

	pbed_start(1);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	pbed_stop();
	return rc;
}
