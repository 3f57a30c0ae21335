// Stateful switchover of the IKE engine: a peer, a box that works, and one that goes on in its
// place at any moment. The peer must not notice: no renegotiation, the same keys, no number twice.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ike_pair_bed.h"
#include "log.h"

static void up(struct pair *p)
{
	assert_int_equal(ike_initiate(p->active->ike, 1), 0);
	assert_true(pair_up(p, 10000));
}

// What the peer saw of set-ups so far.
static unsigned peer_saw(const struct pair *p)
{
	struct ike_counters n = bed_counters(&p->bed.b);

	return (unsigned)(n.established + n.initiated + n.responded) + p->bed.b.child_up +
	       p->bed.b.child_down + p->bed.b.down;
}

static void soft_expire(struct bed_end *e)
{
	struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = e->bound[1]};

	ike_event(e->ike, &ev);
}

// Ten times in alternation; the tenth as the first. In between both phases are renewed from either
// end, so that every box goes on with what the other made.
static void test_ten_times(void **state)
{
	struct bed_params params = {.pfs = true, .keepalive_s = 10, .keepalive_periodic = true};
	struct pair *p = pair_new(1, &params);

	up(p);
	for (unsigned i = 0; i < 10; i++) {
		struct bed_end *old = p->active;
		unsigned saw = peer_saw(p);

		assert_int_equal(pair_run(p, 500, 5), 0);
		pair_kill(p);
		pair_takeover(p);
		assert_ptr_not_equal(p->active, old);
		assert_int_equal(pair_run(p, 60000, 20), 0);
		uint64_t probes = bed_counters(&p->bed.b).dpd_sent;
		bed_run(&p->bed, 60000);  // without traffic there are questions
		assert_int_equal(peer_saw(p), saw);
		assert_true(bed_counters(p->active).dpd_sent + bed_counters(&p->bed.b).dpd_sent >
			    probes);
		assert_int_equal(
			bed_counters(p->active).dpd_dead + bed_counters(&p->bed.b).dpd_dead, 0);
		pair_join(p);
		assert_int_equal(p->standby->due_ms, UINT64_MAX);  // no timer, no word
		assert_true(p->standby->sas[p->standby->bound[1] - 1].p.next >
			    p->active->sas[p->active->bound[1] - 1].stats.seq);
		assert_int_equal(pair_run(p, 1000, 20), 0);
		soft_expire(i % 2 ? &p->bed.b : p->active);
		assert_int_equal(pair_run(p, 90000, 20), 0);
		assert_true(peer_saw(p) > saw);
		assert_int_equal(bed_child_count(&p->bed.b, false), 1);
		assert_int_equal(bed_child_count(p->active, false), 1);
		assert_int_equal(bed_child_count(p->standby, false), 1);
	}
	pair_free(p);
}

// IKE SAs are renewed by a box that did not make them, by either end, over 30 lifetimes.
static void test_ike_rekeys(void **state)
{
	for (unsigned natt = 0; natt < 3; natt++) {
		struct bed_params params = {
			.ike_life_s = 600, .natt_a = natt == 1, .natt_b = natt == 2};
		struct pair *p = pair_new(2 + natt, &params);

		ike_initiate(natt == 2 ? p->bed.b.ike : p->active->ike, 1);
		assert_true(pair_up(p, 10000));
		for (unsigned i = 0; i < 6; i++) {
			unsigned rekeys = (unsigned)bed_counters(&p->bed.b).established;

			assert_int_equal(pair_run(p, 100000, 50), 0);
			pair_kill(p);
			pair_takeover(p);
			assert_int_equal(pair_run(p, 100000, 50), 0);
			pair_join(p);
			assert_int_equal(pair_run(p, 900000, 50), 0);
			assert_true(bed_counters(&p->bed.b).established > rekeys);
			assert_in_range(bed_ike_count(&p->bed.b, true), 1, 1);
			assert_in_range(bed_ike_count(p->active, true), 1, 1);
			assert_int_equal(bed_ike_count(p->standby, true), 1);
		}
		pair_free(p);
	}
}

// ---- killed at every message -------------------------------------------------------------------
static unsigned kill_at, messages;

static bool kill_tap(struct bed *bed, struct bed_packet *packet)
{
	struct pair *p = pair_of(bed);

	if (++messages != kill_at)
		return true;
	pair_kill(p);
	pair_takeover(p);
	return !packet->to->dead;
}

enum scenario { FROM_BOX, FROM_PEER, REKEY_BOX, REKEY_PEER, IKE_BOX, IKE_PEER, SCENARIOS };

static void scenario_begin(struct pair *p, enum scenario s)
{
	if (s >= REKEY_BOX) {
		up(p);
		assert_int_equal(pair_run(p, 40000, 20), 0);
	}
	messages = 0;
	p->bed.tap = kill_tap;
	switch (s) {
	case FROM_BOX: ike_initiate(p->active->ike, 1); break;
	case FROM_PEER: ike_initiate(p->bed.b.ike, 1); break;
	case REKEY_BOX: soft_expire(p->active); break;
	case REKEY_PEER: soft_expire(&p->bed.b); break;
	default: break;
	}
}

// false: the exchange has fewer messages than `at`.
static bool killed_at(enum scenario s, unsigned at, bool pfs, unsigned slow_ms)
{
	struct bed_params params = {.pfs = pfs,
				    .ike_life_s = s == IKE_BOX || s == IKE_PEER ? 300 : 0,
				    .keepalive_s = 10,
				    .keepalive_periodic = true};
	struct pair *p = pair_new(100 + at, &params);
	unsigned lost;
	bool done;

	kill_at = at;
	scenario_begin(p, s);
	if (s < REKEY_BOX)  // without traffic, else both ends would begin
		bed_run(&p->bed, 40000);
	// Set-ups that were not replicated yet begin again; a renewal loses nothing at all.
	lost = pair_run(p, s >= IKE_BOX ? 290000 : 60000, slow_ms);
	done = messages >= at;
	if (s >= REKEY_BOX && lost)
		fail_msg("scenario %d, killed at message %u, pfs %d: %u packets lost", (int)s, at,
			 pfs, lost);
	assert_true(pair_up(p, 10000));
	assert_int_equal(pair_run(p, 120000, 50), 0);
	if (done) {
		assert_ptr_equal(p->active, &p->bed.second);
		assert_int_equal(
			bed_counters(p->active).dpd_dead + bed_counters(&p->bed.b).dpd_dead, 0);
		pair_join(p);
		// Both phases from the box that took over.
		soft_expire(p->active);
		assert_int_equal(pair_run(p, 70000, 50), 0);
	}
	assert_int_equal(bed_child_count(&p->bed.b, true), 1);
	assert_int_equal(bed_child_count(p->active, true), 1);
	assert_int_equal(bed_child_count(p->standby, true), 1);
	// A Delete reaches the peer from whoever works.
	p->bed.tap = NULL;
	assert_true(ike_clear_sa(p->active->ike, NULL, NULL) >= 1);
	bed_run(&p->bed, 100);
	assert_int_equal(bed_child_count(&p->bed.b, false), 0);
	assert_int_equal(bed_child_count(p->standby, false), 0);
	pair_free(p);
	return done;
}

static void test_killed_at_every_message(void **state)
{
	for (unsigned s = FROM_BOX; s <= REKEY_PEER; s++)
		for (unsigned pfs = 0; pfs < 2; pfs++) {
			unsigned at = 1;

			while (at < 24 && killed_at(s, at, pfs, 25))
				at++;
			assert_true(at > 4);
		}
}

static void test_killed_in_phase_1(void **state)
{
	for (unsigned at = 1; at < 40; at += 1)
		killed_at(IKE_BOX, at, false, 50);
}

// ---- single points -----------------------------------------------------------------------------
static void test_standby_is_silent(void **state)
{
	struct pair *p = pair_new(3, NULL);
	struct ike_replica_counts n;
	struct dp_udp meta = {.local = p->bed.second.addr,
			      .remote = p->bed.b.addr,
			      .local_port = 500,
			      .remote_port = 500};
	struct dp_event ev = {.type = DP_EVENT_ACQUIRE, .policy = 1};
	struct bed_end *s = &p->bed.second;
	uint8_t junk[64] = {0};

	up(p);
	ike_replica_count(s->ike, PAIR_GROUP, &n);
	assert_int_equal(n.ike, 1);
	assert_int_equal(n.child, 1);
	assert_int_equal(n.asleep, 2);
	assert_int_not_equal(s->bound[1], 0);  // a take-over installs nothing
	bed_inject(s, &meta, junk, sizeof(junk));
	ike_event(s->ike, &ev);
	ev = (struct dp_event){.type = DP_EVENT_SOFT_EXPIRE, .sa = s->bound[1]};
	ike_event(s->ike, &ev);
	ev = (struct dp_event){.type = DP_EVENT_UNKNOWN_SPI,
			       .spi = 0x4444,
			       .local = s->addr,
			       .remote = p->bed.b.addr};
	ike_event(s->ike, &ev);
	ike_initiate(s->ike, 1);
	assert_int_equal(ike_clear_isakmp(s->ike, 0) + ike_clear_sa(s->ike, NULL, NULL), 0);
	bed_run(&p->bed, 400000);
	assert_int_equal(s->sent, 0);
	assert_int_equal(bed_counters(s).rx_standby, 1);
	// numbers above whatever the working box may send
	const struct bed_sa *out = &s->sas[s->bound[1] - 1];
	assert_true(out->p.lim < out->p.next);  // rule 10
	assert_true(out->p.next > p->active->sas[p->active->bound[1] - 1].stats.seq);
	assert_int_equal(out->p.iv_prefix >> 63, 1);
	assert_int_equal(p->active->sas[p->active->bound[1] - 1].p.iv_prefix >> 63, 0);
	pair_free(p);
}

static void test_stop_and_go_on(void **state)
{
	for (unsigned at = 0; at < 40; at++) {
		struct bed_params params = {.pfs = true};
		struct pair *p = pair_new(5 + at, &params);

		up(p);
		assert_int_equal(pair_run(p, 40000, 20), 0);
		soft_expire(p->active);
		bed_run(&p->bed, at);  // somewhere in the exchange
		ike_group_deactivate(p->active->ike, PAIR_GROUP);
		unsigned sent = p->active->sent;
		bed_run(&p->bed, 300);
		assert_int_equal(p->active->sent, sent);
		ike_group_activate(p->active->ike, PAIR_GROUP);
		assert_int_equal(pair_run(p, 90000, 20), 0);
		assert_int_equal(bed_child_count(p->active, false), 1);
		pair_free(p);
	}
}

// A planned switchover there and back, over the objects that the first box kept.
static void test_planned(void **state)
{
	struct pair *p = pair_new(6, NULL);
	unsigned saw;

	up(p);
	saw = peer_saw(p);
	for (unsigned i = 0; i < 10; i++) {
		struct bed_end *from = p->active, *to = p->standby;

		assert_int_equal(pair_run(p, 2000, 20), 0);
		ike_group_deactivate(from->ike, PAIR_GROUP);
		p->active = NULL;
		bed_run(&p->bed, 20);
		p->standby = to;
		pair_takeover(p);
		p->standby = from;
		assert_int_equal(pair_run(p, 30000, 20), 0);
		assert_int_equal(peer_saw(p), saw);
	}
	pair_free(p);
}

// Our message of a half-done quick mode comes again, bit by bit, from the other box.
static struct {
	uint8_t bytes[4096];
	size_t len;
	unsigned seen, equal;
} first;

static bool first_tap(struct bed *bed, struct bed_packet *packet)
{
	struct pair *p = pair_of(bed);

	if (packet->to != &bed->b)
		return true;
	if (first.seen++ == 0) {
		first.len = packet->len;
		memcpy(first.bytes, packet->bytes, packet->len);
		pair_kill(p);
		pair_takeover(p);
		return false;  // and it was lost
	}
	first.equal +=
		packet->len == first.len && memcmp(packet->bytes, first.bytes, first.len) == 0;
	return true;
}

static void test_same_bits(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct bed_params params = {.pfs = i & 1};
		struct pair *p = pair_new(50 + i, &params);

		up(p);
		assert_int_equal(pair_run(p, 40000, 20), 0);
		memset(&first, 0, sizeof(first));
		p->bed.tap = first_tap;
		soft_expire(i & 2 ? &p->bed.b : p->active);
		assert_int_equal(pair_run(p, 600, 20), 0);
		assert_int_equal(first.equal, 1);
		assert_int_equal(pair_run(p, 90000, 20), 0);
		assert_int_equal(p->bed.b.child_up, 2);
		pair_free(p);
	}
}

// A message of the peer from before the take-over has no effect after it.
static struct {
	struct dp_udp meta;
	uint8_t bytes[4096];
	size_t len;
} caught;

static bool catch_tap(struct bed *bed, struct bed_packet *packet)
{
	if (packet->to == bed->holder) {
		caught.meta = packet->meta;
		caught.len = packet->len;
		memcpy(caught.bytes, packet->bytes, packet->len);
	}
	return true;
}

static void test_replay_after_takeover(void **state)
{
	struct bed_params params = {.keepalive_s = 10, .keepalive_periodic = true};
	struct pair *p = pair_new(8, &params);
	unsigned sent;

	up(p);
	p->bed.tap = catch_tap;
	for (unsigned i = 0; i < 5; i++)
		bed_run(&p->bed, 10000);
	assert_true(caught.len > 0);
	p->bed.tap = NULL;
	pair_kill(p);
	pair_takeover(p);
	bed_run(&p->bed, 5);
	sent = p->active->sent;
	uint64_t turn = bed_counters(p->active).rx_out_of_turn;
	bed_inject(p->active, &caught.meta, caught.bytes, caught.len);
	assert_int_equal(p->active->sent, sent);
	assert_int_equal(bed_counters(p->active).rx_out_of_turn, turn + 1);
	pair_free(p);
}

// Records that are cut, changed or of another SA are refused and harm nothing.
static void test_bad_records(void **state)
{
	struct pair *p = pair_new(9, NULL);
	static struct pair_record r;
	struct err err;
	uint64_t cursor = 0, id;

	up(p);
	while (ike_replica_next(p->active->ike, PAIR_GROUP, &cursor, &id)) {
		assert_int_equal(
			ike_replica_encode(p->active->ike, id, &r.sa, r.payload, sizeof(r.payload)),
			0);
		uint32_t len = r.sa.len;

		for (uint32_t cut = 0; cut < len; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1);

			memcpy(copy, r.payload, cut);
			r.sa.payload = copy;
			r.sa.len = cut;
			(void)ike_replica_check(&r.sa);
			if (cut < 100)
				assert_true(ike_replica_install(p->standby->ike, &r.sa, &err) < 0);
			free(copy);
		}
		r.sa.payload = r.payload;
		r.sa.len = len;
		r.payload[0] = 9;
		assert_int_equal(ike_replica_install(p->standby->ike, &r.sa, &err),
				 -EPROTONOSUPPORT);
		r.payload[0] = 1;
		r.sa.spi_in ^= 0x100;
		r.payload[13] ^= 0;
		if (r.sa.kind == HA_CHILD_SA)
			assert_int_equal(ike_replica_install(p->standby->ike, &r.sa, &err),
					 -EEXIST);
		r.sa.kind = 77;
		assert_int_equal(ike_replica_install(p->standby->ike, &r.sa, &err),
				 -EPROTONOSUPPORT);
	}
	pair_kill(p);
	pair_takeover(p);
	assert_int_equal(pair_run(p, 1000, 20), 0);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standby_is_silent),
		cmocka_unit_test(test_ten_times),
		cmocka_unit_test(test_ike_rekeys),
		cmocka_unit_test(test_killed_at_every_message),
		cmocka_unit_test(test_killed_in_phase_1),
		cmocka_unit_test(test_stop_and_go_on),
		cmocka_unit_test(test_planned),
		cmocka_unit_test(test_same_bits),
		cmocka_unit_test(test_replay_after_takeover),
		cmocka_unit_test(test_bad_records),
	};

	log_set_stderr_level(LOG_L_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
