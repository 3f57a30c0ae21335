// A take-over raises all ceilings with one word of the mirror (rule 7): what each process may rely
// on while they are still being raised one by one, and whoever dies meanwhile.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mirror.h"
#include "pair.h"
#include "pair_msg.h"

#define MS    1000ull
#define SAS   10
#define STEP  65536
#define FIRST 1000

struct bed {
	uint8_t *mem;
	struct mirror *m;
	struct pair *p;
	uint64_t now, raised, fed;  // as HA_ACTIVATE said; lowest ceiling that was fed
	uint64_t set;               // lowest number to go on from at work
	unsigned activated, limits, sets, sets_before;  // before HA_ACTIVATE
	uint16_t refused;                               // a word that finds no room
};

static int op_send(void *ctx, unsigned group, const uint8_t *bytes, size_t len)
{
	return 0;
}

static int op_tell(void *ctx, const struct ha_word *w)
{
	struct bed *b = ctx;

	if (w->type == b->refused)
		return -EAGAIN;
	if (w->type == HA_ACTIVATE) {
		b->activated++;
		b->sets_before = b->sets;
		b->raised = 0;
		if (w->len == sizeof(b->raised))
			memcpy(&b->raised, w->payload, sizeof(b->raised));
	}
	b->limits += w->type == HA_LIMITS;
	if (w->type == HA_FEED && w->sa.ceiling < b->fed)
		b->fed = w->sa.ceiling;
	if (w->type == HA_SET)
		b->set = b->sets++ && b->set < w->a ? b->set : w->a;
	return 0;
}

static void op_random(void *ctx, void *buf, size_t len)
{
	memset(buf, 7, len);
}

static void word(struct bed *b, uint16_t type)
{
	struct ha_word w = {.type = type, .group = 1};

	assert_int_equal(pair_word(b->p, &w, b->now), 0);
}

static void pair_start(struct bed *b)
{
	struct pair_ops ops = {.ctx = b, .send = op_send, .tell = op_tell, .random = op_random};

	b->p = pair_create(1, b->m, &ops, b->now);
	assert_non_null(b->p);
}

static void gateway_start(struct bed *b)
{
	struct ha_hello h = {.hello_ms = 50, .hold_ms = 150, .priority = 100};
	struct ha_word w = {
		.type = HA_HELLO, .group = 1, .len = sizeof(h), .payload = (const uint8_t *)&h};

	b->fed = UINT64_MAX;
	(void)mirror_restart_add(b->m);
	word(b, HA_ATTACH);
	assert_int_equal(pair_word(b->p, &w, b->now), 0);
}

// A fresh standby with SAs of the other box.
static int setup(void **state)
{
	const struct mirror_id id = {.boot = {1}};
	size_t bytes = mirror_min_size();
	struct bed *b = calloc(1, sizeof(*b));
	struct err err;
	bool made;

	b->mem = calloc(1, bytes);
	b->m = mirror_attach(b->mem, bytes, &id, &made, &err);
	b->now = 1000000 * MS;
	for (uint64_t n = 1; n <= SAS; n++) {
		struct ha_sa sa = {.id = n, .group = 1, .kind = HA_CHILD_SA, .ceiling = FIRST};
		assert_int_equal(mirror_put(b->m, &sa), 0);
	}
	mirror_word_set(b->m, 1, MIRROR_LINEAGE, 99);
	mirror_word_set(b->m, 1, MIRROR_SLOT, 1);
	mirror_word_set(b->m, 1, MIRROR_JOIN0, 1);
	mirror_word_set(b->m, 1, MIRROR_JOIN1, 1);
	mirror_word_set(b->m, 1, MIRROR_SESSION, 4);
	mirror_word_set(b->m, 1, MIRROR_HOT, 1);
	mirror_word_set(b->m, 1, MIRROR_FRESH_UNTIL, b->now + 100 * MS);
	mirror_word_set(b->m, 1, MIRROR_ROLE, HA_ROLE_STANDBY);
	pair_sweep_size = 1;
	pair_start(b);
	gateway_start(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	pair_sweep_size = HA_BATCH;
	pair_destroy(b->p);
	mirror_close(b->m);
	free(b->mem);
	free(b);
	return 0;
}

static uint64_t raising(const struct bed *b)
{
	return mirror_word_get(b->m, 1, MIRROR_RAISING);
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

// The gateway process hears of it when it begins, before the first of them says so itself.
static void all_at_once(void **state)
{
	struct bed *b = *state;
	uint64_t least, most;

	word(b, HA_CLAIM);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->raised, STEP);
	assert_int_equal(raising(b), STEP);
	ceilings(b, &least, &most);
	assert_int_equal(least, FIRST);
	for (unsigned i = 0; i < 10 && raising(b); i++)
		pair_tick(b->p, b->now += MS);
	assert_int_equal(raising(b), 0);
	ceilings(b, &least, &most);
	assert_int_equal(least, FIRST + STEP);
	assert_int_equal(most, FIRST + STEP);
	assert_int_equal(b->limits, SAS);
	// asked again, it works already: what it was given then is not given twice
	word(b, HA_CLAIM);
	assert_int_equal(b->activated, 2);
	assert_int_equal(b->raised, 0);
}

// Numbers up to there may have been used, whoever dies in the middle.
static void standby_process_dies(void **state)
{
	struct bed *b = *state;
	uint64_t least, most;

	word(b, HA_CLAIM);
	assert_int_equal(raising(b), STEP);
	pair_destroy(b->p);
	pair_start(b);
	assert_int_equal(raising(b), 0);
	ceilings(b, &least, &most);
	assert_true(least >= FIRST + STEP);
}

static void gateway_process_dies(void **state)
{
	struct bed *b = *state;
	uint64_t least, most;

	word(b, HA_CLAIM);
	assert_int_equal(raising(b), STEP);
	pair_gateway_lost(b->p, b->now);
	assert_int_equal(raising(b), STEP);  // and goes on, for the other box
	gateway_start(b);
	assert_true(b->fed >= FIRST + STEP && b->fed != UINT64_MAX);
	// another time all at once, above that
	assert_int_equal(b->activated, 2);
	ceilings(b, &least, &most);
	assert_true(least >= FIRST + STEP);
	if (b->raised)
		assert_int_equal(raising(b), b->raised);
	for (unsigned i = 0; i < 20 && raising(b); i++)
		pair_tick(b->p, b->now += MS);
	ceilings(b, &least, &most);
	assert_true(least >= b->fed + b->raised);
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
	assert_int_equal(pair_receive(b->p, bytes, out.len, b->now), 0);
}

// The other box gives way meanwhile: what is told then is above what the one word allowed.
static void other_gives_way(void **state)
{
	struct bed *b = *state;

	word(b, HA_CLAIM);
	assert_int_equal(raising(b), STEP);
	join(b);
	assert_int_equal(b->sets, SAS);
	assert_true(b->set > FIRST + STEP);
}

// It does so while HA_ACTIVATE waits for room: the gateway process begins with what the merge has
// told, and may not go further at once than that.
static void other_gives_way_before_it_begins(void **state)
{
	struct bed *b = *state;

	b->refused = HA_ACTIVATE;
	word(b, HA_CLAIM);
	assert_int_equal(raising(b), STEP);
	join(b);
	assert_int_equal(b->activated, 0);
	b->refused = 0;
	(void)pair_writable(b->p, b->now);
	(void)pair_writable(b->p, b->now);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->sets_before, SAS);
	assert_true(b->set > FIRST + STEP);
	assert_int_equal(b->raised, 0);
}

// A copy that may be old is tainted; nothing is given away. Neither while our own lease may run.
static void not_always(void **state)
{
	struct bed *b = *state;

	mirror_word_set(b->m, 1, MIRROR_LEASE_SENT, b->now - 10 * MS);
	word(b, HA_CLAIM);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->raised, 0);
	assert_int_equal(raising(b), 0);
}

static void not_from_an_old_copy(void **state)
{
	struct bed *b = *state;

	b->now += 101 * MS;
	word(b, HA_CLAIM);
	assert_int_equal(b->activated, 1);
	assert_int_equal(b->raised, 0);
	assert_int_equal(raising(b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(standby_process_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(gateway_process_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(other_gives_way, setup, teardown),
		cmocka_unit_test_setup_teardown(other_gives_way_before_it_begins, setup, teardown),
		cmocka_unit_test_setup_teardown(not_always, setup, teardown),
		cmocka_unit_test_setup_teardown(not_from_an_old_copy, setup, teardown),
	};

	return cmocka_run_group_tests_name("pair_raise", tests, NULL, NULL);
}
