// Counters: per worker, written by it alone; summed here for displays. Control thread.
#pragma once

#include <stdint.h>

#include "drop.h"

// A packet the control thread gave up (hold table, host interface), same reasons.
void counters_control_drop(enum drop why);
uint64_t counters_drop(unsigned reason, int worker);  // -1 = all workers and the control thread
const char *drop_name(unsigned reason);
const char *drop_sentence(unsigned reason);
const char *stage_name(unsigned stage);
