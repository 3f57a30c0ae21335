// The engine's start, and loading a configuration text: a session without a client, whose
// candidate is the caller's and which is never committed.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "loop.h"
#include "secret.h"
#include "session.h"
#include "ssp.h"

#define FILE_MAX (64u << 20)

static bool ready;

int cli_register(const struct cli_cmd *rows, size_t n, struct err *err)
{
	return pattern_register(rows, n, err);
}

int cli_init(struct err *err)
{
	static int (*const tables[])(struct err *) = {
		cmd_exec_register,      cmd_file_register,    cmd_copy_register,
		cmd_global_register,    cmd_isakmp_register,  cmd_ipsec_register,
		cmd_map_register,       cmd_map_set_register, cmd_acl_register,
		cmd_interface_register, cmd_standby_register, cmd_standby_line_register,
		cmd_key_chain_register, cmd_track_register,   cmd_redundancy_register,
		cmd_ssp_register,       cmd_later_register,
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !ready; i++) {
		int rc = tables[i](err);
		if (rc != 0)
			return rc;
	}
	ready = true;
	return commit_running() != NULL ? 0 : err_set(err, -ENOMEM, "no memory");
}

void cli_fini(void)
{
	cli_set_startup_file(NULL);
	pattern_reset();
	commit_reset();
	ready = false;
}

struct loader {
	config_bad_fn bad;
	void *ctx;
	unsigned line, column;
	const char *text;
	unsigned errors;
};

static void loader_line(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	(void)text;
	(void)len;
}

static void loader_caret(void *ctx, unsigned column)
{
	((struct loader *)ctx)->column = column;
}

static void loader_error(void *ctx, const char *text)
{
	struct loader *l = ctx;

	l->errors++;
	if (l->bad != NULL)
		l->bad(l->ctx, l->line, l->column, l->text, text);
}

// Puts stars over the word behind one that introduces a key: a refused line is shown to people and
// logs. Columns stay as they are.
static void mask_secrets(char *text)
{
	static const char *const words[] = {"key",           "key-string", "psk",      "cipher",
					    "authenticator", "secret",     "password", "text"};
	bool hide = false;

	for (char *s = text; *s != '\0';) {
		size_t gap = strspn(s, " \t"), len = strcspn(s + gap, " \t");
		char *word = s + gap;
		bool intro = false;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			intro |= strlen(words[i]) == len && strncasecmp(word, words[i], len) == 0;
		bool type = len == 1 && strchr("0567", word[0]) != NULL;
		if (hide && !type && len > 0)
			memset(word, '*', len);
		hide = intro || (hide && type);
		s = word + len;
	}
}

// `end` on its own ends a printed configuration; what follows it in a file is still read.
static void load_line(struct cli *s, struct loader *l, const char *line, size_t len)
{
	char text[LEX_LINE_MAX + 1];
	size_t shown = len < LEX_LINE_MAX ? len : LEX_LINE_MAX;

	memcpy(text, line, shown);
	text[shown] = '\0';
	for (size_t i = 0; i < shown; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = text[i] == '\t' ? '\t' : '?';
	}
	mask_secrets(text);
	l->text = text;
	l->column = 0;
	session_execute(s, line, len, false);
	l->text = NULL;  // it dies with this frame
	secret_wipe(text, sizeof(text));
}

struct config_loader {
	struct loader l;
	struct session_sink sink;
	struct cli *session;
	char *text;
	size_t len, at;
	int rc;
	bool done;
};

struct config_loader *config_loader_create(struct config *into, const char *text, config_bad_fn bad,
					   void *ctx)
{
	struct config_loader *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->l = (struct loader){.bad = bad, .ctx = ctx};
	j->sink = (struct session_sink){.line = loader_line,
					.error = loader_error,
					.caret = loader_caret,
					.part = loader_line,
					.ctx = &j->l};
	j->session = session_create(&j->sink, true, "configuration file");
	j->text = strdup(text);
	if (j->session == NULL || j->text == NULL) {
		config_loader_destroy(j);
		return NULL;
	}
	j->len = strlen(j->text);
	j->session->batch = true;
	j->session->candidate = into;
	j->session->stack[0].mode = CLI_CONFIG;
	return j;
}

bool config_loader_run(struct config_loader *j, uint64_t until_us)
{
	while (j->at < j->len) {
		const char *text = j->text + j->at;
		size_t len = strcspn(text, "\n");

		j->l.line++;
		load_line(j->session, &j->l, text, len);
		j->at += len + (text[len] == '\n');
		if (loop_clock_us() >= until_us)
			break;
	}
	if (j->at >= j->len && !j->done) {
		j->done = true;
		j->rc = ssp_resolve(j->session->candidate);
	}
	return j->done;
}

int config_loader_rc(const struct config_loader *j)
{
	return j->rc;
}

unsigned config_loader_errors(const struct config_loader *j)
{
	return j->l.errors;
}

void config_loader_destroy(struct config_loader *j)
{
	if (j == NULL)
		return;
	if (j->session != NULL)
		session_destroy(j->session);
	if (j->text != NULL)
		secret_wipe(j->text, strlen(j->text));
	free(j->text);
	free(j);
}

int config_load_text(struct config *into, const char *text, config_bad_fn bad, void *ctx,
		     unsigned *errors)
{
	struct config_loader *j = config_loader_create(into, text, bad, ctx);

	if (j == NULL)
		return -ENOMEM;
	(void)config_loader_run(j, UINT64_MAX);
	if (errors != NULL)
		*errors = j->l.errors;
	int rc = j->rc;
	config_loader_destroy(j);
	return rc;
}

int config_file_read(const char *path, char **out, struct err *err)
{
	struct stat st;
	size_t at = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = fstat(fd, &st) != 0 ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
	if (rc == 0 && st.st_size > (off_t)FILE_MAX)
		rc = -EFBIG;
	char *text = rc == 0 ? malloc((size_t)st.st_size + 1) : NULL;
	if (rc == 0 && text == NULL)
		rc = -ENOMEM;
	while (rc == 0 && at < (size_t)st.st_size) {
		ssize_t n = read(fd, text + at, (size_t)st.st_size - at);
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	close(fd);
	if (rc != 0) {
		free(text);
		return err_set(err, rc, "%s: %s", path,
			       rc == -EINVAL ? "not a regular file" : strerror(-rc));
	}
	// A NUL inside would hide the rest of the file: turned into a control character, which is
	// reported with its line.
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\0')
			text[i] = '\1';
	}
	text[at] = '\0';
	*out = text;
	return 0;
}

int config_load_file(struct config *into, const char *path, config_bad_fn bad, void *ctx,
		     unsigned *errors, struct err *err)
{
	char *text = NULL;
	int rc = config_file_read(path, &text, err);

	if (text == NULL)
		return rc;
	rc = config_load_text(into, text, bad, ctx, errors);
	secret_wipe(text, strlen(text));
	free(text);
	return rc != 0 ? err_set(err, rc, "%s: no memory", path) : 0;
}
