// Helper threads for public-key work.
//
// Two lists under one lock: `todo` (first in, first out) and `finished`. A helper that finishes a
// task writes to an eventfd of the pool's own, which the loop watches; closing it at the end leaves
// nothing behind in the loop that could call into a pool that has gone.
#include "ike/ike_pool.h"
#include "realtime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS_MAX    16
#define THREADS_CHOSEN 4     // more only compete with the workers
#define DONE_BUDGET_US 2000  // of one loop callback; the rest waits for the next turn
#define HELPER_NICE    (-5)  // behind the workers, before what else runs on these cores

struct task_list {  // linked through task->queue
	struct ike_task *first, *last;
};

struct ike_pool {
	struct loop_fd ready_fd;
	pthread_t threads[THREADS_MAX];
	unsigned thread_count;  // loop's thread only, as is pending
	unsigned pending;
	pthread_mutex_t lock;  // guards what follows
	pthread_cond_t work;
	struct task_list todo, finished;
	bool stopping;
};

static void list_push(struct task_list *l, struct ike_task *t)
{
	t->queue = NULL;
	if (l->last)
		l->last->queue = t;
	else
		l->first = t;
	l->last = t;
}

static struct ike_task *list_pop(struct task_list *l)
{
	struct ike_task *t = l->first;

	if (t) {
		l->first = t->queue;
		if (!l->first)
			l->last = NULL;
		t->queue = NULL;
	}
	return t;
}

static void ready_signal(const struct ike_pool *p)
{
	const uint64_t one = 1;

	// Only a counter at its maximum could make this fail, and then the loop is awake anyway.
	ssize_t n = write(p->ready_fd.fd, &one, sizeof(one));
	(void)n;
}

static void *helper_main(void *arg)
{
	struct ike_pool *p = arg;

	(void)setpriority(PRIO_PROCESS, 0, HELPER_NICE);  // Linux: of this thread
	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		struct ike_task *t = list_pop(&p->todo);
		if (!t) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		t->compute(t);
		pthread_mutex_lock(&p->lock);
		list_push(&p->finished, t);
		ready_signal(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static struct ike_task *finished_take(struct ike_pool *p)
{
	pthread_mutex_lock(&p->lock);
	struct ike_task *t = list_pop(&p->finished);
	pthread_mutex_unlock(&p->lock);
	return t;
}

static void ready_event(void *ctx, int fd, unsigned events)
{
	struct ike_pool *p = ctx;
	const uint64_t start = loop_clock_us();
	struct ike_task *t;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	while ((t = finished_take(p)) != NULL) {
		p->pending--;
		t->done(t);  // frees t; may submit again
		if (loop_clock_us() - start > DONE_BUDGET_US) {
			ready_signal(p);
			return;
		}
	}
}

// Signals are for the loop's thread: the helpers start with all of them blocked.
static int threads_start(struct ike_pool *p, unsigned count)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < count && rc == 0; i++) {
		rc = pthread_create(&p->threads[i], NULL, helper_main, p);
		if (rc == 0) {
			p->thread_count++;
			(void)pthread_setname_np(p->threads[i], "ike-helper");
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return p->thread_count ? 0 : -rc;
}

struct ike_pool *ike_pool_create(struct loop *l, unsigned threads, struct err *err)
{
	if (threads == 0) {
		const long cores = sysconf(_SC_NPROCESSORS_ONLN);
		threads = cores < 1 ? 1 : cores > THREADS_CHOSEN ? THREADS_CHOSEN : (unsigned)cores;
	}
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;

	struct ike_pool *p = calloc(1, sizeof(*p));
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = !p ? -ENOMEM : fd < 0 ? -errno : 0;
	if (rc == 0) {
		rc = loop_fd_add(&p->ready_fd, l, "ike-pool", fd, LOOP_READ, ready_event, p);
	}
	if (rc == 0) {
		(void)realtime_mutex(&p->lock);  // cannot fail on Linux, by its C library
		pthread_cond_init(&p->work, NULL);
		rc = threads_start(p, threads);
		if (rc != 0) {
			loop_fd_del(&p->ready_fd);
			pthread_cond_destroy(&p->work);
			pthread_mutex_destroy(&p->lock);
		}
	}
	if (rc != 0) {
		if (fd >= 0)
			close(fd);
		free(p);
		err_set(err, rc, "cannot start the helper threads for IKE: %s", strerror(-rc));
		errno = -rc;
		return NULL;
	}
	return p;
}

void ike_pool_submit(void *ctx, struct ike_task *t)
{
	struct ike_pool *p = ctx;

	p->pending++;
	pthread_mutex_lock(&p->lock);
	list_push(&p->todo, t);
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

unsigned ike_pool_pending(const struct ike_pool *p)
{
	return p->pending;
}

void ike_pool_destroy(struct ike_pool *p)
{
	struct ike_task *t;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);

	// No other thread is left. A done() may still submit: go on until both lists are empty.
	for (;;) {
		t = list_pop(&p->finished);
		if (!t) {
			t = list_pop(&p->todo);
			if (!t)
				break;
			t->compute(t);
		}
		p->pending--;
		t->done(t);
	}
	const int fd = p->ready_fd.fd;
	loop_fd_del(&p->ready_fd);
	close(fd);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
