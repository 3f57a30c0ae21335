// The sentence, its prefix, and what happens when it does not fit.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "err.h"

static void set_stores_and_returns_the_code(void **state)
{
	struct err e;

	assert_int_equal(err_set(&e, -ENOENT, "no map %s", "MAP2"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.msg, "no map MAP2");
	assert_int_equal(err_set(NULL, -EINVAL, "nobody reads this"), -EINVAL);
}

static void prefix_goes_in_front(void **state)
{
	struct err e;

	err_set(&e, -EIO, "read failed");
	err_prefix(&e, "interface %s", "Gi0/0");
	err_prefix(&e, "start");
	assert_string_equal(e.msg, "start: interface Gi0/0: read failed");
	assert_int_equal(e.code, -EIO);
	err_prefix(NULL, "nobody");
}

static void long_texts_are_cut(void **state)
{
	char big[2 * ERR_MSG_MAX];
	struct err e;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	err_set(&e, -E2BIG, "%s", big);
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
	err_prefix(&e, "p");
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
	assert_memory_equal(e.msg, "p: xxx", 6);
	err_prefix(&e, "%s", big);
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);

	// The longest prefix that still leaves room for one byte of the old sentence.
	for (size_t n = ERR_MSG_MAX - 6; n < ERR_MSG_MAX + 2; n++) {
		err_set(&e, -EIO, "old");
		err_prefix(&e, "%.*s", (int)n, big);
		assert_true(strlen(e.msg) <= ERR_MSG_MAX - 1);
		assert_int_equal(e.msg[0], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_stores_and_returns_the_code),
		cmocka_unit_test(prefix_goes_in_front),
		cmocka_unit_test(long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
