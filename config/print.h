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

void print_crypto(struct text *t, const struct config *c);  // print_crypto.c
// The parts of it that there may be very many of; each prints some and returns the next, or NULL.
const struct isakmp_key *print_key_some(struct text *t, const struct isakmp_key *k, size_t bytes);
const struct crypto_map_entry *print_map_some(struct text *t, const struct crypto_map *m,
					      const struct crypto_map_entry *e, size_t bytes);
void print_interfaces(struct text *t, const struct config *c);  // print_interface.c
void print_key_chains(struct text *t, const struct config *c);  // print_key_chain.c
// A secret as configured (quoted where needed), or <hidden>.
const char *print_secret(const struct text *t, const char *secret, char *buf, size_t cap);
