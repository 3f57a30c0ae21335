// Configuration lines: on the given candidate (loading a text), or on a fresh copy of the running
// configuration that is committed when the line is good (interactive). The lines that entered the
// current modes are run again on each fresh copy, which finds their objects there.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "session.h"

void session_reset_config_stack(struct cli *s, unsigned depth)
{
	s->depth = depth;
	for (unsigned i = 0; i < SESSION_DEPTH_MAX; i++)
		s->stack[i].object = NULL;
}

static int run_handler(struct cli *s)
{
	int rc = s->match.row->cmd->fn(s, &s->match.args);

	if (rc < 0 && s->status == 0)
		s->status = rc;
	return s->status;
}

// Matches s->lex at its level and runs it on s->candidate. An indented line inside a block we
// only keep belongs to that block; another one only when no other mode knows it.
static int run_on_candidate(struct cli *s, unsigned first, bool no)
{
	bool later = session_mode(s) == CLI_LATER;

	if (later && (s->lex.raw[0] == ' ' || s->lex.raw[0] == '\t'))
		return later_capture(s, &s->lex, no);
	int level = session_match(s, &s->match, first, no);
	if (level < 0) {
		if (later && s->match.verdict == MATCH_INVALID)
			return later_capture(s, &s->lex, no);
		return session_fail_match(s, &s->match);
	}
	if (!mode_is_config(s->stack[level].mode)) {
		s->match.verdict = MATCH_INVALID;
		return session_fail_match(s, &s->match);
	}
	s->depth = (unsigned)level + 1;
	return run_handler(s);
}

static int lex_again(struct cli *s, const char *text)
{
	struct err err;
	unsigned column;
	return lex_line(&s->lex, text, strlen(text), &err, &column);
}

// Rebuilds the objects of the mode stack on the new candidate.
static int replay(struct cli *s, const struct session_level *levels, unsigned depth)
{
	for (unsigned i = s->depth; i < depth; i++) {
		int rc = lex_again(s, levels[i].line);
		if (rc == 0)
			rc = run_on_candidate(s, 0, false);
		if (rc != 0)
			return rc;
		if (s->depth != i + 1)
			return cli_error(s, "%% the object of this mode is gone; leave the mode");
	}
	return 0;
}

static void warn_print(void *ctx, const char *text)
{
	cli_printf(ctx, "%% Warning: %s\n", text);
}

static int run_interactive(struct cli *s, unsigned first, bool no)
{
	struct session_level *saved = calloc(SESSION_DEPTH_MAX, sizeof(*saved));
	char *text = strdup(s->lex.raw);
	unsigned depth = s->depth;
	struct err err = {0};
	int rc = -ENOMEM;

	if (saved == NULL || text == NULL)
		goto out;
	memcpy(saved, s->stack, SESSION_DEPTH_MAX * sizeof(*saved));
	s->candidate = config_clone(commit_running());
	if (s->candidate == NULL)
		goto out;
	// The exec level and global configuration have no object; deeper ones do.
	s->depth = depth < 2 ? depth : 2;
	rc = replay(s, saved, depth);
	if (rc == 0)
		rc = lex_again(s, text);
	if (rc == 0)
		rc = run_on_candidate(s, first, no);
	if (rc == 0) {
		rc = commit_candidate(s->candidate, warn_print, s, &err);
		s->candidate = NULL;
		if (rc != 0)
			cli_error(s, "%% %s", err.msg);
	}
out:
	if (rc != 0) {
		config_destroy(s->candidate);
		s->candidate = NULL;
		if (saved != NULL)
			memcpy(s->stack, saved, SESSION_DEPTH_MAX * sizeof(*saved));
		s->depth = depth;
		if (s->status == 0)
			s->status = rc;
	}
	session_reset_config_stack(s, s->depth);
	free(saved);
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
	return s->status;
}

static bool text_is_flush(const char *text)
{
	return text[0] != ' ' && text[0] != '\t';
}

int session_run_config(struct cli *s, unsigned first, bool no)
{
	struct session_level keep;
	unsigned depth = s->depth;

	if (!s->batch)
		return run_interactive(s, first, no);
	keep = s->stack[depth - 1];
	int rc = run_on_candidate(s, first, no);
	if (rc != 0 && s->status != 0) {
		// A bad line leaves the mode as it was, except a line that was to open another
		// one: what follows it must not change the object before it.
		s->stack[depth - 1] = keep;
		s->depth = s->stranger && text_is_flush(s->lex.raw) ? 1 : depth;
	}
	return rc;
}
