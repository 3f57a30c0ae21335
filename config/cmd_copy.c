// Configuration files that are read: copy, replace, show startup. Ten thousand lines take seconds,
// so they are read a few milliseconds at a time; what runs stays in force until all lines are there
// and are committed at once. What others commit meanwhile is not undone: the lines are then read
// again on top of that.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "log.h"
#include "loop.h"
#include "secret.h"
#include "session.h"

#define SLICE_US  2500
#define TRIES_MAX 5

struct copy_job {
	struct cli *cli;
	char *text;
	bool onto;  // the running configuration; else a new one is made
	struct config *c;
	struct config_loader *loader;
	struct diff *diff;  // replace: all lines are read
	uint32_t generation;
	unsigned tries;
	void *printing;  // show startup-config: all lines are read
};

static void job_release(void *p)
{
	struct copy_job *j = p;

	if (j == NULL)
		return;
	diff_destroy(j->diff);
	config_loader_destroy(j->loader);
	config_destroy(j->c);
	if (j->text != NULL)
		secret_wipe(j->text, strlen(j->text));
	free(j->text);
	if (j->printing != NULL)
		session_text_release(j->printing);
	free(j);
}

static void line_problem(void *ctx, unsigned line, unsigned column, const char *text,
			 const char *why)
{
	const struct copy_job *j = ctx;

	// The line itself is not shown: the file may be one that only the daemon may read.
	(void)text;
	if (j->tries <= 1)
		cli_printf(j->cli, "line %u, column %u: %s\n", line, column + 1, why);
}

// From the first line.
static int job_begin(struct copy_job *j)
{
	config_loader_destroy(j->loader);
	j->loader = NULL;
	config_destroy(j->c);
	j->generation = commit_generation();
	j->tries++;
	j->c = j->onto ? config_clone(commit_running()) : config_create();
	if (j->c != NULL)
		j->loader = config_loader_create(j->c, j->text, line_problem, j);
	return j->loader != NULL ? 0 : cli_error(j->cli, "%% no memory");
}

static int job_create(struct cli *cli, void **state, const char *path, bool onto)
{
	struct copy_job *j = calloc(1, sizeof(*j));
	struct err err = {0};

	if (j == NULL)
		return cli_error(cli, "%% no memory");
	*state = j;
	j->cli = cli;
	j->onto = onto;
	if (config_file_read(path, &j->text, &err) != 0)
		return cli_error(cli, "%% %s", err.msg);
	return job_begin(j);
}

// CLI_DONE: all lines are read, on the configuration that is running now.
static int job_continue(struct copy_job *j)
{
	if (j == NULL)
		return -ENOMEM;  // said already
	if (!config_loader_run(j->loader, loop_clock_us() + SLICE_US))
		return CLI_MORE;
	if (config_loader_rc(j->loader) != 0)
		return cli_error(j->cli, "%% no memory");
	if (!j->onto || j->generation == commit_generation())
		return CLI_DONE;
	if (j->tries == TRIES_MAX)
		return cli_error(j->cli, "%% the configuration was changed meanwhile: nothing is "
					 "copied");
	int rc = job_begin(j);
	return rc != 0 ? rc : CLI_MORE;
}

static struct config *job_take(struct copy_job *j)
{
	struct config *c = j->c;

	config_loader_destroy(j->loader);
	j->loader = NULL;
	j->c = NULL;
	return c;
}

static void warn_print(void *ctx, const char *text)
{
	cli_printf(ctx, "%% Warning: %s\n", text);
}

static int commit_loaded(struct cli *cli, struct copy_job *j)
{
	struct err err = {0};
	unsigned errors = config_loader_errors(j->loader);

	if (commit_candidate(job_take(j), warn_print, cli, &err) != 0)
		return cli_error(cli, "%% %s", err.msg);
	log_event("SYS", LOG_L_NOTICE, "CONFIG_I", "Configured from a file by %s",
		  cli_peer_name(cli));
	if (errors > 0)
		return cli_error(cli, "%% %u lines were refused, the rest is in effect", errors);
	return CLI_DONE;
}

static int cmd_copy_in(struct cli *cli, const struct cli_args *a)
{
	void **state = cli_state(cli, job_release);
	char path[PATH_MAX];

	if (*state == NULL) {
		if (!cli_has(a, "startup-config")) {
			if (session_file_path(cli, a->value[0], path, sizeof(path)) != 0)
				return cli->status;
		} else if (cli_startup_file() == NULL) {
			return cli_error(cli, "%% there is no startup file");
		} else {
			snprintf(path, sizeof(path), "%s", cli_startup_file());
		}
		if (job_create(cli, state, path, true) != 0)
			return cli->status;
	}
	int rc = job_continue(*state);
	return rc == CLI_DONE ? commit_loaded(cli, *state) : rc;
}

static void diff_line(void *ctx, const char *line)
{
	cli_printf(ctx, "%s\n", line);
}

// What is committed meanwhile by others is compared again, from the first line.
static int replace_compare(struct cli *cli, struct copy_job *j)
{
	if (j->diff == NULL || j->generation != commit_generation()) {
		if (j->diff != NULL)
			cli_puts(cli, "The configuration was changed meanwhile; once more:\n");
		diff_destroy(j->diff);
		j->generation = commit_generation();
		j->diff = diff_create(commit_running(), j->c);
	}
	if (j->diff == NULL)
		return cli_error(cli, "%% no memory");
	return diff_run(j->diff, loop_clock_us() + SLICE_US, diff_line, cli) ? CLI_DONE : CLI_MORE;
}

static int replace(struct cli *cli, const struct cli_args *a, struct copy_job *j)
{
	unsigned errors = config_loader_errors(j->loader);

	if (errors > 0)
		return cli_error(cli, "%% %u lines were refused: nothing is replaced", errors);
	int rc = replace_compare(cli, j);
	if (rc != CLI_DONE)
		return rc;
	unsigned changes = diff_changes(j->diff);
	if (changes == 0)
		cli_puts(cli, "No difference\n");
	else
		cli_printf(cli, "%u lines differ\n", changes);
	return cli_has(a, "check") ? CLI_DONE : commit_loaded(cli, j);
}

static int cmd_replace(struct cli *cli, const struct cli_args *a)
{
	void **state = cli_state(cli, job_release);
	char path[PATH_MAX];

	if (*state == NULL && (session_file_path(cli, a->value[0], path, sizeof(path)) != 0 ||
			       job_create(cli, state, path, false) != 0))
		return cli->status;
	struct copy_job *j = *state;
	int rc = j != NULL && j->diff != NULL ? CLI_DONE : job_continue(j);
	return rc == CLI_DONE ? replace(cli, a, j) : rc;
}

static int cmd_show_startup(struct cli *cli, const struct cli_args *a)
{
	void **state = cli_state(cli, job_release);
	struct copy_job *j = *state;

	(void)a;
	if (j != NULL && j->printing != NULL)
		return session_text_continue(cli, j->printing);
	if (cli_startup_file() == NULL)
		return cli_error(cli, "%% there is no startup file");
	if (j == NULL && job_create(cli, state, cli_startup_file(), false) != 0)
		return cli->status;
	j = *state;
	int rc = job_continue(j);
	return rc == CLI_DONE ? session_text_start(cli, &j->printing, config_print(j->c, true))
			      : rc;
}

static const struct cli_cmd rows[] = {
	{CLI_ENABLE, "show startup-config", NULL, cmd_show_startup, 0, NULL},
	{CLI_ENABLE, "copy startup-config running-config", NULL, cmd_copy_in, 0, NULL},
	{CLI_ENABLE, "copy NAME running-config", NULL, cmd_copy_in, 0, NULL},
	{CLI_ENABLE, "configure replace NAME [check]", NULL, cmd_replace, 0, NULL},
};

int cmd_copy_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
