// Small helpers over jansson for the corpus runners: strings, numbers and hex with defaults.
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct blob {
	uint8_t bytes[4096];
	size_t len;
};

static inline const char *jstr(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static inline long long jnum(const json_t *o, const char *key, long long otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

// Hex text to bytes; 0 bytes for a missing or null value. -1: not hex, or too long.
static inline int blob_parse(const char *hex, struct blob *b)
{
	size_t n = strlen(hex);

	b->len = 0;
	if (n % 2 || n / 2 > sizeof(b->bytes))
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		unsigned v;

		if (sscanf(hex + i, "%2x", &v) != 1)
			return -1;
		b->bytes[b->len++] = (uint8_t)v;
	}
	return 0;
}

static inline int jhex(const json_t *o, const char *key, struct blob *b)
{
	return blob_parse(jstr(o, key), b);
}

static inline json_t *jload(const char *dir, const char *name)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return json_load_file(path, 0, NULL);
}
