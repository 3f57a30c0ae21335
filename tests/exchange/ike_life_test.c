// The life of SAs between two engines: rekeying without a lost packet, both ends at once, expiry,
// dead peers, restarts, deletes, configuration changes.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ike_bed.h"

static void tunnel_up(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, bed_both_up));
	bed->lost = 0;
}

static void child_first(const struct bed_end *e, struct ike_child_info *c)
{
	*c = (struct ike_child_info){0};
	assert_true(ike_child_next(e->ike, 0, c));
}

static void soft_expire(struct bed_end *e)
{
	struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = e->bound[1]};

	assert_int_not_equal(ev.sa, 0);
	ike_event(e->ike, &ev);
}

// Ten lifetimes under traffic in both directions.
static void test_child_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.child_life_s = 120, .pfs = true};

	bed_init(&bed, 1, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_ping_always(&bed, 1200 * 1000, 7);
	assert_int_equal(bed.lost, 0);
	assert_in_range(bed.a.child_up, 10, 14);
	assert_in_range(bed_child_count(&bed.a, false), 1, 2);
	assert_int_equal(bed_child_count(&bed.a, true), 1);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	bed_fini(&bed);
}

static void test_child_rekey_by_volume(void **state)
{
	struct bed bed;

	bed_init(&bed, 2, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	soft_expire(&bed.b);
	bed_ping_always(&bed, 90000, 5);
	assert_int_equal(bed.lost, 0);
	assert_int_equal(bed.b.child_up, 2);
	assert_int_equal(bed_child_count(&bed.a, false), 1);  // the old pair went
	assert_int_equal(bed_child_count(&bed.b, false), 1);
	bed_fini(&bed);
}

// a --- QM1 -->  <-- QM1 --- b: two new pairs; both ends keep the same one.
static void test_simultaneous_rekey(void **state)
{
	for (uint64_t seed = 1; seed < 20; seed++) {
		struct bed bed;
		struct ike_child_info a, b;

		bed_init(&bed, seed, NULL);
		bed_start(&bed);
		tunnel_up(&bed);
		bed_ping_always(&bed, 120000, 500);  // not within the window of the first one
		soft_expire(&bed.a);
		bed_run(&bed, seed % 4 * 7);
		soft_expire(&bed.b);
		bed_ping_always(&bed, 2000, 1);
		assert_int_equal(bed_child_count(&bed.a, true), 1);
		assert_int_equal(bed_child_count(&bed.b, true), 1);
		bed_ping_always(&bed, 90000, 50);
		assert_int_equal(bed.lost, 0);
		assert_int_equal(bed_child_count(&bed.a, false), 1);
		assert_int_equal(bed_child_count(&bed.b, false), 1);
		child_first(&bed.a, &a);
		child_first(&bed.b, &b);
		assert_int_equal(a.spi_in, b.spi_out);
		assert_int_equal(a.spi_out, b.spi_in);
		bed_fini(&bed);
	}
}

// The end that answered renews soon after: that is no simultaneous negotiation, whatever the ranks
// of the two pairs say, and both ends turn to the new one.
static void test_early_rekey(void **state)
{
	for (uint64_t seed = 1; seed < 16; seed++) {
		struct bed bed;
		struct ike_child_info a, b;
		uint32_t first;

		bed_init(&bed, seed, NULL);
		bed_start(&bed);
		tunnel_up(&bed);
		bed_ping_always(&bed, (seed - 1) * 1500 + 5, 5);
		child_first(&bed.a, &a);
		first = a.spi_in;
		soft_expire(&bed.b);
		bed_ping_always(&bed, 90000, 20);
		assert_int_equal(bed.lost, 0);
		assert_int_equal(bed_child_count(&bed.a, false), 1);
		assert_int_equal(bed_child_count(&bed.b, false), 1);
		child_first(&bed.a, &a);
		child_first(&bed.b, &b);
		assert_int_not_equal(a.spi_in, first);
		assert_int_equal(a.spi_in, b.spi_out);
		assert_int_equal(a.spi_out, b.spi_in);
		assert_int_equal(bed.a.child_up, 2);
		bed_fini(&bed);
	}
}

// Both ends set up phase 1 and 2 at once.
static void test_simultaneous_start(void **state)
{
	for (uint64_t seed = 1; seed < 20; seed++) {
		struct bed bed;

		bed_init(&bed, seed, NULL);
		bed_start(&bed);
		assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
		bed_run(&bed, seed % 7 * 5);
		ike_initiate(bed.b.ike, 1);
		assert_true(bed_until(&bed, 5000, bed_both_up));
		bed.lost = 0;
		bed_ping_always(&bed, 200000, 100);
		assert_int_equal(bed.lost, 0);
		assert_int_equal(bed_ike_count(&bed.a, true), 1);
		assert_int_equal(bed_ike_count(&bed.b, true), 1);
		assert_int_equal(bed_child_count(&bed.a, true), 1);
		assert_int_equal(bed_child_count(&bed.b, true), 1);
		// What was up then may be on either IKE SA at the peer: it is left its lifetime.
		bed_ping_always(&bed, 3700000, 1000);
		assert_int_equal(bed.lost, 0);
		assert_int_equal(bed_child_count(&bed.a, false), 1);
		assert_int_equal(bed_child_count(&bed.b, false), 1);
		assert_int_equal(bed_ike_count(&bed.a, false), 1);
		assert_int_equal(bed_ike_count(&bed.b, false), 1);
		bed_fini(&bed);
	}
}

static void test_ike_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.ike_life_s = 300};
	struct ike_child_info c;
	struct ike_sa_info sa = {0};

	bed_init(&bed, 4, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	child_first(&bed.a, &c);
	bed_ping_always(&bed, 1500 * 1000, 100);
	assert_int_equal(bed.lost, 0);
	assert_in_range(bed.a.up, 5, 8);
	assert_int_equal(bed.a.child_up, 1);  // the child was handed on, not made anew
	assert_true(ike_sa_next(bed.a.ike, 0, &sa));
	child_first(&bed.a, &c);
	assert_int_not_equal(c.ike_id, 0);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	assert_in_range(bed_ike_count(&bed.a, false), 1, 2);
	bed_fini(&bed);
}

// Behind a NAT the new IKE SA starts on port 4500.
static void test_ike_rekey_natt(void **state)
{
	struct bed bed;
	struct bed_params p = {.ike_life_s = 300, .natt_a = true};

	bed_init(&bed, 5, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_ping_always(&bed, 900 * 1000, 100);
	assert_int_equal(bed.lost, 0);
	assert_true(bed.b.up >= 3);
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	bed_fini(&bed);
}

// Nothing goes over it: it is not renewed, and both ends forget it together.
static void test_idle_expiry(void **state)
{
	struct bed bed;
	struct bed_params p = {.child_life_s = 120, .ike_life_s = 600};

	bed_init(&bed, 6, &p);
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 130 * 1000);
	assert_int_equal(bed.a.child_up, 1);
	assert_int_equal(bed.a.child_down, 1);
	assert_int_equal(bed.b.child_down, 1);
	assert_int_equal(bed.a.bound[1], 0);
	bed_run(&bed, 600 * 1000);
	assert_int_equal(bed_ike_count(&bed.a, false), 0);
	assert_int_equal(bed_ike_count(&bed.b, false), 0);
	bed_fini(&bed);
}

static void dpd_case(bool periodic)
{
	struct bed bed;
	struct bed_params p = {.keepalive_s = 10, .keepalive_periodic = periodic};

	bed_init(&bed, 7, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	// Quiet: periodic asks, on-demand does not; nobody dies.
	bed_run(&bed, 200 * 1000);
	assert_int_equal(bed_counters(&bed.a).dpd_sent > 0, periodic);
	assert_int_equal(bed_counters(&bed.a).dpd_dead, 0);
	assert_int_equal(bed_ike_count(&bed.a, true), 1);
	bed.b.dead = true;
	bed_ping(&bed, &bed.a, &bed.b, 1);  // we send, nothing comes back
	bed.b.sas[0].stats.packets = 0;
	bed_run(&bed, 45 * 1000);
	assert_int_equal(bed_counters(&bed.a).dpd_dead, 1);
	assert_int_equal(bed_child_count(&bed.a, false), 0);
	assert_int_equal(bed_ike_count(&bed.a, false), 0);
	assert_int_equal(bed.a.bound[1], 0);
	assert_string_equal(bed.a.last_reason, "DPD");
	bed_fini(&bed);
}

static void test_dpd(void **state)
{
	dpd_case(true);
	dpd_case(false);
}

// The peer lost everything and comes back: INITIAL-CONTACT removes what is left of it.
static void test_restart(void **state)
{
	struct bed bed;

	bed_init(&bed, 8, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 60 * 1000);
	bed_reboot(&bed.b);
	assert_int_equal(ike_initiate(bed.b.ike, 1), 0);
	assert_true(bed_until(&bed, 5000, bed_both_up));
	assert_int_equal(bed_ike_count(&bed.a, false), 1);
	assert_int_equal(bed_child_count(&bed.a, false), 1);
	bed_fini(&bed);
}

// ESP for an SA that a reboot took away: with invalid-spi-recovery the box makes itself known.
static void test_invalid_spi(void **state)
{
	struct bed bed;
	struct dp_event ev = {.type = DP_EVENT_UNKNOWN_SPI, .spi = 0x12345678};

	bed_init(&bed, 9, NULL);
	bed.b.config->isakmp.invalid_spi_recovery = true;
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 60 * 1000);
	bed_reboot(&bed.b);
	ev.local = bed.b.addr;
	ev.remote = bed.a.addr;
	for (int i = 0; i < 100; i++)
		ike_event(bed.b.ike, &ev);
	bed_run(&bed, 2000);
	assert_int_equal(bed_counters(&bed.b).initiated, 1);
	assert_int_equal(bed_child_count(&bed.a, false), 0);
	// With an IKE SA: a Delete, at most one a second.
	unsigned sent = bed.b.sent;
	for (int i = 0; i < 100; i++)
		ike_event(bed.b.ike, &ev);
	assert_int_equal(bed.b.sent, sent + 1);
	bed_fini(&bed);
}

static void test_clear(void **state)
{
	struct bed bed;

	bed_init(&bed, 10, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_int_equal(ike_clear_sa(bed.a.ike, NULL, "NOT-THIS"), 0);
	assert_int_equal(ike_clear_sa(bed.a.ike, &bed.b.addr, NULL), 1);
	bed_run(&bed, 100);
	assert_int_equal(bed_child_count(&bed.b, false), 0);
	assert_string_equal(bed.b.last_reason, "peer deleted");
	assert_int_equal(ike_initiate(bed.b.ike, 1), 0);
	assert_true(bed_until(&bed, 5000, bed_both_up));
	assert_int_equal(ike_clear_isakmp(bed.a.ike, 0), 1);
	bed_run(&bed, 100);
	assert_int_equal(bed_ike_count(&bed.b, false), 0);
	assert_true(bed_both_up(&bed));  // IPsec SAs outlive it
	assert_int_equal(ike_clear_session(bed.b.ike, NULL), 1);
	bed_fini(&bed);
}

static void test_reconfigure(void **state)
{
	struct bed bed;

	bed_init(&bed, 11, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_reconfigure(&bed.a);
	assert_true(bed_both_up(&bed));  // no change, no effect
	TAILQ_FIRST(&bed.a.config->transform_sets)->auth = ESP_AUTH_SHA512;
	bed_reconfigure(&bed.a);
	bed_run(&bed, 100);
	assert_int_equal(bed_child_count(&bed.a, false), 0);
	assert_int_equal(bed_child_count(&bed.b, false), 0);
	assert_int_equal(bed_ike_count(&bed.a, false), 1);
	TAILQ_FIRST(&bed.a.config->isakmp_keys)->key = "another";
	bed_reconfigure(&bed.a);
	bed_run(&bed, 100);
	assert_int_equal(bed_ike_count(&bed.a, false), 0);
	assert_int_equal(bed_ike_count(&bed.b, false), 0);
	bed_fini(&bed);
}

// Reconfigured to nothing in the middle of every step of the set-up.
static void test_reconfigure_midway(void **state)
{
	for (unsigned ms = 1; ms < 130; ms += 3) {
		struct bed bed;
		struct bed_params p = {.pfs = true};

		bed_init(&bed, ms, &p);
		bed_start(&bed);
		assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
		bed_run(&bed, ms);
		TAILQ_FIRST(&bed.a.config->interfaces)->crypto_map[0] = '\0';
		bed_reconfigure(&bed.a);
		bed_run(&bed, 60000);
		assert_int_equal(bed_ike_count(&bed.a, false), 0);
		assert_int_equal(bed_child_count(&bed.a, false), 0);
		bed_fini(&bed);
	}
}

// Two peers in the list, the first one dead: the second is tried, and remembered.
static void test_peer_list(void **state)
{
	struct bed bed;
	struct crypto_map_entry *e;
	struct map_peer *dead;
	unsigned sent;

	bed_init(&bed, 12, NULL);
	e = TAILQ_FIRST(&TAILQ_FIRST(&bed.a.config->crypto_maps)->entries);
	dead = arena_alloc(bed.a.config->arena, sizeof(*dead));
	addr_parse("198.51.100.66", &dead->addr);
	TAILQ_INSERT_HEAD(&e->peers, dead, link);
	bed_add_key(bed.a.config, "x", "198.51.100.66/32");
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 10000);
	assert_int_equal(bed.a.flushed, 0);  // packets wait for the second peer
	assert_true(bed_until(&bed, 40000, bed_both_up));
	ike_clear_session(bed.a.ike, NULL);
	bed_run(&bed, 1000);
	sent = bed.a.sent;
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_true(bed_until(&bed, 2000, bed_both_up));  // at once with the one that worked
	assert_int_equal(bed.a.sent, sent + 5);
	bed_fini(&bed);
}

// The IKE SA that the peer lost does not stop a new child: a new IKE SA is made.
static void test_stale_ike_sa(void **state)
{
	struct bed bed;

	bed_init(&bed, 13, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 5000);
	bed_reboot(&bed.b);
	ike_clear_sa(bed.a.ike, NULL, NULL);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_true(bed_until(&bed, 60000, bed_both_up));
	assert_int_equal(bed.a.flushed, 0);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_rekey),
		cmocka_unit_test(test_child_rekey_by_volume),
		cmocka_unit_test(test_simultaneous_rekey),
		cmocka_unit_test(test_early_rekey),
		cmocka_unit_test(test_simultaneous_start),
		cmocka_unit_test(test_ike_rekey),
		cmocka_unit_test(test_ike_rekey_natt),
		cmocka_unit_test(test_idle_expiry),
		cmocka_unit_test(test_dpd),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_invalid_spi),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_reconfigure),
		cmocka_unit_test(test_reconfigure_midway),
		cmocka_unit_test(test_peer_list),
		cmocka_unit_test(test_stale_ike_sa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
