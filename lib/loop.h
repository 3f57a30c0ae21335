// The control thread's event loop: a thin layer over libevent, and the only clock reader.
//
// One loop, one thread; nothing here may be called from another thread except loop_wake().
// A callback may run 5 ms; longer ones are counted and logged (%LOOP-4-OVERRUN, rate-limited).
// Structs are owned by the caller and must stay in place while armed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct loop;
struct loop *loop_create(struct err *err);
void loop_destroy(struct loop *l);
int loop_run(struct loop *l);    // until loop_stop(); 0 or a negative errno
void loop_stop(struct loop *l);  // from a callback
// One turn that waits at most timeout_ms for an event (tests). 0 or a negative errno.
int loop_turn(struct loop *l, unsigned timeout_ms);

// CLOCK_MONOTONIC at the start of this turn. Protocol code gets it as an argument.
uint64_t loop_now_ms(const struct loop *l);
// The clock itself, any thread (microseconds, CLOCK_MONOTONIC).
uint64_t loop_clock_us(void);

struct loop_stats {
	uint64_t turns, overruns;  // callbacks over 5 ms by the clock,
	uint64_t overruns_cpu;     // ... of processor time
	// longest callbacks since start, or since these were cleared; processor time is known of
	// those over 1 ms
	uint32_t longest_us, longest_cpu_us;
	const char *longest_cpu_name;  // NULL = none
};
void loop_get_stats(const struct loop *l, struct loop_stats *out);
void loop_clear_longest(struct loop *l);

typedef void (*loop_timer_fn)(void *ctx, uint64_t now_ms);
struct loop_timer {
	void *ev;  // libevent's; NULL before the first start
	struct loop *loop;
	loop_timer_fn fn;
	void *ctx;
	uint64_t due_ms;  // absolute; 0 = not armed
	uint32_t every_ms;
	const char *name;  // for the overrun log; static string
};
void loop_timer_init(struct loop_timer *t, struct loop *l, const char *name, loop_timer_fn fn,
		     void *ctx);
void loop_timer_start(struct loop_timer *t, uint32_t delay_ms);   // one shot; restarts
void loop_timer_repeat(struct loop_timer *t, uint32_t every_ms);  // periodic, no drift build-up
void loop_timer_stop(struct loop_timer *t);                       // safe when not armed
void loop_timer_fini(struct loop_timer *t);

#define LOOP_READ  1u
#define LOOP_WRITE 2u
typedef void (*loop_fd_fn)(void *ctx, int fd, unsigned events);
struct loop_fd {
	void *ev;
	struct loop *loop;
	loop_fd_fn fn;
	void *ctx;
	int fd;
	unsigned events;
	const char *name;
};
int loop_fd_add(struct loop_fd *f, struct loop *l, const char *name, int fd, unsigned events,
		loop_fd_fn fn, void *ctx);
int loop_fd_events(struct loop_fd *f, unsigned events);  // change interest; 0 = none
void loop_fd_del(struct loop_fd *f);                     // does not close fd

// Runs fn once, in the next turn, on the loop's thread.
int loop_defer(struct loop *l, void (*fn)(void *ctx), void *ctx);
// Thread-safe: makes the loop run fn(ctx) on its own thread soon (eventfd behind it).
int loop_wake(struct loop *l, void (*fn)(void *ctx), void *ctx);
// Calls fn on the loop's thread when signo arrives. The handler stays for the loop's life.
int loop_signal(struct loop *l, int signo, void (*fn)(void *ctx, int signo), void *ctx);
