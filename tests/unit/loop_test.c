// Timers, descriptors, deferred calls, wake-ups from threads and signals, on the real clock with
// generous upper limits.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "loop.h"

static struct loop *loop;
static unsigned calls;

static int setup(void **state)
{
	struct err err;

	calls = 0;
	loop = loop_create(&err);
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	loop_destroy(loop);
	loop = NULL;
	return 0;
}

static void turns_until(unsigned want, unsigned max_ms)
{
	uint64_t end_us = loop_clock_us() + (uint64_t)max_ms * 1000;

	while (calls < want && loop_clock_us() < end_us)
		assert_int_equal(loop_turn(loop, 20), 0);
}

static void busy_ms(unsigned ms)
{
	uint64_t end_us = loop_clock_us() + (uint64_t)ms * 1000;

	while (loop_clock_us() < end_us)
		;
}

static uint64_t fired_ms;

static void count_timer(void *ctx, uint64_t now_ms)
{
	calls++;
	fired_ms = now_ms;
}

static void one_shot_fires_once_and_not_early(void **state)
{
	struct loop_timer t;

	loop_timer_init(&t, loop, "t", count_timer, NULL);
	loop_timer_stop(&t);  // never started
	busy_ms(30);          // the start counts from now, not from the last turn
	uint64_t before = loop_clock_us() / 1000;

	loop_timer_start(&t, 50);
	assert_true(t.due_ms >= before + 50);
	turns_until(1, 2000);
	assert_int_equal(calls, 1);
	assert_true(fired_ms >= before + 50);
	assert_int_equal(t.due_ms, 0);
	assert_int_equal(loop_turn(loop, 20), 0);
	assert_int_equal(calls, 1);

	loop_timer_start(&t, 5000);
	loop_timer_start(&t, 5);  // restart replaces
	turns_until(2, 1000);
	assert_int_equal(calls, 2);
	loop_timer_start(&t, 1);
	loop_timer_stop(&t);
	busy_ms(3);
	assert_int_equal(loop_turn(loop, 5), 0);
	assert_int_equal(calls, 2);
	loop_timer_fini(&t);
}

static void periodic_timer_keeps_its_phase(void **state)
{
	struct loop_timer t;

	loop_timer_init(&t, loop, "t", count_timer, NULL);
	loop_timer_repeat(&t, 20);
	uint64_t phase = t.due_ms % 20;

	for (unsigned i = 1; i <= 5; i++) {
		turns_until(i, 1000);
		assert_int_equal(calls, i);
		assert_int_equal(t.due_ms % 20, phase);
	}
	busy_ms(70);  // three periods are missed: one call, not three
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(calls, 6);
	assert_int_equal(t.due_ms % 20, phase);
	assert_true(t.due_ms > fired_ms);
	loop_timer_stop(&t);
	loop_timer_fini(&t);
}

static struct loop_timer suicide;

static void timer_frees_itself(void *ctx, uint64_t now_ms)
{
	calls++;
	loop_timer_fini(&suicide);
	memset(&suicide, 0xff, sizeof(suicide));
}

static void timer_may_go_in_its_callback(void **state)
{
	loop_timer_init(&suicide, loop, "suicide", timer_frees_itself, NULL);
	loop_timer_repeat(&suicide, 1);
	turns_until(1, 1000);
	busy_ms(3);
	assert_int_equal(loop_turn(loop, 3), 0);
	assert_int_equal(calls, 1);
}

static char order[8];
static unsigned order_n;

static void note_timer(void *ctx, uint64_t now_ms)
{
	order[order_n++] = 't';
}

static void note_fd(void *ctx, int fd, unsigned events)
{
	char c;

	calls++;
	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(fd, &c, 1), 1);
	order[order_n++] = 'f';
}

static void timers_go_before_descriptors(void **state)
{
	struct loop_timer t;
	struct loop_fd f;
	int fds[2];

	order_n = 0;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_fd_add(&f, loop, "pipe", fds[0], LOOP_READ, note_fd, NULL), 0);
	loop_timer_init(&t, loop, "t", note_timer, NULL);
	loop_timer_start(&t, 2);
	assert_int_equal(write(fds[1], "x", 1), 1);
	busy_ms(5);
	turns_until(1, 1000);
	assert_int_equal(order_n, 2);
	assert_memory_equal(order, "tf", 2);
	loop_timer_fini(&t);
	loop_fd_del(&f);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void count_fd(void *ctx, int fd, unsigned events)
{
	unsigned *seen = ctx;

	calls++;
	*seen |= events;
}

static void interest_can_change(void **state)
{
	struct loop_fd f;
	unsigned seen = 0;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_fd_add(&f, loop, "pipe", fds[1], 0, count_fd, &seen), 0);
	assert_int_equal(loop_turn(loop, 10), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(loop_fd_events(&f, LOOP_WRITE), 0);
	assert_int_equal(loop_fd_events(&f, LOOP_WRITE), 0);
	turns_until(1, 1000);
	assert_int_equal(seen, LOOP_WRITE);
	assert_int_equal(loop_fd_events(&f, 0), 0);
	unsigned before = calls;

	assert_int_equal(loop_turn(loop, 10), 0);
	assert_int_equal(calls, before);
	loop_fd_del(&f);
	loop_fd_del(&f);
	assert_true(loop_fd_events(&f, LOOP_READ) < 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void defer_again(void *ctx)
{
	calls++;
	if (calls < 3)
		assert_int_equal(loop_defer(loop, defer_again, NULL), 0);
}

static void deferred_calls_run_next_turn(void **state)
{
	assert_int_equal(loop_defer(loop, defer_again, NULL), 0);
	assert_int_equal(calls, 0);
	turns_until(3, 1000);
	assert_int_equal(calls, 3);
}

static void slow_task(void *ctx)
{
	calls++;
	busy_ms(3);
}

// Twenty tasks of 3 ms are queued; a timer of 1 ms must not wait for all of them.
static void task_queue_lets_timers_in(void **state)
{
	struct loop_timer t;

	order_n = 0;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(loop_defer(loop, slow_task, NULL), 0);
	loop_timer_init(&t, loop, "t", note_timer, NULL);
	loop_timer_start(&t, 1);
	for (unsigned i = 0; i < 20 && order_n == 0; i++)
		assert_int_equal(loop_turn(loop, 20), 0);
	assert_int_equal(order_n, 1);
	assert_in_range(calls, 0, 5);
	turns_until(20, 2000);
	assert_int_equal(calls, 20);
	loop_timer_fini(&t);
}

static void count_call(void *ctx)
{
	calls++;
}

static void *waker(void *arg)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (loop_wake(loop, count_call, NULL) < 0)
			return arg;
	}
	return NULL;
}

static void threads_can_wake_the_loop(void **state)
{
	pthread_t threads[2];
	void *failed;

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, waker, loop), 0);
	turns_until(2000, 5000);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(calls, 2000);
}

static void stop_on_signal(void *ctx, int signo)
{
	calls += (unsigned)signo;
	loop_stop(loop);
}

static void raise_later(void *ctx, uint64_t now_ms)
{
	(void)kill(getpid(), SIGUSR1);
}

static void run_ends_on_stop_and_signals_arrive(void **state)
{
	struct loop_timer t;

	assert_int_equal(loop_signal(loop, SIGUSR1, stop_on_signal, NULL), 0);
	loop_timer_init(&t, loop, "t", raise_later, NULL);
	for (unsigned i = 1; i <= 2; i++) {  // a stopped loop runs again
		loop_timer_start(&t, 5);
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(calls, i * SIGUSR1);
	}
	loop_timer_fini(&t);
	assert_int_equal(loop_defer(loop, count_call, NULL), 0);  // freed with the loop
}

static unsigned overrun_lines;

static void overrun_sink(void *ctx, enum log_level level, const char *line)
{
	overrun_lines += strncmp(line, "%LOOP-4-OVERRUN: sluggard ran for ", 34) == 0;
}

static void slow_timer(void *ctx, uint64_t now_ms)
{
	calls++;
	busy_ms(8);
}

static void overruns_are_counted_and_logged(void **state)
{
	struct loop_timer t;
	struct loop_stats s;

	log_set_stderr_level(LOG_L_EMERG);
	assert_int_equal(log_sink_add(overrun_sink, NULL), 0);
	loop_timer_init(&t, loop, "sluggard", slow_timer, NULL);
	loop_timer_start(&t, 1);
	turns_until(1, 1000);
	loop_get_stats(loop, &s);
	log_sink_del(overrun_sink, NULL);
	assert_int_equal(s.overruns, 1);
	assert_true(s.longest_us >= 8000);
	assert_true(s.turns >= 1);
	assert_int_equal(overrun_lines, 1);
	loop_timer_fini(&t);
}

static void sleepy_timer(void *ctx, uint64_t now_ms)
{
	const struct timespec eight_ms = {.tv_nsec = 8000000};

	calls++;
	(void)nanosleep(&eight_ms, NULL);
}

// Who waited, for a processor perhaps, is told from who used one.
static void processor_time_is_known_beside_the_clock(void **state)
{
	struct loop_timer t;
	struct loop_stats s;

	log_set_stderr_level(LOG_L_EMERG);
	loop_timer_init(&t, loop, "sleeper", sleepy_timer, NULL);
	loop_timer_start(&t, 1);
	turns_until(1, 1000);
	loop_get_stats(loop, &s);
	assert_true(s.longest_us >= 8000);
	assert_true(s.longest_cpu_us < 4000);
	assert_int_equal(s.overruns_cpu, 0);
	loop_timer_fini(&t);

	loop_timer_init(&t, loop, "worker", slow_timer, NULL);
	for (unsigned n = 2; s.longest_cpu_us < 4000 && n < 100; n++) {  // on a busy machine too
		loop_timer_start(&t, 1);
		turns_until(n, 1000);
		loop_get_stats(loop, &s);
	}
	assert_true(s.longest_cpu_us >= 4000);
	assert_string_equal(s.longest_cpu_name, "worker");
	loop_clear_longest(loop);
	loop_get_stats(loop, &s);
	assert_int_equal(s.longest_cpu_us, 0);
	assert_null(s.longest_cpu_name);
	loop_timer_fini(&t);
}

static void turn_waits_no_longer_than_told(void **state)
{
	uint64_t start_us = loop_clock_us();

	assert_int_equal(loop_turn(loop, 30), 0);
	uint64_t took_us = loop_clock_us() - start_us;

	assert_in_range(took_us, 29000, 2000000);
	assert_true(loop_now_ms(loop) >= start_us / 1000 + 29);
	assert_int_equal(loop_turn(loop, 0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(overruns_are_counted_and_logged),  // first: the log line is rate-limited
		TEST(processor_time_is_known_beside_the_clock),
		TEST(one_shot_fires_once_and_not_early),
		TEST(periodic_timer_keeps_its_phase),
		TEST(timer_may_go_in_its_callback),
		TEST(timers_go_before_descriptors),
		TEST(interest_can_change),
		TEST(deferred_calls_run_next_turn),
		TEST(task_queue_lets_timers_in),
		TEST(threads_can_wake_the_loop),
		TEST(run_ends_on_stop_and_signals_arrive),
		TEST(turn_waits_no_longer_than_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
