// A list of page-aligned chunks; allocation bumps an offset in the newest one. Chunks are kept
// out of core dumps and wiped when the arena goes, because a configuration holds keys.
#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "secret.h"

#define CHUNK_BYTES (64u * 1024)
#define PAGE_BYTES  4096u
#define ALIGN_BYTES 16u

struct chunk {
	struct chunk *next;
	size_t cap;   // whole chunk, this header included
	size_t used;  // multiple of ALIGN_BYTES
};

struct arena {
	struct chunk *newest;
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

struct arena *arena_create(void)
{
	return calloc(1, sizeof(struct arena));
}

static struct chunk *chunk_create(size_t payload)
{
	size_t header = round_up(sizeof(struct chunk), ALIGN_BYTES);
	size_t cap = round_up(header + payload, PAGE_BYTES);

	if (cap < CHUNK_BYTES)
		cap = CHUNK_BYTES;
	struct chunk *c = aligned_alloc(PAGE_BYTES, cap);

	if (!c)
		return NULL;
	(void)madvise(c, cap, MADV_DONTDUMP);  // best effort: RLIMIT_CORE is 0 as well
	*c = (struct chunk){.cap = cap, .used = header};
	return c;
}

void arena_destroy(struct arena *a)
{
	if (!a)
		return;
	while (a->newest) {
		struct chunk *c = a->newest;
		size_t cap = c->cap;

		a->newest = c->next;
		secret_wipe(c, c->used);
		(void)madvise(c, cap, MADV_DODUMP);  // the heap may hand it to anybody
		free(c);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t len)
{
	struct chunk *c = a->newest;

	if (len > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	len = round_up(len ? len : 1, ALIGN_BYTES);
	if (!c || c->cap - c->used < len) {
		c = chunk_create(len);
		if (!c)
			return NULL;
		// A big object gets its own chunk behind the newest, whose room stays in use.
		if (a->newest && len > CHUNK_BYTES / 4) {
			c->next = a->newest->next;
			a->newest->next = c;
		} else {
			c->next = a->newest;
			a->newest = c;
		}
	}
	void *p = (uint8_t *)c + c->used;

	c->used += len;
	return memset(p, 0, len);
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t len = strlen(s) + 1;
	char *copy = arena_alloc(a, len);

	return copy ? memcpy(copy, s, len) : NULL;
}
