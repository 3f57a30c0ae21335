// Key bytes that wipe themselves, and constant-time comparison. Not in core dumps (the memory
// is MADV_DONTDUMP'd). A `struct secret` owns its bytes. Any thread, one owner at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret {
	uint8_t *bytes;  // NULL when empty
	size_t len;
};
int secret_set(struct secret *s, const void *bytes, size_t len);  // replaces; 0 or -ENOMEM
int secret_copy(struct secret *dst, const struct secret *src);
void secret_clear(struct secret *s);  // wipes and frees; safe when empty
static inline bool secret_is_set(const struct secret *s)
{
	return s->bytes != NULL;
}
bool secret_equal(const void *a, const void *b, size_t len);  // constant time
void secret_wipe(void *p, size_t len);                        // explicit_bzero
// Process-wide: no core dumps, RLIMIT_CORE 0. Called first in main().
void secret_process_init(void);
