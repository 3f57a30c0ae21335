// Files for the corpus runners: whole files, sorted directories, hex. One thread. A runner that
// runs out of memory aborts; that is no result of a test.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
	uint8_t *bytes;  // owned; a NUL stands behind the last byte
	size_t len;
};
int blob_read(struct blob *b, const char *path);      // 0 or a negative errno
void blob_from_hex(struct blob *b, const char *hex);  // "" on a wrong digit
void blob_free(struct blob *b);

// Calls fn for each regular file of DIR (or DIR/SUB), sorted by name. 0 or a negative errno.
int dir_each(const char *dir, const char *sub,
	     void (*fn)(void *ctx, const char *path, const char *name), void *ctx);
bool name_ends(const char *name, const char *end);
