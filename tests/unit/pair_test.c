// One pair on plain memory: the rules that one box keeps by itself. Two boxes together are in
// tests/model (ha-schedules).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair_bed.h"

static void founder(void **state)
{
	struct bed *b = *state;

	found(b);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	assert_int_equal(get(b, MIRROR_SLOT), 0);
	assert_int_equal(get(b, MIRROR_JOIN0), 1);
	assert_int_equal(get(b, MIRROR_JOIN1), 0);
	assert_true(get(b, MIRROR_LINEAGE) != 0);
	upsert(b, 5, 17);
	assert_int_equal(b->told[HA_APPLIED].a, 17);  // alone: nothing to wait for
	word(b, HA_RAISE, 5, 200000, 0);
	assert_int_equal(b->told[HA_LIMIT].a, 200000);
	struct ha_sa sa;
	assert_true(mirror_get(b->m, 5, &sa));
	assert_int_equal(sa.ceiling, 200000);
}

// Rules 2, 7, 14, 17, 18: what a joiner gets, and what waits for it.
static void joiner(void **state)
{
	struct bed *b = *state;
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.nonce = {9}};

	found(b);
	upsert(b, 5, 1);
	pair_link(b->p, true, b->now);
	uint64_t before = get(b, MIRROR_SESSION);
	message(b, &join);
	assert_int_equal(get(b, MIRROR_JOIN1), 1);
	assert_int_equal(get(b, MIRROR_SESSION), before + 2);
	assert_int_equal(b->sent_of[PAIR_STATE], 1);
	assert_int_equal(b->sent_of[PAIR_UPSERT], 1);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	assert_int_equal(get(b, MIRROR_LEASE_SENT), b->now);
	// a new SA and a new limit wait for the other box now
	upsert(b, 6, 2);
	assert_int_equal(b->sent.type, PAIR_UPSERT);
	uint64_t lsn = b->sent.lsn;
	assert_int_equal(b->told[HA_APPLIED].a, 1);
	unsigned limits = b->told_of[HA_LIMIT];
	word(b, HA_RAISE, 5, 300000, 0);
	assert_int_equal(b->told_of[HA_LIMIT], limits);
	struct pair_msg applied = {.type = PAIR_APPLIED,
				   .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
				   .session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)},
				   .lsn = lsn};
	struct pair_msg old = applied;
	old.session.number -= 2;
	message(b, &old);
	assert_int_equal(b->told[HA_APPLIED].a, 1);
	message(b, &applied);
	assert_int_equal(b->told[HA_APPLIED].a, 2);
	struct pair_counters c;
	pair_get_counters(b->p, &c);
	assert_int_equal(c.rx_other_session, 1);
	// the link breaks: alone only when the lease is over for certain (rule 9)
	pair_link(b->p, false, b->now);
	upsert(b, 8, 3);
	b->now += 280 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	assert_int_equal(b->told[HA_APPLIED].a, 2);
	b->now += 20 * MS;
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ALONE), 1);
	assert_int_equal(b->told[HA_APPLIED].a, 3);
	for (unsigned i = 0; i < 16; i++) {
		pair_get_counters(b->p, &c);
		assert_int_equal(c.invariant[i], 0);
	}
}

// What is told as not acknowledged is what has been so since the report before: a record that is on
// its way when the second is over is none.
static void records_that_lag(void **state)
{
	struct bed *b = *state;
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.nonce = {9}};

	found(b);
	word(b, HA_FLUSH, 0, 0, 0);
	upsert(b, 5, 1);
	pair_link(b->p, true, b->now);
	message(b, &join);
	const struct pair_session session = {get(b, MIRROR_LINEAGE), get(b, MIRROR_SESSION)};
	struct pair_msg applied = {
		.type = PAIR_APPLIED, .has = HAS(TLV_SESSION) | HAS(TLV_LSN), .session = session};
	struct pair_msg ping = {.type = PAIR_PING,
				.has = HAS(TLV_SESSION) | HAS(TLV_STAMP) | HAS(TLV_TERM),
				.session = session,
				.term = 220 * MS};
	uint32_t most = 0;

	for (unsigned i = 0; i < 800; i++) {
		hello(b, true, false);
		if (i < 500)
			upsert(b, 6, 2 + i);
		if (i > 150)  // the snapshot's are over
			most = b->role.peer_applied_lag > most ? b->role.peer_applied_lag : most;
		if (i < 499) {
			applied.lsn = b->sent.lsn;
			message(b, &applied);
		}
		ping.stamp = b->now;
		message(b, &ping);
		b->now += 10 * MS;
		pair_tick(b->p, b->now);
		if (i == 498)
			assert_int_equal(most, 0);
	}
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	assert_int_equal(b->role.peer_applied_lag, 1);
}

// A HELLO that was under way when the other box got its copy does not say that it has none: its
// lease runs. One that ends in order does.
static void said_before_it_joined(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
			      .role = HA_ROLE_NONE};
	struct pair_msg join = {.type = PAIR_JOIN,
				.has = HAS(TLV_NONCE) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				.nonce = {9}};

	standby(b, 100);
	pair_link(b->p, true, b->now);
	message(b, &hi);
	message(b, &join);
	assert_int_equal(b->sent_of[PAIR_SNAP_END], 1);
	message(b, &hi);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->sent.type, PAIR_CLAIM);
	b->now += 37 * MS;
	pair_tick(b->p, b->now);
	pair_tick(b->p, b->now += MS);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	message(b, &hi);
	pair_tick(b->p, b->now += MS);
	assert_int_equal(get(b, MIRROR_ALONE), 0);
	hi.session = (struct pair_session){99, get(b, MIRROR_SESSION)};
	message(b, &hi);
	pair_tick(b->p, b->now += MS);
	assert_int_equal(get(b, MIRROR_ALONE), 1);
}

// `clear crypto ... standby`: joins anew, and the gateway process gets everything anew with the new
// life, not before (rule 6); what the other box no longer has goes.
static void fetches_anew(void **state)
{
	struct bed *b = *state;
	struct pair_msg hi = {.type = PAIR_HELLO,
			      .has = HAS(TLV_SESSION) | HAS(TLV_ROLE) | HAS(TLV_PRIORITY) |
				     HAS(TLV_ADDRESS) | HAS(TLV_DIGEST) | HAS(TLV_BOOT),
			      .role = HA_ROLE_ACTIVE,
			      .session = {99, 4}};
	struct pair_msg st = {.type = PAIR_STATE,
			      .has = HAS(TLV_SESSION) | HAS(TLV_NONCE) | HAS(TLV_SLOT) |
				     HAS(TLV_JOINS) | HAS(TLV_ROLE) | HAS(TLV_FRESH) | HAS(TLV_LSN),
			      .slot = 1,
			      .role = HA_ROLE_ACTIVE,
			      .fresh = UINT64_MAX,
			      .lsn = 1};

	standby(b, 100);
	pair_link(b->p, true, b->now);
	message(b, &hi);
	assert_int_equal(b->sent_of[PAIR_JOIN], 1);  // a new association
	memcpy(st.nonce, b->sent.nonce, sizeof(st.nonce));
	st.session = (struct pair_session){99, 6};
	st.join[0] = 1;
	st.join[1] = 2;
	message(b, &st);
	assert_int_equal(b->told[HA_FEED_DELETE].a, 1);
	struct pair_msg end = {.type = PAIR_SNAP_END,
			       .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			       .session = {99, 6},
			       .lsn = 1};
	struct ha_sa sa = {.id = 7, .group = 1, .kind = HA_CHILD_SA, .ceiling = 1000, .edge = 10};
	message(b, &end);
	assert_false(mirror_get(b->m, 7, &sa));  // the snapshot did not have it
	mirror_put(b->m, &(struct ha_sa){.id = 8, .group = 1, .kind = HA_CHILD_SA});
	assert_int_equal(get(b, MIRROR_HOT), 1);

	unsigned deletes = b->told_of[HA_FEED_DELETE], fed = b->told_of[HA_FEED];
	word(b, HA_RESYNC, 0, 0, 0);
	assert_int_equal(b->sent_of[PAIR_JOIN], 2);
	assert_int_equal(b->sent.type, PAIR_JOIN);
	assert_int_equal(get(b, MIRROR_HOT), 0);
	assert_int_equal(b->told_of[HA_FEED_DELETE], deletes);  // still in the life of before
	assert_true(mirror_get(b->m, 8, &sa));
	word(b, HA_RESYNC, 0, 0, 0);  // on its way
	assert_int_equal(b->sent_of[PAIR_JOIN], 2);
	memcpy(st.nonce, b->sent.nonce, sizeof(st.nonce));
	st.session.number = 8;
	st.join[1] = 3;
	message(b, &st);
	assert_int_equal(get(b, MIRROR_JOIN1), 3);
	assert_int_equal(b->told_of[HA_FEED_DELETE], deletes + 2);  // a = 2, then a = 1
	assert_int_equal(b->told_of[HA_FEED], fed + 1);
	end.session.number = 8;
	message(b, &end);
	assert_false(mirror_get(b->m, 8, &sa));
	assert_int_equal(get(b, MIRROR_HOT), 1);
}

// Rules 10, 11: with a fresh copy above the ceiling, with a stale one tainted.
static void takes_over_fresh(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	standby(b, 100);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	assert_int_equal(get(b, MIRROR_SESSION), 3 << 1 | 1);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(b->told_of[HA_TAINT], 0);
	assert_true(mirror_get(b->m, 7, &sa));
	assert_false(sa.taint);
	// nobody has a lease of ours: limits rise by the mirror alone
	assert_int_equal(sa.ceiling, 1000 + 65536);
	assert_int_equal(b->told_of[HA_LIMITS], 1);
}

static void takes_over_stale(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	standby(b, 100);
	b->now += 101 * MS;
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
	assert_int_equal(b->told_of[HA_TAINT], 1);
	assert_true(mirror_get(b->m, 7, &sa));
	assert_true(sa.taint);
}

// Rule 13: while the link is up the other box is asked; without an answer the nonce is void.
static void asks_first(void **state)
{
	struct bed *b = *state;
	struct pair_msg theirs = {.type = PAIR_HELLO,
				  .has = HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_SESSION),
				  .session = {99, 4},
				  .role = HA_ROLE_STANDBY};

	standby(b, 1000);
	pair_link(b->p, true, b->now);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->told[HA_REFUSED].a, HA_REFUSED_JOINING);  // no HELLO yet
	message(b, &theirs);
	word(b, HA_CLAIM, 0, 0, 0);
	assert_int_equal(b->sent_of[PAIR_CLAIM], 1);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
	struct pair_msg grant = {.type = PAIR_GRANT,
				 .has = HAS(TLV_SESSION) | HAS(TLV_ENDS) | HAS(TLV_KIND) |
					HAS(TLV_MORE) | HAS(TLV_NONCE),
				 .kind = GRANT_STALE,
				 .nonce = {1, 2, 3}};
	message(b, &grant);  // not our nonce
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_STANDBY);
	b->now += 37 * MS;  // hold / 4
	pair_tick(b->p, b->now);
	assert_int_equal(get(b, MIRROR_ROLE), HA_ROLE_ACTIVE);
	assert_int_equal(b->told_of[HA_ACTIVATE], 1);
}

// Rule 11: a restarted process of an active that may have been replaced.
static void restarts(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	found(b);
	upsert(b, 5, 1);
	mirror_word_set(b->m, 1, MIRROR_ALONE, 0);
	mirror_word_set(b->m, 1, MIRROR_LEASE_SENT, b->now);
	mirror_word_set(b->m, 1, MIRROR_HELLO_SENT, b->now);
	pair_gateway_lost(b->p, b->now);
	b->now += 30 * MS;  // less than hold - 2 hellos
	mirror_restart_add(b->m);
	word(b, HA_ATTACH, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 2);
	assert_int_equal(b->told_of[HA_TAINT], 0);
	pair_gateway_lost(b->p, b->now);
	b->now += 60 * MS;
	mirror_restart_add(b->m);
	word(b, HA_ATTACH, 0, 0, 0);
	assert_int_equal(b->told_of[HA_ACTIVATE], 3);
	assert_int_equal(b->told_of[HA_TAINT], 1);
	assert_true(mirror_get(b->m, 5, &sa) && sa.taint);
}

// Rule 1: 255 restarts are all there are.
static void restarts_used_up(void **state)
{
	struct bed *b = *state;
	struct ha_sa sa;

	found(b);
	upsert(b, 5, 1);
	for (unsigned i = 0; i < 256; i++) {
		pair_gateway_lost(b->p, b->now);
		(void)mirror_restart_add(b->m);
		word(b, HA_ATTACH, 0, 0, 0);
		assert_true(mirror_get(b->m, 5, &sa));
		assert_int_equal(sa.taint, i == 255);
	}
}

static void malformed(void **state)
{
	struct bed *b = *state;
	struct pair_counters c;
	uint8_t junk[64] = {PAIR_VERSION, 99, 0, 1, 0, 0, 0, 64};

	pair_link(b->p, true, b->now);
	assert_int_equal(pair_receive(b->p, junk, 3, b->now), -EBADMSG);
	assert_int_equal(pair_receive(b->p, junk, sizeof(junk), b->now), -ENOMSG);
	junk[0]++;
	assert_int_equal(pair_receive(b->p, junk, sizeof(junk), b->now), -EPROTONOSUPPORT);
	pair_get_counters(b->p, &c);
	assert_int_equal(c.rx_malformed, 1);
	assert_int_equal(c.rx_release, 2);
}

static void on_say(void *ctx, unsigned group, const char *text)
{
	if (strstr(text, "mirror is full"))
		++*(unsigned *)ctx;
}

// More than the mirror takes: said once a second, and what is in it stays.
static void mirror_full(void **state)
{
	struct bed *b = *state;
	struct mirror_counts c;
	unsigned said = 0;
	struct ha_sa sa;

	pair_observe(b->p, on_say, &said);
	found(b);
	for (uint64_t id = 1; id <= 200; id++)
		upsert(b, id, id);
	assert_int_equal(said, 1);
	mirror_count(b->m, 1, &c);
	assert_int_equal(c.bytes_used, c.bytes_max);
	assert_true(mirror_get(b->m, 1, &sa));
	assert_false(mirror_get(b->m, 200, &sa));
	b->now += 1100 * MS;
	upsert(b, 201, 201);
	assert_int_equal(said, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(founder, setup, teardown),
		cmocka_unit_test_setup_teardown(joiner, setup, teardown),
		cmocka_unit_test_setup_teardown(records_that_lag, setup, teardown),
		cmocka_unit_test_setup_teardown(said_before_it_joined, setup, teardown),
		cmocka_unit_test_setup_teardown(fetches_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_over_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_over_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(asks_first, setup, teardown),
		cmocka_unit_test_setup_teardown(restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(restarts_used_up, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(mirror_full, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
