// Words x command table -> row and arguments; else what was expected and where.
#pragma once

#include "ifname.h"
#include "lex.h"
#include "pattern.h"

#define MATCH_EXPECT_MAX 400

// How well a word fits a place, worst first.
enum rank { RANK_NONE, RANK_LINE, RANK_NAME, RANK_TYPED, RANK_ABBREV, RANK_EXACT };
enum rank token_fits(const struct pattern_node *n, const char *word);

enum match_verdict { MATCH_OK, MATCH_INVALID, MATCH_INCOMPLETE, MATCH_AMBIGUOUS };

struct match_result {
	enum match_verdict verdict;
	unsigned word;    // INVALID, AMBIGUOUS: index of the offending word; else count of words
	unsigned column;  // of that word, or the end of the line
	const struct pattern_row *row;  // OK
	unsigned exact;                 // OK: leading words that are keywords in full
	bool then_short;                // OK: the word after those is an abbreviation
	struct cli_args args;           // OK; its strings live as long as the line and the result
	char interface[4][CONFIG_NAME_MAX];
	char expected[MATCH_EXPECT_MAX];  // INVALID, INCOMPLETE: "a, b or <1-10>"; AMBIGUOUS: which
};

// Matches line's words from first on (words before are `no`, `do`) in one mode; the caller walks
// the ancestors. With no, only rows with CLI_NO are candidates.
void match_line(struct match_result *out, enum cli_mode mode, const struct lex_line *line,
		unsigned first, bool no);

// The `?` candidates after the words of line: each word and its help text, sorted, each once.
struct match_candidate {
	const char *word;  // keyword, or how an argument is displayed
	const char *help;
	bool is_keyword;
};
#define MATCH_CANDIDATES_MAX 128
int match_candidate_order(const void *a, const void *b);  // for qsort: by word, <cr> last
// Returns how many were stored; -ENOENT when the words before the last already match nothing.
int match_candidates(struct match_candidate *out, enum cli_mode mode, const struct lex_line *line,
		     unsigned first, bool no);
