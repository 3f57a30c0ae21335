// The configuration and files: show, write, copy, replace. File names without '/' lie beside the
// startup file; other places are for root and the daemon's own user only, because the daemon
// reads and writes with its own rights.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "log.h"
#include "secret.h"
#include "session.h"

static char *startup_path;

int cli_set_startup_file(const char *path)
{
	char *copy = path != NULL ? strdup(path) : NULL;

	if (path != NULL && copy == NULL)
		return -ENOMEM;
	free(startup_path);
	startup_path = copy;
	return 0;
}

const char *cli_startup_file(void)
{
	return startup_path;
}

// ---- a long text, printed in slices -----------------------------------------------------------

struct slices {
	char *text;
	size_t at;
};

void session_text_release(void *p)
{
	struct slices *s = p;

	secret_wipe(s->text, strlen(s->text));
	free(s->text);
	free(s);
}

int session_text_continue(struct cli *cli, void *p)
{
	struct slices *s = p;
	size_t left = strlen(s->text + s->at), piece = left < 16384 ? left : 16384;
	char keep = s->text[s->at + piece];

	s->text[s->at + piece] = '\0';
	cli_puts(cli, s->text + s->at);
	s->text[s->at + piece] = keep;
	s->at += piece;
	return piece < left ? CLI_MORE : CLI_DONE;
}

int session_text_start(struct cli *cli, void **state, char *text)
{
	struct slices *s = text != NULL ? calloc(1, sizeof(*s)) : NULL;

	if (s == NULL) {
		free(text);
		return cli_error(cli, "%% no memory");
	}
	s->text = text;
	*state = s;
	return session_text_continue(cli, s);
}

static int cmd_show_running(struct cli *cli, const struct cli_args *a)
{
	void **state = cli_state(cli, session_text_release);
	bool secrets = session_mode(cli) != CLI_EXEC && !cli_has(a, "hide-secrets");

	if (*state != NULL)
		return session_text_continue(cli, *state);
	return session_text_start(cli, state, config_print(commit_running(), secrets));
}

// ---- writing -----------------------------------------------------------------------------------

int session_file_path(struct cli *cli, const char *name, char *path, size_t cap)
{
	const char *slash = startup_path != NULL ? strrchr(startup_path, '/') : NULL;
	int dir = slash != NULL ? (int)(slash - startup_path) : 0;
	int n;

	if (strchr(name, '/') != NULL) {
		if (!cli->owner)
			return cli_error(
				cli, "%% files outside the configuration directory are for root "
				     "only");
		n = snprintf(path, cap, "%s", name);
	} else if (name[0] == '.' || name[0] == '\0') {
		return cli_error(cli, "%% %s is not a usable file name", name);
	} else {
		n = snprintf(path, cap, "%.*s%s%s", dir, startup_path != NULL ? startup_path : "",
			     slash != NULL ? "/" : "", name);
	}
	return n >= (int)cap ? cli_error(cli, "%% the file name is too long") : 0;
}

static int save_continue(struct cli *cli, struct file_job *job)
{
	struct err err = {0};

	if (!file_job_done(job, &err))
		return CLI_MORE;
	if (err.code != 0)
		return cli_error(cli, "%% not saved: %s", err.msg);
	log_event("SYS", LOG_L_NOTICE, "CONFIG_SAVED", "Configuration saved by %s",
		  cli_peer_name(cli));
	cli_puts(cli, "[OK]\n");
	return CLI_DONE;
}

static int save_to(struct cli *cli, const char *path)
{
	void **state = cli_state(cli, file_job_release);

	if (*state != NULL)
		return save_continue(cli, *state);
	char *text = config_print(commit_running(), true);
	if (text != NULL)
		*state = file_job_start(path, text);
	if (*state == NULL)
		return cli_error(cli, "%% not saved: %s", strerror(errno));
	return CLI_MORE;
}

static int cmd_write(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	if (startup_path == NULL)
		return cli_error(cli,
				 "%% not saved: the daemon was started without a startup file");
	return save_to(cli, startup_path);
}

static int cmd_copy_out(struct cli *cli, const struct cli_args *a)
{
	char path[PATH_MAX];

	if (session_file_path(cli, a->value[0], path, sizeof(path)) != 0)
		return cli->status;
	return save_to(cli, path);
}

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show running-config [hide-secrets]", NULL, cmd_show_running, 0, NULL},
	{CLI_ENABLE, "write [memory]", NULL, cmd_write, 0, NULL},
	{CLI_ENABLE, "copy running-config startup-config", NULL, cmd_write, 0, NULL},
	{CLI_ENABLE, "copy running-config NAME", NULL, cmd_copy_out, 0, NULL},
};

int cmd_file_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
