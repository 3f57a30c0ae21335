// Atomic file writes, and the thread that keeps fsync() out of the control thread.
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secret.h"

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd) != 0 ? -errno : 0;
}

static void sync_directory(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);  // some file systems cannot; the rename is still atomic
		close(fd);
	}
}

int file_write_atomic(const char *path, const char *text, struct err *err)
{
	char temp[PATH_MAX];

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return err_set(err, -ENAMETOOLONG, "%s: name too long", path);
	int fd = mkostemp(temp, O_CLOEXEC);  // mode 0600
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = write_all(fd, text);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(temp, path) != 0)
		rc = -errno;
	if (rc != 0) {
		unlink(temp);
		return err_set(err, rc, "%s: %s", path, strerror(-rc));
	}
	sync_directory(path);
	return 0;
}

struct file_job {
	char *path, *text;
	struct err err;     // written by the thread before done
	atomic_bool done;   // release/acquire: err is readable once true
	atomic_int owners;  // the thread and the session
};

void file_job_release(void *p)
{
	struct file_job *job = p;

	if (job == NULL || atomic_fetch_sub(&job->owners, 1) != 1)
		return;
	secret_wipe(job->text, strlen(job->text));
	free(job->text);
	free(job->path);
	free(job);
}

static void *job_main(void *p)
{
	struct file_job *job = p;

	file_write_atomic(job->path, job->text, &job->err);
	atomic_store_explicit(&job->done, true, memory_order_release);
	file_job_release(job);
	return NULL;
}

struct file_job *file_job_start(const char *path, char *text)
{
	struct file_job *job = calloc(1, sizeof(*job));
	pthread_attr_t attr;
	pthread_t thread;
	int rc = ENOMEM;

	if (job != NULL) {
		job->text = text;
		job->path = strdup(path);
		atomic_init(&job->owners, 2);
	}
	if (job != NULL && job->path != NULL && pthread_attr_init(&attr) == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		rc = pthread_create(&thread, &attr, job_main, job);
		pthread_attr_destroy(&attr);
	}
	if (rc == 0)
		return job;
	secret_wipe(text, strlen(text));
	free(text);
	if (job != NULL)
		free(job->path);
	free(job);
	errno = rc;
	return NULL;
}

bool file_job_done(struct file_job *job, struct err *err)
{
	if (!atomic_load_explicit(&job->done, memory_order_acquire))
		return false;
	*err = job->err;
	return true;
}
