// Capabilities that are missing, by name.
#include "rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_missing(void **state)
{
	static const struct {
		const char *status, *missing;
	} cases[] = {
		{"Name:\ttandemd\nCapPrm:\t0\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n", ""},
		{"Name:\ttandemd\nCapEff:\t0000000000007000\n", ""},
		{"Name:\ttandemd\nCapEff:\t0000000000003000\n", "CAP_IPC_LOCK"},
		{"Name:\ttandemd\nCapEff:\t0000000000004000\n", "CAP_NET_ADMIN CAP_NET_RAW"},
		{"Name:\ttandemd\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n",
		 "CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK"},
		{"Name:\ttandemd\n", ""},  // not said
		{"", ""},
	};
	char buf[128], small[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(rights_missing_in(cases[i].status, buf, sizeof(buf)),
				    cases[i].missing);
	assert_true(strlen(rights_missing_in(cases[4].status, small, sizeof(small))) <
		    sizeof(small));
	assert_ptr_equal(rights_missing(buf, sizeof(buf)), buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_missing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
