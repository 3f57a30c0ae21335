// Matches words against all rows of a mode at once: a set of states walks the pattern graphs word
// by word. A word fits a node with a rank (exact keyword, abbreviation, typed argument, free
// word, rest of line); of several rows that accept the whole line the best ranks win, from the
// first word on. An abbreviation that fits two different keywords at one place is ambiguous.
#include "match.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKENS_MAX 32
#define STATES_MAX 768

struct state {
	const struct pattern_row *row;
	uint16_t node;   // last token taken
	bool half;       // INTERFACE: the type was a word of its own, the number follows
	bool line_done;  // a LINE took everything
	uint32_t chosen;
	uint8_t tokens;              // taken
	uint16_t taken[TOKENS_MAX];  // node of each
	uint8_t at[TOKENS_MAX];      // its (first) word in the line
	uint8_t rank[TOKENS_MAX];
};

struct state_set {
	struct state s[STATES_MAX];
	unsigned n;
};

// Nodes that may follow a state, with the choice bits on the way.
struct follow {
	uint16_t node;
	uint32_t chosen;
};
#define FOLLOW_MAX 96
struct follow_set {
	struct follow f[FOLLOW_MAX];
	unsigned n;
};

// One control thread, never re-entered: 200 KB that need not be on the stack.
static struct state_set sets[2];

static void follow_from(const struct pattern_row *row, uint16_t node, uint32_t chosen,
			struct follow_set *out)
{
	const struct pattern_node *n = &row->nodes[node];

	for (unsigned i = 0; i < n->next_count; i++) {
		uint32_t bits = chosen | (n->bit[i] >= 0 ? 1u << n->bit[i] : 0);
		if (row->nodes[n->next[i]].kind == TOKEN_SPLIT)
			follow_from(row, n->next[i], bits, out);
		else if (out->n < FOLLOW_MAX)
			out->f[out->n++] = (struct follow){n->next[i], bits};
	}
}

static bool row_usable(const struct pattern_row *row, bool no)
{
	unsigned flags = row->cmd->flags;
	return no ? (flags & (CLI_NO | CLI_NO_ONLY)) != 0 : (flags & CLI_NO_ONLY) == 0;
}

static void states_start(struct state_set *set, enum cli_mode mode, bool no)
{
	size_t count;
	const struct pattern_row *rows = pattern_rows(mode, &count);

	set->n = 0;
	for (size_t i = 0; i < count && set->n < STATES_MAX; i++) {
		if (row_usable(&rows[i], no))
			set->s[set->n++] = (struct state){.row = &rows[i], .node = PATTERN_START};
	}
}

static void state_take(struct state_set *out, const struct state *from, const struct follow *f,
		       unsigned word, enum rank rank, bool half)
{
	if (out->n == STATES_MAX || from->tokens == TOKENS_MAX)
		return;
	struct state *s = &out->s[out->n++];
	*s = *from;
	s->node = f->node;
	s->chosen = f->chosen;
	s->half = half;
	s->line_done = rank == RANK_LINE;
	s->taken[s->tokens] = f->node;
	s->at[s->tokens] = (uint8_t)word;
	s->rank[s->tokens++] = (uint8_t)rank;
}

// All states after one more word.
static void states_step(const struct state_set *in, struct state_set *out, unsigned index,
			const char *word)
{
	char name[CONFIG_NAME_MAX];

	out->n = 0;
	for (unsigned i = 0; i < in->n; i++) {
		const struct state *s = &in->s[i];
		struct follow_set next = {.n = 0};

		if (s->line_done) {
			if (out->n < STATES_MAX)
				out->s[out->n++] = *s;
			continue;
		}
		if (s->half) {
			// "Ethernet" was one word: this must be its number.
			if (isdigit((unsigned char)word[0]) && out->n < STATES_MAX &&
			    ifname_parse("Ethernet", word, name, NULL) == 0) {
				out->s[out->n] = *s;
				out->s[out->n++].half = false;
			}
			continue;
		}
		follow_from(s->row, s->node, s->chosen, &next);
		for (unsigned k = 0; k < next.n; k++) {
			const struct pattern_node *n = &s->row->nodes[next.f[k].node];
			enum rank rank = token_fits(n, word);
			bool half = n->kind == TOKEN_INTERFACE && ifname_parse_type(word) == 0;
			if (rank != RANK_NONE)
				state_take(out, s, &next.f[k], index, rank, half);
		}
	}
}

static uint8_t last_rank(const struct state *s)
{
	return s->tokens == 0 ? RANK_NONE : s->rank[s->tokens - 1];
}

static const char *last_text(const struct state *s)
{
	return s->row->nodes[s->node].text;
}

static bool is_abbrev(const struct state *s, unsigned index)
{
	return last_rank(s) == RANK_ABBREV && s->at[s->tokens - 1] == index;
}

// Old spellings that `?` does not offer must not make an abbreviation ambiguous.
static void drop_hidden(struct state_set *set, unsigned index)
{
	bool offered = false;
	unsigned kept = 0;

	for (unsigned i = 0; i < set->n; i++)
		offered |= is_abbrev(&set->s[i], index) &&
			   (set->s[i].row->cmd->flags & CLI_HIDDEN) == 0;
	for (unsigned i = 0; i < set->n && offered; i++) {
		if (!is_abbrev(&set->s[i], index) || (set->s[i].row->cmd->flags & CLI_HIDDEN) == 0)
			set->s[kept++] = set->s[i];
	}
	if (offered)
		set->n = kept;
}

// Applies the abbreviation rules to the states that took word number `index`. False: ambiguous.
static bool states_settle(struct state_set *set, unsigned index)
{
	bool exact = false, other = false, several = false;
	const char *first = NULL;

	drop_hidden(set, index);
	for (unsigned i = 0; i < set->n; i++) {
		const struct state *s = &set->s[i];
		if (s->tokens == 0 || s->at[s->tokens - 1] != index || last_rank(s) < RANK_ABBREV)
			other = true;
		else if (last_rank(s) == RANK_EXACT)
			exact = true;
		else if (first == NULL)
			first = last_text(s);
		else if (strcasecmp(first, last_text(s)) != 0)
			several = true;
	}
	if (!exact && !(several && other))
		return !several;
	unsigned kept = 0;
	for (unsigned i = 0; i < set->n; i++) {
		const struct state *s = &set->s[i];
		if (!is_abbrev(s, index))
			set->s[kept++] = *s;
	}
	set->n = kept;
	return true;
}

static const char *shown(const struct pattern_node *n, char *buf, size_t cap)
{
	switch ((enum token_kind)n->kind) {
	case TOKEN_NUMBER: snprintf(buf, cap, "<%u-%u>", n->lo, n->hi); return buf;
	case TOKEN_NAME: return "WORD";
	case TOKEN_END: return "<cr>";
	default: return n->text;
	}
}

// Lists what could follow the states ("a, b, <1-10>"), each once, cut with "..." when long.
static void expected_list(const struct state_set *set, char *out, size_t cap)
{
	size_t at = 0;
	char buf[40];

	out[0] = '\0';
	for (unsigned i = 0; i < set->n; i++) {
		struct follow_set next = {.n = 0};
		const struct state *s = &set->s[i];
		if (s->half)
			next.f[next.n++] = (struct follow){s->node, 0};
		else if (!s->line_done && (s->row->cmd->flags & CLI_HIDDEN) == 0)
			follow_from(s->row, s->node, 0, &next);
		for (unsigned k = 0; k < next.n; k++) {
			const char *w = shown(&s->row->nodes[next.f[k].node], buf, sizeof(buf));
			if (s->half)
				w = "interface number";
			char key[64];
			snprintf(key, sizeof(key), ", %s,", w);
			char *seen = strstr(out, key);
			if (seen != NULL)
				continue;
			if (at + strlen(key) + 8 >= cap / 2 && at > 0) {
				snprintf(out + at, cap - at, " ... ");
				goto trim;
			}
			// Kept as ", a, b," while building, so that the search above is exact.
			at += (size_t)snprintf(out + at, cap - at, "%s", at == 0 ? key : key + 1);
		}
	}
trim:
	if (out[0] == ',')
		memmove(out, out + 2, strlen(out + 2) + 1);
	at = strlen(out);
	if (at > 0 && out[at - 1] == ',')
		out[at - 1] = '\0';
}

// May a line end here? With `no`, also where an argument would come next.
static bool may_end(const struct state *s, bool no)
{
	struct follow_set next = {.n = 0};

	if (s->line_done)
		return true;
	if (s->half || s->tokens == 0)
		return false;
	follow_from(s->row, s->node, 0, &next);
	for (unsigned k = 0; k < next.n; k++) {
		uint8_t kind = s->row->nodes[next.f[k].node].kind;
		if (kind == TOKEN_END || (no && kind != TOKEN_KEYWORD))
			return true;
	}
	return false;
}

static int better(const struct state *a, const struct state *b)
{
	for (unsigned i = 0; i < a->tokens && i < b->tokens; i++) {
		if (a->rank[i] != b->rank[i])
			return a->rank[i] - b->rank[i];
	}
	return 0;
}

static uint32_t follow_bits(const struct state *s)
{
	struct follow_set next = {.n = 0};

	follow_from(s->row, s->node, s->chosen, &next);
	for (unsigned k = 0; k < next.n; k++) {
		if (s->row->nodes[next.f[k].node].kind == TOKEN_END)
			return next.f[k].chosen;
	}
	return s->chosen;
}

static void fill_args(struct match_result *out, const struct state *s, const struct lex_line *line,
		      bool no)
{
	struct cli_args *a = &out->args;
	unsigned names = 0;

	*a = (struct cli_args){.no = no, .chosen = follow_bits(s)};
	for (unsigned i = 0; i < s->tokens && i < 32; i++) {
		const struct pattern_node *n = &s->row->nodes[s->taken[i]];
		const struct lex_word *w = &line->word[s->at[i]];
		const char *text = w->text;

		if (n->kind == TOKEN_KEYWORD) {
			text = n->text;
			a->keywords |= 1u << i;
		} else if (n->kind == TOKEN_LINE) {
			text = line->raw + w->column;
		} else if (n->kind == TOKEN_INTERFACE && names < 4) {
			bool two = ifname_parse_type(text) == 0;
			char *name = out->interface[names++];
			if (ifname_parse(two ? text : NULL, two ? w[1].text : text, name, NULL) ==
			    0)
				text = name;
		}
		a->word[a->count++] = text;
		if (n->kind != TOKEN_KEYWORD && a->values < 16)
			a->value[a->values++] = text;
	}
	out->row = s->row;
	while (out->exact < s->tokens && s->rank[out->exact] == RANK_EXACT)
		out->exact++;
	out->then_short = out->exact < s->tokens && s->rank[out->exact] == RANK_ABBREV;
}

static unsigned column_of(const struct lex_line *line, unsigned word)
{
	if (word < line->count)
		return line->word[word].column;
	return (unsigned)strlen(line->raw);
}

static void match_failed(struct match_result *out, enum match_verdict verdict,
			 const struct lex_line *line, unsigned word)
{
	out->verdict = verdict;
	out->word = word;
	out->column = column_of(line, word);
}

// Names the keywords between which an abbreviation is undecided.
static void ambiguous_list(const struct state_set *set, struct match_result *out)
{
	size_t at = 0;

	for (unsigned i = 0; i < set->n; i++) {
		const char *w = last_text(&set->s[i]);
		if (strstr(out->expected, w) != NULL || at + strlen(w) + 3 > sizeof(out->expected))
			continue;
		at += (size_t)snprintf(out->expected + at, sizeof(out->expected) - at, "%s%s",
				       at == 0 ? "" : ", ", w);
	}
}

static void match_end(struct match_result *out, const struct state_set *set,
		      const struct lex_line *line, bool no)
{
	const struct state *best = NULL;

	for (unsigned i = 0; i < set->n; i++) {
		const struct state *s = &set->s[i];
		if (may_end(s, no) && (best == NULL || better(s, best) > 0))
			best = s;
	}
	if (best == NULL) {
		match_failed(out, MATCH_INCOMPLETE, line, line->count);
		expected_list(set, out->expected, sizeof(out->expected));
	} else if (line->more && !best->line_done) {
		match_failed(out, MATCH_INVALID, line, line->count - 1);
		snprintf(out->expected, sizeof(out->expected), "fewer words");
	} else {
		out->verdict = MATCH_OK;
		fill_args(out, best, line, no);
	}
}

void match_line(struct match_result *out, enum cli_mode mode, const struct lex_line *line,
		unsigned first, bool no)
{
	struct state_set *now = &sets[0], *next = &sets[1];

	memset(out, 0, sizeof(*out));
	states_start(now, mode, no);
	for (unsigned i = first; i < line->count; i++) {
		states_step(now, next, i, line->word[i].text);
		if (next->n == 0) {
			match_failed(out, MATCH_INVALID, line, i);
			expected_list(now, out->expected, sizeof(out->expected));
			return;
		}
		if (!states_settle(next, i)) {
			match_failed(out, MATCH_AMBIGUOUS, line, i);
			ambiguous_list(next, out);
			return;
		}
		struct state_set *swap = now;
		now = next;
		next = swap;
	}
	match_end(out, now, line, no);
}

int match_candidate_order(const void *a, const void *b)
{
	const struct match_candidate *x = a, *y = b;
	bool cr_x = x->word[0] == '<' && x->word[1] == 'c',
	     cr_y = y->word[0] == '<' && y->word[1] == 'c';

	return cr_x != cr_y ? cr_x - cr_y : strcasecmp(x->word, y->word);
}

static int candidate_add(struct match_candidate *out, int n, const struct pattern_node *node)
{
	// Number ranges are spelt per node; a small ring of texts would do, but the nodes' own
	// pattern text ("NUMBER<1-10>") already holds the range: show it from the '<' on.
	const char *word =
		node->kind == TOKEN_NUMBER ? node->text + strlen("NUMBER") : shown(node, NULL, 0);

	for (int i = 0; i < n; i++) {
		if (strcasecmp(out[i].word, word) == 0)
			return n;
	}
	if (n == MATCH_CANDIDATES_MAX)
		return n;
	out[n] = (struct match_candidate){word, node->kind == TOKEN_END ? "" : node->help,
					  node->kind == TOKEN_KEYWORD};
	return n + 1;
}

int match_candidates(struct match_candidate *out, enum cli_mode mode, const struct lex_line *line,
		     unsigned first, bool no)
{
	struct state_set *now = &sets[0], *next = &sets[1];
	bool open_end = line->open_end || line->count <= first;
	unsigned whole = open_end ? line->count : line->count - 1;
	int n = 0;

	states_start(now, mode, no);
	for (unsigned i = first; i < whole; i++) {
		states_step(now, next, i, line->word[i].text);
		if (next->n == 0 || !states_settle(next, i))
			return -ENOENT;
		struct state_set *swap = now;
		now = next;
		next = swap;
	}
	for (unsigned i = 0; i < now->n; i++) {
		const struct state *s = &now->s[i];
		struct follow_set f = {.n = 0};
		if ((s->row->cmd->flags & CLI_HIDDEN) != 0 || s->line_done)
			continue;
		if (s->half)
			f.f[f.n++] = (struct follow){s->node, 0};
		else
			follow_from(s->row, s->node, 0, &f);
		for (unsigned k = 0; k < f.n; k++) {
			const struct pattern_node *node = &s->row->nodes[f.f[k].node];
			if (open_end || token_fits(node, line->word[whole].text) != RANK_NONE)
				n = candidate_add(out, n, node);
		}
	}
	qsort(out, (size_t)n, sizeof(out[0]), match_candidate_order);
	return n;
}
