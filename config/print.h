// Growing text used by the printers of the configuration.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model.h"

struct text {
	char *s;
	size_t len, cap;
	bool failed;  // sticky: no memory
	bool secrets;
};
void text_put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void print_crypto(struct text *t, const struct config *c);      // print_crypto.c
void print_interfaces(struct text *t, const struct config *c);  // print_interface.c
void print_key_chains(struct text *t, const struct config *c);  // print_key_chain.c
// A secret as configured (quoted where needed), or <hidden>.
const char *print_secret(const struct text *t, const char *secret, char *buf, size_t cap);
