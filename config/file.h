// Writing a file so that a crash leaves the old or the new one, never half of either.
#pragma once

#include <stdbool.h>

#include "err.h"

// Temporary file beside path, mode 0600, fsync, rename, fsync of the directory. Blocks.
int file_write_atomic(const char *path, const char *text, struct err *err);

// The same on a thread of its own: the control thread asks file_job_done() now and then.
struct file_job;
// Takes text (malloc'ed; wiped and freed). NULL and errno.
struct file_job *file_job_start(const char *path, char *text);
bool file_job_done(struct file_job *job, struct err *err);  // true: err->code says how it went
void file_job_release(void *job);
