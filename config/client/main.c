// tandem: the command-line client. Sends lines to tandemd and prints what comes back; knows no
// command itself. Exit status 0 only if every command was accepted.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "terminal.h"

static void on_interrupt(int signo)
{
	(void)signo;
	wire_interrupted = 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: tandem [-j] [-r RUNDIR] [-c COMMAND]... [< SCRIPT]\n");
	return 2;
}

// Runs one line; failures are counted. Returns -errno when the daemon went away.
static int run_line(struct wire *w, struct reply *r, const char *line, bool json, int *failed)
{
	int rc = wire_send(w, json ? 'J' : 'X', line);

	if (rc == 0)
		rc = reply_read(w, r, line, false);
	if (rc == 0 && r->status != 0)
		++*failed;
	return rc;
}

static int run_script(struct wire *w, struct reply *r, bool json, int *failed)
{
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	while (rc == 0) {
		ssize_t n = getline(&line, &cap, stdin);
		if (n < 0)
			break;
		if (strlen(line) != (size_t)n) {
			fprintf(stderr, "tandem: the script holds a NUL byte\n");
			++*failed;
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		rc = run_line(w, r, line, json, failed);
	}
	if (line != NULL)
		explicit_bzero(line, cap);
	free(line);
	return rc;
}

int main(int argc, char **argv)
{
	const char *rundir = "/run/tandem", *commands[256];
	unsigned count = 0;
	bool json = false;
	int opt, failed = 0;

	while ((opt = getopt(argc, argv, "r:jc:")) != -1) {
		if (opt == 'r')
			rundir = optarg;
		else if (opt == 'j')
			json = true;
		else if (opt == 'c' && count < sizeof(commands) / sizeof(commands[0]))
			commands[count++] = optarg;
		else
			return usage();
	}
	if (optind != argc)
		return usage();

	char path[512];
	struct wire w;
	struct reply r = {0};
	if (snprintf(path, sizeof(path), "%s/cli.sock", rundir) >= (int)sizeof(path) ||
	    wire_open(&w, path) != 0)
		return 1;
	const struct sigaction act = {.sa_handler = on_interrupt};  // no SA_RESTART
	sigaction(SIGINT, &act, NULL);
	int rc = reply_read(&w, &r, "", false);
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = run_line(&w, &r, commands[i], json, &failed);
	if (rc == 0 && count == 0)
		rc = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)
			     ? terminal_run(&w, &r, json)
			     : run_script(&w, &r, json, &failed);
	if (rc == -ECONNRESET || rc == -EPIPE)
		fprintf(stderr, "tandem: the daemon closed the connection\n");
	wire_close(&w);
	if (fflush(stdout) != 0)
		failed++;
	return rc != 0 || failed > 0 || (count == 0 && r.status == -EAGAIN);
}
