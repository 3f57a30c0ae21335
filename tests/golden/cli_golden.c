// Golden transcripts of the command line: cli-golden [-u] FILE.in ... types each line of a file
// into a session and compares what appears with FILE.out. A line that ends in `?` asks for help,
// one that ends in `<TAB>` for completion. A line `!unprivileged` starts again as a read-only user.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden_file.h"
#include "session.h"

struct screen {
	char text[262144];
	size_t len;
	unsigned indent;  // of the line being typed, for the caret
};
static struct screen screen;

static void show(const char *text, size_t len)
{
	if (screen.len + len + 1 < sizeof(screen.text)) {
		memcpy(screen.text + screen.len, text, len);
		screen.len += len;
		screen.text[screen.len] = '\0';
	}
}

static void sink_line(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	show(text, len);
	show("\n", 1);
}

static void sink_part(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	show(text, len);
}

static void sink_error(void *ctx, const char *text)
{
	sink_line(ctx, text, strlen(text));
}

static void sink_caret(void *ctx, unsigned column)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "%*s^", (int)(screen.indent + column), "");
	sink_line(ctx, text, (size_t)n);
}

static const struct session_sink sink = {
	.line = sink_line, .error = sink_error, .caret = sink_caret, .part = sink_part};

static void type_line(struct cli *s, char *line)
{
	char prompt[128], shown[1400];
	size_t len = strlen(line);
	bool tab = len >= 5 && strcmp(line + len - 5, "<TAB>") == 0;
	bool help = len > 0 && line[len - 1] == '?';

	session_prompt(s, prompt, sizeof(prompt));
	screen.indent = (unsigned)strlen(prompt) + 1;
	int n = snprintf(shown, sizeof(shown), "%s %s\n", prompt, line);
	show(shown, (size_t)n);
	if (tab || help) {
		session_help(s, line, len - (tab ? 5 : 1), tab);
		return;
	}
	int rc = session_execute(s, line, len, strncmp(line, "json ", 5) == 0);
	while (rc == CLI_MORE) {
		usleep(1000);
		rc = session_continue(s);
	}
}

static int run_file(const char *path, bool update)
{
	char out[1024];
	struct err err;
	char *text = golden_read(path), *expect = NULL, *save = NULL;
	struct cli *s = NULL;
	int rc = -1;

	screen.len = 0;
	screen.text[0] = '\0';
	snprintf(out, sizeof(out), "%.*s.out", (int)(strlen(path) - 3), path);
	if (text == NULL || cli_init(&err) != 0 ||
	    (s = session_create(&sink, true, "uid 0")) == NULL)
		goto done;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strcmp(line, "!unprivileged") == 0) {
			session_destroy(s);
			s = session_create(&sink, false, "uid 1000");
			continue;
		}
		type_line(s, line);
	}
	if (update) {
		FILE *f = fopen(out, "w");
		if (f != NULL) {
			fputs(screen.text, f);
			rc = fclose(f);
		}
		goto done;
	}
	expect = golden_read(out);
	rc = expect != NULL && strcmp(expect, screen.text) == 0 ? 0 : -1;
	if (rc != 0)
		fprintf(stderr, "%s: not as in %s; got:\n%s", path, out, screen.text);
done:
	session_destroy(s);
	cli_fini();
	free(text);
	free(expect);
	return rc;
}

int main(int argc, char **argv)
{
	bool update = argc > 1 && strcmp(argv[1], "-u") == 0;
	int failed = 0;

	for (int i = update ? 2 : 1; i < argc; i++) {
		int rc = run_file(argv[i], update);
		if (rc != 0)
			printf("FAIL %s\n", argv[i]);
		failed += rc != 0;
	}
	printf("%d files, %d failed\n", argc - (update ? 2 : 1), failed);
	return failed > 0;
}
