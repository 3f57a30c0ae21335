// Files for the corpus runners.
#include "corpus_io.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int blob_read(struct blob *b, const char *path)
{
	FILE *f = fopen(path, "rb");

	*b = (struct blob){0};
	if (!f)
		return -errno;
	for (;;) {
		uint8_t *more = realloc(b->bytes, b->len + 65536 + 1);
		if (!more)
			abort();
		b->bytes = more;
		const size_t n = fread(b->bytes + b->len, 1, 65536, f);
		b->len += n;
		if (n == 0)
			break;
	}
	const int rc = ferror(f) ? -EIO : 0;
	fclose(f);
	b->bytes[b->len] = 0;
	if (rc)
		blob_free(b);
	return rc;
}

static int digit(char c)
{
	const char *const digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

void blob_from_hex(struct blob *b, const char *hex)
{
	b->len = 0;
	b->bytes = calloc(1, strlen(hex) / 2 + 1);
	if (!b->bytes)
		abort();
	for (; hex[0] && hex[1]; hex += 2) {
		const int hi = digit(hex[0]), lo = digit(hex[1]);
		if (hi < 0 || lo < 0) {
			b->len = 0;
			return;
		}
		b->bytes[b->len++] = (uint8_t)(hi << 4 | lo);
	}
}

void blob_free(struct blob *b)
{
	free(b->bytes);
	*b = (struct blob){0};
}

int dir_each(const char *dir, const char *sub,
	     void (*fn)(void *ctx, const char *path, const char *name), void *ctx)
{
	char base[2048], path[4096];
	struct dirent **list;
	struct stat st;

	snprintf(base, sizeof(base), "%s%s%s", dir, sub ? "/" : "", sub ? sub : "");
	const int n = scandir(base, &list, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", base, list[i]->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			fn(ctx, path, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return 0;
}

bool name_ends(const char *name, const char *end)
{
	const size_t n = strlen(name), e = strlen(end);

	return n >= e && strcmp(name + n - e, end) == 0;
}
