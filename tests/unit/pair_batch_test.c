// Records that leave together (pair_batch.c): one message for what is drained in one go, in order
// with everything else, none lost on a busy link, all counted as not acknowledged until they are.
#include "pair_bed.h"

static struct pair_session session;

// A founder that serves a joined, hot standby: every record is acknowledged.
static void serve(struct bed *b)
{
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.nonce = {9}};

	found(b);
	word(b, HA_FLUSH, 0, 0, 0);
	upsert(b, 5, 1);
	pair_link(b->p, true, b->now);
	message(b, &join);
	session = (struct pair_session){get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)};
	for (unsigned i = 0; i < 4; i++)
		pair_tick(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
	b->now += 15 * MS;  // leases are held for as long as its ring may hold checkpoints
	pair_tick(b->p, b->now);
}

static void applied(struct bed *b, uint64_t lsn)
{
	struct pair_msg m = {.type = PAIR_APPLIED,
			     .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			     .session = session,
			     .lsn = lsn};

	message(b, &m);
}

static int more(struct bed *b, uint64_t id, uint64_t seq)
{
	static uint8_t payload[1000];
	struct ha_word w = {.type = HA_UPSERT,
			    .group = 1,
			    .seq = seq,
			    .b = get(b, MIRROR_TENURE),
			    .sa = {.id = id,
				   .group = 1,
				   .kind = HA_CHILD_SA,
				   .ceiling = 65536,
				   .len = sizeof(payload),
				   .payload = payload}};

	return pair_word_more(b->p, &w, b->now);
}

static void records_share_a_message(void **state)
{
	struct bed *b = *state;

	serve(b);
	unsigned before = b->sent_of[PAIR_UPSERT];
	uint64_t lsn = get(b, MIRROR_LSN);
	applied(b, lsn);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(more(b, 100 + i, 2 + i), 0);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before);
	assert_int_equal(get(b, MIRROR_LSN), lsn);
	assert_true(pair_due(b->p) <= b->now);  // should nobody flush
	pair_flush(b->p);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before + 1);
	assert_int_equal(pair_msg_records(&b->sent), 5);
	assert_int_equal(b->sent.lsn, lsn + 1);
	assert_int_equal(get(b, MIRROR_LSN), lsn + 5);
	// none is released before all are acknowledged that were told before it
	applied(b, lsn + 3);
	assert_int_equal(b->told[HA_APPLIED].a, 4);
	applied(b, lsn + 5);
	assert_int_equal(b->told[HA_APPLIED].a, 6);
	// no more than a message holds
	before = b->sent_of[PAIR_UPSERT];
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(more(b, 100 + i % 5, 7 + i), 0);
	pair_flush(b->p);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before + 3);
	assert_int_equal(get(b, MIRROR_LSN), lsn + 35);
}

// A deletion, or a lease, does not pass what waits.
static void nothing_passes_them(void **state)
{
	struct bed *b = *state;
	struct ha_word gone = {.type = HA_DELETE, .group = 1, .id = 100, .seq = 3};

	serve(b);
	unsigned before = b->sent_of[PAIR_UPSERT];
	uint64_t lsn = get(b, MIRROR_LSN);
	gone.b = get(b, MIRROR_TENURE);
	assert_int_equal(more(b, 100, 2), 0);
	assert_int_equal(pair_word_more(b->p, &gone, b->now), 0);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before + 1);
	assert_int_equal(b->sent.type, PAIR_DELETE);
	assert_int_equal(b->sent.lsn, lsn + 2);

	assert_int_equal(more(b, 101, 4), 0);
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.session = session,
				.stamp = b->now,
				.term = 220 * MS};
	message(b, &ping);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before + 2);
	assert_int_equal(b->sent.type, PAIR_LEASE);
	assert_int_equal(b->sent.lsn, lsn + 3);
}

// On a busy link they wait, and so does what comes behind them; a lost session drops them.
static void busy_link(void **state)
{
	struct bed *b = *state;

	serve(b);
	unsigned before = b->sent_of[PAIR_UPSERT], leases = b->sent_of[PAIR_LEASE];
	uint64_t lsn = get(b, MIRROR_LSN);
	b->blocked = true;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(more(b, 100 + i, 2 + i), 0);
	pair_flush(b->p);
	assert_int_equal(more(b, 103, 5), 0);  // set aside
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.session = session,
				.stamp = b->now,
				.term = 220 * MS};
	message(b, &ping);
	b->blocked = false;
	pair_writable(b->p, b->now);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before + 2);
	assert_int_equal(get(b, MIRROR_LSN), lsn + 4);
	assert_int_equal(b->sent_of[PAIR_LEASE], leases + 1);  // before the one set aside
	assert_int_equal(b->sent.type, PAIR_UPSERT);

	assert_int_equal(more(b, 104, 6), 0);
	before = b->sent_of[PAIR_UPSERT];
	pair_link(b->p, false, b->now);
	pair_flush(b->p);
	pair_link(b->p, true, b->now);
	pair_flush(b->p);
	assert_int_equal(b->sent_of[PAIR_UPSERT], before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_share_a_message),
		TEST(nothing_passes_them),
		TEST(busy_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
