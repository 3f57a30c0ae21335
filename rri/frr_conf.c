// Blocks out of the kept lines of a configuration, and the commands that bring FRR from one
// configuration to the next without touching what stays: an OSPF adjacency or BGP session lives on
// when a line next to it changes.
#include "frr_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frr_vty.h"

#define BLOCKS_MAX 4096u
#define LINES_MAX  60000u

// ---- building --------------------------------------------------------------------------------
static struct frr_block *block_add(struct frr_conf *f, const char *header)
{
	if (f->count == BLOCKS_MAX)
		return NULL;
	struct frr_block *all = realloc(f->blocks, (f->count + 1) * sizeof(*all));
	if (!all)
		return NULL;
	f->blocks = all;
	all[f->count] = (struct frr_block){.header.text = strdup(header)};
	return all[f->count].header.text ? &all[f->count++] : NULL;
}

static int line_add(struct frr_block *b, const char *text)
{
	struct frr_line *all =
		b->count < LINES_MAX ? realloc(b->lines, (b->count + 1) * sizeof(*all)) : NULL;
	if (!all)
		return -ENOMEM;
	b->lines = all;
	all[b->count] = (struct frr_line){.text = strdup(text)};
	if (!all[b->count].text)
		return -ENOMEM;
	b->count++;
	return 0;
}

void frr_conf_free(struct frr_conf *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->count; i++) {
		struct frr_block *b = &f->blocks[i];
		for (unsigned l = 0; l < b->count; l++) {
			free(b->lines[l].text);
			free(b->lines[l].why);
		}
		free(b->lines);
		free(b->header.text);
		free(b->header.why);
	}
	free(f->blocks);
	free(f);
}

// What others name comes before them: a route map that bgpd does not have yet when it is named
// denies everything for the 5 seconds by which bgpd puts off changes of route maps.
static const char *const heads[] = {"ip prefix-list ", "route-map ", "router "};
#define HEADS (sizeof(heads) / sizeof(heads[0]))

static int body_add(struct frr_conf *f, struct frr_block *b, const char *text, frr_if_fn kernel_if,
		    void *ctx)
{
	char line[FRR_LINE_MAX];
	int rc = frr_line_translate(b->header.text, text, kernel_if, ctx, line);
	f->left_out += rc < 0;
	return rc > 0 ? line_add(b, line) : 0;
}

// Like the reference systems FRR's BGP shall talk to external neighbours without a policy.
static int bgp_default(struct frr_block *b)
{
	if (strncmp(b->header.text, "router bgp", 10) != 0)
		return 0;
	for (unsigned l = 0; l < b->count; l++)
		if (strstr(b->lines[l].text, "ebgp-requires-policy"))
			return 0;
	return line_add(b, "no bgp ebgp-requires-policy");
}

static int blocks_from(struct frr_conf *f, const struct config *c, const char *head_is,
		       frr_if_fn kernel_if, void *ctx)
{
	const struct config_string *s = TAILQ_FIRST(&c->ignored);
	char header[FRR_LINE_MAX];
	int rc = 0;

	while (s && !rc) {
		const struct config_string *head = s;
		s = TAILQ_NEXT(s, link);
		if (strncmp(head->text, head_is, strlen(head_is)) != 0)
			continue;
		if (frr_header_translate(head->text, kernel_if, ctx, header) <= 0) {
			f->left_out++;
			continue;
		}
		struct frr_block *b = block_add(f, header);
		if (!b)
			return -ENOMEM;
		for (; s && s->text[0] == ' ' && !rc; s = TAILQ_NEXT(s, link))
			rc = body_add(f, b, s->text, kernel_if, ctx);
		if (!rc)
			rc = bgp_default(b);
	}
	return rc;
}

static int interfaces_from(struct frr_conf *f, const struct config *c, frr_if_fn kernel_if,
			   void *ctx)
{
	const struct interface_config *i;
	const struct config_string *s;
	char header[FRR_LINE_MAX], name[16];
	int rc = 0;

	TAILQ_FOREACH (i, &c->interfaces, link) {
		struct frr_block *b = NULL;
		TAILQ_FOREACH (s, &i->ignored, link) {
			const char *text = s->text + strspn(s->text, " ");
			if (strncmp(text, "ip ospf ", 8) != 0 || rc)
				continue;
			if (!kernel_if || !kernel_if(ctx, i->name, name)) {
				f->left_out++;
				continue;
			}
			snprintf(header, sizeof(header), "interface %s", name);
			if (!b && !(b = block_add(f, header)))
				return -ENOMEM;
			rc = body_add(f, b, text, kernel_if, ctx);
		}
	}
	return rc;
}

struct frr_conf *frr_conf_from(const struct config *c, frr_if_fn kernel_if, void *ctx)
{
	struct frr_conf *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	// interfaces first: OSPF waits for the dead interval that it knows when `network` starts it
	int rc = interfaces_from(f, c, kernel_if, ctx);
	for (size_t i = 0; i < HEADS && !rc; i++)
		rc = blocks_from(f, c, heads[i], kernel_if, ctx);
	if (rc) {
		frr_conf_free(f);
		return NULL;
	}
	return f;
}

char *frr_conf_print(const struct frr_conf *f)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	for (unsigned i = 0; i < f->count; i++) {
		fprintf(out, "%s\n", f->blocks[i].header.text);
		for (unsigned l = 0; l < f->blocks[i].count; l++)
			fprintf(out, " %s\n", f->blocks[i].lines[l].text);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

struct frr_conf *frr_conf_parse(const char *text)
{
	struct frr_conf *f = calloc(1, sizeof(*f));
	char *copy = strdup(text), *save = NULL;
	int rc = f && copy ? 0 : -ENOMEM;

	for (char *p = rc ? NULL : strtok_r(copy, "\n", &save); p && !rc;
	     p = strtok_r(NULL, "\n", &save)) {
		if (p[0] != ' ')
			rc = block_add(f, p) ? 0 : -ENOMEM;
		else if (f->count)
			rc = line_add(&f->blocks[f->count - 1], p + 1);
	}
	free(copy);
	if (rc) {
		frr_conf_free(f);
		return NULL;
	}
	return f;
}

// ---- the way from one to the next ------------------------------------------------------------
static const struct frr_block *block_find(const struct frr_conf *f, const char *header)
{
	for (unsigned i = 0; f && i < f->count; i++)
		if (strcmp(f->blocks[i].header.text, header) == 0)
			return &f->blocks[i];
	return NULL;
}

// Lines below an address-family belong to it: the same text elsewhere is another line.
static const char *family_of(const struct frr_block *b, unsigned line)
{
	for (unsigned l = line; l-- > 0;) {
		if (strncmp(b->lines[l].text, "address-family ", 15) == 0)
			return b->lines[l].text;
		if (strcmp(b->lines[l].text, "exit-address-family") == 0)
			return NULL;
	}
	return NULL;
}

static bool has_line(const struct frr_block *b, const char *family, const char *text)
{
	for (unsigned l = 0; b && l < b->count; l++) {
		if (strcmp(b->lines[l].text, text) != 0)
			continue;
		const char *f = family_of(b, l);
		if (f == family || (f && family && strcmp(f, family) == 0))
			return true;
	}
	return false;
}

static void leave(frr_emit_fn emit, void *ctx)
{
	emit(ctx, "end", FRR_ID_NONE, 0);
	emit(ctx, "configure terminal", FRR_ID_NONE, 0);
}

static void line_remove(const struct frr_block *b, unsigned line, frr_emit_fn emit, void *ctx)
{
	const char *text = b->lines[line].text, *family = family_of(b, line);
	char no[FRR_LINE_MAX + 8];

	if (strncmp(text, "exit-", 5) == 0)
		return;
	if (strncmp(text, "no ", 3) == 0)
		snprintf(no, sizeof(no), "%s", text + 3);
	else
		snprintf(no, sizeof(no), "no %s", text);
	emit(ctx, b->header.text, FRR_ID_NONE, FRR_HEADER);
	if (family)
		emit(ctx, family, FRR_ID_NONE, FRR_BODY);
	emit(ctx, no, FRR_ID_NONE, FRR_BODY);
	leave(emit, ctx);
}

static void removals(const struct frr_conf *old, const struct frr_conf *now, frr_emit_fn emit,
		     void *ctx)
{
	for (unsigned i = old ? old->count : 0; i-- > 0;) {  // who names before what is named
		const struct frr_block *b = &old->blocks[i];
		const struct frr_block *to = block_find(now, b->header.text);
		bool is_if = strncmp(b->header.text, "interface ", 10) == 0;
		char no[FRR_LINE_MAX + 8];
		if (!to && !is_if) {  // an interface is the host's: only its lines are ours
			snprintf(no, sizeof(no), "no %s", b->header.text);
			emit(ctx, no, FRR_ID_NONE, 0);
			continue;
		}
		for (unsigned l = 0; l < b->count; l++)
			if (!has_line(to, family_of(b, l), b->lines[l].text))
				line_remove(b, l, emit, ctx);
	}
}

static bool block_equal(const struct frr_block *a, const struct frr_block *b)
{
	if (!a || a->count != b->count)
		return false;
	for (unsigned l = 0; l < a->count; l++)
		if (strcmp(a->lines[l].text, b->lines[l].text) != 0)
			return false;
	return true;
}

void frr_conf_script(const struct frr_conf *old, const struct frr_conf *now, bool everything,
		     frr_emit_fn emit, void *ctx)
{
	removals(old, now, emit, ctx);
	for (unsigned i = 0; i < now->count; i++) {
		const struct frr_block *b = &now->blocks[i];
		if (!everything && block_equal(block_find(old, b->header.text), b))
			continue;
		emit(ctx, b->header.text, i << 16, FRR_HEADER);
		for (unsigned l = 0; l < b->count; l++) {
			const char *text = b->lines[l].text;
			uint32_t id = i << 16 | (l + 1);
			if (strcmp(text, "exit-address-family") != 0) {
				emit(ctx, text, id, FRR_BODY);
				continue;
			}
			// vtysh's own word; and a line that is the outer mode's has left
			// the family already: back to the block from wherever we are
			emit(ctx, "end", FRR_ID_NONE, FRR_BODY);
			emit(ctx, "configure terminal", FRR_ID_NONE, FRR_BODY);
			emit(ctx, b->header.text, id, FRR_HEADER | FRR_BODY);
		}
		leave(emit, ctx);
	}
}
