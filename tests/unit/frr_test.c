// FRR's command socket against a daemon made of a list: leftovers are swept, routes and blocks
// arrive, a refused header spares the rest, a daemon that talks nonsense is dropped and tried
// again.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "frr.h"

static struct bed {
	struct loop *loop;
	struct frr *frr;
	char dir[64], state[96], path[96];
	int listener, peer;
	char heard[16384];  // commands, one per line
	char in[4096];
	size_t in_len;
	unsigned connections;
	bool nonsense;
} bed;

static bool kernel_if(void *ctx, const char *name, char buf[16])
{
	return false;
}

static void routes(void *ctx, void (*fn)(void *fn_ctx, const char *line), void *fn_ctx)
{
	fn(fn_ctx, "10.1.0.0/16 gi0-1 tag 7 3");
}

static bool route_known(void *ctx, const struct ip_prefix *dst, const char *line)
{
	return strcmp(line, "10.1.0.0/16 gi0-1 tag 7 3") == 0;
}

static void answer_send(const char *text, int status)
{
	char tail[4] = {0, 0, 0, (char)status};
	assert_true(write(bed.peer, text, strlen(text)) == (ssize_t)strlen(text));
	assert_true(write(bed.peer, tail, 4) == 4);
}

static void command_heard(const char *command)
{
	size_t at = strlen(bed.heard);
	snprintf(bed.heard + at, sizeof(bed.heard) - at, "%s\n", command);
	if (strcmp(command, "show running-config") == 0)
		answer_send("hostname x\nip route 10.9.0.0/16 gi0-1 3\r\n"
			    "ip route 10.8.0.0/16 gi0-1 5\nip route 10.1.0.0/16 gi0-1 tag 7 3\n"
			    "ip route 10.7.0.0/16 10.9.9.9 gi0-1 tag 7 3 onlink\n"
			    "ip route 10.6.0.0/16 10.9.9.9 gi0-1 33 onlink\n"
			    "ipv6 route 2001:db8::7/128 fe80::9 gi0-1 3\n"
			    "ip route rubbish 3\nip route 3\n",
			    0);
	else if (strncmp(command, "router ospf", 11) == 0)
		answer_send("% Unknown command: router ospf\n", 2);
	else
		answer_send("", 0);
}

// The daemon's side: whole commands out of what has come.
static void daemon_turn(void)
{
	if (bed.peer < 0) {
		bed.peer = accept4(bed.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		bed.connections += bed.peer >= 0;
		bed.in_len = 0;
	}
	if (bed.peer < 0)
		return;
	ssize_t n = read(bed.peer, bed.in + bed.in_len, sizeof(bed.in) - bed.in_len);
	if (n == 0) {
		close(bed.peer);
		bed.peer = -1;
		return;
	}
	if (n < 0)
		return;
	if (bed.nonsense) {
		bed.nonsense = false;
		assert_true(write(bed.peer, "a\0b\0c", 5) == 5);
		return;
	}
	bed.in_len += (size_t)n;
	char *nul;
	while ((nul = memchr(bed.in, 0, bed.in_len))) {
		command_heard(bed.in);
		size_t used = (size_t)(nul - bed.in) + 1;
		memmove(bed.in, bed.in + used, bed.in_len - used);
		bed.in_len -= used;
	}
}

static bool heard(const char *line)
{
	char whole[256];
	snprintf(whole, sizeof(whole), "\n%s\n", line);
	return strstr(bed.heard, whole) != NULL;
}

static void until_heard(const char *line)
{
	for (int i = 0; i < 1000 && !heard(line); i++) {
		daemon_turn();
		loop_turn(bed.loop, 3);
	}
	if (!heard(line))
		fail_msg("never heard %s, but%s", line, bed.heard);
}

static void configure(const char *text)
{
	struct config *c = config_create();
	struct err err = {0};
	unsigned errors = 0;
	assert_int_equal(config_load_text(c, text, NULL, NULL, &errors), 0);
	assert_int_equal(frr_configure(bed.frr, c, &err), 0);
	config_destroy(c);
}

static int setup(void **state)
{
	struct err err = {0};
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	bed = (struct bed){.loop = loop_create(&err), .peer = -1};
	snprintf(bed.dir, sizeof(bed.dir), "/tmp/frr-test-XXXXXX");
	assert_non_null(mkdtemp(bed.dir));
	snprintf(bed.path, sizeof(bed.path), "%s/staticd.vty", bed.dir);
	snprintf(bed.state, sizeof(bed.state), "%s/lines", bed.dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", bed.path);
	bed.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(bed.listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(bed.listener, 4), 0);
	const struct frr_env env = {.loop = bed.loop,
				    .dir = bed.dir,
				    .state_file = bed.state,
				    .kernel_if = kernel_if,
				    .routes = routes,
				    .route_known = route_known,
				    .distance = 3};
	strcpy(bed.heard, "\n");
	assert_int_equal(cli_init(&err), 0);
	bed.frr = frr_create(&env, &err);
	return bed.frr ? 0 : -1;
}

static int teardown(void **state)
{
	close(bed.listener);
	if (bed.peer >= 0)
		close(bed.peer);
	frr_destroy(bed.frr);
	loop_destroy(bed.loop);
	cli_fini();
	unlink(bed.path);
	unlink(bed.state);
	rmdir(bed.dir);
	return 0;
}

static void test_routes(void **state)
{
	frr_route(bed.frr, "10.1.0.0/16 gi0-1 tag 7 3", true);
	until_heard("ip route 10.1.0.0/16 gi0-1 tag 7 3");
	assert_true(heard("no ip route 10.9.0.0/16 gi0-1 3"));
	assert_true(heard("no ip route 10.7.0.0/16 10.9.9.9 gi0-1 tag 7 3 onlink"));
	assert_true(heard("no ipv6 route 2001:db8::7/128 fe80::9 gi0-1 3"));
	assert_null(strstr(bed.heard, "10.6.0.0"));
	assert_null(strstr(bed.heard, "10.8.0.0"));
	assert_null(strstr(bed.heard, "no ip route 10.1.0.0"));
	assert_null(strstr(bed.heard, "rubbish"));
	frr_route(bed.frr, "10.1.0.0/16 gi0-1 tag 7 3", false);
	until_heard("no ip route 10.1.0.0/16 gi0-1 tag 7 3");
}

static void test_blocks(void **state)
{
	struct stat st;
	configure("router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\nroute-map X permit 10\n "
		  "match tag 7\n");
	until_heard("router ospf\nend");  // what is below the refused header would come between
	assert_true(heard("match tag 7"));
	assert_null(strstr(bed.heard, "network"));  // the header was refused
	assert_int_equal(stat(bed.state, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	configure("router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n");
	until_heard("no route-map X permit 10");
}

static void test_nonsense(void **state)
{
	bed.nonsense = true;
	configure("route-map X permit 10\n match tag 7\n");
	until_heard("match tag 7");
	assert_int_equal(bed.connections, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
