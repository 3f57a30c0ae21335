// What handlers print: split into lines, passed through the output modifier, handed to the sink.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "session.h"

#define FILTER_PATTERN_MAX 128

static void line_out(struct cli *s, const char *text, size_t len)
{
	s->sink.line(s->sink.ctx, text, len);
}

static bool filter_wants(struct session_filter *f, const char *text)
{
	bool hit = regexec(&f->regex, text, 0, NULL, 0) == 0;
	size_t indent = strspn(text, " ");

	switch (f->kind) {
	case FILTER_NONE: return true;
	case FILTER_INCLUDE: return hit;
	case FILTER_EXCLUDE: return !hit;
	case FILTER_BEGIN: f->open |= hit; return f->open;
	case FILTER_SECTION:
		// A section is a line that matches and everything deeper below it.
		if (hit && (!f->open || indent <= f->indent)) {
			f->open = true;
			f->indent = indent;
		} else if (f->open && indent <= f->indent) {
			f->open = false;
		}
		return f->open;
	case FILTER_COUNT: f->count += hit; return false;
	}
	return true;
}

static void line_end(struct cli *s)
{
	s->part[s->part_len] = '\0';
	if (s->filter.kind == FILTER_NONE || filter_wants(&s->filter, s->part))
		line_out(s, s->part, s->part_len);
	s->part_len = 0;
}

void cli_puts(struct cli *cli, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char ch = (unsigned char)*text;
		if (ch == '\n') {
			line_end(cli);
			continue;
		}
		if (cli->part_len == sizeof(cli->part) - 1)
			line_end(cli);
		// Text that came from a peer must not steer the operator's terminal.
		if (ch < 0x20 && ch != '\t')
			ch = '?';
		cli->part[cli->part_len++] = (char)ch;
	}
}

void cli_printf(struct cli *cli, const char *fmt, ...)
{
	char buf[1024], *text = buf;
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(buf)) {
		text = malloc((size_t)n + 1);
		if (text != NULL)
			vsnprintf(text, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	cli_puts(cli, text != NULL ? text : "(no memory for this output)\n");
	if (text != buf)
		free(text);
}

int cli_error(struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cli->error, sizeof(cli->error), fmt, ap);
	va_end(ap);
	if (cli->status == 0)
		cli->status = -EINVAL;
	return cli->status;
}

struct json *cli_json(struct cli *cli)
{
	return cli->json;
}

void output_reset(struct cli *s)
{
	if (s->filter.kind != FILTER_NONE)
		regfree(&s->filter.regex);
	memset(&s->filter, 0, sizeof(s->filter));
	s->part_len = 0;
}

void output_end(struct cli *s)
{
	char count[64];

	if (s->part_len > 0)
		line_end(s);
	if (s->filter.kind == FILTER_COUNT) {
		int n = snprintf(count, sizeof(count), "Number of lines which match regexp = %u",
				 s->filter.count);
		line_out(s, count, (size_t)n);
	}
	output_reset(s);
}

static const struct {
	const char *word;
	enum filter_kind kind;
} filters[] = {
	{"include", FILTER_INCLUDE}, {"exclude", FILTER_EXCLUDE}, {"begin", FILTER_BEGIN},
	{"section", FILTER_SECTION}, {"count", FILTER_COUNT},
};

// Back references and counted repeats make a short pattern arbitrarily expensive: refused.
static bool pattern_cheap(const char *p)
{
	if (strlen(p) > FILTER_PATTERN_MAX || strchr(p, '{') != NULL)
		return false;
	for (; *p != '\0'; p++) {
		if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
			return false;
	}
	return true;
}

static int filter_error(struct cli *s, unsigned column, const char *why)
{
	s->has_caret = true;
	s->caret = column;
	return cli_error(s, "%% %s", why);
}

int output_filter(struct cli *s, struct lex_line *line, unsigned first)
{
	unsigned bar = first;

	while (bar < line->count && strcmp(line->word[bar].text, "|") != 0)
		bar++;
	if (bar >= line->count)
		return 0;
	unsigned column = line->word[bar].column;
	if (bar + 1 >= line->count)
		return filter_error(s, column + 1,
				    "expected one of: begin, count, exclude, include, section");
	const struct lex_word *word = &line->word[bar + 1];
	enum filter_kind kind = FILTER_NONE;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (strncasecmp(filters[i].word, word->text, strlen(word->text)) == 0)
			kind = filters[i].kind;
	}
	if (kind == FILTER_NONE)
		return filter_error(s, word->column,
				    "expected one of: begin, count, exclude, include, section");
	if (bar + 2 >= line->count)
		return filter_error(s, (unsigned)strlen(line->raw),
				    "expected a regular expression");
	const char *pattern = line->raw + line->word[bar + 2].column;
	if (!pattern_cheap(pattern) ||
	    regcomp(&s->filter.regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return filter_error(
			s, line->word[bar + 2].column,
			"not a usable regular expression (at most 128 characters, no \\1, no {})");
	s->filter.kind = kind;
	line->count = bar;
	line->more = false;
	line->raw[column] = '\0';
	return 0;
}
