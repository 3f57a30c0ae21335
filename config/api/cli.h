// Commands: how a subsystem registers them and what a handler may do.
//
// One table row = one command. The pattern language (words separated by blanks):
//   word            keyword; unique abbreviations match
//   NAME            any word            NUMBER<lo-hi>   decimal in range
//   A.B.C.D         IPv4 address        ADDR            IPv4 or IPv6 address
//   MASK            netmask             WILDCARD        wildcard mask
//   HEX             hex digits          INTERFACE       interface name, blank allowed inside
//   LINE            rest of the line    {a|b|c}         exactly one of    [ ... ]  optional
// Each keyword and argument has a help text for `?`. `no` and `default` are handled by the
// engine: a row with CLI_NO is also reachable as "no ..." (args->no is then true), and may then
// stop before any argument (`no description`): its handler looks at args->values.
// Handlers of configuration rows change the candidate model only. Exec handlers print.
// Thread: control thread. A handler may run 5 ms; longer output continues in slices (CLI_MORE).
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "json.h"
#include "model.h"

enum cli_mode {
	CLI_EXEC,        // >
	CLI_ENABLE,      // #
	CLI_CONFIG,      // (config)#
	CLI_IF,          // (config-if)#
	CLI_ISAKMP,      // (config-isakmp)#
	CLI_TRANSFORM,   // (cfg-crypto-trans)#
	CLI_MAP,         // (config-crypto-map)#
	CLI_ACL,         // (config-ext-nacl)#
	CLI_TRACK,       // (config-track)#
	CLI_KEYCHAIN,    // (config-keychain)#
	CLI_KEY,         // (config-keychain-key)#
	CLI_IPC_ZONE,    // (config-ipczone)#
	CLI_IPC_ASSOC,   // (config-ipczone-assoc)#
	CLI_IPC_SCTP,    // (config-ipc-protocol-sctp)#
	CLI_IPC_LOCAL,   // (config-ipc-local-sctp)#
	CLI_IPC_REMOTE,  // (config-ipc-remote-sctp)#
	CLI_RED,         // (config-red-interdevice)#
	CLI_SSP,         // (config-ssp)#
	CLI_LATER,       // (config-...)#: a block that is kept and printed, without effect yet
	CLI_MODE_COUNT,
};

enum cli_flags {
	CLI_NO = 1u << 0,       // reachable with `no`
	CLI_JSON = 1u << 1,     // has a JSON form
	CLI_HIDDEN = 1u << 2,   // accepted, not offered by ? (old syntax)
	CLI_SECRET = 1u << 3,   // the line holds a secret: never in history or logs
	CLI_NO_ONLY = 1u << 4,  // the row exists only in its `no` form (implies CLI_NO)
};

struct cli_args {
	bool no;
	unsigned count;
	const char *word[32];   // every matched token as typed (keywords expanded in full)
	const char *value[16];  // the arguments only (NAME, NUMBER, ...), in pattern order
	unsigned values;
	uint32_t chosen;    // bit i: the i-th optional group or alternative taken (pattern order)
	uint32_t keywords;  // bit i: word[i] is a keyword
};
// True when keyword kw is among the matched tokens (optional words, alternatives).
bool cli_has(const struct cli_args *a, const char *kw);
// The argument that follows keyword kw, or NULL.
const char *cli_after(const struct cli_args *a, const char *kw);

struct cli;  // one client's session, as a handler sees it

enum { CLI_DONE = 0, CLI_MORE = 1 };  // or a negative errno after cli_error()

typedef int (*cli_fn)(struct cli *cli, const struct cli_args *args);

struct cli_cmd {
	enum cli_mode mode;
	const char *pattern;  // "show crypto isakmp sa [detail]"
	// One help text per word of the pattern: {"show", "Show running system information"}, ...;
	// NULL-terminated pairs; words without one fall back to a global table.
	const char *const (*help)[2];
	cli_fn fn;
	unsigned flags;
	void *ctx;
};
// The table must outlive the program. Rows are checked at registration (-EINVAL: bad pattern).
int cli_register(const struct cli_cmd *rows, size_t n, struct err *err);

// ---- what a handler may use ------------------------------------------------------------------
void cli_printf(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_puts(struct cli *cli, const char *text);
// Not NULL when the client asked for JSON and the row has CLI_JSON: write there, print nothing.
struct json *cli_json(struct cli *cli);
// Fails the command with a sentence; returns a negative errno to return.
int cli_error(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *cli_ctx(const struct cli *cli);               // the row's ctx
struct config *cli_candidate(struct cli *cli);      // model to change (configuration rows)
const struct config *cli_running(struct cli *cli);  // committed model
void *cli_object(struct cli *cli);                  // the object the mode is about (map entry, ...)
// Enters a sub-mode of the row's mode. label: NULL, or the text of the prompt instead of the
// mode's.
int cli_enter(struct cli *cli, enum cli_mode mode, void *object, const char *label);
// State of a handler that returns CLI_MORE: zeroed before the first call, `release` (may be NULL)
// is called at the end or when the client goes away.
void **cli_state(struct cli *cli, void (*release)(void *state));
const char *cli_peer_name(const struct cli *cli);  // "uid 0" for logs

// ---- the engine, for controlplane/main.c and tests -------------------------------------------
struct loop;
struct cli_server;
// Registers the configuration commands and builtin exec commands of config/ itself.
int cli_init(struct err *err);
void cli_fini(void);
// Where `write memory` writes and `show startup-config` reads; NULL = nowhere. Copied.
int cli_set_startup_file(const char *path);
const char *cli_startup_file(void);  // or NULL
// Listens on path (mode 0660). -EADDRINUSE with a clear sentence when another process serves it.
struct cli_server *cli_server_create(struct loop *loop, const char *path, struct err *err);
void cli_server_destroy(struct cli_server *s);

// Loads text into a new candidate: every bad line is reported through `bad` (line number from 1,
// column of the caret from 0, sentence) and skipped; the rest still loads. *errors counts them.
typedef void (*config_bad_fn)(void *ctx, unsigned line, unsigned column, const char *text,
			      const char *why);
int config_load_text(struct config *into, const char *text, config_bad_fn bad, void *ctx,
		     unsigned *errors);
int config_load_file(struct config *into, const char *path, config_bad_fn bad, void *ctx,
		     unsigned *errors, struct err *err);
// The exact inverse: prints the model; caller frees the string. Secrets are printed as configured
// when with_secrets, else as `<hidden>`.
char *config_print(const struct config *c, bool with_secrets);
// The same lines with secrets, in parts of about `bytes`, each of whole blocks (a line and those
// indented below it), in another order: first what is not one of many keys, crypto map entries or
// access lists. `at` is zero at the start; the configuration stays as it is meanwhile. The caller
// wipes and frees. NULL: that was all, or (at->failed) there is no memory.
struct config_part {
	unsigned kind;
	bool failed;
	bool hidden;              // set by the caller: secrets as `<hidden>`
	const void *list, *item;  // the next
};
char *config_print_part(const struct config *c, struct config_part *at, size_t bytes);
