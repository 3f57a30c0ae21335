// The bed of the tests that look into single HSRP groups, made anew for each test; to be included
// once, by a cmocka test.
#pragma once

#include <stdint.h>

#include "hsrp_bed.h"

static struct bed bed;
static struct hsrp_actions out;

static int begin(void **state)
{
	bed_init(&bed, 1);
	return 0;
}

static int end(void **state)
{
	bed_fini(&bed);
	return 0;
}

static struct hsrp_snapshot look(unsigned i)
{
	struct hsrp_snapshot s;

	hsrp_group_snapshot(bed.r[i].g, bed.now, &s);
	return s;
}

static struct hsrp_conf conf_of(unsigned i, uint8_t priority, bool preempt)
{
	return bed_conf(i, 1, priority, preempt, 3000, 10000);
}

// Runs a call on router i's group and performs what it says.
#define DO(i, call)                         \
	do {                                \
		out.count = 0;              \
		call;                       \
		bed_perform(&bed, i, &out); \
	} while (0)
