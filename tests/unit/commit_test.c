// Commits: order of the hooks, undo in reverse, refusal of a second one, model look-ups, diff.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "commit.h"
#include "diff.h"

static char journal[512];
static char fail_apply, fail_validate;

static void note(char what, const char *ctx, const struct config *a, const struct config *b)
{
	size_t at = strlen(journal);
	journal[at++] = what;
	journal[at++] = ctx[0];
	// Which way: from the config named "old" to "new" or back.
	journal[at++] = strcmp(b->hostname, "new") == 0 ? '>' : '<';
	journal[at] = '\0';
	(void)a;
}

static int validate(void *ctx, const struct config *old, const struct config *new_cfg,
		    struct err *err)
{
	note('v', ctx, old, new_cfg);
	return *(char *)ctx == fail_validate ? err_set(err, -EINVAL, "no") : 0;
}

static int apply(void *ctx, const struct config *old, const struct config *new_cfg, struct err *err)
{
	note('a', ctx, old, new_cfg);
	if (*(char *)ctx == '3') {
		struct err nested = {0};
		assert_int_equal(commit_candidate(config_create(), NULL, NULL, &nested), -EBUSY);
	}
	return *(char *)ctx == fail_apply ? err_set(err, -EIO, "broken") : 0;
}

static struct config *config_of(const char *text)
{
	struct config *c = config_create();
	unsigned errors = 1;

	assert_non_null(c);
	assert_int_equal(config_load_text(c, text, NULL, NULL, &errors), 0);
	assert_int_equal(errors, 0);
	return c;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	if (cli_init(&err) != 0)
		return -1;
	for (const char *n = "123"; *n != '\0'; n++) {
		const struct commit_hook hook = {.name = n,
						 .validate = validate,
						 .apply = apply,
						 .ctx = (void *)(uintptr_t)n};
		if (commit_register(&hook) != 0)
			return -1;
	}
	journal[0] = fail_apply = fail_validate = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cli_fini();
	return 0;
}

static void test_order(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(commit_candidate(config_of("hostname new"), NULL, NULL, &err), 0);
	assert_string_equal(journal, "v1>v2>v3>a1>a2>a3>");
	assert_string_equal(commit_running()->hostname, "new");
}

static void test_undo(void **state)
{
	struct err err = {0};

	(void)state;
	fail_apply = '3';
	assert_int_equal(commit_candidate(config_of("hostname new"), NULL, NULL, &err), -EIO);
	assert_string_equal(err.msg, "broken");
	assert_string_equal(journal, "v1>v2>v3>a1>a2>a3>a2<a1<");
	assert_string_equal(commit_running()->hostname, "tandem");
}

static void test_invalid(void **state)
{
	struct err err = {0};

	(void)state;
	fail_validate = '2';
	assert_int_equal(commit_candidate(config_of("hostname new"), NULL, NULL, &err), -EINVAL);
	assert_string_equal(journal, "v1>v2>");
	assert_string_equal(commit_running()->hostname, "tandem");
}

static void test_lookups(void **state)
{
	struct config *c = config_of("crypto isakmp key wild address 0.0.0.0 0.0.0.0\n"
				     "crypto isakmp key net address 10.0.0.0 255.0.0.0\n"
				     "crypto isakmp key host address 10.0.0.1\n"
				     "interface g0/1\n"
				     "crypto map M 20 ipsec-isakmp\ncrypto map M 10 ipsec-isakmp\n"
				     "crypto dynamic-map M 1\n");
	struct ip_addr a;

	(void)state;
	addr_parse("10.0.0.1", &a);
	assert_string_equal(config_isakmp_key(c, &a)->key, "host");
	addr_parse("10.2.0.1", &a);
	assert_string_equal(config_isakmp_key(c, &a)->key, "net");
	addr_parse("11.2.0.1", &a);
	assert_string_equal(config_isakmp_key(c, &a)->key, "wild");
	assert_non_null(config_interface(c, "GigabitEthernet0/1"));
	assert_null(config_interface(c, "GigabitEthernet0/2"));
	const struct crypto_map *m = config_crypto_map(c, "M", false);
	assert_non_null(m);
	assert_int_equal(TAILQ_FIRST(&m->entries)->seq, 10);
	assert_non_null(crypto_map_entry_get(m, 20));
	assert_ptr_not_equal(config_crypto_map(c, "M", true), m);
	config_destroy(c);
}

static void collect(void *ctx, const char *line)
{
	strcat(ctx, line);
	strcat(ctx, "\n");
}

static void test_diff(void **state)
{
	struct config *a = config_of("hostname a\ninterface g0/1\n mtu 1400\n shutdown\n"
				     "crypto isakmp key one address 10.0.0.1\n");
	struct config *b = config_of("hostname a\ninterface g0/1\n mtu 1500\n shutdown\n"
				     "crypto isakmp key two address 10.0.0.1\n");
	char text[1024] = "";

	(void)state;
	assert_int_equal(diff_configs(a, b, collect, text), 4);
	assert_string_equal(text, "  interface GigabitEthernet0/1\n-  mtu 1400\n"
				  "- crypto isakmp key <hidden> address 10.0.0.1\n"
				  "  interface GigabitEthernet0/1\n+  mtu 1500\n"
				  "+ crypto isakmp key <hidden> address 10.0.0.1\n");
	text[0] = '\0';
	assert_int_equal(diff_configs(a, a, collect, text), 0);
	config_destroy(a);
	config_destroy(b);
}

static void count(void *ctx, const char *line)
{
	++*(unsigned *)ctx;
}

// In slices, each as short as can be: the same difference, a line of a section known by its header.
static void test_diff_slices(void **state)
{
	static char a_text[400000], b_text[400000];
	unsigned lines = 0, slices = 0;
	size_t n = 0, m = 0;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		n += (size_t)sprintf(a_text + n,
				     "ip access-list extended N%u\n permit ip any host "
				     "10.0.%u.%u\n",
				     i, i / 250, i % 250);
		if (i == 77)  // gone
			continue;
		m += (size_t)sprintf(b_text + m,
				     "ip access-list extended N%u\n permit ip any host "
				     "10.0.%u.%u\n",
				     i, i / 250, i == 3000 ? 251 : i % 250);
	}
	struct config *a = config_of(a_text), *b = config_of(b_text);
	struct diff *d = diff_create(a, b);

	assert_non_null(d);
	while (!diff_run(d, 0, count, &lines))
		slices++;
	assert_int_equal(diff_changes(d), 4);  // two lines of N77, one of N3000 either way
	assert_int_equal(lines, 6);            // with the header of N3000, twice
	assert_true(slices > 100);
	diff_destroy(d);
	d = diff_create(a, b);  // given up
	assert_false(diff_run(d, 0, count, &lines));
	diff_destroy(d);
	config_destroy(a);
	config_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lookups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff, setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff_slices, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
