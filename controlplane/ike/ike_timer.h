// Timers of the IKE engine: an intrusive binary heap, ordered by due time. The engine reads no
// clock; ike_timers_run() is told the time. A timer is embedded in the object it belongs to.
// Thread: control thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ike_timer {
	uint64_t due_ms;
	size_t pos;  // place in the heap + 1; 0 = not armed
	void (*fn)(void *obj);
	void *obj;
};

struct ike_timers {
	struct ike_timer **heap;  // owned array of borrowed pointers
	size_t count, cap;
};

void ike_timers_fini(struct ike_timers *h);
void ike_timer_init(struct ike_timer *t, void (*fn)(void *obj), void *obj);
// Arms or moves the timer. -ENOMEM leaves it unarmed; callers treat that as a lost timer of an
// object whose hard limit is armed at creation.
int ike_timer_set(struct ike_timers *h, struct ike_timer *t, uint64_t due_ms);
void ike_timer_stop(struct ike_timers *h, struct ike_timer *t);  // safe when not armed
// Fires at most `budget` timers that are due. Returns how many fired.
unsigned ike_timers_run(struct ike_timers *h, uint64_t now_ms, unsigned budget);
// Due time of the earliest timer, UINT64_MAX when none.
uint64_t ike_timers_next(const struct ike_timers *h);
