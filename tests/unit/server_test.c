// The command socket with real clients: good requests, huge lines, bytes that are no text, clients
// that never read, too many clients, a second server, a left-over socket file.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "log.h"
#include "loop.h"

static struct loop *loop;
static struct cli_server *server;
static char dir[64], path[96];
static bool released;

static void flood_release(void *p)
{
	free(p);
	released = true;
}

static int cmd_flood(struct cli *cli, const struct cli_args *a)
{
	void **state = cli_state(cli, flood_release);

	(void)a;
	if (*state == NULL)
		*state = malloc(1);
	for (int i = 0; i < 100; i++)
		cli_puts(cli,
			 "flood flood flood flood flood flood flood flood flood flood flood\n");
	return CLI_MORE;
}

static int cmd_gush(struct cli *cli, const struct cli_args *a)
{
	(void)a;
	for (int i = 0; i < 200000; i++)
		cli_puts(cli, "gush gush gush gush gush gush gush gush gush gush gush gush gush\n");
	return CLI_DONE;
}

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show flood", NULL, cmd_flood, 0, NULL},
	{CLI_EXEC, "show gush", NULL, cmd_gush, 0, NULL},
};

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	log_set_stderr_level(LOG_L_ERR);
	snprintf(dir, sizeof(dir), "/tmp/tandem-server-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/cli.sock", dir);
	released = false;
	loop = loop_create(&err);
	if (loop == NULL || cli_init(&err) != 0 || cli_register(rows, 2, &err) != 0)
		return -1;
	server = cli_server_create(loop, path, &err);
	return server != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	cli_server_destroy(server);
	cli_fini();
	loop_destroy(loop);
	return rmdir(dir);  // fails when the socket file is left behind
}

static int client_open(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(sun.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void turns(int n)
{
	for (int i = 0; i < n; i++)
		loop_turn(loop, 2);
}

// Reads until `end` has come, or the connection ended; returns the text.
static char *read_until(int fd, const char *end)
{
	static char text[262144];
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < 2000 && strstr(text, end) == NULL; i++) {
		turns(1);
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n > 0)
			text[len += (size_t)n] = '\0';
	}
	return text;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void test_talk(void **state)
{
	struct stat st;
	int fd = client_open();

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_non_null(strstr(read_until(fd, "#\n"), "R0 24 tandem#\n"));
	say(fd, "Xconfigure terminal\nXhostname gw\nXhostname a b\nXend\n");
	const char *text = read_until(fd, "gw#\n");
	assert_non_null(strstr(text, "R0 24 tandem(config)#\n"));
	assert_non_null(strstr(text, "A11\n"));
	assert_non_null(strstr(text, "R-22 24 gw(config)#\n"));
	say(fd, "Hshow run\n");
	assert_non_null(strstr(read_until(fd, "R0"), "Orunning-config\t"));
	// What was sent before the end is still answered.
	say(fd, "Xshow history\n");
	shutdown(fd, SHUT_WR);
	assert_non_null(strstr(read_until(fd, "R0"), "hostname gw"));
	close(fd);
	turns(3);
}

static void test_hostile_bytes(void **state)
{
	char huge[8192];
	int fd = client_open();

	(void)state;
	memset(huge, 'x', sizeof(huge));
	huge[0] = 'X';
	huge[sizeof(huge) - 2] = '\n';
	huge[sizeof(huge) - 1] = '\0';
	read_until(fd, "#\n");
	say(fd, huge);
	const char *text = read_until(fd, "R-90");
	assert_non_null(strstr(text, "longer than 1024 bytes"));
	say(fd, "Xshow \x1b[2J\nXshow history\n");
	text = read_until(fd, "R0");
	assert_non_null(strstr(text, "not text (0x1b)"));
	assert_null(strchr(text, '\x1b'));
	// Another protocol altogether: dropped.
	say(fd, "GET / HTTP/1.0\n");
	read_until(fd, "never");
	char ch;
	assert_int_equal(recv(fd, &ch, 1, 0), 0);
	close(fd);
	// Half a request, then gone.
	fd = client_open();
	say(fd, "Xshow hist");
	turns(5);
	close(fd);
	turns(5);
	fd = client_open();
	assert_non_null(strstr(read_until(fd, "#\n"), "R0"));
	close(fd);
	turns(3);
}

static void test_never_reads(void **state)
{
	int mute = client_open(), other = client_open();

	(void)state;
	say(mute, "Xshow flood\n");
	turns(200);
	assert_false(released);  // it waits, in bounded memory
	read_until(other, "#\n");
	say(other, "Xshow history\nXshow history\n");
	assert_non_null(strstr(read_until(other, "show history"), "show history"));
	// The interrupt ends it.
	say(mute, "I\n");
	for (int i = 0; i < 100 && !released; i++)
		read_until(mute, "Interrupted");
	assert_true(released);
	say(mute, "Xshow flood\n");
	released = false;
	turns(20);
	close(mute);
	turns(20);
	assert_true(released);
	// One that prints without pause into nothing is dropped.
	say(other, "Xshow gush\n");
	turns(20);
	char ch;
	ssize_t n = 1;
	for (int i = 0; i < 2000000 && n > 0; i++)
		n = recv(other, &ch, 1, 0);
	assert_true(n == 0 || errno == ECONNRESET);
	close(other);
	turns(3);
}

static void test_many(void **state)
{
	int fd[80];
	unsigned refused = 0;

	(void)state;
	for (int i = 0; i < 80; i++) {
		fd[i] = client_open();
		turns(2);
		refused += strstr(read_until(fd[i], "R"), "too many") != NULL;
		if (i < 64)
			assert_int_equal(refused, 0);
	}
	assert_int_equal(refused, 16);
	for (int i = 0; i < 80; i++)
		close(fd[i]);
	turns(50);
	int again = client_open();
	assert_non_null(strstr(read_until(again, "#\n"), "R0"));
	close(again);
	turns(3);
}

static void test_second_server(void **state)
{
	struct err err = {0};
	char stale[128];

	(void)state;
	assert_null(cli_server_create(loop, path, &err));
	assert_int_equal(err.code, -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another tandemd is running"));
	// A socket file without a listener is replaced, another file is not.
	snprintf(stale, sizeof(stale), "%s/stale", dir);
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	strcpy(sun.sun_path, stale);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	struct cli_server *s = cli_server_create(loop, stale, &err);
	assert_non_null(s);
	cli_server_destroy(s);
	FILE *f = fopen(stale, "w");
	assert_non_null(f);
	fclose(f);
	assert_null(cli_server_create(loop, stale, &err));
	assert_int_equal(err.code, -EEXIST);
	unlink(stale);
}

static void test_files(void **state)
{
	char startup[128];
	struct stat st;
	int fd = client_open();

	(void)state;
	snprintf(startup, sizeof(startup), "%s/startup.conf", dir);
	cli_set_startup_file(startup);
	read_until(fd, "#\n");
	say(fd, "Xconfigure terminal\nXhostname saved\nXend\nXwrite memory\n");
	assert_non_null(strstr(read_until(fd, "O[OK]"), "O[OK]"));
	assert_int_equal(stat(startup, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct config *c = config_create();
	unsigned errors = 1;
	assert_int_equal(config_load_file(c, startup, NULL, NULL, &errors, NULL), 0);
	assert_int_equal(errors, 0);
	assert_string_equal(c->hostname, "saved");
	config_destroy(c);
	cli_set_startup_file("/nonexistent-directory/startup.conf");
	say(fd, "Xwrite memory\n");
	assert_non_null(strstr(read_until(fd, "not saved"), "not saved"));
	close(fd);
	turns(3);
	unlink(startup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_talk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
