// Golden tests of the configuration language: config-golden [-u] FILE.in ... loads each file,
// prints it (refused lines first, as comments), compares with FILE.ok, and checks that the printed
// text loads without error and prints the same, and that a clone prints the same. -u writes .ok.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "golden_file.h"
#include "model.h"

struct out {
	char text[65536];
	size_t len;
};

static void add(struct out *o, const char *text)
{
	size_t len = strlen(text);
	if (o->len + len < sizeof(o->text)) {
		memcpy(o->text + o->len, text, len + 1);
		o->len += len;
	}
}

static void bad_line(void *ctx, unsigned line, unsigned column, const char *text, const char *why)
{
	char buf[1500];
	snprintf(buf, sizeof(buf), "! line %u, column %u: %.100s: %s\n", line, column + 1, text,
		 why);
	add(ctx, buf);
}

static bool same_again(const char *printed)
{
	struct config *c = config_create();
	unsigned errors = 0;
	struct out o = {0};
	bool ok = false;

	if (c == NULL || config_load_text(c, printed, bad_line, &o, &errors) != 0)
		return false;
	char *again = config_print(c, true);
	struct config *clone = config_clone(c);
	// The clone stands on its own: the original is gone when it is printed.
	config_destroy(c);
	char *cloned = clone != NULL ? config_print(clone, true) : NULL;
	if (errors > 0)
		fprintf(stderr, "the printed text is refused:\n%s", o.text);
	else if (again == NULL || strcmp(again, printed) != 0)
		fprintf(stderr, "printing is no fixed point:\n%s\n", again);
	else if (cloned == NULL || strcmp(cloned, printed) != 0)
		fprintf(stderr, "a clone prints differently\n");
	else
		ok = true;
	free(again);
	free(cloned);
	config_destroy(clone);
	return ok;
}

static bool run_file(const char *path, bool update)
{
	static struct out o;
	char ok_path[1024];
	char *text = golden_read(path);
	struct config *c = config_create();

	o.len = 0;
	o.text[0] = '\0';
	snprintf(ok_path, sizeof(ok_path), "%.*s.ok", (int)(strlen(path) - 3), path);
	if (text == NULL || c == NULL || config_load_text(c, text, bad_line, &o, NULL) != 0)
		return false;
	char *printed = config_print(c, true);
	bool good = printed != NULL && same_again(printed);
	add(&o, printed != NULL ? printed : "");
	if (update) {
		FILE *f = fopen(ok_path, "w");
		if (f != NULL) {
			fputs(o.text, f);
			fclose(f);
		}
	} else {
		char *expect = golden_read(ok_path);
		if (expect == NULL || strcmp(expect, o.text) != 0) {
			fprintf(stderr, "%s: not as in %s; got:\n%s", path, ok_path, o.text);
			good = false;
		}
		free(expect);
	}
	free(printed);
	free(text);
	config_destroy(c);
	return good;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	bool update = argc > 1 && strcmp(argv[1], "-u") == 0;
	int failed = 0;

	if (cli_init(&err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	for (int i = update ? 2 : 1; i < argc; i++) {
		bool good = run_file(argv[i], update);
		if (!good)
			printf("FAIL %s\n", argv[i]);
		failed += !good;
	}
	printf("%d files, %d failed\n", argc - (update ? 2 : 1), failed);
	cli_fini();
	return failed > 0;
}
