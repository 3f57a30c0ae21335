// Compiles the pattern language of cli.h: words, {a|b}, [optional], nested. Grammar:
//   sequence = { item };  item = word | '{' sequence { '|' sequence } '}'
//                              | '[' sequence { '|' sequence } ']'
// The result is a graph whose SPLIT nodes are the choices; a bracket group is a choice with one
// more edge around it. Also keeps the registered rows per mode.
#include "pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct compiler {
	struct pattern_row *row;
	const char *in;      // rest of the pattern
	const char *before;  // last keyword, for help look-up
	int8_t bits;         // choices numbered so far
	struct err *err;
};

struct row_table {
	struct pattern_row *rows;
	size_t count, cap;
};
static struct row_table tables[CLI_MODE_COUNT];

static int fail(struct compiler *c, const char *what)
{
	return err_set(c->err, -EINVAL, "pattern \"%s\": %s", c->row->cmd->pattern, what);
}

static int node_add(struct compiler *c, enum token_kind kind)
{
	if (c->row->count == PATTERN_NODES_MAX)
		return fail(c, "too many words");
	struct pattern_node *n = &c->row->nodes[c->row->count];
	*n = (struct pattern_node){.kind = (uint8_t)kind};
	return (int)c->row->count++;
}

static int edge_add(struct compiler *c, int from, int to, int8_t bit)
{
	struct pattern_node *n = &c->row->nodes[from];
	if (n->next_count == PATTERN_NEXT_MAX)
		return fail(c, "too many alternatives");
	n->next[n->next_count] = (uint16_t)to;
	n->bit[n->next_count++] = bit;
	return 0;
}

static const struct {
	const char *name;
	enum token_kind kind;
} kinds[] = {
	{"NAME", TOKEN_NAME},           {"A.B.C.D", TOKEN_IPV4}, {"ADDR", TOKEN_ADDR},
	{"MASK", TOKEN_MASK},           {"HEX", TOKEN_HEX},      {"WILDCARD", TOKEN_WILDCARD},
	{"INTERFACE", TOKEN_INTERFACE}, {"LINE", TOKEN_LINE},
};

static int token_kind(struct compiler *c, struct pattern_node *n)
{
	unsigned lo, hi;
	char tail;

	if (!isupper((unsigned char)n->text[0])) {
		n->kind = TOKEN_KEYWORD;
		return 0;
	}
	if (sscanf(n->text, "NUMBER<%u-%u%c", &lo, &hi, &tail) == 3 && tail == '>' && lo <= hi) {
		n->kind = TOKEN_NUMBER;
		n->lo = lo;
		n->hi = hi;
		return 0;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(n->text, kinds[i].name) == 0) {
			n->kind = (uint8_t)kinds[i].kind;
			return 0;
		}
	}
	return fail(c, "unknown argument type");
}

static const char *row_help(const struct cli_cmd *cmd, const char *word)
{
	for (const char *const(*h)[2] = cmd->help; h != NULL && (*h)[0] != NULL; h++) {
		if (strcmp((*h)[0], word) == 0)
			return (*h)[1];
	}
	return NULL;
}

static void node_help(struct compiler *c, struct pattern_node *n)
{
	n->help = row_help(c->row->cmd, n->text);
	if (n->help == NULL)
		n->help = help_text(c->before, n->text);
	if (n->help == NULL && n->kind == TOKEN_NUMBER)
		n->help = "A number";
	if (n->kind == TOKEN_KEYWORD)
		c->before = n->text;
}

static int compile_word(struct compiler *c, int from)
{
	size_t len = strcspn(c->in, " \t{}[]|");
	int at = node_add(c, TOKEN_KEYWORD);
	if (at < 0)
		return at;
	struct pattern_node *n = &c->row->nodes[at];
	n->text = strndup(c->in, len);
	if (n->text == NULL)
		return err_set(c->err, -ENOMEM, "no memory for a command pattern");
	c->in += len;
	int rc = token_kind(c, n);
	if (rc == 0)
		rc = edge_add(c, from, at, -1);
	if (rc != 0)
		return rc;
	node_help(c, n);
	return at;
}

static int compile_sequence(struct compiler *c, int from);

// A group in {} or []. Returns the node where its branches join.
static int compile_group(struct compiler *c, int from)
{
	bool optional = *c->in++ == '[';
	const char *before = c->before;
	int join = node_add(c, TOKEN_SPLIT);

	if (join < 0)
		return join;
	int fork = node_add(c, TOKEN_SPLIT);
	if (fork < 0)
		return fork;
	int rc = edge_add(c, from, fork, -1);
	for (bool more = rc == 0; more;) {
		int head = node_add(c, TOKEN_SPLIT);
		if (head < 0)
			return head;
		int8_t bit = c->bits < 32 ? c->bits++ : -1;
		rc = edge_add(c, fork, head, bit);
		if (rc != 0)
			return rc;
		c->before = before;
		int end = compile_sequence(c, head);
		if (end < 0)
			return end;
		if (end == head)
			return fail(c, "empty alternative");
		rc = edge_add(c, end, join, -1);
		if (rc != 0)
			return rc;
		more = *c->in == '|';
		if (more)
			c->in++;
	}
	if (*c->in != (optional ? ']' : '}'))
		return fail(c, "unbalanced bracket");
	c->in++;
	if (optional)
		rc = edge_add(c, fork, join, -1);
	return rc != 0 ? rc : join;
}

// Compiles up to a closing bracket, '|' or the end. Returns the last node.
static int compile_sequence(struct compiler *c, int from)
{
	int at = from;

	for (;;) {
		while (isblank((unsigned char)*c->in))
			c->in++;
		if (*c->in == '\0' || *c->in == '|' || *c->in == '}' || *c->in == ']')
			return at;
		at = *c->in == '{' || *c->in == '[' ? compile_group(c, at) : compile_word(c, at);
		if (at < 0)
			return at;
	}
}

int pattern_compile(struct pattern_row *row, const struct cli_cmd *cmd, struct err *err)
{
	struct compiler c = {.row = row, .in = cmd->pattern, .before = "", .err = err};

	row->cmd = cmd;
	row->count = 0;
	row->nodes = calloc(PATTERN_NODES_MAX, sizeof(row->nodes[0]));
	if (row->nodes == NULL)
		return err_set(err, -ENOMEM, "no memory for a command pattern");
	if (cmd->mode >= CLI_MODE_COUNT || cmd->fn == NULL) {
		pattern_release(row);
		return err_set(err, -EINVAL, "pattern \"%s\": no mode or no handler", cmd->pattern);
	}
	node_add(&c, TOKEN_SPLIT);
	node_add(&c, TOKEN_END);
	int end = compile_sequence(&c, PATTERN_START);
	if (end == PATTERN_START)
		end = fail(&c, "empty");
	if (end >= 0 && *c.in != '\0')
		end = fail(&c, "unbalanced bracket");
	if (end >= 0)
		end = edge_add(&c, end, PATTERN_END, -1);
	if (end < 0) {
		pattern_release(row);
		return end;
	}
	struct pattern_node *fit = realloc(row->nodes, row->count * sizeof(row->nodes[0]));
	if (fit != NULL)
		row->nodes = fit;
	return 0;
}

void pattern_release(struct pattern_row *row)
{
	for (unsigned i = 0; i < row->count; i++)
		free((void *)(uintptr_t)row->nodes[i].text);
	free(row->nodes);
	*row = (struct pattern_row){0};
}

static int table_add(const struct cli_cmd *cmd, struct err *err)
{
	struct pattern_row row;
	int rc = pattern_compile(&row, cmd, err);
	if (rc != 0)
		return rc;
	struct row_table *t = &tables[cmd->mode];
	if (t->count == t->cap) {
		size_t cap = t->cap == 0 ? 32 : t->cap * 2;
		struct pattern_row *rows = realloc(t->rows, cap * sizeof(rows[0]));
		if (rows == NULL) {
			pattern_release(&row);
			return err_set(err, -ENOMEM, "no memory for the command table");
		}
		t->rows = rows;
		t->cap = cap;
	}
	t->rows[t->count++] = row;
	return 0;
}

int pattern_register(const struct cli_cmd *rows, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = table_add(&rows[i], err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

const struct pattern_row *pattern_rows(enum cli_mode mode, size_t *n)
{
	*n = tables[mode].count;
	return tables[mode].rows;
}

void pattern_reset(void)
{
	for (size_t m = 0; m < CLI_MODE_COUNT; m++) {
		for (size_t i = 0; i < tables[m].count; i++)
			pattern_release(&tables[m].rows[i]);
		free(tables[m].rows);
		tables[m] = (struct row_table){0};
	}
}
