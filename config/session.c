// Sessions: creation, history, prompts and `?`; running lines is execute.c.
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "secret.h"

struct cli *session_create(const struct session_sink *sink, bool privileged, const char *peer)
{
	struct cli *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->sink = *sink;
	s->privileged = privileged;
	s->depth = 1;
	s->stack[0].mode = privileged ? CLI_ENABLE : CLI_EXEC;
	s->terminal_length = 24;
	snprintf(s->peer_name, sizeof(s->peer_name), "%s", peer);
	return s;
}

void session_destroy(struct cli *s)
{
	if (s == NULL)
		return;
	session_monitor(s, false);
	session_interrupt(s);
	output_reset(s);
	for (unsigned i = 0; i < SESSION_HISTORY; i++)
		free(s->history[i]);
	if (!s->batch)
		config_destroy(s->candidate);
	secret_wipe(s, sizeof(*s));  // lines with keys
	free(s);
}

static const char *const engine_words[][2] = {
	{"exit", "Leave this mode"},
	{"help", "How to get help"},
};
static const char *const config_words[][2] = {
	{"default", "Set a command to its default"},
	{"do", "Run an exec command"},
	{"end", "Leave configuration mode"},
	{"no", "Negate a command"},
};

static void help_line(struct cli *s, const char *word, const char *help)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s\t%s", word, help);
	s->sink.line(s->sink.ctx, text, (size_t)n);
}

// The words of the engine itself, where a command may begin.
static int engine_candidates(struct match_candidate *c, int n, bool config, const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < 2; i++) {
		if (strncasecmp(engine_words[i][0], prefix, len) == 0 && n < MATCH_CANDIDATES_MAX)
			c[n++] = (struct match_candidate){engine_words[i][0], engine_words[i][1],
							  true};
	}
	for (size_t i = 0; config && i < 4; i++) {
		if (strncasecmp(config_words[i][0], prefix, len) == 0 && n < MATCH_CANDIDATES_MAX)
			c[n++] = (struct match_candidate){config_words[i][0], config_words[i][1],
							  true};
	}
	return n;
}

// Leading words that belong to the engine: sets first, no and the mode whose rows count.
static unsigned help_prefix(const struct cli *s, const struct lex_line *l, enum cli_mode *mode,
			    bool *no)
{
	unsigned whole = l->open_end ? l->count : l->count > 0 ? l->count - 1 : 0;
	bool config = mode_is_config(*mode);

	*no = false;
	if (whole == 0 || !config)
		return 0;
	if (strcasecmp(l->word[0].text, "no") == 0 || strcasecmp(l->word[0].text, "default") == 0) {
		*no = true;
		return 1;
	}
	if (strcasecmp(l->word[0].text, "do") == 0) {
		*mode = s->privileged ? CLI_ENABLE : CLI_EXEC;
		return 1;
	}
	return 0;
}

// Exec commands of the lower level belong to the upper one too.
static int merge_candidates(struct match_candidate *c, int n, enum cli_mode mode,
			    const struct lex_line *l, unsigned first, bool no)
{
	static struct match_candidate more[MATCH_CANDIDATES_MAX];
	int m = match_candidates(more, mode, l, first, no);

	for (int i = 0; i < m; i++) {
		bool seen = false;
		for (int k = 0; k < n && !seen; k++)
			seen = strcasecmp(c[k].word, more[i].word) == 0;
		if (!seen && n < MATCH_CANDIDATES_MAX)
			c[n++] = more[i];
	}
	return n < 0 ? m : n;
}

void session_help(struct cli *s, const char *line, size_t len, bool tab)
{
	static struct match_candidate c[MATCH_CANDIDATES_MAX];
	struct err err = {0};
	unsigned column;
	bool no;
	enum cli_mode mode = session_mode(s);

	s->status = 0;
	if (lex_line(&s->lex, line, len, &err, &column) != 0 || s->lex.is_comment || s->lex.more)
		return;
	unsigned first = help_prefix(s, &s->lex, &mode, &no);
	int n = match_candidates(c, mode, &s->lex, first, no);
	if (mode == CLI_ENABLE)
		n = merge_candidates(c, n < 0 ? 0 : n, CLI_EXEC, &s->lex, first, no);
	// What a sub-mode does not know, its ancestors may.
	for (unsigned i = s->depth; n < 0 && i-- > 1 && mode_is_config(mode);)
		n = match_candidates(c, s->stack[i - 1].mode, &s->lex, first, no);
	bool start = first == 0 && s->lex.count <= (s->lex.open_end ? 0u : 1u);
	if (start)
		n = engine_candidates(c, n < 0 ? 0 : n, mode_is_config(mode),
				      s->lex.count > 0 ? s->lex.word[0].text : "");
	if (n > 0)
		qsort(c, (size_t)n, sizeof(c[0]), match_candidate_order);
	if (n <= 0 && !tab)
		s->sink.error(s->sink.ctx, "% Unrecognized command");
	for (int i = 0; i < n; i++) {
		if (!tab || c[i].is_keyword)
			help_line(s, c[i].word, c[i].help != NULL ? c[i].help : "");
	}
}

void *cli_ctx(const struct cli *cli)
{
	return cli->match.row->cmd->ctx;
}

struct config *cli_candidate(struct cli *cli)
{
	return cli->candidate;
}

const struct config *cli_running(struct cli *cli)
{
	return commit_running();
}

void *cli_object(struct cli *cli)
{
	return cli->stack[cli->depth - 1].object;
}

void **cli_state(struct cli *cli, void (*release)(void *state))
{
	cli->state_release = release;
	return &cli->state;
}

const char *cli_peer_name(const struct cli *cli)
{
	return cli->peer_name;
}

bool cli_has(const struct cli_args *a, const char *kw)
{
	for (unsigned i = 0; i < a->count; i++) {
		if ((a->keywords >> i & 1) != 0 && strcmp(a->word[i], kw) == 0)
			return true;
	}
	return false;
}

const char *cli_after(const struct cli_args *a, const char *kw)
{
	for (unsigned i = 0; i + 1 < a->count; i++) {
		if ((a->keywords >> i & 1) != 0 && strcmp(a->word[i], kw) == 0)
			return a->word[i + 1];
	}
	return NULL;
}
