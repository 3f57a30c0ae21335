// Words, quotes, comments, and lines that are no text.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lex.h"

static struct lex_line line;
static struct err err;
static unsigned column;

static int lex(const char *text)
{
	return lex_line(&line, text, strlen(text), &err, &column);
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(lex("  crypto\tmap  M 10 \r\n"), 0);
	assert_int_equal(line.count, 4);
	assert_string_equal(line.word[1].text, "map");
	assert_int_equal(line.word[1].column, 9);
	assert_string_equal(line.word[3].text, "10");
	assert_true(line.open_end);
	assert_string_equal(line.raw, "  crypto\tmap  M 10");
	assert_int_equal(lex("   "), 0);
	assert_int_equal(line.count, 0);
	assert_int_equal(lex(" ! a comment"), 0);
	assert_true(line.is_comment);
	assert_int_equal(lex("key a!b"), 0);
	assert_string_equal(line.word[1].text, "a!b");
}

static void test_quotes(void **state)
{
	char buf[64];

	(void)state;
	assert_int_equal(lex("key \"two \\\"w\\\\\" x"), 0);
	assert_int_equal(line.count, 3);
	assert_string_equal(line.word[1].text, "two \"w\\");
	assert_string_equal(lex_quote(line.word[1].text, buf, sizeof(buf)), "\"two \\\"w\\\\\"");
	assert_string_equal(lex_quote("plain", buf, sizeof(buf)), "plain");
	assert_string_equal(lex_quote("", buf, sizeof(buf)), "\"\"");
	assert_int_equal(lex("a \"b"), -EINVAL);
	assert_int_equal(column, 2);
	assert_int_equal(lex("a \"b\"c"), -EINVAL);
}

static void test_not_text(void **state)
{
	static const char *const bad[] = {"a\x01",     "a\x1b[2J",  "a\x7f",    "a\xff",
					  "a\xc0\x80", "a\xc2\x9b", "a\xe2\x82"};
	char big[LEX_LINE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(lex(bad[i]), -EINVAL);
		assert_int_equal(column, 1);
	}
	assert_int_equal(lex("gr\xc3\xbc\xc3\x9f"), 0);
	memset(big, 'x', sizeof(big));
	assert_int_equal(lex_line(&line, big, LEX_LINE_MAX + 1, &err, &column), -EMSGSIZE);
	assert_int_equal(lex_line(&line, big, LEX_LINE_MAX, &err, &column), 0);
	assert_int_equal(lex_line(&line, "a\0b", 3, &err, &column), -EINVAL);
}

static void test_many_words(void **state)
{
	char text[LEX_LINE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < LEX_LINE_MAX; i += 2)
		memcpy(text + i, "a ", 2);
	assert_int_equal(lex_line(&line, text, LEX_LINE_MAX, &err, &column), 0);
	assert_int_equal(line.count, LEX_WORDS_MAX);
	assert_true(line.more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_not_text),
		cmocka_unit_test(test_many_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
