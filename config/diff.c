// Compares two printed configurations line by line. A line belongs to the section whose header
// stands above it, so the key of a line is header plus line; order inside a section is ignored.
#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "secret.h"

struct line {
	const char *header;  // of the section; the line itself when it is not indented
	const char *text;
	const char *shown;  // the same line with secrets hidden
};

struct side {
	size_t len;           // of text
	char *text, *hidden;  // printed with and without secrets, cut at the newlines
	struct line *line;
	size_t count;
	struct line **sorted;
};

static int by_key(const void *a, const void *b)
{
	const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;
	int rc = strcmp(x->header, y->header);
	return rc != 0 ? rc : strcmp(x->text, y->text);
}

static size_t count_lines(const char *s)
{
	size_t n = 1;
	for (; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

static void side_release(struct side *s)
{
	if (s->text != NULL)
		secret_wipe(s->text, s->len);
	free(s->text);
	free(s->hidden);
	free(s->line);
	free(s->sorted);
}

static char *cut_line(char **at)
{
	char *line = *at, *nl = strchr(line, '\n');

	if (nl != NULL)
		*nl = '\0';
	*at = nl != NULL ? nl + 1 : line + strlen(line);
	return line;
}

static bool side_init(struct side *s, const struct config *c)
{
	*s = (struct side){.text = config_print(c, true), .hidden = config_print(c, false)};
	if (s->text == NULL || s->hidden == NULL)
		return false;
	s->len = strlen(s->text);
	size_t max = count_lines(s->text);
	s->line = calloc(max, sizeof(*s->line));
	s->sorted = calloc(max, sizeof(struct line *));
	if (s->line == NULL || s->sorted == NULL)
		return false;
	char *text = s->text, *hidden = s->hidden;
	const char *header = "";
	while (*text != '\0' && s->count < max) {
		const char *line = cut_line(&text), *shown = cut_line(&hidden);
		if (line[0] == '!' || line[0] == '\0' || strncmp(line, " !", 2) == 0)
			continue;
		if (line[0] != ' ')
			header = line;
		s->line[s->count] = (struct line){header, line, shown};
		s->sorted[s->count] = &s->line[s->count];
		s->count++;
	}
	qsort(s->sorted, s->count, sizeof(struct line *), by_key);
	return true;
}

static unsigned report(const struct side *of, const struct side *against, char sign,
		       void (*fn)(void *ctx, const char *line), void *ctx)
{
	const char *header = NULL;
	char out[1200];
	unsigned changes = 0;

	for (size_t i = 0; i < of->count; i++) {
		const struct line *l = &of->line[i];
		if (against->count > 0 && bsearch(&l, against->sorted, against->count,
						  sizeof(struct line *), by_key) != NULL)
			continue;
		changes++;
		if (l->header != l->text && l->header != header) {
			snprintf(out, sizeof(out), "  %s", l->header);
			fn(ctx, out);
		}
		header = l->header;
		snprintf(out, sizeof(out), "%c %s", sign, l->shown);
		fn(ctx, out);
	}
	return changes;
}

unsigned diff_configs(const struct config *old, const struct config *new_cfg,
		      void (*fn)(void *ctx, const char *line), void *ctx)
{
	struct side a, b = {0};
	unsigned changes = 0;

	if (side_init(&a, old) && side_init(&b, new_cfg))
		changes = report(&a, &b, '-', fn, ctx) + report(&b, &a, '+', fn, ctx);
	else
		fn(ctx, "(no memory to show the difference)");
	side_release(&a);
	side_release(&b);
	return changes;
}
