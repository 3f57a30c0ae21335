// Commas, nesting and escaping, checked as exact text.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static void objects_and_arrays_nest(void **state)
{
	struct json *w = json_create();
	size_t len;

	json_obj(w, NULL);
	json_str(w, "name", "a");
	json_arr(w, "list");
	json_u64(w, NULL, 1);
	json_obj(w, NULL);
	json_end(w);
	json_arr(w, NULL);
	json_end(w);
	json_end(w);
	json_i64(w, "low", INT64_MIN);
	json_u64(w, "high", UINT64_MAX);
	json_bool(w, "yes", true);
	json_bool(w, "no", false);
	json_null(w, "nothing");
	json_str(w, "null", NULL);
	json_fmt(w, "spi", "0x%08x", 0x1234);
	json_double(w, "d", 0.5);
	json_double(w, "inf", INFINITY);
	json_end(w);
	assert_string_equal(
		json_text(w, &len),
		"{\"name\":\"a\",\"list\":[1,{},[]],\"low\":-9223372036854775808,"
		"\"high\":18446744073709551615,\"yes\":true,\"no\":false,\"nothing\":null,"
		"\"null\":null,\"spi\":\"0x00001234\",\"d\":0.5,\"inf\":null}");
	assert_int_equal(len, strlen(json_text(w, NULL)));
	json_destroy(w);
}

static void strings_are_escaped(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{"", "\"\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\n\t\x01\x7f", "\"\\n\\u0009\\u0001\\u007f\""},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xff", "\"\\ufffd\""},
		{"\xc3", "\"\\ufffd\""},                                   // cut short
		{"\xe2\x82", "\"\\ufffd\\ufffd\""},                        // cut short
		{"\xc0\x80", "\"\\ufffd\\ufffd\""},                        // overlong NUL
		{"\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\""},             // overlong
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},             // surrogate
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},  // above U+10FFFF
		{"\x80z", "\"\\ufffdz\""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct json *w = json_create();

		json_str(w, NULL, table[i].in);
		assert_string_equal(json_text(w, NULL), table[i].out);
		json_destroy(w);
	}
}

static void wrong_nesting_is_sticky(void **state)
{
	struct json *w = json_create();

	assert_string_equal(json_text(w, NULL), "");
	json_end(w);
	assert_null(json_text(w, NULL));
	json_u64(w, NULL, 1);
	assert_null(json_text(w, NULL));
	json_destroy(w);

	w = json_create();
	for (unsigned i = 0; i < 40; i++)
		json_arr(w, NULL);
	assert_null(json_text(w, NULL));
	json_destroy(w);
	json_destroy(NULL);
}

static void text_grows(void **state)
{
	struct json *w = json_create();
	size_t len;

	json_arr(w, NULL);
	for (unsigned i = 0; i < 10000; i++)
		json_u64(w, NULL, i % 10);
	json_end(w);
	assert_non_null(json_text(w, &len));
	assert_int_equal(len, 2 * 10000 + 1);
	json_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_and_arrays_nest),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(wrong_nesting_is_sticky),
		cmocka_unit_test(text_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
