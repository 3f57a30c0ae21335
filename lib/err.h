// An error with a sentence for the operator.
//
// Functions that act for a person (a command, a configuration, a start-up step) take a
// `struct err *` as last argument, return 0 or a negative errno, and on failure leave one
// sentence here that names the object. The caller owns the struct; NULL is allowed where
// nobody will read it. Thread: any, one owner at a time.
#pragma once

#include <stdarg.h>

#define ERR_MSG_MAX 256

struct err {
	int code;               // 0 or a negative errno
	char msg[ERR_MSG_MAX];  // sentence without final newline; never holds a secret
};

// Stores code (a negative errno) and the sentence; returns code, so `return err_set(...)`.
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// Puts "context: " before the sentence that is already there.
void err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
