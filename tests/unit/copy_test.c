// A long file into the running configuration: read in slices, in force all at once, on top of what
// others commit meanwhile; a client that goes away leaves nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "commit.h"
#include "session.h"

#define LINES 4000

static char path[64], said[4096];

static void line(void *ctx, const char *text, size_t len)
{
	size_t at = strlen(said);

	if (at + len + 2 < sizeof(said))
		snprintf(said + at, sizeof(said) - at, "%.*s\n", (int)len, text);
}

static void error(void *ctx, const char *text)
{
	line(ctx, text, strlen(text));
}

static void caret(void *ctx, unsigned column)
{
	(void)column;
}

static const struct session_sink sink = {
	.line = line, .error = error, .caret = caret, .part = line};

static struct cli *session(void)
{
	struct cli *s = session_create(&sink, true, "uid 0");

	assert_non_null(s);
	s->owner = true;
	s->stack[s->depth - 1].mode = CLI_ENABLE;
	said[0] = '\0';
	return s;
}

static void commit_text(const char *text)
{
	struct config *c = config_clone(commit_running());
	struct err err = {0};
	unsigned errors = 1;

	assert_non_null(c);
	assert_int_equal(config_load_text(c, text, NULL, NULL, &errors), 0);
	assert_int_equal(errors, 0);
	assert_int_equal(commit_candidate(c, NULL, NULL, &err), 0);
}

static unsigned entries(void)
{
	const struct acl *acl = config_acl(commit_running(), "LONG");
	const struct acl_entry *e;
	unsigned n = 0;

	if (acl != NULL)
		TAILQ_FOREACH (e, &acl->entries, link)
			n++;
	return n;
}

// Returns the slices it took. `between` is committed by somebody else after the second one.
static unsigned run(struct cli *s, const char *command, const char *between)
{
	unsigned before = entries(), slices = 1;
	int rc = session_execute(s, command, strlen(command), false);

	for (; rc == CLI_MORE; slices++) {
		assert_int_equal(entries(), before);
		if (slices == 2 && between != NULL)
			commit_text(between);
		rc = session_continue(s);
	}
	return slices;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	if (cli_init(&err) != 0)
		return -1;
	snprintf(path, sizeof(path), "/tmp/tandem-copy.XXXXXX");
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL)
		return -1;
	fputs("hostname LONG\nip access-list extended LONG\n", f);
	for (unsigned i = 0; i < LINES; i++)
		fprintf(f, " permit ip host 10.%u.%u.1 any\n", i / 256, i % 256);
	return fclose(f);
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	cli_fini();
	return 0;
}

static void in_slices_and_at_once(void **state)
{
	struct cli *s = session();
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "copy %s running-config", path);
	assert_true(run(s, command, NULL) > 3);
	assert_int_equal(s->status, 0);
	assert_int_equal(entries(), LINES);
	assert_string_equal(commit_running()->hostname, "LONG");
	session_destroy(s);
}

static void commits_of_others_stay(void **state)
{
	struct cli *s = session();
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "copy %s running-config", path);
	(void)run(s, command, "ip access-list extended OTHER\n permit ip any any\n");
	assert_int_equal(s->status, 0);
	assert_int_equal(entries(), LINES);
	assert_non_null(config_acl(commit_running(), "OTHER"));
	session_destroy(s);
}

static void replaced_whole_or_only_compared(void **state)
{
	struct cli *s = session();
	char command[128];

	(void)state;
	commit_text("ip access-list extended OTHER\n permit ip any any\n");
	snprintf(command, sizeof(command), "configure replace %s check", path);
	assert_true(run(s, command, NULL) > 3);
	assert_int_equal(entries(), 0);
	snprintf(command, sizeof(command), "configure replace %s", path);
	(void)run(s, command, NULL);
	assert_int_equal(s->status, 0);
	assert_int_equal(entries(), LINES);
	assert_null(config_acl(commit_running(), "OTHER"));
	session_destroy(s);
}

static void a_client_that_leaves(void **state)
{
	struct cli *s = session();
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "copy %s running-config", path);
	assert_int_equal(session_execute(s, command, strlen(command), false), CLI_MORE);
	assert_int_equal(session_continue(s), CLI_MORE);
	session_destroy(s);
	assert_int_equal(entries(), 0);
	s = session();
	(void)run(s, "copy /nowhere/at-all running-config", NULL);
	assert_true(s->status < 0);
	assert_non_null(strstr(said, "/nowhere/at-all"));
	session_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_slices_and_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(commits_of_others_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(replaced_whole_or_only_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_leaves, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
