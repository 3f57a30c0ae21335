// The matcher on a table of its own: ranks, abbreviations, verdicts, arguments, candidates.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "match.h"

static int handler(struct cli *cli, const struct cli_args *a)
{
	(void)cli;
	(void)a;
	return 0;
}

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "alpha one NUMBER<1-10>", NULL, handler, CLI_NO, NULL},
	{CLI_EXEC, "alpha {two|three NAME} [four ADDR] [five]", NULL, handler, 0, NULL},
	{CLI_EXEC, "alphabet", NULL, handler, 0, NULL},
	{CLI_EXEC, "beta NAME", NULL, handler, 0, NULL},
	{CLI_EXEC, "beta word", NULL, handler, 0, NULL},
	{CLI_EXEC, "old beta", NULL, handler, CLI_HIDDEN, NULL},
	{CLI_EXEC, "only this", NULL, handler, 0, NULL},
	{CLI_EXEC, "port INTERFACE up", NULL, handler, 0, NULL},
	{CLI_EXEC, "text LINE", NULL, handler, 0, NULL},
	{CLI_EXEC, "never", NULL, handler, CLI_NO_ONLY, NULL},
};

static struct lex_line line;
static struct match_result m;

static enum match_verdict match(const char *text)
{
	struct err err;
	unsigned column;

	assert_int_equal(lex_line(&line, text, strlen(text), &err, &column), 0);
	bool no = line.count > 0 && strcmp(line.word[0].text, "no") == 0;
	match_line(&m, CLI_EXEC, &line, no ? 1 : 0, no);
	return m.verdict;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	return pattern_register(rows, sizeof(rows) / sizeof(rows[0]), &err);
}

static int teardown(void **state)
{
	(void)state;
	pattern_reset();
	return 0;
}

static void test_verdicts(void **state)
{
	static const struct {
		const char *text;
		enum match_verdict verdict;
		unsigned column;
		const char *expected;
	} cases[] = {
		{"alpha one 5", MATCH_OK, 0, NULL},
		{"alp o 5", MATCH_AMBIGUOUS, 0, "alpha, alphabet"},
		{"alpha one 11", MATCH_INVALID, 10, "<1-10>"},
		{"alpha one", MATCH_INCOMPLETE, 9, "<1-10>"},
		{"alpha t", MATCH_AMBIGUOUS, 6, "two, three"},
		{"alpha tw fi", MATCH_OK, 0, NULL},
		{"alpha two five four ::1", MATCH_INVALID, 15, "<cr>"},
		{"alpha two four 1.2.3", MATCH_INVALID, 15, "ADDR"},
		{"gamma", MATCH_INVALID, 0, NULL},
		{"on t", MATCH_OK, 0, NULL},
		{"o t", MATCH_OK, 0, NULL},
		{"never", MATCH_INVALID, 0, NULL},
		{"no never", MATCH_OK, 0, NULL},
		{"no alpha one", MATCH_OK, 0, NULL},
		{"no alpha", MATCH_INCOMPLETE, 8, "one"},
		{"no beta x", MATCH_INVALID, 3, NULL},
		{"port g0/0 up", MATCH_OK, 0, NULL},
		{"port Gig 0/0 up", MATCH_OK, 0, NULL},
		{"port t0 up", MATCH_INVALID, 5, "INTERFACE"},
		{"port Gig up", MATCH_INVALID, 9, "interface number"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(match(cases[i].text), cases[i].verdict);
		if (m.verdict != MATCH_OK)
			assert_int_equal(m.column, cases[i].column);
		if (cases[i].expected != NULL)
			assert_string_equal(m.expected, cases[i].expected);
	}
}

static void test_arguments(void **state)
{
	(void)state;
	assert_int_equal(match("alpha thr xyz fo 10.0.0.1"), MATCH_OK);
	assert_int_equal(m.args.count, 5);
	assert_string_equal(m.args.word[1], "three");
	assert_int_equal(m.args.values, 2);
	assert_string_equal(m.args.value[0], "xyz");
	assert_string_equal(cli_after(&m.args, "four"), "10.0.0.1");
	assert_true(cli_has(&m.args, "three"));
	assert_false(cli_has(&m.args, "two"));
	assert_false(cli_has(&m.args, "xyz"));
	// Choices in pattern order: two, three NAME, four ADDR, five.
	assert_int_equal(m.args.chosen, 1u << 1 | 1u << 2);
	assert_int_equal(match("port ten 1/0/0.5 up"), MATCH_OK);
	assert_string_equal(m.args.value[0], "TenGigabitEthernet1/0/0.5");
	assert_int_equal(match("text  a   \"b\" ! c"), MATCH_OK);
	assert_string_equal(m.args.value[0], "a   \"b\" ! c");
	// A keyword in full beats a free word; an unknown word is the free word.
	assert_int_equal(match("beta word"), MATCH_OK);
	assert_int_equal(m.args.values, 0);
	assert_int_equal(match("beta worldly"), MATCH_OK);
	assert_int_equal(m.args.values, 1);
}

static void test_candidates(void **state)
{
	struct match_candidate c[MATCH_CANDIDATES_MAX];
	struct err err;
	unsigned column;

	(void)state;
	assert_int_equal(lex_line(&line, "alpha two ", 10, &err, &column), 0);
	assert_int_equal(match_candidates(c, CLI_EXEC, &line, 0, false), 3);
	assert_string_equal(c[0].word, "five");
	assert_string_equal(c[1].word, "four");
	assert_string_equal(c[2].word, "<cr>");
	assert_int_equal(lex_line(&line, "o", 1, &err, &column), 0);
	assert_int_equal(match_candidates(c, CLI_EXEC, &line, 0, false), 1);
	assert_string_equal(c[0].word, "only");
	assert_int_equal(lex_line(&line, "nonsense ", 9, &err, &column), 0);
	assert_int_equal(match_candidates(c, CLI_EXEC, &line, 0, false), -ENOENT);
}

static void test_bad_patterns(void **state)
{
	static const char *const bad[] = {"",          "a {b",          "a b]",  "a {}",
					  "a UNKNOWN", "a NUMBER<5-1>", "a {b|}"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct cli_cmd row = {CLI_EXEC, bad[i], NULL, handler, 0, NULL};
		assert_int_equal(cli_register(&row, 1, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_bad_patterns),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
