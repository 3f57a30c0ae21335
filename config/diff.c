// Compares two printed configurations line by line. A line belongs to the section whose header
// stands above it, so the key of a line is header plus line; order inside a section is ignored.
//
// Ten thousand tunnels are sixty thousand lines on each side: everything here can stop after a line
// or a part of the text and go on later.
#include "diff.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "loop.h"
#include "secret.h"

#define PART_BYTES 16384
#define LOOK_LINES 64  // between two looks at the clock

struct line {
	const char *header;  // of the section; the line itself when it is not indented
	const char *text;
	const char *shown;  // the same line with secrets hidden
	uint64_t hash;      // of the key
};

struct printed {
	char *s;
	size_t len, cap, lines;
};

struct side {
	const struct config *config;
	struct printed text, hidden;  // with and without secrets, cut at the newlines
	char *text_at, *hidden_at;    // not yet split from here on
	const char *header;
	struct line *line;
	size_t count;
	uint32_t *table;  // line + 1 by hash, 0 = free
	size_t mask;
};

enum phase { PRINT_TEXT, PRINT_HIDDEN, SPLIT, SIDE_END };

struct diff {
	struct side side[2];
	enum phase phase;
	unsigned working;  // which side is made; 2: both are there
	struct config_part part;
	unsigned reported;  // sides
	size_t at;          // line to be reported
	const char *header;
	unsigned changes;
	bool failed;
};

static void printed_release(struct printed *p)
{
	if (p->s)
		secret_wipe(p->s, p->cap);
	free(p->s);
}

// Moved by hand: realloc would leave secrets behind.
static bool printed_add(struct printed *p, const char *part)
{
	size_t len = strlen(part);

	if (p->len + len + 1 > p->cap) {
		size_t cap = 2 * (p->len + len) + PART_BYTES;
		char *bigger = malloc(cap);

		if (!bigger)
			return false;
		if (p->s)
			memcpy(bigger, p->s, p->len);
		printed_release(p);
		p->s = bigger;
		p->cap = cap;
	}
	memcpy(p->s + p->len, part, len + 1);
	p->len += len;
	for (const char *nl = part; (nl = strchr(nl, '\n')); nl++)
		p->lines++;
	return true;
}

// One part. True: that was the last one.
static bool print_some(struct diff *d, const struct config *c, struct printed *to, bool hidden)
{
	d->part.hidden = hidden;
	char *part = config_print_part(c, &d->part, PART_BYTES);

	if (!part) {
		d->failed |= d->part.failed || !printed_add(to, "");  // it may be empty
		d->part = (struct config_part){0};
		return true;
	}
	d->failed |= !printed_add(to, part);
	secret_wipe(part, strlen(part));
	free(part);
	return d->failed;
}

// ---- lines --------------------------------------------------------------------------------------
static char *cut_line(char **at)
{
	char *line = *at, *nl = strchr(line, '\n');

	if (nl != NULL)
		*nl = '\0';
	*at = nl != NULL ? nl + 1 : line + strlen(line);
	return line;
}

// FNV-1a
static uint64_t key_hash(const char *header, const char *text)
{
	uint64_t h = 14695981039346656037ull;

	for (; *header; header++)
		h = (h ^ (uint8_t)*header) * 1099511628211ull;
	for (h = (h ^ '\n') * 1099511628211ull; *text; text++)
		h = (h ^ (uint8_t)*text) * 1099511628211ull;
	return h;
}

static const struct line *line_find(const struct side *s, const struct line *l)
{
	for (size_t i = l->hash & s->mask; s->table[i]; i = (i + 1) & s->mask) {
		const struct line *at = &s->line[s->table[i] - 1];

		if (at->hash == l->hash && strcmp(at->text, l->text) == 0 &&
		    strcmp(at->header, l->header) == 0)
			return at;
	}
	return NULL;
}

static bool side_begin(struct side *s)
{
	size_t places = 16;

	while (places < 2 * (s->text.lines + 1))
		places *= 2;
	s->line = calloc(s->text.lines + 1, sizeof(*s->line));
	s->table = calloc(places, sizeof(*s->table));
	s->mask = places - 1;
	s->text_at = s->text.s;
	s->hidden_at = s->hidden.s;
	s->header = "";
	return s->line && s->table;
}

static void line_add(struct side *s)
{
	const char *line = cut_line(&s->text_at), *shown = cut_line(&s->hidden_at);

	if (line[0] == '!' || line[0] == '\0' || strncmp(line, " !", 2) == 0)
		return;
	if (line[0] != ' ')
		s->header = line;
	struct line *l = &s->line[s->count++];

	*l = (struct line){s->header, line, shown, key_hash(s->header, line)};
	size_t i = l->hash & s->mask;

	while (s->table[i])
		i = (i + 1) & s->mask;
	s->table[i] = (uint32_t)s->count;
}

// A part, or some lines. True: the side is complete.
static bool side_some(struct diff *d, struct side *s)
{
	switch (d->phase) {
	case PRINT_TEXT: d->phase += print_some(d, s->config, &s->text, false); break;
	case PRINT_HIDDEN:
		if (!print_some(d, s->config, &s->hidden, true))
			break;
		d->failed = d->failed || !side_begin(s);
		d->phase = SPLIT;
		break;
	default:
		for (unsigned n = 0; n < LOOK_LINES && *s->text_at; n++)
			line_add(s);
		d->phase += *s->text_at == '\0';
		break;
	}
	return d->phase == SIDE_END;
}

// ---- the difference -----------------------------------------------------------------------------
static void line_report(struct diff *d, const struct line *l, char sign,
			void (*fn)(void *ctx, const char *line), void *ctx)
{
	char out[1200];

	d->changes++;
	if (l->header != l->text && l->header != d->header) {
		snprintf(out, sizeof(out), "  %s", l->header);
		fn(ctx, out);
	}
	d->header = l->header;
	snprintf(out, sizeof(out), "%c %s", sign, l->shown);
	fn(ctx, out);
}

// Some lines. True: all of this side are.
static bool report_some(struct diff *d, void (*fn)(void *ctx, const char *line), void *ctx)
{
	const struct side *of = &d->side[d->reported], *against = &d->side[!d->reported];

	for (unsigned n = 0; n < LOOK_LINES && d->at < of->count; n++, d->at++)
		if (!line_find(against, &of->line[d->at]))
			line_report(d, &of->line[d->at], d->reported ? '+' : '-', fn, ctx);
	return d->at == of->count;
}

struct diff *diff_create(const struct config *old, const struct config *new_cfg)
{
	struct diff *d = calloc(1, sizeof(*d));

	if (d) {
		d->side[0].config = old;
		d->side[1].config = new_cfg;
	}
	return d;
}

void diff_destroy(struct diff *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < 2; i++) {
		printed_release(&d->side[i].text);
		printed_release(&d->side[i].hidden);
		free(d->side[i].line);
		free(d->side[i].table);
	}
	free(d);
}

bool diff_run(struct diff *d, uint64_t until_us, void (*fn)(void *ctx, const char *line), void *ctx)
{
	while (!d->failed && d->reported < 2) {
		if (d->working < 2) {
			if (side_some(d, &d->side[d->working])) {
				d->working++;
				d->phase = PRINT_TEXT;
			}
		} else if (report_some(d, fn, ctx)) {
			d->reported++;
			d->at = 0;
			d->header = NULL;
		}
		if (loop_clock_us() >= until_us)
			break;
	}
	if (!d->failed)
		return d->reported == 2;
	fn(ctx, "(no memory to show the difference)");
	return true;
}

unsigned diff_changes(const struct diff *d)
{
	return d->changes;
}

unsigned diff_configs(const struct config *old, const struct config *new_cfg,
		      void (*fn)(void *ctx, const char *line), void *ctx)
{
	struct diff *d = diff_create(old, new_cfg);

	if (!d) {
		fn(ctx, "(no memory to show the difference)");
		return 0;
	}
	while (!diff_run(d, UINT64_MAX, fn, ctx))
		;
	unsigned changes = d->changes;

	diff_destroy(d);
	return changes;
}
