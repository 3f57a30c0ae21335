// Requests of a command client (security.md row 29): commands in every mode, filters, help and
// completion. One request per line, the first octet as on the socket: X run, J run with JSON, H
// help, T completion, I interrupt. Nothing may crash, stay unfinished, or print a line end inside a
// line: the client would take what follows for a frame.
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "log.h"
#include "session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS_QUICK 1000
#define TURNS_MAX   61000  // a minute: the thread may be without a processor for long

static void sink_line(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	if (memchr(text, '\n', len) != NULL)
		abort();
}

static void sink_part(void *ctx, const char *text, size_t len)
{
	sink_line(ctx, text, len);
}

static void sink_error(void *ctx, const char *text)
{
	sink_line(ctx, text, strlen(text));
}

static void sink_caret(void *ctx, unsigned column)
{
	(void)ctx;
	if (column > LEX_LINE_MAX)
		abort();
}

static void request(struct cli *s, const char *line, size_t len)
{
	int turns = 0, rc;

	switch (line[0]) {
	case 'H':
	case 'T': session_help(s, line + 1, len - 1, line[0] == 'T'); return;
	case 'I':
		if (session_execute(s, line + 1, len - 1, false) == CLI_MORE)
			session_interrupt(s);
		return;
	default: rc = session_execute(s, line + 1, len - 1, line[0] == 'J');
	}
	while (rc == CLI_MORE) {
		if (++turns > TURNS_MAX)
			abort();
		// a file is written by a thread
		(void)(turns < TURNS_QUICK ? sched_yield() : usleep(1000));
		rc = session_continue(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_sink sink = {
		.line = sink_line, .part = sink_part, .error = sink_error, .caret = sink_caret};
	static bool ready;
	struct err err = {0};
	char prompt[96];

	// Names without '/' lie beside the start-up file, others are for its owner: nothing is
	// written.
	if (!ready && (cli_init(&err) != 0 || cli_set_startup_file("/proc/self/none/startup") != 0))
		abort();
	ready = true;
	log_set_stderr_level(LOG_L_EMERG);
	if (commit_candidate(config_create(), NULL, NULL, &err) != 0)
		abort();
	struct cli *s = session_create(&sink, true, "fuzz");
	if (s == NULL)
		abort();
	const char *pos = (const char *)data, *end = pos + size;
	while (pos < end && !s->closing) {
		const char *nl = memchr(pos, '\n', (size_t)(end - pos));
		const char *stop = nl != NULL ? nl : end;
		if (stop > pos)
			request(s, pos, (size_t)(stop - pos));
		session_prompt(s, prompt, sizeof(prompt));
		sink_error(NULL, prompt);
		pos = stop + 1;
	}
	session_destroy(s);
	return 0;
}
