// Key memory. Keys come from pages of their own that are excluded from core dumps and from
// children (a forked helper has no business with them), in two sizes; larger blobs get pages for
// themselves. Freed blocks are wiped and kept for the next key.
//
// Under AddressSanitizer each key is a heap block, so that overruns and leaks are found.
#include "secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define SECRET_ON_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SECRET_ON_HEAP 1
#endif
#endif
#ifndef SECRET_ON_HEAP
#define SECRET_ON_HEAP 0
#endif

#define REGION_BYTES (64u * 1024)

struct free_block {
	struct free_block *next;
};

struct size_class {
	size_t bytes;
	struct free_block *free;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct size_class classes[] = {{.bytes = 64},
				      {.bytes = 512}};  // a key; a Diffie-Hellman value

static void *pages_map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, len, MADV_DONTDUMP);
	(void)madvise(p, len, MADV_WIPEONFORK);
	return p;
}

static struct size_class *class_of(size_t len)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (len <= classes[i].bytes)
			return &classes[i];
	}
	return NULL;
}

static void *block_get(size_t len)
{
	struct size_class *class = class_of(len);

	if (SECRET_ON_HEAP)
		return malloc(len);
	if (!class)
		return pages_map(len);

	pthread_mutex_lock(&pool_lock);
	if (!class->free) {
		uint8_t *region = pages_map(REGION_BYTES);

		for (size_t at = 0; region && at + class->bytes <= REGION_BYTES;
		     at += class->bytes) {
			struct free_block *b = (struct free_block *)(void *)(region + at);

			b->next = class->free;
			class->free = b;
		}
	}
	struct free_block *b = class->free;

	if (b)
		class->free = b->next;
	pthread_mutex_unlock(&pool_lock);
	return b;
}

static void block_put(void *p, size_t len)
{
	struct size_class *class = class_of(len);

	secret_wipe(p, len);
	if (SECRET_ON_HEAP) {
		free(p);
		return;
	}
	if (!class) {
		(void)munmap(p, len);
		return;
	}
	struct free_block *b = p;

	pthread_mutex_lock(&pool_lock);
	b->next = class->free;
	class->free = b;
	pthread_mutex_unlock(&pool_lock);
}

int secret_set(struct secret *s, const void *bytes, size_t len)
{
	uint8_t *p = NULL;

	// The new bytes may lie inside the old ones: copy first, release after.
	if (len > 0) {
		p = block_get(len);
		if (!p)
			return -ENOMEM;
		memcpy(p, bytes, len);
	}
	secret_clear(s);
	s->bytes = p;
	s->len = len;
	return 0;
}

int secret_copy(struct secret *dst, const struct secret *src)
{
	return secret_set(dst, src->bytes, src->len);
}

void secret_clear(struct secret *s)
{
	if (s->bytes)
		block_put(s->bytes, s->len);
	s->bytes = NULL;
	s->len = 0;
}

bool secret_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

void secret_wipe(void *p, size_t len)
{
	if (p && len > 0)
		explicit_bzero(p, len);
}

void secret_process_init(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	// Also closes /proc/PID/mem and ptrace to other processes of the same user.
	(void)prctl(PR_SET_DUMPABLE, 0);
}
