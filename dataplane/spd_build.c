// Builds rule sets: sorting, one classifier per group and family, the index by policy id; and
// the thread that does it for large sets. One set waits at most: a newer one takes its place, and
// one that is being built ends at the next group. Large sets are freed here, too.
#include "spd_build.h"
#include "eal.h"
#include "realtime.h"
#include "spd_acl.h"
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define NICE 10  // behind the control thread, should both share a core

static struct {
	pthread_t thread;
	bool running;  // control thread only
	pthread_mutex_t lock;
	pthread_cond_t work;
	// under the lock
	bool quit;
	struct spd *queued, *building, *built, *trash;
} builder = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static int rule_compare(const void *a, const void *b)
{
	const struct dp_policy *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int index_build(struct spd *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->rule[i].id >= s->index_size)
			s->index_size = s->rule[i].id + 1;
	s->index = calloc(s->index_size ? s->index_size : 1, sizeof(*s->index));
	if (!s->index)
		return err_set(&s->err, -ENOMEM, "no memory for %u policies", s->n);
	for (uint32_t i = 0; i < s->n; i++)
		s->index[s->rule[i].id] = i + 1;
	return 0;
}

static int groups_build(struct spd *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		s->groups += i == 0 || s->rule[i].group != s->rule[i - 1].group;
	s->group = calloc(s->groups ? s->groups : 1, sizeof(*s->group));
	if (!s->group)
		return err_set(&s->err, -ENOMEM, "no memory for %u policy groups", s->groups);
	for (uint32_t i = 0, g = 0; i < s->n; g++) {
		struct spd_group *group = &s->group[g];

		if (__atomic_load_n(&s->cancelled, __ATOMIC_RELAXED))
			return err_set(&s->err, -ECANCELED, "a newer set is wanted");
		group->id = s->rule[i].group;
		group->rule = &s->rule[i];
		while (i < s->n && s->rule[i].group == group->id)
			i++, group->n++;
		int rc = spd_acl_build(group, s->generation, &s->err);
		if (rc)
			return rc;
	}
	return 0;
}

void spd_build(struct spd *s)
{
	qsort(s->rule, s->n, sizeof(*s->rule), rule_compare);
	s->rc = index_build(s);
	if (s->rc == 0)
		s->rc = groups_build(s);
}

void spd_free(struct spd *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->group && i < s->groups; i++)
		spd_acl_free(&s->group[i]);
	free(s->group);
	free(s->index);
	free(s->rule);
	free(s);
}

static void trash_free(struct spd *s)
{
	while (s) {
		struct spd *next = s->next;

		spd_free(s);
		s = next;
	}
}

// With the lock.
static void trash_add(struct spd *s)
{
	if (!s)
		return;
	s->next = builder.trash;
	builder.trash = s;
}

static void one_build(void)
{
	struct spd *s = builder.queued;

	builder.queued = NULL;
	builder.building = s;
	pthread_mutex_unlock(&builder.lock);
	spd_build(s);
	pthread_mutex_lock(&builder.lock);
	builder.building = NULL;
	if (__atomic_load_n(&s->cancelled, __ATOMIC_RELAXED)) {
		trash_add(s);
	} else {
		trash_add(builder.built);
		builder.built = s;
	}
}

static void *builder_main(void *arg)
{
	(void)arg;
	(void)setpriority(PRIO_PROCESS, 0, NICE);  // Linux: of this thread
	pthread_mutex_lock(&builder.lock);
	while (!builder.quit) {
		if (builder.queued) {
			one_build();
		} else if (builder.trash) {
			struct spd *s = builder.trash;

			builder.trash = NULL;
			pthread_mutex_unlock(&builder.lock);
			trash_free(s);
			pthread_mutex_lock(&builder.lock);
		} else {
			pthread_cond_wait(&builder.work, &builder.lock);
		}
	}
	pthread_mutex_unlock(&builder.lock);
	return NULL;
}

// The cores that workers have for themselves are not for this thread.
static void cores_choose(pthread_attr_t *attr)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (unsigned i = 0; i < worker_count; i++)
		if (eal_worker_core(i) >= 0)
			CPU_CLR(eal_worker_core(i), &set);
	if (CPU_COUNT(&set) > 0)
		(void)pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

// Signals are for the loop's thread: this one starts with all of them blocked.
static int builder_start(void)
{
	pthread_attr_t attr;
	sigset_t all, before;

	if (builder.running)
		return 0;
	builder.quit = false;
	pthread_mutex_destroy(&builder.lock);
	int rc = realtime_mutex(&builder.lock);
	if (rc == 0)
		rc = pthread_attr_init(&attr);
	if (rc)
		return rc;
	cores_choose(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&builder.thread, &attr, builder_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	builder.running = rc == 0;
	if (builder.running)
		(void)pthread_setname_np(builder.thread, "policies");
	return rc;
}

// With the lock.
static void cancel(void)
{
	trash_add(builder.queued);
	trash_add(builder.built);
	builder.queued = builder.built = NULL;
	if (builder.building)
		__atomic_store_n(&builder.building->cancelled, true, __ATOMIC_RELAXED);
}

int spd_builder_submit(struct spd *s)
{
	int rc = builder_start();

	if (rc)
		return rc < 0 ? rc : -rc;
	pthread_mutex_lock(&builder.lock);
	cancel();
	builder.queued = s;
	pthread_cond_signal(&builder.work);
	pthread_mutex_unlock(&builder.lock);
	return 0;
}

void spd_builder_cancel(void)
{
	if (!builder.running)
		return;
	pthread_mutex_lock(&builder.lock);
	cancel();
	pthread_cond_signal(&builder.work);
	pthread_mutex_unlock(&builder.lock);
}

bool spd_builder_busy(void)
{
	if (!builder.running)
		return false;
	pthread_mutex_lock(&builder.lock);
	bool busy = builder.queued || builder.built ||
		    (builder.building &&
		     !__atomic_load_n(&builder.building->cancelled, __ATOMIC_RELAXED));
	pthread_mutex_unlock(&builder.lock);
	return busy;
}

struct spd *spd_builder_result(void)
{
	if (!builder.running)
		return NULL;
	pthread_mutex_lock(&builder.lock);
	struct spd *s = builder.built;
	builder.built = NULL;
	pthread_mutex_unlock(&builder.lock);
	return s;
}

void spd_builder_free(struct spd *s)
{
	if (!builder.running) {
		spd_free(s);
		return;
	}
	pthread_mutex_lock(&builder.lock);
	trash_add(s);
	pthread_cond_signal(&builder.work);
	pthread_mutex_unlock(&builder.lock);
}

void spd_builder_stop(void)
{
	if (!builder.running)
		return;
	pthread_mutex_lock(&builder.lock);
	cancel();
	builder.quit = true;
	pthread_cond_signal(&builder.work);
	pthread_mutex_unlock(&builder.lock);
	pthread_join(builder.thread, NULL);
	builder.running = false;
	trash_free(builder.trash);
	builder.trash = NULL;
}
