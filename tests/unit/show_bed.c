// The command line of the display tests: rows are registered and called directly, what they print
// is kept in memory and compared with the files of tests/golden/show.
#include "show_bed.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct cli_cmd *rows[64];
static unsigned row_count;

int cli_register(const struct cli_cmd *r, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		rows[row_count++] = &r[i];
	return 0;
}
void cli_printf(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	cli->len += (size_t)vsnprintf(cli->out + cli->len, sizeof(cli->out) - cli->len, fmt, ap);
	va_end(ap);
	assert_true(cli->len < sizeof(cli->out));
}
void cli_puts(struct cli *cli, const char *text)
{
	cli_printf(cli, "%s", text);
}
int cli_error(struct cli *cli, const char *fmt, ...)
{
	cli_puts(cli, "error\n");
	return -22;
}
struct json *cli_json(struct cli *cli)
{
	return cli->json;
}
void *cli_ctx(const struct cli *cli)
{
	return &gateway;
}
const struct config *cli_running(struct cli *cli)
{
	return cli->running;
}
void **cli_state(struct cli *cli, void (*release)(void *state))
{
	cli->release = release;
	return &cli->state;
}
bool cli_has(const struct cli_args *a, const char *kw)
{
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->word[i], kw) == 0)
			return true;
	return false;
}
const char *cli_after(const struct cli_args *a, const char *kw)
{
	for (unsigned i = 0; i + 1 < a->count; i++)
		if (strcmp(a->word[i], kw) == 0)
			return a->word[i + 1];
	return NULL;
}

// ---- running and comparing -------------------------------------------------------------------
const struct cli_cmd *show_row(const char *line)
{
	const struct cli_cmd *found = NULL;
	size_t best = 0;
	for (unsigned i = 0; i < row_count; i++) {
		size_t n = strcspn(rows[i]->pattern, "[{");
		while (n && rows[i]->pattern[n - 1] == ' ')
			n--;
		if (strncmp(rows[i]->pattern, line, n) == 0 && n > best) {
			best = n;
			found = rows[i];
		}
	}
	assert_non_null(found);
	return found;
}

static void run(struct cli *cli, const char *line)
{
	char words[256];
	struct cli_args args = {0};
	snprintf(words, sizeof(words), "%s", line);
	for (char *save, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		args.word[args.count++] = w;
	const struct cli_cmd *row = show_row(line);
	int rc, slices = 0;
	do
		rc = row->fn(cli, &args);
	while (rc == CLI_MORE && ++slices < 1000);
	assert_int_equal(rc, CLI_DONE);
	if (cli->state && cli->release)
		cli->release(cli->state);
	cli->state = NULL;
}

static void compare(const char *name, const char *got)
{
	char path[512];
	static char want[65536];
	snprintf(path, sizeof(path), GOLDEN_DIR "/%s", name);
	if (getenv("GOLDEN_UPDATE")) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(got, f);
		fclose(f);
		return;
	}
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("no %s", path);
	size_t n = fread(want, 1, sizeof(want) - 1, f);
	fclose(f);
	want[n] = '\0';
	assert_string_equal(got, want);
}

void show_golden(const struct config *running, const char *line, const char *name, bool json)
{
	static struct cli cli;
	memset(&cli, 0, sizeof(cli));
	cli.running = running;
	if (json)
		cli.json = json_create();
	run(&cli, line);
	size_t len;
	compare(name, json ? json_text(cli.json, &len) : cli.out);
	json_destroy(cli.json);
}
