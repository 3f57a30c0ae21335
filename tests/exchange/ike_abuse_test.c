// Abuse that must not hurt the tunnels that are there: floods under a good peer's address, modes
// that are not spoken, peers that know their key and ask for ever more (security table, rows 3,
// 11, 18, 19).

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ike_bed.h"
#include "ikev1/msg.h"
#include "log.h"

static uint8_t first[2048];  // a genuine message 1
static size_t first_len;

static bool tap_record(struct bed *bed, struct bed_packet *p)
{
	if (p->to == &bed->b && first_len == 0 && p->len <= sizeof(first)) {
		memcpy(first, p->bytes, p->len);
		first_len = p->len;
	}
	return true;
}

static void tunnel_up(struct bed *bed)
{
	first_len = 0;
	bed->tap = tap_record;
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, bed_both_up));
	assert_int_not_equal(first_len, 0);
	bed->tap = NULL;
	bed->lost = 0;
}

static struct dp_udp from_to(const struct bed_end *from, const struct bed_end *to)
{
	return (struct dp_udp){
		.local = to->addr, .remote = from->addr, .local_port = 500, .remote_port = 500};
}

// Message 1 under the good peer's address, each with another cookie.
static void forge(struct bed_end *from, struct bed_end *to, unsigned n)
{
	static uint64_t cookie = 1000;
	struct dp_udp meta = from_to(from, to);

	for (; n > 0; n--) {
		cookie++;
		memcpy(first, &cookie, 8);
		bed_inject(to, &meta, first, first_len);
	}
}

// Row 18: 10,000 forged messages at each end, under the other's address, while both phases are
// rekeyed under traffic several times.
static void test_forged_flood_and_rekey(void **state)
{
	struct bed bed;
	struct bed_params p = {.ike_life_s = 300, .child_life_s = 120};

	bed_init(&bed, 1, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	for (unsigned i = 0; i < 10000; i++) {
		forge(&bed.a, &bed.b, 1);
		forge(&bed.b, &bed.a, 1);
		bed_ping_always(&bed, 100, 50);
		assert_true(bed_counters(&bed.b).half_open <= 65);
	}
	assert_int_equal(bed.lost, 0);
	assert_in_range(bed_counters(&bed.a).established, 3, 8);
	assert_true(bed.a.child_up >= 8);
	assert_true(bed_counters(&bed.b).half_open_limit > 5000);
	forge(&bed.a, &bed.b, 10000);  // all at once
	bed_ping_always(&bed, 40000, 50);
	assert_int_equal(bed.lost, 0);
	assert_int_equal(bed_counters(&bed.b).half_open, 0);
	bed_fini(&bed);
}

// Row 18: the peer comes back after a restart while somebody sends 200 messages a second in its
// name.
static void test_forged_flood_and_restart(void **state)
{
	struct bed bed;
	unsigned i;

	bed_init(&bed, 2, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	forge(&bed.a, &bed.b, 500);
	bed_reboot(&bed.a);
	for (i = 0; i < 31 * 200; i++) {
		forge(&bed.a, &bed.b, 1);
		if (i % 200 == 0)
			bed_ping(&bed, &bed.a, &bed.b, 1);
		bed_run(&bed, 5);
		if (bed.a.bound[1] && bed_ping(&bed, &bed.a, &bed.b, 1))
			break;
	}
	assert_true(i < 31 * 200);
	bed_fini(&bed);
}

static bool tap_no_fragmentation(struct bed *bed, struct bed_packet *p)
{
	static const uint8_t id[] = {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85,
				     0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3};

	assert_null(memmem(p->bytes, p->len, id, sizeof(id)));
	return true;
}

// Row 3: IKEv1 fragments are never announced; those that come are counted, nothing else.
static void test_fragments(void **state)
{
	struct bed bed;
	struct ike_sa_info sa = {0};
	uint8_t mem[64] = {0};
	struct dp_udp meta;
	unsigned sent;

	bed_init(&bed, 3, NULL);
	bed.tap = tap_no_fragmentation;
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_true(bed_until(&bed, 5000, bed_both_up));
	assert_true(ike_sa_next(bed.b.ike, 0, &sa));
	sent = bed.b.sent;
	meta = from_to(&bed.a, &bed.b);
	for (int known = 0; known < 2; known++) {
		struct ikev1_hdr h = {.icookie = known ? sa.icookie : 77,
				      .rcookie = known ? sa.rcookie : 0,
				      .exchange = ISAKMP_XCHG_IDENTITY_PROTECTION};
		static const uint8_t body[] = {0, 1, 1, 1, 'x', 'y'};
		struct ikev1_build b;
		size_t len;

		ikev1_build_init(&b, mem, sizeof(mem), &h);
		ikev1_build_payload(&b, ISAKMP_PAYLOAD_FRAGMENT, body, sizeof(body));
		assert_int_equal(ikev1_build_finish(&b, &len), 0);
		for (int i = 0; i < 100; i++)
			bed_inject(&bed.b, &meta, mem, len);
	}
	assert_int_equal(bed_counters(&bed.b).rx_fragment, 200);
	assert_int_equal(bed_counters(&bed.b).half_open, 0);
	assert_int_equal(bed.b.sent, sent);
	assert_true(bed_both_up(&bed));
	bed_fini(&bed);
}

// Row 11: aggressive mode gets no answer and makes no state; the cookie stays good for main mode.
// Row 6: neither does a message of the other IKE version.
static void test_other_modes(void **state)
{
	struct bed bed;
	struct dp_udp meta;
	unsigned sent;

	bed_init(&bed, 4, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 40000);
	meta = from_to(&bed.a, &bed.b);
	sent = bed.b.sent;
	first[0] ^= 0x55;
	first[18] = ISAKMP_XCHG_AGGRESSIVE;
	for (int i = 0; i < 100; i++)
		bed_inject(&bed.b, &meta, first, first_len);
	assert_int_equal(bed_counters(&bed.b).rx_aggressive, 100);
	first[17] = 0x20;
	bed_inject(&bed.b, &meta, first, first_len);
	assert_int_equal(bed_counters(&bed.b).rx_version, 1);
	assert_int_equal(bed.b.sent, sent);
	assert_int_equal(bed_counters(&bed.b).half_open, 0);
	first[17] = 0x10;
	first[18] = ISAKMP_XCHG_IDENTITY_PROTECTION;
	bed_inject(&bed.b, &meta, first, first_len);
	assert_int_equal(bed.b.sent, sent + 1);
	assert_int_equal(bed_counters(&bed.b).half_open, 1);
	bed_fini(&bed);
}

// Informational messages (deletes among them) of a never arrive.
static bool tap_no_delete(struct bed *bed, struct bed_packet *p)
{
	return p->to != &bed->b || p->bytes[18] != ISAKMP_XCHG_INFORMATIONAL;
}

static void soft_expire(struct bed_end *e)
{
	struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = e->bound[1]};

	assert_int_not_equal(ev.sa, 0);
	ike_event(e->ike, &ev);
}

// Row 19: a peer that rekeys ten times a second and never deletes holds a bounded number of SAs;
// more exchanges than are kept for repetitions do not stop it either.
static void test_endless_rekeys(void **state)
{
	struct bed bed;

	bed_init(&bed, 5, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 2000);
	bed.tap = tap_no_delete;
	for (int i = 0; i < 300; i++) {
		soft_expire(&bed.a);
		bed_run(&bed, 100);
		assert_true(bed_child_count(&bed.b, false) <= 64);
	}
	bed_run(&bed, 3000);
	assert_true(bed.b.child_up > 200);
	assert_true(bed_both_up(&bed));
	bed_run(&bed, 130000);
	assert_int_equal(bed_child_count(&bed.b, false), 1);
	bed_fini(&bed);
}

// Row 19: ever new IKE SAs under ever new names, each with the right key.
static void test_endless_names(void **state)
{
	struct bed bed;
	char name[24];

	bed_init(&bed, 6, NULL);
	bed.a.config->isakmp.identity_hostname = true;
	bed.a.config->hostname = name;
	snprintf(name, sizeof(name), "spoke");
	bed_start(&bed);
	tunnel_up(&bed);
	bed.tap = tap_no_delete;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "spoke%d", i);
		ike_clear_session(bed.a.ike, NULL);
		assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
		assert_true(bed_until(&bed, 5000, bed_both_up));
		assert_true(bed_ike_count(&bed.b, false) <= 129);
	}
	bed.a.config->hostname = NULL;
	bed_fini(&bed);
}

// The peer deletes the replaced pair the moment it has the new one: no waiting for the settle time.
static void test_replaced_deleted_at_once(void **state)
{
	struct bed bed;
	struct dp_event ev = {.type = DP_EVENT_HARD_EXPIRE};

	bed_init(&bed, 7, NULL);
	bed.delay_ms = 300;
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 5000);
	ev.sa = bed.b.bound[1];
	soft_expire(&bed.a);
	while (bed.b.child_up < 2)
		bed_run(&bed, 1);
	ike_event(bed.b.ike, &ev);
	bed_run(&bed, 310);
	assert_int_equal(bed.a.child_down, 1);
	assert_true(bed_ping(&bed, &bed.a, &bed.b, 1));
	assert_true(bed_ping(&bed, &bed.b, &bed.a, 1));
	bed_fini(&bed);
}

// Somebody commits every few seconds: the dead peer is found all the same.
static void test_commits_and_dead_peer(void **state)
{
	struct bed bed;
	struct bed_params p = {.keepalive_s = 10, .keepalive_periodic = true};

	bed_init(&bed, 8, &p);
	bed_start(&bed);
	tunnel_up(&bed);
	bed.b.dead = true;
	for (int i = 0; i < 20; i++) {
		bed_run(&bed, 3000);
		bed_reconfigure(&bed.a);
	}
	assert_int_equal(bed_counters(&bed.a).dpd_dead, 1);
	assert_int_equal(bed.a.bound[1], 0);
	bed_fini(&bed);
}

// Among a thousand keys the peer's own counts; without it that of the longest prefix.
static void test_many_keys(void **state)
{
	for (int own = 0; own < 2; own++) {
		struct bed bed;
		char prefix[32];

		bed_init(&bed, 9, NULL);
		if (!own) {
			TAILQ_INIT(&bed.b.config->isakmp_keys);
			bed_add_key(bed.b.config, "tuttifrutti", "192.0.2.0/28");
		}
		bed_add_key(bed.b.config, "wrong", "0.0.0.0/0");
		bed_add_key(bed.b.config, "wrong", "192.0.2.0/24");
		for (int i = 0; i < 1000; i++) {
			snprintf(prefix, sizeof(prefix), "10.9.%d.%d/32", i / 250, i % 250);
			bed_add_key(bed.b.config, "other", prefix);
		}
		bed_start(&bed);
		tunnel_up(&bed);
		bed_reconfigure(&bed.b);
		assert_true(bed_both_up(&bed));
		bed_fini(&bed);
	}
}

// Row 19: tunnels come and go, forged messages and refused peers in between; memory does not grow.
static void test_churn(void **state)
{
	struct bed bed;
	size_t in_use[2] = {0};

	bed_init(&bed, 10, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	for (unsigned i = 0; i < 1500; i++) {
		ike_clear_session(i % 2 ? bed.a.ike : bed.b.ike, NULL);
		bed_run(&bed, 50);
		forge(&bed.a, &bed.b, 3);
		assert_int_equal(ike_initiate(i % 3 ? bed.a.ike : bed.b.ike, 1), 0);
		assert_true(bed_until(&bed, 5000, bed_both_up));
		if (i % 4 == 0)
			soft_expire(&bed.a);
		bed_run(&bed, 500);
		if (i != 499 && i != 1499)
			continue;
		ike_clear_session(bed.a.ike, NULL);
		ike_clear_session(bed.b.ike, NULL);
		bed_run(&bed, 200000);
		assert_int_equal(bed_ike_count(&bed.b, false), 0);
		in_use[i > 500] = mallinfo2().uordblks;
	}
	assert_true(in_use[1] <= in_use[0] + 4096);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged_flood_and_rekey),
		cmocka_unit_test(test_forged_flood_and_restart),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_other_modes),
		cmocka_unit_test(test_endless_rekeys),
		cmocka_unit_test(test_endless_names),
		cmocka_unit_test(test_replaced_deleted_at_once),
		cmocka_unit_test(test_commits_and_dead_peer),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_churn),
	};

	log_set_stderr_level(LOG_L_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
