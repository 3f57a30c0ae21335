// Loss, repetition, reordering; strangers; floods. The seeds make every run the same.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike_bed.h"
#include "ikev1/msg.h"
#include "log.h"

static void tunnel_up(struct bed *bed)
{
	assert_int_equal(ike_initiate(bed->a.ike, 1), 0);
	assert_true(bed_until(bed, 5000, bed_both_up));
	bed->lost = 0;
}

static unsigned schedules = 1000, first_seed = 1;

// A thousand schedules of loss, repetition, reordering, NAT, PFS, both ends starting or not.
static void test_random_schedules(void **state)
{
	for (uint64_t seed = first_seed; seed < first_seed + schedules; seed++) {
		struct bed_params p = {.pfs = seed & 1, .natt_a = seed % 5 == 0};
		struct bed bed;
		bool up = false;

		bed_init(&bed, seed, &p);
		bed.loss = (unsigned)(seed % 4) * 10;
		bed.dup = (unsigned)(seed % 3) * 20;
		bed.reorder = (unsigned)(seed % 2) * 30;
		bed_start(&bed);
		for (int attempt = 0; attempt < 30 && !up; attempt++) {
			ike_initiate(bed.a.ike, 1);
			if (seed % 7 == 0)
				ike_initiate(bed.b.ike, 1);
			up = bed_until(&bed, 10000, bed_both_up);
			bed_ping(&bed, &bed.a, &bed.b, 1);  // traffic shows a half pair
			bed_ping(&bed, &bed.b, &bed.a, 1);
		}
		if (!up)
			print_message("seed %llu\n", (unsigned long long)seed);
		assert_true(up);
		// The net gets well: one IKE SA and one child SA remain, the same at both ends.
		bed.loss = bed.dup = bed.reorder = 0;
		bed_run(&bed, 130000);
		assert_true(bed_both_up(&bed));
		assert_int_equal(bed_child_count(&bed.a, true), 1);
		assert_int_equal(bed_child_count(&bed.b, true), 1);
		assert_int_equal(bed_counters(&bed.a).half_open, 0);
		assert_int_equal(bed_counters(&bed.b).half_open, 0);
		bed_fini(&bed);
	}
}

// Every datagram twice: no second SA, no second reply to what was answered but by repetition.
static void test_duplicates(void **state)
{
	struct bed bed;
	struct bed_params p = {.pfs = true};

	bed_init(&bed, 2, &p);
	bed.dup = 100;
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 10000);
	assert_int_equal(bed.a.child_up, 1);
	assert_int_equal(bed.b.child_up, 1);
	assert_int_equal(bed_ike_count(&bed.b, false), 1);
	assert_int_equal(bed.a.sent, 5);  // the initiator repeats by time alone
	assert_true(bed.b.sent <= 8);
	bed_fini(&bed);
}

static unsigned tap_drop;  // bit n: the n-th datagram is lost
static unsigned tap_count;

static bool tap_selected(struct bed *bed, struct bed_packet *p)
{
	return !(tap_drop >> tap_count++ & 1);
}

// Each single message lost once, and each pair: always up within the repetitions' time.
static void test_each_message_lost(void **state)
{
	for (unsigned i = 0; i < 9; i++)
		for (unsigned k = i; k < 9; k++) {
			struct bed bed;

			bed_init(&bed, 3, NULL);
			bed.tap = tap_selected;
			tap_drop = 1u << i | 1u << k;
			tap_count = 0;
			bed_start(&bed);
			assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
			assert_true(bed_until(&bed, 15000, bed_both_up));
			assert_int_equal(bed.a.up, 1);
			bed_fini(&bed);
		}
}

static bool tap_no_answer(struct bed *bed, struct bed_packet *p)
{
	return p->to == &bed->b;
}

// Answers do not arrive (or the source was forged): the responder sends one for each request and
// never one by itself.
static void test_no_amplification(void **state)
{
	struct bed bed;

	bed_init(&bed, 4, NULL);
	bed.tap = tap_no_answer;
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	bed_run(&bed, 60000);
	assert_true(bed.b.received >= 6);  // message 1 and its repetitions
	assert_true(bed.b.sent <= bed.b.received);
	assert_true(bed.b.sent_bytes <= bed.b.received_bytes);
	assert_int_equal(bed_counters(&bed.b).half_open, 0);
	bed_fini(&bed);
}

// What a genuine message 1 looks like.
static uint8_t first[2048];
static size_t first_len;

static bool tap_record(struct bed *bed, struct bed_packet *p)
{
	if (p->to == &bed->b && first_len == 0) {
		memcpy(first, p->bytes, p->len);
		first_len = p->len;
	}
	return true;
}

static void first_get(struct bed *bed)
{
	first_len = 0;
	bed->tap = tap_record;
	tunnel_up(bed);
	bed->tap = NULL;
	assert_int_not_equal(first_len, 0);
}

static void cookie_set(uint64_t v)
{
	memcpy(first, &v, 8);
}

// From many sources, and from one: bounded state, and real peers still get in afterwards.
static void test_half_open_flood(void **state)
{
	struct bed bed;
	struct dp_udp meta = {.local_port = 500, .remote_port = 500};

	bed_init(&bed, 5, NULL);
	bed_add_key(bed.b.config, "wild", "0.0.0.0/0");
	bed.b.config->isakmp.half_open_limit = 200;
	bed_start(&bed);
	first_get(&bed);
	meta.local = bed.b.addr;
	for (uint32_t i = 1; i <= 5000; i++) {
		meta.remote = addr_from_v4(0x0b000000 + i % 50);
		cookie_set(i);
		bed_inject(&bed.b, &meta, first, first_len);
		assert_true(bed_counters(&bed.b).half_open <= 200);
	}
	assert_true(bed_counters(&bed.b).half_open_limit > 0);
	assert_true(bed.b.sent_bytes <= bed.b.received_bytes + 2000);
	assert_true(bed_both_up(&bed));  // what is up stays up
	bed_run(&bed, 31000);
	assert_int_equal(bed_counters(&bed.b).half_open, 0);
	meta.remote = addr_from_v4(0x0b000001);
	for (uint64_t i = 10001; i <= 10300; i++) {
		cookie_set(i);
		bed_inject(&bed.b, &meta, first, first_len);
	}
	assert_int_equal(bed_counters(&bed.b).half_open, 64);  // of one source
	bed_fini(&bed);
}

// The very same message 1 again and again: one state, one answer each.
static void test_same_first_message(void **state)
{
	struct bed bed;
	struct dp_udp meta = {.local_port = 500, .remote_port = 500};
	unsigned sent;

	bed_init(&bed, 6, NULL);
	bed_start(&bed);
	first_get(&bed);
	meta.local = bed.b.addr;
	meta.remote = bed.a.addr;
	cookie_set(99);
	sent = bed.b.sent;
	for (int i = 0; i < 100; i++)
		bed_inject(&bed.b, &meta, first, first_len);
	assert_int_equal(bed_counters(&bed.b).half_open, 1);
	assert_int_equal(bed.b.sent, sent + 100);
	bed_fini(&bed);
}

// A stranger without a key configured gets no answer at all.
static void test_stranger(void **state)
{
	struct bed bed;
	struct dp_udp meta = {.local_port = 500, .remote_port = 500};
	unsigned sent;

	bed_init(&bed, 7, NULL);
	bed_start(&bed);
	first_get(&bed);
	meta.local = bed.b.addr;
	meta.remote = addr_from_v4(0x0b000001);
	cookie_set(99);
	sent = bed.b.sent;
	bed_inject(&bed.b, &meta, first, first_len);
	assert_int_equal(bed.b.sent, sent);
	assert_int_equal(bed_ike_count(&bed.b, false), 1);
	bed_fini(&bed);
}

static void build_clear(struct ikev1_build *b, uint8_t *mem, size_t cap,
			const struct ike_sa_info *sa, uint32_t id)
{
	struct ikev1_hdr h = {.icookie = sa->icookie,
			      .rcookie = sa->rcookie,
			      .exchange = ISAKMP_XCHG_INFORMATIONAL,
			      .message_id = id};

	ikev1_build_init(b, mem, cap, &h);
}

// Delete, INITIAL-CONTACT, R-U-THERE and errors in clear: counted, without effect or answer.
static void test_unauthenticated(void **state)
{
	static const uint16_t types[] = {ISAKMP_N_INITIAL_CONTACT, ISAKMP_N_R_U_THERE,
					 ISAKMP_N_NO_PROPOSAL_CHOSEN};
	struct bed bed;
	struct dp_udp meta = {.local_port = 500, .remote_port = 500};
	struct ike_sa_info sa = {0};
	struct ike_child_info c = {0};
	struct ikev1_build b;
	uint8_t mem[512];
	size_t len;
	unsigned sent;

	bed_init(&bed, 8, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	assert_true(ike_sa_next(bed.b.ike, 0, &sa));
	assert_true(ike_child_next(bed.b.ike, 0, &c));
	meta.local = bed.b.addr;
	meta.remote = bed.a.addr;
	sent = bed.b.sent;
	for (unsigned i = 0; i < 5; i++) {
		build_clear(&b, mem, sizeof(mem), &sa, i);
		if (i < 3)
			ikev1_build_notify(&b, PROTO_ISAKMP, types[i], NULL, 0, NULL, 0);
		else if (i == 3)
			ikev1_build_delete_isakmp(&b, sa.icookie, sa.rcookie);
		else
			ikev1_build_delete_esp(&b, &c.spi_out, 1);
		assert_int_equal(ikev1_build_finish(&b, &len), 0);
		bed_inject(&bed.b, &meta, mem, len);
	}
	assert_int_equal(bed_counters(&bed.b).rx_bad_auth, 5);
	assert_int_equal(bed.b.sent, sent);
	assert_true(bed_both_up(&bed));
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	bed_fini(&bed);
}

#define RECORDS 64
static struct record {
	struct dp_udp meta;
	size_t len;
	uint8_t bytes[1024];
	bool to_b;
} records[RECORDS];
static unsigned record_count;

static bool tap_keep(struct bed *bed, struct bed_packet *p)
{
	if (record_count < RECORDS && p->len <= sizeof(records[0].bytes)) {
		struct record *r = &records[record_count++];

		r->meta = p->meta;
		r->len = p->len;
		r->to_b = p->to == &bed->b;
		memcpy(r->bytes, p->bytes, p->len);
	}
	return true;
}

// Everything that was ever sent, again, later: nothing comes up, nothing goes down.
static void test_replay(void **state)
{
	struct bed bed;
	struct bed_params p = {.keepalive_s = 10, .keepalive_periodic = true};
	unsigned up_a, up_b;

	bed_init(&bed, 9, &p);
	record_count = 0;
	bed.tap = tap_keep;
	bed_start(&bed);
	tunnel_up(&bed);
	bed_run(&bed, 60000);
	bed.tap = NULL;
	up_a = bed.a.child_up;
	up_b = bed.b.child_up;
	for (int round = 0; round < 3; round++) {
		unsigned sent = bed.b.sent;

		for (unsigned i = 0; i < record_count; i++)
			bed_inject(records[i].to_b ? &bed.b : &bed.a, &records[i].meta,
				   records[i].bytes, records[i].len);
		assert_true(bed.b.sent <= sent + 1);  // message 6 for message 5, nothing else
		bed_run(&bed, 40000);
		assert_true(bed_both_up(&bed));
	}
	assert_int_equal(bed.a.child_up, up_a);
	assert_int_equal(bed.b.child_up, up_b);
	assert_int_equal(bed_child_count(&bed.a, false), 1);
	assert_int_equal(bed_ike_count(&bed.b, true), 1);
	bed_fini(&bed);
}

static unsigned flip_at;

static bool tap_flip(struct bed *bed, struct bed_packet *p)
{
	// The genuine message follows a forged copy with one changed byte.
	uint8_t forged[2048];

	assert_true(p->len <= sizeof(forged));
	memcpy(forged, p->bytes, p->len);
	forged[bed_random(bed, (uint32_t)p->len)] ^= (uint8_t)(1 + bed_random(bed, 255));
	bed_inject(p->to, &p->meta, forged, p->len);
	flip_at++;
	return true;
}

// A forged copy before every genuine message: phase 1 in clear can be disturbed (RFC 2409 has no
// defence), what is encrypted cannot; it recovers in any case and nothing leaks.
static void test_forged_copies(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct bed_params p = {.pfs = seed & 1};
		struct bed bed;

		bed_init(&bed, seed, &p);
		bed_start(&bed);
		tunnel_up(&bed);
		bed.tap = tap_flip;
		// All of phase 2 under forgery: rekeying works at once.
		for (int i = 0; i < 3; i++) {
			struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = bed.a.bound[1]};

			ike_event(bed.a.ike, &ev);
			bed_run(&bed, 15000);
		}
		assert_int_equal(bed.a.child_up, 4);
		assert_true(bed_both_up(&bed));
		ike_clear_session(bed.a.ike, NULL);
		bed_run(&bed, 5000);
		for (int i = 0; i < 10; i++) {
			ike_initiate(bed.a.ike, 1);
			bed_run(&bed, 35000);
		}
		bed.tap = NULL;
		bed_ping_always(&bed, 70000, 1000);  // traffic asks again and again
		if (!bed_both_up(&bed))
			print_message("seed %llu\n", (unsigned long long)seed);
		assert_true(bed_both_up(&bed));
		bed_fini(&bed);
	}
}

// Somebody on the way changes the offer of message 1 (here its lifetime: 86400 s to 80 s). Both
// ends have the same keys, but the proofs cover what each of them saw.
static bool tap_downgrade(struct bed *bed, struct bed_packet *p)
{
	static const uint8_t life[] = {0x00, 0x01, 0x51, 0x80};
	uint8_t *at = memmem(p->bytes, p->len, life, sizeof(life));

	if (p->to == &bed->b && at)
		memset(at, 0, 3);
	return true;
}

static void test_changed_offer(void **state)
{
	struct bed bed;

	bed_init(&bed, 12, NULL);
	bed.tap = tap_downgrade;
	bed_start(&bed);
	assert_int_equal(ike_initiate(bed.a.ike, 1), 0);
	assert_false(bed_until(&bed, 40000, bed_both_up));
	assert_true(bed_counters(&bed.b).failed_auth > 0);
	assert_int_equal(bed_counters(&bed.b).established, 0);
	bed_fini(&bed);
}

// More phase 2 exchanges than are kept: the rest waits for its turn, nothing grows.
static void test_notify_flood(void **state)
{
	struct bed bed;

	bed_init(&bed, 11, NULL);
	bed_start(&bed);
	tunnel_up(&bed);
	for (int i = 0; i < 2000; i++) {
		struct dp_event ev = {.type = DP_EVENT_UNKNOWN_SPI,
				      .spi = 1000u + (unsigned)i,
				      .local = bed.a.addr,
				      .remote = bed.b.addr};

		bed.now_ms += 1000;
		ike_event(bed.a.ike, &ev);
		bed_run(&bed, 1);
	}
	bed_run(&bed, 100);
	assert_true(bed_both_up(&bed));
	assert_int_equal(bed.b.received, bed.a.sent);
	bed_fini(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_schedules),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_each_message_lost),
		cmocka_unit_test(test_no_amplification),
		cmocka_unit_test(test_half_open_flood),
		cmocka_unit_test(test_same_first_message),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_unauthenticated),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_forged_copies),
		cmocka_unit_test(test_changed_offer),
		cmocka_unit_test(test_notify_flood),
	};

	const char *count = getenv("IKE_SCHEDULES"), *seed = getenv("IKE_SEED");

	// Fewer when somebody waits: IKE_SCHEDULES=50.
	if (count)
		schedules = (unsigned)atoi(count);
	log_set_stderr_level(LOG_L_ERR);
	if (seed) {  // start at this one, with everything said
		first_seed = (unsigned)atoi(seed);
		log_set_stderr_level(LOG_L_DEBUG);
		log_debug_set(DEBUG_ISAKMP, true);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
