// The event loop over libevent_core. What this layer adds: timers go before descriptors in every
// turn, long runs of descriptor events are interrupted so that due timers get in (hellos must not
// wait for a storm of handshakes), every callback is measured, and a thread-safe queue wakes the
// loop through an eventfd.
#include "loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "loop_watch.h"

#define PRIORITY_TIMER 0
#define PRIORITY_REST  1
#define PRIORITIES     2

#define DISPATCH_MAX_US 2000  // after this much work on descriptors, look at the timers again
#define TIMER_DELAY_MIN 1     // ms: a timer that restarts itself must let descriptors in

struct task {
	STAILQ_ENTRY(task) link;
	void (*fn)(void *ctx);
	void *ctx;
};
STAILQ_HEAD(task_queue, task);

struct signal_handler {
	SLIST_ENTRY(signal_handler) link;
	struct event *ev;
	struct loop *loop;
	void (*fn)(void *ctx, int signo);
	void *ctx;
};

struct loop {
	struct event_base *base;
	struct event *wake_ev, *turn_ev;
	int wake_fd;
	pthread_mutex_t lock;  // protects tasks; held for a few instructions
	struct task_queue tasks;
	SLIST_HEAD(, signal_handler) signals;
	uint64_t now_us;
	bool in_callback, stop;
	struct loop_watch watch;
};

uint64_t loop_clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_us / 1000;
}

void loop_get_stats(const struct loop *l, struct loop_stats *out)
{
	*out = l->watch.stats;
}

void loop_clear_longest(struct loop *l)
{
	l->watch.stats.longest_us = l->watch.stats.longest_cpu_us = 0;
	l->watch.stats.longest_cpu_name = NULL;
}

static void callback_enter(struct loop *l)
{
	l->now_us = loop_clock_us();
	l->in_callback = true;
	watch_enter(&l->watch, l->now_us);
}

static void callback_leave(struct loop *l, const char *name)
{
	l->in_callback = false;
	watch_leave(&l->watch, name);
}

// A task may take its time; between two of them due timers get their turn.
static void tasks_run(evutil_socket_t fd, short events, void *arg)
{
	struct loop *l = arg;
	uint64_t count, start_us = loop_clock_us();

	if (read(l->wake_fd, &count, sizeof(count)) < 0 && errno == EAGAIN)
		return;

	struct task_queue mine = STAILQ_HEAD_INITIALIZER(mine);

	pthread_mutex_lock(&l->lock);
	STAILQ_CONCAT(&mine, &l->tasks);
	pthread_mutex_unlock(&l->lock);

	while (!STAILQ_EMPTY(&mine) && loop_clock_us() - start_us < DISPATCH_MAX_US && !l->stop) {
		struct task *t = STAILQ_FIRST(&mine);

		STAILQ_REMOVE_HEAD(&mine, link);
		callback_enter(l);
		t->fn(t->ctx);
		callback_leave(l, "deferred call");
		free(t);
	}
	if (STAILQ_EMPTY(&mine))
		return;

	const uint64_t one = 1;

	pthread_mutex_lock(&l->lock);
	STAILQ_CONCAT(&mine, &l->tasks);
	STAILQ_CONCAT(&l->tasks, &mine);
	pthread_mutex_unlock(&l->lock);
	(void)!write(l->wake_fd, &one, sizeof(one));
}

int loop_wake(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct task *t = malloc(sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = (struct task){.fn = fn, .ctx = ctx};

	pthread_mutex_lock(&l->lock);
	bool kick = STAILQ_EMPTY(&l->tasks);

	STAILQ_INSERT_TAIL(&l->tasks, t, link);
	pthread_mutex_unlock(&l->lock);

	const uint64_t one = 1;

	// Fails only when the counter is full, and then the loop wakes anyway.
	if (kick)
		(void)!write(l->wake_fd, &one, sizeof(one));
	return 0;
}

int loop_defer(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	return loop_wake(l, fn, ctx);
}

static void turn_expired(evutil_socket_t fd, short events, void *arg)
{
}

static int base_create(struct loop *l)
{
	const struct timeval dispatch_max = {.tv_usec = DISPATCH_MAX_US};
	struct event_config *cfg = event_config_new();

	if (!cfg)
		return -ENOMEM;
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER) ==
		    0 &&
	    event_config_set_max_dispatch_interval(cfg, &dispatch_max, -1, PRIORITY_REST) == 0)
		l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (!l->base || event_base_priority_init(l->base, PRIORITIES) < 0)
		return -ENOMEM;

	l->wake_ev = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, tasks_run, l);
	l->turn_ev = event_new(l->base, -1, 0, turn_expired, NULL);
	if (!l->wake_ev || !l->turn_ev || event_priority_set(l->wake_ev, PRIORITY_REST) < 0 ||
	    event_add(l->wake_ev, NULL) < 0)
		return -ENOMEM;
	return 0;
}

struct loop *loop_create(struct err *err)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l) {
		err_set(err, -ENOMEM, "no memory for the event loop");
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	STAILQ_INIT(&l->tasks);
	SLIST_INIT(&l->signals);
	l->now_us = loop_clock_us();
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0) {
		err_set(err, -errno, "cannot create the event loop's eventfd: %s", strerror(errno));
		goto fail;
	}
	if (base_create(l) < 0) {
		err_set(err, -ENOMEM, "cannot create the event loop");
		goto fail;
	}
	return l;
fail:
	loop_destroy(l);
	return NULL;
}

void loop_destroy(struct loop *l)
{
	if (!l)
		return;
	while (!STAILQ_EMPTY(&l->tasks)) {
		struct task *t = STAILQ_FIRST(&l->tasks);

		STAILQ_REMOVE_HEAD(&l->tasks, link);
		free(t);
	}
	while (!SLIST_EMPTY(&l->signals)) {
		struct signal_handler *s = SLIST_FIRST(&l->signals);

		SLIST_REMOVE_HEAD(&l->signals, link);
		event_free(s->ev);
		free(s);
	}
	if (l->wake_ev)
		event_free(l->wake_ev);
	if (l->turn_ev)
		event_free(l->turn_ev);
	if (l->base)
		event_base_free(l->base);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static int turn(struct loop *l, int flags)
{
	l->watch.stats.turns++;
	if (event_base_loop(l->base, flags) < 0)
		return -EIO;
	l->now_us = loop_clock_us();
	return 0;
}

int loop_run(struct loop *l)
{
	int ret = 0;

	while (!l->stop && ret == 0)
		ret = turn(l, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
	l->stop = false;
	return ret;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	(void)event_base_loopbreak(l->base);
}

int loop_turn(struct loop *l, unsigned timeout_ms)
{
	const struct timeval tv = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000,
	};

	l->now_us = loop_clock_us();
	if (timeout_ms == 0)
		return turn(l, EVLOOP_NONBLOCK);
	if (event_add(l->turn_ev, &tv) < 0)
		return -ENOMEM;
	int ret = turn(l, EVLOOP_ONCE);

	(void)event_del(l->turn_ev);
	return ret;
}

static void signal_fired(evutil_socket_t signo, short events, void *arg)
{
	struct signal_handler *s = arg;
	struct loop *l = s->loop;

	callback_enter(l);
	s->fn(s->ctx, (int)signo);
	callback_leave(l, "signal");
}

int loop_signal(struct loop *l, int signo, void (*fn)(void *ctx, int signo), void *ctx)
{
	struct signal_handler *s = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct signal_handler){.loop = l, .fn = fn, .ctx = ctx};
	s->ev = evsignal_new(l->base, signo, signal_fired, s);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		if (s->ev)
			event_free(s->ev);
		free(s);
		return -EINVAL;
	}
	SLIST_INSERT_HEAD(&l->signals, s, link);
	return 0;
}

void loop_timer_init(struct loop_timer *t, struct loop *l, const char *name, loop_timer_fn fn,
		     void *ctx)
{
	*t = (struct loop_timer){.loop = l, .fn = fn, .ctx = ctx, .name = name};
}

static void timer_fired(evutil_socket_t fd, short events, void *arg);

// libevent counts a delay from its cached time, which is stale in and after a long callback.
static void timer_arm(struct loop_timer *t)
{
	struct loop *l = t->loop;
	uint64_t now_us = loop_clock_us();
	uint64_t left_us = t->due_ms * 1000 > now_us ? t->due_ms * 1000 - now_us : 0;
	const struct timeval tv = {
		.tv_sec = (time_t)(left_us / 1000000),
		.tv_usec = (suseconds_t)(left_us % 1000000),
	};

	if (!t->ev) {
		struct event *ev = evtimer_new(l->base, timer_fired, t);

		// A timer that silently never fires would be worse than a restart.
		if (!ev || event_priority_set(ev, PRIORITY_TIMER) < 0)
			abort();
		t->ev = ev;
	}
	(void)event_base_update_cache_time(l->base);
	if (event_add(t->ev, &tv) < 0)
		abort();
}

static void timer_fired(evutil_socket_t fd, short events, void *arg)
{
	struct loop_timer *t = arg;
	struct loop *l = t->loop;
	const char *name = t->name;

	callback_enter(l);

	uint64_t now_ms = loop_now_ms(l);

	if (now_ms < t->due_ms) {  // rounding: microseconds early
		l->in_callback = false;
		timer_arm(t);
		return;
	}
	if (t->every_ms > 0) {
		// Stay in phase; periods that were missed altogether are skipped.
		t->due_ms += t->every_ms;
		if (t->due_ms <= now_ms)
			t->due_ms = now_ms + t->every_ms - (now_ms - t->due_ms) % t->every_ms;
		timer_arm(t);
	} else {
		t->due_ms = 0;
	}
	t->fn(t->ctx, now_ms);  // may free t
	callback_leave(l, name);
}

static void timer_start(struct loop_timer *t, uint32_t delay_ms, uint32_t every_ms)
{
	struct loop *l = t->loop;

	if (!l->in_callback)
		l->now_us = loop_clock_us();
	if (delay_ms < TIMER_DELAY_MIN)
		delay_ms = TIMER_DELAY_MIN;
	t->due_ms = loop_now_ms(l) + delay_ms;
	t->every_ms = every_ms;
	timer_arm(t);
}

void loop_timer_start(struct loop_timer *t, uint32_t delay_ms)
{
	timer_start(t, delay_ms, 0);
}

void loop_timer_repeat(struct loop_timer *t, uint32_t every_ms)
{
	if (every_ms < TIMER_DELAY_MIN)
		every_ms = TIMER_DELAY_MIN;
	timer_start(t, every_ms, every_ms);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (t->ev)
		(void)event_del(t->ev);
	t->due_ms = 0;
	t->every_ms = 0;
}

void loop_timer_fini(struct loop_timer *t)
{
	loop_timer_stop(t);
	if (t->ev)
		event_free(t->ev);
	t->ev = NULL;
}

static void fd_fired(evutil_socket_t fd, short events, void *arg)
{
	struct loop_fd *f = arg;
	struct loop *l = f->loop;
	const char *name = f->name;
	unsigned what = (events & EV_READ ? LOOP_READ : 0) | (events & EV_WRITE ? LOOP_WRITE : 0);

	callback_enter(l);
	f->fn(f->ctx, f->fd, what);  // may free f
	callback_leave(l, name);
}

static int fd_arm(struct loop_fd *f)
{
	struct event *ev = f->ev;
	short what = EV_PERSIST;

	(void)event_del(ev);
	if (f->events == 0)
		return 0;
	if (f->events & LOOP_READ)
		what |= EV_READ;
	if (f->events & LOOP_WRITE)
		what |= EV_WRITE;
	if (event_assign(ev, f->loop->base, f->fd, what, fd_fired, f) < 0 ||
	    event_priority_set(ev, PRIORITY_REST) < 0)
		return -EINVAL;
	return event_add(ev, NULL) < 0 ? -errno : 0;
}

int loop_fd_add(struct loop_fd *f, struct loop *l, const char *name, int fd, unsigned events,
		loop_fd_fn fn, void *ctx)
{
	*f = (struct loop_fd){
		.loop = l,
		.fn = fn,
		.ctx = ctx,
		.fd = fd,
		.events = events,
		.name = name,
	};
	f->ev = event_new(l->base, fd, EV_PERSIST, fd_fired, f);
	if (!f->ev)
		return -ENOMEM;
	int ret = fd_arm(f);

	if (ret < 0)
		loop_fd_del(f);
	return ret;
}

int loop_fd_events(struct loop_fd *f, unsigned events)
{
	if (!f->ev)
		return -EINVAL;
	if (f->events == events)
		return 0;
	f->events = events;
	return fd_arm(f);
}

void loop_fd_del(struct loop_fd *f)
{
	if (f->ev)
		event_free(f->ev);
	f->ev = NULL;
}
