// The state table against RFC 2281 5.7, written down a second time as the RFC prints it: one row
// per event, the cells in the order of the states.
#include "hsrp_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// "-" no action and no change; a number is the next state, 1 Initial .. 6 Active.
static const char *const rfc[HSRP_EVENTS] = {
	"AB3    -      -      -      -      -",     // a, address known
	"-      CD1    CD1    CD1    CD1    CDH1",  // b
	"-      -      AB4    -      CDFI6  -",     // c
	"-      -      B4     D5     -      -",     // d
	"-      -      -      F      F      F",     // e
	"-      -      -      B3     B3     -",     // f
	"-      EAB3   EA     EA     EA     AB4",   // g
	"-      EAB3   EA     EA     EA     G",     // h, not preempting
	"-      -      AB4    A      CFI6   -",     // i
	"-      -      -      -      -      ABH4",  // j
	"-      -      B      B3     B3     B",     // k
	"-      -      B4     D5     -      B",     // l
	"-      -      -      -      -      ABH4",  // ours: give up
	"-      -      -      -      -      ABH4",  // ours: not heard
	"-      -      -      -      -      -",     // ours: resume goes past the table
};
// Row h as printed has two alternatives in three cells: "A" (with our E, above) and, preempting,
// "BGFI/6"; C is ours: the old active router's timer means nothing to the new one.
static const char *const rfc_preempting = "-      EAB3   BGFIC6 BGFIC6 BGFIC6 G";

static void cell_check(unsigned event, unsigned state, const char *cell, struct hsrp_step got)
{
	static const struct {
		char letter;
		enum hsrp_act act;
	} letters[] = {
		{'A', HSRP_ACT_START_ACTIVE}, {'B', HSRP_ACT_START_STANDBY},
		{'C', HSRP_ACT_STOP_ACTIVE},  {'D', HSRP_ACT_STOP_STANDBY},
		{'E', HSRP_ACT_LEARN},        {'F', HSRP_ACT_HELLO},
		{'G', HSRP_ACT_COUP},         {'H', HSRP_ACT_RESIGN},
		{'I', HSRP_ACT_ARP},
	};
	unsigned actions = 0, next = state;

	for (const char *c = cell; *c; c++) {
		if (*c >= '1' && *c <= '6')
			next = (unsigned)(*c - '1');
		for (unsigned i = 0; i < 9; i++)
			if (letters[i].letter == *c)
				actions |= letters[i].act;
	}
	if (got.actions != actions || (unsigned)got.next != next)
		fail_msg("event %c in %s: actions %#x, next %s", 'a' + (char)event,
			 hsrp_state_name((enum hsrp_state)state), got.actions,
			 hsrp_state_name(got.next));
}

static void row_check(unsigned e, const char *row, bool preempt)
{
	char cell[6][8];

	assert_int_equal(sscanf(row, "%7s %7s %7s %7s %7s %7s", cell[0], cell[1], cell[2], cell[3],
				cell[4], cell[5]),
			 6);
	for (unsigned s = 0; s < HSRP_STATES; s++)
		cell_check(e, s, cell[s],
			   hsrp_fsm_step((enum hsrp_state)s, (enum hsrp_event)e, true, preempt));
}

static void test_table(void **state)
{
	for (unsigned e = 0; e < HSRP_EVENTS; e++)
		row_check(e, rfc[e], false);
}

// Preemption makes a difference in row h alone.
static void test_table_preempting(void **state)
{
	for (unsigned e = 0; e < HSRP_EVENTS; e++)
		row_check(e, e == HSRP_EVENT_ACTIVE_LOWER ? rfc_preempting : rfc[e], true);
}

static void test_conditions(void **state)
{
	struct hsrp_step s;

	// Without an address: Learn.
	s = hsrp_fsm_step(HSRP_STATE_INITIAL, HSRP_EVENT_ENABLED, false, false);
	assert_int_equal(s.next, HSRP_STATE_LEARN);
	assert_int_equal(s.actions, HSRP_ACT_START_ACTIVE | HSRP_ACT_START_STANDBY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_preempting),
		cmocka_unit_test(test_conditions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
