// Shape, escaping, limits, sinks and history of log lines. Standard error is a pipe here.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

struct capture {
	unsigned n;
	enum log_level level;
	char last[2048];
};

static void capture_line(void *ctx, enum log_level level, const char *line)
{
	struct capture *c = ctx;

	c->n++;
	c->level = level;
	(void)snprintf(c->last, sizeof(c->last), "%s", line);
}

static struct capture cap;

static int sink_setup(void **state)
{
	cap = (struct capture){0};
	log_set_stderr_level(LOG_L_EMERG);
	return log_sink_add(capture_line, &cap);
}

static int sink_teardown(void **state)
{
	log_sink_del(capture_line, &cap);
	return 0;
}

static void lines_have_the_known_shape(void **state)
{
	log_event("CRYPTO", LOG_L_NOTICE, "SESSION_STATUS", "tunnel is %s. Peer %s:%u", "UP",
		  "1.2.3.4", 500);
	assert_string_equal(cap.last, "%CRYPTO-5-SESSION_STATUS: tunnel is UP. Peer 1.2.3.4:500");
	assert_int_equal(cap.level, LOG_L_NOTICE);
}

static void peer_bytes_are_escaped(void **state)
{
	log_event("TEST", LOG_L_INFO, "ESCAPE", "id %s", "a\n%FAKE-1-LINE\x1b[2J\xc2\x9b\x7f");
	assert_string_equal(cap.last,
			    "%TEST-6-ESCAPE: id a\\x0a%FAKE-1-LINE\\x1b[2J\\xc2\\x9b\\x7f");
}

static void long_lines_are_cut(void **state)
{
	char big[5000];

	memset(big, '\n', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_event("TEST", LOG_L_INFO, "LONG", "%s", big);
	assert_in_range(strlen(cap.last), 900, 1023);
	memset(big, 'x', sizeof(big) - 1);
	log_event("TEST", LOG_L_INFO, "LONG", "%s", big);
	assert_in_range(strlen(cap.last), 900, 1023);
}

static void limited_lines_are_counted(void **state)
{
	struct log_ratelimit rl = LOG_RATELIMIT(2);

	for (unsigned i = 0; i < 100; i++)
		log_event_limited(&rl, "TEST", LOG_L_WARNING, "STORM", "packet %u", i);
	assert_int_equal(cap.n, 2);
	assert_string_equal(cap.last, "%TEST-4-STORM: packet 1");
	assert_int_equal(rl.suppressed, 98);
	rl.window_start_ms = 1;  // long ago
	log_event_limited(&rl, "TEST", LOG_L_WARNING, "STORM", "packet 100");
	assert_string_equal(cap.last, "%TEST-4-STORM: packet 100 (98 like it suppressed)");
	log_event_limited(&rl, "TEST", LOG_L_WARNING, "STORM", "packet 101");
	assert_string_equal(cap.last, "%TEST-4-STORM: packet 101");
}

static void debug_is_switched_by_facility(void **state)
{
	log_debug(DEBUG_ISAKMP, "not seen");
	assert_int_equal(cap.n, 0);
	log_debug_set(DEBUG_ISAKMP, true);
	log_debug(DEBUG_ISAKMP, "seen %d", 1);
	log_debug(DEBUG_IPSEC, "not seen");
	assert_int_equal(cap.n, 1);
	assert_string_equal(cap.last, "%ISAKMP-7-DEBUG: seen 1");
	log_debug_set(DEBUG_ISAKMP, false);
	assert_false(log_debug_on(DEBUG_ISAKMP));
	for (unsigned i = 0; i < DEBUG_COUNT; i++)
		assert_non_null(log_debug_name((enum log_debug)i));
	assert_string_equal(log_debug_name(DEBUG_ISAKMP), "crypto isakmp");
}

// A session whose terminal is gone removes itself while a line is being delivered.
static void removing_sink(void *ctx, enum log_level level, const char *line)
{
	unsigned *calls = ctx;

	(*calls)++;
	log_sink_del(removing_sink, ctx);
	log_event("TEST", LOG_L_INFO, "NESTED", "from a sink");
}

static void sinks_may_leave_and_log(void **state)
{
	unsigned calls = 0, added = 0;

	assert_int_equal(log_sink_add(removing_sink, &calls), 0);
	log_event("TEST", LOG_L_INFO, "ONE", "x");
	log_event("TEST", LOG_L_INFO, "TWO", "x");
	assert_int_equal(calls, 1);
	assert_int_equal(cap.n, 2);  // the nested line goes to no sink

	while (log_sink_add(removing_sink, &calls) == 0)
		added++;
	assert_in_range(added, 1, 100);
	assert_int_equal(log_sink_add(removing_sink, &calls), -ENOSPC);
	while (added--)
		log_sink_del(removing_sink, &calls);
}

static void history_keeps_the_last_thousand(void **state)
{
	struct capture c = {0};

	for (unsigned i = 0; i < 1500; i++)
		log_event("TEST", LOG_L_INFO, "COUNT", "line %u", i);
	log_history(capture_line, &c);
	assert_int_equal(c.n, 1000);
	assert_non_null(strstr(c.last, ": %TEST-6-COUNT: line 1499"));
}

// Standard error becomes a pipe that nobody reads: logging must go on, and say what was lost.
static void slow_reader_does_not_block(void **state)
{
	static char buf[1 << 20];
	int saved = dup(STDERR_FILENO), fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	log_set_stderr_level(LOG_L_INFO);
	for (unsigned i = 0; i < 3000; i++)
		log_event("TEST", LOG_L_INFO, "PIPE", "line %u %0100u", i, 0u);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	ssize_t n = read(fds[0], buf, sizeof(buf) - 1);

	assert_true(n > 0);
	buf[n] = '\0';
	assert_non_null(strstr(buf, ": %TEST-6-PIPE: line 0 "));
	assert_null(strstr(buf, "line 2999 "));
	log_event("TEST", LOG_L_INFO, "PIPE", "after");
	log_event("TEST", LOG_L_DEBUG, "PIPE", "too fine");
	n = read(fds[0], buf, sizeof(buf) - 1);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	log_set_stderr_level(LOG_L_EMERG);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_non_null(strstr(buf, " log lines lost: reader too slow)\n"));
	assert_non_null(strstr(buf, "%TEST-6-PIPE: after\n"));
	assert_null(strstr(buf, "too fine"));
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(saved);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sink_setup, sink_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_have_the_known_shape),
		TEST(peer_bytes_are_escaped),
		TEST(long_lines_are_cut),
		TEST(limited_lines_are_counted),
		TEST(debug_is_switched_by_facility),
		TEST(sinks_may_leave_and_log),
		TEST(history_keeps_the_last_thousand),
		TEST(slow_reader_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
