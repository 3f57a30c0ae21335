// A command pattern compiled to a small graph of tokens. Built once at registration, read by the
// matcher. Control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"

enum token_kind {
	TOKEN_KEYWORD,
	TOKEN_NAME,
	TOKEN_NUMBER,
	TOKEN_IPV4,
	TOKEN_ADDR,
	TOKEN_MASK,
	TOKEN_WILDCARD,
	TOKEN_HEX,
	TOKEN_INTERFACE,
	TOKEN_LINE,
	TOKEN_SPLIT,  // no word: goes on at any of next[]
	TOKEN_END,
};

#define PATTERN_NEXT_MAX  24
#define PATTERN_NODES_MAX 160

struct pattern_node {
	uint8_t kind;
	const char *text;  // the keyword, or the pattern's own spelling of the argument; owned
	const char *help;  // borrowed, static; NULL only for SPLIT and END
	uint32_t lo, hi;   // NUMBER
	uint16_t next[PATTERN_NEXT_MAX];
	int8_t bit[PATTERN_NEXT_MAX];  // the bit of cli_args.chosen this edge sets, or -1
	uint8_t next_count;
};

struct pattern_row {
	const struct cli_cmd *cmd;  // borrowed
	struct pattern_node *nodes;
	unsigned count;
};

// Every pattern starts at node 0 (a SPLIT) and ends at node 1 (the END).
#define PATTERN_START 0
#define PATTERN_END   1

int pattern_compile(struct pattern_row *row, const struct cli_cmd *cmd, struct err *err);
void pattern_release(struct pattern_row *row);

// The registered rows of a mode, in order of registration.
const struct pattern_row *pattern_rows(enum cli_mode mode, size_t *n);
int pattern_register(const struct cli_cmd *rows, size_t n, struct err *err);
void pattern_reset(void);

// Global help texts: by "keyword ARG", then by the word alone. NULL when there is none.
const char *help_text(const char *before, const char *word);
