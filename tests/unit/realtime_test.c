// Real-time scheduling: who has it, who inherits it, and what a shared mutex does for its holder.
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "realtime.h"

static void *policy_of_thread(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

static int policy_of_child(void)
{
	pthread_t t;
	int policy = -1;

	if (pthread_create(&t, NULL, policy_of_thread, &policy) == 0)
		(void)pthread_join(t, NULL);
	return policy;
}

// What a thread of its own saw: the test program itself stays an ordinary one, and asserts.
struct seen {
	int rc[2], policy[2], priority[2], child[2];
};

static void *levels(void *arg)
{
	struct seen *s = arg;

	for (int i = 0; i < 2; i++) {
		struct sched_param param = {0};

		s->rc[i] = i == 0 ? realtime_self(REALTIME_CONTROL, false)
				  : realtime_self(REALTIME_STANDBY, true);
		s->policy[i] = sched_getscheduler(0);
		(void)sched_getparam(0, &param);
		s->priority[i] = param.sched_priority;
		s->child[i] = policy_of_child();
	}
	return NULL;
}

static void test_levels(void **state)
{
	const int before = sched_getscheduler(0);
	struct seen s = {0};
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, levels, &s), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(sched_getscheduler(0), before);
	if (s.rc[0] == -EPERM)
		skip();  // no CAP_SYS_NICE: nothing can be seen
	assert_int_equal(s.rc[0], 0);
	assert_int_equal(s.policy[0], SCHED_RR | SCHED_RESET_ON_FORK);
	assert_int_equal(s.priority[0], 2);
	assert_int_equal(s.child[0], SCHED_OTHER);
	assert_int_equal(s.rc[1], 0);
	assert_int_equal(s.policy[1], SCHED_RR);
	assert_int_equal(s.priority[1], 1);
	assert_int_equal(s.child[1], SCHED_RR);
}

static void test_mutex_inherits(void **state)
{
	pthread_mutex_t m;

	assert_int_equal(realtime_mutex(&m), 0);
	assert_int_equal(pthread_mutex_lock(&m), 0);
	assert_int_equal(pthread_mutex_trylock(&m), EBUSY);
	// The protocol is in the mutex itself (PTHREAD_MUTEX_PRIO_INHERIT_NP of the C library).
	assert_int_equal(m.__data.__kind & 32, 32);
	assert_int_equal(pthread_mutex_unlock(&m), 0);
	assert_int_equal(pthread_mutex_destroy(&m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_mutex_inherits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
