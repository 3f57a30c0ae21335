// Helper threads: compute elsewhere, done on the loop's thread, exactly once each, also at the end.
#include "ike/ike_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TASKS 200

struct counter {
	pthread_t loop_thread;
	atomic_uint computed, computed_on_loop, signals_open;
	unsigned done, done_elsewhere;
	struct ike_pool *resubmit;  // the next done() submits one more task here
};

struct test_task {
	struct ike_task task;  // first
	struct counter *c;
	unsigned computed;
};

static void task_compute(struct ike_task *t)
{
	struct test_task *tt = (struct test_task *)t;
	sigset_t mask;

	tt->computed++;
	atomic_fetch_add(&tt->c->computed, 1);
	if (pthread_equal(pthread_self(), tt->c->loop_thread))
		atomic_fetch_add(&tt->c->computed_on_loop, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (!sigismember(&mask, SIGTERM))
		atomic_fetch_add(&tt->c->signals_open, 1);
}

static struct ike_task *task_make(struct counter *c);

static void task_done(struct ike_task *t)
{
	struct test_task *tt = (struct test_task *)t;
	struct counter *c = tt->c;

	assert_int_equal(tt->computed, 1);
	c->done++;
	if (!pthread_equal(pthread_self(), c->loop_thread))
		c->done_elsewhere++;
	free(tt);
	if (c->resubmit) {
		struct ike_pool *p = c->resubmit;
		c->resubmit = NULL;
		ike_pool_submit(p, task_make(c));
	}
}

static struct ike_task *task_make(struct counter *c)
{
	struct test_task *tt = calloc(1, sizeof(*tt));

	assert_non_null(tt);
	tt->task.compute = task_compute;
	tt->task.done = task_done;
	tt->c = c;
	return &tt->task;
}

static void test_all_done(void **state)
{
	struct counter c = {.loop_thread = pthread_self()};
	struct err err;
	struct loop *l = loop_create(&err);
	assert_non_null(l);
	struct ike_pool *p = ike_pool_create(l, 3, &err);
	assert_non_null(p);

	for (unsigned i = 0; i < TASKS; i++)
		ike_pool_submit(p, task_make(&c));
	assert_int_equal(ike_pool_pending(p), TASKS);
	assert_int_equal(c.done, 0);  // never from inside submit
	for (unsigned turns = 0; c.done < TASKS && turns < 10000; turns++)
		assert_int_equal(loop_turn(l, 100), 0);
	assert_int_equal(c.done, TASKS);
	assert_int_equal(atomic_load(&c.computed), TASKS);
	assert_int_equal(atomic_load(&c.computed_on_loop), 0);
	assert_int_equal(atomic_load(&c.signals_open), 0);
	assert_int_equal(c.done_elsewhere, 0);
	assert_int_equal(ike_pool_pending(p), 0);
	ike_pool_destroy(p);
	loop_destroy(l);
}

// Destroy right after submitting: every task is computed and done once, also one that a done()
// submits on the way.
static void test_destroy_busy(void **state)
{
	struct counter c = {.loop_thread = pthread_self()};
	struct loop *l = loop_create(NULL);
	assert_non_null(l);
	struct ike_pool *p = ike_pool_create(l, 1, NULL);
	assert_non_null(p);

	c.resubmit = p;
	for (unsigned i = 0; i < TASKS; i++)
		ike_pool_submit(p, task_make(&c));
	ike_pool_destroy(p);
	assert_int_equal(c.done, TASKS + 1);
	assert_int_equal(atomic_load(&c.computed), TASKS + 1);
	assert_int_equal(c.done_elsewhere, 0);
	assert_int_equal(loop_turn(l, 0), 0);  // nothing of the pool is left in the loop
	loop_destroy(l);
}

static void test_idle(void **state)
{
	struct loop *l = loop_create(NULL);
	struct ike_pool *p = ike_pool_create(l, 0, NULL);

	assert_non_null(p);
	ike_pool_destroy(p);
	ike_pool_destroy(NULL);
	loop_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_done),
		cmocka_unit_test(test_destroy_busy),
		cmocka_unit_test(test_idle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
