// Two replication links in one process, joined by the wire in memory (link_wire.h). Box 0 has the
// lower address and connects, box 1 listens.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link.h"
#include "link_private.h"
#include "link_wire.h"
#include "loop.h"

#define BED_KEY "a-long-random-string"

struct bed_box {
	struct link *link;
	unsigned ups, downs, writable, faults;
	char why[256];
	struct {
		uint32_t sent, got;
	} stream[LINK_STREAMS];
	uint64_t got;
};
extern struct bed {
	struct loop *loop;
	struct bed_box box[2];
} bed;

void bed_up(void);
void bed_down(void);
struct link_params bed_params(unsigned n);
// NULL p: as bed_params says. NULL: link_create refused, bed_err says why.
struct link *bed_start(unsigned n, const struct link_params *p);
extern struct err bed_err;
void bed_stop(unsigned n);
void bed_both(void);  // both started and up
// Turns the loop until the condition holds; fails the test after `ms`.
#define BED_UNTIL(ms, condition)                                         \
	do {                                                             \
		uint64_t end_us = loop_clock_us() + (uint64_t)(ms)*1000; \
		while (!(condition) && loop_clock_us() < end_us)         \
			(void)loop_turn(bed.loop, 10);                   \
		assert_true(condition);                                  \
	} while (0)
void bed_turn(unsigned ms);
// The next message of that stream: numbered, its bytes follow from number, stream and length. The
// receiver checks all of it (faults) and that none is missing.
int bed_send(unsigned n, unsigned stream, size_t len);
struct link_info bed_info(unsigned n);
