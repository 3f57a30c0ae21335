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

	assert_int_equal(pthread_create(&t, NULL, policy_of_thread, &policy), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	return policy;
}

// In a thread of its own: the test program itself stays an ordinary one.
static void *levels(void *arg)
{
	struct sched_param param = {0};
	int rc = realtime_self(REALTIME_CONTROL, false);

	if (rc == -EPERM) {
		*(bool *)arg = false;
		return NULL;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(sched_getscheduler(0), SCHED_RR | SCHED_RESET_ON_FORK);
	assert_int_equal(sched_getparam(0, &param), 0);
	assert_int_equal(param.sched_priority, 2);
	assert_int_equal(policy_of_child(), SCHED_OTHER);
	assert_int_equal(realtime_self(REALTIME_STANDBY, true), 0);
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	assert_int_equal(sched_getparam(0, &param), 0);
	assert_int_equal(param.sched_priority, 1);
	assert_int_equal(policy_of_child(), SCHED_RR);
	return NULL;
}

static void test_levels(void **state)
{
	const int before = sched_getscheduler(0);
	pthread_t t;
	bool allowed = true;

	assert_int_equal(pthread_create(&t, NULL, levels, &allowed), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(sched_getscheduler(0), before);
	if (!allowed)
		skip();  // no CAP_SYS_NICE: nothing can be seen
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
