// What this process may do.
#pragma once

#include <stddef.h>

// Names of the capabilities that a gateway needs and this process has not, space separated ("" =
// all are there, or /proc does not say). Returns buf.
const char *rights_missing(char *buf, size_t cap);
// The same for the text of /proc/self/status.
const char *rights_missing_in(const char *status, char *buf, size_t cap);
