// Linear allocator freed in one call. Owner: whoever created it; one thread.
#pragma once

#include <stddef.h>

struct arena;
struct arena *arena_create(void);     // NULL and errno on failure
void arena_destroy(struct arena *a);  // NULL is fine; contents are wiped first (keys live here)
void *arena_alloc(struct arena *a, size_t len);  // zeroed, 16-byte aligned; NULL and errno
char *arena_strdup(struct arena *a, const char *s);
