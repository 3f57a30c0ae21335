// A client's state: mode stack, candidate, pending command, output. Created by the server for a
// socket, by config_load_text() for a text, by tests for themselves. Control thread.
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"
#include "commit.h"
#include "lex.h"
#include "match.h"

#define SESSION_DEPTH_MAX 8
#define SESSION_HISTORY   50

// Where a session's output goes. line: one finished line, without newline.
struct session_sink {
	void (*line)(void *ctx, const char *text, size_t len);
	void (*error)(void *ctx, const char *text);  // sentence of a failed command
	void (*caret)(void *ctx, unsigned column);   // before error(), when a word is to blame
	void (*part)(void *ctx, const char *text, size_t len);  // text without line end (JSON)
	bool (*full)(void *ctx);  // true: hold CLI_MORE until the reader has caught up; or NULL
	void *ctx;
};

struct session_level {
	enum cli_mode mode;
	void *object;    // in the candidate; NULL between lines of an interactive session
	char label[32];  // prompt text, "" = the mode's
	char line[LEX_LINE_MAX +
		  1];  // the line that entered this mode, run again on each candidate
};

enum filter_kind {
	FILTER_NONE,
	FILTER_INCLUDE,
	FILTER_EXCLUDE,
	FILTER_BEGIN,
	FILTER_SECTION,
	FILTER_COUNT
};
struct session_filter {
	enum filter_kind kind;
	regex_t regex;  // valid when kind is set
	bool open;      // begin: matched already; section: inside one
	size_t indent;  // section: of its first line
	unsigned count;
};

struct cli {
	struct session_sink sink;
	struct session_level stack[SESSION_DEPTH_MAX];
	unsigned depth;
	bool privileged;  // may enable
	bool owner;       // same user as the daemon, or root: may name files anywhere
	bool stranger;    // the failed line is no word of its mode: it opened another one
	bool batch;       // candidate is given and stays; no commit, no exec rows
	struct config *candidate;
	char peer_name[64];
	unsigned terminal_length;  // 0 = no paging
	bool monitor;              // terminal monitor
	bool want_json;
	bool closing;  // `exit` from exec mode

	// The command being run.
	struct lex_line lex;
	struct match_result match;
	const struct pattern_row *row;  // not NULL while a handler has more to say
	void *state;
	void (*state_release)(void *);
	struct json *json;
	size_t json_sent;
	int status;  // 0 or a negative errno
	char error[768];
	bool has_caret;
	unsigned caret;
	char part[4096];  // an unfinished output line
	size_t part_len;
	struct session_filter filter;

	char *history[SESSION_HISTORY];  // ring, owned
	unsigned history_next;
};

struct cli *session_create(const struct session_sink *sink, bool privileged, const char *peer);
void session_destroy(struct cli *s);

// Starts a line. Returns CLI_DONE when it is finished (s->status says how), CLI_MORE when
// session_continue() must be called until it returns CLI_DONE.
int session_execute(struct cli *s, const char *line, size_t len, bool json);
int session_continue(struct cli *s);
void session_interrupt(struct cli *s);  // Ctrl-C: ends a long output
// `?`: prints candidates as lines "word<tab>help". `tab`: only keywords that continue the word.
void session_help(struct cli *s, const char *line, size_t len, bool tab);
const char *session_prompt(const struct cli *s, char *buf, size_t cap);

// ---- between session.c, execute.c, output.c and mode.c ----------------------------------------
enum cli_mode session_mode(const struct cli *s);
bool mode_is_config(enum cli_mode mode);
const char *mode_prompt(enum cli_mode mode);  // "(config-if)#"
const char *mode_name(enum cli_mode mode);    // "interface configuration"
void output_reset(struct cli *s);
void output_end(struct cli *s);  // flushes an unfinished line, a count
// Looks for "| include ..." in line from word first on; removes it. 0 or a negative errno.
int output_filter(struct cli *s, struct lex_line *line, unsigned first);
int session_run_config(struct cli *s, unsigned first, bool no);
int session_fail_match(struct cli *s, const struct match_result *m);
// Matches in the current mode, then in its ancestors. Returns the level, or -1 with m filled.
int session_match(struct cli *s, struct match_result *m, unsigned first, bool no);
void session_monitor(struct cli *s, bool on);  // terminal monitor
void session_reset_config_stack(struct cli *s, unsigned depth);
int later_capture(struct cli *s, const struct lex_line *line, bool no);

// ---- loading a text, a piece at a time (load.c) -------------------------------------------------
struct config_loader;
// `into` is changed while it runs, and stays the caller's. The text is copied; NULL: no memory.
struct config_loader *config_loader_create(struct config *into, const char *text, config_bad_fn bad,
					   void *ctx);
// At least one line; until the clock (loop_clock_us) says so. true: all of it is loaded.
bool config_loader_run(struct config_loader *j, uint64_t until_us);
int config_loader_rc(const struct config_loader *j);  // then: 0 or -ENOMEM
unsigned config_loader_errors(const struct config_loader *j);
void config_loader_destroy(struct config_loader *j);
// The text of a configuration file; caller wipes and frees. 0 or a negative errno with a sentence.
int config_file_read(const char *path, char **out, struct err *err);
// cmd_file.c: where the file of this name is. 0, or cli_error() was called.
int session_file_path(struct cli *cli, const char *name, char *path, size_t cap);
// A long text (owned from here on), printed in slices: *state for cli_state(), then continue.
int session_text_start(struct cli *cli, void **state, char *text);
int session_text_continue(struct cli *cli, void *p);
void session_text_release(void *p);

// ---- configuration commands, one table per file ------------------------------------------------
int cmd_global_register(struct err *err);
int cmd_copy_register(struct err *err);
int cmd_isakmp_register(struct err *err);
int cmd_ipsec_register(struct err *err);
int cmd_map_register(struct err *err);
int cmd_map_set_register(struct err *err);
int cmd_acl_register(struct err *err);
int cmd_interface_register(struct err *err);
int cmd_ssp_register(struct err *err);
int cmd_standby_register(struct err *err);
int cmd_standby_line_register(struct err *err);
int cmd_key_chain_register(struct err *err);
int cmd_track_register(struct err *err);
int cmd_redundancy_register(struct err *err);
int cmd_later_register(struct err *err);
int cmd_exec_register(struct err *err);
int cmd_file_register(struct err *err);
