// A take-over raises all ceilings with one word of the mirror (rule 7): what each process may rely
// on while they are still being raised one by one, what waits for that, and whoever dies meanwhile.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

#define SAS   20
#define STEP  65536
#define FIRST 1000
#define TA    (230 * MS * 5 / 4)

// A standby with many SAs and a lease, whose sweeps take one at a time.
static void many(struct bed *b)
{
	b->sweep = 1;
	for (uint64_t n = 1; n <= SAS; n++) {
		struct ha_sa sa = {.id = n, .group = 1, .kind = HA_CHILD_SA, .ceiling = FIRST};
		assert_int_equal(mirror_put(b->m, &sa), 0);
	}
	standby(b, 100);
}

static uint64_t raising(const struct bed *b)
{
	return get(b, MIRROR_RAISING);
}

// What HA_ACTIVATE has said last.
static uint64_t activated(const struct bed *b)
{
	return b->activate_raised;
}

static void ceilings(const struct bed *b, uint64_t *least, uint64_t *most)
{
	struct ha_sa sa;
	uint64_t cursor = 0;

	*least = UINT64_MAX;
	*most = 0;
	while (mirror_next(b->m, 1, &cursor, &sa)) {
		*least = sa.ceiling < *least ? sa.ceiling : *least;
		*most = sa.ceiling > *most ? sa.ceiling : *most;
	}
}

static uint64_t least(const struct bed *b)
{
	uint64_t low, high;

	ceilings(b, &low, &high);
	return low;
}

static void raised(struct bed *b)
{
	for (unsigned i = 0; i < 20 && raising(b); i++)
		pair_tick(b->p, b->now += MS);
	assert_int_equal(raising(b), 0);
}

static void gateway_again(struct bed *b)
{
	b->fed = UINT64_MAX;
	(void)mirror_restart_add(b->m);
	word(b, HA_ATTACH, 0, 0, 0);
	hello(b, true, false);
}

// ---- alone -------------------------------------------------------------------------------------
// The gateway process hears of it when it begins, before the first of them says so itself.
static void all_at_once(void **state)
{
	struct bed *b = *state;
	uint64_t low, high;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(activated(b), STEP);
	assert_int_equal(raising(b), STEP);
	assert_int_equal(least(b), FIRST);
	raised(b);
	ceilings(b, &low, &high);
	assert_int_equal(low, FIRST + STEP);
	assert_int_equal(high, FIRST + STEP);
	assert_int_equal(b->told_of[HA_LIMITS], SAS);
	// asked again, it works already: what it was given then is not given twice
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 2);
	assert_int_equal(activated(b), 0);
}

// It knows how far each may go: nothing waits for room in its ring.
static void ring_is_full(void **state)
{
	struct bed *b = *state;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(raising(b), STEP);
	b->full = true;
	raised(b);
	assert_int_equal(least(b), FIRST + STEP);
}

// What is tainted meanwhile may have been used.
static void tainted_meanwhile(void **state)
{
	struct bed *b = *state;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(raising(b), STEP);
	for (uint64_t n = 1; n <= SAS; n++)
		mirror_set_taint(b->m, n, true);
	raised(b);
	assert_int_equal(least(b), FIRST + STEP);
}

// Numbers up to there may have been used, whoever dies in the middle.
static void standby_process_dies(void **state)
{
	struct bed *b = *state;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(raising(b), STEP);
	pair_destroy(b->p);
	pair_start(b);
	assert_int_equal(raising(b), 0);
	assert_true(least(b) >= FIRST + STEP);
}

static void gateway_process_dies(void **state)
{
	struct bed *b = *state;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(raising(b), STEP);
	pair_gateway_lost(b->p, b->now);
	assert_int_equal(raising(b), STEP);
	gateway_again(b);
	assert_true(b->fed >= FIRST + STEP && b->fed != UINT64_MAX);
	// another time all at once, above that
	assert_int_equal(b->told_of[HA_ACTIVATE], 2);
	assert_true(least(b) >= FIRST + STEP);
	if (activated(b))
		assert_int_equal(raising(b), activated(b));
	raised(b);
	assert_true(least(b) >= b->fed + activated(b));
}

// It goes on without one: the other box has to hear of it.
static void goes_on_without(void **state)
{
	struct bed *b = *state;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	pair_gateway_lost(b->p, b->now);
	assert_int_equal(raising(b), STEP);
	raised(b);
	assert_int_equal(least(b), FIRST + STEP);
}

// A copy that may be old is tainted; nothing is given away. Neither while our own lease may run.
static void not_always(void **state)
{
	struct bed *b = *state;

	many(b);
	mirror_word_set(b->m, 1, MIRROR_LEASE_SENT, b->now - 10 * MS);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(activated(b), 0);
	assert_int_equal(raising(b), 0);
}

static void not_from_an_old_copy(void **state)
{
	struct bed *b = *state;

	many(b);
	b->now += 101 * MS;
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(activated(b), 0);
	assert_int_equal(raising(b), 0);
}

// ---- two boxes ---------------------------------------------------------------------------------
// The standby process of a gateway process that is gone has granted: in a session with it from the
// first moment, while the ceilings are being raised. `blocked`: the link is full.
static void granted(struct bed *b, bool blocked)
{
	struct pair_msg grant = {.type = PAIR_GRANT,
				 .has = HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) |
					HAS(TLV_MORE) | HAS(TLV_NONCE) | HAS(TLV_TERM),
				 .kind = GRANT_AUTHORITATIVE,
				 .session = {99, 8},
				 .ends = {99, 6},
				 .term = 230 * MS};

	many(b);
	join_asked(b);
	join_answered(b, UINT64_MAX);
	for (uint64_t n = 1; n <= SAS; n++)
		record(b, n, FIRST, n);
	snap_end(b, SAS + 1);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->sent.type, PAIR_CLAIM);
	memcpy(grant.nonce, b->sent.nonce, sizeof(grant.nonce));
	b->blocked = blocked;
	message(b, &grant);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	assert_int_equal(raising(b), STEP);
}

static void pinged(struct bed *b)
{
	struct pair_msg m = {.type = PAIR_PING,
			     .has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
			     .session = {99, 8},
			     .stamp = b->now,
			     .term = 230 * MS};

	message(b, &m);
}

static void goes_on(struct bed *b)
{
	b->blocked = false;
	(void)pair_writable(b->p, b->now);
}

// No lease stands for ceilings that have not been told; limits wait for no acknowledgement, for
// nobody has a lease.
static void lease_waits(void **state)
{
	struct bed *b = *state;
	struct pair_msg ack = {
		.type = PAIR_ACK, .has = HAS(TLV_SESSION), .group = 1, .session = {99, 8}};
	uint8_t bytes[512];
	struct wbuf w;

	granted(b, false);
	pinged(b);
	assert_int_equal(raising(b), STEP);
	assert_int_equal(b->sent_of[PAIR_LEASE], 0);
	word(b, HA_RAISE, 5, 300000, 0);
	assert_int_equal(b->told[HA_LIMIT].id, 5);
	assert_int_equal(b->told[HA_LIMIT].a, 300000);
	unsigned limits = b->told_of[HA_LIMITS];
	wbuf_init(&w, bytes, sizeof(bytes));
	pair_msg_begin(&w, &ack);
	size_t mark = pair_msg_list_begin(&w, TLV_LIMITS);
	pair_msg_put_item(&w, TLV_LIMITS, &(struct pair_item){.id = 5, .value = 2});
	pair_msg_list_end(&w, mark);
	assert_int_equal(pair_msg_finish(&w), 0);
	b->blocked = true;
	assert_int_equal(pair_receive(b->p, bytes, w.len, b->now), 0);
	assert_int_equal(raising(b), STEP);
	assert_int_equal(b->told_of[HA_LIMITS], limits);
	goes_on(b);
	raised(b);
	assert_int_equal(b->sent_of[PAIR_LEASE], 0);
	pair_tick(b->p, b->now += MS);
	assert_int_equal(b->sent_of[PAIR_LEASE], 1);
	assert_true(least(b) >= FIRST + STEP);
	// from here on as always
	limits = b->told_of[HA_LIMIT];
	word(b, HA_RAISE, 5, 400000, 0);
	assert_int_equal(b->told_of[HA_LIMIT], limits);
}

// Nor does it go on alone because it could give none.
static void not_alone_meanwhile(void **state)
{
	struct bed *b = *state;

	granted(b, true);
	b->now += 2 * TA;
	pair_tick(b->p, b->now);
	assert_int_equal(raising(b), STEP);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	goes_on(b);
	raised(b);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	b->now += TA - 20 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	b->now += 21 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ALONE), 1);
}

// Dead again, and the other box wants the role back: it has to have all ceilings first.
static void grant_waits(void **state)
{
	struct bed *b = *state;
	struct pair_msg claim = {.type = PAIR_CLAIM,
				 .has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_FRESH) |
					HAS(TLV_LSN) | HAS(TLV_SLOT) | HAS(TLV_BOOT) |
					HAS(TLV_TERM),
				 .session = {99, 8},
				 .nonce = {3},
				 .term = 230 * MS};
	struct pair_msg applied = {
		.type = PAIR_APPLIED, .has = HAS(TLV_SESSION) | HAS(TLV_LSN), .session = {99, 8}};

	granted(b, true);
	pair_gateway_lost(b->p, b->now);
	message(b, &claim);
	assert_int_equal(b->sent_of[PAIR_GRANT], 0);
	b->blocked = false;
	message(b, &claim);
	assert_int_equal(raising(b), STEP);
	assert_int_equal(b->sent_of[PAIR_GRANT], 0);
	// what was sent is there, but it is not all
	applied.lsn = get(b, MIRROR_LSN);
	message(b, &applied);
	assert_int_equal(b->sent_of[PAIR_GRANT], 0);
	goes_on(b);
	raised(b);
	applied.lsn = get(b, MIRROR_LSN);
	message(b, &applied);
	assert_int_equal(b->sent_of[PAIR_GRANT], 1);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
}

// A box that joins meanwhile: the end of its snapshot counts as a lease.
static void snapshot_waits(void **state)
{
	struct bed *b = *state;
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.role = HA_ROLE_STANDBY,
				.session = {99, 8},
				.nonce = {9}};

	granted(b, true);
	message(b, &join);
	goes_on(b);
	assert_int_equal(b->sent_of[PAIR_STATE], 1);
	assert_int_equal(raising(b), STEP);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 0);
	raised(b);
	pair_tick(b->p, b->now += MS);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
}

// The other box asks: it was active too, and has the same ceilings.
static void join(struct bed *b)
{
	struct pair_msg join = {
		.type = PAIR_JOIN,
		.group = 1,
		.has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_TERM),
		.session = {99, 2},
		.nonce = {9},
		.role = HA_ROLE_ACTIVE,
		.term = 230 * MS,
	};
	uint8_t bytes[4096];
	struct wbuf out;

	pair_link(b->p, true, b->now);
	assert_int_equal(raising(b), STEP);
	wbuf_init(&out, bytes, sizeof(bytes));
	pair_msg_begin(&out, &join);
	size_t mark = pair_msg_list_begin(&out, TLV_HELD);
	for (uint64_t n = 1; n <= SAS; n++)
		pair_msg_put_item(&out, TLV_HELD, &(struct pair_item){.id = n, .value = FIRST});
	pair_msg_list_end(&out, mark);
	assert_int_equal(pair_msg_finish(&out), 0);
	b->set = UINT64_MAX;
	assert_int_equal(pair_receive(b->p, bytes, out.len, b->now), 0);
}

// The other box gives way meanwhile: what is told then is above what the one word allowed.
static void other_gives_way(void **state)
{
	struct bed *b = *state;

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(raising(b), STEP);
	join(b);
	assert_int_equal(b->told_of[HA_SET], SAS);
	assert_true(b->set > FIRST + STEP);
}

// It does so while HA_ACTIVATE waits for room: the gateway process begins with what the merge has
// told, and may not go further at once than that.
static void other_gives_way_before_it_begins(void **state)
{
	struct bed *b = *state;

	many(b);
	b->refused = HA_ACTIVATE;
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(raising(b), STEP);
	join(b);
	assert_int_equal(b->told_of[HA_ACTIVATE], 0);
	b->refused = 0;
	(void)pair_writable(b->p, b->now);
	(void)pair_writable(b->p, b->now);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(b->told_of[HA_SET], SAS);
	assert_true(b->last[HA_SET] < b->last[HA_ACTIVATE]);
	assert_true(b->set > FIRST + STEP);
	assert_int_equal(activated(b), 0);
}

// This one gives way: the other box is told what it may have used.
static void gives_way(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .session = {99, 40},
			      .role = HA_ROLE_ACTIVE};

	many(b);
	word(b, HA_CLAIM, 0, 0, 0);
	pair_link(b->p, true, b->now);
	message(b, &hi);
	assert_int_equal(b->told_of[HA_YIELD], 1);
	assert_int_equal(raising(b), STEP);
	struct ha_word w = {.type = HA_STOPPED, .group = 1, .b = 1};
	assert_int_equal(pair_word(b->p, &w, b->now), 0);
	assert_int_equal(b->sent.type, PAIR_JOIN);
	assert_int_equal(raising(b), 0);
	struct rbuf it = b->sent.list;
	struct pair_item item;
	unsigned n = 0;
	for (; pair_msg_item(&b->sent, &it, &item); n++)
		assert_true(item.gone || item.value >= FIRST + STEP);
	assert_int_equal(n, SAS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(ring_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(tainted_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(standby_process_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(gateway_process_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_without, setup, teardown),
		cmocka_unit_test_setup_teardown(not_always, setup, teardown),
		cmocka_unit_test_setup_teardown(not_from_an_old_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(lease_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(not_alone_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(grant_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshot_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(other_gives_way, setup, teardown),
		cmocka_unit_test_setup_teardown(other_gives_way_before_it_begins, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_way, setup, teardown),
	};

	return cmocka_run_group_tests_name("pair_raise", tests, NULL, NULL);
}
