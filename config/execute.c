// Runs one line of a session: engine words, look-up in the mode and its ancestors, then either an
// exec handler (in slices) or a configuration handler on a candidate that is committed at once.
// A line is all or nothing: the candidate of a failed line is thrown away.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "secret.h"
#include "session.h"

static void history_add(struct cli *s, const char *text)
{
	char **slot = &s->history[s->history_next++ % SESSION_HISTORY];
	free(*slot);
	*slot = strdup(text);
}

// "% ..." sentences for a line that matches nothing.
int session_fail_match(struct cli *s, const struct match_result *m)
{
	s->has_caret = true;
	s->caret = m->column;
	switch (m->verdict) {
	case MATCH_INCOMPLETE:
		return cli_error(s, "%% Incomplete command: expected %s", m->expected);
	case MATCH_AMBIGUOUS:
		return cli_error(s, "%% Ambiguous command at '^' marker: could be %s", m->expected);
	case MATCH_OK:
	case MATCH_INVALID: break;
	}
	return cli_error(s, "%% Invalid input detected at '^' marker: expected %s",
			 m->expected[0] != '\0' ? m->expected : "end of line");
}

// Is what an ancestor says about the line to be preferred to what we have? The failure that got
// furthest explains a line best; a full keyword of an ancestor beats an abbreviation below it
// (`ip route` on an interface is not `ip route-cache`).
static bool ancestor_wins(const struct match_result *have, const struct match_result *above)
{
	if (have->verdict == MATCH_INVALID)
		return above->verdict != MATCH_INVALID || above->word > have->word;
	if (above->verdict != MATCH_OK)
		return false;
	if (have->verdict == MATCH_OK)
		return have->then_short && above->exact > have->exact;
	return have->verdict == MATCH_AMBIGUOUS && above->exact > have->word;
}

int session_match(struct cli *s, struct match_result *m, unsigned first, bool no)
{
	static struct match_result try;
	int level = -1;

	for (unsigned i = s->depth; i-- > 0;) {
		enum cli_mode mode = s->stack[i].mode;
		bool own = i == s->depth - 1;
		if (!own && !mode_is_config(mode))
			break;
		match_line(&try, mode, &s->lex, first, no);
		if (own)
			s->stranger = try.verdict == MATCH_INVALID && try.word == first;
		else if (!ancestor_wins(m, &try))
			continue;
		// A result points into itself (interface names): matched again in place.
		if (try.verdict == MATCH_OK)
			match_line(m, mode, &s->lex, first, no);
		else
			*m = try;
		level = try.verdict == MATCH_OK ? (int)i : -1;
	}
	return level;
}

// Adds the words of a ", " list which are not there yet.
static void expected_join(char *list, size_t cap, char *more)
{
	char *save = NULL, padded[MATCH_EXPECT_MAX + 4], key[80];

	for (char *w = strtok_r(more, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
		w += strspn(w, " ");
		snprintf(padded, sizeof(padded), ", %s,", list);
		snprintf(key, sizeof(key), ", %s,", w);
		size_t at = strlen(list);
		if (strstr(padded, key) == NULL && at + strlen(w) + 3 < cap)
			snprintf(list + at, cap - at, ", %s", w);
	}
}

// Commands of both exec levels; privileged ones only for those who may.
static bool match_exec(struct cli *s, struct match_result *m, unsigned first, enum cli_mode mode)
{
	static struct match_result try;

	match_line(m, CLI_EXEC, &s->lex, first, false);
	if (mode == CLI_EXEC)
		return m->verdict == MATCH_OK;
	match_line(&try, CLI_ENABLE, &s->lex, first, false);
	bool upper = m->verdict == MATCH_INVALID
			     ? try.verdict != MATCH_INVALID || try.word >= m->word
			     : m->verdict == MATCH_INCOMPLETE && try.verdict == MATCH_OK;
	if (upper && m->verdict == MATCH_INVALID && try.verdict == MATCH_INVALID &&
	    try.word == m->word && m->expected[0] != '\0') {
		expected_join(m->expected, sizeof(m->expected), try.expected);
	} else if (upper) {
		match_line(m, CLI_ENABLE, &s->lex, first, false);
	}
	return m->verdict == MATCH_OK;
}

static int finish(struct cli *s)
{
	if (s->state_release != NULL && s->state != NULL)
		s->state_release(s->state);
	s->state = NULL;
	s->state_release = NULL;
	s->row = NULL;
	json_destroy(s->json);
	s->json = NULL;
	s->json_sent = 0;
	output_end(s);
	if (s->status != 0) {
		if (s->has_caret)
			s->sink.caret(s->sink.ctx, s->caret);
		if (s->error[0] == '\0')
			snprintf(s->error, sizeof(s->error), "%s", strerror(-s->status));
		s->sink.error(s->sink.ctx, s->error);
	}
	return CLI_DONE;
}

// Hands out finished JSON in pieces the reader can take.
static int json_continue(struct cli *s)
{
	size_t len = 0;
	const char *text = json_text(s->json, &len);

	if (text == NULL) {
		cli_error(s, "no memory for the JSON text");
		return finish(s);
	}
	size_t piece = len - s->json_sent < 16384 ? len - s->json_sent : 16384;
	s->sink.part(s->sink.ctx, text + s->json_sent, piece);
	s->json_sent += piece;
	if (s->json_sent < len)
		return CLI_MORE;
	s->sink.line(s->sink.ctx, "", 0);
	return finish(s);
}

int session_continue(struct cli *s)
{
	if (s->row == NULL)
		return CLI_DONE;
	if (s->sink.full != NULL && s->sink.full(s->sink.ctx))
		return CLI_MORE;
	if (s->json_sent == SIZE_MAX) {  // the handler is done, its JSON is not sent yet
		s->json_sent = 0;
		return json_continue(s);
	}
	if (s->json_sent > 0)
		return json_continue(s);
	int rc = s->row->cmd->fn(s, &s->match.args);
	if (rc == CLI_MORE && s->status == 0)
		return CLI_MORE;
	if (rc < 0 && s->status == 0)
		s->status = rc;
	if (s->status == 0 && s->json != NULL) {
		s->json_sent = SIZE_MAX;
		return session_continue(s);
	}
	return finish(s);
}

void session_interrupt(struct cli *s)
{
	if (s->row == NULL)
		return;
	s->status = -EINTR;
	snprintf(s->error, sizeof(s->error), "%% Interrupted");
	s->part_len = 0;
	finish(s);
}

static int run_exec(struct cli *s, unsigned first, enum cli_mode mode, bool json)
{
	if (output_filter(s, &s->lex, first) != 0)
		return finish(s);
	if (s->lex.count <= first) {
		cli_error(s, "%% Incomplete command");
		return finish(s);
	}
	if (!match_exec(s, &s->match, first, mode)) {
		session_fail_match(s, &s->match);
		return finish(s);
	}
	s->row = s->match.row;
	if (json && (s->row->cmd->flags & CLI_JSON) != 0) {
		s->json = json_create();
		if (s->json == NULL) {
			cli_error(s, "no memory for the JSON text");
			return finish(s);
		}
	}
	return session_continue(s);
}

static bool is_word(const struct cli *s, unsigned i, const char *word, size_t least)
{
	const char *w = i < s->lex.count ? s->lex.word[i].text : "";
	return strlen(w) >= least && strncasecmp(w, word, strlen(w)) == 0;
}

// exit, end, help: true when the line was one of them.
static bool run_engine_word(struct cli *s)
{
	bool config = mode_is_config(session_mode(s));

	if (s->lex.count != 1)
		return false;
	if (is_word(s, 0, "exit", 2) ||
	    (!config && (is_word(s, 0, "quit", 1) || is_word(s, 0, "logout", 4)))) {
		if (config && !(s->batch && s->depth == 1))
			s->depth--;
		else
			s->closing = !config;
		return true;
	}
	if (config && is_word(s, 0, "end", 3)) {
		s->depth = 1;
		return true;
	}
	if (is_word(s, 0, "help", 1) && strcmp(s->lex.word[0].text, "help") == 0) {
		cli_puts(s, "Type ? at any point: after a blank it lists what may follow, after\n"
			    "part of a word the words that begin so. Words may be shortened while\n"
			    "they stay unique; TAB completes them. 'no' in front undoes a line,\n"
			    "'do' runs an exec command from configuration mode.\n");
		return true;
	}
	return false;
}

static int execute_lexed(struct cli *s, bool json)
{
	enum cli_mode mode = session_mode(s);

	if (s->lex.count == 0 || s->lex.is_comment)
		return finish(s);
	if (run_engine_word(s))
		return finish(s);
	if (!mode_is_config(mode))
		return run_exec(s, 0, mode, json);
	if (!s->batch && strcasecmp(s->lex.word[0].text, "do") == 0)
		return run_exec(s, 1, CLI_ENABLE, json);
	bool no = strcasecmp(s->lex.word[0].text, "no") == 0 ||
		  strcasecmp(s->lex.word[0].text, "default") == 0;
	session_run_config(s, no ? 1 : 0, no);
	return finish(s);
}

int session_execute(struct cli *s, const char *line, size_t len, bool json)
{
	struct err err = {0};

	s->status = 0;
	s->error[0] = '\0';
	s->has_caret = false;
	s->match.row = NULL;
	output_reset(s);
	if (lex_line(&s->lex, line, len, &err, &s->caret) != 0) {
		s->has_caret = s->caret < 200;
		s->status = err.code;
		snprintf(s->error, sizeof(s->error), "%% %s", err.msg);
		return finish(s);
	}
	char *copy = s->batch || s->lex.count == 0 ? NULL : strdup(s->lex.raw);
	int rc = execute_lexed(s, json);
	// A line that was not understood may still hold a key: it is not remembered either.
	if (copy != NULL) {
		if (s->match.row == NULL || (s->match.row->cmd->flags & CLI_SECRET) == 0) {
			if (strcasestr(copy, "key") == NULL && strcasestr(copy, "psk") == NULL)
				history_add(s, copy);
		}
		secret_wipe(copy, strlen(copy));
		free(copy);
	}
	return rc;
}
