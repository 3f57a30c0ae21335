// One line of text -> words with their columns. Pure; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define LEX_LINE_MAX  1024  // bytes of a line, without newline
#define LEX_WORDS_MAX 40    // words kept apart; a LINE argument may hold more

struct lex_word {
	const char *text;  // quotes removed
	unsigned column;   // of its first byte, from 0
};

struct lex_line {
	char raw[LEX_LINE_MAX + 1];  // the line without newline and trailing blanks
	char store[LEX_LINE_MAX + LEX_WORDS_MAX + 1];
	struct lex_word word[LEX_WORDS_MAX];
	unsigned count;
	bool more;        // there are words beyond the last one kept
	bool open_end;    // the line ends with a blank (for `?`: a new word begins)
	bool is_comment;  // first word starts with '!'
};

// 0, or -EINVAL / -EMSGSIZE with the sentence in err and the column of the offence.
int lex_line(struct lex_line *out, const char *text, size_t len, struct err *err, unsigned *column);
// True when word must be quoted to be read back as one word.
bool lex_needs_quotes(const char *word);
// Writes word, quoted where needed, to buf (cap >= 2 * strlen + 3). Returns buf.
const char *lex_quote(const char *word, char *buf, size_t cap);
