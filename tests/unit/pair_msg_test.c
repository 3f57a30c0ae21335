// Messages between two boxes: what is written is read; what is cut, of another version or too long
// is refused; what a later release adds is skipped.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "pair_msg.h"

static size_t upsert(uint8_t *bytes, size_t cap)
{
	struct pair_msg m = {.type = PAIR_UPSERT,
			     .group = 3,
			     .has = HAS(TLV_SESSION) | HAS(TLV_LSN),
			     .session = {.lineage = 0x1122334455667788, .number = 7},
			     .lsn = 42};
	struct ha_sa sa = {.id = 9,
			   .parent = 8,
			   .kind = HA_CHILD_SA,
			   .taint = true,
			   .spi_in = 1,
			   .spi_out = 2,
			   .birth = {3, 4},
			   .ceiling = 5,
			   .edge = 6,
			   .len = 3,
			   .payload = (const uint8_t *)"abc"};
	struct wbuf b;

	wbuf_init(&b, bytes, cap);
	pair_msg_begin(&b, &m);
	pair_msg_put_record(&b, &sa);
	sa.id = 10;
	sa.len = 0;
	pair_msg_put_record(&b, &sa);
	assert_int_equal(pair_msg_finish(&b), 0);
	return b.len;
}

static void records(void **state)
{
	uint8_t bytes[512];
	struct pair_msg m;
	struct ha_sa sa;
	size_t len = upsert(bytes, sizeof(bytes));

	assert_int_equal(pair_message_group(bytes, len), 3);
	assert_int_equal(pair_msg_decode(bytes, len, &m), 0);
	assert_int_equal(m.type, PAIR_UPSERT);
	assert_true(m.session.lineage == 0x1122334455667788 && m.session.number == 7);
	assert_int_equal(m.lsn, 42);
	assert_int_equal(pair_msg_records(&m), 2);
	struct rbuf it = m.body;
	assert_true(pair_msg_record(&m, &it, &sa));
	assert_int_equal(sa.id, 9);
	assert_int_equal(sa.parent, 8);
	assert_int_equal(sa.group, 3);
	assert_true(sa.taint);
	assert_int_equal(sa.birth[1], 4);
	assert_int_equal(sa.ceiling, 5);
	assert_int_equal(sa.edge, 6);
	assert_memory_equal(sa.payload, "abc", sa.len);
	assert_true(pair_msg_record(&m, &it, &sa));
	assert_int_equal(sa.id, 10);
	assert_false(pair_msg_record(&m, &it, &sa));
}

static void cut_anywhere(void **state)
{
	uint8_t bytes[512];
	struct pair_msg m;
	size_t len = upsert(bytes, sizeof(bytes));

	for (size_t n = 0; n < len; n++) {
		assert_int_equal(pair_msg_decode(bytes, n, &m), -EBADMSG);
		if (n >= PAIR_HEAD) {  // even when the head agrees to the length
			uint8_t again[512];
			memcpy(again, bytes, n);
			again[6] = (uint8_t)(n >> 8);
			again[7] = (uint8_t)n;
			int rc = pair_msg_decode(again, n, &m);
			assert_true(rc == -EBADMSG || pair_msg_records(&m) == 1);
		}
	}
}

static void other_releases(void **state)
{
	uint8_t bytes[512];
	struct pair_msg m;
	size_t len = upsert(bytes, sizeof(bytes));

	bytes[0] = PAIR_VERSION + 1;
	assert_int_equal(pair_message_group(bytes, len), 3);
	assert_int_equal(pair_msg_decode(bytes, len, &m), -EPROTONOSUPPORT);
	bytes[0] = PAIR_VERSION;
	bytes[1] = 200;
	assert_int_equal(pair_msg_decode(bytes, len, &m), -ENOMSG);
	bytes[1] = PAIR_UPSERT;
	// a TLV that is not known yet
	memcpy(bytes + len, "\x7f\xff\x00\x02zz", 6);
	len += 6;
	bytes[7] = (uint8_t)len;
	assert_int_equal(pair_msg_decode(bytes, len, &m), 0);
	assert_int_equal(pair_msg_records(&m), 2);
}

static void lists(void **state)
{
	static const enum pair_tlv kinds[] = {TLV_LIMITS, TLV_EDGES, TLV_NEXTS, TLV_HELD};
	static const enum pair_type types[] = {PAIR_RAISE, PAIR_CKPT, PAIR_GRANT, PAIR_JOIN};

	for (unsigned k = 0; k < 4; k++) {
		struct pair_msg m = {.type = types[k],
				     .group = 1,
				     .has = HAS(TLV_SESSION) | HAS(TLV_LSN) | HAS(TLV_ENDS) |
					    HAS(TLV_KIND) | HAS(TLV_MORE) | HAS(TLV_NONCE) |
					    HAS(TLV_ROLE)};
		const struct pair_item one = {.id = 5, .value = 6, .edge = 7, .taint = true};
		struct pair_item got;
		uint8_t bytes[256];
		struct wbuf b;

		wbuf_init(&b, bytes, sizeof(bytes));
		pair_msg_begin(&b, &m);
		size_t mark = pair_msg_list_begin(&b, kinds[k]);
		pair_msg_put_item(&b, kinds[k], &one);
		pair_msg_put_item(&b, kinds[k], &one);
		pair_msg_list_end(&b, mark);
		assert_int_equal(b.len - mark, 2 * pair_msg_item_size(kinds[k]));
		assert_int_equal(pair_msg_finish(&b), 0);
		assert_int_equal(pair_msg_decode(bytes, b.len, &m), 0);
		struct rbuf it = m.list;
		assert_true(pair_msg_item(&m, &it, &got));
		assert_int_equal(got.id, 5);
		assert_int_equal(got.value, kinds[k] == TLV_EDGES ? 0 : 6);
		assert_int_equal(got.edge, kinds[k] == TLV_LIMITS ? 0 : 7);
		assert_int_equal(got.taint, kinds[k] == TLV_HELD);
		assert_true(pair_msg_item(&m, &it, &got));
		assert_false(pair_msg_item(&m, &it, &got));
		// an entry that is not whole
		bytes[mark - 1]--;
		assert_int_equal(pair_msg_decode(bytes, b.len, &m), -EBADMSG);
	}
}

static void what_is_needed(void **state)
{
	for (unsigned type = 1; type < PAIR_TYPES; type++) {
		struct pair_msg m = {.type = type, .group = 1};
		uint8_t bytes[64];
		struct wbuf b;

		wbuf_init(&b, bytes, sizeof(bytes));
		pair_msg_begin(&b, &m);
		assert_int_equal(pair_msg_finish(&b), 0);
		assert_int_equal(pair_msg_decode(bytes, b.len, &m), -EBADMSG);
		assert_string_not_equal(pair_type_name(type), "unknown");
	}
	assert_string_equal(pair_type_name(PAIR_TYPES), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),        cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(other_releases), cmocka_unit_test(lists),
		cmocka_unit_test(what_is_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
