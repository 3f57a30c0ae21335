// cli-bed RUNDIR [STARTUP]: the command socket and the configuration, nothing behind them. Extra
// commands for tests: `show flood` prints without end, `show json` answers in JSON.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "loop.h"

static int cmd_flood(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	for (int i = 0; i < 200; i++)
		cli_puts(cli, "0123456789012345678901234567890123456789012345678901234567890123\n");
	return CLI_MORE;
}

static int cmd_json(struct cli *cli, const struct cli_args *a)
{
	struct json *j = cli_json(cli);

	(void)a;
	if (j == NULL) {
		cli_puts(cli, "plain\n");
		return 0;
	}
	json_obj(j, NULL);
	json_arr(j, "rows");
	for (uint64_t i = 0; i < 20000; i++)
		json_u64(j, NULL, i);
	json_end(j);
	json_end(j);
	return 0;
}

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show flood", NULL, cmd_flood, 0, NULL},
	{CLI_EXEC, "show json", NULL, cmd_json, CLI_JSON, NULL},
};

static void on_signal(void *ctx, int signo)
{
	(void)signo;
	loop_stop(ctx);
}

int main(int argc, char **argv)
{
	struct err err = {0};
	char path[512];
	struct loop *loop = argc >= 2 ? loop_create(&err) : NULL;

	if (loop == NULL || cli_init(&err) != 0 || cli_register(rows, 2, &err) != 0) {
		fprintf(stderr, "cli-bed: %s\n", err.msg);
		return 1;
	}
	if (argc > 2)
		cli_set_startup_file(argv[2]);
	snprintf(path, sizeof(path), "%s/cli.sock", argv[1]);
	struct cli_server *s = cli_server_create(loop, path, &err);
	if (s == NULL) {
		fprintf(stderr, "cli-bed: %s\n", err.msg);
		return 1;
	}
	loop_signal(loop, SIGTERM, on_signal, loop);
	loop_run(loop);
	cli_server_destroy(s);
	cli_fini();
	loop_destroy(loop);
	return 0;
}
